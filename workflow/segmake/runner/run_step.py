"""What is done to each image: segment, masks, measure, overlay.

A step works through the images of a batch. What it did is in its journal, so a broken image is a line
there and not an exception that ends the job, and an image that is done already is left alone.
"""

from __future__ import annotations

import csv
import math
import os
import re
import shutil
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import RLock
from typing import Any

from segmake.core.disk import disk_problem
from segmake.core.ended_runs import Origin
from segmake.core.files import error_line, flush, readable, write_atomically
from segmake.core.journal import Entry, Event, Journal, as_record
from segmake.messages import Problem, remembered, say
from segmake.messages.numbers import number
from segmake.runner.pipeline import Ended, Leave, Line, NotBegun, Pipeline, Task, Work
from segmake.runner.records import keep_changed, name_of, record_of, was_changed
from segmake.runner.script_products import changed_in, is_whole, made_any
from segmake.slurm.commands import times_of_this_job

# An image that was being worked on so many times when the process died is failed instead of tried again. On a cluster
# each job has more memory, or more time, than the one that died.
DEATHS = 2
DEATHS_ON_A_CLUSTER = 3

# Of so many images each that is segmented has its line on the screen, and at other steps none has; of more, at each
# step, one that is done in so many seconds. The log has all.
FEW_LINES = 100
LINE_SECONDS = 5.0

# What lies there is SegMake's own, and no user's.
STATE = ".segmake/"

# The run of who calls a step by itself.
UNKNOWN = Origin()

# Slurm kills a job that it has told to stop after 30 seconds.
SETTLE_SECONDS = 10.0

# What an image beside others may fail of, and not when it is alone.
MEMORY = ("SM-RUN-003", "SM-RUN-004", "SM-OMN-003", "SM-SCR-044")

# What the process died of too often, or took too long for.
GIVEN_UP = ("SM-RUN-002", "SM-RUN-012", "SM-SCR-047")

# What a process says that can't use its GPU any more, whatever image comes next.
_GPU_LOST = re.compile(r"CUDA error|CUDNN_STATUS|CUBLAS_STATUS|device-side assert")


def is_current(entry: Entry | None, task: Task) -> bool:
    """Whether an image's last attempt ended well with the key of its task, and its results are still there."""
    if entry is None or entry.event != "done" or entry.key != task.key:
        return False
    # Size alone can't tell what an attempt with another key left.
    exactly = bool(entry.details.get("overwritten"))
    if task.aside is not None and not is_whole(
        entry.details.get("made"), task.outputs[0], task.patterns
    ):
        return False
    return task.is_there(as_record(entry.details.get("outputs")), exactly=exactly)


def run_step(
    tasks: list[Task],
    journal: Journal,
    work: Work,
    tell: Callable[[str], None],
    detail: Callable[[str], None],
    line: Callable[[Work, Callable[[Ended], None]], Line] | None = None,
    origin: Origin = UNKNOWN,
    doing: str = "",
) -> None:
    """Do one step for the images of a batch that are not done yet.

    While one image is computed, the next ones are read and the results of those before it are finished, in threads of
    their own. An image that a process died of before, or a large one, has the job to itself.

    Parameters
    ----------
    tasks : list of Task
        The images that are there and whose earlier steps went well.
    journal : Journal
        The step's journal of this batch, locked.
    work : Work
        Makes the outputs of a task. Whatever it raises fails that image alone.
    tell, detail : callable
        Take a line for the screen, and text for the log alone.
    line : callable, optional
        Makes what passes the tasks through the work; else it is a `Pipeline`.
    origin : Origin
        The run that this is a part of.
    doing : str
        What the step does, in words, where it has no more to say of an image than that it is done.

    Raises
    ------
    Problem
        If this process can't go on, as ``SM-RUN-014`` where the GPU can't be used any more: another process, or another
        node, goes on with what is left. `disk_problem` if the results can't be written.
    OSError
        If the journal can't be written.
    """
    left = pending(tasks, journal)
    deaths = {task: journal.deaths(task.image, task.key) for task in left}
    # An image that the process died of before comes last, so that it holds up no other. Of those that were in work at
    # the same time, the one that came first is the likeliest culprit.
    doubtful = [task for task in left if deaths[task]][::-1]
    doubtful.sort(key=lambda task: (_was_given_up(task, journal), deaths[task]))
    sound = [task for task in left if not deaths[task]]
    sound.sort(key=lambda task: _was_given_up(task, journal))
    by_themselves = set(doubtful)
    record = _Record(journal, len(left), tell, detail, origin, doing)

    def start(task: Task) -> bool:
        return record.start(task, suspect=bool(deaths[task]))

    def begin(task: Task) -> None:
        try:
            begun = start(task)
        except Problem as problem:
            raise Leave(problem) from problem
        if not begun:
            raise NotBegun

    with line(work, record.end) if line else Pipeline(work, record.end, begin) as pipeline:
        try:
            for task in (*sound, *doubtful):
                if record.give_up(task) or (line and not start(task)):
                    continue
                alone = not work.overlaps or task in by_themselves or task.large
                pipeline.add(task, alone=alone)
                record.refuse_to_go_on()
            pipeline.finish()
            for task in record.again:
                record.refuse_to_go_on()
                if not line or start(task):
                    pipeline.add(task, alone=True)
            record.refuse_to_go_on()
        except (KeyboardInterrupt, SystemExit, Problem, OSError):
            pipeline.settle(SETTLE_SECONDS)
            record.stop(pipeline)
            raise


