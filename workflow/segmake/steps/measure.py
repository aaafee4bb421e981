"""The step measure: the table of the cells of each image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from segmake.core.settings import Measurements
from segmake.formats.believed import Header
from segmake.images.calibration import doubts, pixel_sizes
from segmake.images.field_of_view import FieldOfView
from segmake.images.selection import channel_index, channel_key, has_channel
from segmake.labels.cell_tables import restore_cells, write_cells
from segmake.labels.labels import LabelStack
from segmake.messages import Problem
from segmake.plan.plan import Plan
from segmake.plan.result_paths import ResultPaths
from segmake.runner.pipeline import Task
from segmake.runner.records import is_as_noted
from segmake.steps.inputs import (
    DoOne,
    field_of,
    has_volumes,
    mask_of,
    remove_own,
)


def work_of(plan: Plan) -> DoOne:
    """Return what measures the cells of an image: a row for each cell, time point, and slice that stands alone."""
    from segmake.labels.measurement import measure_cells, measure_volume

    settings, folders = plan.typed, plan.folders
    section = settings.measurements

    def work(task: Task) -> dict[str, Any]:
        left_out = 0
        own, mask = folders.table(task.image), folders.mask(task.image)
        if details := restore_cells(own, mask, task):
            return details
        with field_of(task, settings) as view, mask_of(task, folders) as stack:
            pixel_size, pixel_height = pixel_sizes(view.header, settings.images)
            channels = _channels_to_measure(view.header, section, task.path)
            tracked = settings.tracking and stack.times > 1
            lineage = _lineage(task, folders) if tracked else None
            depths = [None] if has_volumes(settings, stack) else range(stack.depth)

            def tables() -> Iterator[pd.DataFrame]:
                nonlocal left_out
                for time, depth in product(range(stack.times), depths):
                    labels, planes = _piece(stack, view, channels, time, depth)
                    if depth is None:
                        step = view.header.slice_step_um
                        table = measure_volume(
                            labels, planes, pixel_size, step, section, pixel_height
                        )
                    else:
                        table = measure_cells(labels, planes, pixel_size, section, pixel_height)
                    left_out += table.attrs["left_out"]
                    if lineage is not None:
                        from segmake.labels.tracking import add_parents

                        table = add_parents(table, lineage)
                    yield _placed(table, stack, view, time, depth)

            step_unknown = bool(None in depths and pixel_size and not view.header.slice_step_um)

            def found() -> dict[str, Any]:
                return {
                    "pixel_size_um": pixel_size,
                    "pixel_height_um": pixel_height or pixel_size,
                    "left_out": left_out,
                    "doubted": doubts(view.header, settings.images),
                    "step_unknown": step_unknown,
                }

            write_cells(tables(), own, mask, task, found)
        return found()

    return work


def _lineage(task: Task, folders: ResultPaths) -> pd.DataFrame:
    """Return the lineage of a movie's tracks; a damaged one is removed, so that the next run links the cells again."""
    path = folders.own_lineage(task.image)
    if is_as_noted(path, task.source, task.results):
        with suppress(OSError, ValueError):
            lineage = pd.read_csv(path)
            if {"track", "parent"} <= set(lineage.columns):
                return lineage
    raise remove_own(path, folders)


def _channels_to_measure(header: Header, section: Measurements, path: Path) -> dict[str, int]:
    """Return the name in the table, and the index, of each channel whose intensities are measured."""
    wanted = section.intensity_channels
    if wanted == "all":
        indices = list(range(len(header.channels)))
    else:
        there = [channel for channel in wanted if has_channel(header, channel)]
        indices = [channel_index(header, channel, path) for channel in there]
    return {_column_name(header, index): index for index in indices}


def _column_name(header: Header, index: int) -> str:
    """Return a channel's name without stray blanks; channels of the same name are told apart by their numbers."""
    keys = [channel_key(name) for name in header.channels]
    name = " ".join(header.channels[index].split())
    if keys.count(keys[index]) > 1:
        name = f"{name} ({index + 1})"
        # Another channel may be called so.
        while channel_key(name) in keys:
            name = f"{name} ({index + 1})"
    return name


def _piece(
    stack: LabelStack, view: FieldOfView, channels: Mapping[str, int], time: int, depth: int | None
) -> tuple[Any, dict[str, np.ndarray]]:
    """Return the labels of a plane, and each channel: (Y, X); or of all slices of a time point: (Z, Y, X)."""
    if depth is not None:
        planes = {name: _channel(view, index, time, depth) for name, index in channels.items()}
        return stack.striped(time, depth), planes
    volumes = {
        name: np.stack([_channel(view, index, time, z) for z in range(stack.depth)])
        for name, index in channels.items()
    }
    return stack.volume(time), volumes


def _channel(view: FieldOfView, channel: int, time: int, depth: int) -> np.ndarray:
    """Return one channel; where no file of the image holds it, as of one that is not taken each time, no numbers."""
    try:
        return view.channel(channel, time, depth)
    except Problem as problem:
        if problem.code != "SM-IMG-070":
            raise
        return np.full((view.header.height, view.header.width), np.nan, np.float32)


def _placed(
    table: pd.DataFrame, stack: LabelStack, view: FieldOfView, time: int, depth: int | None
) -> pd.DataFrame:
    """Put the time point and slice, as the file numbers them, before the measurements."""
    place: dict[str, Any] = {}
    if stack.times > 1:
        moment = view.selection.times[time]
        interval = view.header.interval_s
        place = {"time": moment + 1, "time_s": moment * interval if interval else np.nan}
    if stack.depth > 1 and depth is not None:
        place["slice"] = view.selection.slices[depth] + 1
    for number, (name, value) in enumerate(place.items()):
        table.insert(number, name, value)
    return table
