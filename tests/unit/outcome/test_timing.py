from __future__ import annotations

import pytest

from segmake.core.declared_steps import SEGMENT
from segmake.core.journal import Journal
from segmake.outcome.image_rows import image_rows
from segmake.outcome.timing import PHASES, Segmented, Timing, _covered
from segmake.plan.make import make_plan
from segmake.runner.run_step import run_step
from segmake.steps.work import work_of


def test_phases_are_summed_and_overlapping_images_count_once(configure, draw, tmp_path):
    for name in ("a.tif", "b.tif"):
        draw(tmp_path / "images" / name)
    plan, _ = make_plan(configure())
    nothing = Segmented()
    image_rows(plan, nothing)
    assert nothing.timing is None
    (batch,) = plan.batches.values()
    with Journal(plan.folders.journal(SEGMENT, batch.name)).locked() as journal:
        work = work_of(SEGMENT, plan, lambda _: None)
        run_step(batch.tasks[SEGMENT], journal, work, lambda _: None, lambda _: None)
    found = Segmented()
    image_rows(plan, found)
    timing = found.timing
    entries = [journal.last(task.image) for task in batch.tasks[SEGMENT]]
    assert tuple(timing.phases) == PHASES
    for phase in PHASES:
        total = sum(entry.details["phases"][phase] for entry in entries)
        assert timing.phases[phase] == pytest.approx(total)
    for entry in entries:
        assert sum(entry.details["phases"].values()) == pytest.approx(
            entry.details["seconds"], abs=0.1
        )
    assert timing.phases["masks"] > 0 and timing.elapsed > 0


def test_the_share_of_the_network():
    phases = dict.fromkeys(PHASES, 1.0) | {"network": 6.0}
    assert Timing(phases, 8.0).network_share == 0.75
    assert Timing(phases, 5.0).network_share == 1, "clocks differ"


@pytest.mark.parametrize(
    ("spans", "covered"),
    [([], 0), ([(5, 7), (0, 4), (2, 3), (3, 6)], 7), ([(0, 1), (2, 3)], 2)],
)
def test_time_covered(spans, covered):
    assert _covered(spans) == covered
