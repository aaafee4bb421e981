"""What the computers of all listed experiments say: how far each run is, what the cluster has, who else computes there.

Nobody is asked anything for it: a computer that wants more than a key is passed over until somebody goes there.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from posixpath import dirname
from typing import Any

from segmake.core.config import DEFAULT_CONFIG
from segmake.core.files import readable
from segmake.experiment.neighbours import SCRIPT, Neighbour, listed
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


class Nobody:
    """Whoever answers no question; see `segmake.places.asking.Asking`."""

    async def secret(self, question: str, *, shown: bool = False) -> str | None:
        """Return None."""
        return None

    async def agrees(self, question: str) -> bool:
        """Return False."""
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
        What ``segmake status --json`` answered of each experiment, by its folder there; None where nothing was run.
    cluster : dict or None
        As `segmake.page.computer.cluster_of` returns it; None where there is no Slurm.
    others : list of Neighbour
        Experiments beside these, there.
    problems : list of dict
        Why there is no more.
    """

    host: str
    at: float = field(default_factory=time.time)
    states: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    cluster: dict[str, Any] | None = None
    others: list[Neighbour] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)


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
            Whether somebody has asked for it: else who refused a login is left in peace, as too many lock a user out.
        """
        is_fresh = self._spoken == language() and time.monotonic() - self._asked < _FRESH_S
        if self.at_work or (is_fresh and not wanted):
            return
        self._asked, self._spoken = time.monotonic(), language()
        hosts: dict[str, dict[str, PlaceFile]] = {}
        for folder, place in places.items():
            before = self.heard.get(place.host)
            if wanted or not (before and before.problems):
                hosts.setdefault(place.host, {})[folder] = place
        self._task = asyncio.create_task(self._ask(hosts))

    async def close(self) -> None:
        """Ask no more."""
        if self._task and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _ask(self, hosts: Mapping[str, Mapping[str, PlaceFile]]) -> None:
        asked = [self._there(host, places) for host, places in hosts.items()]
        if shutil.which("sbatch"):
            asked.append(self._here())
        for each in asyncio.as_completed(asked):
            found = await each
            self.heard[found.host] = found

    async def _here(self) -> Heard:
        found = Heard("")
        here, home = Here(), str(Path.home())
        program = str(Path(sys.executable).with_name("segmake"))
        session = Session(Path(home), DEFAULT_CONFIG, PlaceFile(here.name, home, program), here)
        return await self._told(found, self._cluster(session, found))

    async def _there(self, host: str, places: Mapping[str, PlaceFile]) -> Heard:
        found = Heard(host)
        opened = await self._open(host)
        through = next(iter(places.values())).through
        computer = opened or There(login_of(host, Nobody(), through))
        try:
            return await self._told(found, self._asked_there(found, computer, places))
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

    async def _asked_there(
        self, found: Heard, computer: Place, places: Mapping[str, PlaceFile]
    ) -> None:
        sessions = [
            Session(Path(folder), DEFAULT_CONFIG, place, computer)
            for folder, place in list(places.items())[:_MOST]
        ]
        for session in sessions:
            found.states[session.place.folder] = await _status(session)
        own = {session.place.folder.rstrip("/") for session in sessions}
        above = dict.fromkeys(map(dirname, own))
        answer = await computer.run(["sh", "-c", SCRIPT, "sh", *above])
        words = answer.text.split("\0")[:-1]
        others = zip(words[::2], words[1::2], strict=False)
        found.others = listed(((owner, readable(path)) for owner, path in others), own)
        for other in found.others[:_MOST]:
            place = replace(sessions[0].place, folder=other.folder)
            session = Session(Path(), DEFAULT_CONFIG, place, computer)
            found.states[other.folder] = await _status(session)
        # The home: an experiment that was never sent has no folder there yet.
        home = replace(sessions[0], place=replace(sessions[0].place, folder=""))
        if await profile_of(home) != LOCAL:
            await self._cluster(home, found)

    async def _cluster(self, session: Session, found: Heard) -> None:
        found.cluster = await cluster_of(session)
        found.problems += problems_in(found.cluster)

    async def _told(self, found: Heard, work: Any) -> Heard:
        """Do it, and note what went wrong."""
        try:
            await work
        except (Problem, Problems) as error:
            problems = error.problems if isinstance(error, Problems) else [error]
            found.problems += [problem_values(self._in_place(each, found)) for each in problems]
        except Exception as error:
            found.problems.append(problem_values(self._unexpected(error)))
        return found

    def _in_place(self, problem: Problem, found: Heard) -> Problem:
        if problem.code in (*LEFT, *REFUSED):
            return Problem("SM-PAG-070", where=found.host, host=found.host)
        return problem


async def _status(session: Session) -> dict[str, Any] | None:
    """Return where the run of an experiment is; None also where that can't be told."""
    try:
        return await session.status()
    except Problem as problem:
        # Others may keep theirs to themselves.
        if problem.code not in ("SM-REM-005", "SM-SSH-013"):
            raise
        return None
