from __future__ import annotations

import subprocess
import sys
import time

import pytest

from segmake.core.journal import Entry, Journal, next_attempt


@pytest.fixture
def path(tmp_path):
    return tmp_path / "segment" / "0001.jsonl"


def entry(event: str, attempt: int) -> Entry:
    return Entry("a.tif", event, "key", attempt, 0.0)  # type: ignore[arg-type]


def test_what_is_written_is_read_back(path):
    journal = Journal(path)
    journal.add("é\n\udcff.tif", "started", "k", 1)
    journal.add("é\n\udcff.tif", "done", "k", 1, cells=3, pixel_size_um=None)
    for again in (journal, Journal(path)):
        last = again.last("é\n\udcff.tif")
        assert last is not None and last.details == {"cells": 3, "pixel_size_um": None}
        assert again.is_done("é\n\udcff.tif", "k")
        assert not again.is_done("é\n\udcff.tif", "other key")
        assert again.last("b.tif") is None


def test_the_last_end_counts(path):
    journal = Journal(path)
    journal.add("a", "done", "k", 1)
    journal.add("b", "done", "k", 1)
    journal.add("a", "failed", "k", 2)
    journal.add("b", "started", "k", 2)
    assert not journal.is_done("a", "k")
    assert journal.is_done("b", "k"), "an attempt that has only started changes nothing"
    assert {name: last.attempt for name, last in journal.finished().items()} == {"a": 2, "b": 1}


@pytest.mark.parametrize(
    "left", [b'{"image": "b", "ev', b"\0\0\0\0", b"[1, 2]\n", b'{"x": 1}\n', b"\xff"]
)
def test_half_a_line_is_ignored_and_the_next_one_can_be_read(path, left):
    Journal(path).add("a", "done", "k", 1)
    with path.open("ab") as file:
        file.write(left)
    journal = Journal(path)
    assert set(journal.finished()) == {"a"}
    journal.add("b", "done", "k", 1)
    assert set(Journal(path).finished()) == {"a", "b"}


@pytest.mark.parametrize(
    ("events", "deaths"),
    [
        ([], 0),
        ([("a", "started", "k")], 1),
        ([("a", "started", "k"), ("b", "started", "k"), ("a", "started", "k")], 2),
        ([("a", "started", "k"), ("a", "failed", "k"), ("a", "started", "k")], 1),
        ([("a", "started", "k"), ("a", "started", "k"), ("a", "done", "k")], 0),
        ([("a", "started", "old"), ("a", "started", "old"), ("a", "started", "k")], 1),
    ],
)
def test_deaths_in_a_row_with_this_key(path, events, deaths):
    journal = Journal(path)
    for image, event, key in events:
        journal.add(image, event, key, 1)
    assert Journal(path).deaths("a", "k") == deaths


@pytest.mark.parametrize(
    ("last", "current", "present", "expected"),
    [
        (None, False, True, 1),  # new
        (None, False, False, 1),  # gone before it was ever computed
        (entry("done", 1), True, True, 1),
        (entry("done", 3), True, True, 3),
        (entry("done", 1), False, True, 2),  # the file, a setting or a result changed
        (entry("failed", 1), False, True, 2),
        (entry("failed", 2), False, False, 2),  # gone: asks for nothing
        (entry("done", 2), False, False, 2),
    ],
)
def test_the_attempt_that_an_image_is_on(last, current, present, expected):
    assert next_attempt(last, current=current, present=present) == expected


def test_another_process_waits_and_then_sees_what_was_written(path, root):
    program = (
        "import sys; from pathlib import Path; from segmake.core.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1])); print('waiting', flush=True)\n"
        "with journal.locked(): print(sorted(journal.finished()))\n"
    )
    with Journal(path).locked() as journal:
        other = subprocess.Popen(
            [sys.executable, "-c", program, str(path)],
            env={"PYTHONPATH": str(root / "workflow")},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert other.stdout is not None and other.stdout.readline() == "waiting\n"
        time.sleep(0.5)
        journal.add("a", "done", "k", 1)
    assert other.communicate()[0] == "['a']\n"
    assert other.returncode == 0
