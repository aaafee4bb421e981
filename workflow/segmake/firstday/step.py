"""A step of the first day: what it proves, what it needs, what it costs, and how it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from segmake.messages import Problem, say

# All steps by their names, as they are typed; `all_steps` has what they do.
NAMES = (
    *("versions", "slurm", "environments", "file-systems", "models", "gpu", "picture", "equality"),
    *(
        "speed",
        "partitions",
        "main-process",
        "missing-files",
        "accounts",
        "memory",
        "time",
        "conda",
    ),
)

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
        Takes the `Day` and the figures that it fills in; raises a `Problem` for what it finds wrong, or `Skipped`.
    needs : tuple of str
        What there must be: ``"slurm"``, ``"gpu"``, or ``"engine"``, an engine that the set-up made.
    gpu_minutes : int
        How many it takes at most.
    """

    name: str
    do: Callable[[Any, Figures], None]
    needs: tuple[Need, ...] = ()
    gpu_minutes: int = 0

    @property
    def proves(self) -> str:
        """What it proves, in a sentence of the user's language."""
        return say(f"firstday.step.{self.name}")


def do_each(names: Iterable[str], figures: Figures, do: Callable[[str, Figures], None]) -> None:
    """Do the same for several, such as engines: what one lacks does not keep the others from it.

    Parameters
    ----------
    names : iterable of str
    figures : dict
        Gets figures of its own for each.
    do : callable
        Takes the name and its figures.

    Raises
    ------
    Problem
        The first that was found, in the end.
    Skipped
        The first of what could not be done, where nothing was wrong.
    """
    found: list[Problem | Skipped] = []
    for name in names:
        figures[name] = {}
        try:
            do(name, figures[name])
        except (Problem, Skipped) as error:
            problem = error.problem if isinstance(error, Skipped) else error
            figures[name]["not_done"] = {"code": problem.code, "text": problem.what}
            found.append(error)
    for worst in sorted(found, key=lambda one: isinstance(one, Skipped)):
        raise worst
