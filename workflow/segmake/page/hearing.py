"""What the computers of all listed experiments say: how far each run is, what the cluster has, who else computes there.

Nobody is asked anything for it: a computer that wants more than a key is passed over until somebody goes there.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from posixpath import dirname
from typing import Any

from segmake.core.config import DEFAULT_CONFIG
from segmake.experiment.neighbours import SCRIPT, Neighbour, found_by_script
from segmake.messages import Problem, Problems, language
from segmake.page.computer import cluster_of
from segmake.page.connection import Connection
from segmake.page.questions import LEFT, REFUSED
from segmake.page.work import problem_values, problems_in
from segmake.places.here import Here
from segmake.places.place import Place
from segmake.places.there import There
from segmake.remote.known_computers import login_of
from segmake.remote.remembered import PlaceFile
from segmake.remote.running import LOCAL, profile_of
from segmake.remote.session import Session

# What was heard so few seconds ago is new enough.
_FRESH_S = 60

# Of so many experiments of one computer, the states are asked for.
_MOST = 20

# What a login says that was asked something, and had no answer; the last one where a key is locked.
_UNANSWERED = (*LEFT, *REFUSED, "SM-SSH-007")

# What is said of a computer that lets nobody in, or can't be reached.
_AWAY = ("SM-SSH", "SM-PAG-03")


class Nobody:
    """Whoever answers no question; see `segmake.places.asking.Asking`.

    Attributes
    ----------
    was_asked : bool
        Whether something was asked.
    """

    was_asked = False

    async def secret(self, question: str, *, shown: bool = False) -> str | None:
        """Return None."""
        self.was_asked = True
        return None

    async def agrees(self, question: str) -> bool:
        """Return False."""
        self.was_asked = True
        return False


@dataclass
class Heard:
    """What one computer has said.

    Attributes
    ----------
    host : str
        Empty for this one.
    at : float
        When it was asked, in seconds since 1970.
    states : dict
        What ``segmake status --json`` answered of each experiment, by its folder there; None where nothing was run,
        and nothing where that could not be told.
    cluster : dict or None
        As `segmake.page.computer.cluster_of` returns it; None where there is no Slurm.
    others : list of Neighbour
        Experiments beside these, there.
    problems : list of dict
        Why there is no more.
    is_away : bool
        Whether it let nobody in, or could not be reached.
    """

    host: str
    at: float = field(default_factory=time.time)
    states: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    cluster: dict[str, Any] | None = None
    others: list[Neighbour] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)
    is_away: bool = False


class Hearing:
    """Asks the computers of experiments, all at a time.

    Parameters
    ----------
    connection : Connection or None
        That of the experiment that is open, whose login is used where there is one.
    unexpected : callable
        Returns what is told of an error that nobody expected.

    Attributes
    ----------
    heard : dict
        The last `Heard` of each computer, by `Heard.host`.
    """

    def __init__(
        self, connection: Connection | None, unexpected: Callable[[Exception], Problem]
    ) -> None:
        self._connection, self._unexpected = connection, unexpected
        self._task: asyncio.Task[None] | None = None
        self._asked, self._spoken = 0.0, ""
        self.heard: dict[str, Heard] = {}

    @property
    def at_work(self) -> bool:
        """Whether answers are waited for."""
        return self._task is not None and not self._task.done()

    def begin(self, places: Mapping[str, PlaceFile], *, wanted: bool = False) -> None:
        """Ask, unless that was done just now.

        Parameters
        ----------
        places : mapping
            Where experiments are computed, by their folders here.
        wanted : bool
            Whether somebody has asked for it: else who let nobody in is left in peace, as too many lock a user out.
        """
        is_fresh = self._spoken == language() and time.monotonic() - self._asked < _FRESH_S
        if self.at_work or (is_fresh and not wanted):
            return
        self._asked, self._spoken = time.monotonic(), language()
        hosts: dict[str, dict[str, PlaceFile]] = {}
        for folder, place in places.items():
            before = self.heard.get(place.host)
            if wanted or not (before and before.is_away):
                hosts.setdefault(place.host, {})[folder] = place
        # What nothing of the list is computed on any more is no matter of it.
        known = {"", *(place.host for place in places.values())}
        self.heard = {host: told for host, told in self.heard.items() if host in known}
        self._task = asyncio.create_task(self._ask(hosts))

    async def close(self) -> None:
        """Ask no more."""
        if self._task and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _ask(self, hosts: Mapping[str, Mapping[str, PlaceFile]]) -> None:
        async with asyncio.TaskGroup() as group:
            for host, places in hosts.items():
                group.create_task(self._there(host, places))
            if shutil.which("sbatch"):
                group.create_task(self._here())

    async def _here(self) -> None:
        found = Heard("")
        here, home = Here(), str(Path.home())
        program = str(Path(sys.executable).with_name("segmake"))
        session = Session(Path(home), DEFAULT_CONFIG, PlaceFile(here.name, home, program), here)
        await self._noted(found, Nobody(), _cluster(session, found))

    async def _there(self, host: str, places: Mapping[str, PlaceFile]) -> None:
        found, nobody = Heard(host), Nobody()
        await self._noted(found, nobody, self._by_login(found, nobody, places))

    async def _by_login(
        self, found: Heard, nobody: Nobody, places: Mapping[str, PlaceFile]
    ) -> None:
        opened = await self._open(found.host)
        through = next(iter(places.values())).through
        computer = opened or There(login_of(found.host, nobody, through))
        try:
            await _asked_there(found, computer, places)
        finally:
            if opened is None:
                await computer.close()

    async def _open(self, host: str) -> There | None:
        """Return the computer of the experiment that is open, if it is this one and is connected."""
        if self._connection is None:
            return None
        try:
            place = self._connection.place
            computer = await self._connection.reached() if place and place.host == host else None
        except Problem:
            return None
        return computer if computer and computer.is_connected else None

    async def _noted(self, found: Heard, nobody: Nobody, work: Awaitable[None]) -> None:
        """Wait for what is heard, and note it, with what went wrong."""
        try:
            await work
        except (Problem, Problems) as error:
            problems = error.problems if isinstance(error, Problems) else [error]
            found.is_away = any(each.code.startswith(_AWAY) for each in problems)
            told = (_in_place(each, found, nobody) for each in problems)
            found.problems += map(problem_values, told)
        except Exception as error:
            found.problems.append(problem_values(self._unexpected(error)))
        before = self.heard.get(found.host)
        if before and found.is_away and not found.states:
            # What was known stays, with its time, beside why there is nothing newer.
            found = replace(before, problems=found.problems, is_away=True)
        self.heard[found.host] = found


async def _asked_there(found: Heard, computer: Place, places: Mapping[str, PlaceFile]) -> None:
    sessions = [
        Session(Path(folder), DEFAULT_CONFIG, place, computer)
        for folder, place in list(places.items())[:_MOST]
    ]
    for session in sessions:
        try:
            found.states[session.place.folder] = await session.status()
        except Problem as problem:
            _pass_over(problem)
            if (told := problem_values(problem)) not in found.problems:
                found.problems.append(told)
    own = {place.folder.rstrip("/") for place in places.values()}
    above = dict.fromkeys(map(dirname, own))
    answer = await computer.run(["sh", "-c", SCRIPT, "sh", *above])
    found.others = found_by_script(answer.text, own)
    for other in found.others[:_MOST]:
        place = replace(sessions[0].place, folder=other.folder)
        session = Session(Path(), DEFAULT_CONFIG, place, computer)
        try:
            found.states[other.folder] = await session.status()
        except Problem as problem:
            # Others may keep theirs to themselves.
            _pass_over(problem)
    # The home: an experiment that was never sent has no folder there yet.
    home = replace(sessions[0], place=replace(sessions[0].place, folder=""))
    if await profile_of(home) != LOCAL:
        await _cluster(home, found)


async def _cluster(session: Session, found: Heard) -> None:
    found.cluster = await cluster_of(session)
    found.problems += problems_in(found.cluster)


def _pass_over(problem: Problem) -> None:
    """Raise a problem again, unless it is one of SegMake over there, which may have an answer for the next one."""
    if problem.code not in ("SM-REM-004", "SM-REM-005"):
        raise problem


def _in_place(problem: Problem, found: Heard, nobody: Nobody) -> Problem:
    """Return what is told of a problem: where a login has asked something, that."""
    if nobody.was_asked and problem.code in _UNANSWERED:
        return Problem("SM-PAG-070", where=found.host, host=found.host)
    return problem
