"""The longest path over the skeleton of each of many cells."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from segmake.labels.medial_axis import STEPS_TO_NEIGHBOURS


class Paths(NamedTuple):
    """A path for each cell, from neighbour to neighbour.

    Attributes
    ----------
    owner : array (P,)
        Which cell each pixel of a path belongs to, ascending.
    places : array (P,)
        Where it is on the canvas.
    """

    owner: np.ndarray
    places: np.ndarray


def longest_paths(
    shape: tuple[int, int], owner: np.ndarray, places: np.ndarray, begin: np.ndarray
) -> Paths:
    """Return the longest of the shortest paths over each skeleton.

    Parameters
    ----------
    shape : tuple of int
        That of the canvas on which the skeletons lie apart from each other.
    owner, places : array (P,)
        Their pixels, cell by cell.
    begin : array (N,)
        A pixel of each skeleton, from which the end of its longest path is looked for.
    """
    cell_at = np.full(shape[0] * shape[1], -1)
    cell_at[places] = owner
    steps = np.array([down * shape[1] + right for down, right in STEPS_TO_NEIGHBOURS])
    _, ends = _walked(cell_at, steps, begin)
    came_from, here = _walked(cell_at, steps, ends)
    # Back from the far end of each path, all at once.
    cells, walked = np.arange(len(begin)), []
    while len(cells):
        walked.append(np.stack([cells, here]))
        on = here != ends[cells]
        cells, here = cells[on], came_from[here[on]]
    path_owner, path = np.concatenate(walked, axis=1)
    order = np.argsort(path_owner, kind="stable")
    return Paths(path_owner[order], path[order])


def _walked(
    cell_at: np.ndarray, steps: np.ndarray, begin: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return from where the shortest path comes to each pixel, and the last pixel to be reached in each cell.

    Every round takes all paths a step on. Pixels are reached in the order of those that they are reached from.
    """
    came_from = np.full(len(cell_at), -1)
    came_from[begin] = begin
    last, front, turn = begin.copy(), begin, np.empty(len(cell_at), int)
    while len(front):
        reached = (front[:, None] + steps).ravel()
        before = np.repeat(front, len(steps))
        new = (cell_at[reached] >= 0) & (came_from[reached] < 0)
        reached, before = reached[new], before[new]
        # The first that reaches a pixel counts.
        turns = np.arange(len(reached))
        turn[reached[::-1]] = turns[::-1]
        first = turn[reached] == turns
        reached, before = reached[first], before[first]
        came_from[reached] = before
        last[cell_at[reached]] = reached
        front = reached
    return came_from, last
