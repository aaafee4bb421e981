"""Whether a run is at work: in the results of a folder, or with the programs of this installation."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from segmake.core.config import DEFAULT_CONFIG
from segmake.messages import say
from segmake.outcome.status import main_job, results_of, who_runs
from segmake.plan.result_paths import ResultPaths
from segmake.slurm.commands import SlurmError
from segmake.slurm.jobs import Jobs

# What a run is: a process with one of these among its first words.
_PROGRAMS = ("snakemake", "segmake")


def results_in(folder: Path) -> Path:
    """Return the results folder of an experiment, seen from anywhere."""
    return folder / results_of(folder / DEFAULT_CONFIG)


def run_in(folder: Path, results: Path | None = None) -> str | None:
    """Return who is at work in an experiment, in words; None if nobody is, as far as can be seen.

    Parameters
    ----------
    folder : Path
        The experiment's.
    results : Path, optional
        Its results, if not those of its config.
    """
    folders = ResultPaths(results or results_in(folder))
    if runner := who_runs(folders.lock):
        return say("update.process", pid=runner["pid"], host=runner["host"])
    if job := main_job(folders):
        return say("update.job", job=job[0])
    jobs = Jobs(folders.jobs)
    if jobs.live():
        with suppress(SlurmError):
            jobs.refresh()
    if live := jobs.live():
        return say("update.job", job=", ".join(sent.job.id for sent in live))
    for process in psutil.process_iter(["pid", "cmdline"]):
        with suppress(psutil.Error, OSError):
            if _is_run(process) and Path(process.cwd()).samefile(folder):
                return say("update.process", pid=process.pid, host=os.uname().nodename)
    return None


def run_with(prefixes: Iterable[Path], *, home: Path | None = None) -> str | None:
    """Return which process that can be seen here works with a program of an environment, in words.

    Parameters
    ----------
    prefixes : iterable of Path
        The folders of environments.
    home : Path, optional
        The home that it has to have: that of another user, or another one, does not matter then.
    """
    places = [f"{prefix}{os.sep}" for each in prefixes for prefix in {each, each.resolve()}]
    for process in psutil.process_iter(["pid", "cmdline"]):
        words = process.info["cmdline"] or []
        if not any(word.startswith(place) for word in words for place in places):
            continue
        if _is_run(process) and (home is None or _home_of(process) == home):
            return say("update.process", pid=process.pid, host=os.uname().nodename)
    return None


def _home_of(process: psutil.Process) -> Path | None:
    with suppress(psutil.Error, OSError, KeyError):
        return Path(process.environ()["HOME"])
    return None


def _is_run(process: psutil.Process) -> bool:
    words = process.info["cmdline"] or []
    if process.pid in _own() or not any(Path(word).name in _PROGRAMS for word in words[:4]):
        return False
    # What asks, and begins no run.
    return not any(
        word in ("status", "update", "space", "uninstall", "check") for word in words[1:5]
    )


def _own() -> set[int]:
    return {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
