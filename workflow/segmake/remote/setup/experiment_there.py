"""The folder of an experiment at another computer, and the room that there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from segmake.core.files import readable
from segmake.messages import Problem, say
from segmake.messages.numbers import shown_bytes
from segmake.places.place import Place
from segmake.remote.group_folders import make_folder
from segmake.remote.memory import read_memory
from segmake.remote.remembered import PlaceFile
from segmake.remote.setup.segmake_there import in_full

# Where clusters say that large files go, the quickest one first.
_DISKS = ("SCRATCH", "WORK", "WORKDIR", "SCRATCHDIR")

# sh FOLDER: the disk of the nearest folder that is there, what quotas say of the user, and what Lustre's say.
_ROOM = """
folder=$1
while [ ! -d "$folder" ]; do folder=$(dirname -- "$folder"); done
df -Pk -- "$folder" | awk 'NR > 1 { print $1; exit }'
echo ==
quota -w 2>/dev/null
echo ==
lfs quota -q -u "$(id -un)" "$folder" 2>/dev/null
"""

_KIB = 1024

# That the experiment's folder is there no more.
GONE = "SM-REM-061"


@dataclass(frozen=True)
class Room:
    """What may still be written below a folder.

    Attributes
    ----------
    free : int
        Bytes on the disk.
    quota : int or None
        Bytes of the user's quota that are left; None where no quota is known.
    """

    free: int
    quota: int | None

    @property
    def left(self) -> int:
        """The lesser of both."""
        return self.free if self.quota is None else min(self.free, self.quota)


def experiments_folder(named: str, variables: Mapping[str, str]) -> str:
    """Return below which folder a user's experiments go.

    Parameters
    ----------
    named : str
        What the institute says, perhaps with ``$USER`` and the like; empty where it says nothing.
    variables : mapping
        Of the environment there.
    """
    home = variables.get("HOME", "~")
    # What names a variable that is not set there names no folder.
    if named and "$" not in (filled := Template(named).safe_substitute(variables)):
        return in_full(filled, home).rstrip("/")
    disk = next(filter(None, (variables.get(name, "") for name in _DISKS)), home)
    return f"{disk.rstrip('/')}/segmake-experiments"


async def room_there(place: Place, folder: str) -> Room:
    """Return what may still be written below a folder, which need not be there yet."""
    answer = await place.run(["sh", "-c", _ROOM, "sh", folder])
    disk, quota, lustre = [*answer.text.split("==\n"), "", ""][:3]
    known = (left_of_quota(quota, disk.strip()), left_of_lustre(lustre))
    left = [each for each in known if each is not None]
    return Room(await place.free_space(folder), min(left, default=None))


def told_room(folder: str, room: Room) -> str:
    """Return what may still be written below a folder, in words."""
    names = {"folder": folder, "free": shown_bytes(room.free)}
    if room.quota is None:
        return say("reach.room", **names)
    return say("reach.room_quota", quota=shown_bytes(room.quota), **names)


def left_of_quota(said: str, disk: str) -> int | None:
    """Return the bytes that ``quota -w`` says are left on a disk; None where it says nothing of it."""
    for line in said.splitlines():
        words = line.split()
        if len(words) >= 4 and words[0] == disk:
            return _left(*words[1:4])
    return None


def left_of_lustre(said: str) -> int | None:
    """Return the bytes that ``lfs quota -q`` says are left."""
    # A long name stands in a line of its own.
    words = said.split()
    return _left(*words[1:4]) if len(words) >= 4 else None


def _left(used: str, soft: str, hard: str) -> int | None:
    """Return what is left below a limit, 0 for none; `used` has a star where there is nothing left."""
    try:
        limit = int(hard.rstrip("*")) or int(soft.rstrip("*"))
        return max(0, limit - int(used.rstrip("*"))) * _KIB if limit else None
    except ValueError:
        return None


async def make_writable(place: Place, folder: str) -> None:
    """Make a folder there, if it is not there, in which files can be written.

    Raises
    ------
    Problem
        ``SM-REM-046`` if that can't be, ``SM-REM-072`` if it is somebody else's.
    """
    if error := await make_folder(place, folder):
        raise Problem("SM-REM-046", where=place.name, folder=readable(folder), error=error)


async def is_gone(place: Place, experiment: Path, known: PlaceFile) -> bool:
    """Return whether an experiment was sent to its folder there, and that is there no more."""
    if not read_memory(experiment, known).arrived:
        return False
    return not await is_folder(place, known.folder)


async def is_folder(place: Place, path: str) -> bool:
    """Return whether there is such a folder there."""
    return (await place.run(["test", "-d", path])).code == 0


def gone(known: PlaceFile) -> Problem:
    """Return what to do where the folder there is gone."""
    return Problem(GONE, where=known.host, host=known.host, folder=known.folder)


async def has_experiment(place: Place, folder: str) -> bool:
    """Return whether an experiment lies in a folder there."""
    return (await place.run(["test", "-e", f"{folder}/config"])).code == 0
