from __future__ import annotations

import csv
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from threading import Barrier, BrokenBarrierError

import pytest

from segmake.core.disk import disk_problem
from segmake.core.ended_runs import Origin
from segmake.core.journal import Journal
from segmake.messages import Problem
from segmake.runner.pipeline import BEHIND, InOneGo, Pipeline, Task
from segmake.runner.run_step import problem_of, run_step, write_outcome


@pytest.fixture
def tasks(tmp_path):
    return [
        Task(name, tmp_path / name, 0, 1, f"key of {name}", 1, (tmp_path / f"{name}.out",))
        for name in ("a", "b", "c")
    ]


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "0001.jsonl")


class Work:
    """Writes the output of each image, or raises what it is told to, and notes what it was given.

    An error is raised by ``compute``; one whose image stands as ``read_b`` or ``finish_b`` by that part.
    """

    overlaps = True

    def __init__(self, **errors):
        self.errors = errors
        self.images = []
        self.told = []
        self.details = []

    def read(self, task):
        self._may_raise(f"read_{task.image}")
        return f"{task.image} is read"

    def compute(self, task, read):
        assert read == f"{task.image} is read"
        self.images.append(task.image)
        self._may_raise(task.image)
        return f"{task.image} is computed"

    def finish(self, task, computed):
        assert computed == f"{task.image} is computed"
        self._may_raise(f"finish_{task.image}")
        task.outputs[0].write_text(task.key)
        return {"cells": 2}

    def _may_raise(self, what):
        if what in self.errors:
            raise self.errors[what]

    def run(self, tasks, journal):
        run_step(tasks, journal, self, self.told.append, self.details.append)
        return self


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Problem("SM-IMG-002", where="b"), "SM-IMG-002"),
        (ValueError("no\n such {value}"), "SM-RUN-001"),
        (OSError(13, "Permission denied"), "SM-RUN-001"),
        (MemoryError(), "SM-RUN-003"),
        (RecursionError(), "SM-RUN-001"),
        (KeyError("name \udcff"), "SM-RUN-001"),
    ],
)
def test_an_image_that_fails_stops_no_other(tasks, journal, tmp_path, error, code):
    work = Work(b=error).run(tasks, journal)
    assert list(dict.fromkeys(work.images)) == ["a", "b", "c"]
    assert [journal.last(name).event for name in "abc"] == ["done", "failed", "done"]
    problem = problem_of(Journal(journal.path).last("b"))
    assert problem.code == code and problem.what in "".join(work.told)
    write_outcome(tmp_path / "out.tsv", tasks, journal)
    with (tmp_path / "out.tsv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, dialect="excel-tab"))
    assert [(row["image"], row["state"]) for row in rows] == [
        ("a", "done"),
        ("b", "failed"),
        ("c", "done"),
    ]
    assert rows[1]["message"] == problem.what


@pytest.mark.parametrize(
    ("few", "seconds", "shown"),
    [(5, 1e9, "a b c d e"), (4, 0.0, "a b c d e"), (4, 1e9, "a c e")],
    ids=["few images", "slow ones", "many"],
)
def test_of_many_images_the_log_has_all_lines_and_the_screen_some(
    journal, tmp_path, monkeypatch, few, seconds, shown
):
    monkeypatch.setattr("segmake.runner.run_step.FEW_LINES", few)
    monkeypatch.setattr("segmake.runner.run_step.LINE_SECONDS", seconds)
    tasks = [
        Task(name, tmp_path / name, 0, 1, name, 1, (tmp_path / f"{name}.out",)) for name in "abcde"
    ]
    work = Work(c=ValueError("x"))
    finish = work.finish
    monkeypatch.setattr(work, "finish", lambda *of: {**finish(*of), "seconds": 0.1})
    monkeypatch.setattr(work, "overlaps", False)
    work.run(tasks, journal)
    # Whatever fails has its line, and the first and the last of those that are done.
    assert [line.split()[1].strip(":") for line in work.told] == shown.split()
    lines = [*work.told, *(text for text in work.details if text.startswith("  ["))]
    assert sorted(line.split()[0] for line in lines) == [f"[{number}/5]" for number in range(1, 6)]


@pytest.mark.parametrize(("few", "shown"), [(5, ""), (4, "a e")])
def test_a_step_that_says_nothing_of_an_image_has_its_lines_where_there_are_many(
    journal, tmp_path, monkeypatch, few, shown
):
    monkeypatch.setattr("segmake.runner.run_step.FEW_LINES", few)
    monkeypatch.setattr("segmake.runner.run_step.LINE_SECONDS", 1e9)
    tasks = [
        Task(name, tmp_path / name, 0, 1, name, 1, (tmp_path / f"{name}.out",)) for name in "abcde"
    ]
    for task in tasks:
        task.outputs[0].touch()
    told: list[str] = []
    details: list[str] = []
    work = InOneGo(lambda task: {"seconds": 0.1})
    run_step(tasks, journal, work, told.append, details.append, doing="measuring cells")
    assert [line.split()[-1] for line in told] == shown.split()
    assert all("/5] measuring cells: " in line for line in (*told, *details))
    assert len({*told, *details}) == 5, "the log has all"


@pytest.mark.parametrize("full_journal", [False, True])
def test_of_images_that_meet_a_full_disk_together_none_has_a_line(
    journal, tmp_path, monkeypatch, full_journal
):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "a.out"))
    together = Barrier(BEHIND)

    def finish(task: Task, computed: object) -> dict:
        with suppress(BrokenBarrierError):
            together.wait(1)
        if full_journal:
            monkeypatch.setattr(journal, "add", no_room)
        raise full

    def no_room(image: str, event: str, *of: object, **details: object) -> None:
        raise full

    tasks = [Task(name, tmp_path / name, 0, 1, name, 1, (tmp_path / name,)) for name in "abcde"]
    work = Work()
    monkeypatch.setattr(work, "finish", finish)
    with pytest.raises((Problem, OSError)) as caught:
        work.run(tasks, journal)
    # Whoever started the step tells it, of one error.
    assert work.told == [] and disk_problem(caught.value, tmp_path).code == "SM-RUN-040"
    assert journal.finished() == {}


