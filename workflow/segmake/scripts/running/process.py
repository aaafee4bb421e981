"""Runs a command for a limited time, with a log that can be read meanwhile, and ends it with all that it started."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, Thread, Timer
from typing import Any

import psutil

from segmake.core.files import open_own
from segmake.messages import say
from segmake.messages.numbers import number as amount
from segmake.plan.written_plan import PLAN_VARIABLE
from segmake.scripts.running import kernel
from segmake.scripts.running.protection import Protection
from segmake.scripts.running.starting import Started, Starter

# Tells the processes of a run of a script from all others, also those that left its group or lost their parent.
MARK = "SEGMAKE_RUN"

# Between the signal that a program can answer and the one that it can't.
GRACE_SECONDS = 5.0

# Slurm ends all processes of a job at once: so long after a script has been ended so, this one may not know it yet.
TOGETHER_SECONDS = 2.0

# Of a log that is longer than this, so much of its beginning and of its end is kept.
LONGEST_LOG = 50_000_000
KEPT_OF_LOG = 5_000_000

# How often logs and memory are looked at.
LOOK_SECONDS = 0.25

_PAGE = os.sysconf("SC_PAGE_SIZE")

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
    memory : int
        The bytes of memory that it was ended for; 0 if it was not.
    protected : bool
        Whether it could write to nothing but what is its own.
    """

    code: int
    out_of_time: bool = False
    stopped: bool = False
    memory: int = 0
    protected: bool = False


@dataclass
class _Running:
    """A command at work: its process, its log and, if it has one of its own, its namespace."""

    process: subprocess.Popen | Started
    log: Path
    space: str
    starter: Starter | None = None
    mounts: str = ""
    memory: int = 0
    left_out: int = 0


