"""Starts a run over there, follows it and stops it. It goes on by itself, whatever becomes of this computer."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from itertools import count
from posixpath import join, relpath
from shlex import quote
from typing import Any

from segmake.core.files import one_line
from segmake.messages import Problem, language, say
from segmake.outcome.status import results_of
from segmake.places.place import Answer
from segmake.remote.claims import claim
from segmake.remote.group_folders import open_to_group, refuse_closed
from segmake.remote.known_computers import known_computer
from segmake.remote.patience import Show, patiently
from segmake.remote.session import Session, told

# Seconds between looks at a run; the last one for ever.
PAUSES = (1, 2, 3, 5, 10)

# The profile of a computer without Slurm.
LOCAL = "local"

# How long a run that was told to stop is waited for.
STOP_SECONDS = 90.0

# How long another computer that is about to start a run is waited for, and how often such a one says that it still is.
TURN_SECONDS, FRESH_SECONDS = 150.0, 30.0

# What `_TAKE_TURN` ends with where another one has its turn.
_NOT_YET = 3

_OVER = ("ended", "stopped", "died")

# The exit code of what Ctrl-C has ended.
_INTERRUPTED = "130"

# The exit code of a run that has done all that it could, and some failed.
SOME_FAILED = 3

# How each of SegMake's messages begins, and what only programmers read.
_CODE = re.compile(r"SM-[A-Z]+-\d{3}\b")
_TRACEBACK = re.compile(r"^Traceback \(most recent call last\):$", re.MULTILINE)

# Snakemake's own words for a result that it may not write to.
_PROTECTED = re.compile(
    r"^ProtectedOutputException in rule .*\n(?:.*\n)*?\s+affected files:\n((?:\s+\S.*\n?)+)",
    re.MULTILINE,
)

# sh CODE COMMAND...: runs a command and notes its exit code, also of one that Ctrl-C ends.
_NOTED = """
trap : INT
code=$1; shift
"$@"
echo $? >"$code"
"""

# sh FOLDER NAME: takes a folder for itself, so that of two laptops that start a run at one moment, only one does. The
# file in it says whose it is, and has been there for as long as the folder: a rename takes the place of nothing but an
# empty folder. What a lost connection has left is free after two minutes. It may be given back between two of these
# lines, so it is tried more than once. In a folder of a group, each of its accounts can take away what was left.
_TAKE_TURN = rf"""
case $(ls -ld -- "$(dirname -- "$1")/.." 2>/dev/null) in ?????w*) umask g=rwx ;; esac
mkdir -p -- "$1.$2" && : >"$1.$2/$2" || exit 1
find "$1" -mindepth 1 -mmin +2 -exec rm -f -- {{}} + 2>/dev/null
for try in 1 2 3; do
    said=$(mv -fT -- "$1.$2" "$1" 2>&1)
    [ -e "$1/$2" ] && exit
    [ -d "$1" ] && {{ rm -r -- "$1.$2"; exit {_NOT_YET}; }}