def test_only_what_is_not_done_is_computed(tasks, journal):
    Work(b=ValueError("x")).run(tasks, journal)
    assert Work().run(tasks, journal).images == [], (
        "a job that is retried goes on after the failed image"
    )
    tasks[1] = replace(tasks[1], attempt=2)
    assert Work().run(tasks, journal).images == ["b"]
    assert Work().run(tasks, journal).images == []


@pytest.mark.parametrize("part", ["b", "finish_b"])
def test_a_gpu_that_is_lost_fails_no_image_but_one_that_it_is_lost_on_again(tasks, journal, part):
    lost = RuntimeError("CUDA error: unspecified launch failure")
    with pytest.raises(Problem) as caught:
        # In the process that lost it, every later image fails as well.
        Work(**{part: lost, "c": lost}).run(tasks, journal)
    assert caught.value.code == "SM-RUN-014" and "launch failure" in caught.value.what
    assert [journal.deaths(task.image, task.key) for task in tasks] == [0, 1, 0]
    assert all(entry.event == "done" for entry in journal.finished().values())
    with pytest.raises(Problem):
        Work(**{part: lost}).run(tasks, journal)
    assert [journal.is_done(task.image, task.key) for task in tasks] == [True, False, True]
    Work().run(tasks, journal)
    assert problem_of(journal.last("b")).code == "SM-RUN-002"


@pytest.mark.parametrize("first_told", ["b", "c"])
def test_of_images_that_a_lost_gpu_fails_together_the_first_begun_is_blamed(
    tasks, journal, first_told
):
    told = {"b": threading.Event(), "c": threading.Event()}

    class Together(Work):
        """Loses the GPU while ``b`` is finished and ``c`` computed; either is told first."""

        def _lose(self, image):
            both.wait(60)
            if image != first_told:
                told[first_told].wait(60)
            raise RuntimeError("CUDA error: unspecified launch failure")

        def compute(self, task, read):
            return self._lose("c") if task.image == "c" else super().compute(task, read)

        def finish(self, task, computed):
            return self._lose("b") if task.image == "b" else super().finish(task, computed)

    both = Barrier(2)
    work = Together()

    def detail(_text):
        told[first_told].set()

    with pytest.raises(Problem) as caught:
        run_step(tasks, journal, work, work.told.append, detail)
    assert caught.value.code == "SM-RUN-014"
    assert [journal.deaths(task.image, task.key) for task in tasks] == [0, 1, 0]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(143)])
