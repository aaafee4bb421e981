"""Making a computer ready for an experiment, step by step; each can be repeated, and says what is there already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from segmake.core.config import DEFAULT_CONFIG
from segmake.messages import Problem, say
from segmake.places.there import There
from segmake.remote.experiment_there import (
    experiments_folder,
    has_experiment,
    make_folder,
    room_there,
    told_room,
)
from segmake.remote.known_computers import remember
from segmake.remote.launchers import launchers, write_launchers
from segmake.remote.remembered import PlaceFile, read_place, write_place
from segmake.remote.segmake_there import (
    Program,
    find_program,
    in_full,
    install,
    refuse_unreachable,
    register_profiles,
    send_bundle,
    try_program,
    usual_programs,
    variables_there,
    version_difference,
)
from segmake.remote.way_there import Tell, Way

# Where SegMake is installed over there, if nobody says otherwise.
FOLDER = "~/segmake"


@dataclass(frozen=True)
class Wishes:
    """What was typed about SegMake and the experiment over there; all of it may be empty.

    Attributes
    ----------
    segmake : str
        The program there.
    bundle : Path or None
        The file of ``scripts/bundle.sh`` to install it from.
    address : str
        The repository to install it from.
    into : str
        The folder to install it into.
    engine : str
        The engine to install with it.
    folder : str
        The experiment's folder there.
    launchers : tuple of str
        The endings of the launchers to write.
    """

    segmake: str = ""
    bundle: Path | None = None
    address: str = ""
    into: str = ""
    engine: str = ""
    folder: str = ""
    launchers: tuple[str, ...] = ()


async def set_up(way: Way, wishes: Wishes, experiment: Path) -> None:
    """Make a computer ready, and an experiment if there is one.

    Parameters
    ----------
    way : Way
        How to get there.
    wishes : Wishes
    experiment : Path
        Its folder on this computer; one without a config is none.

    Raises
    ------
    Problem
        What stops it. What is done stays, and the next call goes on from there.
    """
    before = _place_of(experiment)
    if not way.host and not way.site and before:
        way.host = before.host
    try:
        await way.go()
        remember(way.computer)
        await _Setting(way, wishes, experiment, before).go()
    finally:
        if hasattr(way, "place"):
            await way.place.close()


@dataclass
class _Setting:
    way: Way
    wishes: Wishes
    experiment: Path
    before: PlaceFile | None
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> There:
        return self.way.place

    @property
    def tell(self) -> Tell:
        return self.way.tell

    async def go(self) -> None:
        self.variables = await variables_there(self.place)
        program = await self._program()
        self.way.computer = replace(self.way.computer, segmake=program.path)
        remember(self.way.computer)
        if not (self.experiment / DEFAULT_CONFIG).is_file():
            self.tell(say("reach.no_experiment"))
            return
        folder = await self._folder()
        self.way.computer = replace(self.way.computer, experiments=folder.rpartition("/")[0])
        remember(self.way.computer)
        write_place(self.experiment, PlaceFile(self.way.computer.host, folder, program.path))
        self._write_launchers()
        self.tell(say("reach.done"))

    # SegMake

    async def _program(self) -> Program:
        program = await self._found() or await self._installed()
        self.tell(say("reach.segmake", path=program.path, version=program.version))
        if differs := version_difference(program.version):
            self.tell(str(differs))
        if said := await register_profiles(self.place, program):
            self.tell(said)
        return program

    async def _found(self) -> Program | None:
        """Return the SegMake that is there; one that was typed must be one."""
        home, computer = self.variables.get("HOME", "~"), self.way.computer
        if self.wishes.segmake:
            return await self._tried(self.wishes.segmake)
        into = in_full(self.wishes.into or FOLDER, home)
        if self.wishes.into:
            return await find_program(self.place, usual_programs(into))
        known = [self.before.segmake] if self.before else []
        known += [computer.segmake, in_full(computer.handed_out.program or FOLDER, home)]
        if found := await find_program(self.place, [*known, *usual_programs(into)]):
            return found
        self.tell(say("reach.no_segmake", host=computer.host))
        if self.wishes.bundle or self.wishes.address or self.way.yes:
            return None
        typed = await self.way.answer(say("reach.where_segmake"), "")
        return await self._tried(typed) if typed else None

    async def _tried(self, typed: str) -> Program:
        path = in_full(typed, self.variables.get("HOME", "~"))
        if found := await try_program(self.place, path):
            return found
        raise Problem("SM-REM-040", where=self.way.computer.host, path=path)

    async def _installed(self) -> Program:
        """Install SegMake there, and return it."""
        computer = self.way.computer
        address = self.wishes.address or computer.handed_out.address("segmake")
        if not self.wishes.bundle and not address:
            raise Problem("SM-REM-041", where=computer.host, host=computer.host)
        into = self.wishes.into or await self.way.answer(say("reach.into"), FOLDER)
        folder = in_full(into, self.variables.get("HOME", "~"))
        self.tell(told_room(folder, await room_there(self.place, folder)))
        bundle = ""
        if self.wishes.bundle:
            self.tell(say("reach.bundle", file=self.wishes.bundle.name))
            bundle = await send_bundle(self.place, self.wishes.bundle, self.tell)
        else:
            await refuse_unreachable(self.place, address)
        self.tell(say("reach.installing", folder=folder))
        await install(
            self.place,
            folder,
            self.tell,
            address=address,
            bundle=bundle,
            engine=self.wishes.engine,
            uv=computer.handed_out.address("uv"),
        )
        found = await find_program(self.place, usual_programs(folder))
        if found is None:
            raise Problem("SM-REM-040", where=computer.host, path=usual_programs(folder)[0])
        return found

    # The experiment

    async def _folder(self) -> str:
        """Return the experiment's folder there, which is made."""
        computer, home = self.way.computer, self.variables.get("HOME", "~")
        typed = self.wishes.folder
        if not typed and self.before and self.before.host == computer.host:
            typed = self.before.folder
        if not typed:
            above = computer.experiments or experiments_folder(
                computer.handed_out.experiments, self.variables
            )
            default = f"{above}/{self.experiment.absolute().name}"
            if await has_experiment(self.place, default):
                self.tell(say("reach.one_there", folder=default))
            typed = await self.way.answer(say("reach.folder"), default)
        folder = in_full(typed, home).rstrip("/")
        await make_folder(self.place, folder)
        self.tell(say("reach.folder_is", folder=folder))
        self.tell(told_room(folder, await room_there(self.place, folder)))
        return folder

    def _write_launchers(self) -> None:
        made = launchers(self.way.computer.handed_out)
        for path in write_launchers(self.experiment, made, self.wishes.launchers):
            self.tell(say("reach.launcher_made", file=path.name))


def _place_of(experiment: Path) -> PlaceFile | None:
    """Return where an experiment is computed; None if that is not known yet."""
    try:
        return read_place(experiment)
    except Problem:
        return None
