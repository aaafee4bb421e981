"""Length and width of many cells at once: the numbers of `segmake.labels.medial_axis.measure_rod`, and faster.

What is the same for all cells is computed for all their pixels together. Three things are left to what measures one
cell, since their last bits decide: a point of an axis that lies on a knot, where the curvature jumps; two points of an
axis that are equally near to a pixel; and the direction of a cell that has none. Of the cells whose bent axis is taken,
or nearly so, those with such a point are measured once more with curves of `medial_axis`, bit for bit, and those that
are not decided by that alone by `measure_rod`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.ndimage import label
from skimage.morphology import skeletonize

from segmake.labels.cell_pixels import Canvas, Cells, laid_out
from segmake.labels.curves import Curves, fitted, fitted_one_by_one, nearest_points, way_along
from segmake.labels.longest_paths import longest_paths
from segmake.labels.medial_axis import (
    ASPECTS,
    CLEARLY_MORE,
    CORNERS,
    PARTS_OF_PIXEL,
    PIXEL_EXCESS,
    POWER,
    ROUNDS,
    SHORT,
    SPREADS,
    STEP,
    WITHIN_PIXEL,
    measure_rod,
)

# A cell is spread alike in all directions if the moments differ by no more than such a part of them.
_ALIKE = 1e-5

# Two points are equally near to a pixel if the squares of their distances, in pixels, differ by no more.
_EVEN = 1e-9

# So many pixels the count of those that a bent axis covers may be off while rounding is not yet decided on.
_MAY_BE_OFF = 1


_Fitted = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None, np.ndarray], Curves]


class Rods(NamedTuple):
    """The rods that stand for cells: arrays (N,) of what `segmake.labels.medial_axis.Rod` has of one."""

    length: np.ndarray
    width: np.ndarray
    sinuosity: np.ndarray


def measure_rods(cells: Cells, sides: tuple[float, float] | None = None) -> Rods:
    """Measure cells along their medial axes, all at once.

    Parameters
    ----------
    cells : Cells
        Of a cell in several pieces the largest counts, and its holes are filled.
    sides : tuple of two floats, optional
        Height and width of a pixel that is not square. Lengths and widths of the rods are then in their unit, not in
        pixels.

    Returns
    -------
    Rods
        Whatever the shape: of one that is no rod, such as a ring or a star, the numbers say little.
    """
    rods, left = np.zeros((len(Rods._fields), len(cells))), np.arange(len(cells))
    for measured in (_along_straight_axes, _along_bent_axes, _along_axes_one_by_one):
        parts = [measured(block, sides) for block in cells.of(left).blocks()]
        if parts:
            rods[:, left] = np.concatenate([found for found, _ in parts], axis=1)
            left = left[np.concatenate([again for _, again in parts])]
    for number, image in zip(left.tolist(), cells.of(left).images(), strict=True):
        rods[:, number] = measure_rod(image, sides)
    return Rods(*rods)


class _Pixels(NamedTuple):
    """The pixels of cells.

    Attributes
    ----------
    owner : array (P,)
        The cell of each, ascending.
    centres : array (2, P)
        In the rectangle of the cell; in units in which a pixel has the area 1.
    starts, area : array (N,)
        Where those of each cell begin, and how many they are.
    sides : array (2,) or None
        Height and width of a pixel; None: square.
    """

    owner: np.ndarray
    centres: np.ndarray
    starts: np.ndarray
    area: np.ndarray
    sides: np.ndarray | None

    def of(self, cells: np.ndarray) -> tuple[np.ndarray, _Pixels]:
        """Return which pixels those of some cells (N,) are, and these alone; the cells keep their numbers."""
        chosen = np.flatnonzero(cells[self.owner])
        area = np.where(cells, self.area, 0)
        return chosen, _Pixels(
            self.owner[chosen], self.centres[:, chosen], np.cumsum(area) - area, area, self.sides
        )

    def summed(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of the values of each cell's pixels."""
        return self.reduced(np.add, values)

    def reduced(self, ufunc: np.ufunc, values: np.ndarray) -> np.ndarray:
        """Return the sum, or the smallest or largest, of the values of each cell's pixels; 0 where there are none."""
        found = np.zeros(len(self.area))
        there = self.area > 0
        if there.any():
            found[there] = ufunc.reduceat(values, self.starts[there])
        return found


