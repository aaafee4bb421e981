"""Disks that are full, read-only or failing are told as such, and no image is blamed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segmake.cli.log import Log
from segmake.core.disk import disk_problem, probe
from segmake.core.files import open_own, write_atomically
from segmake.core.journal import Journal
from segmake.formats import unreadable
from segmake.messages import Problem
from segmake.runner.pipeline import InOneGo, Task
from segmake.runner.run_step import run_step
from tests import disks

FAULTS = [
    (errno.ENOSPC, "SM-RUN-040"),
    (errno.EDQUOT, "SM-RUN-040"),
    (errno.EROFS, "SM-RUN-041"),
    (errno.EIO, "SM-RUN-042"),
]


def fault(number: int, file: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), file)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small disk"
    with disks.small_disk(folder, "64k"):
        yield folder


@pytest.mark.parametrize(("number", "code"), FAULTS)
def test_a_fault_of_the_disk_is_one_message_wherever_it_occurs(tmp_path, monkeypatch, number, code):
    monkeypatch.chdir(tmp_path)
    by_system = disk_problem(fault(number), Path("results"))
    assert (by_system.code, by_system.where) == (code, str(tmp_path / "results"))
    assert str(tmp_path / "results") in by_system.what
    # A file that the system names says more; a library's own error may hide the system's, or have its words alone.
    assert disk_problem(fault(number, "b/c.tif"), Path("a")).where == str(tmp_path / "b")
    # Users know the folder of their results, and not where SegMake keeps its own in there.
    kept = str(tmp_path / "results" / ".segmake" / "thumbnails" / "a.png")
    assert disk_problem(fault(number, kept), Path("a")).where == str(tmp_path / "results")
    hidden = ValueError("Error writing local file")
    hidden.__cause__ = fault(number)
    words = ValueError(f"UNAVAILABLE: [OS error {number}: {os.strerror(number)}]")
    for error in (hidden, words):
        assert disk_problem(error, tmp_path).code == code
    assert disk_problem(PermissionError(13, "Permission denied"), tmp_path) is None
    assert disk_problem(Problem("SM-IMG-002", where="a.tif"), tmp_path) is None


def test_an_image_that_a_failing_disk_does_not_give_is_to_blame_alone(tmp_path):
    image = tmp_path / "a.tif"
    assert disk_problem(fault(errno.EIO, str(image)), tmp_path, image=image) is None
    assert disk_problem(unreadable(image, fault(errno.EIO)), tmp_path) is None
    assert unreadable(image, fault(errno.EIO)).where == str(image)


@pytest.mark.parametrize("number", [number for number, _ in FAULTS])
@pytest.mark.parametrize("what", ["output", "journal"])
def test_a_step_stops_at_a_fault_of_the_disk_and_goes_on_after_it(
    tmp_path, monkeypatch, number, what
):
    tasks = [
        Task(name, tmp_path / name, 0, 1, f"key {name}", 1, (tmp_path / f"{name}.out",))
        for name in "abcd"
    ]
    journal = Journal(tmp_path / "0001.jsonl")
    add, seen, broken = Journal.add, [], True

    def work(task: Task) -> dict:
        seen.append(task.image)
        with write_atomically(task.outputs[0]) as part:
            part.write_text("x")
            if broken and what == "output" and task.image == "b":
                raise fault(number)
        return {}

    def add_or_fail(self: Journal, image: str, event: str, *rest: object, **details: object):
        if broken and what == "journal" and (image, event) == ("b", "done"):
            raise fault(number, str(self.path))
        add(self, image, event, *rest, **details)

    monkeypatch.setattr(Journal, "add", add_or_fail)
    told: list[str] = []
    with pytest.raises((Problem, OSError)) as caught:
        run_step(tasks, journal, InOneGo(work), told.append, told.append)
    assert disk_problem(caught.value, tmp_path).where == str(tmp_path)
    assert seen == ["a", "b"] and not any("FAILED" in line for line in told)
    # Neither failed, nor one that a process died of, nor one that needs more memory.
    assert {entry.event for entry in journal.finished().values()} == {"done"}
    assert journal.deaths("b", "key b") == 0 and journal.in_work() == []
    broken = False
    run_step(tasks, Journal(journal.path), InOneGo(work), told.append, told.append)
    assert seen[2:] == ["b", "c", "d"]
    assert set(Journal(journal.path).finished()) == set("abcd")


def test_a_full_disk_is_known_by_what_libraries_say_of_it(small_disk):
    import tensorstore
    import tifffile
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 60_000, (300, 300), np.uint16)
    table = pd.DataFrame(noise)

    def zarr(part: Path) -> None:
        kept = {"driver": "file", "path": str(small_disk / "a.zarr")}
        made = {"driver": "zarr", "kvstore": kept, "create": True, "dtype": "uint16"}
        tensorstore.open(made, shape=noise.shape).result().write(noise).result()

    writers = [
        lambda part: part.write_bytes(bytes(1 << 18)),
        lambda part: tifffile.imwrite(part, noise),
        lambda part: tifffile.imwrite(part, noise, compression="zlib"),
        lambda part: Image.fromarray(noise).save(part, format="PNG"),
        lambda part: table.to_csv(part),
        lambda part: table.rename(columns=str).to_parquet(part),
        zarr,
    ]
    for number, write in enumerate(writers):
        with pytest.raises(Exception) as caught, write_atomically(small_disk / "a.bin") as part:
            write(part)
        problem = disk_problem(caught.value, small_disk)
        assert problem and problem.code == "SM-RUN-040", (number, caught.value)
        assert problem.where == str(small_disk)
    assert probe(small_disk).code == "SM-RUN-040"
    assert not list(small_disk.glob(".*")), "what could not be written was left behind"


def test_a_log_that_can_not_be_written_ends_nothing(small_disk):
    (small_disk / "a.txt").write_text("a")
    with Log(small_disk / "a.txt") as log:
        log.write("x" * 100_000)
        log.write("y")
    (small_disk / "file").write_text("")
    with Log(small_disk / "file" / "a.txt") as log:
        log.write("x")


def test_nothing_is_written_to_what_a_link_leads_to(tmp_path):
    target = tmp_path / "thesis.txt"
    target.write_text("three years of work")
    state = tmp_path / "results" / ".segmake"
    state.mkdir(parents=True)
    for name in ("lock", "0001.jsonl", "0001.lock"):
        (state / name).symlink_to(target)
    os.mkfifo(state / "pipe")
    for name, mode in (("lock", "a+"), ("0001.jsonl", "ab"), ("lock", "w"), ("pipe", "ab")):
        with pytest.raises(Problem) as caught:
            open_own(state / name, mode)
        assert caught.value.code == "SM-RUN-043" and str(state / name) in caught.value.remedy
    with pytest.raises(Problem, match="SM-RUN-043"):
        Journal(state / "0001.jsonl").add("a.tif", "started", "key", 1)
    with pytest.raises(Problem, match="SM-RUN-043"), Journal(state / "0001.jsonl").locked():
        pass
    assert target.read_text() == "three years of work"
    with open_own(state / "new.txt", "w") as file:
        file.write("é")
    assert (state / "new.txt").read_text(encoding="utf-8") == "é"
