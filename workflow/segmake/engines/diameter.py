"""How large the cells of a picture are: the diameter at which a network finds cells of that diameter.

A network that sees its picture at another size than it has learned from finds pieces of cells, or several as one: cells
that have not the diameter that it was given. So a part of the picture is tried at a few diameters, and the one taken
at which what was given and what was found agree best. Whatever changes that raises `segmake.core.versions.DIAMETERS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from segmake.engines import Engine
from segmake.messages import Problem

# What is tried, in times the diameter of the cells that the network has learned from. The smallest is the slowest by
# far, since the picture is enlarged for it.
FACTORS = (2.5, 1.6, 1.0, 0.63, 0.4)

# It is left out where the cells found at the one before it have at least such a part of the diameter that was given.
NOT_SMALLER = 0.9

# The side of the part of the picture that is tried, in pixels: there most is going on.
SIDE = 384

# Of so few cells no median is taken.
LEAST_CELLS = 5

# So near to the diameter of the model, nothing is gained by another one: networks bear that much.
NEAR = 1.4

# A diameter below the model's own has to find so many times the area of cells: else nothing is gained by it.
MORE = 1.3

# Cells found at the model's own diameter seem nearer to it than they are: small ones are joined, or missed. Where no
# estimate is asked for, it is looked whether their own would find more if they are farther from it than this.
DOUBTFUL = 1.25

# So many times larger or smaller than what was given, what was found counts e times less.
AGREES = 1.3

# How often the diameter that was found is tried again, if it is not the same as the one that was given.
REPEATS = 2
SAME = 1.05


class Found(NamedTuple):
    """What was found at a diameter.

    Attributes
    ----------
    given, median : float
        The diameter that the network was given, and the median of the diameters of what it found, in pixels.
    cells : int
    covered : float
        The part of the picture that the cells cover.
    """

    given: float
    median: float
    cells: int
    covered: float

    @property
    def score(self) -> float:
        """How much speaks for this diameter: little is found at a wrong one, and it does not agree."""
        if self.cells < LEAST_CELLS:
            return 0.0
        off = np.log(self.median / self.given) / np.log(AGREES)
        return float(self.covered * np.exp(-(off**2)))


def estimate(engine: Engine, loaded: Any, planes: list[np.ndarray]) -> float:
    """Return the diameter of the cells in a picture, in tenths of a pixel.

    Parameters
    ----------
    engine : Engine
        One with a network.
    loaded
        What its ``load`` gave.
    planes : list of array (Y, X)
        The channel to segment, and the second channel if there is one.

    Returns
    -------
    float
        The network's own diameter where the cells are about as large, or too few are found.

    Raises
    ------
    Problem
        What the network raises, but ``SM-RUN-008``: at the large diameters nothing is left of a small picture.
    """
    own, box = engine.own_diameter(loaded), busiest(planes[0])
    part = [np.ascontiguousarray(plane[box]) for plane in planes]

    def tried(given: float) -> Found:
        areas = _areas_found(engine, engine.at(loaded, given), part)
        covered = float(areas.sum()) / part[0].size
        return Found(given, median_diameter(areas), len(areas), covered)

    found = [tried(own * factor) for factor in FACTORS[:-1]]
    if found[-1].cells < LEAST_CELLS or found[-1].median < NOT_SMALLER * found[-1].given:
        found.append(tried(own * FACTORS[-1]))
    usual = found[FACTORS.index(1.0)]
    # Cells that are cut into pieces agree with a smaller diameter, too: that has to find more of them.
    believed = [one for one in found if one.given >= own or one.covered > MORE * usual.covered]
    best = max(believed, key=lambda one: one.score)
    for _ in range(REPEATS):
        if not best.score or _alike(best.median, own, NEAR):
            return own
        if _alike(best.median, best.given, SAME):
            break
        again = tried(best.median)
        if again.score <= best.score:
            break
        best = again
    return own if _alike(best.median, own, NEAR) else round(best.median, 1)


def better(
    engine: Engine, loaded: Any, planes: list[np.ndarray], areas: Sequence[np.ndarray]
) -> bool:
    """Whether a network that was told no diameter finds much more where it is told that of the cells that it found.

    Parameters
    ----------
    engine, loaded, planes
        As for `estimate`.
    areas : sequence of array
        The areas of the cells found in each plane of the field of view, in pixels.
    """
    own, median = engine.own_diameter(loaded), median_diameter(np.concatenate(areas))
    if not median or _alike(median, own, DOUBTFUL):
        return False
    box = busiest(planes[0])
    part = [np.ascontiguousarray(plane[box]) for plane in planes]
    # Of a picture that is no larger than such a part it is known what is found in it.
    is_whole = len(areas) == 1 and part[0].shape == planes[0].shape
    before = areas[0] if is_whole else _areas_found(engine, engine.at(loaded, own), part)
    after = _areas_found(engine, engine.at(loaded, median), part)
    return bool(after.sum() > MORE * before.sum())


def median_diameter(areas: np.ndarray) -> float:
    """Return the median of the diameters of discs with some areas, in pixels; 0 of none."""
    return float(2 * np.sqrt(np.median(areas) / np.pi)) if len(areas) else 0.0


def areas_of(labels: np.ndarray) -> np.ndarray:
    """Return the areas of the cells in a label image, in pixels."""
    areas = np.bincount(labels.ravel())[1:]
    return areas[areas > 0]


def busiest(plane: np.ndarray) -> tuple[slice, slice]:
    """Return the part of a picture, `SIDE` pixels wide and high, in which grey values change most.

    Parameters
    ----------
    plane : array (Y, X)
    """
    height, width = (min(SIDE, side) for side in plane.shape)
    # The same differences between neighbours everywhere would be noise: of the mean of four by four pixels it is small.
    coarse = _coarse(plane, 4)
    changes = np.zeros(coarse.shape)
    changes[1:] += np.abs(np.diff(coarse, axis=0))
    changes[:, 1:] += np.abs(np.diff(coarse, axis=1))
    sums = np.pad(changes.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    high, wide = max(1, height // 4), max(1, width // 4)
    inside = sums[high:, wide:] - sums[:-high, wide:] - sums[high:, :-wide] + sums[:-high, :-wide]
    row, column = np.unravel_index(int(inside.argmax()), inside.shape)
    # The coarse picture may lack the last rows and columns.
    top = min(4 * int(row), plane.shape[0] - height)
    left = min(4 * int(column), plane.shape[1] - width)
    return slice(top, top + height), slice(left, left + width)


def _coarse(plane: np.ndarray, step: int) -> np.ndarray:
    """Return the means of squares of a picture; of one that is smaller, the picture itself."""
    height, width = (side // step * step for side in plane.shape)
    if not height or not width:
        return plane.astype(np.float32)
    squares = plane[:height, :width].reshape(height // step, step, width // step, step)
    return squares.mean(axis=(1, 3), dtype=np.float32)


def _areas_found(engine: Engine, loaded: Any, part: list[np.ndarray]) -> np.ndarray:
    try:
        return areas_of(engine.masks(loaded, engine.predict(loaded, part)))
    except Problem as problem:
        if problem.code != "SM-RUN-008":
            raise
        return np.zeros(0, int)


def _alike(one: float, other: float, factor: float) -> bool:
    return 1 / factor <= one / other <= factor
