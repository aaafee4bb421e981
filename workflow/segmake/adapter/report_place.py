"""Where the report is written: where the command was typed, or in a job, by how much there is to join.

How many images there are is known when the Snakefile is read; how many cells, once they are all measured, which is when
the job could be sent. Until then those that are known tell what is likely.
"""

from __future__ import annotations

from segmake.core.declared_steps import MASKS, MEASURE
from segmake.core.journal import Journal
from segmake.messages.numbers import finite
from segmake.plan.plan import Plan

# The report on so many images and cells takes some seconds, and little memory: no work for a job.
SMALL_IMAGES = 2000
SMALL_CELLS = 250_000
# With spreadsheets: those of 100,000 cells take a quarter of a minute, of a million some minutes.
SMALL_IMAGES_IN_SHEETS = 200
SMALL_CELLS_IN_SHEETS = 50_000


class ReportPlace:
    """Whether the report is so soon written that it needs no job.

    Parameters
    ----------
    plan : Plan
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        # By whether all cells are measured: the answer, which Snakemake asks for again and again.
        self._answers: dict[bool, bool] = {}

    @property
    def has_few_images(self) -> bool:
        """Whether its images are few enough."""
        most = SMALL_IMAGES_IN_SHEETS if self._plan.spreadsheets else SMALL_IMAGES
        return self._plan.number_of_images <= most

    def has_few_cells(self) -> bool:
        """Whether its cells are few enough, as far as they are known; it never changes once they all are."""
        plan = self._plan
        if True not in self._answers:
            known = all(plan.outcome(MEASURE, batch).exists() for batch in plan.batches)
            if known not in self._answers:
                most = SMALL_CELLS_IN_SHEETS if plan.spreadsheets else SMALL_CELLS
                self._answers[known] = _cells(plan) <= most
        return self._answers.get(True, self._answers.get(False, True))


def _cells(plan: Plan) -> int:
    """Return how many cells the journals say that the images of a plan have."""
    number = 0
    for batch in plan.batches.values():
        ends = Journal(plan.folders.journal(MASKS, batch.name)).finished()
        for task in batch.tasks[MASKS]:
            if (end := ends.get(task.image)) and end.event == "done":
                number += int(finite(end.details.get("cells_kept")) or 0)
    return number
