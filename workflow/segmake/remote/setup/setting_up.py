"""Making a computer ready for an experiment, step by step; each can be repeated, and says what is there already."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path

from segmake.core.config import DEFAULT_CONFIG
from segmake.messages import Problem, say
from segmake.places.there import There
from segmake.remote.claims import claim, other_folder
from segmake.remote.known_computers import leads_to, login_of, named_in_full, remember
from segmake.remote.memory import carry_over, read_memory
from segmake.remote.remembered import PlaceFile, read_place, write_place
from segmake.remote.setup.engine_there import EngineThere, engine_of, engine_there, missing_engine
from segmake.remote.setup.experiment_there import (
    experiments_folder,
    gone,
    has_experiment,
    is_folder,
    is_gone,
    make_writable,
    room_there,
    told_room,
)
from segmake.remote.setup.launchers import has_page, launchers, write_launchers
from segmake.remote.setup.segmake_there import (
    Program,
    find_program,
    in_full,
    install,
    refuse_unreachable,
    register_profiles,
    send_bundle,
    slurm_there,
    try_program,
    usual_programs,
    variables_there,
    version_difference,
)
from segmake.remote.setup.typed_host import typed_host
from segmake.remote.setup.way_there import Tell, Way

# Where SegMake is installed over there, if nobody says otherwise.
FOLDER = "~/segmake"

# sh FOLDER NEW: whether anything is in a folder, and it is not the new one under another name.
_IS_ANOTHER = '[ -n "$(ls -A -- "$0" 2>/dev/null)" ] && ! [ "$0" -ef "$1" ]'

# How Windows names a file, or Git's shell there what began with a slash.
_OF_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")


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
    profile : str
        The profile that runs are started with; empty for what was said before, or what is there.
    """

    segmake: str = ""
    bundle: Path | None = None
    address: str = ""
    into: str = ""
    engine: str = ""
    folder: str = ""
    launchers: tuple[str, ...] = ()
    profile: str = ""


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
    for file, code in ((way.site, "SM-REM-082"), (wishes.bundle, "SM-REM-048")):
        if file and not file.is_file():
            raise Problem(code, where=str(file), file=file)
    way.host = typed_host(way.host)
    way.through = ",".join(map(typed_host, way.through.split(",")))
    before = _place_of(experiment)
    if not way.host and not way.site and before:
        way.host = before.host
        # The way that another laptop found, where this one has none of its own.
        way.through = way.through or login_of(before.host, way.asking, before.through).through
    stays = False
    try:
        await way.go()
        remember(way.computer)
        await _Setting(way, wishes, experiment, before).go()
        stays = way.stay
    finally:
        if hasattr(way, "place") and not stays:
            await way.place.close()


