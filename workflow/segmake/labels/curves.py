"""Smooth curves through many cells: how they are fitted to points, and which of their points is nearest to a pixel."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from segmake.labels.medial_axis import KNOT_DISTANCE, STEP, Axis, smooth_curve

# So near to a whole number, what is rounded down may be another one.
_WHOLE = 1e-9

# A guess of the nearest point is improved so often before it is looked at whether a neighbour is nearer.
_GUESSES = 2


class Curves(NamedTuple):
    """A curve for each of some cells.

    Attributes
    ----------
    number : array (N,)
        How many points it has; 0 for a cell that has none.
    first, last : array (N,)
        The parameter at its ends.
    owner : array (P,)
        The cell of each point, ascending.
    points, tangents : array (2, P)
        Points of the curve (y, x), and its direction there, of length 1.
    places : array (P,)
        The way along the curve to each of them, in pixels.
    curvatures : array (P,)
        One divided by the radius of the circle that the curve follows there; positive where it bends from y to x.
    unsure : array (N,)
        Whether nothing but rounding says on which side of a knot a point is, or how many points there are.
    """

    number: np.ndarray
    first: np.ndarray
    last: np.ndarray
    owner: np.ndarray
    points: np.ndarray
    tangents: np.ndarray
    places: np.ndarray
    curvatures: np.ndarray
    unsure: np.ndarray

    @property
    def starts(self) -> np.ndarray:
        """Where the points of each curve begin."""
        return np.cumsum(self.number) - self.number

    def at(self, places: np.ndarray) -> np.ndarray:
        """Return the point (2, N) at a place along each curve, which goes on straight beyond its ends.

        Of a cell that has no curve, it says nothing.
        """
        before = np.bincount(
            self.owner, self.places < places[self.owner], minlength=len(self.number)
        ).astype(int)
        index = self.starts + np.minimum(before, np.maximum(self.number - 1, 0))
        index = np.minimum(index, len(self.places) - 1)
        return self.points[:, index] + (places - self.places[index]) * self.tangents[:, index]


class _Pieces(NamedTuple):
    """Where points lie along the curves that are to be fitted to them; a curve is a parabola between two knots.

    Attributes
    ----------
    number : array (N,)
        How many parabolas the curve of each cell has; 0 where there are too few points for one.
    first, last : array (N,)
        The parameter at the ends of the curve.
    """

    number: np.ndarray
    first: np.ndarray
    last: np.ndarray

    @property
    def starts(self) -> np.ndarray:
        return np.cumsum(self.number) - self.number

    def knot(self, cells: np.ndarray, index: np.ndarray) -> np.ndarray:
        """Return a knot of each of some cells."""
        number, first, last = self.number[cells], self.first[cells], self.last[cells]
        return index * ((last - first) / number) + first

    def piece_at(self, cells: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Return between which knots of a cell's curve places are: the first piece is 0.

        A place on a knot belongs to the piece that begins there.
        """
        number, first, last = self.number[cells], self.first[cells], self.last[cells]
        piece = np.clip(((places - first) * (number / (last - first))).astype(int), 0, number - 1)
        piece += (places >= self.knot(cells, piece + 1)) & (piece < number - 1)
        piece -= (places < self.knot(cells, piece)) & (piece > 0)
        return piece


def fitted(
    owner: np.ndarray,
    places: np.ndarray,
    positions: np.ndarray,
    weights: np.ndarray | None,
    widths: np.ndarray,
) -> Curves:
    """Return the smooth curve that the points of each cell follow along their places.

    Parameters
    ----------
    owner : array (P,)
        The cell of each point.
    places : array (P,)
        The parameter of each point.
    positions : array (2, P)
    weights : array (P,) or None
        How much a point's distance counts.
    widths : array (N,)
        The width of each cell, by which it is decided how often the curve may bend.
    """
    pieces = _pieces_of(owner, places, widths)
    chosen = pieces.number[owner] > 0
    owner, places, positions = owner[chosen], places[chosen], positions[:, chosen]
    weights = None if weights is None else np.square(weights[chosen])
    return _drawn(pieces, _coefficients(pieces, owner, places, positions, weights))


