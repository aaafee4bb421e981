"""What the steps after the segmentation open: the image, and what the step before made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from segmake import engines
from segmake.core.settings import Settings
from segmake.images.field_of_view import FieldOfView
from segmake.labels.labels import LabelStack
from segmake.messages import Problem
from segmake.plan.result_paths import ResultPaths
from segmake.runner.pipeline import Task
from segmake.runner.records import keep_changed, name_of

# Does one image, and returns what is to be noted of it.
DoOne = Callable[[Task], dict[str, Any]]

# Yields the planes of a label image from the first on, as often as it is called.
Planes = Callable[[], Iterator[np.ndarray]]


@contextmanager
def raw_labels(task: Task, folders: ResultPaths) -> Iterator[LabelStack]:
    """Open the labels of the step before; damaged ones are removed, so that the next run finds the cells again.

    Raises
    ------
    Problem
        ``SM-OUT-010`` if they are not as they were written.
    """
    path = folders.labels(task.image)
    with _checked(path, task, lambda: remove_own(path, folders)) as stack:
        yield stack


@contextmanager
def mask_of(task: Task, folders: ResultPaths) -> Iterator[LabelStack]:
    """Open the mask of the step before; one that was changed or damaged is moved, so that the next run makes it again.

    Raises
    ------
    Problem
        ``SM-OUT-012`` if it is not as it was written.
    """
    path = folders.mask(task.image)

    def move() -> Problem:
        # A job that draws while another measures may have moved it already.
        kept = keep_changed(path, folders.results) if path.exists() else folders.results / "changed"
        return Problem("SM-OUT-012", where=str(path), kept=kept)

    with _checked(path, task, move) as stack:
        yield stack


@contextmanager
def _checked(path: Path, task: Task, put_away: Callable[[], Problem]) -> Iterator[LabelStack]:
    """Open labels that are as they were noted; else put them away, and raise the problem of that."""
    try:
        with LabelStack(path, task.source.get(name_of(path, task.results))) as stack:
            yield stack
    except Problem as problem:
        if problem.code == "SM-OUT-001" and problem.where == str(path):
            raise put_away() from problem
        raise


def remove_own(path: Path, folders: ResultPaths) -> Problem:
    """Remove a file of SegMake's own that was damaged, and return the problem that says so."""
    path.unlink(missing_ok=True)
    return Problem("SM-OUT-010", where=str(path), file=name_of(path, folders.results))


def field_of(task: Task, settings: Settings) -> FieldOfView:
    """Open the image of a task, as the config selects of it."""
    return FieldOfView(task.path, task.position, settings.images)


def has_volumes(settings: Settings, stack: LabelStack) -> bool:
    """Whether a number is the same cell in all slices."""
    return stack.depth > 1 and engines.keeps_volume(settings.segmentation)
