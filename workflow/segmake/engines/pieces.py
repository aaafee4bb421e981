"""Splits a foreground into cells piece by piece: it takes the memory of the largest piece, and not of the picture.

A piece is what hangs together, with corners. What is done to one depends on no other.
"""

from __future__ import annotations

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


def split(foreground: np.ndarray, diameter: float) -> np.ndarray:
    """Label a foreground, with touching cells apart where their middles are this far from each other.

    Parameters
    ----------
    foreground : array (Y, X), bool
    diameter : float

    Returns
    -------
    array (Y, X), int32
    """
    # A rod's distance map is a ridge: only peaks a cell's length apart are two cells.
    apart = max(1, round(diameter))
    labels = measure.label(foreground).astype(np.int32, copy=False)
    firsts, lasts = _rows_of_pieces(labels)
    cells = 0
    height, width = labels.shape
    for rows in strips(height, width, WINDOW):
        # In the order of their first rows, pieces are numbered.
        first, after = np.searchsorted(firsts, (rows.start, rows.stop))
        if first == after:
            continue
        window = slice(rows.start, int(lasts[first:after].max()) + 1)
        numbered = labels[window]
        own = (numbered > first) & (numbered <= after)
        smooth = _smooth_distance(foreground, window, own)
        mine = np.where(own, numbered - first, 0)
        peaks = peak_local_max(
            smooth, min_distance=apart, labels=mine, exclude_border=False, threshold_abs=0.0
        )
        markers = np.zeros(own.shape, np.int32)
        markers[tuple(peaks.T)] = np.arange(cells + 1, cells + len(peaks) + 1)
        cells += len(peaks)
        found = segmentation.watershed(-smooth, markers, mask=own)
        # Below 0 they are told from the numbers of pieces that are still to be split.
        numbered[own] = -found[own]
    return np.negative(labels, out=labels)


def _rows_of_pieces(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and the last row of each piece: two arrays (N,)."""
    number, height = int(labels.max(initial=0)), len(labels)
    firsts, lasts = np.zeros(number + 1, np.int32), np.zeros(number + 1, np.int32)
    for row in range(height):
        lasts[labels[row]] = row
        firsts[labels[height - 1 - row]] = height - 1 - row
    return firsts[1:], lasts[1:]


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
