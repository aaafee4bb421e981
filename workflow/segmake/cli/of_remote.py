"""``segmake remote run | status | stop | fetch | open``: an experiment of this computer, computed on another one."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from segmake.core.files import readable
from segmake.messages import Problem, joined, say

if TYPE_CHECKING:
    from segmake.remote.fetching import Fetched
    from segmake.remote.sending import Sent
    from segmake.remote.session import Session

T = TypeVar("T")

# So many files are named, and so many bytes of what a run said are shown.
_NAMED = 10
_SHOWN = 4000


def show_help(options: argparse.Namespace) -> None:
    """Say what there is, where no action was typed."""
    options.parser.print_help()


def run(options: argparse.Namespace) -> int:
    """Send an experiment, start its run, follow it, and fetch its results."""
    following: list[bool] = []
    try:
        return _with_session(options, lambda session: _run(session, options, following))
    except KeyboardInterrupt:
        if not following:
            raise
        # The run is another computer's business.
        print(f"\n{say('remote.left_alone')}", flush=True)
        return 128 + signal.SIGINT


def status(options: argparse.Namespace) -> int:
    """Say where the run is."""
    try:
        return _with_session(options, lambda session: _status(session, options))
    except KeyboardInterrupt:
        if not options.follow:
            raise
        print(f"\n{say('remote.left_alone')}", flush=True)
        return 128 + signal.SIGINT


def stop(options: argparse.Namespace) -> int:
    """Ask the run to end."""
    from segmake.remote import running
    from segmake.remote.claims import claim

    async def go(session: Session) -> bool:
        claim(session.experiment, session.place)
        return await running.stop(session, _show)

    has_ended = _with_session(options, go)
    return 0 if has_ended else 1


def fetch(options: argparse.Namespace) -> int:
    """Bring results back."""

    async def go(session: Session) -> int:
        _show(_fetched(await _fetch(session, options)))
        return 0

    return _with_session(options, go)


def show_report(options: argparse.Namespace) -> int:
    """Show the report that was fetched in the browser."""
    import webbrowser

    from segmake.remote.fetching import REPORT, results_here
    from segmake.remote.remembered import read_place

    os.chdir(options.folder)
    report = results_here(options.configfile) / REPORT
    if not report.is_file():
        # Whoever has not begun is told how to.
        read_place(Path())
        raise Problem("SM-REM-013", where=str(report))
    print(say("remote.report", path=report), flush=True)
    webbrowser.open(report.as_uri())
    return 0


def _with_session(options: argparse.Namespace, work: Callable[[Session], Awaitable[T]]) -> T:
    """Do something with an experiment and its computer, and end the connection.

    Raises
    ------
    Problem
        ``SM-REM-015`` if SegMake was installed without what speaks SSH.
    """
    try:
        from segmake.remote.session import session_of
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("asyncssh", "bcrypt", "cryptography"):
            raise
        raise Problem("SM-REM-015", package=error.name) from None
    session = session_of(options.folder, options.configfile)

    async def go() -> T:
        try:
            return await work(session)
        finally:
            await session.computer.close()

    return asyncio.run(go())


async def _run(session: Session, options: argparse.Namespace, following: list[bool]) -> int:
    from segmake.remote import running
    from segmake.remote.claims import claim
    from segmake.remote.sending import check

    check(session)
    claim(session.experiment, session.place)
    await _make_folder(session)
    before, at_work = await running.look(session)
    if at_work:
        _show(say("remote.runs_already", host=session.place.host))
        began = None
    else:
        began = before["run"]["began"] if before else None
        if not await _start(session, options):
            return 1
    if options.no_wait:
        _show(say("remote.come_back"))
        return 0
    following.append(True)
    _show(say("remote.following"))
    try:
        await running.follow(session, _show)
    except Problem:
        # Such as that the password that is asked for again was wrong.
        _show(say("remote.left_alone"))
        raise
    following.clear()
    words, is_well = await running.last_words(session, began)
    _show(words[-_SHOWN:])
    try:
        _show(_fetched(await _fetch(session, options)))
    except Problem as problem:
        # A run that was refused has made nothing.
        if problem.code != "SM-REM-011":
            raise
    return 0 if is_well else 1


async def _make_folder(session: Session) -> None:
    answer = await session.computer.run(["mkdir", "-p", "--", session.place.folder])
    if answer.code:
        error = readable(answer.err.decode(errors="replace").strip())
        raise Problem(
            "SM-REM-012", where=session.place.host, path=session.place.folder, error=error
        )


async def _start(session: Session, options: argparse.Namespace) -> bool:
    """Send, show the plan, ask, and start; return whether it was started."""
    from segmake.places.asking import Terminal
    from segmake.remote import running
    from segmake.remote.patience import patiently
    from segmake.remote.sending import send
    from segmake.remote.session import told

    _show(say("remote.sending", host=session.place.host, folder=session.place.folder))
    host, words = session.place.host, ("segmake", "plan", *session.config_options)
    sent = await patiently(lambda: send(session, overwrite=options.overwrite), _show, host)
    _show(_sent(sent))
    plan = await patiently(lambda: session.program(*words), _show, host)
    if plan.code:
        print(session.own_words(told(plan)), file=sys.stderr)
        return False
    _show(f"\n{session.own_words(told(plan))}\n")
    profile = options.profile or await running.profile_of(session)
    if not options.yes and not await Terminal().agrees(say("remote.ask")):
        _show(say("remote.not_started"))
        return False
    # Somebody may have thought about it for long.
    await patiently(session.status, _show, host)
    _show(await running.start(session, profile))
    return True


async def _status(session: Session, options: argparse.Namespace) -> int:
    from segmake.remote import running

    if options.json:
        return await _answer(session, follow=options.follow)
    if options.follow:
        await running.follow(session, _show)
    if await session.status() is None:
        last = await running.started(session)
        if words := await running.said_by(session, last) if last else "":
            _show(words[-_SHOWN:])
            return 1
        raise _nothing_ran(session)
    from segmake.remote.session import told

    answer = await session.program("segmake", "status", *session.config_options)
    _show(say("remote.on", host=session.place.host, folder=session.place.folder))
    _show(session.own_words(told(answer)))
    return answer.code


async def _answer(session: Session, *, follow: bool) -> int:
    """Answer in JSON, with `follow` until the run is over."""
    from segmake.answers.answer import write
    from segmake.remote import running

    place = {"host": session.place.host, "folder": session.place.folder}
    while True:
        said, at_work = await running.look(session)
        if said is None and not at_work:
            raise _nothing_ran(session)
        code = write({**said, "place": place}) if said else 0
        if not follow or not at_work:
            return code
        await asyncio.sleep(running.PAUSES[-1])


def _nothing_ran(session: Session) -> Problem:
    where = f"{session.place.host}: {session.place.folder}"
    return Problem("SM-RUN-013", where=where, results=session.place.folder)


async def _fetch(session: Session, options: argparse.Namespace) -> Fetched:
    from segmake.remote.fetching import TICKED, fetch

    ticked = [kind for kind in TICKED if getattr(options, kind)]
    return await fetch(session, ticked, all_of_it=options.all)


def _sent(sent: Sent) -> str:
    """Return in words what was sent, and what was not."""
    lines = [say("remote.sent", number=len(sent.files.copied) + sent.config)]
    if sent.files.growing:
        names = _listed(sent.files.growing)
        lines.append(say("remote.growing", number=len(sent.files.growing), files=names))
    if sent.left:
        lines.append(say("remote.not_sent", number=len(sent.left), files=_listed(sent.left)))
    return "\n".join(lines)


def _fetched(fetched: Fetched) -> str:
    """Return in words what was fetched, what there is besides, and what to open."""
    from segmake.messages.numbers import shown_bytes
    from segmake.remote.fetching import REPORT, TICKED

    lines = [say("remote.fetched", number=len(fetched.files), path=fetched.results)]
    if fetched.growing:
        names = _listed(fetched.growing)
        lines.append(say("remote.growing_there", number=len(fetched.growing), files=names))
    if fetched.kept:
        lines.append(say("remote.kept", number=len(fetched.kept), files=_listed(fetched.kept)))
    if fetched.more:
        options = {folder: kind for kind, folders in TICKED.items() for folder in folders}
        named = [
            f"{folder} ({shown_bytes(size)}{f', --{options[folder]}' if folder in options else ''})"
            for folder, size in sorted(fetched.more.items())
        ]
        lines.append(say("remote.more", folders=joined(named)))
    if (fetched.results / REPORT).is_file():
        lines.append(say("remote.show_report"))
    return "\n".join(lines)


def _listed(names: Any) -> str:
    shown = [*map(readable, names[:_NAMED]), *(["..."] if len(names) > _NAMED else [])]
    return ", ".join(shown)


def _show(text: str) -> None:
    print(text, flush=True)