def fitted_one_by_one(
    owner: np.ndarray,
    places: np.ndarray,
    positions: np.ndarray,
    weights: np.ndarray | None,
    widths: np.ndarray,
) -> Curves:
    """Return what `fitted` returns of the same, made as `segmake.labels.medial_axis` makes it, bit for bit."""
    cells, none = len(widths), np.zeros(0)
    number, ends = np.zeros(cells, int), np.stack([np.zeros(cells), np.ones(cells)])
    axes: list[Axis] = []
    starts = np.searchsorted(owner, np.arange(cells + 1)).tolist()
    for cell, (start, end) in enumerate(pairwise(starts)):
        order = start + np.argsort(places[start:end])
        weight = None if weights is None else weights[order]
        axis = smooth_curve(places[order], positions[:, order].T, weight, float(widths[cell]))
        if axis:
            axes.append(axis)
            number[cell], ends[:, cell] = len(axis.places), places[order[[0, -1]]]
    # Without any, there are arrays without points.
    axes.append(Axis(none.reshape(0, 2), none, none.reshape(0, 2), none))
    points, along, tangents, curvatures = map(np.concatenate, zip(*axes, strict=True))
    return Curves(
        number,
        ends[0],
        ends[1],
        np.repeat(np.arange(cells), number),
        points.T,
        tangents.T,
        along,
        curvatures,
        np.zeros(cells, bool),
    )


def _pieces_of(owner: np.ndarray, places: np.ndarray, widths: np.ndarray) -> _Pieces:
    """Return the pieces of the curves: none for a cell that has a piece with too few points."""
    cells = len(widths)
    enough = np.bincount(owner, minlength=cells) >= 5
    first, last = np.full(cells, np.inf), np.full(cells, -np.inf)
    np.minimum.at(first, owner, places)
    np.maximum.at(last, owner, places)
    enough &= last > first
    first, last = np.where(enough, first, 0.0), np.where(enough, last, 1.0)
    number = np.maximum(1, np.rint((last - first) / (KNOT_DISTANCE * widths))).astype(int)
    pieces = _Pieces(np.where(enough, number, 0), first, last)
    # The very last point is on the last knot, and not before it.
    within = enough[owner] & (places < last[owner])
    owner, places = owner[within], places[within]
    piece = pieces.starts[owner] + pieces.piece_at(owner, places)
    points = np.bincount(piece, minlength=int(pieces.number.sum()))
    few = np.repeat(np.arange(cells), pieces.number)[points < 3]
    number = pieces.number.copy()
    number[few] = 0
    return pieces._replace(number=number)


