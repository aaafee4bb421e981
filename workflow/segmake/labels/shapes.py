"""Shapes of many cells at once: what scikit-image's `regionprops` measures of one after the other, with its numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from segmake.labels.cell_pixels import Canvas, Cells, laid_out


class Moments(NamedTuple):
    """Centres of cells, and the second moments about them: means over their pixels.

    Attributes
    ----------
    area, y, x : array (N,)
    yy, xx, yx : array (N,)
    """

    area: np.ndarray
    y: np.ndarray
    x: np.ndarray
    yy: np.ndarray
    xx: np.ndarray
    yx: np.ndarray


def moments_of(cells: Cells) -> Moments:
    """Return the moments of cells, exact before the last division unless a cell has many thousands of pixels."""
    starts, area = cells.starts, cells.area
    if len(cells) == 0:
        return Moments(area, *(np.zeros(0) for _ in Moments._fields[1:]))
    # Within a cell's rectangle the numbers are small.
    y = (cells.y - cells.top[cells.owner]).astype(float)
    x = (cells.x - cells.left[cells.owner]).astype(float)
    sums = [np.add.reduceat(values, starts) for values in (y, x, y * y, x * x, y * x)]
    sum_y, sum_x, sum_yy, sum_xx, sum_yx = sums
    square = area.astype(float) ** 2
    return Moments(
        area,
        cells.top + sum_y / area,
        cells.left + sum_x / area,
        (area * sum_yy - sum_y * sum_y) / square,
        (area * sum_xx - sum_x * sum_x) / square,
        (area * sum_yx - sum_y * sum_x) / square,
    )


class Shapes:
    """What can be measured of the shapes of cells; each is computed when it is asked for.

    Parameters
    ----------
    cells : Cells
        At least one.
    sides : tuple of two floats
        Height and width of a pixel.
    """

    def __init__(self, cells: Cells, sides: tuple[float, float] = (1.0, 1.0)) -> None:
        self._cells, self._sides = cells, sides
        self._square = sides[0] * sides[1]
        self._moments: Moments | None = None
        self._canvas: Canvas | None = None

    @property
    def _tensor(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The second moments in the unit of the sides: yy, xx, yx."""
        self._moments = self._moments or moments_of(self._cells)
        high, wide = self._sides
        return (
            self._moments.yy * high * high,
            self._moments.xx * wide * wide,
            self._moments.yx * high * wide,
        )

    @property
    def _axes(self) -> tuple[np.ndarray, np.ndarray]:
        """The moments along and across the axis of most spread."""
        yy, xx, yx = self._tensor
        half, apart = (yy + xx) / 2, np.hypot((yy - xx) / 2, yx)
        return half + apart, np.maximum(half - apart, 0.0)

    def orientation(self) -> np.ndarray:
        """Return the angle between the columns and the axis of most spread, in radians."""
        yy, xx, yx = self._tensor
        diagonal = np.where(yx > 0, np.pi / 4, -np.pi / 4)
        return np.where(yy == xx, diagonal, np.arctan2(2 * yx, yy - xx) / 2)

    def eccentricity(self) -> np.ndarray:
        """Return that of the ellipse with the same second moments; 0 for a single pixel."""
        along, across = self._axes
        with np.errstate(invalid="ignore"):
            return np.where(along > 0, np.sqrt(1 - across / along), 0.0)

    def axis_major_length(self) -> np.ndarray:
        """Return the long axis of the ellipse with the same second moments."""
        return 4 * np.sqrt(self._axes[0])

    def axis_minor_length(self) -> np.ndarray:
        """Return the short axis of the ellipse with the same second moments."""
        return 4 * np.sqrt(self._axes[1])

    def equivalent_diameter_area(self) -> np.ndarray:
        """Return the diameter of a disc as large as the cell."""
        return np.sqrt(4 * self._cells.area * self._square / np.pi)

    def area_bbox(self) -> np.ndarray:
        """Return the area of the rectangle around the cell."""
        return self._cells.height * self._cells.width * self._square

    def extent(self) -> np.ndarray:
        """Return the part of the rectangle around it that the cell fills."""
        return self._cells.area / (self._cells.height * self._cells.width)

    def area_convex(self) -> np.ndarray:
        """Return the area of the smallest shape around the cell that bends inwards nowhere."""
        return _convex_pixels(self._cells) * self._square

    def solidity(self) -> np.ndarray:
        """Return the part of that shape that the cell fills."""
        return self._cells.area / _convex_pixels(self._cells)

    def perimeter(self) -> np.ndarray:
        """Return the length of the cell's border, of pixels that are square, through the middle of its pixels."""
        self._canvas = self._canvas or laid_out(self._cells)
        return _perimeters(self._cells, self._canvas)


