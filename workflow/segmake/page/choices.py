"""Folders of this computer to choose from, by their names, one level at a time: no file of it is shown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from segmake.core.config import DEFAULT_CONFIG
from segmake.messages import Problem
from segmake.page.folders import disks, images_in

# More nobody looks through; such a path can be typed.
_MOST = 500


@dataclass(frozen=True)
class Folder:
    """A folder.

    Attributes
    ----------
    name, path : str
    is_experiment : bool
    """

    name: str
    path: str
    is_experiment: bool = False


@dataclass(frozen=True)
class Level:
    """A folder with those in it.

    Attributes
    ----------
    here : Folder or None
        None above all of them.
    above : tuple of Folder
        The way to it, from where everything begins.
    below : tuple of Folder
    images : int
        How many images lie in it, by their names.
    """

    here: Folder | None
    above: tuple[Folder, ...]
    below: tuple[Folder, ...]
    images: int = 0


def level(path: str) -> Level:
    """Return a folder with those in it; those where everything begins for no path.

    Raises
    ------
    Problem
        ``SM-PAG-007`` for what lies elsewhere or is hidden, ``SM-PAG-037`` if it can't be looked into.
    """
    roots = tuple(_roots())
    if not path:
        return Level(None, (), roots)
    root = next((each for each in roots if _is_below(path, each.path)), None)
    if root is None:
        raise Problem("SM-PAG-007")
    parts = Path(path).relative_to(root.path).parts
    folders = [root]
    for part in parts:
        folders.append(_folder(Path(folders[-1].path, part)))
    images = images_in(folders[-1].path) or 0
    return Level(folders[-1], tuple(folders[:-1]), tuple(_below(folders[-1])), images)


def _is_below(path: str, root: str) -> bool:
    """Whether a path lies in a folder, written without detours and hiding nothing."""
    if "\0" in path or os.path.normpath(path) != path or not Path(path).is_relative_to(root):
        return False
    return not any(part.startswith(".") for part in Path(path).relative_to(root).parts)


def _roots() -> Iterator[Folder]:
    home = Path.home()
    yield Folder(home.name or str(home), str(home))
    for path in disks():
        yield Folder(Path(path).name or path, path)


def _below(folder: Folder) -> list[Folder]:
    try:
        names = [
            entry.name
            for entry in os.scandir(folder.path)
            if not entry.name.startswith(".") and _is_folder(entry)
        ]
    except OSError:
        raise Problem("SM-PAG-037", where=folder.path, folder=folder.path) from None
    names.sort(key=str.casefold)
    return [_folder(Path(folder.path, name)) for name in names[:_MOST]]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with suppress(OSError):
        return entry.is_dir()
    return False


def _folder(path: Path) -> Folder:
    return Folder(path.name, str(path), is_experiment(path))


def is_experiment(path: Path) -> bool:
    """Whether a folder is that of an experiment."""
    with suppress(OSError, ValueError):
        return (path / DEFAULT_CONFIG).is_file()
    return False
