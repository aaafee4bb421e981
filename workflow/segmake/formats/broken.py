"""Fields of view that can't be read, beside others in the same file that can."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from segmake.formats.believed import Header
from segmake.messages import Problem


@dataclass(frozen=True)
class Broken:
    """A field of view that can't be read: its name, and why."""

    name: str
    problem: Problem


class Whole(Protocol):
    """A field of view that can be read."""

    @property
    def header(self) -> Header:
        """What it holds."""


class Headers:
    """The headers of a file's fields of view, each read when it is asked for: a plate has thousands.

    A broken field has the header of a whole one, so that it fails alone, when a plane of it is read.

    Parameters
    ----------
    number : int
        How many there are.
    read : callable
        Gives the field of view of a number, counted from 0.
    nothing : Problem
        What is wrong if there is none.

    Raises
    ------
    Problem
        `nothing`, or the problem of the first field of view if all are broken.
    """

    def __init__(
        self, number: int, read: Callable[[int], Whole | Broken], nothing: Problem
    ) -> None:
        self._number, self._read = number, read
        problem = None
        for index in range(number):
            field = read(index)
            if not isinstance(field, Broken):
                self._whole = field.header
                return
            problem = problem or field.problem
        raise problem or nothing

    def __len__(self) -> int:
        return self._number

    def __getitem__(self, index: int) -> Header:
        if not 0 <= index < self._number:
            raise IndexError(index)
        field = self._read(index)
        if isinstance(field, Broken):
            return replace(self._whole, position=field.name)
        return field.header

    def __iter__(self) -> Iterator[Header]:
        return map(self.__getitem__, range(self._number))
