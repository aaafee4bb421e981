"""Tells what hangs together in a picture strip by strip: no numbers of the whole picture are ever in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from segmake.core.strips import strips


class Components:
    """The components of a picture.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the picture.
    part : callable
        Returns some of its rows: array (Y, X), bool.
    corners : bool
        Whether pixels that touch at a corner alone hang together.

    Attributes
    ----------
    sizes : array (N,), int64
        How many pixels each component has, by its number; 0, for what belongs to none, at place 0.
    at_edge : array (N,), bool
        Which of them touch the border of the picture.
    """

    def __init__(
        self, shape: tuple[int, int], part: Callable[[slice], np.ndarray], *, corners: bool
    ) -> None:
        self._part = part
        self._structure = ndimage.generate_binary_structure(2, 2 if corners else 1)
        self._strips = list(strips(*shape))
        self._firsts: list[int] = []
        self._only: np.ndarray | None = None
        sizes, edges, pairs = [np.zeros(1, np.int64)], [np.zeros(0, np.int64)], []
        above: np.ndarray | None = None
        number = 0
        for rows in self._strips:
            numbered, found = self._numbered(rows, number)
            # Counted from this strip's first number on: else each strip would count all that are above it, too.
            own = np.maximum(numbered - number, 0)
            sizes.append(np.bincount(own.ravel(), minlength=found + 1)[1:])
            # Copies: a row or column of it would keep all of a strip in memory.
            edges += [numbered[:, 0].copy(), numbered[:, -1].copy()]
            edges += [numbered[0].copy()] if above is None else []
            if above is not None:
                pairs += _touching(above, numbered[0], corners=corners)
            above = numbered[-1].copy()
            self._firsts.append(number)
            number += found
            if len(self._strips) == 1:
                self._only = numbered
        if above is not None:
            edges.append(above)
        ends = np.concatenate(pairs, axis=1) if pairs else np.zeros((2, 0), np.int64)
        graph = coo_array((np.ones(ends.shape[1], bool), tuple(ends)), (number + 1, number + 1))
        count, self._component = connected_components(graph, directed=False)
        self.sizes = np.zeros(count, np.int64)
        np.add.at(self.sizes, self._component, np.concatenate(sizes))
        self.at_edge = np.zeros(count, bool)
        self.at_edge[self._component[np.concatenate(edges)]] = True
        self.at_edge[0] = False

    def parts(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the rows of each strip, and the number of each pixel's component: array (Y, X), 0 for none.

        A strip may be changed once it was yielded.
        """
        for rows, first in zip(self._strips, self._firsts, strict=True):
            numbered = self._numbered(rows, first)[0] if self._only is None else self._only
            yield rows, self._component[numbered]

    def _numbered(self, rows: slice, first: int) -> tuple[np.ndarray, int]:
        """Return numbers above `first` for what hangs together within a strip, and how many they are."""
        numbered, found = ndimage.label(self._part(rows), self._structure)
        numbered[numbered > 0] += first
        return numbered, found


def _touching(above: np.ndarray, below: np.ndarray, *, corners: bool) -> list[np.ndarray]:
    """Return which numbers of two rows touch: arrays (2, N)."""
    seams = [(above, below)]
    if corners:
        seams += [(above[1:], below[:-1]), (above[:-1], below[1:])]
    found = []
    for one, other in seams:
        both = (one > 0) & (other > 0)
        found.append(np.unique(np.stack([one[both], other[both]]), axis=1))
    return found
