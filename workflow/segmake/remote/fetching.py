"""Brings results back: the report and the tables first; only what is new, and nothing that somebody edited here."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from segmake.messages import Problem, say
from segmake.outcome.status import results_of
from segmake.places.copying import Outcome, copy
from segmake.places.here import Here
from segmake.places.place import File
from segmake.remote.arrival import memory_of
from segmake.remote.claims import refuse_copy
from segmake.remote.config_copy import make_copy
from segmake.remote.memory import Memory, is_same, noting, read_memory, state_of
from segmake.remote.passed_on import Among
from segmake.remote.session import Session
from segmake.remote.shown_progress import Showing, shown

# What comes back without being asked for, and what is ticked: folders in the results.
USUAL = ("lineages", "scripts")
TICKED: dict[str, tuple[str, ...]] = {
    "masks": ("masks",),
    "rois": ("rois",),
    "pictures": ("overlays",),
}

# Where what was edited here goes before a newer one takes its place, as SegMake does over there.
_CHANGED = "changed"

# These are the user's own, and were sent from here.
_OWN = ("corrections", _CHANGED)

REPORT = "report.html"

# sh FOLDER: the files and folders in it, each with the bytes that it holds and a zero.
_SIZES = r"""
cd -- "$1" 2>/dev/null || exit 0
for one in *; do
    [ -e "$one" ] || continue
    kind=f; [ -d "$one" ] && kind=d
    size=$(find "./$one" -type f -printf '%s\n' | awk '{ all += $1 } END { printf "%.0f", all }')
    printf '%s\0%s\0%s\0' "$kind" "$size" "$one"