def _basis(
    pieces: _Pieces, cells: np.ndarray, piece: np.ndarray, within: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the three B-splines that are not 0 in a piece, and their first and second derivatives: each (3, P).

    Parameters
    ----------
    within : array (P,)
        Where in the piece, from 0 to 1; derivatives are by it.
    """
    # Knots at the ends of a curve lie on each other.
    rise = np.where(piece == 0, 1.0, 0.5)
    fall = np.where(piece == pieces.number[cells] - 1, 1.0, 0.5)
    up, down, left = 1 - rise + rise * within, fall * within, 1 - within
    values = np.stack([left * (1 - up), left * up + within * (1 - down), within * down])
    slopes = np.stack(
        [
            up - 1 - left * rise,
            left * rise - up + 1 - down - within * fall,
            down + within * fall,
        ]
    )
    return values, slopes, np.stack([2 * rise, -2 * (rise + fall), 2 * fall])


def _coefficients(
    pieces: _Pieces,
    owner: np.ndarray,
    places: np.ndarray,
    positions: np.ndarray,
    weights: np.ndarray | None,
) -> np.ndarray:
    """Return the factors of the B-splines of all curves, one curve after the other: (C, 2); by least squares."""
    piece = pieces.piece_at(owner, places)
    knot, next_knot = pieces.knot(owner, piece), pieces.knot(owner, piece + 1)
    values = _basis(pieces, owner, piece, (places - knot) / (next_knot - knot))[0]
    weighted = values if weights is None else values * weights
    at, total = pieces.starts[owner] + piece, int(pieces.number.sum())
    squares = np.zeros((total, 3, 3))
    for row in range(3):
        for column in range(row, 3):
            squares[:, row, column] = squares[:, column, row] = np.bincount(
                at, weighted[row] * values[column], total
            )
    wanted = np.stack(
        [[np.bincount(at, row * one, total) for one in positions] for row in weighted]
    ).transpose(2, 0, 1)
    starts, first = pieces.starts, np.cumsum(pieces.number + 2) - pieces.number - 2
    coefficients = np.zeros((int((pieces.number + 2).sum()), 2))
    for number in np.unique(pieces.number[pieces.number > 0]).tolist():
        cells = np.flatnonzero(pieces.number == number)
        matrix, right = np.zeros((len(cells), number + 2, number + 2)), None
        right = np.zeros((len(cells), number + 2, 2))
        for index in range(number):
            part = slice(index, index + 3)
            matrix[:, part, part] += squares[starts[cells] + index]
            right[:, part] += wanted[starts[cells] + index]
        solved = np.linalg.solve(matrix, right)
        coefficients[first[cells][:, None] + np.arange(number + 2)] = solved
    return coefficients


def _drawn(pieces: _Pieces, coefficients: np.ndarray) -> Curves:
    """Return points of the curves, `STEP` apart."""
    there = pieces.number > 0
    length = pieces.last - pieces.first
    number = np.where(there, np.maximum(3, (length / STEP).astype(int)), 0)
    owner = np.repeat(np.arange(len(number)), number)
    starts = np.cumsum(number) - number
    index = np.arange(len(owner)) - starts[owner]
    parameter = index * (length / np.maximum(number - 1, 1))[owner] + pieces.first[owner]
    parameter = np.where(index == number[owner] - 1, pieces.last[owner], parameter)
    piece = pieces.piece_at(owner, parameter)
    knot = pieces.knot(owner, piece)
    side = pieces.knot(owner, piece + 1) - knot
    first = (np.cumsum(pieces.number + 2) - pieces.number - 2)[owner] + piece
    near = np.stack([coefficients[first + part] for part in range(3)])
    points, slopes, bends = (
        np.einsum("ip,ipc->cp", part, near)
        for part in _basis(pieces, owner, piece, (parameter - knot) / side)
    )
    slopes, bends = slopes / side, bends / side**2
    speed = np.hypot(*slopes)
    # A point is on an inner knot where so many of the steps between points make so many pieces.
    on_a_knot = (index * pieces.number[owner]) % np.maximum(number - 1, 1)[owner] == 0
    on_a_knot &= (index > 0) & (index < number[owner] - 1)
    unsure = np.bincount(owner[on_a_knot], minlength=len(number)) > 0
    unsure |= there & (np.abs(length / STEP - np.rint(length / STEP)) < _WHOLE)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Curves(
            number,
            pieces.first,
            pieces.last,
            owner,
            points,
            slopes / speed,
            way_along(owner, points),
            (slopes[0] * bends[1] - slopes[1] * bends[0]) / speed**3,
            unsure,
        )


def way_along(owner: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return how far along the line through its owner's points (2, P) each of them is."""
    along = np.hypot(*np.diff(points, axis=1, prepend=points[:, :1]))
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    along[starts] = 0.0
    # One sum over all lines would cost the later ones digits.
    for start, end in pairwise([*starts.tolist(), len(owner)]):
        np.cumsum(along[start:end], out=along[start:end])
    return along


def nearest_points(
    curves: Curves, owner: np.ndarray, centres: np.ndarray, guess: np.ndarray, even: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return which of the points of its cell's curve is nearest to each pixel, and for which cells (N,) two are.

    From a guess, it is walked along the curve. That leads to the nearest point wherever no other is nearer than its
    neighbours, which holds for a curve that bends little; for others a tree is asked.

    Parameters
    ----------
    owner : array (P,)
        The cell of each pixel, ascending; each has a curve.
    centres : array (2, P)
    guess : array (P,)
        About how many points come before it, of the same curve.
    even : float
        Two points are equally near if the squares of their distances differ by no more.
    """
    starts, number = curves.starts[owner], curves.number[owner]
    low, high = starts, starts + number - 1
    spacing = curves.places[high] / np.maximum(number - 1, 1)
    index = np.clip(starts + np.rint(guess).astype(int), low, high)
    for _ in range(_GUESSES):
        along, across = _seen_from(curves, index, centres)
        stretch = np.clip(1 - curves.curvatures[index] * across, 0.2, 5.0)
        step = np.rint(along / (stretch * spacing)).astype(int)
        index = np.clip(index + step, low, high)
    index, tied = _walked_to(curves, centres, index, low, high, even)
    sure = _bends_little(curves, owner, _squares(curves, index, centres))
    unsure = np.flatnonzero(~sure[owner])
    if len(unsure):
        found = _by_tree(curves, owner[unsure], centres[:, unsure], ~sure, even)
        index[unsure], tied[unsure] = found
    return index, np.bincount(owner[tied], minlength=len(curves.number)) > 0


def _seen_from(
    curves: Curves, index: np.ndarray, centres: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return how far each pixel is from a point of a curve, along and across its direction there."""
    away_y, away_x = centres[0] - curves.points[0][index], centres[1] - curves.points[1][index]
    tangent_y, tangent_x = curves.tangents[0][index], curves.tangents[1][index]
    return away_y * tangent_y + away_x * tangent_x, tangent_y * away_x - tangent_x * away_y


def _squares(curves: Curves, index: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the squares of the distances of pixels from points of curves."""
    away_y, away_x = centres[0] - curves.points[0][index], centres[1] - curves.points[1][index]
    return away_y * away_y + away_x * away_x


def _walked_to(
    curves: Curves,
    centres: np.ndarray,
    index: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    even: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the point of a curve that is nearer to a pixel than its two neighbours, step by step from another.

    The second value says whether a neighbour was as near.
    """
    best = _squares(curves, index, centres)
    tied, moving = np.zeros(len(index), bool), np.arange(len(index))
    while len(moving):
        here, there, still = index[moving], centres[:, moving], best[moving]
        taken = here.copy()
        for step in (-1, 1):
            other = np.clip(here + step, low[moving], high[moving])
            square = _squares(curves, other, there)
            nearer = square < still
            tied[moving] |= (np.abs(square - still) <= even) & (other != taken)
            taken, still = np.where(nearer, other, taken), np.where(nearer, square, still)
        index[moving], best[moving] = taken, still
        moving = moving[taken != here]
    return index, tied


def _bends_little(curves: Curves, owner: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Return for which cells there is one point of the curve that is nearer than its neighbours, for all pixels.

    The curve turns by less than a right angle on its whole way, by so much less as pixels are far from it: then its
    direction leads away from a pixel everywhere beyond the nearest point, and towards it everywhere before.
    """
    cells = len(curves.number)
    tight, far = np.zeros(cells), np.zeros(cells)
    bends = np.abs(curves.curvatures)
    np.maximum.at(tight, curves.owner, bends)
    np.maximum.at(far, owner, squares)
    tangents, same = curves.tangents, curves.owner[1:] == curves.owner[:-1]
    turn = np.abs(
        np.arctan2(
            tangents[0, :-1] * tangents[1, 1:] - tangents[1, :-1] * tangents[0, 1:],
            tangents[0, :-1] * tangents[0, 1:] + tangents[1, :-1] * tangents[1, 1:],
        )
    )
    turned = np.bincount(curves.owner[1:][same], turn[same], cells)
    return (turned < np.pi / 2) & (np.cos(turned) > tight * np.sqrt(far))


def _by_tree(
    curves: Curves, owner: np.ndarray, centres: np.ndarray, cells: np.ndarray, even: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest point of its own cell's curve for each pixel, for some cells (N,), and whether two are."""
    points = np.flatnonzero(cells[curves.owner])
    # In a third direction cells are farther apart than any is long.
    apart = 2 * max(np.abs(curves.points[:, points]).max(), np.abs(centres).max()) * 2 + 1
    tree = cKDTree(np.stack([*curves.points[:, points], curves.owner[points] * apart], axis=1))
    distances, nearest = tree.query(np.stack([*centres, owner * apart], axis=1), k=2)
    squares = np.square(distances)
    # A root has lost a bit of its square.
    lost = 4 * np.spacing(squares[:, 0])
    return points[nearest[:, 0]], squares[:, 1] - squares[:, 0] <= np.maximum(even, lost)
