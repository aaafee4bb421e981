"""Whether a computer is ready for an experiment: looked at, and nothing changed anywhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segmake.answers.answer import Answer, answer, path_text, problem_values
from segmake.messages import Problem, say
from segmake.messages.numbers import shown_bytes
from segmake.places.asking import Asking
from segmake.places.there import There
from segmake.remote.claims import is_copy, other_folder
from segmake.remote.gone import ASIDE
from segmake.remote.known_computers import known_computer, known_computers, login_of
from segmake.remote.memory import read_memory
from segmake.remote.remembered import PlaceFile, read_place
from segmake.remote.setup.engine_there import engine_of, engine_there, missing_engine
from segmake.remote.setup.experiment_there import GONE, Room, gone, is_folder, room_there, told_room
from segmake.remote.setup.key_there import open_to_others
from segmake.remote.setup.segmake_there import (
    Program,
    slurm_there,
    try_program,
    version_difference,
)

# What a login says where nobody agrees that it is the right computer.
_NOT_KNOWN = "SM-SSH-004"


@dataclass
class Found:
    """What was found out.

    Attributes
    ----------
    experiment : Path
        The folder of the experiment on this computer.
    place : PlaceFile
        What is remembered.
    reachable : bool
        Whether one can log in.
    typed : bool or None
        Whether something had to be typed for it.
    program : Program or None
        SegMake there.
    slurm : bool or None
        Whether there is Slurm; None where it has commands there and does not answer them.
    room : Room or None
        What may be written to the experiment's folder.
    sent : bool or None
        Whether the experiment's folder is there.
    aside : int
        Bytes that were set aside there, since they are here no more.
    key_refused : bool
        Whether the computer takes keys, and none of this user's.
    problems, warnings : list of Problem
        What stops a run, and what does not.
    """

    experiment: Path
    place: PlaceFile
    reachable: bool = False
    typed: bool | None = None
    program: Program | None = None
    slurm: bool | None = None
    room: Room | None = None
    sent: bool | None = None
    aside: int = 0
    key_refused: bool = False
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return it in words."""
        place = self.place
        if not self.reachable:
            return [*map(str, self.problems)]
        found = [say("reach.check.typed" if self.typed else "reach.check.key", host=place.host)]
        if self.program:
            names = {"path": self.program.path, "version": self.program.version}
            found.append(say("reach.segmake", **names))
        if self.slurm is not None:
            found.append(say("reach.check.slurm" if self.slurm else "reach.check.no_slurm"))
        if self.key_refused:
            found.append(say("reach.check.key_refused", host=place.host))
        if place.folder and self.sent is not None:
            there = "reach.check.folder" if self.sent else "reach.check.no_folder"
            if GONE not in [problem.code for problem in self.problems]:
                found.append(say(there, folder=place.folder))
        if self.aside:
            names = {"size": shown_bytes(self.aside), "folder": f"{place.folder}/{ASIDE}"}
            found.append(say("reach.check.aside", **names))
        if self.room:
            found.append(told_room(place.folder or "~", self.room))
        found += map(str, (*self.problems, *self.warnings))
        return [*found, say("reach.unsettled" if self.problems else "reach.check.fine")]

    def answer(self) -> Answer:
        """Return it for programs."""
        problems = [problem_values(each) for each in self.problems]
        problems += [problem_values(each, "warning") for each in self.warnings]
        contents: dict[str, Any] = {
            "experiment": path_text(self.experiment),
            "host": self.place.host,
            "reachable": self.reachable,
            "typed": self.typed,
            "program": self.place.segmake or None,
            "version_there": self.program.version if self.program else None,
            "slurm": self.slurm,
            "folder": self.place.folder or None,
            "folder_is_there": self.sent,
            "free_bytes": self.room and self.room.free,
            "quota_bytes": self.room and self.room.quota,
            "aside_bytes": self.aside,
            "key_refused": self.key_refused,
        }
        return answer("remote.check", 1, problems, **contents)


