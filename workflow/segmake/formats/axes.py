"""Finds a plane among the axes of a file, in whatever order they are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def size_of(role: str, roles: Sequence[str], sizes: Sequence[int]) -> int:
    """Return how many things of one role the axes hold together; 1 if no axis has the role."""
    return math.prod(size for name, size in zip(roles, sizes, strict=True) if name == role)


def index_of(wanted: Mapping[str, int], roles: Sequence[str], sizes: Sequence[int]) -> list[Any]:
    """Return the index into each axis, outermost first.

    Parameters
    ----------
    wanted : mapping of str to int
        The number, from 0, of the wanted thing of each role. Where several axes have the same role, its things are
        counted as in memory: the innermost of these axes counts fastest.
    roles : sequence of str
        What each axis counts.
    sizes : sequence of int
        Length of each axis.

    Returns
    -------
    list of int, or slice
        The slice is all of an axis whose role nobody wants.

    Raises
    ------
    ValueError
        If there is no such thing.
    """
    index: list[Any] = [slice(None)] * len(roles)
    for role, number in wanted.items():
        axes = [axis for axis, name in enumerate(roles) if name == role]
        if number and not axes:
            raise ValueError(f"there is only one {role}")
        places = np.unravel_index(number, [sizes[axis] for axis in axes]) if axes else ()
        for axis, place in zip(axes, places, strict=True):
            index[axis] = int(place)
    return index


def leading(there: np.ndarray, roles: Sequence[str], position: int) -> tuple[int, int]:
    """Return how many time points and slices of a position are there, from the first, with all that belongs to them.

    Parameters
    ----------
    there : array of bool
        Which planes are there.
    roles : sequence of str
        What each of its axes counts.
    position : int

    Returns
    -------
    times, slices : int
        Both as many as there are places, if not even the first of them is there, or one is missing among them.
    """
    planned = (size_of("time", roles, there.shape), size_of("slice", roles, there.shape))
    found = np.zeros((size_of("channel", roles, there.shape), *planned), bool)
    for channel, time, depth in np.ndindex(found.shape):
        wanted = {"position": position, "channel": channel, "time": time, "slice": depth}
        found[channel, time, depth] = there[tuple(index_of(wanted, roles, there.shape))].all()
    if planned[0] > 1:
        return _saved(np.all(found, axis=2)), planned[1]
    return planned[0], _saved(found[:, 0])


def _saved(there: np.ndarray) -> int:
    """Return how many places were saved, of (channel, place).

    One that was stopped lacks some channels at its last place alone; where they differ by more, or there are but two
    places, a channel was not taken each time.
    """
    places = there.shape[1]
    numbers = [number for number in map(_first, there) if number] or [places]
    stopped = max(numbers) - min(numbers) <= 1 and places > 2
    return min(numbers) if stopped else max(numbers)


def _first(there: np.ndarray) -> int:
    """Return how many are there before the first that is not; 0 if one that comes later is."""
    number = len(there) if there.all() else int(np.argmin(there))
    return 0 if there[number:].any() else number