done
printf '%s\n' "$said" >&2
rm -r -- "$1.$2"
exit 1
"""

# sh FOLDER NAME: has it stay one's own, and gives it back. Another one's is left alone.
_KEEP_TURN = 'touch -c -- "$1/$2"'
_END_TURN = 'rm -- "$1/$2" 2>/dev/null && rmdir -- "$1"'


@dataclass(frozen=True)
class Started:
    """A run that was started without Slurm.

    Attributes
    ----------
    work : str
        As `Place.start` returns it.
    log, code : str
        The files with what it says, and with its exit code.
    before : str
        When the run before it began; empty if there was none.
    """

    work: str
    log: str
    code: str
    before: str = ""


async def profile_of(session: Session) -> str:
    """Return the profile that a run has where nobody names one.

    It is what setting up has noted, on this laptop or another one; else ``slurm`` where Slurm is, else ``local``.
    """
    if noted := known_computer(session.place.host).profile or session.place.profile:
        return noted
    answer = await session.computer.run(["sh", "-c", "command -v sbatch && command -v squeue"])
    return "slurm" if answer.code == 0 else LOCAL


async def start_unless_at_work(session: Session, profile: str) -> str:
    """Do what `start` does, unless another computer has started a run meanwhile; return what the user is told.

    Raises
    ------
    Problem
        ``SM-REM-091`` if another one has been about to start it for long, ``SM-REM-012`` if nothing can be written
        there; those of `start`.
    """
    async with _turn(session):
        said, at_work = await look(session)
        if at_work:
            return say("remote.runs_meanwhile", host=session.place.host)
        return await start(session, profile, said["run"]["began"] if said else None)


@asynccontextmanager
async def _turn(session: Session) -> AsyncIterator[None]:
    """Be the only one who starts a run of this config meanwhile: Slurm may take minutes until it is noted."""
    words = f"{session.started}.starting", secrets.token_hex(8)
    host, end = session.place.host, time.monotonic() + TURN_SECONDS
    while (answer := await _run_script(session, _TAKE_TURN, *words)).code:
        if answer.code != _NOT_YET:
            error = one_line(answer.err.decode(errors="replace"))
            raise Problem("SM-REM-012", where=host, path=session.place.folder, error=error)
        if time.monotonic() > end:
            raise Problem("SM-REM-091", where=host, host=host)
        await asyncio.sleep(1)
    kept = asyncio.create_task(_keep_turn(session, *words))
    try:
        yield
    finally:
        kept.cancel()
        # What is wrong with the connection is not what is told, and it is free soon by itself.
        with suppress(Problem):
            await _run_script(session, _END_TURN, *words)


async def _keep_turn(session: Session, *words: str) -> None:
    while True:
        await asyncio.sleep(FRESH_SECONDS)
        # The start itself tells what is wrong with the connection, or goes on with the next one.
        with suppress(Problem):
            await _run_script(session, _KEEP_TURN, *words)


async def _run_script(session: Session, script: str, *words: str) -> Answer:
    return await session.computer.run(["sh", "-c", script, "sh", *words])


async def start(session: Session, profile: str, before: str | None) -> str:
    """Start a run that outlives this connection; return what the user is told.

    Parameters
    ----------
    session : Session
    profile : str
        `LOCAL` for that computer itself; with any other, the main process is a job of Slurm's.
    before : str or None
        When the last run began, as its status says.

    Raises
    ------
    Problem
        ``SM-REM-009`` if it is refused, with what is said over there; ``SM-REM-055`` if the experiment is a copy.
    """
    _claim(session)
    if profile != LOCAL:
        words = ["segmake", "submit", "--profile", profile, *session.config_options]
        answer = await session.program(*words)
        if answer.code:
            names = {"host": session.place.host, "said": _refusal(session, answer)}
            raise Problem("SM-REM-009", where=session.place.host, **names)
        # What was started before without Slurm is the last no more.
        await _note_started(session, None)
        await open_to_group(session.computer, session.place.folder)
        return say("remote.submitted", host=session.place.host)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    log, code = (f"{session.started}-{stamp}.{kind}" for kind in ("log", "code"))
    snakemake = ["snakemake", "--profile", LOCAL, *session.config_options]
    spoken = ["env", f"SEGMAKE_LANG={language()}"]
    words = ["sh", "-c", _NOTED, "sh", code, *spoken, *session.words(*snakemake)]
    work = await session.computer.start(words, folder=session.place.folder, log=log)
    await _note_started(session, Started(work, log, code, before or ""))
    await open_to_group(session.computer, session.place.folder)
    return say("remote.started", host=session.place.host)


def _claim(session: Session) -> None:
    # At home no other folder could be meant, and nothing of SSH need be in order.
    if not session.is_at_home:
        claim(session.experiment, session.place)


async def _note_started(session: Session, run: Started | None) -> None:
    here = session.place.folder
    noted = run and replace(run, log=relpath(run.log, here), code=relpath(run.code, here))
    text = json.dumps(asdict(noted) if noted else {})
    folder, _, name = session.started.rpartition("/")
    await session.computer.write_many(folder, [(f"{name}.json", time.time(), text.encode())])


def _refusal(session: Session, answer: Answer) -> str:
    """Return why a run is refused; the plan, which is said before, the user has seen."""
    lines = session.own_words(told(answer)).splitlines()
    first = next((number for number, line in enumerate(lines) if _CODE.match(line)), 0)
    return "\n  ".join(lines[first:])


async def started(session: Session) -> Started | None:
    """Return the run of this config that was started last, if that was without Slurm."""
    text = await session.text(f"{session.started}.json") or ""
    try:
        noted = Started(**json.loads(text))
        # From the experiment's folder on, which may be moved; an older SegMake noted them from the root on.
        folder = session.place.folder
        return replace(noted, log=join(folder, noted.log), code=join(folder, noted.code))
    except (ValueError, TypeError):
        return None


async def said_by(session: Session, run: Started) -> str:
    """Return what a run has said on its screen."""
    return _of_users(session, await session.text(run.log) or "")


def _of_users(session: Session, log: str) -> str:
    """Return what a run has said, without what only programmers read."""

    def told(found: re.Match[str]) -> str:
        files = [each.strip() for each in found[1].splitlines()]
        names = {"number": len(files), "files": ", ".join(files)}
        names["results"] = quote(results_of(session.config).as_posix())
        return str(Problem("SM-REM-074", where=session.place.host, **names))

    return session.own_words(_PROTECTED.sub(told, _TRACEBACK.split(log)[0]).rstrip())


async def _said_by_job(session: Session) -> str:
    """Return what the job of the main process has said, the last one."""
    results = _results(session)
    job = await _submitted(session)
    log = await session.text(f"{results}/logs/segmake_{job}.log") if job else None
    return _of_users(session, log or "")


async def refuse_closed_results(session: Session) -> None:
    """Raise that somebody else has made what a run has to write to.

    Raises
    ------
    Problem
        ``SM-REM-072``
    """
    await refuse_closed(session.computer, session.place.folder, _results(session))


def _results(session: Session) -> str:
    """Return the results folder over there, of a run that has not said it."""
    return join(session.place.folder, results_of(session.config).as_posix())


async def _submitted(session: Session, results: str = "") -> str:
    """Return the number of the job that the main process was sent as last; empty if it never was."""
    results = results or _results(session)
    text = await session.text(f"{results}/.segmake/submitted.json") or ""
    try:
        return str(json.loads(text)["job"])
    except (ValueError, LookupError, TypeError):
        return ""


async def look(session: Session) -> tuple[dict[str, Any] | None, bool]:
    """Return what `Session.status` does, and whether a run is at work, or about to be."""
    said = await session.status()
    return said, await _is_at_work(session, said)


async def is_beginning(session: Session, said: dict[str, Any] | None) -> bool:
    """Return whether a run that is at work has not said anything of itself yet, but at most the one before."""
    if said is None:
        return True
    if said["state"] not in _OVER:
        return False
    last = await started(session)
    return last is not None and last.before == said["run"]["began"]


async def _is_at_work(session: Session, said: dict[str, Any] | None) -> bool:
    if said and said["state"] in ("starting", "running"):
        return True
    if said and said["state"] == "waiting":
        # Of one that is at work, jobs may wait; of one that has not begun, the main process itself.
        job = said["run"]["job"]
        return not job or await _is_queued(session, job)
    last = await started(session)
    return bool(last and await session.computer.is_at_work(last.work))


async def _is_queued(session: Session, job: str) -> bool:
    """Return whether Slurm has a job yet; also if it does not answer."""
    return bool(await _state_of(session, job))


async def _state_of(session: Session, job: str) -> str:
    """Return Slurm's word for the state of a job; empty if it has none of this number, ``?`` if it does not answer."""
    answer = await session.computer.run(["squeue", "--noheader", "--format=%T", f"--jobs={job}"])
    is_silent = answer.code != 0 and b"Invalid job id" not in answer.err
    return answer.text.strip() or ("?" if is_silent else "")


