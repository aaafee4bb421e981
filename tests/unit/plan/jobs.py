"""Does what the jobs of a run do, in this process."""

from __future__ import annotations

from segmake.core.declared_steps import STEPS
from segmake.core.journal import Journal
from segmake.plan.plan import Plan
from segmake.runner.run_step import run_step, write_outcome
from segmake.steps.work import work_of


def compute(plan: Plan) -> None:
    """Do what the jobs of a run do."""
    for batch in plan.batches.values():
        for step in STEPS:
            with Journal(plan.folders.journal(step, batch.name)).locked() as journal:
                work = work_of(step, plan, lambda _: None)
                run_step(batch.tasks[step], journal, work, lambda _: None, lambda _: None)
                write_outcome(plan.outcome(step, batch.name), batch.tasks[step], journal)
