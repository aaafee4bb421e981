"""Splits a foreground into cells piece by piece: it takes the memory of the largest piece, and not of the picture.

A piece is what hangs together, with corners. What is done to one depends on no other.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage
from skimage import filters, measure, segmentation
from skimage.feature import peak_local_max

from segmake.core.strips import strips, widened

# By how many pixels the distances to the background are smoothed, and how far scikit-image looks for that.
_BLUR, _REACH = 1.0, 4

# Where two middles of a piece are equally far from the background, what else is split at the time decides to which of
# them some pixels go: so many pixels count as split together, and with them all of a smaller picture.
WINDOW = 2048**2

# Of a window, so many rows at least are split at a time: those around them are looked at, too.
_LEAST_ROWS = 256

# So many rows below those where a piece begins are looked at first, and more if it goes on.
_FURTHER = 24


def split(foreground: np.ndarray, diameter: float, smallest: int) -> Iterator[np.ndarray]:
    """Yield the labels of a foreground, with touching cells apart where their middles are this far from each other.

    Parameters
    ----------
    foreground : array (Y, X), bool
    diameter : float
    smallest : int
        What has fewer pixels is no cell.

    Yields
    ------
    array (Y, X), int32
        Some rows at a time, from the first to the last.
    """
    # A rod's distance map is a ridge: only peaks a cell's length apart are two cells.
    apart = max(1, round(diameter))
    cells = 0
    begun = np.zeros((0, foreground.shape[1]), np.int32)
    for here, basins in _basins(foreground, apart):
        kept = np.bincount(basins.ravel()) >= smallest
        kept[0] = False
        numbers = (cells + np.cumsum(kept, dtype=np.int32)) * kept
        cells += int(kept.sum())
        # All of a piece is split where it begins.
        labels = numbers[basins]
        if len(begun) > len(labels):
            begun[: len(labels)] += labels
            labels = begun
        else:
            labels[: len(begun)] += begun
        yield labels[:here]
        begun = labels[here:].copy()


def _basins(foreground: np.ndarray, apart: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield how many rows are split at a time, and the basins of the pieces that begin in them: array (Y, X), int32."""
    height, width = foreground.shape
    for window in strips(height, width, WINDOW):
        number = window.stop - window.start
        together: np.ndarray | None = None
        for part in strips(number, width, least_rows=_LEAST_ROWS):
            rows = slice(window.start + part.start, window.start + part.stop)
            pieces = _Pieces(foreground, rows, apart)
            if pieces.even and rows != window:
                own = pieces.own
                # What is left of them is memory.
                del pieces
                if together is None:
                    together = _Pieces(foreground, window, apart).basins()
                basins = together[part.start : part.start + len(own)] * own
            else:
                basins = pieces.basins()
            yield part.stop - part.start, basins


class _Pieces:
    """The pieces that begin in some rows, and the middles of the cells in them.

    Parameters
    ----------
    foreground : array (Y, X), bool
    rows : slice
    apart : int
        How far the middles of cells are from each other.

    Attributes
    ----------
    own : array (Y, X), bool
        Where they are, in these rows and as far down as they go.
    even : bool
        Whether two middles of a piece are equally far from the background.
    """

    def __init__(self, foreground: np.ndarray, rows: slice, apart: int) -> None:
        numbers = _beginning_in(foreground, rows)
        self.own = numbers > 0
        window = slice(rows.start, rows.start + len(self.own))
        # Cells flood from the highest places down.
        self._depth = _smooth_distance(foreground, window, self.own)
        self._middles = peak_local_max(
            self._depth,
            min_distance=apart,
            labels=numbers,
            exclude_border=False,
            threshold_abs=0.0,
        ).T
        places = tuple(self._middles)
        of_piece = np.stack([numbers[places], self._depth[places]])
        self.even = np.unique(of_piece, axis=1).shape[1] < of_piece.shape[1]
        np.negative(self._depth, out=self._depth)

    def basins(self) -> np.ndarray:
        """Return the number of the middle that each pixel belongs to: array (Y, X), int32."""
        markers = np.zeros(self.own.shape, np.int32)
        markers[tuple(self._middles)] = np.arange(1, self._middles.shape[1] + 1)
        found: np.ndarray = segmentation.watershed(self._depth, markers, mask=self.own)
        return found


def _beginning_in(foreground: np.ndarray, rows: slice) -> np.ndarray:
    """Return numbers from 1 on of the pieces that begin in some rows, in these and as far down as they go.

    Returns
    -------
    array (Y, X), int32
    """
    further = _FURTHER
    while True:
        seen = slice(max(rows.start - 1, 0), min(rows.stop + further, len(foreground)))
        numbered, number = measure.label(foreground[seen], return_num=True)
        here = slice(rows.start - seen.start, rows.stop - seen.start)
        own = np.zeros(number + 1, bool)
        own[numbered[here]] = True
        if rows.start:
            # Its first row is above.
            own[numbered[0]] = False
        own[0] = False
        if seen.stop == len(foreground) or not own[numbered[-1]].any():
            break
        further *= 2
    numbers = np.cumsum(own, dtype=np.int32) * own
    pieces = numbers[numbered[here.start :]]
    filled = np.flatnonzero(pieces.any(axis=1))
    last = int(filled[-1]) + 1 if filled.size else 0
    return pieces[: max(last, here.stop - here.start)]


def _smooth_distance(foreground: np.ndarray, window: slice, own: np.ndarray) -> np.ndarray:
    """Return the smoothed distance to the background, in some rows; it is right where `own` is true.

    Parameters
    ----------
    foreground : array (Y, X), bool
    window : slice
        The rows.
    own : array (Y, X), bool
        Of these rows.
    """
    if not own.any():
        return np.zeros(own.shape)
    height = len(foreground)
    looked_at, inside = widened(window, _REACH, height)
    near = np.zeros((looked_at.stop - looked_at.start, own.shape[1]), bool)
    near[inside] = own
    near = ndimage.maximum_filter(near, 2 * _REACH + 1)
    further = 2 * _REACH
    while True:
        seen, at = widened(looked_at, further, height)
        distance = ndimage.distance_transform_edt(foreground[seen])[at]
        # What lies beyond the rows that were seen may be nearer.
        rows = np.arange(looked_at.start, looked_at.stop)
        above = rows - seen.start + 1 if seen.start else np.full(len(rows), np.inf)
        below = seen.stop - rows if seen.stop < height else np.full(len(rows), np.inf)
        if not (near & (distance > np.minimum(above, below)[:, None])).any():
            return filters.gaussian(distance, _BLUR)[inside]
        further *= 2