class _Record:
    """Writes into the journal, and to the screen, what becomes of the images of a step."""

    def __init__(
        self,
        journal: Journal,
        total: int,
        tell: Callable[[str], None],
        detail: Callable[[str], None],
        origin: Origin,
        doing: str,
    ) -> None:
        self._journal = journal
        self._origin = origin
        self._doing = doing
        self._total = total
        self._tell = tell
        self._detail = detail
        self._ended = 0
        self._said = -math.inf
        self._started: dict[Task, float] = {}
        self._changed: dict[str, list[str]] = {}
        self._lock = RLock()
        self._lost: Problem | None = None
        self._blamed: tuple[Task, float] | None = None
        self._stopped = False
        self.again: list[Task] = []

    def give_up(self, task: Task) -> bool:
        """Fail an image that too many processes died of; return whether it was one."""
        limit = DEATHS_ON_A_CLUSTER if "SLURM_JOB_ID" in os.environ else DEATHS
        if self._journal.deaths(task.image, task.key, self._origin.is_fault) < limit:
            return False
        code = "SM-RUN-012" if self._journal.ran_out_of_time(task.image) else "SM-RUN-002"
        if task.aside is not None:
            # A run of a script, which may be of no image.
            code = "SM-SCR-047"
        self._fail(task, Problem(code, where=task.image, times=limit))
        return True

    def start(self, task: Task, *, suspect: bool) -> bool:
        """Note that work on an image begins; return whether it may: not over what a user changed and can't be kept.

        Parameters
        ----------
        suspect : bool
            Whether the process died before while it worked on it.
        """
        if self._stopped:
            return False
        try:
            changed = keep_changes(task, self._journal, self._tell)
        except OSError as error:
            if problem := disk_problem(error, task.outputs[0].parent):
                raise problem from error
            self._fail(task, self._problem(task, error))
            return False
        details: dict[str, Any] = self._origin.describe() | ({"suspect": True} if suspect else {})
        if changed:
            details["changed"] = self._changed[task.image] = changed
        self._journal.add(task.image, "started", task.key, task.attempt, **details)
        self._started[task] = time.monotonic()
        if self._stopped:
            # Meanwhile the main thread noted this of all others.
            self._note(task, "stopped")
        return not self._stopped

    def stop(self, pipeline: Line) -> None:
        """Note that the job was stopped, which is no image's fault, but for one that used up the job's time."""
        # What the reader begins from now on would count as what the process died of.
        self._stopped = True
        passed, left = times_of_this_job() or (0.0, math.inf)
        in_work = pipeline.in_work()
        # Those of which the end could not be written, for lack of room, are among them.
        for task, started in list(self._started.items()):
            seconds = time.monotonic() - started
            late = left <= 0 and seconds > passed / 2 and task in in_work
            # A disk that takes no line is what the job was stopped for.
            with suppress(OSError):
                self._journal.add(task.image, "stopped", task.key, task.attempt, out_of_time=late)

    def _note(self, task: Task, event: Event, **details: Any) -> None:
        """Write down how an attempt came to its end."""
        self._journal.add(task.image, event, task.key, task.attempt, **details)
        self._started.pop(task, None)

    def refuse_to_go_on(self) -> None:
        """Raise the problem that keeps this process from going on, if there is one."""
        if self._lost:
            raise self._lost

    def end(self, ended: Ended) -> None:
        """Note what became of an image; called by several threads."""
        task, error = ended.task, ended.error
        if isinstance(error, NotBegun):
            return
        outputs: dict[str, Any] = {}
        if error is None:
            try:
                # What did the work has noted them, where that was another process.
                outputs = {} if "outputs" in ended.details else noted(task)
            except OSError as unread:
                error = unread
        with self._lock:
            if error is None:
                self._done(task, {**ended.details, **outputs})
                return
            if isinstance(error, Leave):
                self._lost = self._lost or error.problem
                if error.died:
                    # Without an end, it counts as one that the process died of.
                    self._started.pop(task, None)
                    return
            elif problem := disk_problem(error, task.outputs[0].parent, image=task.path):
                self._lost = self._lost or problem
            if isinstance(error, RuntimeError) and _GPU_LOST.search(str(error)):
                self._lose_gpu(task, error)
                return
            if self._lost:
                self._note(task, "stopped")
                return
            problem = self._problem(task, error)
            # The memory that it did not get was perhaps that of the images beside it.
            if problem.code in MEMORY and not ended.alone:
                self._note(task, "stopped")
                self.again.append(task)
            else:
                self._fail(task, problem)

    def _lose_gpu(self, task: Task, error: RuntimeError) -> None:
        """Blame the image that the GPU was lost on: of several, the first begun, in whatever order they are told."""
        begun = self._started.get(task, math.inf)
        if self._lost and (self._blamed is None or begun > self._blamed[1]):
            self._note(task, "stopped")
            return
        if self._blamed:
            self._note(self._blamed[0], "stopped")
        self._detail("".join(traceback.format_exception(error)))
        # Without an end, the image counts as one that the process died of.
        self._lost = Problem("SM-RUN-014", where=task.image, error=readable(error_line(error)))
        self._blamed = task, begun
        self._started.pop(task, None)

    def _done(self, task: Task, details: dict[str, Any]) -> None:
        self._ended += 1
        if changed := self._changed.get(task.image):
            details["changed"] = changed
        self._note(task, "done", **details)
        told = {"place": self._place(), "image": task.image}
        if "cells" in details:
            seconds = number(details["seconds"], 1)
            self._say_done(say("step.done", **told, cells=details["cells"], seconds=seconds))
        elif "script" in details:
            words = "step.run_done" if made_any(details) else "step.run_done.nothing"
            seconds = number(details["seconds"], 1)
            self._say_done(say(words, **told, script=details["script"], seconds=seconds))
            for words in details.get("told", ()):
                self._tell(words)
        elif self._doing:
            self._say_done(say("step.done_after", **told, doing=self._doing), of_few=False)

    def _say_done(self, words: str, *, of_few: bool = True) -> None:
        """Say a line about what is done on the screen, where there are not too many; it is in the log in any case.

        Parameters
        ----------
        words : str
        of_few : bool
            Whether each image has its line where there are few of them.
        """
        now = time.monotonic()
        is_few, is_last = self._total <= FEW_LINES, self._ended == self._total
        if of_few if is_few else is_last or now >= self._said + LINE_SECONDS:
            self._said = now
            self._tell(words)
        else:
            self._detail(words)

    def _fail(self, task: Task, problem: Problem) -> None:
        # A result of other settings, or of the file before this one, would be taken for this image's.
        discard(task, self._journal, self._tell)
        self._ended += 1
        values = problem.plain_values
        details = {"code": problem.code, "where": problem.where, "values": values}
        self._note(task, "failed", **details)
        self._tell(say("step.failed", place=self._place(), image=task.image, what=problem.what))

    def _place(self) -> str:
        return f"[{self._ended}/{self._total}]"

    def _problem(self, task: Task, error: Exception) -> Problem:
        """Return what went wrong with an image, as a user is told."""
        if isinstance(error, Problem):
            return error
        if isinstance(error, MemoryError):
            return Problem("SM-RUN-003", where=task.image)
        self._detail("".join(traceback.format_exception(error)))
        return Problem("SM-RUN-001", where=task.image, error=readable(error_line(error)))


