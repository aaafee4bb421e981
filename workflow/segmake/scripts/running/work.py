"""Does the runs of a script that a job was given, several at the same time."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from segmake.core.disk import disk_problem, probe
from segmake.core.files import fingerprint, naming, open_own, readable
from segmake.environments.solving.environment_file import noted
from segmake.messages import Problem, say
from segmake.messages.numbers import brief
from segmake.plan.plan import Plan
from segmake.plan.scripts import facts_in_job
from segmake.runner.parallel import Parallel, Stopped
from segmake.runner.pipeline import Ended, Leave, Task, Work
from segmake.scripts.checks.command import command_line, known_words, variables
from segmake.scripts.checks.copies import copy_place, fresh_cache, remove_copy, write_copy
from segmake.scripts.definition.script import OWN, image_of
from segmake.scripts.running.care import Care, Run
from segmake.scripts.running.process import Outcome, Processes, killed_for_memory, last_lines
from segmake.scripts.source.constants import Change
from segmake.scripts.source.meaning import text_of
from segmake.slurm.commands import times_of_this_job

# So many lines of the end of a log are shown on the screen and in the report.
LAST_LINES = 8

# So many files that a run made are named where the one that it should have made is missing.
NAMED_FILES = 5

# A run that wrote this part of a disk that is full has filled it.
LARGE_PART = 0.05

# What is kept of a job's time to write down how it ended: Slurm kills without asking at the end of it.
MARGIN_SECONDS = 60.0
MARGIN_PART = 0.1

# A run that is ended had its chance if it had this part of the time that the first run of its job had, of which the
# start takes some, or of this part of what it may take; else another job begins with it.
FAIR_PART = 0.95
FAIR_START = 0.5


class ScriptWork:
    """The runs of one script.

    Parameters
    ----------
    plan : Plan
    name : str
    python : str
        The Python of the script's environment.
    cpus : int
        The cores of the job.
    """

    overlaps = True

    def __init__(self, plan: Plan, name: str, python: str, cpus: int) -> None:
        self._plan = plan
        self._scripts = plan.definitions
        self._script = self._scripts[name]
        self._python = python
        self.at_once = self._script.parallel
        if self.at_once == self._script.resources.cpus:
            # Snakemake gives a job no more cores than there are.
            self.at_once = min(self.at_once, cpus)
        self._cpus = max(1, cpus // self.at_once)
        self._care = Care(plan, self._script)
        self._memory_gb = float(self._script.resources.memory_gb)
        self._in_a_job = "SLURM_JOB_ID" in os.environ
        # Slurm itself ends a job that uses more than its memory.
        limit = None if self._in_a_job else self._memory_gb * 2**30
        self._processes = Processes(self._care.protection, limit)
        self._parameters = facts_in_job(plan).runs(name)
        self._tables: dict[str, Path] | None = None
        self._code = plan.scripts[name].text
        self._files = [Path(file) for file in plan.scripts[name].files]
        own = self._script.environment
        self._environment = noted(own, plan.environments, plan.folders.results)
        self._seen: list[tuple[int, int]] = []
        self._environ = dict(os.environ)
        # The seconds that a run had at most in this job: its first one, once all has started.
        self._most = 0.0

    def line(self, work: Work, ended: Callable[[Ended], None]) -> Parallel:
        """Return what passes the runs through this work."""
        return Parallel(self.at_once, self._processes.stop, work, ended)

    def prepare(self) -> None:
        """Write the tables about all images that the script works on."""
        if self._script.works_on_images and not self._script.per_image:
            # Most jobs need none, and begin in half the time without this.
            from segmake.scripts.results.results import write_tables_for

            self._tables = write_tables_for(self._plan, self._script)

    def read(self, task: Task) -> None:
        """Nothing is read ahead."""

    def finish(self, task: Task, computed: dict[str, Any]) -> dict[str, Any]:
        """Nothing is left to do."""
        return computed

    def compute(self, task: Task, read: None) -> dict[str, Any]:
        """Run the script once, and look at what it took and made."""
        self._refuse_other_code()
        seconds, limit = self._time()
        self._most = max(self._most, seconds)
        folder, log = task.outputs[0], self._plan.folders.script_log(self._script, task.image)
        self._clear(task, folder)
        with self._care.of(task, self._given(task, folder)) as run:
            killed = killed_for_memory() if self._in_a_job else None
            outcome, start = self._start(run, log, seconds)
            self._care.look(run, outcome)
            name = self._script.name
            if outcome.stopped:
                raise Stopped
            fair = FAIR_PART * max(self._most, FAIR_START * limit)
            if outcome.out_of_time and seconds < fair:
                raise Leave(Problem("SM-SCR-034", where=task.image, script=name))
            ended = outcome.code and not outcome.out_of_time and not outcome.memory
            if (
                ended
                and self._in_a_job
                and _lacked_memory(outcome.code, killed, killed_for_memory())
            ):
                # A job that is sent again has more.
                raise Leave(Problem("SM-SCR-038", where=task.image, script=name), died=True)
            self._judge(run, outcome, limit, log, last_lines(log, LAST_LINES, start))
            if log.stat().st_size == start and not run.opened_nothing:
                # Thousands of runs that said nothing need no file each.
                log.unlink()
            else:
                with naming(log), open_own(log, "a", errors="backslashreplace") as end:
                    end.write(f"$ # {run.describe()}\n")
            return {"script": name, **self._environment, **run.details()}

    def _start(self, run: Run, log: Path, seconds: float) -> tuple[Outcome, int]:
        """Run the script, and return how it ended, and where in its log its own words begin."""
        task, folder = run.task, run.task.outputs[0]
        values, parameters = self._values(task), self._parameters.get(task.image, {})
        words = command_line(self._script, self._python, run.given, values, parameters)
        environment = variables(self._script, run.given, values, parameters, self._environ)
        copy = copy_place(self._plan.folders.state, self._script, task.image)
        known = known_words(run.given, values, parameters)
        words, changes = write_copy(self._script, words, known, copy)
        log.parent.mkdir(parents=True, exist_ok=True)
        with naming(log), open_own(log, "w", errors="backslashreplace") as said:
            said.write(_head(words, folder) + _set_lines(changes))
        start = log.stat().st_size
        try:
            with fresh_cache(self._script) as cache:
                outcome = self._processes.run(
                    words,
                    folder=folder,
                    variables=environment | cache,
                    log=log,
                    seconds=seconds,
                    mark=fingerprint(str(folder.absolute())),
                    closed=run.closed(),
                )
        except OSError as error:
            if problem := disk_problem(error, folder):
                raise problem from None
            if not folder.is_dir():
                # Another run has removed it meanwhile.
                names = {"script": self._script.file.name, "folder": str(folder), "log": str(log)}
                raise Problem("SM-SCR-048", where=task.image, **names) from None
            reason = readable(f"{error.strerror}: {error.filename or words[0]}")
            raise Problem("SM-SCR-032", where=task.image, error=reason) from None
        finally:
            remove_copy(copy)
        return outcome, start

    def _judge(self, run: Run, outcome: Outcome, limit: float, log: Path, said: str) -> None:
        """Raise the problem of a run that did not end well, or did not make what it should."""
        task, folder = run.task, run.task.outputs[0]
        names = {"script": self._script.file.name, "log": str(log)}
        problem, missing = None, task.missing(filled=True)
        if outcome.memory:
            sizes = {"used": brief(outcome.memory / 2**30), "limit": brief(self._memory_gb)}
            problem = Problem("SM-SCR-044", where=task.image, said=said, **sizes, **names)
        elif outcome.out_of_time:
            problem = Problem(
                "SM-SCR-033", where=task.image, minutes=f"{limit / 60:.3g}", said=said, **names
            )
        elif outcome.code:
            code = _ended_how(outcome.code)
            problem = run.wrote_elsewhere(said, log) or Problem(
                "SM-SCR-031", where=task.image, ended=code, said=said, **names
            )
        elif not folder.is_dir():
            problem = Problem("SM-SCR-048", where=task.image, folder=str(folder), **names)
        elif wrote := run.wrote_elsewhere("" if run.made_any and not missing else said, log):
            problem = wrote
        elif missing:
            made = run.named() or ["no file"]
            names |= {"made": readable(", ".join(made[:NAMED_FILES])), "aside": str(task.aside)}
            names["missing"] = ", ".join(missing)
            problem = Problem("SM-SCR-035", where=task.image, said=said, **names)
        if problem:
            # A script knows only in its own words that there is no room for what it makes.
            raise self._no_room(run, log) or problem

    def _no_room(self, run: Run, log: Path) -> Problem | None:
        """Return what is wrong with the disk that a run wrote to; where it is full of what this run made, that."""
        folder = run.task.outputs[0]
        problem = probe(folder) if folder.is_dir() else None
        if problem is None or problem.code != "SM-RUN-040":
            return problem
        size = run.made.get("bytes", 0) + log.stat().st_size
        if size < shutil.disk_usage(folder).total * LARGE_PART:
            return problem
        names = {"script": self._script.file.name, "folder": folder.absolute()}
        return Problem(
            "SM-SCR-049", where=run.task.image, size=brief(size / 1e9), log=str(log), **names
        )

    def _time(self) -> tuple[float, float]:
        """Return the seconds that are left for a run now, and those that it may take."""
        limit = self._script.resources.hours * 3600
        if self._job is None:
            return limit, limit
        whole, ends = self._job
        left = ends - time.monotonic()
        margin = min(MARGIN_SECONDS, MARGIN_PART * whole)
        wanted = min(limit, whole - margin)
        seconds = min(wanted, left - margin)
        if seconds <= 0:
            raise Leave(Problem("SM-SCR-034", script=self._script.name))
        return seconds, wanted

    @cached_property
    def _job(self) -> tuple[float, float] | None:
        """The seconds that the Slurm job has in all, and when they end by this process's clock; asked once."""
        if times := times_of_this_job():
            passed, left = times
            return passed + left, time.monotonic() + left
        return None

    def _refuse_other_code(self) -> None:
        """Refuse to go on with a file that was edited since the run was planned."""
        stats = [path.stat() for path in self._files if path.exists()]
        seen = [(stat.st_size, stat.st_mtime_ns) for stat in stats]
        if seen and seen == self._seen:
            return
        if text_of(self._files) != self._code:
            raise Problem("SM-SCR-036", script=str(self._script.file))
        self._seen = seen

    def _given(self, task: Task, folder: Path) -> dict[str, str]:
        """Return what the run works on, by the names of the placeholders."""
        folders, image = self._plan.folders, image_of(self._script, task.image)
        if self._script.per_image:
            own = {
                "images": ("input", task.path.absolute()),
                "masks": ("mask", folders.mask(image).absolute()),
                "cells": ("cells", folders.cells(image).absolute()),
            }
        else:
            tables = self._tables or {}
            own = {
                "images": ("input", tables.get("images", Path())),
                "masks": ("mask", (folders.results / "masks").absolute()),
                "cells": ("cells", tables.get("cells", Path())),
            }
        given = {own[need][0]: str(own[need][1]) for need in self._script.needs if need in OWN}
        for need in self._script.scripts_needed:
            whole = not (self._script.per_image and self._scripts[need].per_image)
            other = folders.scripts / need
            if not whole:
                other = folders.script_folder(self._scripts[need], image)
            given[need] = str(other.absolute())
        return {**given, "output_dir": str(folder.absolute())}

    def _values(self, task: Task) -> dict[str, str]:
        """Return what the other placeholders stand for."""
        seed = int(fingerprint(self._script.name, task.image)[:8], 16) // 2
        return {
            "name": readable(image_of(self._script, task.image) or task.image),
            "position": str(task.position + 1),
            "seed": str(seed),
            "cpus": str(self._cpus),
            "project": str(Path.cwd()),
        }

    def _clear(self, task: Task, folder: Path) -> None:
        """Give the run an empty folder; it may be a link to another disk."""
        if task.aside:
            shutil.rmtree(task.aside, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        if self._script.file.suffix == ".ipynb":
            # A notebook works where it lies, and is written to.
            shutil.copyfile(self._script.file, folder / self._script.file.name)


def _lacked_memory(code: int, before: int | None, after: int | None) -> bool:
    """Whether a script of a Slurm job was ended for memory; where nobody counts, any SIGKILL is taken for that."""
    if before is None or after is None:
        return code in (-signal.SIGKILL, 128 + signal.SIGKILL)
    return after > before


def _head(words: list[str], folder: Path) -> str:
    """Return the first lines of a log: what is run, and where."""
    return f"$ cd {shlex.quote(str(folder.absolute()))}\n$ {shlex.join(words)}\n"


def _set_lines(changes: list[Change]) -> str:
    """Return the lines of a log that say what stands in the copy that is run."""
    return "".join(f"# {change.line}: {change.after}\n" for change in changes)


def _ended_how(code: int) -> str:
    if code >= 0:
        return say("script.exit_code", code=code)
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