class _Along(NamedTuple):
    """Pixels as seen from the axes of their cells.

    Attributes
    ----------
    places, across : array (P,)
        The place of each pixel along the axis, and how far across it is.
    stretch : array (P,)
        How much the curve is stretched there. The outer side of a bend has more pixels than the inner side: weights by
        it make up for that, so that the middle of the pixels is the middle of the cell.
    reach : array (P,) or None
        How far it reaches along the axis; None: square pixels reach as far in every direction, by their second moment.
    """

    places: np.ndarray
    across: np.ndarray
    stretch: np.ndarray
    reach: np.ndarray | None

    def with_some(self, where: np.ndarray, some: _Along) -> _Along:
        """Return these with other values for some pixels."""

        def replaced(values: np.ndarray, others: np.ndarray) -> np.ndarray:
            values = values.copy()
            values[where] = others
            return values

        reach = self.reach, some.reach
        return _Along(
            replaced(self.places, some.places),
            replaced(self.across, some.across),
            replaced(self.stretch, some.stretch),
            None if reach[0] is None or reach[1] is None else replaced(reach[0], reach[1]),
        )


class _Fits(NamedTuple):
    """The rods that fit cells: the place of the middle along the axis, and the size; arrays (N,)."""

    middle: np.ndarray
    length: np.ndarray
    width: np.ndarray


class _Straight(NamedTuple):
    """Cells of a block along straight axes.

    Attributes
    ----------
    canvas : Canvas
        With each cell in one piece, and without holes.
    pixels : _Pixels
    directions : array (2, N)
        Of the axes.
    along : _Along
    fits : _Fits
    covered : array (N,)
        How many pixels of each cell its rod covers.
    """

    canvas: Canvas
    pixels: _Pixels
    directions: np.ndarray
    along: _Along
    fits: _Fits
    covered: np.ndarray