def pending(tasks: list[Task], journal: Journal) -> list[Task]:
    """Return the tasks that are not done yet, and have not failed in this very attempt (of a job that is retried)."""
    return [
        task
        for task in tasks
        if not is_current(entry := journal.last(task.image), task)
        and not (
            entry and (entry.event, entry.key, entry.attempt) == ("failed", task.key, task.attempt)
        )
    ]


def _was_given_up(task: Task, journal: Journal) -> bool:
    last = journal.last(task.image)
    return last is not None and last.details.get("code") in GIVEN_UP


def write_outcome(path: Path, tasks: list[Task], journal: Journal) -> None:
    """Write the table of a finished batch: what became of each of its images.

    The tables of earlier attempts at the batch, ``BATCH.*.tsv`` beside it, are removed.
    """
    for earlier in path.parent.glob(f"{path.name.split('.')[0]}.*.tsv"):
        earlier.unlink(missing_ok=True)
    with write_atomically(path) as part:
        with part.open("w", encoding="utf-8", errors="surrogateescape", newline="") as lines:
            table = csv.writer(lines, dialect="excel-tab")
            table.writerow(("image", "state", "attempt", "key", "message"))
            for task in tasks:
                entry = journal.last(task.image)
                if entry:
                    problem = problem_of(entry)
                    message = problem.what if problem else ""
                    table.writerow((task.image, entry.event, entry.attempt, entry.key, message))


