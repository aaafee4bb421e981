"""How much room files take, and whose they are: fast where there are very many, and never through a link."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

# What the system counts a file's room in.
_BLOCK = 512


@dataclass
class Size:
    """The room that files take.

    Attributes
    ----------
    bytes, files : int
    owners : set of int
        The numbers of the users that they belong to.
    unread : int
        Folders that could not be looked into.
    """

    bytes: int = 0
    files: int = 0
    owners: set[int] = field(default_factory=set)
    unread: int = 0


def size_of(paths: Iterable[Path]) -> Size:
    """Return the room that files, and all that is in folders, take on the disk; what has several names counts once."""
    found = Size()
    seen: set[tuple[int, int]] = set()
    for status in _statuses(paths, found):
        if status.st_nlink > 1:
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
        found.bytes += status.st_blocks * _BLOCK
        found.files += 1
        found.owners.add(status.st_uid)
    return found


def _statuses(paths: Iterable[Path], found: Size) -> Iterator[os.stat_result]:
    folders = []
    for path in paths:
        try:
            status = os.lstat(path)
        except OSError:
            continue
        if _is_folder(status):
            folders.append(str(path))
        else:
            yield status
    while folders:
        try:
            with os.scandir(folders.pop()) as inside:
                for entry in inside:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        yield entry.stat(follow_symlinks=False)
        except OSError:
            found.unread += 1


def _is_folder(status: os.stat_result) -> bool:
    return status.st_mode & 0o170000 == 0o040000