async def follow(session: Session, show: Show) -> dict[str, Any] | None:
    """Show where a run is until it is over, whatever becomes of the connection meanwhile; return its last status.

    Raises
    ------
    Problem
        What logging in again may raise, but that the computer can't be reached: that is waited for.
    """
    shown: list[str] = []
    has_run = False
    host = session.place.host
    for looks in count():
        said, at_work = await patiently(lambda: look(session), show, host, for_ever=True)
        lines = _lines(said, at_work=at_work, has_run=has_run)
        has_run = has_run or bool(said and said["state"] == "running")
        if lines and lines != shown:
            show("\n".join(lines))
            shown = lines
        if not at_work:
            return said
        await asyncio.sleep(PAUSES[min(looks, len(PAUSES) - 1)])
    raise AssertionError


def _lines(said: dict[str, Any] | None, *, at_work: bool, has_run: bool) -> list[str]:
    """Return where a run is, in words; nothing of one that is over, of which more is said."""
    if not at_work:
        return []
    if said is None or said["state"] in _OVER:
        # One that was seen at work is about to end.
        return [] if has_run else [say("state.starting")]
    # What is shown of the run before one that starts says nothing of this one.
    lines = said["text"] if said["state"] == "running" or not said["run"]["job"] else []
    return list(lines if said["state"] != "starting" else []) or [said["state_text"]]


