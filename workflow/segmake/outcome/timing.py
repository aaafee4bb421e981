"""Where the time of the segmentation went: phase by phase, from the journals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from segmake.core.declared_steps import SEGMENT
from segmake.core.journal import Entry, Journal
from segmake.plan.plan import Plan
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


def timing_of(plan: Plan) -> Timing | None:
    """Return where the time went, or None if no journal tells."""
    phases = dict.fromkeys(PHASES, 0.0)
    elapsed = 0.0
    for batch in plan.batches.values():
        journal = Journal(plan.folders.journal(SEGMENT, batch.name))
        spans = []
        for task in batch.tasks[SEGMENT]:
            done = journal.last(task.image)
            begun = journal.begun(task.image)
            if done and begun and journal.is_done(task.image, task.key):
                spans.append((begun.time, made_at(done)))
                _add(phases, done)
        elapsed += _covered(spans)
    return Timing(phases, elapsed) if any(phases.values()) else None


def _add(phases: dict[str, float], done: Entry) -> None:
    for phase, seconds in done.details.get("phases", {}).items():
        phases[phase] += seconds


def _covered(spans: Iterable[tuple[float, float]]) -> float:
    """Return how much time a set of spans covers; where they overlap it counts once."""
    covered, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        covered += max(0.0, end - max(start, until))
        until = max(until, end)
    return covered
