"""Where the time of the segmentation went: phase by phase, from the journals."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from segmake.core.declared_steps import SEGMENT
from segmake.core.journal import Journal
from segmake.messages.numbers import finite
from segmake.plan.result_paths import ResultPaths
from segmake.plan.tasks import IMAGE, KEY, Row
from segmake.runner.same_content import made_at

# What happens to an image, in this order; the names under which the journal keeps the seconds.
PHASES = ("load", "read", "network", "masks", "write")


@dataclass(frozen=True)
class Timing:
    """What the segmentation of all images that are done took, whenever they were done.

    Attributes
    ----------
    phases : dict
        Seconds of each phase, summed over the images. Phases of different images overlap.
    elapsed : float
        Seconds in which at least one image was in work, summed over the batches.
    """

    phases: dict[str, float]
    elapsed: float

    @property
    def network_share(self) -> float:
        """The part of the time in which the network was at work, from 0 to 1."""
        return min(1.0, self.phases["network"] / self.elapsed) if self.elapsed else 0.0


class Ends(NamedTuple):
    """When the images of a batch had their cells found, in seconds since 1970.

    Attributes
    ----------
    done : array of float
        When each that is done was noted as such.
    made : array of float
        When each attempt ended that had the network at work, and ``network`` for how many seconds. What was carried
        over was made by another one.
    """

    done: array[float]
    made: array[float]
    network: array[float]


def _ends_of(journal: Journal) -> Ends:
    done = array("d", (e.time for e in journal.finished().values() if e.event == "done"))
    found = Ends(done, array("d"), array("d"))
    for entry in journal.ends():
        seconds = finite(entry.details.get("phases", {}).get("network"))
        if seconds and made_at(entry) == entry.time:
            found.made.append(entry.time)
            found.network.append(seconds)
    return found


class Segmented:
    """What is to be said of the segmentation as a whole, summed up batch by batch, each of which is read once.

    Attributes
    ----------
    versions : dict
        Of what the engine's environment had, as the last images say it.
    """

    def __init__(self) -> None:
        self._phases = dict.fromkeys(PHASES, 0.0)
        self._elapsed = 0.0
        self._ends: dict[str, Ends] = {}
        self.versions: dict[str, str] = {}

    def add(self, batch: str, planned: Iterable[Row], journal: Journal) -> None:
        """Take in a batch: what is planned of its segmentation, and what its journal says."""
        self._ends[batch] = _ends_of(journal)
        spans = []
        for row in planned:
            image, key = row[IMAGE], row[KEY]
            done, begun = journal.last(image), journal.begun(image)
            if not done or (done.event, done.key) != ("done", key):
                continue
            self.versions |= done.details.get("versions", {})
            if begun:
                spans.append((begun.time, made_at(done)))
                for phase, seconds in done.details.get("phases", {}).items():
                    self._phases[phase] += seconds
        self._elapsed += _covered(spans)

    def ends(self, folders: ResultPaths, batch: str) -> Ends:
        """Return when the images of a batch had their cells found; its journal is read if it was not taken in."""
        if batch not in self._ends:
            self._ends[batch] = _ends_of(Journal(folders.journal(SEGMENT, batch)))
        return self._ends[batch]

    @property
    def timing(self) -> Timing | None:
        """Where the time went; None if no journal tells."""
        return Timing(self._phases, self._elapsed) if any(self._phases.values()) else None


def _covered(spans: Iterable[tuple[float, float]]) -> float:
    """Return how much time a set of spans covers; where they overlap it counts once."""
    covered, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        covered += max(0.0, end - max(start, until))
        until = max(until, end)
    return covered
