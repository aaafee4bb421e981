"""The course of a first day: its steps one after the other, and where it was stopped it goes on."""

from __future__ import annotations

import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from segmake.answers.answer import time_text
from segmake.core.files import error_line, lock_file, open_own, readable
from segmake.firstday.all_steps import STEPS
from segmake.firstday.day import MODELS, Day, cluster_config, engine_python
from segmake.firstday.gpu_minutes import GpuMinutes
from segmake.firstday.jobs import cancel_all
from segmake.firstday.nameless import names_here
from segmake.firstday.record import Outcome, Record, problem_of, read
from segmake.firstday.step import Figures, Need, Skipped, State, Step
from segmake.messages import Problem, Problems, say
from segmake.messages.numbers import brief, duration
from segmake.slurm import commands as slurm
from segmake.updates.update import confirmed

FOLDER = Path("segmake-firstday")

# Enough for all steps with three engines on most GPUs.
GPU_MINUTES = 30.0


@dataclass(frozen=True)
class Wanted:
    """What the user has asked for.

    Attributes
    ----------
    folder : Path
    only, skip : collection of str
        The steps to do, all if it is empty; and those to leave out.
    gpu_minutes : float or None
        How many may be used; None: it is asked.
    here : bool
        Whether to do all on this computer, without Slurm.
    allow_cpu : bool
        Whether the networks may work on the CPU where a GPU can't be used.
    yes : bool
        Whether not to ask.
    configs : sequence of Path
        Which together have a section ``cluster`` that says how the cluster is used; the last one counts most.
    """

    folder: Path = FOLDER
    only: Collection[str] = ()
    skip: Collection[str] = ()
    gpu_minutes: float | None = None
    here: bool = False
    allow_cpu: bool = False
    yes: bool = False
    configs: Sequence[Path] = ()


def listed() -> Iterator[str]:
    """Yield the lines on all steps: what each proves, needs and costs."""
    for step in STEPS:
        words = [say(f"firstday.needs.{need}") for need in step.needs]
        if step.gpu_minutes:
            words.append(say("firstday.costs", minutes=step.gpu_minutes))
        yield f"{step.name}" + (f"  ({', '.join(words)})" if words else "")
        yield f"  {step.proves}"


def do_day(wanted: Wanted, tell: Callable[[str], None]) -> int:
    """Do the steps that are wanted and not done, and return the exit code: 1 if one of all has failed.

    Parameters
    ----------
    wanted : Wanted
    tell : callable
        Takes lines for the screen.

    Raises
    ------
    Problem
        ``SM-DAY-001`` without Slurm, ``SM-DAY-003`` if nobody says how many GPU minutes may be used, ``SM-DAY-005``
        if something else is in the folder, ``SM-DAY-006`` if a day is at work in it, ``SM-CLU-001`` if Slurm does not
        answer.
    Problems
        What is wrong with the site file or the config.
    """
    if not wanted.here and not slurm.is_here():
        raise Problem("SM-DAY-001")
    before = _begun_before(wanted.folder)
    record = before or Record(wanted.folder)
    record.here, record.allow_cpu = wanted.here, wanted.allow_cpu
    config = cluster_config(wanted.configs, here=wanted.here)
    record.agreed = _agreed(wanted, record)
    wanted.folder.mkdir(parents=True, exist_ok=True)
    with _alone(wanted.folder):
        names = names_here(wanted.folder, on_slurm=not wanted.here)

        def save() -> None:
            record.spent = minutes.notes
            record.write(STEPS, names)

        def agree(question: str, **values: object) -> bool:
            return wanted.yes or confirmed(question, **values)

        minutes = GpuMinutes(record.agreed, record.spent, save)
        day = Day(
            wanted.folder.absolute(),
            minutes,
            names,
            config,
            here=wanted.here,
            allow_cpu=wanted.allow_cpu,
            tell=tell,
            agree=agree,
        )
        day.work.mkdir(exist_ok=True)
        try:
            cancel_all(day)
            _do_steps(day, record, wanted, save)
        finally:
            cancel_all(day)
            save()
        shutil.rmtree(day.work, ignore_errors=True)
    return _ended(record, tell)


def _begun_before(folder: Path) -> Record | None:
    """Return the record of a day that was begun in a folder, None if it is empty or not there.

    Raises
    ------
    Problem
        ``SM-DAY-005`` if something else is in it.
    """
    record = read(folder)
    strange = folder.exists() and (not folder.is_dir() or set(os.listdir(folder)) - {"work"})
    if record is None and strange:
        raise Problem("SM-DAY-005", where=str(folder))
    return record


