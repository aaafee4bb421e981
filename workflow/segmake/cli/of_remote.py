"""``segmake remote run | status | stop | fetch | open``: an experiment of this computer, computed on another one."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from segmake.messages import Problem, joined, say

if TYPE_CHECKING:
    from segmake.places.place import Answer
    from segmake.remote.fetching import Fetched
    from segmake.remote.sending import Sent
    from segmake.remote.session import Session

T = TypeVar("T")

# So many bytes of what a run said are shown.
_SHOWN = 4000

# Results that people correct where they lie, instead of in the folder for it.
_CORRECTED = {"masks", "rois", "cellpose"}

# The engine's environment is not installed.
_NO_ENGINE = re.compile(r"^SM-ENV-001\b.*(?:\n  .*)*\n?", re.MULTILINE)


def show_help(options: argparse.Namespace) -> None:
    """Say what there is, where no action was typed."""
    options.parser.print_help()


def run(options: argparse.Namespace) -> int:
    """Send an experiment, start its run, follow it, and fetch its results."""
    # What is to be said if the user ends it now.
    stage: list[str] = []
    try:
        return _with_session(options, lambda session: _run(session, options, stage))
    except KeyboardInterrupt:
        if not stage:
            raise
        print(f"\n{say(stage[-1])}", flush=True)
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


def runs(options: argparse.Namespace) -> int:
    """Say which runs there were, and with which settings; take up those of one of them again."""
    from segmake.cli.of_users import tell_runs
    from segmake.remote.runs import runs_there

    async def go(session: Session) -> tuple[dict[str, Any], Path]:
        return await runs_there(session), session.config

    # The working folder is the experiment's from here on, from which its config is seen.
    told, options.configfile = _with_session(options, go)
    return tell_runs(told, options)


def stop(options: argparse.Namespace) -> int:
    """Ask the run to end."""
    from segmake.remote import running

    has_ended = _with_session(options, lambda session: running.stop(session, _show))
    return 0 if has_ended else 1


def fetch(options: argparse.Namespace) -> int:
    """Bring results back."""

    async def go(session: Session) -> int:
        try:
            words = await _brought(session, options, await _looked(session))
        except Problem as problem:
            # There are no results, or not even the folder.
            if problem.code in ("SM-REM-011", "SM-SSH-013"):
                await _refuse_absent(session)
            raise
        _show(words)
        return 0

    try:
        return _with_session(options, go)
    except KeyboardInterrupt:
        print(f"\n{say('remote.kept_fetched')}", flush=True)
        return 128 + signal.SIGINT


def show_report(options: argparse.Namespace) -> int:
    """Show the report that was fetched in the browser."""
    import webbrowser

    from segmake.remote.fetching import REPORT, results_here
    from segmake.remote.remembered import read_place
    from segmake.remote.session import experiment_of

    folder, config = experiment_of(options.folder, options.configfile)
    os.chdir(folder)
    report = results_here(config) / REPORT
    if not report.is_file():
        # Whoever has not begun is told how to.
        read_place(Path())
        raise Problem("SM-REM-013", where=str(report))
    print(say("remote.report", date=_date_of(report), path=report), flush=True)
    webbrowser.open(report.as_uri())
    return 0


def _with_session(options: argparse.Namespace, work: Callable[[Session], Awaitable[T]]) -> T:
    """Do something with an experiment and its computer, and end the connection."""
    from segmake.remote.event_loop import finish
    from segmake.remote.session import session_of

    session = session_of(options.folder, options.configfile)

    async def go() -> T:
        try:
            return await work(session)
        finally:
            await session.computer.close()

    return finish(go())


async def _run(session: Session, options: argparse.Namespace, stage: list[str]) -> int:
    from segmake.remote import running
    from segmake.remote.arrival import forget_if_gone, has_arrived
    from segmake.remote.beginning import make_folder
    from segmake.remote.sending import check

    check(session)
    if not options.anew:
        await has_arrived(session)
    elif await forget_if_gone(session):
        _show(say("remote.not_gone", host=session.place.host, folder=session.place.folder))
    await make_folder(session)
    before, at_work = await running.look(session)
    began = before["run"]["began"] if before else None
    if at_work:
        _show(say("remote.runs_already", host=session.place.host))
        # What it will have said is that of no new one.
        began = None
    elif not await _start(session, options, stage, began):
        return 1
    if options.no_wait:
        _show(say("remote.come_back"))
        return 0
    stage.append("remote.left_alone")
    _show(say("remote.following"))
    try:
        await running.follow(session, _show)
    except Problem:
        # Such as that the password that is asked for again was wrong.
        _show(say("remote.left_alone"))
        raise
    words, code = await running.last_words(session, began)
    _show(words[-_SHOWN:])
    stage.append("remote.kept_fetched")
    looked = await _looked(session)
    if code and (looked[0] is None or looked[0]["run"]["began"] == began):
        # What lies there is an earlier run's.
        return code
    try:
        _show(await _brought(session, options, looked))
    except Problem as problem:
        # A run that was refused has made nothing.
        if problem.code != "SM-REM-011":
            _show(say("remote.to_fetch"))
            raise
    return code


async def _start(
    session: Session, options: argparse.Namespace, stage: list[str], began: str | None
) -> bool:
    """Send, show the plan, ask, and start; return whether it was started."""
    from segmake.places.asking import Terminal
    from segmake.remote import running
    from segmake.remote.beginning import sent_in_words
    from segmake.remote.patience import patiently

    host = session.place.host
    await running.refuse_closed_results(session)
    _show(say("remote.sending", host=host, folder=session.place.folder))
    stage.append("remote.kept_sent")
    sent = await _send(session, options)
    if sent is None:
        _show(say("remote.nothing_sent"))
        return False
    _show(sent_in_words(session, sent))
    profile = options.profile or await patiently(lambda: running.profile_of(session), _show, host)
    plan = await patiently(lambda: _plan(session, profile), _show, host)
    # What another one has started meanwhile is the reason of a refusal, and is followed.
    if plan.code and (await patiently(lambda: running.look(session), _show, host))[1]:
        stage.append("remote.left_alone")
        _show(say("remote.runs_meanwhile", host=host))
        return True
    if not _show_plan(session, plan):
        return False
    if not options.yes and not await Terminal().agrees(say("remote.ask")):
        _show(say("remote.not_started"))
        return False
    # Somebody may have thought about it for long.
    await patiently(session.status, _show, host)
    stage.append("remote.left_alone")
    _show(await running.start_unless_at_work(session, profile))
    return True


async def _send(session: Session, options: argparse.Namespace) -> Sent | None:
    """Send; ask about images that only the other computer has, and return None if the user will not have them."""
    from segmake.places.asking import Terminal
    from segmake.remote.patience import patiently
    from segmake.remote.sending import ONLY_THERE, send

    wishes = {"overwrite": options.overwrite, "compare": options.compare}
    accepted = set(ONLY_THERE if options.also_there else ())

    def sending() -> Awaitable[Sent]:
        return send(session, _show, accepted=accepted, **wishes)

    while True:
        try:
            return await patiently(sending, _show, session.place.host)
        except Problem as problem:
            if options.yes or problem.code not in ONLY_THERE:
                raise
            print(problem, file=sys.stderr, flush=True)
            if not await Terminal().agrees(say("remote.ask_also_there")):
                return None
            accepted.add(problem.code)


async def _plan(session: Session, profile: str) -> Answer:
    """Return what SegMake over there says that a run would do."""
    from segmake.remote.running import LOCAL

    # Nothing is asked of Slurm for a run without.
    own = ["--profile", profile] if profile == LOCAL else []
    return await session.program("segmake", "plan", *own, *session.config_options)


def _show_plan(session: Session, plan: Answer) -> bool:
    """Show what a run would do; return whether it could begin.

    Raises
    ------
    Problem
        ``SM-REM-019`` if the engine is not installed over there.
    """
    from segmake.remote.beginning import no_engine
    from segmake.remote.session import told

    text = session.own_words(told(plan))
    if plan.code == 0:
        _show(f"\n{text}\n")
        return True
    # Its remedy is one for over there.
    rest = _NO_ENGINE.sub("", text)
    print(rest.rstrip(), file=sys.stderr)
    if rest != text:
        raise no_engine(session)
    return False


async def _status(session: Session, options: argparse.Namespace) -> int:
    from segmake.remote import running
    from segmake.remote.claims import refuse_copy

    # What runs there is the other one's.
    refuse_copy(session.experiment, session.place)
    if options.json:
        return await _answer(session, follow=options.follow)
    if options.follow:
        await running.follow(session, _show)
    said, at_work = await running.look(session)
    if said is None and not at_work:
        await _refuse_absent(session, here=False)
    # Of the last run, not of the one before that: as the page has it.
    if not at_work and (unbegun := await running.unbegun(session, said)):
        _show(unbegun.words[-_SHOWN:])
        return 1
    if at_work and await running.is_beginning(session, said):
        _show(say("state.starting"))
        return 0
    if said is None:
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
    from segmake.remote.patience import patiently

    def look() -> Awaitable[tuple[dict[str, Any] | None, bool]]:
        return running.look(session)

    def warn(words: str) -> None:
        print(words, file=sys.stderr, flush=True)

    host = session.place.host
    place = {"host": host, "folder": session.place.folder}
    while True:
        said, at_work = await (patiently(look, warn, host, for_ever=True) if follow else look())
        if said is None and not at_work:
            raise _nothing_ran(session)
        code = write({**said, "place": place}) if said else 0
        if not follow or not at_work:
            return code
        await asyncio.sleep(running.PAUSES[-1])


def _nothing_ran(session: Session) -> Problem:
    return Problem("SM-REM-018", where=session.place.host, host=session.place.host)


async def _refuse_absent(session: Session, *, here: bool = True) -> None:
    """Raise that the experiment is not over there any more; with `here`, also that it never was.

    Raises
    ------
    Problem
        ``SM-REM-017``, ``SM-REM-018``
    """
    from segmake.remote.arrival import has_arrived

    if not await has_arrived(session) and here:
        raise _nothing_ran(session)


async def _fetch(session: Session, options: argparse.Namespace) -> Fetched:
    from segmake.remote.fetching import TICKED, fetch

    ticked = [kind for kind in TICKED if getattr(options, kind)]
    return await fetch(session, ticked, all_of_it=options.all, compare=options.compare)


async def _looked(session: Session) -> tuple[dict[str, Any] | None, bool]:
    """Return what `segmake.remote.running.look` does; nothing where SegMake over there gives no answer."""
    from segmake.remote import running

    try:
        return await running.look(session)
    except Problem as problem:
        if problem.code != "SM-REM-005":
            raise
        return None, False


async def _brought(
    session: Session, options: argparse.Namespace, looked: tuple[dict[str, Any] | None, bool]
) -> str:
    """Fetch, and return in words what was; also which run the report and the tables are not of."""
    from segmake.remote.fetching import REPORT

    fetched = await _fetch(session, options)
    said, at_work = looked
    state = "working" if at_work else said["state"] if said else "ended"
    report = fetched.results / REPORT
    lines = [_fetched(fetched)]
    if state == "working" and not report.is_file():
        lines.append(say("remote.report_comes", host=session.place.host))
    elif state != "ended" and report.is_file():
        known = "remote.report_working" if state == "working" else "remote.report_stopped"
        lines.append(say(known, host=session.place.host, date=_date_of(report)))
    return "\n".join(lines)


def _date_of(report: Path) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(report.stat().st_mtime))


def _fetched(fetched: Fetched) -> str:
    """Return in words what was fetched, what there is besides, and what to open."""
    from segmake.core.files import listed
    from segmake.messages.numbers import shown_bytes
    from segmake.remote.fetching import REPORT, TICKED

    lines = [say("remote.fetched", number=len(fetched.files), path=fetched.results)]
    if fetched.growing:
        names = listed(fetched.growing)
        lines.append(say("remote.growing_there", number=len(fetched.growing), files=names))
    if fetched.kept:
        lines.append(say("remote.kept", number=len(fetched.kept), files=listed(fetched.kept)))
    if fetched.edited:
        lines.append(_edited(fetched))
    if _CORRECTED.intersection(name.partition("/")[0] for name in fetched.kept + fetched.edited):
        lines.append(say("remote.corrected", folder=fetched.results / "corrections"))
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


def _edited(fetched: Fetched) -> str:
    """Return in words what was edited here and left as it is."""
    from segmake.core.files import listed
    from segmake.remote.fetching import TICKED

    above = {name.partition("/")[0] for name in fetched.edited}
    kinds = [kind for kind, folders in TICKED.items() if above.intersection(folders)]
    names = {"number": len(fetched.edited), "files": listed(fetched.edited)}
    return say("remote.edited", options="".join(f" --{kind}" for kind in kinds), **names)


def _show(text: str) -> None:
    print(text, flush=True)
