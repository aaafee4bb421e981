"""The computer that an experiment is computed on, and the one way to it as long as the page is open."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

from asyncssh import SSHClientConnection

from segmake.messages import Problem
from segmake.page.questions import Questions
from segmake.places.here import Here
from segmake.places.login import Login
from segmake.places.there import There
from segmake.remote.known_computers import login_of
from segmake.remote.remembered import PlaceFile, read_place
from segmake.remote.session import Session


class Reached(There):
    """Another computer, which asks on the page what a login needs.

    Parameters
    ----------
    login : Login
    questions : Questions
    """

    def __init__(self, login: Login, questions: Questions) -> None:
        super().__init__(login)
        self._questions = questions

    async def connect(self) -> SSHClientConnection:
        """Return the connection, made again after it was lost.

        Raises
        ------
        Problem
            What a login says; ``SM-PAG-030`` if nobody has answered what it asked, ``SM-PAG-031`` if nobody did
            before, and the user has not wanted another login since, ``SM-PAG-032`` if the user would rather not.
        """
        if self._questions.left and not self.is_connected:
            self._questions.left = "SM-PAG-031"
            raise Problem("SM-PAG-031", where=self.name, host=self.name)
        try:
            return await super().connect()
        except Problem as problem:
            raise self._questions.told(problem, self.name) from None


class Connection:
    """The computer that an experiment is computed on: this one, unless it has a file ``segmake.place``.

    There is one login for all that the page has to do there.

    Parameters
    ----------
    experiment : Path
        Its folder on this computer, which is the working folder.
    config : Path

    Attributes
    ----------
    questions : Questions
        What is asked of the user meanwhile.
    """

    def __init__(self, experiment: Path, config: Path) -> None:
        self._experiment, self._config = experiment, config.relative_to(experiment)
        self._there: tuple[PlaceFile, Reached] | None = None
        self.questions = Questions()

    @property
    def place(self) -> PlaceFile | None:
        """Where it is computed; None for this computer.

        Raises
        ------
        Problem
            ``SM-REM-002`` if the file can't be understood.
        """
        try:
            return read_place(self._experiment)
        except Problem as problem:
            if problem.code == "SM-REM-001":
                return None
            raise

    @property
    def may_ask(self) -> bool:
        """Whether a question may come at any time: the experiment is computed elsewhere, or that is being set up."""
        with suppress(Problem):
            return self.place is not None or self.questions.waiting is not None
        return True

    async def session(self) -> Session:
        """Return the experiment with the computer that it is computed on, on which commands of SegMake can be run.

        The login is made with the first command. What it asks appears on the page; every command may raise what
        `Reached.connect` does.
        """
        place = self.place
        if place is None:
            program = Path(sys.executable).with_name("segmake")
            here = Here()
            at_home = PlaceFile(here.name, str(self._experiment), str(program))
            return Session(self._experiment, self._config, at_home, here)
        return Session(self._experiment, self._config, place, await self.reached())

    async def reached(self) -> Reached:
        """Return the other computer: the one that was reached before, unless the experiment was moved since.

        Raises
        ------
        Problem
            ``SM-REM-001`` if the experiment is computed on this one.
        """
        place = read_place(self._experiment)
        before = self._there
        if before and before[0] == place:
            return before[1]
        reached = Reached(login_of(place.host, self.questions, place.through), self.questions)
        # At once: others may ask for it meanwhile.
        self._there = (place, reached)
        if before:
            await before[1].close()
        return reached

    async def go_on_with(self, there: There) -> None:
        """Take a login that was just made for the one to the experiment's computer."""
        await self.close()
        (await self.reached()).take_over(there)

    async def close(self) -> None:
        """End the connection; what was started goes on."""
        if self._there:
            _, reached = self._there
            self._there = None
            await reached.close()
