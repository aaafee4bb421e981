from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from segmake.core.files import (
    Appender,
    append_line,
    folders_stay_open,
    open_atomically,
    write_atomically,
)
from segmake.core.processes import boot
from segmake.runner.records import is_as_noted, record_of, was_changed
from tests.unit.system_calls import counted


@pytest.fixture
def calls() -> Callable[[Callable[[], object]], Counter[str]]:
    """Count what a function asks of the file system: files opened, folders made, what is brought to the disk."""

    def count(work: Callable[[], object]) -> Counter[str]:
        found = counted(work)
        del found["stat"]
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


def test_of_two_threads_that_write_a_file_at_once_each_writes_a_whole_one(tmp_path):
    path, together = tmp_path / "config.yaml", Barrier(2, timeout=60)

    def write(text: str) -> None:
        with write_atomically(path) as part:
            part.write_text(text)
            together.wait()

    with ThreadPoolExecutor(2) as both:
        list(both.map(write, ["mine", "and yours"]))
    assert path.read_text() in ("mine", "and yours") and list(tmp_path.iterdir()) == [path]


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


@pytest.mark.parametrize("number", [2, 20])
def test_a_file_that_is_given_open_is_opened_once_and_its_checksum_is_known(
    tmp_path, calls, number
):
    paths = [tmp_path / "new" / f"{name}.bin" for name in range(number)]
    paths[0].parent.mkdir()

    def write() -> dict[str, tuple[int, str]]:
        with folders_stay_open():
            for path in paths:
                with open_atomically(path) as file:
                    file.write(path.name.encode())
                    # As libraries do that fill in the beginning last.
                    file.seek(0)
                    file.write(b"x")
            return record_of(paths, tmp_path)

    # The folder is opened once.
    assert calls(write) == {"open": number + 1, "fsync": 2 * number}
    assert [path.read_bytes() for path in paths] == [b"x" + p.name.encode()[1:] for p in paths]
    known = record_of(paths, tmp_path)
    assert write() == known


@pytest.mark.parametrize("saved", [b"other", b"longer", b""])
def test_what_somebody_saves_before_a_result_is_noted_is_not_taken_for_it(tmp_path, saved):
    path = tmp_path / "a.csv"
    with open_atomically(path) as file:
        file.write(b"first")
    path.write_bytes(saved)
    noted = record_of([path], tmp_path)
    assert noted == {"a.csv": (5, hashlib.sha256(b"first").hexdigest())}
    assert was_changed(path, noted, tmp_path) or not saved
    assert not is_as_noted(path, noted, tmp_path)


def test_a_result_is_noted_as_it_was_written_last_and_if_it_is_there(tmp_path):
    path = tmp_path / "a.csv"
    with open_atomically(path) as file:
        file.write(b"first")
    with write_atomically(path) as part:
        part.write_bytes(b"last one")
    assert record_of([path], tmp_path) == {
        "a.csv": (8, hashlib.sha256(b"last one").hexdigest()),
    }
    with open_atomically(path) as file:
        file.write(b"first")
    path.unlink()
    assert record_of([path], tmp_path) == {}


def test_of_a_file_that_could_not_be_written_nothing_is_left_or_known(tmp_path):
    path = tmp_path / "a.bin"
    with pytest.raises(ZeroDivisionError), open_atomically(path) as file:
        file.write(b"half")
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == [] and record_of([path], tmp_path) == {}


def test_a_folder_that_stays_open_may_be_removed_meanwhile(tmp_path, monkeypatch):
    folder, flushed = tmp_path / "results", []
    monkeypatch.setattr(os, "fsync", lambda number: flushed.append(os.fstat(number)))
    with folders_stay_open():
        for words in ("before", "after", "removed", "made anew"):
            with open_atomically(folder / "a.txt") as file:
                file.write(words.encode())
            assert (folder / "a.txt").read_text() == words
            # The name is brought to the disk in the folder that it is in.
            assert os.path.samestat(folder.stat(), flushed[-1])
            if words in ("before", "after"):
                folder.rename(tmp_path / words)
            else:
                shutil.rmtree(folder)
                folder.mkdir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["after", "before", "results"]


@pytest.mark.parametrize("number", [2, 20])
def test_lines_of_a_journal_that_is_kept_cost_no_open(tmp_path, calls, number):
    path = tmp_path / "new" / "journal.jsonl"
    lines = Appender(path)
    lines.add("first")

    def add() -> None:
        for line in range(number):
            lines.add(str(line))

    assert calls(add) == {"fsync": number}
    # Whoever opens it sees what is in it so far.
    assert path.read_text().split() == ["first", *map(str, range(number))]
    # A line that need not last is seen by others once the file is closed.
    lines.add("begun", lasting=False)
    lines.add("last")
    assert path.read_text().endswith("begun\nlast\n")
    # Somebody moves it, and a process that was killed leaves half a line in another one.
    path.rename(tmp_path / "moved.jsonl")
    path.write_text("half")
    lines.add("whole")
    assert path.read_text() == "half\nwhole\n"
    assert (tmp_path / "moved.jsonl").read_text().endswith("last\n")
    # Or removes it, with or without another one in its place.
    path.unlink()
    lines.add("alone")
    assert path.read_text() == "alone\n"
    path.unlink()
    path.write_text("other\n")
    lines.add("beside")
    lines.close()
    assert path.read_text() == "other\nbeside\n"


def test_a_line_that_the_disk_refuses_does_not_spoil_the_next(tmp_path, monkeypatch):
    path = tmp_path / "journal.jsonl"
    lines = Appender(path)
    lines.add("first")

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space") as caught:
            lines.add("second")
    assert caught.value.filename == str(path)
    lines.add("third")
    lines.close()
    assert path.read_text().splitlines()[-1] == "third"