# By scikit-image's names.
SHAPES: Mapping[str, Callable[[Shapes], np.ndarray]] = MappingProxyType(
    {
        "perimeter": Shapes.perimeter,
        "equivalent_diameter_area": Shapes.equivalent_diameter_area,
        "axis_major_length": Shapes.axis_major_length,
        "axis_minor_length": Shapes.axis_minor_length,
        "area_convex": Shapes.area_convex,
        "area_bbox": Shapes.area_bbox,
        "eccentricity": Shapes.eccentricity,
        "solidity": Shapes.solidity,
        "extent": Shapes.extent,
        "orientation": Shapes.orientation,
    }
)


def _perimeters(cells: Cells, canvas: Canvas) -> np.ndarray:
    """Return the perimeter of each cell as Benkrid and Crookes estimate it, by the neighbours of border pixels."""
    inner = np.ones(len(canvas.places), bool)
    for step in canvas.sides:
        inner &= canvas.around(canvas.pixels, canvas.places, *step)
    owner, places = cells.owner[~inner], canvas.places[~inner]
    border = np.zeros(canvas.pixels.shape, np.int8)
    border.ravel()[places] = 1
    at_sides, at_corners = (
        sum(canvas.around(border, places, *step) for step in steps)
        for steps in (canvas.sides, canvas.corners)
    )
    weights = np.zeros((5, 5))
    weights[[2, 3, 2, 3, 2, 3], [0, 0, 1, 1, 2, 2]] = 1
    weights[[0, 1], [2, 3]] = np.sqrt(2)
    weights[[1, 1], [1, 2]] = (1 + np.sqrt(2)) / 2
    return np.bincount(owner, weights[at_sides, at_corners], len(cells))


def _convex_pixels(cells: Cells) -> np.ndarray:
    """Return how many pixels have their centre in the smallest convex shape around the middles of a cell's outer sides.

    In whole numbers, and in halves of a pixel: a centre on the border is in, whatever rounding would make of it.
    """
    height = int(cells.height.max()) + 2
    row = cells.owner * height + cells.y - cells.top[cells.owner]
    starts = np.flatnonzero(np.diff(row, prepend=-1))
    rows = row[starts]
    x = 2 * (cells.x - cells.left[cells.owner])
    right = _reach(cells, rows, np.maximum.reduceat(x, starts), height)
    left = _reach(cells, rows, np.maximum.reduceat(-x, starts), height)
    owner = np.repeat(np.arange(len(cells)), cells.height)
    return np.bincount(owner, np.maximum(right + left + 1, 0), len(cells)).astype(int)


def _reach(cells: Cells, rows: np.ndarray, outermost: np.ndarray, height: int) -> np.ndarray:
    """Return how far to one side the convex shape reaches in each row of each cell: whole pixels.

    Parameters
    ----------
    rows : array (R,)
        Those that have pixels, ascending: `height` times the cell, and the row within the cell.
    outermost : array (R,)
        Twice the place of the outermost pixel there.
    """
    # A pixel has a corner of the shape at the middle of its upper, outer and lower side.
    place = np.stack([2 * rows - 1, 2 * rows, 2 * rows + 1], axis=1).ravel()
    reach = np.stack([outermost, outermost + 1, outermost], axis=1).ravel()
    # The lower side of one pixel is the upper side of the next.
    twice = np.append(place[1:] == place[:-1], False)
    reach[1:][twice[:-1]] = np.maximum(reach[1:], reach[:-1])[twice[:-1]]
    place, reach = place[~twice], reach[~twice]
    owner = (place + 1) // (2 * height)
    # What lies on or within the line between its neighbours is no corner; until there is none.
    while True:
        before, here, after = slice(None, -2), slice(1, -1), slice(2, None)
        within = (reach[here] - reach[before]) * (place[after] - place[before]) <= (
            reach[after] - reach[before]
        ) * (place[here] - place[before])
        within &= owner[before] == owner[after]
        if not within.any():
            break
        corner = np.concatenate([[True], ~within, [True]])
        place, reach, owner = place[corner], reach[corner], owner[corner]
    first = np.repeat(np.arange(len(cells)) * height, cells.height)
    number = np.arange(len(first)) - np.repeat(np.cumsum(cells.height) - cells.height, cells.height)
    wanted = 2 * (first + number)
    after = np.searchsorted(place, wanted)
    before = after - 1
    span = place[after] - place[before]
    return (reach[before] * span + (reach[after] - reach[before]) * (wanted - place[before])) // (
        2 * span
    )
