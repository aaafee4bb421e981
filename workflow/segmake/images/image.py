"""An image of the experiment: a field of view of a file, as the inventory has it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segmake.core.files import result_name
from segmake.formats.believed import Header
from segmake.images.file_sets import FileSet
from segmake.messages import Problem


@dataclass(frozen=True)
class ImageFile:
    """One image of the inventory.

    Attributes
    ----------
    image : str
        What the image is called everywhere: the file's path below the images folder, with forward slashes, and its
        position where the file holds several. Always valid text, where a file's own name need not be.
    file : str
        The same without the position.
    path : Path
        The file; or the folder that is an OME-Zarr image.
    size, mtime_ns : int
        Size in bytes and time of change in nanoseconds: together the fingerprint of the file, or of all the files that
        hold a part of the image.
    position : int
        Which field of view of the file it is, from 0.
    positions : int
        How many the file holds.
    batch : str
        The batch that computes it, such as ``"0001"``; empty before it was given one.
    header : Header or None
        What the file holds at this position; None if it could not be read.
    problem : Problem or None
        Why it could not be read, or has no position that the config asks for.
    present : bool
        Whether it is still there and still chosen by the config.
    files : FileSet or None
        The files that it lies in, where these are put together by their names (`segmake.images.file_sets`).
    arranged : str
        What differs when one of these files does.
    outdated : bool
        Whether another version of the readers said what is in `header`: the file is read again, if it can be.
    """

    image: str
    file: str
    path: Path
    size: int
    mtime_ns: int
    position: int = 0
    positions: int = 1
    batch: str = ""
    header: Header | None = None
    problem: Problem | None = None
    present: bool = True
    files: FileSet | None = None
    arranged: str = ""
    outdated: bool = False

    @property
    def result_name(self) -> str:
        """The image's name without its suffix, which all of its results start with."""
        return result_name(self.image)

    def having(self, **values: Any) -> ImageFile:
        """Return the same image with other values, as `dataclasses.replace` does at many times the cost."""
        other = object.__new__(ImageFile)
        vars(other).update(vars(self), **values)
        return other
