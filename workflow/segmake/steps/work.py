"""Which work each step does on one image, from files to files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

from segmake.core.declared_steps import SEGMENT
from segmake.core.output_files import KINDS
from segmake.labels import exports as outputs
from segmake.messages import Problem
from segmake.plan.plan import Plan
from segmake.plan.result_paths import ResultPaths
from segmake.runner.pipeline import InOneGo, Task, Work


def work_of(step: str, plan: Plan, tell: Callable[[str], None]) -> Work:
    """Return a step's work on one image.

    Parameters
    ----------
    step : {"segment", "masks", "measure", "overlay"}
    plan : Plan
    tell : callable
        Takes a line for the screen.
    """
    if step == SEGMENT:
        from segmake.steps.segmentation import Segmentation

        return Segmentation(plan, tell)
    return InOneGo(after_segmentation(step, plan))


def after_segmentation(step: str, plan: Plan) -> Callable[[Task], dict[str, Any]]:
    """Return what does one of the other steps on an image, and returns what is to be noted of it."""
    # The environments of the engines have none of what these need.
    return import_module(f"segmake.steps.{step}").work_of(plan)


def forget(folders: ResultPaths, image: str) -> None:
    """Remove what goes with a mask that is not valid any more, but for what a user has corrected.

    What can't be removed does not fail the images beside it.
    """
    with suppress(OSError):
        folders.lineage(image).unlink(missing_ok=True)
    for kind in KINDS:
        with suppress(Problem, OSError):
            outputs.remove(kind, folders.results, image)
