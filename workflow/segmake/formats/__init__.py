"""Reads microscope images, whatever the file format, plane by plane.

``open_image`` gives an `Image`: its `Header` for each field of view says what the file holds, and ``plane`` reads one
plane. A format is one small module with a class that does the same; the suffix of the file's name chooses it. What
the config selects of a field of view is in `segmake.images.selection`.

May import `segmake.slurm` and what is below it; it needs no more than `segmake.core`.

>>> from pathlib import Path
>>> import numpy, tifffile
>>> from segmake.formats import open_image
>>> stack = numpy.arange(2 * 3 * 4, dtype=numpy.uint16).reshape(2, 3, 4)
>>> tifffile.imwrite("cells.tif", stack, imagej=True, resolution=(10, 10), metadata={"axes": "CYX", "unit": "um"})
>>> with open_image(Path("cells.tif")) as image:
...     header = image.fields[0]
...     second = image.plane(1)
>>> header.channels, header.width, header.height, header.pixel_size_um
(('1', '2'), 4, 3, 0.1)
>>> second.tolist()
[[12, 13, 14, 15], [16, 17, 18, 19], [20, 21, 22, 23]]
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from segmake.core.files import readable
from segmake.formats.believed import Header
from segmake.formats.reach import out_of_reach
from segmake.messages import Problem

if TYPE_CHECKING:
    import numpy as np

# For each suffix, what the format is called, the module and the class that read it.
FORMATS = {
    ".nd2": ("ND2", "nd2", "Nd2Image"),
    ".tif": ("TIFF", "tiff", "TiffImage"),
    ".tiff": ("TIFF", "tiff", "TiffImage"),
    ".stk": ("TIFF", "tiff", "TiffImage"),
    ".lsm": ("TIFF", "tiff", "TiffImage"),
    ".btf": ("TIFF", "tiff", "TiffImage"),
    ".tf8": ("TIFF", "tiff", "TiffImage"),
    ".czi": ("CZI", "czi", "CziImage"),
    ".lif": ("LIF", "lif", "LifImage"),
    ".zarr": ("OME-Zarr", "ome_zarr", "ZarrImage"),
    ".png": ("PNG", "picture", "PictureImage"),
    ".jpg": ("JPEG", "picture", "PictureImage"),
    ".jpeg": ("JPEG", "picture", "PictureImage"),
}
SUFFIXES = tuple(FORMATS)

# A folder whose name ends so is one image.
FOLDER_SUFFIX = ".zarr"

# A file that lacks something and was changed so short a time ago is still being written or copied.
YOUNG_S = 120

# The problems of a file that lacks something; the last two, of a folder.
_INCOMPLETE = {"SM-IMG-002", "SM-IMG-050", "SM-IMG-033", "SM-IMG-034"}

# What the first bytes of a file say of its format.
_SIGNATURES = (
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\xda\xce\xbe\x0a", "ND2"),
    (b"\0\0\0\x0cjP  ", "ND2"),
    (b"ZISRAWFILE", "CZI"),
    (b"\x70\0\0\0", "LIF"),
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"PK\x03\x04", "ZIP"),
    (b"%PDF", "PDF"),
    (b"\x89HDF", "HDF5"),
    (b"BM", "BMP"),
    (b"GIF8", "GIF"),
)
# Those of each format together: most files are what their names say.
_STARTS = {
    kind: tuple(signature for signature, other in _SIGNATURES if other == kind)
    for _, kind in _SIGNATURES
}


class Image(Protocol):
    """An open image file.

    Attributes
    ----------
    fields : tuple of Header
        One for each field of view (position, scene, series), at least one.
    """

    fields: tuple[Header, ...]

    def plane(
        self, channel: int, *, position: int = 0, time: int = 0, slice: int = 0, page: int = 0
    ) -> np.ndarray:
        """Return one plane, and read no other: YX, C-contiguous, the file's dtype in native byte order.

        Parameters
        ----------
        channel, position, time, slice, page : int
            Which one, each counted from 0; `page` is one of the `Header.unnamed`.

        Raises
        ------
        Problem
            ``SM-IMG-003`` or ``SM-IMG-050`` if it can't be read, ``SM-IMG-007`` if the file is missing that holds it,
            ``SM-IMG-008`` if nothing was saved for it.
        """

    def refuse_unwritten(self) -> None:
        """Refuse a file whose last pixels were never written: zeros where nothing else is zero.

        Not for label images, which are mostly zero.

        Raises
        ------
        Problem
            ``SM-IMG-050``.
        """


class CutShort(ValueError):
    """What a file lacks since its copy was interrupted: its end is missing, or room was made for it and not filled."""


def open_image(path: Path) -> AbstractContextManager[Image]:
    """Open an image file, or a folder that is an OME-Zarr image.

    Raises
    ------
    Problem
        ``SM-IMG-001`` if the file is gone or can't be opened, ``SM-IMG-002`` if it is empty, ``SM-IMG-003`` if it
        can't be read as what its suffix says, ``SM-IMG-004`` if SegMake has no reader for the suffix, ``SM-IMG-005``
        if its content is that of another format, ``SM-IMG-006`` if the library that reads it is not installed,
        ``SM-IMG-007`` if the file that holds its metadata is missing, ``SM-IMG-050`` if its end is missing,
        ``SM-IMG-051`` if it claims more than it can hold, ``SM-IMG-054`` if it is no file that has an end;
        ``SM-DIR-022`` if it is a folder that can't be read, ``SM-DIR-023`` if it is a link that leads nowhere.
    """
    suffix = path.suffix.lower()
    with ExitStack() as opened:
        file = None
        try:
            found = path.lstat()
            is_link = stat.S_ISLNK(found.st_mode)
            # Of most images one look tells that they are files.
            if not stat.S_ISREG(found.st_mode):
                if problem := out_of_reach(path, found.st_mode, FOLDER_SUFFIX):
                    raise problem
                found = path.stat()
            if suffix not in FORMATS:
                raise Problem("SM-IMG-004", where=str(path), suffix=suffix or path.name)
            if not stat.S_ISDIR(found.st_mode):
                # A pipe or a device would be waited for, or read, for ever.
                if not stat.S_ISREG(found.st_mode):
                    raise Problem("SM-IMG-054", where=str(path), file=path.name)
                if found.st_size == 0:
                    raise Problem("SM-IMG-002", where=str(path))
                file = opened.enter_context(path.open("rb"))
                _refuse_other_content(path, file.read(16), FORMATS[suffix][0])
        except OSError as error:
            raise Problem("SM-IMG-001", where=str(path), error=error.strerror) from None
        _, module, name = FORMATS[suffix]
        # Imported here because a job needs the library of its own images only.
        try:
            reader = getattr(import_module(f"segmake.formats.{module}"), name)
            if file is None or not getattr(reader, "takes_open_files", False):
                return reader(path)
            # Each opening is asked of the server, where the file lies on one.
            image = reader(path, file, is_link=is_link)
        except ImportError as error:
            package = str(error.name or error).partition(".")[0]
            raise Problem("SM-IMG-006", where=str(path), package=package, suffix=suffix) from error
        opened.pop_all()
        return image


def read_headers(path: Path) -> tuple[Header, ...]:
    """Return what each field of view of an image file holds.

    Raises
    ------
    Problem
        What `open_image` raises; ``SM-IMG-052`` if the file is still being written or copied.
    """
    before = _size_and_time(path)
    with watched(path), open_image(path) as image:
        headers = tuple(image.fields)
    if _size_and_time(path) != before:
        raise Problem("SM-IMG-052", where=str(path))
    return headers


@contextmanager
def watched(path: Path) -> Iterator[None]:
    """Tell of a file that lacks something, and was changed a moment ago, that it is still being copied.

    Raises
    ------
    Problem
        ``SM-IMG-052`` in place of the problem of a file that lacks something.
    """
    try:
        yield
    except Problem as problem:
        young = abs(time.time() - _last_change_s(path)) < YOUNG_S
        if young and _is_incomplete(path, problem):
            raise Problem("SM-IMG-052", where=str(path)) from problem
        raise


def _is_incomplete(path: Path, problem: Problem) -> bool:
    """Whether a file can't be read because something is not there yet."""
    if problem.code != "SM-IMG-003" or not path.is_file():
        return problem.code in _INCOMPLETE
    from segmake.formats.ends import lacks_its_end

    try:
        return lacks_its_end(path)
    except OSError:
        return False


