from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable

import pytest

from segmake.core.files import append_line, write_atomically
from segmake.core.processes import boot
from segmake.runner.records import record_of

_counted: Counter[str] | None = None


def _count(event: str, arguments: tuple[object, ...]) -> None:
    if _counted is not None and event in ("open", "os.mkdir"):
        _counted[event] += 1


# It stays as long as the process does.
sys.addaudithook(_count)


@pytest.fixture
def calls(monkeypatch) -> Callable[[Callable[[], object]], Counter[str]]:
    """Count what a function asks of the file system: files opened, folders made, what is brought to the disk."""

    def count(work: Callable[[], object]) -> Counter[str]:
        global _counted
        found: Counter[str] = Counter()

        def fsync(number: int) -> None:
            found["fsync"] += 1

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", fsync)
            _counted = found
            try:
                work()
            finally:
                _counted = None
        return found

    return count


@pytest.mark.parametrize("number", [2, 20])
def test_a_file_costs_three_opens_and_no_folder_is_made_anew(tmp_path, calls, number):
    def write() -> None:
        for name in range(number):
            with write_atomically(tmp_path / "new" / f"{name}.txt") as part:
                part.write_text("whole")

    found = calls(write)
    # The first is asked for in vain, once, and made.
    assert found == {"open": 3 * number + 1, "os.mkdir": 1, "fsync": 2 * number}
    assert {path.read_text() for path in (tmp_path / "new").iterdir()} == {"whole"}
    assert len(list((tmp_path / "new").iterdir())) == number


def test_a_block_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError), write_atomically(path) as part:
        part.write_text("half")
        _ = 1 / 0
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("number", [2, 20])
def test_a_line_costs_one_open(tmp_path, calls, number):
    path = tmp_path / "journal.jsonl"
    append_line(path, "first")

    def add() -> None:
        for line in range(number):
            append_line(path, str(line))

    # Python tells twice of what it opens by a function of ours.
    assert calls(add) == {"open": 2 * number, "fsync": number}


def test_a_line_is_added_where_a_folder_was_removed_meanwhile(tmp_path):
    for folder in ("a", "b/c"):
        append_line(tmp_path / folder / "journal.jsonl", "line")
        assert (tmp_path / folder / "journal.jsonl").read_text() == "line\n"


def test_what_is_noted_of_a_result_costs_one_open(tmp_path, calls):
    paths = [tmp_path / name for name in ("a", "b", "absent")]
    for path in paths[:2]:
        path.write_text("result")
    assert calls(lambda: record_of(paths, tmp_path)) == {"open": 2}


def test_the_computer_is_asked_once_when_it_was_started(calls):
    boot()
    assert calls(boot) == {}
