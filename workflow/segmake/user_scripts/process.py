"""Runs a command for a limited time, with a log that can be read meanwhile, and ends it with all that it started."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Event, Lock, Timer

import psutil

from segmake.files import open_own
from segmake.plan import PLAN_VARIABLE
from segmake.user_scripts.orphans import adopt_orphans, adopted, bury

# Tells the processes of a run of a script from all others, also those that left its group or lost their parent.
MARK = "SEGMAKE_RUN"

# Between the signal that a program can answer and the one that it can't.
GRACE_SECONDS = 5.0

# So much of the end of a log is looked through for its last lines.
_TAIL_BYTES = 20_000


@dataclass(frozen=True)
class Outcome:
    """How a command came to its end.

    Attributes
    ----------
    code : int
        Its exit code; the negative number of a signal that ended it.
    out_of_time : bool
        Whether it was ended because its time was up.
    stopped : bool
        Whether it was ended because all is.
    """

    code: int
    out_of_time: bool = False
    stopped: bool = False


class Processes:
    """The commands that are at work; each is run by a thread of its own, and all can be ended at once."""

    def __init__(self) -> None:
        self._running: dict[str, subprocess.Popen] = {}
        self._stopped = False
        self._lock = Lock()
        self._adopts = adopt_orphans()

    @cached_property
    def _left(self) -> set[str]:
        """The marks that processes of this computer had before the first run."""
        return _marks()

    def run(
        self,
        words: list[str],
        *,
        folder: Path,
        variables: dict[str, str],
        log: Path,
        seconds: float | None,
        mark: str,
    ) -> Outcome:
        """Run a command, without a shell, and return once it and all that it started have ended.

        Parameters
        ----------
        words : list of str
        folder : Path
            Its working folder.
        variables : dict
            Its environment, but for the mark.
        log : Path
            What it says is added to this file as it says it.
        seconds : float or None
            The time that it has.
        mark : str
            What its processes have in their environment; those that an earlier run with this mark left are ended first.

        Raises
        ------
        OSError
            If it can't be started.
        """
        with self._lock:
            left = self._left
        if mark in left:
            _end(mark)
        late = Event()
        with open_own(log, "ab") as said:
            with self._lock:
                if self._stopped:
                    return Outcome(-signal.SIGTERM, stopped=True)
                process = self._running[mark] = subprocess.Popen(
                    words,
                    cwd=folder,
                    env={**variables, MARK: mark},
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )

            def end_late() -> None:
                late.set()
                _end(mark, process)

            timer = Timer(seconds or 0.0, end_late)
            timer.daemon = True
            if seconds is not None:
                timer.start()
            try:
                code = process.wait()
            finally:
                timer.cancel()
                with self._lock:
                    del self._running[mark]
        self._end_what_is_left(mark)
        return Outcome(code, out_of_time=late.is_set(), stopped=self._stopped)

    def _end_what_is_left(self, mark: str) -> None:
        """End what a command that has ended has left behind."""
        with self._lock:
            others = adopted([each.pid for each in self._running.values()])
        if not self._adopts or others is None or others:
            _end(mark)
            bury(others or ())

    def stop(self) -> None:
        """End all commands, and start no more."""
        with self._lock:
            self._stopped = True
            running = dict(self._running)
        for process in running.values():
            _signal(process, signal.SIGTERM)
        patience = time.monotonic() + GRACE_SECONDS
        for mark, process in running.items():
            _end(mark, process, max(0.0, patience - time.monotonic()))


def last_lines(log: Path, number: int, start: int = 0) -> str:
    """Return the last lines of a log that say something, as text that any file can hold.

    Parameters
    ----------
    log : Path
    number : int
        At most so many.
    start : int
        What stands before this byte is left out.
    """
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(start, file.tell() - _TAIL_BYTES))
            text = file.read().decode("utf-8", "backslashreplace")
    except OSError:
        return ""
    # A progress bar writes over its own line.
    lines = [line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n")]
    return "\n".join([line for line in lines if line][-number:])


def end_orphans(plan: Path) -> None:
    """End the jobs with scripts that a run on this computer left behind when it was killed; they end what they started.

    Parameters
    ----------
    plan : Path
        The plan that they work by, which is that of the next run as well.
    """
    orphans = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            words = process.cmdline()
            is_job = words[1:4] == ["-m", "segmake", "script"]
            if is_job and process.environ().get(PLAN_VARIABLE) == str(plan.absolute()):
                process.terminate()
                orphans.append(process)
    psutil.wait_procs(orphans, timeout=4 * GRACE_SECONDS)


def killed_for_memory() -> int | None:
    """Return how many processes of this job the kernel has killed for memory so far; None where it does not count."""
    for place, file in (("", "memory.events"), ("memory", "memory.oom_control")):
        try:
            groups = Path("/proc/self/cgroup").read_text().splitlines()
            own = next(
                path for _, kinds, path in (g.split(":", 2) for g in groups) if kinds == place
            )
            text = Path("/sys/fs/cgroup", place, own.lstrip("/"), file).read_text()
        except (OSError, StopIteration, ValueError):
            continue
        if found := re.search(r"^oom_kill (\d+)", text, re.MULTILINE):
            return int(found[1])
    return None


def _end(mark: str, process: subprocess.Popen | None = None, seconds: float | None = None) -> None:
    """End a command and all that it started: first asked, then forced."""
    if process is not None:
        _signal(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS if seconds is None else seconds)
        _signal(process, signal.SIGKILL)
    patience = time.monotonic() + GRACE_SECONDS
    alone = False
    while time.monotonic() < patience:
        left = _marked(mark)
        for other in left:
            with suppress(psutil.Error):
                other.kill()
        # They are gone a moment after they were told; and one that was just started is seen a moment later.
        if alone and not left:
            return
        alone = not left
        time.sleep(0.01)


def _signal(process: subprocess.Popen, number: int) -> None:
    # A process that is not waited for yet keeps its number, and so its group.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _marks() -> set[str]:
    """Return the marks of all processes of this user."""
    found = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            found.add(process.environ().get(MARK, ""))
    return found


def _marked(mark: str) -> list[psutil.Process]:
    """Return the processes of this user that have a mark, wherever they have gone."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark:
                found.append(process)
    return found
