"""A step of the first day: what it proves, what it needs, what it costs, and how it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from segmake.messages import Problem, say

if TYPE_CHECKING:
    from segmake.firstday.day import Day

Need = Literal["slurm", "gpu", "engine"]

State = Literal["passed", "failed", "skipped", "not_done"]

# Filled in while a step is done, so that what was found before something went wrong is told too.
Figures = dict[str, Any]


class Skipped(Exception):
    """Says that a step can't be done here, and why; nothing is wrong.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem)


@dataclass(frozen=True)
class Step:
    """A step.

    Attributes
    ----------
    name : str
        As it is typed; the text ``firstday.step.NAME`` says what it proves.
    do : callable
        Takes the day and the figures that it fills in; raises a `Problem` for what it finds wrong, or `Skipped`.
    needs : tuple of str
        What there must be: ``"slurm"``, ``"gpu"``, or ``"engine"``, an engine that the set-up made.
    gpu_minutes : int
        How many it takes at most.
    """

    name: str
    do: Callable[[Day, Figures], None]
    needs: tuple[Need, ...] = ()
    gpu_minutes: int = 0

    @property
    def proves(self) -> str:
        """What it proves, in a sentence of the user's language."""
        return say(f"firstday.step.{self.name}")