def _last_change_s(path: Path) -> float:
    """Return when a file, or any file of a folder, was changed for the last time; 0 if nobody knows."""
    inner = [Path(folder, name) for folder, _, names in os.walk(path) for name in names]
    return max(
        (found[1] / 1e9 for found in map(_size_and_time, [path, *inner]) if found), default=0
    )


def _size_and_time(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def unreadable(path: Path, error: Exception) -> Problem:
    """Return the problem of a file that a library could not read."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, MemoryError):
        return Problem("SM-RUN-003", where=str(path))
    if isinstance(error, CutShort):
        return Problem("SM-IMG-050", where=str(path), error=readable(str(error)))
    if isinstance(error, PermissionError):
        return Problem("SM-IMG-001", where=str(path), error=error.strerror)
    detail = " ".join(str(error).replace(str(path), path.name).split()) or type(error).__name__
    return Problem("SM-IMG-003", where=str(path), error=readable(detail[:200]))


def _refuse_other_content(path: Path, start: bytes, expected: str) -> None:
    """Refuse a file whose first bytes are those of another format."""
    if start.startswith(_STARTS.get(expected, ())):
        return
    kinds = [kind for signature, kind in _SIGNATURES if start.startswith(signature)]
    if kinds:
        raise Problem("SM-IMG-005", where=str(path), suffix=path.suffix, kind=kinds[0])
