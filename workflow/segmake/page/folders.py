"""Folders of this computer to pick from, one level at a time, below the places that people begin at."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from segmake.core.config import DEFAULT_CONFIG
from segmake.core.files import natural_key, readable
from segmake.core.site import read_site
from segmake.formats import FOLDER_SUFFIX, SUFFIXES
from segmake.images.listing import SYSTEM_FOLDERS
from segmake.messages import Problem, Problems, say

# So many folders, and files, of one are shown.
MOST = 200

# So many names are read to count images: a share with thousands in each folder would take minutes.
_MOST_COUNTED = 40_000

# Where systems show disks and shares that are plugged in.
_MOUNTS = ("/media", "/run/media", "/mnt", "/Volumes")


@dataclass(frozen=True)
class Start:
    """A place to begin at.

    Attributes
    ----------
    title : str
        What it is, in words.
    path : str
    """

    title: str
    path: str


@dataclass(frozen=True)
class Inner:
    """A folder in the one that is open.

    Attributes
    ----------
    name, path : str
    images : int or None
        How many images lie in it directly; None where that was not counted.
    is_experiment : bool
    """

    name: str
    path: str
    images: int | None
    is_experiment: bool


@dataclass(frozen=True)
class Opened:
    """A folder that is open.

    Attributes
    ----------
    path : str
    above : tuple of Start
        The folders that lead to it, from the place where people began.
    images : int or None
        How many images lie in it directly.
    folders : tuple of Inner
    files : tuple of Start
        Those that can be picked.
    more : int
        How many folders and files are not shown.
    unreadable : int
        How many of them can't be picked either, for their names are no text.
    is_experiment : bool
    """

    path: str
    above: tuple[Start, ...] = ()
    images: int | None = None
    folders: tuple[Inner, ...] = ()
    files: tuple[Start, ...] = ()
    more: int = 0
    unreadable: int = 0
    is_experiment: bool = False


@dataclass
class Folders:
    """The folders that can be looked into.

    Parameters
    ----------
    experiment : Path or None
        None where none is open: what begins nowhere then begins in the home.
    everywhere : bool
        Whether to begin at the home, the disks and the shares too, and not at the experiment alone.
    suffixes : sequence of str
        The ends of files that can be picked; none: only folders can.
    """

    experiment: Path | None
    everywhere: bool = True
    suffixes: Sequence[str] = ()
    _picked: list[str] = field(default_factory=list)

    def starts(self) -> list[Start]:
        """Return the places to begin at, each once."""
        found: dict[str, Start] = {}
        for start in filter(lambda each: is_text(each.path), self._starts()):
            found.setdefault(os.path.normcase(start.path), start)
        return list(found.values())

    def _starts(self) -> Iterator[Start]:
        if self.experiment:
            yield Start(say("page.folders.experiment"), str(self.experiment.absolute()))
        if self.everywhere:
            yield Start(say("page.folders.home"), str(Path.home()))
            for path in _shares():
                yield Start(say("page.folders.share", name=readable(path)), path)
            for path in _disks():
                yield Start(say("page.folders.disk", name=readable(path)), path)
        for path in self._picked:
            yield Start(readable(path), path)

    def typed(self, text: str) -> str:
        """Take a path that was typed by hand as a place to begin at, and return it in full.

        Raises
        ------
        Problem
            ``SM-PAG-041`` if there is no such folder, ``SM-PAG-056`` if its name is no text.
        """
        # Windows copies paths with quotation marks around them.
        path = self._whole(text.strip().strip('"'))
        if not os.path.isdir(path):
            raise Problem("SM-PAG-041", where=readable(text), folder=readable(path))
        if not is_text(path):
            raise Problem("SM-PAG-056", where=readable(text), folder=readable(path))
        self.allow([path])
        return path

    def allow(self, folders: Iterable[str]) -> None:
        """Take folders that the user has picked, here or in the config, as places to begin at."""
        for path in map(self._whole, folders):
            if not self._start_of(path) and os.path.isdir(path):
                self._picked.append(path)

    def open(self, text: str) -> Opened:
        """Return what is to be seen of a folder.

        Raises
        ------
        Problem
            ``SM-PAG-040`` if it lies below no place to begin at or is hidden there, ``SM-PAG-041`` if it is not there,
            ``SM-PAG-042`` if it may not be looked into.
        """
        path = self._whole(text)
        start = self._start_of(path)
        if start is None or _is_hidden(path, start.path):
            raise Problem("SM-PAG-040", where=readable(text), folder=readable(path))
        try:
            entries = sorted(os.scandir(path), key=lambda entry: natural_key(readable(entry.name)))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            raise Problem("SM-PAG-041", where=readable(text), folder=readable(path)) from None
        except OSError as error:
            names = {"folder": readable(path), "error": error.strerror or str(error)}
            raise Problem("SM-PAG-042", where=readable(text), **names) from None
        folders = [each for each in entries if _is_folder(each)]
        all_files = [each for each in entries if self.suffixes and _has_end(each, self.suffixes)]
        # A page can hold no bytes that are no letters: old shares have such names.
        inner, files = ([e for e in some if is_text(e.name)] for some in (folders, all_files))
        budget = _Budget(_MOST_COUNTED)
        return Opened(
            path,
            tuple(_way(start, path)),
            sum(_is_image(each) for each in entries),
            tuple(
                Inner(each.name, each.path, _images_in(each.path, budget), is_experiment(each.path))
                for each in inner[:MOST]
            ),
            tuple(Start(each.name, each.path) for each in files[:MOST]),
            more=max(0, len(inner) - MOST) + max(0, len(files) - MOST),
            unreadable=len(folders) + len(all_files) - len(inner) - len(files),
            is_experiment=is_experiment(path),
        )

    def file(self, text: str) -> Path:
        """Return a file that was picked.

        Raises
        ------
        Problem
            ``SM-PAG-040`` if it lies below no place to begin at, is hidden there, or is of no kind that can be picked.
        """
        path = self._whole(text)
        start = self._start_of(path)
        if (
            start is None
            or _is_hidden(path, start.path)
            or not path.lower().endswith(tuple(self.suffixes))
        ):
            raise Problem("SM-PAG-040", where=readable(text), folder=readable(path))
        return Path(path)

    def _whole(self, text: str) -> str:
        return whole(self.experiment or Path.home(), text)

    def _start_of(self, path: str) -> Start | None:
        """Return the innermost place to begin at that a path lies below."""
        within = [start for start in self.starts() if _is_below(path, start.path)]
        return max(within, key=lambda start: len(start.path), default=None)


def as_written(path: str, experiment: Path) -> str:
    """Return a path as a config has it: from the experiment if it lies in there, with ``/``; else whole."""
    own = str(experiment.absolute())
    if path == own:
        return "."
    return Path(path).relative_to(own).as_posix() if _is_below(path, own) else path


def whole(base: Path, text: str) -> str:
    """Return a path in full, without ``..``; what begins nowhere begins in a folder."""
    try:
        return os.path.abspath(os.path.join(base.absolute(), os.path.expanduser(text)))
    except ValueError:
        return str(base.absolute())


def is_text(path: str) -> bool:
    """Whether a path can be written in a page, and be sent back from there."""
    return readable(path) == path


def is_experiment(path: str | Path) -> bool:
    """Whether a folder is that of an experiment."""
    with suppress(OSError, ValueError):
        return os.path.isfile(os.path.join(path, DEFAULT_CONFIG))
    return False


def _is_below(path: str, other: str) -> bool:
    one, two = os.path.normcase(path), os.path.normcase(other)
    return one == two or one.startswith(two.rstrip(os.sep) + os.sep)


def _is_hidden(path: str, start: str) -> bool:
    """Whether a name on the way to a path says that it is nothing to be shown, such as ``.ssh``."""
    return any(part.startswith(".") for part in Path(os.path.relpath(path, start)).parts)


def _way(start: Start, path: str) -> Iterator[Start]:
    """Yield the folders from a place to begin at to a path."""
    yield start
    here = Path(start.path)
    for part in Path(os.path.relpath(path, start.path)).parts:
        here /= part
        yield Start(readable(part), str(here))


@dataclass
class _Budget:
    left: int


def _images_in(path: str, budget: _Budget) -> int | None:
    """Return how many images lie in a folder directly, by their names; None where that takes too long to count."""
    number = 0
    try:
        for entry in os.scandir(path):
            budget.left -= 1
            number += _is_image(entry)
            if budget.left <= 0:
                return None
    except OSError:
        return None
    return number


def _is_image(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is an image, by its name: it is not looked at."""
    return _has_end(entry, SUFFIXES)


def _has_end(entry: os.DirEntry[str], ends: Iterable[str]) -> bool:
    return not entry.name.startswith(".") and entry.name.lower().endswith(tuple(ends))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    name = entry.name.lower()
    if name.startswith(".") or name in SYSTEM_FOLDERS or name.endswith(FOLDER_SUFFIX):
        return False
    with suppress(OSError):
        return entry.is_dir()
    return False


def _shares() -> Iterator[str]:
    """Yield the folders that the site's file says this computer shares with a cluster, where they are there."""
    with suppress(Problem, Problems, OSError):
        for share in read_site().shares:
            for path in (share.there, *share.here):
                with suppress(OSError, ValueError):
                    if os.path.isabs(path) and os.path.isdir(path):
                        yield path


def _disks() -> Iterator[str]:
    """Yield the folders where this computer has disks and shares that are plugged in."""
    if sys.platform == "win32":
        # `os.listdrives` is of Python 3.12.
        yield from (
            f"{letter}:\\"
            for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
            if os.path.isdir(f"{letter}:\\")
        )
        return
    for mounts in _MOUNTS:
        with suppress(OSError):
            for entry in sorted(os.scandir(mounts), key=lambda each: each.name):
                if _is_folder(entry):
                    yield entry.path