def problem_of(entry: Entry) -> Problem | None:
    """Return why an attempt failed, or None if it did not."""
    if entry.event != "failed":
        return None
    details = entry.details
    return remembered(details["code"], details["where"], details["values"])


def keep_changes(task: Task, journal: Journal, tell: Callable[[str], None]) -> list[str]:
    """Move what a user changed of an image's results to ``changed``, before they are written anew or removed.

    Returns
    -------
    list of str
        Where it is now, below the results folder.

    Raises
    ------
    OSError
        If it can't be moved; then it is where it was.
    """
    if task.aside is not None:
        return _keep_changed_outputs(task, journal, tell)
    record, made = journal.record(task.image), journal.made_at(task.image)
    names = [*(record or ()), *(name_of(p, task.results) for p in task.made())]
    kept = []
    for name in dict.fromkeys(names):
        path = task.results / name
        own = name.startswith(STATE) or not path.is_relative_to(task.results)
        if not own and was_changed(path, record, task.results, made):
            kept.append(name_of(keep_changed(path, task.results), task.results))
            tell(told_of_changed(task.results, name, kept[-1]))
    return kept


def _keep_changed_outputs(task: Task, journal: Journal, tell: Callable[[str], None]) -> list[str]:
    """Move what a user changed, or laid, in the folder of a run of a script, as far as that is known."""
    last = journal.last(task.image)
    kept = []
    if last is not None and last.event == "done" and task.outputs[0].is_relative_to(task.results):
        for path in changed_in(last.details.get("made"), task.outputs[0]):
            name = name_of(path, task.results)
            kept.append(name_of(keep_changed(path, task.results), task.results))
            tell(told_of_changed(task.results, name, kept[-1]))
    return kept


def told_of_changed(results: Path, name: str, kept: str) -> str:
    """Return what to say of a result that a user changed, and of where it was moved."""
    paths = {"file": readable(str(results / name)), "kept": readable(str(results / kept))}
    problem = Problem("SM-OUT-011", **paths)
    return f"  {problem.code}  {problem.what} {problem.remedy}"


def discard(task: Task, journal: Journal, tell: Callable[[str], None]) -> bool:
    """Remove what earlier attempts made of an image, and return whether nothing stands against it.

    What a user changed is moved first; where that can't be done, all stays. A file that can't be removed does not fail
    the others. A folder of outputs, which may have taken a user's script hours, is only put aside.
    """
    try:
        keep_changes(task, journal, tell)
    except OSError:
        return False
    remove_outputs(task)
    return True


def remove_outputs(task: Task) -> None:
    """Remove what earlier attempts made of an image."""
    for output in task.outputs + task.optional:
        with suppress(OSError):
            if task.aside is None:
                output.unlink(missing_ok=True)
            elif output.exists():
                _put_aside(output, task.aside)


def noted(task: Task) -> dict[str, Any]:
    """Return what the journal notes of the files that an image was made into, which are on the disk then."""
    if task.aside is not None:
        for output in task.outputs:
            flush(output)
        return {}
    return {"outputs": record_of(task.made(), task.results)}


def _put_aside(folder: Path, aside: Path) -> None:
    shutil.rmtree(aside, ignore_errors=True)
    if any(folder.iterdir()):
        aside.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder, aside)
    else:
        folder.rmdir()
