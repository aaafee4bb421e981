"""Facts that tell a segmentation that can be trusted from one to look at, in a few numbers for each image.

They are noted when the mask is written, and judged with those of the other images (`segmake.outcome.quality`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from segmake.core.strips import Striped, parts

Facts = dict[str, float]

# Of pixels beyond so many, some are enough to tell how grey values are spread.
_SAMPLE = 1_000_000

# An object is a speck below such a part of the median area of its image.
SPECK = 0.1

# So many numbers cost nothing, whatever the size of the image.
_FEW = 65_536

# The middle of a picture is enough to tell how sharp it is.
_MIDDLE = 2048

# What is smoothed becomes smaller by some pixels at each side.
_LEAST_SIDE = 32

# Where a camera of so many bits ends.
_TOPS = tuple(2**bits - 1 for bits in (8, 10, 12, 14, 16))


class LabelFacts:
    """Gathers facts of the objects of an image, plane by plane."""

    def __init__(self) -> None:
        self._areas: list[np.ndarray] = []
        self._widths: list[np.ndarray] = []
        self._at_edge: list[np.ndarray] = []
        self._largest = 0.0
        self._planes = 0

    def add(self, plane: np.ndarray | Striped) -> np.ndarray:
        """Take the labels of a plane, and return those that are in it.

        Parameters
        ----------
        plane : array (Y, X), integers, or Striped
            0 is the background.

        Returns
        -------
        array (N,), integers
            In order, without 0.
        """
        self._planes += 1
        named = None
        if not isinstance(plane, Striped):
            named, plane = _numbered(plane)
        counts, outlines, at_edge = _counted(plane)
        objects = counts > 0
        objects[0] = False
        if named is None:
            named = np.arange(len(counts))
        if not objects.any():
            return np.array([], named.dtype)
        self._areas.append(counts[objects])
        self._widths.append(2 * counts[objects] / outlines[objects])
        self._at_edge.append(at_edge[objects])
        size = plane.shape[0] * plane.shape[1]
        self._largest = max(self._largest, float(counts[objects].max()) / size)
        return named[objects]

    def facts(self) -> Facts:
        """Return what is known of the objects.

        Returns
        -------
        dict
            ``objects`` (in a plane, on average); where there are any, the medians ``area`` (pixels) and ``width``
            (twice the area by the outline's length: about that of a rod), ``largest_area`` and ``largest_width`` of the
            largest one, ``largest`` (its part of the plane), ``edge`` (part of the objects at the border), ``specks``
            (part of those inside that is far smaller than the median).
        """
        if not self._areas:
            return {"objects": 0.0}
        areas, widths, at_edge = map(np.concatenate, (self._areas, self._widths, self._at_edge))
        median, largest = float(np.median(areas)), int(areas.argmax())
        # What the border cuts may be small.
        specks = (areas < SPECK * median) & ~at_edge
        return {
            "objects": _rounded(len(areas) / self._planes),
            "area": _rounded(median),
            "width": _rounded(np.median(widths)),
            "largest_area": _rounded(areas[largest]),
            "largest_width": _rounded(widths[largest]),
            "largest": _rounded(self._largest),
            "edge": _rounded(at_edge.mean()),
            "specks": _rounded(specks.mean()),
        }


def picture_facts(plane: np.ndarray, labels: np.ndarray | Striped) -> Facts:
    """Return what is known of the grey values of a plane.

    Parameters
    ----------
    plane : array (Y, X)
    labels : array (Y, X), or Striped

    Returns
    -------
    dict
        ``range`` (from the 1st to the 99.8th percentile), ``whole`` (1 where grey values are whole numbers),
        ``saturated`` (part of the cells' pixels that are at the camera's end; of all pixels where there is no cell),
        and where it is not of one grey value ``sharpness`` (how much steeper grey values change than once blurred).
    """
    step = max(1, int(np.sqrt(plane.size / _SAMPLE)))
    low, high = np.percentile(plane[::step, ::step], (1, 99.8))
    whole = plane.dtype.kind in "iu"
    found = {"range": float(high) - float(low), "whole": float(whole), "saturated": 0.0}
    top = plane.max()
    # Grey values that were stretched, or drawn, end anywhere.
    if whole and int(top) in _TOPS:
        found["saturated"] = _saturated(plane, labels, top)
    if (sharpness := _sharpness(_middle(plane).astype(np.float32))) is not None:
        found["sharpness"] = sharpness
    return found


def _saturated(plane: np.ndarray, labels: np.ndarray | Striped, top: Any) -> float:
    """Return the part of the cells' pixels that have a grey value; of all pixels where there is no cell."""
    inside = of_cells = of_all = row = 0
    for part in parts(labels):
        at_top, cells = plane[row : row + len(part)] == top, part > 0
        inside += int(np.count_nonzero(cells))
        of_cells += int(np.count_nonzero(at_top & cells))
        of_all += int(np.count_nonzero(at_top))
        row += len(part)
    return of_cells / inside if inside else of_all / plane.size


def _sharpness(plane: np.ndarray) -> float | None:
    """Return by how much grey values change more steeply than in the same picture blurred; None where none does.

    So contrast, and how many cells there are, count for little.
    """
    if min(plane.shape) < _LEAST_SIDE:
        return None
    # Noise is sharp too.
    steepest = _steepest(_smoothed(plane, 3))
    blurred = _steepest(_smoothed(plane, 7))
    return max(steepest / blurred - 1, 0.01) if blurred else None


def _steepest(plane: np.ndarray) -> float:
    down, right = plane[2:, 1:-1] - plane[:-2, 1:-1], plane[1:-1, 2:] - plane[1:-1, :-2]
    return float(np.percentile(np.hypot(down, right), 99.9))


def joined_facts(each: Sequence[Facts]) -> Facts:
    """Return the median of each fact, of several planes."""
    names = sorted({name for one in each for name in one})
    return {name: _rounded(np.median([one[name] for one in each if name in one])) for name in names}


def _middle(plane: np.ndarray) -> np.ndarray:
    top, left = (max(0, (side - _MIDDLE) // 2) for side in plane.shape)
    return plane[top : top + _MIDDLE, left : left + _MIDDLE]


def _smoothed(plane: np.ndarray, side: int) -> np.ndarray:
    """Return the mean of a square around each pixel, twice; without the pixels at the border."""
    for _ in range(2):
        height, width = (length - side + 1 for length in plane.shape)
        rows = reduce(np.add, (plane[at : at + height] for at in range(side)))
        whole = reduce(np.add, (rows[:, at : at + width] for at in range(side)))
        plane = whole / side**2
    return plane


def _numbered(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return labels by number, and the plane of these numbers: as it is, unless few of its numbers are in use."""
    top = int(plane.max())
    if top <= max(plane.size, _FEW):
        return np.arange(top + 1), plane
    named, numbers = np.unique(np.append(plane.ravel(), 0), return_inverse=True)
    return named, numbers[:-1].reshape(plane.shape)


def _counted(plane: np.ndarray | Striped) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return of each number how many pixels it has, how long its outline is, and whether it touches the border.

    The length is in sides of pixels; the border of the image counts.
    """
    counts, outlines, edges = (np.zeros(1, np.int64) for _ in range(3))
    above: np.ndarray | None = None
    for part in parts(plane):
        # Numbers are counted as those of 64 bits, which only some rows at a time are.
        counts = _sum(counts, part.ravel())
        sides = [part[:, 0], part[:, -1], *([part[0]] if above is None else [])]
        pieces = []
        pairs = [(part[1:], part[:-1]), (part[:, 1:], part[:, :-1])]
        for one, other in [*pairs, *([] if above is None else [(part[0], above)])]:
            apart = one != other
            pieces += [one[apart], other[apart]]
        edges = _sum(edges, np.concatenate(sides))
        outlines = _sum(outlines, np.concatenate([*sides, *pieces]))
        above = part[-1]
    if above is not None:
        edges, outlines = _sum(edges, above), _sum(outlines, above)
    return counts, _filled_up(outlines, len(counts)), _filled_up(edges, len(counts)) > 0


def _sum(counts: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return counts with those of more numbers; there may be larger ones among these."""
    more = np.bincount(numbers, minlength=len(counts))
    more[: len(counts)] += counts
    return more


def _filled_up(counts: np.ndarray, number: int) -> np.ndarray:
    return np.pad(counts, (0, number - len(counts)))


def _rounded(value: float | np.floating) -> float:
    return float(f"{value:.4g}")
