"""The tasks of a batch: what is known of each in plain values, and the task itself once somebody asks for it.

A plan of 100,000 images has 400,000 of them, with fourteen paths for each image; a start that sends no job asks for
none, and a job for those of its own step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from segmake.core.declared_steps import MASKS, SEGMENT
from segmake.plan.result_paths import ResultPaths
from segmake.runner.pipeline import Task

# Of a task: image, path of its file, position, positions, key, attempt, large, tracked, file, before; see `Task`.
Row = list[Any]
ATTEMPT, BEFORE = 5, 9


class Tasks(Mapping[str, list[Task]]):
    """The tasks of a batch by their steps, each made when its step is asked for.

    Parameters
    ----------
    folders : ResultPaths
    rows : callable
        Returns for each step what there is to say of each task; asked once, and only if somebody asks for it.
    """

    def __init__(self, folders: ResultPaths, rows: Callable[[], dict[str, list[Row]]]) -> None:
        self._folders = folders
        self._rows = rows
        self._made: dict[str, list[Task]] = {}

    @cached_property
    def rows(self) -> dict[str, list[Row]]:
        """What there is to say of each task, as plain values, by step."""
        return self._rows()

    def __getitem__(self, step: str) -> list[Task]:
        if step not in self._made:
            self._made[step] = [task_of(self._folders, step, row) for row in self.rows[step]]
        return self._made[step]

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def task_of(folders: ResultPaths, step: str, row: Row) -> Task:
    """Return the task that a row is about."""
    image, file, *rest = row
    return folders.task(step, image, Path(file), *rest)


def images_of(tasks: Mapping[str, list[Task]]) -> list[str]:
    """Return the images of the tasks of a batch, which are the same at each step."""
    if isinstance(tasks, Tasks):
        return [row[0] for row in tasks.rows[SEGMENT]]
    return [task.image for task in tasks[SEGMENT]]


def rows_of(tasks: Mapping[str, list[Task]], folders: ResultPaths) -> dict[str, list[Row]]:
    """Return what there is to say of tasks, by step."""
    if isinstance(tasks, Tasks):
        return tasks.rows
    return {
        step: [
            [
                *(task.image, str(task.path), task.position, task.positions),
                *(task.key, task.attempt, task.large),
                step == MASKS and folders.lineage(task.image) in task.beside,
                *(task.file, task.before),
            ]
            for task in of_step
        ]
        for step, of_step in tasks.items()
    }
