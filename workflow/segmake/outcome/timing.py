"""Where the time of the segmentation went: phase by phase, from the journals."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
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


class SegmentedBatch(NamedTuple):
    """What is to be said of the segmentation of a batch as a whole.

    Attributes
    ----------
    phases : dict
        Seconds of each phase, summed over the images.
    elapsed : float
        Seconds in which at least one image was in work.
    versions : dict
        Of what the engine's environment had, as the last images say it.
    done : list of float
        When each image that is done was noted as such: seconds since 1970.
    made : list of float
        When each attempt ended that had the network at work, and ``network`` for how many seconds. What was carried
        over was made by another one.
    """

    phases: dict[str, float]
    elapsed: float
    versions: dict[str, str]
    done: Sequence[float]
    made: Sequence[float]
    network: Sequence[float]


def segmented_batch(planned: Iterable[Row], journal: Journal) -> SegmentedBatch:
    """Return what is to be said of a batch: by what is planned of its segmentation, and what its journal says."""
    phases, versions = dict.fromkeys(PHASES, 0.0), dict[str, str]()
    spans = []
    for row in planned:
        image, key = row[IMAGE], row[KEY]
        done, begun = journal.last(image), journal.begun(image)
        if not done or (done.event, done.key) != ("done", key):
            continue
        versions |= done.details.get("versions", {})
        if begun:
            spans.append((begun.time, made_at(done)))
            for phase, seconds in done.details.get("phases", {}).items():
                phases[phase] += seconds
    return SegmentedBatch(phases, _covered(spans), versions, *_ends_of(journal))


def _ends_of(journal: Journal) -> tuple[array[float], array[float], array[float]]:
    """Return ``done``, ``made`` and ``network`` of `SegmentedBatch`."""
    done = array("d", (e.time for e in journal.finished().values() if e.event == "done"))
    made, network = array("d"), array("d")
    for entry in journal.ends():
        seconds = finite(entry.details.get("phases", {}).get("network"))
        if seconds and made_at(entry) == entry.time:
            made.append(entry.time)
            network.append(seconds)
    return done, made, network


class Segmented:
    """What is to be said of the segmentation as a whole, summed up batch by batch.

    Attributes
    ----------
    versions : dict
        Of what the engine's environment had, as the last images say it.
    """

    def __init__(self) -> None:
        self._batches: dict[str, SegmentedBatch] = {}
        self._phases = dict.fromkeys(PHASES, 0.0)
        self._elapsed = 0.0
        self.versions: dict[str, str] = {}

    def add(self, batch: str, found: SegmentedBatch) -> None:
        """Take in a batch."""
        self._batches[batch] = found
        self._elapsed += found.elapsed
        self.versions |= found.versions
        for phase, seconds in found.phases.items():
            self._phases[phase] += seconds

    def of(self, folders: ResultPaths, batch: str) -> SegmentedBatch:
        """Return what was taken in of a batch; of one that is not in the plan, what its journal says."""
        if batch not in self._batches:
            journal = Journal(folders.journal(SEGMENT, batch))
            self._batches[batch] = segmented_batch((), journal)
        return self._batches[batch]

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