@dataclass
class _Setting:
    way: Way
    wishes: Wishes
    experiment: Path
    before: PlaceFile | None
    variables: Mapping[str, str] = field(default_factory=dict)
    # Whether something was told that would stop a run.
    is_unsettled: bool = False

    @property
    def place(self) -> There:
        return self.way.place

    @property
    def tell(self) -> Tell:
        return self.way.tell

    @property
    def _before_there(self) -> PlaceFile | None:
        """Where the experiment was computed so far, if that is on this computer."""
        before = self.before
        return before if before and leads_to(before.host, self.way.computer.host) else None

    async def go(self) -> None:
        self.variables = await variables_there(self.place)
        program = await self._program()
        await self._look_for_slurm()
        self.way.computer = replace(self.way.computer, segmake=program.path)
        remember(self.way.computer)
        is_experiment = (self.experiment / DEFAULT_CONFIG).is_file()
        if is_experiment:
            await self._set_up_experiment(program)
        # Runs send files in a way of their own, which a start file over there may disturb.
        await self.place.look("~")
        state = say("reach.unsettled" if self.is_unsettled else "reach.ready")
        if not is_experiment:
            self.tell(f"{state} {say('reach.no_experiment')}")
        else:
            self.tell(state if self.is_unsettled else f"{state} {say('reach.next')}")

    async def _set_up_experiment(self, program: Program) -> None:
        folder = await self._folder()
        self.way.computer = replace(self.way.computer, experiments=folder.rpartition("/")[0])
        remember(self.way.computer)
        through = ",".join(map(named_in_full, self.place.login.jumps()))
        computer = self.way.computer
        place = PlaceFile(computer.host, folder, program.path, through, computer.profile)
        await self._tell_of_before(folder)
        claim(self.experiment, place)
        if self._before_there:
            carry_over(self.experiment, self._before_there, place)
        write_place(self.experiment, place)
        self._write_launchers()

    async def _tell_of_before(self, folder: str) -> None:
        """Tell that what was computed elsewhere stays there, unless that is another experiment's, or was moved."""
        before = self.before
        if before is None or other_folder(self.experiment, before):
            return
        if self._before_there:
            words = ["sh", "-c", _IS_ANOTHER, before.folder, folder]
            if (await self.place.run(words)).code:
                return
        self.tell(say("reach.left", host=before.host, folder=before.folder))

    # SegMake

    async def _program(self) -> Program:
        found = await self._found()
        if found:
            await self._add_engine(found)
        program = found or await self._installed()
        self.tell(say("reach.segmake", path=program.path, version=program.version))
        if differs := version_difference(program.version):
            self.tell(str(differs))
        if said := await register_profiles(self.place, program):
            self.tell(said)
        return program

    async def _found(self) -> Program | None:
        """Return the SegMake that is there; one that was typed must be one."""
        home, computer = self._home, self.way.computer
        if self.wishes.segmake:
            return await self._tried(self._typed_here(self.wishes.segmake))
        into = in_full(self._typed_here(self.wishes.into) or FOLDER, home)
        if self.wishes.into:
            return await find_program(self.place, usual_programs(into))
        known = [self.before.segmake] if self.before else []
        known += [computer.segmake, in_full(computer.handed_out.program or FOLDER, home)]
        if found := await find_program(self.place, [*known, *usual_programs(into)]):
            return found
        self.tell(say("reach.no_segmake", host=computer.host))
        if self.wishes.bundle or self.wishes.address or self.way.yes:
            return None
        can_install = bool(computer.handed_out.address("segmake"))
        question = "reach.where_segmake" if can_install else "reach.where_segmake_else_none"
        typed = await self.way.answer(say(question), "")
        return await self._tried(typed) if typed else None

    async def _tried(self, typed: str) -> Program:
        path = in_full(typed, self._home)
        if found := await try_program(self.place, path):
            return found
        raise Problem("SM-REM-040", where=self.way.computer.host, path=path)

    async def _installed(self) -> Program:
        """Install SegMake there, and return it."""
        computer = self.way.computer
        address = self.wishes.address or computer.handed_out.address("segmake")
        if not self.wishes.bundle and not address and not self.way.yes:
            address = await self.way.answer(say("reach.where_from"), "")
        if not self.wishes.bundle and not address:
            raise Problem("SM-REM-041", where=computer.host, host=computer.host)
        into = self._typed_here(self.wishes.into)
        folder = in_full(into or await self.way.answer(say("reach.into"), FOLDER), self._home)
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

    async def _add_engine(self, program: Program) -> None:
        """Install the engine that was asked for, or that the experiment lacks, where SegMake is there already."""
        engine = self.wishes.engine or engine_of(self.experiment)
        known = await engine_there(self.place, program, engine)
        if known is None or not known.is_missing:
            return
        if not known.folder:
            problem = missing_engine(self.way.computer.host, engine, known)
            if self.wishes.engine:
                raise problem
            self._leave(problem)
        elif self.wishes.engine or await self.way.agrees(say("reach.may_add", engine=engine)):
            await self._install_engine(known, engine)
        else:
            self._leave(missing_engine(self.way.computer.host, engine, known))

    def _leave(self, problem: Problem) -> None:
        """Tell what would stop a run, and go on."""
        self.tell(str(problem))
        self.is_unsettled = True

    async def _install_engine(self, known: EngineThere, engine: str) -> None:
        self.tell(say("reach.adding", engine=engine, folder=known.folder))
        bundle = ""
        if self.wishes.bundle:
            bundle = await send_bundle(self.place, self.wishes.bundle, self.tell)
        uv = self.way.computer.handed_out.address("uv")
        await install(self.place, known.folder, self.tell, bundle=bundle, engine=engine, uv=uv)

    async def _look_for_slurm(self) -> None:
        """Tell where Slurm's commands are there, and no Slurm answers: with it, no run would begin."""
        noted = self._before_there.profile if self._before_there else ""
        profile = self.wishes.profile or self.way.computer.profile or noted
        self.way.computer = replace(self.way.computer, profile=profile)
        if not self.way.computer.profile and await slurm_there(self.place) is None:
            host = self.way.computer.host
            self._leave(Problem("SM-REM-058", where=host, host=host))

    # The paths

    @property
    def _home(self) -> str:
        return self.variables.get("HOME", "~")

    def _typed_here(self, typed: str) -> str:
        """Return a path over there as it was meant: the shell of this computer puts its own home in place of ``~``.

        Raises
        ------
        Problem
            ``SM-REM-060`` if it is one of this computer's.
        """
        here = Path.home()
        if typed and here.parent != here and Path(typed).is_relative_to(here):
            meant = f"~/{Path(typed).relative_to(here).as_posix()}".removesuffix("/.")
            if in_full(meant, self._home) != typed:
                self.tell(say("reach.home_there", typed=typed, path=in_full(meant, self._home)))
            return meant
        if _OF_WINDOWS.match(typed):
            raise Problem("SM-REM-060", where=typed, path=typed)
        return typed

    # The experiment

    async def _folder_of_before(self, before: PlaceFile) -> str:
        """Return where what was sent lies; one that is not there any more is asked for, and not made anew.

        Raises
        ------
        Problem
            ``SM-REM-061`` if nobody knows.
        """
        if not await is_gone(self.place, self.experiment, before):
            return before.folder
        question = say("reach.where_moved", host=before.host, folder=before.folder)
        while not self.way.yes and (typed := self._typed_here(await self.way.answer(question, ""))):
            folder = in_full(typed, self._home)
            if await is_folder(self.place, folder):
                return folder
            question = say("reach.not_moved_there", host=before.host, folder=folder)
        raise gone(before)

    async def _folder(self) -> str:
        """Return the experiment's folder there, which is made."""
        computer, home = self.way.computer, self._home
        typed = self._typed_here(self.wishes.folder)
        if not typed and self._before_there:
            if other := other_folder(self.experiment, self._before_there):
                self.tell(say("reach.copy", other=other, folder=self._before_there.folder))
            else:
                typed = await self._folder_of_before(self._before_there)
        if not typed:
            above = computer.experiments or experiments_folder(
                computer.handed_out.experiments, self.variables
            )
            default = await self._free(f"{above}/{self.experiment.absolute().name}")
            typed = await self.way.answer(say("reach.folder"), default)
        folder = in_full(typed, home).rstrip("/")
        await make_writable(self.place, folder)
        self.tell(say("reach.folder_is", folder=folder))
        self.tell(told_room(folder, await room_there(self.place, folder)))
        return folder

    async def _free(self, wanted: str) -> str:
        """Return a folder there that is no other experiment's, of whichever computer."""
        numbered = (f"{wanted}-{number}" for number in count(2))
        for folder in chain([wanted], numbered):
            place = PlaceFile(self.way.computer.host, folder, "")
            if other_folder(self.experiment, place):
                continue
            is_own = bool(read_memory(self.experiment, place).configs)
            if is_own or not await has_experiment(self.place, folder):
                return folder
            self.tell(say("reach.one_there", folder=folder))
        raise AssertionError

    def _write_launchers(self) -> None:
        computer = self.way.computer
        for open_page in (False, True) if has_page() else (False,):
            made = launchers(computer.handed_out, computer.profile, open_page=open_page)
            for path in write_launchers(self.experiment, made, self.wishes.launchers):
                self.tell(say("reach.launcher_made", file=path.name))


def _place_of(experiment: Path) -> PlaceFile | None:
    """Return where an experiment is computed; None if that is not known yet."""
    try:
        return read_place(experiment)
    except Problem:
        return None