def _agreed(wanted: Wanted, record: Record) -> float:
    """Return how many GPU minutes may be used.

    Raises
    ------
    Problem
        ``SM-DAY-003`` if nobody says so.
    """
    if wanted.gpu_minutes is not None:
        return wanted.gpu_minutes
    if record.agreed or wanted.yes:
        return record.agreed or GPU_MINUTES
    if not sys.stdin.isatty():
        raise Problem("SM-DAY-003", default=brief(GPU_MINUTES))
    while True:
        said = input(say("firstday.minutes", default=brief(GPU_MINUTES))).strip()
        try:
            given = float(said.replace(",", ".")) if said else GPU_MINUTES
        except ValueError:
            continue
        if given >= 0:
            return given


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep others from doing a day in the same folder meanwhile.

    Raises
    ------
    Problem
        ``SM-DAY-006`` if somebody does.
    """
    (folder / "work").mkdir(exist_ok=True)
    with open_own(folder / "work" / ".lock", "a+") as file:
        try:
            lock_file(file, wait=False)
        except OSError:
            raise Problem("SM-DAY-006", where=str(folder)) from None
        yield


def _do_steps(day: Day, record: Record, wanted: Wanted, save: Callable[[], None]) -> None:
    for step in STEPS:
        if wanted.only and step.name not in wanted.only:
            continue
        earlier = record.outcomes.get(step.name, Outcome())
        # What was skipped may be possible now; what has an outcome is done again only where it is named.
        if earlier.state in ("passed", "failed") and step.name not in wanted.only:
            continue
        day.tell(say("firstday.begins", name=step.name, proves=step.proves))
        if step.name in wanted.skip:
            outcome = Outcome(
                "skipped", problem_of(Problem("SM-DAY-011"), day.names), left_out=True
            )
        else:
            outcome = _done(day, step)
        record.outcomes[step.name] = outcome
        save()
        day.tell(_told(outcome))


def _done(day: Day, step: Step) -> Outcome:
    """Do a step, and return what became of it."""
    began, used = time.time(), day.minutes.used
    figures: Figures = {}
    outcome = Outcome("passed", began=time_text(began), figures=figures)
    day.step = step.name
    try:
        for need in step.needs:
            _refuse_without(day, need)
        step.do(day, figures)
    except Skipped as skipped:
        outcome.state, outcome.problem = "skipped", problem_of(skipped.problem, day.names)
    except Problem as problem:
        outcome.state, outcome.problem = "failed", problem_of(problem, day.names)
    except Problems as problems:
        outcome.state, outcome.problem = "failed", problem_of(problems.problems[0], day.names)
    except Exception as error:
        found = Problem("SM-DAY-007", where=step.name, error=readable(error_line(error)))
        outcome.state, outcome.problem = "failed", problem_of(found, day.names)
        # Where in the code, which names nobody.
        frames = traceback.extract_tb(error.__traceback__)[-6:]
        places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
        figures["traceback"] = places
    outcome.seconds = round(time.time() - began, 1)
    outcome.gpu_minutes = round(day.minutes.used - used, 2)
    return outcome


def _refuse_without(day: Day, need: Need) -> None:
    """Skip a step that needs what is not here.

    Raises
    ------
    Skipped
    """
    if need == "slurm" and day.here:
        raise Skipped(Problem("SM-DAY-001"))
    if need == "engine" and not any(engine_python(name).exists() for name in MODELS):
        raise Skipped(Problem("SM-DAY-009"))
    if need == "gpu" and not day.allow_cpu and not day.has_gpu:
        raise Skipped(Problem("SM-DAY-015"))


def _told(outcome: Outcome) -> str:
    """Return the line on the screen that says what became of a step."""
    words = [say(f"firstday.state.{outcome.state}")]
    if outcome.seconds:
        words.append(duration(outcome.seconds))
    if outcome.gpu_minutes:
        words.append(say("firstday.page.gpu", minutes=brief(outcome.gpu_minutes)))
    line = f"  {', '.join(words)}"
    if outcome.problem:
        line += "\n" + "\n".join(f"    {each}" for each in outcome.problem["message"].splitlines())
    return line


def _ended(record: Record, tell: Callable[[str], None]) -> int:
    """Say how the day ended, and return the exit code."""
    states = [record.outcomes.get(step.name, Outcome()).state for step in STEPS]
    numbers = {state: states.count(state) for state in get_args(State)}
    tell("")
    tell(say("firstday.ended", **numbers))
    if numbers["not_done"]:
        tell(say("firstday.goes_on"))
    tell(say("firstday.send", page=record.folder / "firstday.html"))
    return int(numbers["failed"] > 0)
