"""The ratios that README and docs quote: what was measured, within what they hold, and in which words they stand there.

``run.py`` holds them against what it measures; a test holds the words against the pages.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.house import OURS, Figure, ratios, value

# Ratios of times scatter with what else the machine does; what is counted does not.
TIMES = 0.35
COUNTS = 0.05


@dataclass(frozen=True)
class Quote:
    """One ratio, or one number that is counted.

    Attributes
    ----------
    row : str
        The benchmark's module.
    size : int
    what : str
        "seconds", "memory", or what was counted under a name.
    of, to : str
        The ways whose ratio it is; without the second it is the number itself.
    value : float
        As the pages have it.
    at_most : bool
        Whether it may not be larger; else it may not be smaller.
    slack : float
        By so much of itself it may be off.
    words : mapping of str to str
        For each page the words with the number in them.
    """

    row: str
    size: int
    what: str
    value: float
    words: Mapping[str, str]
    of: str = OURS
    to: str = ""
    at_most: bool = True
    slack: float = TIMES

    def measured(self, found: Iterable[Figure]) -> float | None:
        """Return what a round has measured for it; None where it has not."""
        by_way = {figure.way: figure for figure in found if figure.size == self.size}
        of, to = by_way.get(self.of), by_way.get(self.to)
        if of is None or not of.costs or (self.to and (to is None or not to.costs)):
            return None
        return statistics.median(ratios(of, to, self.what)) if to else value(of, self.what)

    def holds(self, number: float) -> bool:
        """Whether what was measured still bears out what is quoted."""
        if self.at_most:
            return number <= self.value * (1 + self.slack)
        return number >= self.value * (1 - self.slack)

    def __str__(self) -> str:
        to = f" / {self.to}" if self.to else ""
        return f"{self.row}, {self.size:,}, {self.what}: {self.of}{to}"


_ON_SCALE: tuple[Quote, ...] = ()
_LOOP = "plain loop, 2 processes"

QUOTES: tuple[Quote, ...] = (
    *_ON_SCALE,
    Quote(
        "cluster",
        200,
        "seconds",
        1.07,
        {
            "README.md": "| SegMake: masks, tables, pictures, report | 1.07 | 2 |",
            "README.fr.md": "| SegMake : masques, tableaux, images avant/après, rapport | 1,07 | 2 |",
            "docs/explanation/cluster.md": "SegMake, with two jobs for all of them, 1.07 times",
            "docs/explanation/cluster.fr.md": "SegMake, avec deux tâches pour toutes, 1,07 fois",
        },
        to=_LOOP,
    ),
    Quote(
        "cluster",
        200,
        "seconds",
        8.2,
        {
            "README.md": "| one Slurm job per image, segmentation alone | 8.2 | 200 |",
            "README.fr.md": "| une tâche Slurm par image, segmentation seule | 8,2 | 200 |",
        },
        of="one job per image (from 12)",
        to=_LOOP,
        at_most=False,
    ),
    Quote(
        "cluster",
        200,
        "seconds",
        0.13,
        {
            "README.md": "| SegMake again, with 3 new images | 0.13 | 1 |",
            "README.fr.md": "| SegMake de nouveau, avec 3 nouvelles images | 0,13 | 1 |",
        },
        of="SegMake again: 3 images are new",
        to=_LOOP,
    ),
)


def unmet(
    found: Mapping[str, Sequence[Figure]], quotes: Iterable[Quote] = QUOTES
) -> tuple[list[str], list[str]]:
    """Return what no longer holds, and what this round has not measured, in a sentence each."""
    broken, unknown = [], []
    for quote in quotes:
        number = quote.measured(found.get(quote.row, ()))
        if number is None:
            unknown.append(f"{quote} ({quote.value:g} is quoted)")
        elif not quote.holds(number):
            pages = ", ".join(quote.words)
            broken.append(f"{quote} is {number:.3g}, and {quote.value:g} is quoted in {pages}")
    return broken, unknown