def test_an_image_in_work_when_the_job_is_stopped_is_not_to_blame(tasks, journal, stop):
    for _ in range(3):
        with pytest.raises(type(stop)):
            Work(b=stop).run(tasks, journal)
    assert journal.last("b") is None and journal.deaths("b", tasks[1].key) == 0
    assert Work().run(tasks, journal).images == ["b", "c"]


def test_an_image_that_uses_up_its_jobs_time_is_given_up_at_the_third(tasks, journal, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    # A job of a second, that should have ended by now.
    monkeypatch.setattr("segmake.runner.run_step.times_of_this_job", lambda: (1e-6, -1.0))
    for _ in range(3):
        with pytest.raises(SystemExit):
            Work(b=SystemExit(143)).run(tasks, journal)
        assert journal.last("a").event == "done"
    work = Work().run(tasks, journal)
    assert work.images == []
    problem = problem_of(Journal(journal.path).last("b"))
    assert problem.code == "SM-RUN-012" and problem.what in work.told[-1]
    # With another setting it gets another chance.
    changed = [replace(task, key=f"other {task.key}") for task in tasks]
    assert Work().run(changed, journal).images == ["a", "c", "b"]


class Slow(Work):
    """Each part of the work waits until another part is at work on another image."""

    def __init__(self):
        super().__init__()
        self.met = Barrier(3, timeout=60)

    def read(self, task):
        if task.image not in "ab":
            self.met.wait()
        return super().read(task)

    def compute(self, task, read):
        if task.image not in "ae":
            self.met.wait()
        return super().compute(task, read)

    def finish(self, task, computed):
        if task.image not in "de":
            self.met.wait()
        return super().finish(task, computed)


def test_images_are_read_and_finished_while_another_is_computed(journal, tmp_path):
    tasks = [
        Task(name, tmp_path / name, 0, 1, name, 1, (tmp_path / f"{name}.out",)) for name in "abcde"
    ]
    work = Slow().run(tasks, journal)
    assert work.images == list("abcde")
    assert [journal.last(name).event for name in "abcde"] == ["done"] * 5


@pytest.mark.parametrize("part", ["read", "finish"])
def test_an_error_in_any_part_fails_its_image_alone(tasks, journal, part):
    Work(**{f"{part}_b": ValueError("x")}).run(tasks, journal)
    assert [journal.last(name).event for name in "abc"] == ["done", "failed", "done"]
    assert not tasks[1].outputs[0].exists()


def test_memory_that_sufficed_for_no_two_images_may_suffice_for_one(tasks, journal):
    class Greedy(Work):
        def compute(self, task, read):
            if task.image == "b" and "b" not in self.images:
                self.images.append("b")
                raise MemoryError
            return super().compute(task, read)

    work = Greedy().run(tasks, journal)
    assert work.images == ["a", "b", "c", "b"]
    assert [journal.last(name).event for name in "abc"] == ["done"] * 3


def test_what_is_being_finished_when_the_job_is_stopped_is_kept(tasks, journal):
    class Late(Work):
        def finish(self, task, computed):
            time.sleep(0.3)
            return super().finish(task, computed)

    with pytest.raises(KeyboardInterrupt):
        Late(b=KeyboardInterrupt()).run(tasks, journal)
    assert journal.last("a").event == "done"
    assert [journal.deaths(task.image, task.key) for task in tasks] == [0, 0, 0]


def test_the_thread_that_computes_waits_for_no_line_of_the_journal(tasks, journal, monkeypatch):
    wrote = []
    add = journal.add

    def note(image, event, *rest, **details):
        wrote.append(threading.current_thread() is threading.main_thread())
        add(image, event, *rest, **details)

    monkeypatch.setattr(journal, "add", note)
    Work().run(tasks, journal)
    assert wrote == [False] * 6


def test_what_begins_while_the_job_is_stopped_is_not_to_blame(tasks, journal, monkeypatch):
    begins, stopped = threading.Event(), threading.Event()
    add = journal.add

    def note(image, event, *rest, **details):
        if (image, event) == ("b", "started"):
            begins.set()
            assert stopped.wait(60)
        add(image, event, *rest, **details)

    class Stopped(Work):
        def compute(self, task, read):
            assert begins.wait(60)
            raise KeyboardInterrupt

    monkeypatch.setattr(journal, "add", note)
    with pytest.raises(KeyboardInterrupt):
        Stopped().run(tasks, journal)
    stopped.set()
    end = time.monotonic() + 60
    while (lines := journal.path.read_text()).count('"b"') != 2:
        assert time.monotonic() < end, lines
        time.sleep(0.01)
    assert [Journal(journal.path).deaths(task.image, task.key) for task in tasks] == [0, 0, 0]


def lines_of(work, monkeypatch):
    """Return how many lines of SegMake's own code are run, in all threads."""
    counted = 0

    def count(frame, event, argument):
        nonlocal counted
        if "segmake" not in frame.f_code.co_filename and frame.f_code.co_filename != "<string>":
            return None
        counted += event == "line"
        return count

    monkeypatch.setattr("os.fsync", lambda number: None)
    threading.settrace(count)
    sys.settrace(count)
    try:
        work()
    finally:
        sys.settrace(None)
        threading.settrace(None)
    return counted


@pytest.mark.parametrize("ended", ["not", "killed", "done"])
def test_work_does_not_grow_with_the_square_of_the_batch(tmp_path, monkeypatch, ended):
    def steps(images):
        folder = tmp_path / str(images)
        tasks = [Task(f"{n}", folder, 0, 1, "k", 1, (folder / f"{n}.out",)) for n in range(images)]
        journal = Journal(folder / "0001.jsonl")
        for task in tasks:
            if ended == "killed":
                journal.add(task.image, "started", "k", 1)
        work = Work()
        if ended == "done":
            work.run(tasks, journal)

        def run():
            work.run(tasks, journal)
            assert len(journal.finished()) == images and journal.in_work() == []
            assert all(journal.begun(task.image) for task in tasks)
            write_outcome(folder / "0001.a.tsv", tasks, journal)

        return lines_of(run, monkeypatch)

    few, many = steps(100), steps(400)
    assert few > 400 and many <= 5 * few


def test_an_image_whose_result_was_deleted_is_computed_again(tasks, journal):
    Work().run(tasks, journal)
    tasks[2].outputs[0].unlink()
    assert Work().run(tasks, journal).images == ["c"]


def test_a_result_of_before_does_not_outlive_a_failure(tasks, journal):
    Work().run(tasks, journal)
    changed = [Task(t.image, t.path, 0, 1, "new " + t.key, 2, t.outputs) for t in tasks]
    Work(a=ValueError("x")).run(changed, journal)
    assert not tasks[0].outputs[0].exists()
    assert tasks[1].outputs[0].read_text() == "new key of b"
    assert journal.last("a").attempt == 2


def test_an_output_that_cannot_be_removed_fails_its_image_alone(tasks, journal, tmp_path):
    tasks[0] = Task("a", tmp_path / "a", 0, 1, "k", 1, (tmp_path / ("long" * 70),))
    tasks[1].outputs[0].mkdir()
    work = Work().run(tasks, journal)
    assert work.images == ["a", "b", "c"]
    assert [journal.last(name).event for name in "abc"] == ["failed", "failed", "done"]


def begin(journal, task, run, **details):
    journal.add(task.image, "started", task.key, 1, run=run, **details)


def test_an_image_over_which_the_power_failed_is_tried_again_alone_and_last(tasks, journal):
    for run in ("1", "2"):
        begin(journal, tasks[1], run)
    alone = []

    class Watched(Work):
        def run(self, tasks, journal):
            def line(work, ended):
                pipeline = Pipeline(work, ended)
                add = pipeline.add
                pipeline.add = lambda task, *, alone: (
                    self.alone.append((task.image, alone)),
                    add(task, alone=alone),
                )
                return pipeline

            self.alone = alone
            origin = Origin("3", {"0"})
            told = self.told.append
            run_step(tasks, journal, self, told, told, line, origin)
            return self

    assert Watched().run(tasks, journal).images == ["a", "c", "b"]
    assert alone == [("a", False), ("c", False), ("b", True)]
    assert journal.last("b").event == "done"


def test_an_image_with_which_everything_dies_again_and_again_is_given_up(tasks, journal):
    origins = [Origin(str(run), set()) for run in range(9)]

    def die(run):
        """Work until the second image, and be killed with the whole run."""
        work = Work(b=Killed())
        with pytest.raises(Killed):
            run_step(tasks, journal, work, work.told.append, print, origin=origins[run])

    for run in range(3):
        die(run)
    work = Work()
    run_step(tasks, journal, work, work.told.append, print, origin=origins[3])
    assert work.images == [] and problem_of(journal.last("b")).code == "SM-RUN-002"


class Killed(BaseException):
    """Ends everything, and lets nobody write anything down."""


@pytest.mark.parametrize(
    ("details", "ended", "tried"),
    [
        # The run went on to its end, or is this one: the image alone took its process with it.
        ({"run": "1"}, {"1"}, False),
        ({"run": "2", "host": "here", "boot": "now"}, set(), False),
        ({"run": "1"}, set(), True),
        # The node failed, and the run did not.
        ({"run": "2", "host": "here", "boot": "before"}, set(), True),
        # Version 0.1.0 did not say.
        ({}, {"1"}, True),
        ({"run": "1", "suspect": True}, set(), False),
    ],
)
def test_a_killed_run_is_told_from_a_crash(tasks, journal, monkeypatch, details, ended, tried):
    monkeypatch.setattr("segmake.core.ended_runs.host_name", lambda: "here")
    monkeypatch.setattr("segmake.core.ended_runs.boot", lambda: "now")
    for _ in range(2):
        journal.add("b", "started", tasks[1].key, 1, **details)
    work = Work()
    run_step(tasks, journal, work, work.told.append, print, origin=Origin("2", ended))
    assert ("b" in work.images) is tried


POISON = """
import os, signal, sys
from pathlib import Path
from segmake.core.journal import Journal
from segmake.runner.pipeline import InOneGo, Task
from segmake.runner.run_step import run_step

folder, death, attempt = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])

def work(task):
    print("works on", task.image, flush=True)
    if task.image == "b":
        os._exit(3) if death == "exit" else os.kill(os.getpid(), signal.SIGKILL)
    task.outputs[0].write_text("done")
    return {}

tasks = [Task(name, folder / name, 0, 1, "k", attempt, (folder / f"{name}.out",)) for name in "abc"]
with Journal(folder / "0001.jsonl").locked() as journal:
    run_step(tasks, journal, InOneGo(work), print, print)
"""


@pytest.mark.parametrize(("death", "code"), [("exit", 3), ("kill", -signal.SIGKILL)])
def test_an_image_that_kills_the_process_is_given_up_at_the_third_try(tmp_path, root, death, code):
    def run(attempt=1):
        return subprocess.run(
            [sys.executable, "-c", POISON, str(tmp_path), death, str(attempt)],
            env={**os.environ, "PYTHONPATH": str(root / "workflow")},
            capture_output=True,
            text=True,
        )

    first, second, third, fourth = run(), run(), run(), run(attempt=2)
    assert (first.returncode, second.returncode, third.returncode) == (code, code, 0), third.stderr
    assert first.stdout.split("\n")[:2] == ["works on a", "works on b"]
    assert second.stdout == "works on c\nworks on b\n", (
        "it holds up no other, and none is computed twice"
    )
    assert "works on" not in third.stdout
    last = Journal(tmp_path / "0001.jsonl").finished()
    assert {name: entry.event for name, entry in last.items()} == {
        "a": "done",
        "b": "failed",
        "c": "done",
    }
    assert problem_of(last["b"]).code == "SM-RUN-002"
    assert fourth.returncode == code, "the user asked for another try"
