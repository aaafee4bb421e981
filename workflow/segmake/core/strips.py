"""Divides pictures into strips of rows, so that what is computed of one takes memory for a strip and not for all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# So many pixels are worked on at a time: more is no faster, and takes more memory.
PIXELS = 1_000_000

# The labels of a picture with more pixels are nowhere in memory as a whole, where that can be helped.
LARGE = 1024**2


@dataclass(frozen=True)
class Striped:
    """A picture that is nowhere as a whole.

    Attributes
    ----------
    shape : tuple of int
        Its height and width.
    parts : callable
        Returns what yields its rows, some at a time, from the first to the last.
    """

    shape: tuple[int, int]
    parts: Callable[[], Iterator[np.ndarray]]


def parts(plane: np.ndarray | Striped) -> Iterator[np.ndarray]:
    """Yield the rows of a picture, some at a time, from the first to the last."""
    if isinstance(plane, Striped):
        yield from plane.parts()
        return
    for rows in strips(*plane.shape):
        yield plane[rows]


def in_rows(pieces: Iterable[np.ndarray], rows: int) -> Iterator[np.ndarray]:
    """Yield what `parts` does, so many rows at a time; the last are perhaps fewer."""
    import numpy as np

    kept: list[np.ndarray] = []
    number = 0
    for piece in pieces:
        at = 0
        while number + len(piece) - at >= rows:
            until = at + rows - number
            taken = [*kept, piece[at:until]]
            yield np.concatenate(taken) if kept else taken[0]
            kept, number, at = [], 0, until
        if at < len(piece):
            kept.append(piece[at:])
            number += len(piece) - at
    if kept:
        yield np.concatenate(kept)


def strips(
    height: int, width: int, pixels: int | None = None, *, least_rows: int = 1
) -> Iterator[slice]:
    """Yield the rows of each strip of a picture, from the first to the last.

    Parameters
    ----------
    height, width : int
        Of the picture, in pixels.
    pixels : int, optional
        So many are in a strip at most, else `PIXELS`, unless the fewest rows have more.
    least_rows : int
        A strip has at least so many rows, but for the last.
    """
    rows = max(least_rows, (pixels or PIXELS) // max(width, 1))
    for first in range(0, height, rows):
        yield slice(first, min(first + rows, height))


def widened(rows: slice, by: int, height: int) -> tuple[slice, slice]:
    """Return the rows of a strip with so many more at each side, as far as the picture goes, and its place in them.

    Parameters
    ----------
    rows : slice
    by : int
    height : int
        Of the picture.
    """
    first, last = max(rows.start - by, 0), min(rows.stop + by, height)
    return slice(first, last), slice(rows.start - first, rows.stop - first)
