"""Links the cells of a movie in time: who is who in the next frame, and who came of whom.

A cell is known again by how much of it lies on a cell of the frame before, once each of those has been moved as the
cells around it moved: a stage drifts, and a growing colony pushes its cells outwards. Which links fit best together,
and which cells divided, laptrack decides. Two frames are in memory at a time, whatever the length of the movie.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from skimage.registration import phase_cross_correlation
from skimage.util import map_array

from segmake.core.settings import Tracking
from segmake.core.tables import write_csv
from segmake.messages import Problem

# Drift is looked for in pictures of at most so many pixels a side: planes, volumes.
_COARSE = {2: 512, 3: 128}

# A drift is believed that makes cells the same to this part.
_BELIEVED = 0.2

# Movement is looked for in about so many pixels of each cell, in at most so many rounds.
_PIXELS_A_CELL = 150
_ROUNDS = 8

# A cell moves as so many cells around it do: those of which at least this part is the same before and after...
_NEIGHBOURS = 8
_SURELY_SAME = 0.4
# ...unless the third nearest of them is farther away than so many diameters of a cell.
_REACH = 4.0

# Two daughters together are at most so many times as large as their mother...
_GROWTH = 1.6
# ...and a cell that grows more than this from frame to frame had been cut in two by mistake.
_HEALED = 1.5

# laptrack compares all cells that it is given at once: about so many.
_GROUP = 60

# No link costs as much; and what laptrack calls the costs of not linking a cell.
_NO_LINK = 2.1
_COSTS_OF_NONE = (
    "track_start_cost",
    "track_end_cost",
    "segment_start_cost",
    "segment_end_cost",
    "no_splitting_cost",
    "no_merging_cost",
)


@dataclass(frozen=True)
class Links:
    """What became of the cells of a movie.

    Attributes
    ----------
    tracks, divisions : int
        Number of tracks and of divisions. A track is a cell from its birth, or from when it is first seen, until it
        divides or is seen for the last time.
    followed : float
        Part of the cells, those of the first frame left out, that are linked to a cell before; 1 if there are none.
    lineage : DataFrame
        A row for each track: ``track`` (1, 2... in order of appearance), ``parent``, ``daughter_1``, ``daughter_2``
        (tracks; 0 for none), ``generation`` (0 without a known mother), ``first_time`` and ``last_time``.
    """

    tracks: int
    divisions: int
    followed: float
    lineage: pd.DataFrame
    _numbers: tuple[tuple[np.ndarray, np.ndarray], ...] = field(repr=False)

    def relabel(self, frame: int, labels: np.ndarray) -> np.ndarray:
        """Return labels with the numbers of tracks in place of the cells' own.

        Parameters
        ----------
        frame : int
            Which frame of the movie, counted from 0.
        labels : array, integers
            The frame, or planes of it.

        Returns
        -------
        array of the same shape
            uint16, or uint32 for all frames of a movie with more than 65,535 tracks.
        """
        dtype = np.uint16 if self.tracks <= np.iinfo(np.uint16).max else np.uint32
        own, tracks = self._numbers[frame]
        return map_array(labels, own, tracks.astype(dtype))


def link(
    frames: Iterable[np.ndarray],
    settings: Tracking | None = None,
    *,
    times: Sequence[int] | None = None,
) -> Links:
    """Link the cells of a movie.

    Parameters
    ----------
    frames : iterable of array (Y, X) or (Z, Y, X), integers
        A label image for each time point, all of one size; 0 is the background. They are read one after the other,
        each once.
    settings : Tracking, optional
        The section ``tracking`` of the config; else its defaults.
    times : sequence of int, optional
        What the time points are called in the lineage; 1, 2, 3... if left out.

    Raises
    ------
    Problem
        ``SM-TRK-001`` if laptrack is not installed.
    ValueError
        If the frames differ in size.
    """
    tracker = _Tracker(settings or Tracking())
    for frame in frames:
        tracker.add(frame)
    return tracker.links(times)


def add_parents(table: pd.DataFrame, lineage: pd.DataFrame) -> pd.DataFrame:
    """Return a table of cells with ``track`` and ``parent`` after ``label``; parent 0: no known mother.

    Parameters
    ----------
    table : DataFrame
        The cells of a movie, labelled with the numbers of their tracks.
    lineage : DataFrame
        As `Links` has it.
    """
    parents = table["label"].map(lineage.set_index("track")["parent"]).astype("int64")
    place = list(table.columns).index("label") + 1
    table = table.copy()
    table.insert(place, "track", table["label"])
    table.insert(place + 1, "parent", parents)
    return table


def write_lineage(path: Path, lineage: pd.DataFrame) -> None:
    """Write a lineage as CSV; its folder is made."""
    write_csv(lineage, path)


@dataclass(frozen=True)
class _Cells:
    """Cells as they were when last seen, where they should be now.

    Attributes
    ----------
    numbers : array (N,)
        Each cell's place among all cells of the movie.
    missing : array (N,)
        In how many frames it was not found since.
    centres : array (N, D)
    sizes : array (N,)
        Number of pixels.
    pixels : array (P, D), int32
        Where the pixels of all cells are...
    owners : array (P,)
        ...and whose they are: 0..N-1.
    weight : int
        For how many pixels each of them stands.
    """

    numbers: np.ndarray
    missing: np.ndarray
    centres: np.ndarray
    sizes: np.ndarray
    pixels: np.ndarray
    owners: np.ndarray
    weight: int = 1

    @classmethod
    def of(cls, frame: np.ndarray, first_number: int) -> tuple[np.ndarray, _Cells]:
        """Return the labels of a frame in order, and its cells in the same order."""
        pixels = np.argwhere(frame).astype(np.int32)
        values = frame[tuple(pixels.T)]
        labels, owners, sizes = np.unique(values, return_inverse=True, return_counts=True)
        count = len(labels)
        sums = [np.bincount(owners, weights=places, minlength=count) for places in pixels.T]
        centres = np.stack(sums, axis=1) / sizes[:, None]
        numbers = first_number + np.arange(count)
        return labels, cls(numbers, np.zeros(count, int), centres, sizes, pixels, owners)

    def __len__(self) -> int:
        return len(self.numbers)

    def chosen(self, which: np.ndarray) -> _Cells:
        """Return some of the cells: `which` (N,) says whether."""
        theirs = which[self.owners]
        return replace(
            self,
            numbers=self.numbers[which],
            missing=self.missing[which],
            centres=self.centres[which],
            sizes=self.sizes[which],
            pixels=self.pixels[theirs],
            owners=(np.cumsum(which) - 1)[self.owners[theirs]],
        )

    def moved(self, steps: np.ndarray) -> _Cells:
        """Return the cells after their steps (N, D), missing in one frame more."""
        return replace(
            self,
            missing=self.missing + 1,
            centres=self.centres + steps,
            pixels=self.pixels + _whole(steps)[self.owners],
        )

    def joined(self, others: _Cells) -> _Cells:
        """Return these cells and then the others."""
        return _Cells(
            numbers=np.concatenate([self.numbers, others.numbers]),
            missing=np.concatenate([self.missing, others.missing]),
            centres=np.concatenate([self.centres, others.centres]),
            sizes=np.concatenate([self.sizes, others.sizes]),
            pixels=np.concatenate([self.pixels, others.pixels]),
            owners=np.concatenate([self.owners, others.owners + len(self)]),
        )

    def thinned(self) -> _Cells:
        """Return the cells with so few pixels as are needed to see where they move."""
        every = max(1, len(self.pixels) // (_PIXELS_A_CELL * len(self)))
        return replace(self, pixels=self.pixels[::every], owners=self.owners[::every], weight=every)


class _Tracker:
    """Takes the frames one after the other, and keeps of each what the lineage needs."""

    def __init__(self, settings: Tracking) -> None:
        self._settings = settings
        self._labels: list[np.ndarray] = []
        self._sizes: list[np.ndarray] = []
        self._origins: list[np.ndarray] = []
        # The last frame, and the cells that were in it or are missing since.
        self._shape: tuple[int, ...] | None = None
        self._known: _Cells | None = None

    def add(self, frame: np.ndarray) -> None:
        """Link the cells of the next frame to those known so far."""
        if self._shape not in (None, frame.shape):
            raise ValueError(f"frames of {self._shape} and of {frame.shape} pixels")
        labels, cells = _Cells.of(frame, sum(map(len, self._labels)))
        origins, known = np.full(len(cells), -1), self._known
        if known is None or len(known) == 0:
            self._known = cells
        else:
            steps = np.zeros_like(known.centres)
            if len(cells):
                picture = _picture(cells, frame.shape)
                steps = _movement(known, cells, picture)
                origins = _origins(known, steps, cells, picture, self._settings)
            lost = known.missing < self._settings.max_gap
            lost[origins[origins >= 0]] = False
            self._known = cells.joined(known.chosen(lost).moved(steps[lost]))
            origins[origins >= 0] = known.numbers[origins[origins >= 0]]
        self._shape = frame.shape
        self._labels.append(labels)
        self._sizes.append(cells.sizes)
        self._origins.append(origins)

    def links(self, times: Sequence[int] | None) -> Links:
        """Number the tracks."""
        counts = [len(labels) for labels in self._labels]
        if not counts:
            raise ValueError("no frame")
        origins = _without_false_divisions(
            np.concatenate(self._origins), np.concatenate(self._sizes), self._settings.max_gap
        )
        tracks, parents = _tracks(origins)
        names = range(1, len(counts) + 1) if times is None else times
        lineage = _lineage(tracks, parents, np.repeat(np.array(names, np.int64), counts))
        later = origins[counts[0] :]
        by_frame = np.split(tracks, np.cumsum(counts)[:-1])
        return Links(
            tracks=len(lineage),
            divisions=int((lineage["daughter_1"] > 0).sum()),
            followed=float((later >= 0).mean()) if len(later) else 1.0,
            lineage=lineage,
            _numbers=tuple(zip(self._labels, by_frame, strict=True)),
        )


def _whole(steps: np.ndarray) -> np.ndarray:
    return np.rint(steps).astype(np.int32)


def _picture(cells: _Cells, shape: tuple[int, ...]) -> np.ndarray:
    """Return a frame whose pixels say whose they are: 0..N-1, or -1."""
    picture = np.full(shape, -1, np.int32)
    picture[tuple(cells.pixels.T)] = cells.owners
    return picture


def _overlaps(
    known: _Cells, steps: np.ndarray, picture: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which known cells, after their steps, lie on which of the `count` cells, and with how many pixels."""
    places = known.pixels + _whole(steps)[known.owners]
    inside = ((places >= 0) & (places < picture.shape)).all(axis=1)
    under = picture[tuple(places[inside].T)]
    on_cell = under >= 0
    pairs = known.owners[inside][on_cell], under[on_cell]
    pixels = np.full(len(pairs[0]), known.weight)
    # Adds up what pairs have in common.
    table = coo_matrix((pixels, pairs), shape=(len(known), count)).tocsr().tocoo()
    return table.row, table.col, table.data


