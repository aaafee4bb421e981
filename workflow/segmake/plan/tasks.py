"""The tasks of a batch: what is known of each in plain values, and the task itself once somebody asks for it.

A plan of 100,000 images has 400,000 of them, with fourteen paths for each image; a start that sends no job asks for
none, and a job for those of its own step.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from stat import S_ISREG
from typing import Any, overload

from segmake.core.declared_steps import MASKS, SEGMENT
from segmake.core.files import result_name
from segmake.core.journal import Entry
from segmake.plan.result_paths import ResultPaths
from segmake.runner.pipeline import Task
from segmake.runner.records import is_edited
from segmake.runner.run_step import is_current

# Of a task: image, path of its file, position, positions, key, attempt, large, tracked, file, before; see `Task`.
Row = list[Any]
IMAGE, KEY, ATTEMPT, TRACKED, BEFORE = 0, 4, 5, 7, 9


class TasksOfStep(Sequence[Task]):
    """The tasks of a step of a batch, each made whenever it is asked for.

    None is kept: with its paths a task takes ten times the room of its row, and the report goes through all of them.
    """

    def __init__(self, folders: ResultPaths, step: str, rows: list[Row]) -> None:
        self._folders, self._step, self._rows = folders, step, rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> Task: ...
    @overload
    def __getitem__(self, place: slice) -> TasksOfStep: ...
    def __getitem__(self, place: int | slice) -> Task | TasksOfStep:
        if isinstance(place, slice):
            return TasksOfStep(self._folders, self._step, self._rows[place])
        return task_of(self._folders, self._step, self._rows[place])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


class Tasks(Mapping[str, Sequence[Task]]):
    """The tasks of a batch by their steps, each made when it is asked for.

    Parameters
    ----------
    folders : ResultPaths
    rows : callable
        Returns for each step what there is to say of each task; asked once, and only if somebody asks for it.
    """

    def __init__(self, folders: ResultPaths, rows: Callable[[], dict[str, list[Row]]]) -> None:
        self._folders = folders
        self._rows = rows

    @cached_property
    def rows(self) -> dict[str, list[Row]]:
        """What there is to say of each task, as plain values, by step."""
        return self._rows()

    def __getitem__(self, step: str) -> TasksOfStep:
        return TasksOfStep(self._folders, step, self.rows[step])

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def task_of(folders: ResultPaths, step: str, row: Row) -> Task:
    """Return the task that a row is about."""
    image, file, *rest = row
    return folders.task(step, image, Path(file), *rest)


def images_of(tasks: Mapping[str, Sequence[Task]]) -> list[str]:
    """Return the images of the tasks of a batch, which are the same at each step."""
    if isinstance(tasks, Tasks):
        return [row[0] for row in tasks.rows[SEGMENT]]
    return [task.image for task in tasks[SEGMENT]]


def rows_of(tasks: Mapping[str, Sequence[Task]], folders: ResultPaths) -> dict[str, list[Row]]:
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


class DoneTasks:
    """Tells of which tasks of a step the results are there, as `is_current` does.

    Most results are files that are there with the size that was noted: their names alone tell, and no task is made.
    """

    def __init__(self, folders: ResultPaths, step: str) -> None:
        self._folders, self._step = folders, step
        self._names = [folders.names(step, tracked=tracked) for tracked in (False, True)]

    def names(self, row: Row) -> tuple[list[str], list[str]]:
        """Return what the results of an image are called below the results folder, and what optional ones would be."""
        image = result_name(row[IMAGE])
        needed, optional = self._names[bool(row[TRACKED])]
        return [f"{b}{image}{a}" for b, a in needed], [f"{b}{image}{a}" for b, a in optional]

    def has(self, row: Row, entry: Entry | None, key: str) -> bool:
        """Whether an image's last attempt ended well with this key, and its results are still there."""
        if entry is None or entry.event != "done" or entry.key != key:
            return False
        if self._are_there(row, entry.details):
            return True
        return is_current(entry, replace(task_of(self._folders, self._step, row), key=key))

    def _are_there(self, row: Row, details: Mapping[str, Any]) -> bool:
        """Whether all results are files with the size that was noted; False where more has to be looked at."""
        if details.get("overwritten"):
            return False
        needed, optional = self.names(row)
        # What was noted may be of another version, or damaged.
        try:
            noted = details["outputs"]
            for name in (*needed, *(name for name in optional if name in noted)):
                size, _ = noted[name]
                found = os.stat(f"{self._folders.results}/{name}")
                if found.st_size != size or not S_ISREG(found.st_mode) or is_edited(name):
                    return False
        except (OSError, KeyError, TypeError, ValueError):
            return False
        return True
