"""What was sent from this computer and is not here any more: set aside over there, so that no run takes it along."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from segmake.core.files import one_line
from segmake.images.listing import chosen
from segmake.messages import Problem
from segmake.places.differences import same_name
from segmake.places.place import PART, File
from segmake.remote.config_copy import Named
from segmake.remote.laptop_paths import SENT
from segmake.remote.luggage import Luggage, is_in
from segmake.remote.memory import Memory, is_same, noting, read_memory
from segmake.remote.session import STARTED, Session

# In the experiment's folder over there.
ASIDE = f"{STARTED}/set-aside"

# sh FOLDER, with names and zeros on its standard input: moves files into the folder under the same paths, and removes
# the folders that become empty by it, which may be an image.
_MOVE = r"""
aside=$0
clear() { case $1 in ?*) rmdir -p --ignore-fail-on-non-empty -- "$1" 2>/dev/null ;; esac; }
last=
for one; do
    case $one in */*) above=${one%/*} ;; *) above= ;; esac
    [ -d "$aside/$above" ] || mkdir -p -- "$aside/$above" || exit 255
    mv --backup=numbered -T -- "$one" "$aside/$one" || exit 255
    [ "$above" = "$last" ] || clear "$last"
    last=$above
done
clear "$last"
exit 0
"""


async def set_aside(
    session: Session, luggage: Luggage, named: Sequence[Named]
) -> tuple[list[str], list[str]]:
    """Set aside over there what was sent from here, lies there as it was sent, and is not here any more.

    What another computer has sent, or somebody has changed there, stays; so does what can't be looked for here, such
    as all of a disk that is not plugged in.

    Returns
    -------
    moved : list of str
        What was set aside, which the memory loses.
    left : list of str
        What is not here, and stays there.

    Raises
    ------
    Problem
        ``SM-REM-023`` if it can't be moved.
    """
    memory = read_memory(session.experiment, session.place)
    known = {name for name in memory.sent if name not in luggage.paths}
    gone = sorted(_gone(session, known, named))
    there = await _states(session, gone)
    others = set(memory.others)
    moved = [
        name
        for name, file in there.items()
        if name not in others and any(is_same(file, state) for state in memory.sent[name])
    ]
    await move_aside(session, moved)
    stay = sorted(there.keys() - set(moved))
    with noting(session.experiment, session.place) as memory:
        for name in set(gone).difference(stay):
            memory.sent.pop(name, None)
    return moved, stay


async def move_aside(session: Session, names: Sequence[str]) -> None:
    """Move files over there to where no run looks.

    Raises
    ------
    Problem
        ``SM-REM-023``
    """
    if not names:
        return
    words = ["xargs", "-0", "sh", "-c", _MOVE, ASIDE]
    answer = await session.computer.run(words, folder=session.place.folder, data=_listed(names))
    if answer.code:
        error = one_line(answer.err.decode(errors="replace"))
        raise Problem("SM-REM-023", where=session.place.host, folder=ASIDE, error=error)


def foreign(luggage: Luggage, there: Iterable[str]) -> list[str]:
    """Return the images over there that a run takes along, and that are not here."""
    if luggage.config is None:
        return []
    here = {same_name(name) for name in (*luggage.paths, *luggage.images)}
    images = luggage.config.typed.images
    found: set[str] = set()
    for folder in luggage.image_folders:
        above = "" if folder == "." else f"{folder}/"
        below = [
            name.removeprefix(above)
            for name in there
            if is_in(name, folder) and PART not in name and same_name(name) not in here
        ]
        found |= {f"{above}{name}" for name in chosen(below, images.include, images.exclude)}
    return sorted(name for name in found if same_name(name) not in here)


async def absent_images(
    session: Session, named: Sequence[Named], memory: Memory
) -> dict[str, list[str]]:
    """Return which folders of images are not on this computer, or empty, with what was sent of each and is over there.

    They are called as the config has them.
    """
    found = {}
    for one in named:
        if one.kind == "images" and one.name and not (one.source and _has_files(one.source)):
            sent = sorted(name for name in memory.sent if is_in(name, one.name))
            if there := await _states(session, sent):
                found[one.text] = list(there)
    return found


def _gone(session: Session, names: Iterable[str], named: Sequence[Named]) -> set[str]:
    """Return which of the files that were sent are not here, where their folders are."""
    homes = _homes(session, named)
    found = set()
    for name in names:
        above = max((home for home in homes if is_in(name, home)), key=len, default=None)
        if above is not None:
            path = homes[above] / name.removeprefix(above).lstrip("/")
            is_looked_for = _has_files(homes[above])
        else:
            path = session.experiment / name
            is_looked_for = not is_in(name, SENT) and path.parent.is_dir()
        if is_looked_for and not os.path.lexists(path):
            found.add(name)
    return found


def _has_files(folder: Path) -> bool:
    """Return whether anything is in a folder: of a share that is not connected, an empty one is left."""
    try:
        return any(True for _ in os.scandir(folder))
    except OSError:
        return False


def _homes(session: Session, named: Sequence[Named]) -> Mapping[str, Path]:
    """Return the folders here of which files are sent, by what they are called over there."""
    homes: dict[str, Path] = {}
    for one in named:
        if one.kind == "results" and not one.there.startswith("/"):
            homes[one.there] = session.experiment / one.text
        elif one.source and one.name:
            is_file = one.source.is_file()
            name = one.name.rpartition("/")[0] if is_file else one.name
            homes[name or "."] = one.source.parent if is_file else one.source
    homes.pop(".", None)
    return homes


async def _states(session: Session, names: Sequence[str]) -> dict[str, File]:
    """Return what is known of those files that are over there, by one command."""
    if not names:
        return {}
    words = ["xargs", "-0", "stat", "-L", "--printf=%s %Y %n\\0", "--"]
    answer = await session.computer.run(words, folder=session.place.folder, data=_listed(names))
    found = (one.split(" ", 2) for one in answer.text.split("\0")[:-1])
    return {name: File(int(size), float(time)) for size, time, name in found}


def _listed(names: Iterable[str]) -> bytes:
    return b"".join(name.encode(errors="surrogateescape") + b"\0" for name in names)
