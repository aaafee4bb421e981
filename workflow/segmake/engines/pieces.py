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

# So many pixels are split at a time. Where two middles of a piece are equally far from the background, what else is
# split at the time decides to which of them some pixels go: pictures of up to so many pixels stay as they were.
WINDOW = 2048**2

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
    height, width = foreground.shape
    begun = np.zeros((0, width), np.int32)
    for rows in strips(height, width, WINDOW):
        pieces = _beginning_in(foreground, rows)
        own = pieces > 0
        if own.any():
            smooth = _smooth_distance(foreground, slice(rows.start, rows.start + len(own)), own)
            peaks = peak_local_max(
                smooth, min_distance=apart, labels=pieces, exclude_border=False, threshold_abs=0.0
            )
            markers = np.zeros(own.shape, np.int32)
            markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
            found = segmentation.watershed(-smooth, markers, mask=own)
            kept = np.bincount(found.ravel()) >= smallest
            kept[0] = False
            numbers = (cells + np.cumsum(kept, dtype=np.int32)) * kept
            cells += int(kept.sum())
            # All of a piece is split where it begins.
            pieces = numbers[found]
        if len(begun) > len(pieces):
            begun[: len(pieces)] += pieces
            labels = begun
        else:
            pieces[: len(begun)] += begun
            labels = pieces
        here = rows.stop - rows.start
        yield labels[:here]
        begun = labels[here:].copy()


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
