"""Whether a TIFF file is all there: its chain of pages, what its pages say, and the pixels at its end."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

import numpy as np
from tifffile import TiffFile, TiffPage

from segmake.formats import CutShort
from segmake.formats.tiff_chain import (
    COUNTS,
    DESCRIPTION,
    OFFSETS,
    Layout,
    layout_of,
    pages_of,
    said_by,
    tags_of,
)
from segmake.formats.zeros import FEWEST, begins_a_row, never_written, start_of_zeros

_TILE_OFFSETS, _TILE_COUNTS = 324, 325
# The tags that tell how the pages are arranged, and where their pixels are.
_ARRANGING = {DESCRIPTION, OFFSETS, COUNTS, 324, 325, 50838, 50839}
# Of the zeros at the end of a file, so much is looked at when a header is read.
_TAIL = 1 << 26
# So much of a plane is black at most where a picture was moved up.
_BAR = 0.25
# A few zeros may be what something ends in.
_SOME = 16

# Micro-Manager's list of planes: the marks of its place in the header, and of the list.
_LIST_PLACE, _LIST = 54773648, 3453623
_NDTIFF = 483729
# So many times more planes may be named than there are: channels that were not taken each time.
_SPARSE = 100


def refuse_cut(path: Path, opened: BinaryIO | None = None) -> bytes | None:
    """Refuse a file that lacks a part of its chain of pages, or of what they say.

    Nothing is asked of the pixels; files that are no TIFF, or unusual ones, pass.

    Parameters
    ----------
    path : Path
    opened : file, optional
        The same file, open to be read.

    Returns
    -------
    bytes or None
        Of a file with one page of its own: all that is said of it; see `segmake.formats.tiff_chain.said_by`.

    Raises
    ------
    CutShort
        If a page or what it says is missing, or was never written.
    ValueError
        If the pages go round in a circle.
    """
    with nullcontext(opened) if opened else path.open("rb") as file:
        # To go to its end would lose what has been read of it.
        size = os.fstat(file.fileno()).st_size
        file.seek(0)
        start = file.read(16)
        layout = layout_of(start)
        if layout is None or len(start) < 16:
            return None
        if _has_list(file, size, start, layout):
            return None
        tail = start_of_zeros(file, size, max(0, size - _TAIL))
        number, tags = 0, b""
        for number, tags in enumerate(pages_of(file, start, layout), start=1):
            _refuse_unwritten_tags(file, tags, number, size, tail, layout)
        return said_by(file, size, start, tags, layout) if number == 1 else None


def _has_list(file: BinaryIO, size: int, start: bytes, layout: Layout) -> bool:
    """Whether Micro-Manager has listed the planes, as it does at the end; the pages need be no chain then."""
    mark, place = layout.read("II", start, 8)
    # NDTiff's list is in a file of its own.
    if layout.offset == "I" and mark == _NDTIFF:
        return True
    if layout.offset != "I" or mark != _LIST_PLACE or not place:
        return False
    file.seek(place)
    head = file.read(8)
    if len(head) < 8 or layout.read("I", head)[0] != _LIST:
        raise CutShort("the list of its planes is missing")
    number = layout.read("I", head, 4)[0]
    # A plane takes more room than its entry.
    entries = np.frombuffer(file.read(20 * min(number, size // 20)), f"{layout.order}u4")
    # The last number of an entry says where the plane is, which is never at 0; the others, which one it is.
    if entries.size < 5 * number or (number and not entries[-1]):
        raise CutShort("the list of its planes ends before its last plane")
    named = math.prod(
        int(most) + 1 for most in entries.reshape(-1, 5)[:, :4].max(axis=0, initial=0)
    )
    if named > _SPARSE * (number + 10):
        raise ValueError(f"the list of its {number} planes names one of {named}")
    return True


def _refuse_unwritten_tags(
    file: BinaryIO, tags: bytes, number: int, size: int, tail: int, layout: Layout
) -> None:
    # Tags come in the order of their codes, none twice: zeros among them were never written.
    if tags[: layout.tag].strip(b"\0") and not tags[-layout.tag :].strip(b"\0"):
        raise CutShort(f"page {number} was never written to its end")
    every = list(tags_of(tags, layout, _ARRANGING))
    # Of tiles that are empty on purpose, both the place and the number of bytes are zero.
    written = any(tag.code == _TILE_OFFSETS and tag.place + tag.length <= tail for tag in every)
    for tag in every:
        code, length, place = tag.code, tag.length, tag.place
        if not place:
            continue
        if code == _TILE_COUNTS and written and place < tail:
            continue
        what = "description" if code == DESCRIPTION else "pixels"
        if place + length > size:
            raise CutShort(f"page {number}: what it says of its {what} is missing")
        if code == DESCRIPTION and place < tail and _ends_well(tag.values(file)):
            continue
        if place + length - max(place, tail) >= min(_SOME, length):
            raise CutShort(f"page {number}: what it says of its {what} was never written")


def _ends_well(description: bytes) -> bool:
    """Whether a description is there to its end, and zeros behind it only fill its place."""
    words = description.rstrip(b"\0")
    if words.startswith(b"ImageJ="):
        return words.endswith(b"\n")
    if words.startswith(b"{"):
        return words.rstrip().endswith(b"}")
    root = re.search(rb"<([A-Za-z][\w:.-]*)", words)
    return root is not None and words.rstrip().endswith(b"</" + root[1] + b">")


def refuse_unwritten(path: Path, opened: BinaryIO | None = None) -> None:
    """Refuse a file whose last pixels were never written: its end is zeros, and nothing else in it is.

    Of most files no more is read than a few bytes at their end.

    Parameters
    ----------
    path : Path
    opened : file, optional
        The same file, open to be read.

    Raises
    ------
    CutShort
        If pixels at the end of the file were never written.
    """
    with nullcontext(opened) if opened else path.open("rb") as file:
        size = file.seek(0, 2)
        tail = start_of_zeros(file, size)
    if size - tail < _SOME:
        return
    with TiffFile(path) as tiff:
        planes, first = _planes_at(tiff, size, tail)
        # Before the first pixels stands what is said of them; up to there a few zeros make places even.
        if planes and tail + _SOME < first:
            raise CutShort(_what(tail, size))
        if size - tail < FEWEST:
            return
        if len(planes) == len(tiff.pages) == 1:
            planes = _stack(tiff, planes[0], size)
        for number, plane in enumerate(planes):
            if plane.end > tail and plane.is_plain:
                earlier = planes[number - 1].pixels() if number else None
                pixels, inside = plane.with_zeros(tail)
                # A bar at the end of the last plane, no more.
                black = plane is planes[-1] and inside.mean() <= _BAR and begins_a_row(pixels, tail)
                if not black and never_written(pixels, inside, earlier):
                    raise CutShort(_what(tail, size))
                if plane.start >= tail:
                    return


def _planes_at(tiff: TiffFile, size: int, tail: int) -> tuple[list[_Plane], int]:
    """Return the first two planes that reach into the zeros and the one before them, and where the first pixels are."""
    before: _Plane | None = None
    inside: list[_Plane] = []
    first = size
    # One page at a time: a long movie has very many.
    for page in map(tiff.pages.get, range(len(tiff.pages))):
        if not isinstance(page, TiffPage) or not any(page.dataoffsets):
            continue
        if _ends_in(page, tail):
            raise CutShort(_what(tail, size))
        plane = _Plane(page)
        if plane.end > size:
            raise CutShort("it ends before its pixels do")
        first = min(first, plane.start)
        if plane.end > tail:
            inside = sorted([*inside, plane], key=lambda plane: plane.start)[:2]
        elif before is None or before.start < plane.start:
            before = plane
    return [*([before] if before else []), *inside], first


def _what(tail: int, size: int) -> str:
    return f"its last {size - tail} of {size} bytes are zeros"


def _segments(page: TiffPage) -> Iterator[tuple[int, int]]:
    for start, length in zip(page.dataoffsets, page.databytecounts, strict=False):
        if start and length:
            yield start, start + length


def _ends_in(page: TiffPage, tail: int) -> bool:
    """Whether compressed pixels end in the zeros."""
    if page.compression == 1:
        return False
    return any(end - max(start, tail) >= min(_SOME, end - start) for start, end in _segments(page))


class _Plane:
    """The pixels of a page, or one plane of the stack that starts with the only page.

    Parameters
    ----------
    page : TiffPage
    number : int
        Which plane of the stack.
    """

    def __init__(self, page: TiffPage, number: int = 0) -> None:
        self._page = page
        self._skip = number * page.nbytes
        self.start = min((start for start, _ in _segments(page)), default=0) + self._skip
        self.end = max((end for _, end in _segments(page)), default=0) + self._skip

    @property
    def is_plain(self) -> bool:
        """Whether the pixels lie in the file as they are."""
        return self._page.compression == 1 and self._page.dtype is not None

    def pixels(self) -> np.ndarray:
        """Return the pixels: YX, or YXS."""
        if not self._skip:
            return self._in_rows(self._page.asarray())
        dtype = np.dtype(self._page.dtype).newbyteorder(self._page.parent.byteorder)
        size = self._page.nbytes // dtype.itemsize
        pixels = self._page.parent.filehandle.read_array(dtype, size, self.start)
        return self._in_rows(pixels.reshape(self._page.shape))

    def with_zeros(self, tail: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the pixels, and which of them (YX) lie in the zeros from `tail` on."""
        page, pixels = self._page, self.pixels()
        inside: np.ndarray = np.zeros(pixels.shape[:2], bool)
        for index, (start, length) in enumerate(
            zip(page.dataoffsets, page.databytecounts, strict=False)
        ):
            outside = min(max(0, tail - start - self._skip), length)
            if not length or outside == length:
                continue
            # What lies in the zeros is marked in the bytes, and found again in the picture that they make.
            marked = bytes(outside) + b"\xff" * (length - outside)
            found, place, _ = page.decode(marked, index)
            if found is None:
                continue
            sample, _, y, x, _ = place
            rows: np.ndarray = np.any(found, axis=-1)[0]
            rows = rows[: page.imagelength - y, : page.imagewidth - x]
            # Samples that lie apart are pictures below each other.
            y += sample * page.imagelength if page.axes.startswith("S") else 0
            inside[y : y + rows.shape[0], x : x + rows.shape[1]] |= rows
        return pixels, inside

    def _in_rows(self, pixels: np.ndarray) -> np.ndarray:
        axes = self._page.axes
        if axes == "SYX":
            return pixels.reshape(-1, pixels.shape[-1])
        order = [axes.index("Y"), axes.index("X")]
        return np.transpose(pixels, order + [n for n in range(pixels.ndim) if n not in order])


def _stack(tiff: TiffFile, plane: _Plane, size: int) -> list[_Plane]:
    """Return the planes of a stack that lies in one piece behind the only page, as far as the file goes."""
    series = tiff.series[0]
    page = series.keyframe
    if series.dataoffset is None or not page.nbytes:
        return [plane]
    number = min(series.nbytes, size - series.dataoffset) // page.nbytes
    return [_Plane(page, index) for index in range(max(1, number))]