class _Passive:
    """Whoever only looks: agrees to nothing, and types passwords at most."""

    def __init__(self, asking: Asking | None) -> None:
        self.asking = asking
        self.was_asked = False

    async def secret(self, question: str, *, shown: bool = False) -> str | None:
        self.was_asked = True
        return await self.asking.secret(question, shown=shown) if self.asking else None

    async def agrees(self, question: str) -> bool:
        return False


async def check(experiment: Path, asking: Asking | None, reached: There | None = None) -> Found:
    """Look at the computer of an experiment, or else at the one that was used last.

    Parameters
    ----------
    experiment : Path
        Its folder on this computer.
    asking : Asking or None
        Whom to ask for passwords; None for nobody.
    reached : There, optional
        The computer, for whoever has a login there already; it is kept.

    Raises
    ------
    Problem
        ``SM-REM-001`` and ``SM-REM-002`` if it is not known which computer that is.
    """
    found = Found(experiment, _remembered(experiment))
    passive = _Passive(asking)
    place = reached or There(login_of(found.place.host, passive, found.place.through))
    try:
        await place.connect()
        found.reachable, found.typed = True, place.login.had_to_type
        await _look_around(place, found)
    except Problem as problem:
        found.problems.append(_of_whoever_looks(problem, unasked=passive.was_asked and not asking))
    finally:
        if reached is None:
            await place.close()
    return found


def _of_whoever_looks(problem: Problem, *, unasked: bool) -> Problem:
    """Return what is wrong, where it is that something was not asked."""
    host = problem.where
    if problem.code == _NOT_KNOWN:
        fingerprint = problem.values["fingerprint"]
        return Problem("SM-SSH-036", where=host, host=host, fingerprint=fingerprint)
    return Problem("SM-REM-051", where=host, host=host) if unasked else problem


async def _look_around(place: There, found: Found) -> None:
    known = found.place
    if known.segmake:
        found.program = await try_program(place, known.segmake)
    if found.program is None:
        path = known.segmake or "segmake"
        found.problems.append(Problem("SM-REM-040", where=place.name, path=path))
    elif differs := version_difference(found.program.version):
        found.warnings.append(differs)
    found.slurm = await slurm_there(place)
    if found.slurm is None and not (known_computer(known.host).profile or known.profile):
        found.problems.append(Problem("SM-REM-058", where=place.name, host=place.name))
    if known.folder:
        await _look_at_experiment(place, found)
    found.room = await room_there(place, known.folder or "~")
    found.key_refused = place.name in place.login.keys_refused
    if place.login.keys_refused and (paths := await open_to_others(place)):
        names = {"host": place.name, "paths": ", ".join(paths)}
        found.warnings.append(Problem("SM-REM-038", where=place.name, **names))
    # Runs send files in a way of their own, which a start file over there may disturb.
    await place.look("~")


async def _look_at_experiment(place: There, found: Found) -> None:
    known = found.place
    if other := other_folder(found.experiment, known):
        found.problems.append(is_copy(found.experiment, known, other))
    found.sent = await is_folder(place, known.folder)
    was_sent = bool(read_memory(found.experiment, known).configs)
    if was_sent and not found.sent:
        found.problems.append(gone(known))
    found.aside = await _bytes_below(place, f"{known.folder}/{ASIDE}")
    engine = engine_of(found.experiment)
    there = await engine_there(place, found.program, engine) if found.program else None
    if there and there.is_missing:
        found.problems.append(missing_engine(place.name, engine, there))


async def _bytes_below(place: There, folder: str) -> int:
    answer = await place.run(["du", "-sk", "--", folder])
    size = answer.text.split("\t")[0]
    return int(size) * 1024 if answer.code == 0 and size.isdigit() else 0


def _remembered(experiment: Path) -> PlaceFile:
    """Return where the experiment is computed, or of the computer used last what is known of it."""
    try:
        return read_place(experiment)
    except Problem as problem:
        known = known_computers()
        if problem.code not in ("SM-REM-001", "SM-REM-056") or not known:
            raise
        return PlaceFile(known[0].host, "", known[0].segmake)