class Processes:
    """The commands that are at work; each is run by a thread of its own, and all can be ended at once.

    Parameters
    ----------
    protection : Protection, optional
        What they may not write to.
    memory : float, optional
        The bytes of memory that all of them together may use; else nobody counts, as where Slurm does.
    """

    def __init__(self, protection: Protection | None = None, memory: float | None = None) -> None:
        self._protection = protection
        self._memory = memory
        self._running: dict[str, _Running] = {}
        self._stopped = Event()
        self._lock = Lock()
        self._watcher: Thread | None = None
        # What a script leaves behind comes to this process, and is known by that.
        self._adopts = kernel.adopt_orphans()
        self._left_before: set[str] | None = None
        self._idle: dict[str, list[Starter]] = {}
        self._starters: set[int] = set()
        self._last_mounts = ""

    def run(
        self,
        words: list[str],
        *,
        folder: Path,
        variables: dict[str, str],
        log: Path,
        seconds: float | None,
        mark: str,
        closed: Iterable[Path] = (),
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
            What it says is added to this file as it says it; of very much, the beginning and the end stay.
        seconds : float or None
            The time that it has.
        mark : str
            What its processes have in their environment; those that an earlier run with this mark left are ended first.
        closed : iterable of Path
            What it may not write to besides.

        Raises
        ------
        OSError
            If it can't be started.
        """
        self._end_earlier(mark)
        late = Event()
        with self._lock:
            if self._stopped.is_set():
                return Outcome(-signal.SIGTERM, stopped=True)
            running = self._start(words, folder, {**variables, MARK: mark}, log, closed)
            self._running[mark] = running
            self._watch()
        process = running.process

        def end_late() -> None:
            late.set()
            _end(mark, process)

        timer = Timer(seconds or 0.0, end_late)
        timer.daemon = True
        if seconds is not None:
            timer.start()
        try:
            code = process.follow() if isinstance(process, Started) else process.wait()
        finally:
            timer.cancel()
            with self._lock:
                del self._running[mark]
        if code in (-signal.SIGTERM, 128 + signal.SIGTERM) and not late.is_set():
            self._stopped.wait(TOGETHER_SECONDS)
        self._end_left(mark, running)
        if running.starter:
            # What another run leaves in these mounts must not be taken for what this one left.
            with self._lock:
                self._idle.setdefault(running.mounts, []).append(running.starter)
        running.left_out += shorten(log, running.left_out)
        return Outcome(
            code,
            out_of_time=late.is_set(),
            stopped=self._stopped.is_set(),
            memory=running.memory,
            protected=bool(running.space),
        )

    def stop(self) -> None:
        """End all commands, and start no more."""
        with self._lock:
            self._stopped.set()
            running = dict(self._running)
        for each in running.values():
            _signal(each.process, signal.SIGTERM)
        patience = time.monotonic() + GRACE_SECONDS
        for mark, each in running.items():
            _end(mark, each.process, max(0.0, patience - time.monotonic()))

    def _start(
        self,
        words: list[str],
        folder: Path,
        variables: dict[str, str],
        log: Path,
        closed: Iterable[Path],
    ) -> _Running:
        with open_own(log, "ab") as said:
            if self._protection and self._protection.works:
                mounts = self._protection.mounts(folder, closed)
                stays = self._are_the_last(mounts)
                order: dict[str, Any] = {"words": words, "variables": variables}
                order |= {"folder": str(folder.absolute()), "mounts": mounts, "stays": stays}
                key = self._last_mounts if stays else ""
                # Each has its own: a script that ends the process above it ends no other's.
                starter = idle.pop() if (idle := self._idle.get(key)) else Starter()
                started = starter.start(order, said.fileno())
                self._starters.add(starter.pid)
                return _Running(started, log, started.space, starter, key)
            process = subprocess.Popen(
                words,
                cwd=folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            return _Running(process, log, "")

    def _are_the_last(self, mounts: dict[str, list[str]]) -> bool:
        """Whether the run before had the same mounts: then the next one will have them, too."""
        before, self._last_mounts = self._last_mounts, json.dumps(mounts)
        if before == self._last_mounts:
            return True
        # Processes with mounts that no run has any more are ended.
        self._idle = {"": self._idle.get("", [])}
        return False

    def _watch(self) -> None:
        """Look at memory and logs while anything is at work."""
        if self._watcher is None:
            self._watcher = Thread(target=self._look_on, name="watch", daemon=True)
            self._watcher.start()

    def _look_on(self) -> None:
        while True:
            # What ends sooner than that needs no look.
            time.sleep(LOOK_SECONDS)
            with self._lock:
                if not self._running:
                    self._watcher = None
                    return
                running = list(self._running.values())
            for each in running:
                each.left_out += shorten(each.log, each.left_out)
            if self._memory is not None:
                self._look_at_memory(running, self._memory)

    def _look_at_memory(self, running: list[_Running], limit: float) -> None:
        """End the largest command if all of them together use more memory than they may."""
        trees = [[each.process.pid, *kernel.descendants(each.process.pid)] for each in running]
        if sum(_memory(tree) for tree in trees) <= limit:
            return
        # What processes share was counted for each of them.
        used = [_memory(tree, shared=True) for tree in trees]
        if sum(used) > limit:
            largest = max(range(len(used)), key=used.__getitem__)
            running[largest].memory = int(used[largest])
            _signal(running[largest].process, signal.SIGKILL)

    def _end_earlier(self, mark: str) -> None:
        """End what a job that was killed left of a run."""
        with self._lock:
            if self._left_before is None:
                self._left_before = _all_marks()
            left = mark in self._left_before
        if left:
            _end(mark)

    def _end_left(self, mark: str, ended: _Running) -> None:
        """End what a command that has ended left behind, also what has left its group, and its environment."""
        if not self._adopts:
            _end(mark)
            return
        if self._nothing_is_left():
            return
        patience = time.monotonic() + GRACE_SECONDS
        before: list[int] = []
        while time.monotonic() < patience:
            # First of all: what begins meanwhile is not among them.
            there = kernel.descendants(os.getpid())
            with self._lock:
                others = {each.process.pid for each in self._running.values()}
                spaces = {each.space for each in self._running.values()} - {""}
            known = {pid for other in others for pid in kernel.descendants(other)} | others
            there = [pid for pid in there if pid not in known | self._starters]
            left = [
                pid for pid in there if _is_left(pid, mark, ended, alone=not others, spaces=spaces)
            ]
            # One that ended while it was looked at may have started another one.
            if not left and there == before:
                return
            before = there
            for pid in left:
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
                with suppress(OSError):
                    os.waitpid(pid, os.WNOHANG)
            time.sleep(0.005)

    def _nothing_is_left(self) -> bool:
        """Whether this process has no children but those that it started itself: what is left behind comes to it."""
        for _ in range(2):
            # One that ended while it was looked at may have started another one.
            there = set(kernel.children(os.getpid()))
            with self._lock:
                own = {each.process.pid for each in self._running.values()} | self._starters
            if there - own:
                return False
        return True


def _is_left(pid: int, mark: str, ended: _Running, *, alone: bool, spaces: set[str]) -> bool:
    """Whether a process is what a command left, by its session, its namespace or its mark."""
    try:
        session = os.getsid(pid)
        if session == os.getsid(0):
            # One that SegMake started for itself.
            return False
        space = str(os.stat(f"/proc/{pid}/ns/mnt").st_ino) if ended.space or spaces else ""
        if session == ended.process.pid or (space and space == ended.space):
            return True
        if space in spaces:
            return False
        if alone:
            return True
        return f"{MARK}={mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        # It has ended, and waits for somebody to ask how.
        with suppress(OSError):
            os.waitpid(pid, os.WNOHANG)
        return False


def _all_marks() -> set[str]:
    """Return the marks of all processes of this user."""
    found = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if mark := process.environ().get(MARK):
                found.add(mark)
    return found


def _memory(numbers: Iterable[int], *, shared: bool = False) -> int:
    """Return the bytes of memory that processes use; `shared`: of what several use, each has its part."""
    used = 0
    for number in numbers:
        with suppress(OSError, ValueError, IndexError):
            if shared:
                text = Path(f"/proc/{number}/smaps_rollup").read_text()
                used += int(text.split("\nPss:")[1].split()[0]) * 1024
            else:
                pages = Path(f"/proc/{number}/statm").read_text().split()[1]
                used += int(pages) * _PAGE
    return used


def shorten(log: Path, before: int = 0) -> int:
    """Take the middle out of a log that has become very long, and say so in it.

    The program that writes to it goes on at its end.

    Parameters
    ----------
    log : Path
    before : int
        The bytes that were taken out already.

    Returns
    -------
    int
        The bytes that were taken out now.
    """
    left_out = 0
    with suppress(OSError):
        if log.stat().st_size <= LONGEST_LOG:
            return 0
        with open_own(log, "ab+") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(size - KEPT_OF_LOG)
            end = file.read(KEPT_OF_LOG)
            file.truncate(KEPT_OF_LOG)
            left_out = size - 2 * KEPT_OF_LOG
            words = say("step.log_shortened", size=amount((before + left_out) / 1e6))
            file.write(f"\n\n[... {words} ...]\n\n".encode() + end)
    return left_out


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
            is_job = ["-m", "segmake", "script"] in (words[1:4], words[2:5])
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


def _end(
    mark: str, process: subprocess.Popen | Started | None = None, seconds: float | None = None
) -> None:
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


def _signal(process: subprocess.Popen | Started, number: int) -> None:
    # A process that is not waited for yet keeps its number, and so its group.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _marked(mark: str) -> list[psutil.Process]:
    """Return the processes of this user that have a mark, wherever they have gone."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark:
                found.append(process)
    return found