async def last_words(session: Session, began: str | None) -> tuple[str, int]:
    """Return what is to be said of a run that is over, and the exit code that tells how it went.

    The code is 0, `SOME_FAILED` if it went to its end and images or scripts failed, or 1.

    Parameters
    ----------
    session : Session
    began : str or None
        When the run before it began. If none has begun since, what it said itself tells why.
    """
    said = await session.status()
    last = await started(session)
    code = await _exit_code(session, last)
    if said is None or said["state"] == "waiting" or said["run"]["began"] == began:
        log = await said_by(session, last) if last else await _said_by_job(session)
        if code == _INTERRUPTED:
            return say("remote.stopped_early"), 1
        if log or said is None or said["state"] == "waiting":
            return log or say("remote.nothing_ran"), int(code != "0")
    answer = await session.program("segmake", "status", *session.config_options)
    words = session.own_words(told(answer))
    # Scripts that ran and opened nothing are no failures until all is judged; an older SegMake does not note that.
    if said["state"] == "ended" and (said["failures"] or said["run"].get("failed")):
        return words, SOME_FAILED
    return words, int(said["state"] != "ended" or code not in ("0", ""))


async def _exit_code(session: Session, run: Started | None) -> str:
    """Return the exit code of a run without Slurm; empty if it is not known."""
    return (await session.text(run.code) or "").strip() if run else ""


@dataclass(frozen=True)
class Unbegun:
    """A run that ended before it began: it was refused, or stopped.

    Attributes
    ----------
    stopped : bool
        Whether somebody has stopped it.
    said : str
        What it said; empty if that is not known.
    """

    stopped: bool
    said: str

    @property
    def words(self) -> str:
        """What the user is told of it."""
        return (
            say("remote.stopped_early") if self.stopped else self.said or say("remote.nothing_ran")
        )


async def unbegun(session: Session, said: dict[str, Any] | None) -> Unbegun | None:
    """Return what became of the last run if it ended before it began; None if it began, or there was none.

    Parameters
    ----------
    session : Session
    said : dict or None
        Its status, where nothing is at work.
    """
    if said and said["state"] == "waiting":
        return Unbegun(stopped=False, said=await _said_by_job(session))
    last = await started(session)
    if last is None or (said and said["run"]["began"] != last.before):
        return None
    stopped = await _exit_code(session, last) == _INTERRUPTED
    return Unbegun(stopped, "" if stopped else await said_by(session, last))


