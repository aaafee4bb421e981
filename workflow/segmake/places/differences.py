"""What differs between two folders, by names, sizes and times alone: what to copy, and what to wait for."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from posixpath import dirname

from segmake.core.files import on_screen
from segmake.messages import Problem
from segmake.places.place import PART, File

# File systems keep times to two seconds at worst (FAT).
SAME_SECONDS = 2

# Where only the clocks are in doubt, a second look comes so much later.
LOOK_SECONDS = 3

# By more than this no clock is wrong, whatever its time zone: an older file is not being written.
DAY_SECONDS = 26 * 3600

# Files up to this many bytes go many at once, up to this many in one stream.
SMALL, STREAM_BYTES, STREAM_FILES = 256 * 1024, 8 * 1024**2, 1000


def changed(
    source: Mapping[str, File], target: Mapping[str, File], names: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return which files are to be copied, each with the name that it gets.

    A name with accents may be spelled in two ways (NFC, as most systems do, and NFD, as macOS does): it is one file,
    and keeps the spelling that it has at the target.

    Parameters
    ----------
    source, target : mapping
        Files by their names.
    names : mapping
        What files are called at the target, where that is another name.
    """
    spelled = spellings(target)
    found = {}
    for name, file in source.items():
        wanted = (names or {}).get(name, name)
        there = spelled.get(same_name(wanted), wanted)
        known = target.get(there)
        if known is None or known.size != file.size or abs(known.time - file.time) > SAME_SECONDS:
            found[name] = there
    return found


def spellings(target: Iterable[str]) -> dict[str, str]:
    """Return how names are spelled at the target, by what is the same in every spelling."""
    return {same_name(name): name for name in target}


def may_grow(files: Mapping[str, File], names: Iterable[str], quiet: float) -> dict[str, float]:
    """Return which of some files may still be growing, by their times alone; and in how many seconds to look again.

    This computer's clock may be an hour off, or the one of the disk: so a file also counts that is about as new as the
    newest one beside it.

    Parameters
    ----------
    files : mapping
        All files of the folder.
    names : iterable of str
    quiet : float
        Seconds after which a file counts as whole.
    """
    now = time.time()
    newest = max((file.time for file in files.values() if file.time <= now), default=0.0)
    found = {}
    for name in names:
        age = now - files[name].time
        if age < quiet:
            found[name] = max(quiet - age if age >= 0 else quiet, min(quiet, LOOK_SECONDS))
        elif files[name].time > newest - quiet and age < DAY_SECONDS:
            found[name] = min(quiet, LOOK_SECONDS)
    return found


def is_same(now: File | None, file: File) -> bool:
    """Return whether a file is still what it was when it was listed; SFTP knows whole seconds only."""
    return now is not None and now.size == file.size and abs(now.time - file.time) < 1


def in_streams(names: Sequence[str], files: Mapping[str, File]) -> Iterator[list[str]]:
    """Yield small files in groups that are sent together."""
    group: list[str] = []
    size = 0
    for name in names:
        group.append(name)
        size += files[name].size
        if size >= STREAM_BYTES or len(group) == STREAM_FILES:
            yield group
            group, size = [], 0
    if group:
        yield group


def refuse_clashes(new: Mapping[str, str], there: Iterable[str], where: str) -> None:
    """Refuse what is a folder at one side and a file at the other.

    Raises
    ------
    Problem
        ``SM-SSH-020``
    """
    files = {name for name in there if PART not in name}
    folders = {above for name in files for above in _above(name)}
    for name in new.values():
        for path in (name, *_above(name)):
            if path in (folders if path == name else files):
                raise Problem("SM-SSH-020", where=where, path=on_screen(path))


def _above(name: str) -> Iterator[str]:
    while name := dirname(name):
        yield name


def same_name(name: str) -> str:
    """Return what is the same for all spellings of a name."""
    return unicodedata.normalize("NFC", name)
