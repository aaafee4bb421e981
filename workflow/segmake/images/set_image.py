"""Reads an image that lies in several files, each of which is opened for its planes."""

from __future__ import annotations

import os
from collections import OrderedDict
from contextlib import AbstractContextManager, ExitStack
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from segmake.core.settings import Images
from segmake.formats import Image, open_image
from segmake.formats.believed import Header
from segmake.images.file_sets import (
    FileSet,
    header_of,
    pattern_in,
    pattern_of,
    refuse_other_planes,
    sort_files,
)
from segmake.messages import Problem

if TYPE_CHECKING:
    import numpy as np

# Files that stay open: those of the channels of a plane, which are read one after the other.
_OPEN = 8


class SetImage:
    """An open image that lies in several files; see `segmake.formats.Image`.

    Parameters
    ----------
    path : Path
        The first of its files.
    files : FileSet
    folder : Path
        The one that the paths of the files start from.

    Raises
    ------
    Problem
        What `open_image` and `header_of` raise.
    """

    def __init__(self, path: Path, files: FileSet, folder: Path) -> None:
        self._path, self._files, self._folder = path, files, folder
        self._places = {(m.channel, m.time, m.slice): m.relative for m in files.members}
        self._opened: OrderedDict[str, tuple[AbstractContextManager[Image], Image]] = OrderedDict()
        try:
            first = self._open(files.members[0].relative).fields
            if len(first) > 1:
                raise Problem("SM-IMG-071", where=str(path), field="position", number=len(first))
            self.fields: tuple[Header, ...] = (header_of(first[0], files, path),)
            self._first = first[0]
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> SetImage:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files that are open."""
        with ExitStack() as stack:
            for opened, _ in self._opened.values():
                stack.push(opened)
            self._opened.clear()

    def plane(
        self, channel: int, *, position: int = 0, time: int = 0, slice: int = 0, page: int = 0
    ) -> np.ndarray:
        """Return one plane; see `segmake.formats.Image`.

        Raises
        ------
        Problem
            ``SM-IMG-070`` if no file holds it, ``SM-IMG-073`` if the planes of its file are of another size or type.
        """
        place = {"channel": channel, "time": time, "z": slice}
        of_set = {field: place[field] if field in self._files.fields else 0 for field in place}
        within = {field: 0 if field in self._files.fields else place[field] for field in place}
        relative = self._places.get((of_set["channel"], of_set["time"], of_set["z"]))
        if relative is None:
            names = self.fields[0].channels
            there = {"channel": names[channel], "time": time + 1, "slice": slice + 1}
            raise Problem("SM-IMG-070", where=str(self._path), number=1, **there)
        image = self._open(relative)
        name = PurePosixPath(relative).name
        refuse_other_planes(image.fields[0], self._first, name, self._path)
        return image.plane(within["channel"], time=within["time"], slice=within["z"], page=page)

    def refuse_unwritten(self) -> None:
        """Refuse a set if the last pixels of one of its files were never written; see `segmake.formats.Image`."""
        for member in self._files.members:
            self._open(member.relative).refuse_unwritten()

    def _open(self, relative: str) -> Image:
        if relative in self._opened:
            self._opened.move_to_end(relative)
        else:
            if len(self._opened) >= _OPEN:
                self._opened.popitem(last=False)[1][0].__exit__(None, None, None)
            opened = open_image(self._folder / relative)
            self._opened[relative] = (opened, opened.__enter__())
        return self._opened[relative][1]


def open_field(
    path: Path, images: Images, files: FileSet | None = None
) -> AbstractContextManager[Image]:
    """Open an image file, or the image of several files whose first it is.

    Parameters
    ----------
    path : Path
    images : Images
        The section ``images`` of the config.
    files : FileSet, optional
        These files, where they are known. An engine's environment can't look for them.

    Raises
    ------
    Problem
        What `open_image` and `SetImage` raise.
    """
    if files:
        return SetImage(path, files, files.folder_of(path))
    found = set_of(path, images)
    return SetImage(path, found, found.folder_of(path)) if found else open_image(path)


def other_files(path: Path, images: Images) -> list[Path]:
    """Return the other files of an image whose first file is given; none of an image that is one file.

    Parameters
    ----------
    path : Path
    images : Images
        The section ``images`` of the config; of a pattern that is none, nothing is made.
    """
    try:
        found = set_of(path, images)
    except Problem:
        return []
    if found is None:
        return []
    folder = found.folder_of(path)
    files = [folder / each.relative for each in found.members]
    return [file for file in files if file != path]


def set_of(path: Path, images: Images) -> FileSet | None:
    """Return the files of the image whose first file is given; None for an image of one file.

    Parameters
    ----------
    path : Path
    images : Images
        The section ``images`` of the config.
    """
    pattern = pattern_in(images)
    if pattern is None:
        return None
    base = path.parent
    for _ in range(pattern.depth - 1):
        base = base.parent
    # Patterns of files start from the images folder.
    folder = _images_folder(path, images) or base
    files = _sorted(base, folder, images.include, images.exclude, pattern.text)
    relative = path.relative_to(folder).as_posix()
    for one in files:
        if any(member.relative == relative for member in one.members):
            return one
    return None


def _images_folder(path: Path, images: Images) -> Path | None:
    within = [Path(os.path.expanduser(text)) for text in images.folders]
    holding = [folder for folder in within if path.is_relative_to(folder)]
    return max(holding, key=lambda folder: len(folder.parts), default=None)


# A job opens all images of a folder, one after the other, in three steps.
@lru_cache(maxsize=4)
def _sorted(
    base: Path, folder: Path, include: tuple[str, ...], exclude: tuple[str, ...], pattern: str
) -> tuple[FileSet, ...]:
    """Return the images of several files in a folder, and so deep in it as the pattern goes."""
    # An engine's environment has no pathspec.
    from segmake.images.listing import chosen

    made = pattern_of(pattern)
    names: list[str] = []
    for place, folders, files in os.walk(base):
        inside = Path(place).relative_to(folder)
        names += [(inside / name).as_posix() for name in files]
        if len(Path(place).relative_to(base).parts) >= made.depth - 1:
            folders.clear()
    return sort_files(sorted(chosen(names, include, exclude)), made).sets