async def stop(session: Session, show: Show) -> bool:
    """Ask a run to end, as Ctrl-C does; return whether it has ended.

    What is finished is kept, and jobs that work for it are cancelled by it.

    Raises
    ------
    Problem
        ``SM-REM-010`` if it can't be reached from here, ``SM-REM-073`` if it is somebody else's, ``SM-REM-016`` if
        Slurm does not cancel it; ``SM-REM-055`` if the experiment is a copy.
    """
    _claim(session)
    said, at_work = await look(session)
    if not at_work:
        show(say("remote.nothing_runs", host=session.place.host))
        return True
    if not await _ask_to_end(session, said):
        process = (said or {}).get("run", {}).get("process") or {"pid": "?", "host": "?"}
        raise Problem("SM-REM-010", where=session.place.host, **process)
    show(say("remote.stopping", host=session.place.host, seconds=round(STOP_SECONDS)))
    end = time.monotonic() + STOP_SECONDS
    while (looked := await patiently(lambda: look(session), show, session.place.host))[1]:
        if time.monotonic() > end:
            await _end_for_good(session, looked[0])
            show(say("remote.still_stopping"))
            return False
        await asyncio.sleep(1)
    if await session.status() is None:
        show(say("remote.stopped_early"))
        return True
    answer = await session.program("segmake", "status", *session.config_options)
    show(session.own_words(told(answer)))
    show(say("remote.stopped"))
    return True


async def _ask_to_end(session: Session, said: dict[str, Any] | None) -> bool:
    """Ask the main process to end, whatever it is; return whether anything was asked."""
    last = await started(session)
    if last and await session.computer.is_at_work(last.work):
        host, kind, number, *_ = last.work.split()
        if kind == "process":
            await _refuse_anothers(session, host, number)
        await session.computer.stop(last.work)
        return True
    if said is None:
        return False
    if job := await _main_job(session, said):
        runs = await _state_of(session, job) == "RUNNING"
        # What Slurm cancels, it kills soon (KillWait), whatever it has still to do: to cancel its own jobs, to note
        # that it was stopped. The signal alone leaves it the time.
        signal = ["--batch", "--signal=TERM"] if runs else []
        answer = await session.computer.run(["scancel", *signal, job])
        if answer.code and await _is_queued(session, job):
            names = {"job": job, "said": one_line(told(answer))}
            raise Problem("SM-REM-016", where=session.place.host, **names)
        return True
    process = said["run"]["process"]
    if process is None:
        return False
    await _refuse_anothers(session, process["host"], str(process["pid"]))
    words = ["sh", "-c", _INTERRUPT, "sh", process["host"], str(process["pid"])]
    return (await session.computer.run(words)).code == 0


async def _end_for_good(session: Session, said: dict[str, Any] | None) -> None:
    """Have Slurm end a main process that was asked to, and does not end by itself."""
    if said and (job := await _main_job(session, said)):
        await session.computer.run(["scancel", job])


async def _refuse_anothers(session: Session, host: str, process: str) -> None:
    """Raise that a process is another user's."""
    owner = await session.computer.run(["sh", "-c", _ANOTHERS, "sh", host, process])
    if name := owner.text.strip():
        raise Problem("SM-REM-073", where=session.place.host, owner=name, host=session.place.host)


# sh HOST PROCESS: whose process of the computer of this login it is, if it is another user's.
_ANOTHERS = """
[ "$1" = "$(uname -n)" ] || exit 0
[ "$(ps -o uid= -p "$2" | tr -d ' ')" = "$(id -u)" ] || ps -o user:32= -p "$2"
"""

# sh HOST PROCESS: interrupts a process that was started by hand on the computer of this login.
_INTERRUPT = '[ "$1" = "$(uname -n)" ] && kill -s INT "$2"'


async def _main_job(session: Session, said: dict[str, Any]) -> str:
    """Return the number of the job that the main process is; empty if it is none."""
    job = await _submitted(session, said["results"])
    return job if job and await _is_queued(session, job) else ""
