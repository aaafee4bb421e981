"""Divides pictures into strips of rows, so that what is computed of one takes memory for a strip and not for all."""

from __future__ import annotations

from collections.abc import Iterator

# So many pixels are worked on at a time: more is no faster, and takes more memory.
PIXELS = 1_000_000


def strips(height: int, width: int, pixels: int | None = None) -> Iterator[slice]:
    """Yield the rows of each strip of a picture, from the first to the last.

    Parameters
    ----------
    height, width : int
        Of the picture, in pixels.
    pixels : int, optional
        So many are in a strip at most, unless a single row has more; else `PIXELS`.
    """
    rows = max(1, (pixels or PIXELS) // max(width, 1))
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
