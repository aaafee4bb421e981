"""What the last run of a results folder does, by what it left there: nothing is asked, locked or written."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

from segmake.core.ended_runs import LastRun, last_run
from segmake.core.processes import Process
from segmake.core.run_marks import read_mark, starting
from segmake.plan.result_paths import ResultPaths

State = Literal["starting", "waiting", "running", "ended", "stopped", "died"]


class RunState(NamedTuple):
    """What a run does.

    Attributes
    ----------
    state : str
        ``starting``: it reads the config and the images, or makes environments. ``waiting``: its main process is a job
        that has not begun. ``died``: its main process is gone without a word.
    process : Process or None
        The main process: that of now, else the last one.
    shown : float or None
        When it last showed that it was there, in seconds since 1970.
    last : LastRun or None
        The run that began last, which may be the one before the one that is starting or waiting.
    job : str
        The number of the job that the main process is to be; empty where it is none that waits.
    """

    state: State
    process: Process | None = None
    shown: float | None = None
    last: LastRun | None = None
    job: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing is at work, nor about to be."""
        return self.state in ("ended", "stopped", "died")


def state_of(folders: ResultPaths, folder: Path = Path()) -> RunState | None:
    """Return what the last run of a results folder does; None where there was none.

    Parameters
    ----------
    folders : ResultPaths
    folder : Path
        Where Snakemake is started.
    """
    last = last_run(folders.runs)
    process, shown = read_mark(folders.lock) or (None, None)
    is_there = process is not None and shown is not None and process.is_there(shown)
    if process and is_there:
        # Version 0.1.0 noted no moment, and no runs.
        is_old = not process.time and folders.plan.exists()
        if not is_old and (last is None or last.began < process.time):
            return RunState("starting", process, shown, last)
        if last is None or last.ended is None:
            return RunState("running", process, shown, last)
    since = last.began if last else 0.0
    begun = starting(folder)
    if begun and begun[1] and begun[0].time > (last.ended or since if last else 0.0):
        return RunState("starting", begun[0], begun[0].time, last)
    sent, job = _submitted(folders.submitted)
    # A main process that has begun, and was refused, waits no more.
    if job and sent > since and not (begun and begun[0].time > sent):
        return RunState("waiting", None, None, last, job)
    if last is None:
        return RunState("ended", process, shown) if folders.plan.exists() else None
    if last.ended is None:
        return RunState("died", process, shown, last)
    return RunState("ended" if last.how == "ended" else "stopped", process, shown, last)


def _submitted(path: Path) -> tuple[float, str]:
    """Return when the main process was last sent as a job, and the number of the job; empty where it never was."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return path.stat().st_mtime, str(json.loads(path.read_text(encoding="ascii"))["job"])
    return 0.0, ""