def _along_straight_axes(
    cells: Cells, sides: tuple[float, float] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rods (3, N) along straight axes, and of which cells a rod can be better along a bent one."""
    straight = _straight(cells, sides)
    ends = np.hypot(*straight.directions) * straight.fits.length
    can_be_better = straight.pixels.area > CLEARLY_MORE * straight.covered
    return _as_rods(straight.fits, ends, sides), can_be_better


def _along_bent_axes(
    cells: Cells, sides: tuple[float, float] | None, *, one_by_one: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rods (3, N) along bent axes where they are better, and which may be others but for rounding."""
    straight = _straight(cells, sides)
    fits, pixels = straight.fits, straight.pixels
    bent, along, bent_fits, unsure = _refined(straight, one_by_one=one_by_one)
    part = pixels.of(bent.number > 0)[1]
    tight = np.zeros(len(cells))
    np.maximum.at(tight, bent.owner, np.abs(bent.curvatures))
    # A tube can't bend more tightly than this: where it would, a short cell is a blob that is no tube.
    folded = (tight * bent_fits.width > 2) & (bent_fits.length < 3 * bent_fits.width)
    covered = _covered(part, along, bent_fits)
    wanted = CLEARLY_MORE * straight.covered
    better = (bent.number > 0) & ~folded & (covered > wanted)

    ends = np.hypot(*straight.directions) * fits.length
    if better.any():
        half = bent_fits.length / 2
        bent_ends = bent.at(bent_fits.middle - half) - bent.at(bent_fits.middle + half)
        ends = np.where(better, np.hypot(*bent_ends), ends)
    best = _Fits(*(np.where(better, *both) for both in zip(bent_fits, fits, strict=True)))
    return _as_rods(best, ends, sides), unsure & (covered + _MAY_BE_OFF > wanted)


def _along_axes_one_by_one(
    cells: Cells, sides: tuple[float, float] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Do as `_along_bent_axes`, with curves that are made as `measure_rod` makes them."""
    return _along_bent_axes(cells, sides, one_by_one=True)


def _as_rods(fits: _Fits, ends: np.ndarray, sides: tuple[float, float] | None) -> np.ndarray:
    """Return the rods (3, N) of fits whose ends are so far apart."""
    sinuosity = np.maximum(1.0, fits.length / np.maximum(ends, 1.0))
    unit = 1.0 if sides is None else math.sqrt(sides[0] * sides[1])
    return np.stack([fits.length * unit, fits.width * unit, sinuosity])


def _straight(cells: Cells, sides: tuple[float, float] | None) -> _Straight:
    """Return the cells of a block along straight axes."""
    canvas = laid_out(cells)
    owner, places, canvas = _in_one_piece(cells, canvas)
    y, x = np.divmod(places - canvas.offsets[owner], canvas.pixels.shape[1])
    # As they are counted where a cell has a pixel of background around it: rounding is the same then.
    centres, scales = np.stack([y + 1, x + 1]).astype(float), None
    if sides is not None:
        # The unit of length is the side of a square as large as a pixel, so that a pixel's area stays 1.
        scales = np.divide(sides, math.sqrt(sides[0] * sides[1]))
        centres *= scales[:, None]
    area = np.bincount(owner, minlength=len(cells))
    pixels = _Pixels(owner, centres, np.cumsum(area) - area, area, scales)
    directions, along = _by_moments(pixels)
    fits = _rods(pixels, along)
    return _Straight(canvas, pixels, directions, along, fits, _covered(pixels, along, fits))


def _in_one_piece(cells: Cells, canvas: Canvas) -> tuple[np.ndarray, np.ndarray, Canvas]:
    """Return owner and place of the pixels of each cell's largest piece, without holes, and a canvas of them."""
    owner, places = cells.owner, canvas.places
    pieces, number = label(canvas.pixels, np.ones((3, 3)))
    if number > len(cells):
        kept = _largest(owner, pieces.ravel()[places])
        owner, places = owner[kept], places[kept]
        canvas = _with(canvas, places)
    outside, number = label(~canvas.pixels)
    if number > 1:
        hole = np.flatnonzero(outside.ravel() > 0)
        hole = hole[outside.ravel()[hole] != outside[0, 0]]
        owner_at = np.zeros(canvas.pixels.size, int)
        owner_at[places] = owner
        # The first pixel of a hole has a pixel of the cell before it.
        _, first, which = np.unique(outside.ravel()[hole], return_index=True, return_inverse=True)
        around = owner_at[hole[first] - 1]
        owner, places = np.concatenate([owner, around[which]]), np.concatenate([places, hole])
        order = np.lexsort((places, owner))
        owner, places = owner[order], places[order]
        canvas = _with(canvas, places)
    return owner, places, canvas


def _with(canvas: Canvas, places: np.ndarray) -> Canvas:
    """Return a canvas with other pixels of the same cells."""
    pixels = np.zeros_like(canvas.pixels)
    pixels.ravel()[places] = True
    return Canvas(pixels, places, canvas.offsets)


def _largest(owner: np.ndarray, pieces: np.ndarray) -> np.ndarray:
    """Return which pixels are of the largest piece of their cell, or of the first of those that are as large."""
    _, first, which, size = np.unique(
        pieces, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.lexsort((first, -size, owner[first]))
    _, best = np.unique(owner[first][order], return_index=True)
    kept = np.zeros(len(first), bool)
    kept[order[best]] = True
    return kept[which]


def _by_moments(pixels: _Pixels) -> tuple[np.ndarray, _Along]:
    """Return the direction (2, N) in which the pixels of each cell are spread most, and the pixels along it."""
    middle = np.stack([pixels.summed(values) for values in pixels.centres]) / pixels.area
    centred = pixels.centres - middle[:, pixels.owner]
    squares = np.empty((len(pixels.area), 2, 2))
    for row, column in ((0, 0), (0, 1), (1, 1)):
        sums = pixels.summed(centred[row] * centred[column])
        squares[:, row, column] = squares[:, column, row] = sums
    directions = np.linalg.eigh(squares)[1][:, :, 1].T
    apart = np.hypot(squares[:, 0, 0] - squares[:, 1, 1], 2 * squares[:, 0, 1])
    for cell in np.flatnonzero(apart <= _ALIKE * np.trace(squares, axis1=1, axis2=2)).tolist():
        directions[:, cell] = _direction_by_chance(pixels, cell)
    of_pixel = directions[:, pixels.owner]
    places = (centred * of_pixel).sum(axis=0)
    across = of_pixel[0] * centred[1] - of_pixel[1] * centred[0]
    return directions, _Along(places, across, np.ones(len(places)), _reach(pixels, of_pixel))


def _direction_by_chance(pixels: _Pixels, cell: int) -> np.ndarray:
    """Return the direction for a cell that has none, such as a disc: rounding decides, as it did ever since."""
    part = slice(pixels.starts[cell], pixels.starts[cell] + pixels.area[cell])
    centres = pixels.centres[:, part].T
    centred = centres - centres.mean(axis=0)
    direction: np.ndarray = np.linalg.eigh(centred.T @ centred)[1][:, 1]
    return direction


def _reach(pixels: _Pixels, directions: np.ndarray) -> np.ndarray | None:
    """Return how far each pixel reaches in a direction (2, P); None: square ones reach as far in all."""
    if pixels.sides is None:
        return None
    return np.hypot(directions[0] * pixels.sides[0], directions[1] * pixels.sides[1])


def _skeleton_curves(canvas: Canvas, pixels: _Pixels, fitted: _Fitted) -> Curves:
    """Return a smooth curve along the skeleton of each cell that is not too short for one."""
    skeleton = skeletonize(canvas.pixels).ravel()[canvas.places]
    owner, places = pixels.owner[skeleton], canvas.places[skeleton]
    shape = canvas.pixels.shape
    begin = _begins(owner, places, canvas)
    path = longest_paths(shape, owner, places, begin)
    y, x = np.divmod(path.places - canvas.offsets[path.owner], shape[1])
    positions = np.stack([y + 1, x + 1]).astype(float)
    if pixels.sides is not None:
        positions *= pixels.sides[:, None]
    along = way_along(path.owner, positions)
    # The width of a tube of this area whose skeleton ends a quarter of the width before its ends.
    length = along[np.cumsum(np.bincount(path.owner)) - 1]
    width = np.sqrt(length**2 + 2 * pixels.area) - length
    margin = (width / 4)[path.owner]
    inner = (along >= margin) & (along <= length[path.owner] - margin)
    inner &= (length >= width)[path.owner]
    return fitted(path.owner[inner], along[inner], positions[:, inner], None, width)


def _begins(owner: np.ndarray, places: np.ndarray, canvas: Canvas) -> np.ndarray:
    """Return the pixel of each skeleton from which the end of its longest path is looked for.

    It decides between paths that are as long as each other: of all pixels it is the one that Python's own order of a
    set begins with, as it was when each cell had a set of its own.
    """
    y, x = np.divmod(places - canvas.offsets[owner], canvas.pixels.shape[1])
    pairs = list(zip((y + 1).tolist(), (x + 1).tolist(), strict=True))
    starts = np.flatnonzero(np.diff(owner, prepend=-1)).tolist()
    first = [
        next(iter(set(pairs[start:end])))
        for start, end in zip(starts, [*starts[1:], len(pairs)], strict=True)
    ]
    down, right = np.array(first).T - 1
    begin: np.ndarray = canvas.offsets + down * canvas.pixels.shape[1] + right
    return begin


def _refined(straight: _Straight, *, one_by_one: bool) -> tuple[Curves, _Along, _Fits, np.ndarray]:
    """Return the curves through the middle of the pixels along the axes, the pixels along them, and the rods.

    The first axis of a cell is the curve along its skeleton, or a straight line where there is none. A cell that is too
    short for a curve has none. The last value (N,) says of which cells rounding decided.
    """
    make, even = (fitted_one_by_one, 0.0) if one_by_one else (fitted, _EVEN)
    pixels = straight.pixels
    curves = _skeleton_curves(straight.canvas, pixels, make)
    # The places along a skeleton are those of `measure_rod` bit for bit, and those along straight lines are not.
    unsure = (curves.number == 0) & one_by_one
    along, part = straight.along, pixels
    curved, some = pixels.of(curves.number > 0)
    if len(curved):
        guess = _guess_by_line(curves, some, straight.directions, straight.along.places[curved])
        onto, tied = _projected(curves, some, guess, even)
        along, unsure = along.with_some(curved, onto), unsure | tied
    for _ in range(ROUNDS):
        rods = _rods(part, along)
        alive = (part.area > 0) & (rods.length - rods.width >= SHORT)
        # The last pixels of the ends are few and say little of the direction.
        limit = np.where(alive, (rods.length - rods.width / 2) / 2, -1.0)
        inner = np.abs(along.places - rods.middle[part.owner]) <= limit[part.owner]
        curves = make(
            part.owner[inner],
            along.places[inner],
            part.centres[:, inner],
            1 / np.sqrt(along.stretch[inner]),
            np.where(alive, rods.width, 1.0),
        )
        kept, part = part.of(curves.number > 0)
        guess = (along.places[kept] - curves.first[part.owner]) * (
            (curves.number - 1) / (curves.last - curves.first)
        )[part.owner]
        along, tied = _projected(curves, part, guess, even)
        unsure = unsure | curves.unsure | tied
    return curves, along, _rods(part, along), unsure


def _guess_by_line(
    curves: Curves, pixels: _Pixels, directions: np.ndarray, places: np.ndarray
) -> np.ndarray:
    """Return about how many points of its cell's curve come before each pixel, by its place along a straight line."""
    there = curves.number > 0
    ends = curves.starts[there], (curves.starts + curves.number)[there] - 1
    first, last = np.zeros(len(there)), np.ones(len(there))
    count = np.maximum(pixels.area, 1)
    middle = np.stack([pixels.summed(values) for values in pixels.centres]) / count
    for found, end in zip((first, last), ends, strict=True):
        away = curves.points[:, end] - middle[:, there]
        found[there] = (away * directions[:, there]).sum(axis=0)
    span = last - first
    span = np.where(np.abs(span) < 1, 1.0, span)
    per_pixel = (curves.number - 1) / span
    return (places - first[pixels.owner]) * per_pixel[pixels.owner]


def _projected(
    curves: Curves, pixels: _Pixels, guess: np.ndarray, even: float
) -> tuple[_Along, np.ndarray]:
    """Return pixels as seen from the curves of their cells, all of which have one, and whose nearest points are even.

    Parameters
    ----------
    even : float
        Two points are equally near if the squares of their distances differ by no more.
    """
    nearest, tied = nearest_points(curves, pixels.owner, pixels.centres, guess, even)
    tangents = curves.tangents[:, nearest]
    away = pixels.centres - curves.points[:, nearest]
    along = (away * tangents).sum(axis=0)
    across = tangents[0] * away[1] - tangents[1] * away[0]
    # A bent axis goes on straight beyond its ends.
    stretch = np.clip(1 - curves.curvatures[nearest] * across, 0.2, 5.0)
    stretch[np.abs(along) > STEP] = 1.0
    places = curves.places[nearest] + along / stretch
    return _Along(places, across, stretch, _reach(pixels, tangents)), tied


def _rods(pixels: _Pixels, along: _Along) -> _Fits:
    """Return the rods that have as many pixels, spread as far along the axis, as those with these places.

    All that is needed are the sums of the powers of the places, from which those about any middle follow.
    """
    area = np.maximum(pixels.area, 1)
    low, high = (pixels.reduced(end, along.places) for end in (np.minimum, np.maximum))
    scale = (high - low) / 2 + 1
    scaled = (along.places - ((low + high) / 2)[pixels.owner]) / scale[pixels.owner]
    power, sums = np.ones_like(scaled), [pixels.area.astype(float)]
    for _ in range(POWER):
        power = power * scaled
        sums.append(pixels.summed(power))
    # The middle is where the spread is least: Newton's method, for a convex function.
    middle = np.zeros(len(area))
    for _ in range(5):
        sixth = _moved(sums, POWER - 2, middle)
        middle += _moved(sums, POWER - 1, middle) / np.maximum((POWER - 1) * sixth, 1e-12)
    if along.reach is None:
        spreads = [_moved(sums, POWER, middle - within / scale) for within in WITHIN_PIXEL]
        total = sum(part * spread for part, spread in zip(PARTS_OF_PIXEL, spreads, strict=True))
    else:
        reach = along.reach / scale[pixels.owner]
        distance = scaled - middle[pixels.owner]
        eighths = sum(
            part * np.square(np.square(np.square(distance + within * reach)))
            for part, within in zip(PARTS_OF_PIXEL, WITHIN_PIXEL, strict=True)
        )
        total = pixels.summed(eighths)
    spread = scale * (total / area) ** (1 / POWER)
    aspect = np.interp(spread / np.sqrt(area), SPREADS, ASPECTS)
    excess = (aspect - 1) * np.sqrt(area / (aspect - CORNERS))
    # Pixels make round cells look longer in one direction, always; what they add is uncorrelated with a true length.
    excess = np.sqrt(np.maximum(excess**2 - PIXEL_EXCESS**2, 0.0))
    width = (np.sqrt(excess**2 + np.pi * area) - excess) / (np.pi / 2)
    return _Fits((low + high) / 2 + middle * scale, width + excess, width)


def _moved(sums: Sequence[np.ndarray], power: int, middle: np.ndarray) -> np.ndarray:
    """Return the sums of a power of the distances from a middle, of the sums of the powers of places."""
    total = np.zeros_like(middle)
    for exponent in range(power + 1):
        total = total * -middle + math.comb(power, exponent) * sums[exponent]
    return total


def _covered(pixels: _Pixels, along: _Along, fits: _Fits) -> np.ndarray:
    """Return how many pixels of each cell its rod covers."""
    owner, tube = pixels.owner, (fits.length - fits.width) / 2
    beyond = np.maximum(np.abs(along.places - fits.middle[owner]) - tube[owner], 0.0)
    covered = beyond**2 + along.across**2 <= (fits.width**2 / 4)[owner]
    return np.bincount(owner[covered], minlength=len(pixels.area))
