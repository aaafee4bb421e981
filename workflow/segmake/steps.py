"""What is done to each image: segment, measure, overlay.

A step works through the images of a batch one by one. What it did is in its journal, so a broken image is a line
there and not an exception that ends the job, and an image that is done already is left alone.
"""

from __future__ import annotations

import csv
import os
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segmake.files import readable, write_atomically
from segmake.journal import Entry, Journal
from segmake.messages import Problem, say
from segmake.slurm import times_of_this_job

STEPS = ("segment", "measure", "overlay")

# An image that was being worked on so many times when the process died is failed instead of tried again. On a cluster
# each job has more memory, or more time, than the one that died.
DEATHS = 2
DEATHS_ON_A_CLUSTER = 3

Work = Callable[["Task"], dict[str, Any]]


@dataclass(frozen=True)
class Task:
    """One image that a step has to work on.

    Attributes
    ----------
    image : str
        The image's name.
    path : Path
        Its file.
    key : str
        Fingerprint of everything that decides the result.
    attempt : int
        The attempt that this run makes at it.
    outputs : tuple of Path
        The files that the step makes of it.
    """

    image: str
    path: Path
    key: str
    attempt: int
    outputs: tuple[Path, ...]


def is_current(entry: Entry | None, key: str, outputs: Iterable[Path]) -> bool:
    """Whether an image's last attempt ended well with this key, and its results are still there."""
    return (
        entry is not None
        and entry.event == "done"
        and entry.key == key
        and all(output.is_file() for output in outputs)
    )


def run_step(
    tasks: list[Task],
    journal: Journal,
    work: Work,
    tell: Callable[[str], None],
    detail: Callable[[str], None],
) -> None:
    """Do one step for the images of a batch that are not done yet.

    Parameters
    ----------
    tasks : list of Task
        The images that are there and whose earlier steps went well.
    journal : Journal
        The step's journal of this batch, locked.
    work : callable
        Makes the outputs of a task, and returns what to note in the journal. Whatever it raises fails that image
        alone.
    tell, detail : callable
        Take a line for the screen, and text for the log alone.
    """
    left = pending(tasks, journal)
    # An image that the process died of before comes last, so that it holds up no other.
    deaths = DEATHS_ON_A_CLUSTER if "SLURM_JOB_ID" in os.environ else DEATHS
    left.sort(key=lambda task: _is_suspect(task, journal))
    for number, task in enumerate(left, start=1):
        place = f"[{number}/{len(left)}]"
        if journal.deaths(task.image, task.key) >= deaths:
            code = "SM-RUN-012" if journal.ran_out_of_time(task.image) else "SM-RUN-002"
            problem: Problem | None = Problem(code, where=task.image, times=deaths)
        else:
            journal.add(task.image, "started", task.key, task.attempt)
            started = time.perf_counter()
            try:
                details, problem = _try(work, task, detail)
            except (KeyboardInterrupt, SystemExit):
                # Whoever stopped the job had nothing against this image, unless it used up the job's time.
                slow = _took_the_time(time.perf_counter() - started)
                journal.add(task.image, "stopped", task.key, task.attempt, out_of_time=slow)
                raise
        if problem:
            _fail(task, journal, problem)
            tell(say("step.failed", place=place, image=task.image, what=problem.what))
            continue
        seconds = round(time.perf_counter() - started, 3)
        journal.add(task.image, "done", task.key, task.attempt, **{"seconds": seconds, **details})
        if "cells" in details:
            numbers = {"cells": details["cells"], "seconds": seconds}
            tell(say("step.done", place=place, image=task.image, **numbers))


def pending(tasks: list[Task], journal: Journal) -> list[Task]:
    """Return the tasks that are not done yet, and have not failed in this very attempt (of a job that is retried)."""
    return [
        task
        for task in tasks
        if not is_current(entry := journal.last(task.image), task.key, task.outputs)
        and not (
            entry and (entry.event, entry.key, entry.attempt) == ("failed", task.key, task.attempt)
        )
    ]


def _took_the_time(seconds: float) -> bool:
    """Whether the job has run out of time, and spent most of it on one image."""
    times = times_of_this_job()
    return times is not None and times[1] <= 0 and seconds > times[0] / 2


def _is_suspect(task: Task, journal: Journal) -> bool:
    last = journal.last(task.image)
    gave_up = last is not None and last.details.get("code") in ("SM-RUN-002", "SM-RUN-012")
    return gave_up or journal.deaths(task.image, task.key) > 0


def _try(
    work: Work, task: Task, detail: Callable[[str], None]
) -> tuple[dict[str, Any], Problem | None]:
    """Do the work on one image, and return what to note, or what went wrong."""
    try:
        return work(task), None
    except Problem as problem:
        return {}, problem
    except MemoryError:
        return {}, Problem("SM-RUN-003", where=task.image)
    except Exception as error:
        detail(traceback.format_exc())
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return {}, Problem("SM-RUN-001", where=task.image, error=readable(reason))


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
    return Problem(details["code"], where=details["where"], **details["values"])


def remove_outputs(task: Task) -> None:
    """Remove what earlier attempts made of an image; one that can't be removed does not fail the others."""
    for output in task.outputs:
        with suppress(OSError):
            output.unlink(missing_ok=True)


def _fail(task: Task, journal: Journal, problem: Problem) -> None:
    # A result of other settings, or of the file before this one, would be taken for this image's.
    remove_outputs(task)
    values = {key: _plain(value) for key, value in problem.values.items()}
    details = {"code": problem.code, "where": problem.where, "values": values}
    journal.add(task.image, "failed", task.key, task.attempt, **details)


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float | bool | None) else str(value)