done
"""


@dataclass(frozen=True)
class Fetched:
    """What was fetched.

    Attributes
    ----------
    results : Path
        The folder with it.
    files : tuple of str
        What is new in it.
    kept : tuple of str
        What was edited here, and now lies in ``changed``.
    edited : tuple of str
        What was edited here and is where it was: nothing newer has come.
    growing : tuple of str
        What was still being written over there.
    more : dict
        What else there is over there: folders, and the bytes in them.
    """

    results: Path
    files: tuple[str, ...]
    kept: tuple[str, ...]
    edited: tuple[str, ...]
    growing: tuple[str, ...]
    more: dict[str, int]


async def fetch(
    session: Session,
    ticked: Collection[str] = (),
    *,
    all_of_it: bool = False,
    compare: bool = False,
    showing: Showing = shown,
) -> Fetched:
    """Bring results back.

    Parameters
    ----------
    session : Session
    ticked : collection of str
        What is wanted beside the report, the tables and what scripts made: of `TICKED`.
    all_of_it : bool
    compare : bool
        Whether files that seem to be the same, by size and time, are compared by their content too.
    showing : callable
        Shows how far it is.

    Raises
    ------
    Problem
        ``SM-REM-011`` if there are no results yet; ``SM-REM-055`` if the experiment is a copy, whose results are none
        of these; what a connection may raise.
    """
    refuse_copy(session.experiment, session.place)
    there, is_shared = await _results_there(session)
    here = results_here(session.config)
    sizes = await _sizes(session, there)
    if not sizes:
        raise Problem("SM-REM-011", where=session.place.host, path=there)
    if is_shared:
        # This computer sees them where they are.
        return Fetched(here, (), (), (), (), {})
    files = [name for name, (kind, _) in sizes.items() if kind == "f"]
    folders = [name for name, (kind, _) in sizes.items() if kind == "d" and name not in _OWN]
    wanted = [name for kind in ticked for name in TICKED[kind]]
    rounds: list[tuple[list[str], list[str]]] = [([], files), ([*USUAL], []), (wanted, [])]
    if all_of_it:
        rounds.append((folders, []))
    new: list[str] = []
    kept: list[str] = []
    growing: list[str] = []
    for some, single in rounds:
        known = [name for name in some if name in folders]
        if known or single:
            outcome, moved = await _Round(
                session, there, here, known, single, compare, showing
            ).go()
            new += outcome.copied
            growing += outcome.growing
            kept += moved
    taken = {name for some, _ in rounds for name in some}
    more = {name: sizes[name][1] for name in folders if name not in taken and sizes[name][1]}
    edited = tuple(await _edited(session, there, here))
    return Fetched(here, tuple(new), tuple(kept), edited, tuple(growing), more)


def results_here(config: Path) -> Path:
    """Return the folder of this computer for the results of an experiment, whose folder is the working folder.

    It is the one that the config names, unless that can only be one of the other computer.
    """
    named = Path(os.path.abspath(results_of(config)))
    is_here = named.is_relative_to(Path.cwd()) or named.parent.is_dir()
    return named if is_here else Path("results").absolute()


async def _results_there(session: Session) -> tuple[str, bool]:
    """Return the results folder over there, and whether this computer sees it too."""
    laptop = await session.laptop()
    copied = make_copy(session.config, laptop, session.place.folder)
    session.named = copied.named
    folder = session.place.folder.rstrip("/")
    name = next((one.there for one in copied.named if one.kind == "results"), "results")
    text = next((one.text for one in copied.named if one.kind == "results"), name)
    is_shared = laptop.shared(text) == name or laptop.shared(str(session.experiment)) == folder
    return (name if name.startswith("/") else f"{folder}/{name}"), is_shared


async def _sizes(session: Session, folder: str) -> dict[str, tuple[str, int]]:
    """Return what lies in a folder over there: whether it is a file or a folder, and the bytes in it."""
    answer = await session.computer.run(["sh", "-c", _SIZES, "sh", folder])
    words = answer.text.split("\0")[:-1]
    return {
        name: (kind, int(size))
        for kind, size, name in zip(words[::3], words[1::3], words[2::3], strict=True)
    }


@dataclass
class _Round:
    """Some folders and files of the results, fetched together."""

    session: Session
    there: str
    here: Path
    folders: Sequence[str]
    single: Sequence[str]
    compare: bool
    showing: Showing

    async def go(self) -> tuple[Outcome, list[str]]:
        """Fetch them; return what is new here, and what was edited here."""
        memory = await memory_of(self.session)
        source = Among(self.session.computer, self.folders, self.single)
        target = Here()
        there, here = await asyncio.gather(
            source.files(self.there), target.files(self.here.as_posix())
        )
        known = {name: memory.fetched.get(self._key(name)) for name in there}
        # What is the same over there as when it was fetched is not new, whatever became of it here.
        wanted = {
            name
            for name, file in there.items()
            if name not in here
            or not is_same(file, known[name])
            or (self.compare and _are_same(file, here[name]))
        }
        edited = self._edited(here, there, memory, wanted)
        ends = (source, self.there), (target, self.here.as_posix())
        words = say("remote.fetching_files", host=self.session.place.host)
        with self.showing(words) as tell:
            may_be = [name for name in edited if here[name].size == there[name].size]
            alike = await self._alike(may_be)
            for name in alike:
                here[name] = self._give_time(name, there[name])
            wanted -= alike
            kept = [name for name in edited if name not in alike]
            self._keep(kept)
            # SegMake gives a file its name once it is whole.
            outcome = await copy(
                *ends, wanted=wanted.__contains__, tell=tell, checked=self.compare, quiet=0
            )
        same = {name for name in there if name in here and _are_same(there[name], here[name])}
        with noting(self.session.experiment, self.session.place) as memory:
            for name in same | set(outcome.copied):
                state = there[name].size, there[name].time
                memory.fetched[self._key(name)] = state
                memory.brought[_key_here(self.session, self.here / name)] = state
        return outcome, kept

    def _edited(
        self,
        here: Mapping[str, File],
        there: Mapping[str, File],
        memory: Memory,
        wanted: Collection[str],
    ) -> list[str]:
        """Return what would be written over, and is not here as it came."""
        return [
            name
            for name in sorted(wanted & here.keys())
            if not is_same(here[name], memory.fetched.get(self._key(name)))
            and not is_same(
                here[name], memory.brought.get(_key_here(self.session, self.here / name))
            )
            and not _are_same(here[name], there[name])
        ]

    async def _alike(self, names: Sequence[str]) -> set[str]:
        """Return which files hold the same here and there: results that were copied, or restored, have other times."""
        if not names:
            return set()
        ours, theirs = await asyncio.gather(
            Here().checksums(self.here.as_posix(), names),
            self.session.computer.checksums(self.there, names),
        )
        return {name for name in names if name in ours and ours[name] == theirs.get(name)}

    def _give_time(self, name: str, file: File) -> File:
        """Give a file that holds the same as another one its time; return what is known of it."""
        with suppress(OSError):
            os.utime(self.here / name, (file.time, file.time))
        state = (self.here / name).stat()
        return File(state.st_size, state.st_mtime)

    def _keep(self, names: Sequence[str]) -> None:
        """Move what somebody edited here, and what will be written over, to where it is kept."""
        for name in names:
            path = self.here / _CHANGED / name
            number = 1
            while path.exists():
                number += 1
                path = (self.here / _CHANGED / name).with_suffix(f".{number}{Path(name).suffix}")
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(self.here / name, path)

    def _key(self, name: str) -> str:
        return f"{self.there}/{name}"


async def _edited(session: Session, there: str, here: Path) -> list[str]:
    """Return what is here, and not as it was when it was fetched."""
    memory = read_memory(session.experiment, session.place)
    edited, unsure = [], {}
    for path, known in memory.fetched.items():
        name = path.removeprefix(f"{there}/")
        key = _key_here(session, here / name)
        file = await Here().look((here / name).as_posix()) if name != path else None
        if file is None or is_same(file, known) or is_same(file, memory.brought.get(key)):
            continue
        if file.size == known[0]:
            unsure[name] = file
        else:
            edited.append(name)
    if unsure:
        # A copy of the experiment may have other times.
        ours, theirs = await asyncio.gather(
            Here().checksums(here.as_posix(), list(unsure)),
            session.computer.checksums(there, list(unsure)),
        )
        alike = {name for name in unsure if name in ours and ours[name] == theirs.get(name)}
        edited += unsure.keys() - alike
        with noting(session.experiment, session.place) as memory:
            for name in alike:
                memory.brought[_key_here(session, here / name)] = state_of(unsure[name])
    return sorted(edited)


def _key_here(session: Session, path: Path) -> str:
    """Return what a file of this computer is remembered by, also in a folder that is moved or copied."""
    inside = path.is_relative_to(session.experiment)
    return (path.relative_to(session.experiment) if inside else path).as_posix()


def _are_same(one: File, other: File) -> bool:
    return is_same(one, (other.size, other.time))
