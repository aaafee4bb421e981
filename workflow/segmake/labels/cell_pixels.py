"""The pixels of many cells at once, so that what is measured of them is computed for all together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

# So many pixels are worked on at a time: they fit into the caches of a processor, and memory stays as it is.
_PIXELS_AT_ONCE = 1 << 15


class Cells(NamedTuple):
    """The pixels of cells, cell by cell, and row by row within a cell.

    Attributes
    ----------
    numbers : array (N,)
        The label of each cell, ascending.
    owner : array (P,)
        Which cell a pixel belongs to: 0 for the first.
    y, x : array (P,)
    top, left : array (N,)
        The first row and column of the rectangle that a cell is cut out by.
    height, width : array (N,)
        The size of that rectangle.
    """

    numbers: np.ndarray
    owner: np.ndarray
    y: np.ndarray
    x: np.ndarray
    top: np.ndarray
    left: np.ndarray
    height: np.ndarray
    width: np.ndarray

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self.numbers)

    @property
    def area(self) -> np.ndarray:
        """The number of pixels of each cell."""
        return np.bincount(self.owner, minlength=len(self))

    @property
    def starts(self) -> np.ndarray:
        """Where the pixels of each cell begin."""
        return np.searchsorted(self.owner, np.arange(len(self)))

    def of(self, chosen: np.ndarray) -> Cells:
        """Return some of the cells, by their places among these, ascending."""
        if len(chosen) == len(self):
            return self
        kept = np.zeros(len(self), bool)
        kept[chosen] = True
        pixels, number = kept[self.owner], np.cumsum(kept) - 1
        return Cells(
            self.numbers[kept],
            number[self.owner[pixels]],
            self.y[pixels],
            self.x[pixels],
            *(box[kept] for box in self[4:]),
        )

    def images(self) -> Iterator[np.ndarray]:
        """Yield each cell as an image of its own, 1 within it, as large as its rectangle."""
        ends = np.cumsum(self.area).tolist()
        for cell, (start, end) in enumerate(pairwise([0, *ends])):
            image = np.zeros((self.height[cell], self.width[cell]), np.uint8)
            image[self.y[start:end] - self.top[cell], self.x[start:end] - self.left[cell]] = 1
            yield image

    def blocks(self) -> Iterator[Cells]:
        """Yield the cells in parts, none of which has many pixels."""
        before = np.cumsum(self.area)
        ends = np.flatnonzero(np.diff(before // _PIXELS_AT_ONCE, append=-1)) + 1
        first_cell, first_pixel = 0, 0
        for end in ends.tolist():
            last_pixel = int(before[end - 1])
            cells, pixels = slice(first_cell, end), slice(first_pixel, last_pixel)
            yield Cells(
                self.numbers[cells],
                self.owner[pixels] - first_cell,
                self.y[pixels],
                self.x[pixels],
                *(box[cells] for box in self[4:]),
            )
            first_cell, first_pixel = end, last_pixel


def cells_of(labels: np.ndarray, first_row: int = 0) -> Cells:
    """Return the cells of a label image, (Y, X) or, as they are seen from above, (Z, Y, X).

    Its rows are counted from `first_row` on.
    """
    places = np.flatnonzero(labels)
    owner, numbers = pd.factorize(labels.ravel()[places], sort=True)
    height, width = labels.shape[-2:]
    if labels.ndim == 3:
        seen = np.unique(owner * (height * width) + places % (height * width))
        owner, places = np.divmod(seen, height * width)
    else:
        # Few numbers are sorted much faster if they are small.
        small = owner.astype(np.uint16 if len(numbers) < 2**16 else np.int64)
        order = np.argsort(small, kind="stable")
        owner, places = owner[order], places[order]
    y, x = np.divmod(places, width)
    y += first_row
    if len(numbers) == 0:
        none = np.zeros(0, int)
        return Cells(np.asarray(numbers), owner, y, x, none, none, none, none)
    starts = np.searchsorted(owner, np.arange(len(numbers)))
    top, left = np.minimum.reduceat(y, starts), np.minimum.reduceat(x, starts)
    bottom, right = np.maximum.reduceat(y, starts), np.maximum.reduceat(x, starts)
    return Cells(np.asarray(numbers), owner, y, x, top, left, bottom - top + 1, right - left + 1)


class Canvas(NamedTuple):
    """Cells cut out and laid beside each other, with a pixel of background around each: none touches another.

    Attributes
    ----------
    pixels : array (Y, X), bool
    places : array (P,)
        Where each pixel of the cells is in it, counted row by row.
    offsets : array (N,)
        Where the upper left pixel of each cell's rectangle is.
    """

    pixels: np.ndarray
    places: np.ndarray
    offsets: np.ndarray

    def around(self, values: np.ndarray, places: np.ndarray, down: int, right: int) -> np.ndarray:
        """Return the values (like `pixels`) of the neighbours of places, so far down and to the right."""
        return values.ravel()[places + (down * values.shape[1] + right)]

    @property
    def sides(self) -> tuple[tuple[int, int], ...]:
        """The steps to the four neighbours at the sides."""
        return (0, 1), (1, 0), (0, -1), (-1, 0)

    @property
    def corners(self) -> tuple[tuple[int, int], ...]:
        """The steps to the four neighbours at the corners."""
        return (1, 1), (1, -1), (-1, 1), (-1, -1)


def laid_out(cells: Cells) -> Canvas:
    """Lay cells out on a canvas: the highest first, in rows."""
    order = np.argsort(-cells.height, kind="stable")
    heights, widths = cells.height[order] + 1, cells.width[order] + 1
    before = np.cumsum(widths) - widths
    wanted = max(1, int(np.sqrt((heights * widths).sum())))
    _, first, row = np.unique(before // wanted, return_index=True, return_inverse=True)
    rows = heights[first]
    left = before - before[first][row] + 1
    top = (np.cumsum(rows) - rows + 1)[row]
    shape = int(rows.sum()) + 1, int((left + widths).max())
    offsets = np.empty(len(cells), int)
    offsets[order] = top * shape[1] + left
    within = (cells.y - cells.top[cells.owner]) * shape[1] + cells.x - cells.left[cells.owner]
    places = offsets[cells.owner] + within
    pixels = np.zeros(shape, bool)
    pixels.ravel()[places] = True
    return Canvas(pixels, places, offsets)
