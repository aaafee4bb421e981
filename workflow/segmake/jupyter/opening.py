"""Opens JupyterLab with an environment: the one that is there already, else a new one, waited for until it answers."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from segmake.core.files import alone, one_line
from segmake.jupyter import starting, way
from segmake.jupyter.packages import beside
from segmake.jupyter.session import Session, State, folder_of, jobs_here, session_of
from segmake.jupyter.session import sessions as all_sessions
from segmake.jupyter.starting import Asked
from segmake.messages import Problem, say
from segmake.slurm import commands as slurm
from segmake.slurm import fates
from segmake.slurm.commands import Job, SlurmError

LOOK_SECONDS = 2.0

# So long may JupyterLab take to end by itself, and a job that is cancelled then.
END_SECONDS = 30.0

# So many lines of a log are shown.
_LAST_LINES = 6


@dataclass(frozen=True)
class Opened:
    """What is known of a session now.

    Attributes
    ----------
    session : Session
    state : {"waiting", "starting", "running", "ended"}
    reason : str
        Why its job waits, in the user's language; empty if it does not, or Slurm does not say.
    port : int or None
        The port of this machine that leads to it; None before there is one.
    ends : float or None
        When its time is up, in seconds since 1970; None if it has not begun, or nothing ends it.
    """

    session: Session
    state: State
    reason: str = ""
    port: int | None = None
    ends: float | None = None

    @property
    def url(self) -> str | None:
        """What a browser on this machine opens."""
        return way.address(self.session, self.port) if self.port else None

    @property
    def node(self) -> str | None:
        """The machine on which it works."""
        return (self.session.place or {}).get("node")


def look(session: Session, jobs: dict[str, Job]) -> Opened:
    """Return what is known of a session.

    Parameters
    ----------
    session : Session
    jobs : dict
        What `jobs_here` returned.
    """
    job = jobs.get(session.job)
    state = session.state(jobs)
    ends = None
    if job and job.started and job.minutes and state != "ended":
        ends = job.started + 60 * job.minutes
    port = way.port_of(session) if state == "running" else None
    return Opened(session, state, _reason(job) if job and job.waits else "", port, ends)


def _reason(job: Job) -> str:
    fate = fates.waits(job.reason)
    return fate.says() if fate else job.reason


def open_lab(
    name: str, python: Path, settings: dict[str, Any], asked: Asked, *, wait: bool = True
) -> Opened:
    """Open JupyterLab with an environment in this folder.

    Parameters
    ----------
    name : str
        The environment's.
    python : Path
        Its Python.
    settings : dict
        The settings of a checked config.
    asked : Asked
        What a new one asks of the cluster.
    wait : bool
        Whether to wait until it answers; else it is asked for again.

    Raises
    ------
    Problem
        What keeps it from being made or started: ``SM-JUP-001`` to ``SM-JUP-005``.
    KeyboardInterrupt
        If the user stops waiting, after a message; the job stays.
    """
    folder = folder_of(name, Path.cwd())
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.parent.chmod(0o700)
    with alone(folder.parent, "jupyter.busy"):
        session = session_of(name, Path.cwd())
        if session and look(session, _jobs()).state != "ended":
            if not asked.is_empty:
                _tell("jupyter.already", name=name)
        else:
            session = starting.start(name, python, beside(name, python), settings, asked)
            if session.job:
                _tell("jupyter.sent", job=session.job)
            elif not asked.is_empty:
                _tell("jupyter.all_here")
    opened = _waited(session) if wait else look(session, _jobs())
    if opened.state == "ended":
        raise _not_started(session, _jobs())
    if opened.state == "running":
        if opened.ends and not opened.port:
            starting.tell_end(session, clock(opened.ends))
        way.open_way(session)
    return look(session, _jobs())


def _jobs() -> dict[str, Job]:
    try:
        return jobs_here()
    except SlurmError as error:
        raise Problem("SM-CLU-001", error=one_line(error)) from None


def _waited(session: Session) -> Opened:
    """Wait until a session answers, or has ended; say why it takes so long."""
    told = ""
    try:
        while True:
            # The controller may be busy for a moment.
            with suppress(SlurmError):
                opened = look(session, jobs_here())
                if opened.state in ("running", "ended"):
                    return opened
                doing = opened.state if session.job else "starting_here"
                words = say(f"jupyter.{doing}", reason=opened.reason or say("jupyter.queued"))
                if words != told:
                    print(words, file=sys.stderr, flush=True)
                told = words
            time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        print(file=sys.stderr)
        _tell("jupyter.left", name=session.name, job=session.job or session.process)
        raise


def _not_started(session: Session, jobs: dict[str, Job]) -> Problem:
    """Return what became of a session that never answered."""
    said = ""
    with suppress(OSError):
        said = session.log.read_text(encoding="utf-8", errors="replace")
    lines = [line for line in said.splitlines() if line.strip()][-_LAST_LINES:]
    job = jobs.get(session.job)
    reason = say("jupyter.gone")
    if job:
        reason = fates.ended(job.state, said, reason=job.reason).says()
    shown = "\n".join(f"    | {line}" for line in lines) or "    | -"
    return Problem("SM-JUP-004", name=session.name, reason=reason, log=session.log, said=shown)


def stop(session: Session) -> None:
    """End a session, and wait until nothing of it is left.

    Raises
    ------
    Problem
        ``SM-JUP-006`` if it goes on, or it is a process of another machine.
    """
    way.close_way(session)
    try:
        if not (_has_ended(session) or _ends_by_itself(session)):
            slurm.cancel([session.job] if session.job else [])
            if not _ends_within(session, END_SECONDS):
                where = session.job or f"{session.process} ({session.host})"
                raise Problem("SM-JUP-006", name=session.name, job=where)
    except SlurmError as error:
        raise Problem("SM-CLU-001", error=one_line(error)) from None
    session.remove()


def _ends_by_itself(session: Session) -> bool:
    """Tell JupyterLab to end, so that nothing of it is left on its node; return whether it has."""
    if session.job and session.state(jobs_here()) == "waiting":
        return False
    if session.job:
        slurm.tell_to_end(session.job)
    else:
        session.end_process()
    return _ends_within(session, END_SECONDS)


def _ends_within(session: Session, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not (ended := _has_ended(session)) and time.monotonic() < end:
        # The controller is asked no oftener than it need be.
        time.sleep(LOOK_SECONDS / 2 if session.job else LOOK_SECONDS / 20)
    return ended


def _has_ended(session: Session) -> bool:
    return session.state(jobs_here()) == "ended"


def found() -> list[Opened]:
    """Return all sessions of this user that are there; what others have left is removed."""
    sessions = list(all_sessions())
    # Of processes Slurm knows nothing.
    jobs = _jobs() if any(session.job for session in sessions) else {}
    there = []
    for session in sessions:
        opened = look(session, jobs)
        if opened.state == "ended":
            session.remove()
        else:
            there.append(opened)
    return there


def clock(seconds: float) -> str:
    """Return a time in this computer's zone: the hour, and the day if it is another one."""
    moment, now = datetime.fromtimestamp(seconds), datetime.now()
    return f"{moment:%H:%M}" if moment.date() == now.date() else f"{moment:%Y-%m-%d %H:%M}"


def _tell(words: str, **values: object) -> None:
    print(say(words, **values), file=sys.stderr, flush=True)