def _same(
    known: _Cells, steps: np.ndarray, cells: _Cells, picture: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pairs that agree best for both of them, and how much: the shared part of what they cover, 0 to 1."""
    first, second, shared = _overlaps(known, steps, picture, len(cells))
    sizes = known.sizes[first], cells.sizes[second]
    # Where a pixel stands for many, it may stand for more than a cell has.
    shared = np.minimum(shared, np.minimum(*sizes))
    agree = shared / (sizes[0] + sizes[1] - shared)
    best_of_first, best_of_second = np.zeros(len(known)), np.zeros(len(cells))
    np.maximum.at(best_of_first, first, agree)
    np.maximum.at(best_of_second, second, agree)
    best = (agree == best_of_first[first]) & (agree == best_of_second[second])
    return first[best], second[best], agree[best]


def _movement(known: _Cells, cells: _Cells, picture: np.ndarray) -> np.ndarray:
    """Return the step (N, D) of each known cell to where it should be now."""
    known = known.thinned()

    def agreement(steps: np.ndarray) -> float:
        return _same(known, steps, cells, picture)[2].sum() / min(len(known), len(cells))

    still = np.zeros_like(known.centres)
    drift = still + _drift(known, cells, picture.shape)
    # Where each cell goes its own way, any shift brings a few of them onto others.
    starts = [still, drift] if agreement(drift) > _BELIEVED else [still]
    guesses = [*starts, *(_with_neighbours(known, start, cells, picture) for start in starts)]
    # Of equals the first: what need not move stays.
    return max(guesses, key=agreement)


def _drift(known: _Cells, cells: _Cells, shape: tuple[int, ...]) -> np.ndarray:
    """Return by how much (D,) the frame as a whole moved."""
    size = np.array(shape)
    coarser = -(-size // _COARSE[len(shape)])
    small = tuple(-(-size // coarser))
    pictures = []
    for each in (cells, known):
        inside = ((each.pixels >= 0) & (each.pixels < size)).all(axis=1)
        places = np.ravel_multi_index(tuple((each.pixels[inside] // coarser).T), small)
        pixels = np.bincount(places, minlength=int(np.prod(small)))
        pictures.append(pixels.reshape(small).astype(np.float32))
    shift, _, _ = phase_cross_correlation(
        *pictures, normalization=None, upsample_factor=int(coarser.max())
    )
    return shift * coarser


def _with_neighbours(
    known: _Cells, steps: np.ndarray, cells: _Cells, picture: np.ndarray
) -> np.ndarray:
    """Return the step (N, D) that the cells around each known cell make, beginning with a guess."""
    diameter = np.median(known.sizes) ** (1 / picture.ndim)
    for _ in range(_ROUNDS):
        first, second, agree = _same(known, steps, cells, picture)
        sure = agree > _SURELY_SAME
        if np.count_nonzero(sure) < 3:
            break
        first, second = first[sure], second[sure]
        made = cells.centres[second] - known.centres[first]
        number = min(_NEIGHBOURS, len(first))
        distances, near = cKDTree(known.centres[first]).query(known.centres, number)
        alone = distances[:, 2] > _REACH * diameter
        better = np.where(alone[:, None], steps, np.median(made[near], axis=1))
        settled = np.array_equal(_whole(better), _whole(steps))
        steps = better
        if settled:
            break
    return steps


def _origins(
    known: _Cells, steps: np.ndarray, cells: _Cells, picture: np.ndarray, settings: Tracking
) -> np.ndarray:
    """Return for each cell (N,) which of the known cells it is or came of, or -1."""
    costs: dict[tuple[int, int], float] = {}
    if settings.max_distance:
        centres = [cKDTree(known.centres + steps), cKDTree(cells.centres)]
        near = centres[0].sparse_distance_matrix(centres[1], settings.max_distance)
        costs = {pair: 1 + far / settings.max_distance for pair, far in near.items()}
    first, second, shared = _overlaps(known, steps, picture, len(cells))
    outside = 1 - shared / cells.sizes[second]
    fits = outside <= 1 - settings.min_overlap
    pairs = zip(first[fits].tolist(), second[fits].tolist(), strict=True)
    costs |= dict(zip(pairs, outside[fits].tolist(), strict=True))
    found = _best_links(costs, len(known), len(cells))
    origins = np.full(len(cells), -1)
    for origin, cell in _without_large_daughters(found, costs, known.sizes, cells.sizes):
        origins[cell] = origin
    return origins


def _best_links(
    costs: dict[tuple[int, int], float], before: int, after: int
) -> list[tuple[int, int]]:
    """Return the pairs that together cost least: each cell in at most one, each cell before in at most two.

    Parameters
    ----------
    costs : dict
        The cost of each pair (cell before, cell after) that may be linked, 0 to 2.
    before, after : int
        Number of cells.
    """
    if not costs:
        return []
    try:
        from laptrack import LapTrack
    except ImportError as error:
        raise Problem("SM-TRK-001", package=str(error.name or error)) from error
    # Cells after are numbered on, so that a number says which cell it is.
    both_ways = {(one, before + other): cost for (one, other), cost in costs.items()}
    both_ways |= {(other, one): cost for (one, other), cost in both_ways.items()}
    frames = _independent_frames(costs, before, after)

    def cost(one: np.ndarray, other: np.ndarray) -> float:
        return both_ways.get((one[0], other[0]), np.inf)

    options: dict[str, Any] = {
        "metric": cost,
        "cutoff": _NO_LINK,
        "splitting_metric": cost,
        "splitting_cutoff": _NO_LINK,
        "gap_closing_cutoff": False,
        **dict.fromkeys(_COSTS_OF_NONE, _NO_LINK),
    }
    tracker = LapTrack(**options)
    links = []
    for one, other in tracker.predict(frames).edges():
        numbers = sorted(int(frames[frame][row, 0]) for frame, row in (one, other))
        links.append((numbers[0], numbers[1] - before))
    return sorted(links)


def _independent_frames(
    costs: dict[tuple[int, int], float], before: int, after: int
) -> list[np.ndarray]:
    """Return frames for laptrack: cells before, cells after, none; and again for other cells.

    laptrack compares each cell of a frame with each of the next. Groups of cells without a pair between them are
    linked in the same way when they are given one after the other, much faster; a frame without cells keeps them apart.
    """
    first, second = np.array(list(costs)).T
    count = before + after
    links = coo_matrix((np.ones(len(first)), (first, before + second)), shape=(count, count))
    islands = connected_components(links, directed=False)[1]
    cells = np.unique(np.concatenate([first, before + second]))
    # Islands come in the order of their numbers, each as a whole in one group.
    sizes = np.bincount(islands[cells])
    groups = (np.cumsum(sizes) - sizes)[islands[cells]] // _GROUP
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order])) + 1
    frames = []
    for group in np.split(cells[order].astype(float), starts):
        frames += [group[group < before, None], group[group >= before, None], np.empty((0, 1))]
    return frames


def _without_large_daughters(
    links: list[tuple[int, int]],
    costs: dict[tuple[int, int], float],
    before: np.ndarray,
    after: np.ndarray,
) -> list[tuple[int, int]]:
    """Return links without the worse one of two daughters that are together too large for their mother."""
    daughters: dict[int, list[int]] = {}
    for origin, cell in links:
        daughters.setdefault(origin, []).append(cell)
    kept = []
    for origin, cells in daughters.items():
        if len(cells) == 2 and after[cells].sum() > _GROWTH * before[origin]:
            cells = [min(cells, key=lambda cell: costs[origin, cell])]
        kept += [(origin, cell) for cell in cells]
    return kept


def _without_false_divisions(origins: np.ndarray, sizes: np.ndarray, max_gap: int) -> np.ndarray:
    """Return origins without the divisions that were none: a cell was cut in two, and whole again soon after.

    Parameters
    ----------
    origins : array (N,)
        For each cell of the movie which cell it is or came of, or -1.
    sizes : array (N,)
    max_gap : int
        A division is doubted for so many frames.
    """
    origins = origins.copy()
    children: list[list[int]] = [[] for _ in origins]
    for cell, origin in enumerate(origins.tolist()):
        if origin >= 0:
            children[origin].append(cell)

    def healed(lost: int, kept: int) -> bool:
        for _ in range(max_gap):
            if len(children[kept]) != 1:
                return False
            (later,) = children[kept]
            if not children[lost]:
                return bool(sizes[later] > _HEALED * sizes[kept])
            if len(children[lost]) > 1:
                return False
            (lost,), kept = children[lost], later
        return False

    for one, other in [pair for pair in children if len(pair) == 2]:
        if healed(one, other):
            origins[one] = -1
        elif healed(other, one):
            origins[other] = -1
    return origins


def _tracks(origins: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Return the track of each cell (N,), and the parent of each track: 0 for none."""
    children = np.bincount(origins[origins >= 0], minlength=len(origins))
    tracks: list[int] = []
    parents: list[int] = []
    for origin in origins.tolist():
        if origin >= 0 and children[origin] == 1:
            tracks.append(tracks[origin])
        else:
            parents.append(tracks[origin] if origin >= 0 else 0)
            tracks.append(len(parents))
    return np.array(tracks, np.int64), parents


def _lineage(tracks: np.ndarray, parents: list[int], times: np.ndarray) -> pd.DataFrame:
    """Return the table that `Links` describes, from the track and time of each cell."""
    generations: list[int] = []
    for parent in parents:
        generations.append(generations[parent - 1] + 1 if parent else 0)
    lineage = pd.DataFrame(
        {"track": np.arange(1, len(parents) + 1), "parent": parents}, dtype=np.int64
    )
    daughters = lineage[lineage["parent"] > 0].groupby("parent")["track"]
    seen = pd.Series(times).groupby(tracks)
    for name, values in (
        ("daughter_1", daughters.min()),
        ("daughter_2", daughters.max()),
        ("generation", pd.Series(generations, lineage["track"], dtype=np.int64)),
        ("first_time", seen.min()),
        ("last_time", seen.max()),
    ):
        lineage[name] = lineage["track"].map(values).fillna(0).astype(np.int64)
    return lineage
