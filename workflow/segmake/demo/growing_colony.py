"""Draws movies of growing bacteria of which it is known who is who."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segmake.demo import synthetic

Cell = tuple[int, int]


@dataclass
class Movie:
    """Label images (Y, X), numbered at random; and for each frame which cell before each cell was, or came of.

    ``origins[2][5] == (1, 3)``: the cell 5 of the third frame was 3 in the second, or that is its mother.
    """

    frames: list[np.ndarray]
    origins: list[dict[int, Cell]]

    def every(self, step: int) -> Movie:
        """Return each so-manieth frame of a movie."""
        origins: list[dict[int, Cell]] = []
        for frame in range(0, len(self.frames), step):
            found = {}
            for label, cell in self.origins[frame].items():
                while cell[0] % step and cell[1] in self.origins[cell[0]]:
                    cell = self.origins[cell[0]][cell[1]]
                if cell[0] % step == 0:
                    found[label] = (cell[0] // step, cell[1])
            origins.append(found)
        return Movie(self.frames[::step], origins)

    def without_some(self, part: float, seed: int) -> Movie:
        """Return the movie in which cells are missing here and there, but in the first and the last frame."""
        rng = np.random.default_rng(seed)
        frames, missing = [], set()
        for number, frame in enumerate(self.frames):
            labels = np.unique(frame)[1:]
            gone = labels[rng.random(len(labels)) < part]
            if 0 < number < len(self.frames) - 1:
                missing |= {(number, int(label)) for label in gone}
                frame = np.where(np.isin(frame, gone), 0, frame)
            frames.append(frame)
        origins: list[dict[int, Cell]] = []
        for number, cells in enumerate(self.origins):
            found = {}
            for label, cell in cells.items():
                while cell in missing and cell[1] in self.origins[cell[0]]:
                    cell = self.origins[cell[0]][cell[1]]
                if cell not in missing and (number, label) not in missing:
                    found[label] = cell
            origins.append(found)
        return Movie(frames, origins)


def colony(
    seed: int,
    number: int,
    *,
    founders: int = 2,
    frames_a_generation: float = 16,
    shape: tuple[int, int] = (500, 500),
    spread: float = 0.1,
    drift: float = 0.0,
    jitter: float = 0.0,
    turn: float = 0.1,
    gap: float = 0.02,
) -> Movie:
    """Draw rods 10 pixels wide that grow, divide and push each other aside.

    Parameters
    ----------
    seed : int
    number : int
        Number of frames.
    founders : int
        Number of cells at the start, in a part `spread` of the frame.
    frames_a_generation : float
        Number of frames in which cells double.
    drift, jitter : float
        Pixels by which the frame, and each cell for itself, moves from frame to frame.
    turn : float
        Kink between two daughters, radians.
    gap : float
        Distance that cells keep, as a part of their width.
    """
    rng = np.random.default_rng(seed)
    cells = synthetic._first_cells(founders, shape, spread, 10, "rod", rng)
    synthetic._settle(cells, 60, gap, 0.4)
    names, newest, mothers = list(range(founders)), founders - 1, dict[int, int]()
    place, before = np.zeros(2), dict[int, int]()
    movie = Movie([], [])
    for frame in range(number):
        for _ in range(4 if frame else 0):
            whole = cells.length + 2 * cells.radius
            rate = cells.rate / (4 * frames_a_generation)
            cells.length = whole * cells.fold**rate - 2 * cells.radius
            ready = cells.progress() > 1
            if ready.any():
                cells = synthetic._divide(cells, ready, rng, turn)
                dividing = [name for name, now in zip(names, ready, strict=True) if now]
                born = range(newest + 1, newest + 1 + 2 * len(dividing))
                newest = born[-1]
                mothers |= dict(zip(born, 2 * dividing, strict=True))
                names = [name for name, now in zip(names, ready, strict=True) if not now] + [*born]
            cells.nodes += rng.normal(0, jitter / 2, (len(names), 1, 2))
            synthetic._settle(cells, 150, gap, 0.5)
        place = place + rng.normal(0, drift, 2) * (frame > 0)
        labels, now = _draw(cells, place, shape, names, rng)
        origins = {}
        for name, label in now.items():
            while name not in before and name in mothers:
                name = mothers[name]
            if name in before:
                origins[label] = (frame - 1, before[name])
        movie.frames.append(labels)
        movie.origins.append(origins)
        before = now
    return movie


def _draw(
    cells: synthetic._Cells,
    place: np.ndarray,
    shape: tuple[int, int],
    names: list[int],
    rng: np.random.Generator,
) -> tuple[np.ndarray, dict[int, int]]:
    """Return a label image, and the label of each cell that is in it."""
    drawn, edge = np.zeros(shape, int), np.full(shape, np.inf)
    for number, radius in enumerate(cells.radius):
        nodes = cells.nodes[number] + place
        low = np.maximum(np.floor(nodes.min(axis=0) - radius).astype(int), 0)
        high = np.minimum(np.ceil(nodes.max(axis=0) + radius).astype(int) + 1, shape)
        if (low >= high).any():
            continue
        window = slice(low[0], high[0]), slice(low[1], high[1])
        away = synthetic._cell_distance(nodes, *np.mgrid[window].astype(float))[0] - radius
        inside = (away < -0.5) & (away < edge[window])
        edge[window][inside] = away[inside]
        drawn[window][inside] = number + 1
    sizes = np.bincount(drawn.ravel(), minlength=len(names) + 1)
    # A sliver at the border of the frame is no cell.
    seen = np.flatnonzero(sizes > 25)[1:]
    labels = np.zeros(len(sizes), np.uint16)
    labels[seen] = rng.permutation(len(seen)) + 1
    return labels[drawn], {names[number - 1]: int(labels[number]) for number in seen}
