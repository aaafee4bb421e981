"""Counts the GPU minutes of the day: none is used that was not agreed to."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from segmake.firstday.step import Skipped
from segmake.messages import Problem
from segmake.messages.numbers import brief


@dataclass
class Spent:
    """What jobs of a step took.

    Attributes
    ----------
    step : str
    reserved : float
        GPU minutes that it could have taken, by its time limit.
    used : float or None
        GPU minutes that it took; None while that is not known: then what was reserved counts.
    """

    step: str
    reserved: float
    used: float | None = None

    @property
    def counts(self) -> float:
        """The minutes that it counts for."""
        return self.reserved if self.used is None else self.used


class GpuMinutes:
    """The account.

    Parameters
    ----------
    agreed : float
        How many minutes may be used in all.
    spent : list of dict
        What was noted of earlier jobs, as `notes` gives it.
    save : callable
        Called whenever something has changed, before a job is sent and after it has ended.
    """

    def __init__(
        self, agreed: float, spent: list[dict[str, Any]], save: Callable[[], None]
    ) -> None:
        self.agreed = agreed
        self._spent = [Spent(**one) for one in spent]
        self._save = save

    @property
    def used(self) -> float:
        """How many minutes are used up; of a job of which nothing is known, all that it could have taken."""
        return sum(one.counts for one in self._spent)

    @property
    def notes(self) -> list[dict[str, Any]]:
        """What is to be remembered of the jobs."""
        return [asdict(one) for one in self._spent]

    @contextmanager
    def reserve(self, step: str, minutes: float) -> Iterator[Spent]:
        """Set minutes aside for a job that is sent now; whoever sent it says what it used.

        Raises
        ------
        Skipped
            With ``SM-DAY-010`` if there are not as many left.
        """
        left = self.agreed - self.used
        if minutes > left + 1e-6:
            words = {"needed": brief(math.ceil(minutes)), "left": brief(max(left, 0))}
            raise Skipped(Problem("SM-DAY-010", where=step, agreed=brief(self.agreed), **words))
        one = Spent(step, minutes)
        self._spent.append(one)
        self._save()
        try:
            yield one
        finally:
            self._save()
