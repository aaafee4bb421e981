"""What memory jobs ask for, by what their pictures need, and what is said of that before any is sent."""

from __future__ import annotations

import os
from collections.abc import Iterator

from segmake.cluster.checks import Cluster
from segmake.core.declared_steps import ON_LABELS, ON_MASKS, SEGMENT, STEPS
from segmake.engines import needs_gpu
from segmake.messages import Problem, say
from segmake.messages.numbers import number
from segmake.plan.memory import Need
from segmake.plan.plan import Plan
from segmake.slurm.requests import first_request

# So much more than what was estimated is asked for.
MARGIN = 1.2


def first_memory_mb(plan: Plan, rule: str, batch: str, *, grouped: bool, together: bool) -> int:
    """Return the megabytes that a job asks for at first, whatever the cluster has.

    Parameters
    ----------
    plan : Plan
    rule, batch : str
    grouped : bool
        Whether all that follows the segmentation of this batch is one job; `together`, with the segmentation.
    """
    segment = together or rule == SEGMENT
    usual = first_request(plan.typed.cluster, segment=segment, afterwards=grouped)[0]
    needs = plan.memory.get(batch, {})
    steps = STEPS if together else ON_LABELS if grouped else (rule,)
    # What measures cells and what draws them are done side by side, in the memory of one job.
    needed = [
        needs[step].megabytes * (2 if grouped and step in ON_MASKS else 1)
        for step in steps
        if step in needs
    ]
    return max(usual, int(MARGIN * max(needed, default=0)))


def memory_notes(plan: Plan, cluster: Cluster | None) -> Iterator[Problem]:
    """Yield what is to be said of pictures that need more memory than jobs usually ask for, or than there is.

    Parameters
    ----------
    plan : Plan
    cluster : Cluster or None
        None for this computer, which does all by itself.
    """
    for step in STEPS:
        most: dict[str, Need] = {
            batch: needs[step]
            for batch, needs in plan.memory.items()
            if step in needs and plan.pending[batch][step]
        }
        if not most:
            continue
        batch = max(most, key=lambda name: most[name])
        need = most[batch]
        names = {
            "image": need.image,
            "need": _gigabytes(need.megabytes),
            "step": say(f"step.{step}"),
        }
        if cluster is None:
            there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
            if need.megabytes > there:
                yield Problem("SM-RUN-075", asked=_gigabytes(there), **names)
            continue
        usual = first_request(plan.typed.cluster, segment=step == SEGMENT)[0]
        gpu = step == SEGMENT and needs_gpu(plan.typed.segmentation)
        asked = first_memory_mb(plan, step, batch, grouped=False, together=False)
        given = cluster.memory_mb(asked, 0, gpu=gpu)
        names |= {"asked": _gigabytes(given)}
        place = cluster.partition(gpu=gpu)
        if given < need.megabytes:
            yield Problem("SM-CLU-057", partition=place.name if place else "", **names)
        elif need.megabytes > usual:
            yield Problem("SM-CLU-056", usual=_gigabytes(usual), **names)


def _gigabytes(megabytes: int) -> str:
    """Return megabytes as gigabytes, in words: of less than ten, one digit behind the point."""
    return number(megabytes / 1024, 1 if megabytes < 10 * 1024 else 0)
