"""Divides a label image into windows of rows, each of which has all of its cells' pixels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from segmake.core import strips
from segmake.core.strips import Striped, in_rows, parts

# A window begins after at least so many rows more: those of cells that go on are in two.
_LEAST_ROWS = 256

# So many numbers cost nothing, whatever the size of the image.
_FEW = 65_536


class Window(NamedTuple):
    """Some rows of a label image, with those cells alone that end in them.

    Attributes
    ----------
    top : int
        The first of the rows.
    numbers : array (N,)
        The labels of these cells, ascending.
    cells : array (Y, X), int32
        0, or which of them a pixel belongs to: 1 is the first.
    """

    top: int
    numbers: np.ndarray
    cells: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """The labels themselves: array (Y, X)."""
        found: np.ndarray = np.append(np.zeros(1, self.numbers.dtype), self.numbers)[self.cells]
        return found


def windows(plane: np.ndarray | Striped, ends: dict[int, int] | None = None) -> Iterator[Window]:
    """Yield the cells of a label image: each is whole in one window, however far apart its pixels are.

    Parameters
    ----------
    plane : array (Y, X), integers, or Striped
        0 is the background.
    ends : dict, optional
        What `ends_of` returns, where that is known.
    """
    if ends is None:
        ends = ends_of(plane)
    height, width = plane.shape
    row, begun, new = 0, np.zeros((0, width), np.uint16), list[np.ndarray]()
    for index, piece in enumerate(_pieces(plane)):
        new.append(piece)
        rows = sum(map(len, new))
        # As many are new as are looked at again: a cell from the top to the bottom is not looked at in each window.
        if rows < len(begun) and row + rows < height:
            continue
        seen = np.concatenate([begun, *new]) if len(begun) else piece
        numbers, cells = _numbered(seen)
        whole = np.array([False, *(ends[number] <= index for number in numbers.tolist())])
        yield Window(
            row - len(begun), numbers[whole[1:]], (np.cumsum(whole, dtype=np.int32) * whole)[cells]
        )
        goes_on = ~whole
        goes_on[0] = False
        left = goes_on[cells]
        filled = np.flatnonzero(left.any(axis=1))
        first = int(filled[0]) if filled.size else len(seen)
        begun, new = seen[first:] * left[first:], []
        row += rows


def ends_of(plane: np.ndarray | Striped) -> dict[int, int]:
    """Return of each label in which of the windows it ends, counted from 0."""
    ends: dict[int, int] = {}
    for index, piece in enumerate(_pieces(plane)):
        ends.update(dict.fromkeys(_numbered(piece)[0].tolist(), index))
    return ends


def _pieces(plane: np.ndarray | Striped) -> Iterator[np.ndarray]:
    return in_rows(parts(plane), max(_LEAST_ROWS, strips.PIXELS // plane.shape[1]))


def _numbered(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels in use, ascending, without 0; and which of them each pixel has: array (Y, X), int32, from 1."""
    top = int(labels.max(initial=0))
    low = int(labels.min(where=labels > 0, initial=top))
    if top - low > max(labels.size, _FEW):
        background = np.zeros(1, labels.dtype)
        every = np.concatenate([background, labels.ravel()])
        numbers, cells = np.unique(every, return_inverse=True)
        return numbers[1:], cells[1:].reshape(labels.shape).astype(np.int32)
    # What lies close together is not sorted.
    before = max(low - 1, 0)
    places = np.where(labels > 0, labels - before, 0).astype(np.int32)
    used = np.zeros(top - before + 1, bool)
    used[places.ravel()] = True
    used[0] = False
    numbers = (np.flatnonzero(used) + before).astype(labels.dtype)
    return numbers, np.cumsum(used, dtype=np.int32)[places]
