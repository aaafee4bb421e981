"""The work on the labels of one image: the masks that users open, the table of cells, the pictures.

All of it is done plane by plane, so that memory does not grow with the length of a movie.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from segmake import engines
from segmake.core.output_files import KINDS
from segmake.formats.believed import Header
from segmake.images.calibration import doubts, pixel_sizes
from segmake.images.field_of_view import FieldOfView
from segmake.images.selection import channel_index, channel_key, has_channel
from segmake.labels import exports as outputs
from segmake.labels.cell_tables import restore_cells, write_cells
from segmake.labels.corrected_masks import read_correction
from segmake.labels.labels import LabelStack, selection_notes, write_masks
from segmake.messages import Problem
from segmake.plan.plan import Folders, Plan
from segmake.runner.pipeline import Task
from segmake.runner.records import is_as_noted, keep_changed, name_of

Work = Callable[[Task], dict[str, Any]]

# Yields the planes of a label image from the first on, as often as it is called.
Planes = Callable[[], Iterator[np.ndarray]]


def masks(plan: Plan) -> Work:
    """Return what makes the label image of an image, and what the config wants besides.

    The labels are the engine's, or the user's where there is a correction; linked in time where `tracking` asks for it.
    """
    settings, folders = plan.settings, plan.folders

    def work(task: Task) -> dict[str, Any]:
        folders.lineage(task.image).unlink(missing_ok=True)
        for kind in KINDS:
            outputs.remove(kind, folders.results, task.image)
        correction = plan.corrections.get(task.image)
        with _field(task, settings) as view, _raw_labels(task, folders) as raw:
            planes = _planes(raw, correction)
            details: dict[str, Any] = {}
            if settings["tracking"] and raw.times > 1:
                # What links cells loads half of scipy; few images are movies.
                from segmake.labels.tracking import write_lineage

                planes, details, lineage = _linked(planes, raw, view, settings["tracking"])
                write_lineage(folders.lineage(task.image), lineage)
                write_lineage(folders.own_lineage(task.image), lineage)
            pixel_size, pixel_height = pixel_sizes(view.header, settings["images"])
            counted = _Counter(planes(), depth=raw.depth if _has_volumes(settings, raw) else 1)
            write_masks(
                task.outputs[0],
                counted,
                axes=raw.axes,
                shape=raw.shape,
                name=task.image,
                pixel_size_um=pixel_size,
                pixel_height_um=pixel_height,
                slice_step_um=view.header.slice_step_um,
                interval_s=_interval(view),
                notes=_notes(settings, view, corrected=correction is not None),
            )
            with LabelStack(task.outputs[0]) as stack:
                for kind in settings["outputs"]:
                    outputs.write(kind, folders.results, task.image, stack, view)
        return {"cells_kept": counted.cells, "corrected": correction is not None, **details}

    return work


def measure(plan: Plan) -> Work:
    """Return what measures the cells of an image: a row for each cell, time point, and slice that stands alone."""
    from segmake.labels.measurement import measure_cells, measure_volume

    settings, folders = plan.settings, plan.folders
    section = settings["measurements"]

    def work(task: Task) -> dict[str, Any]:
        left_out = 0
        own, mask = folders.table(task.image), folders.mask(task.image)
        if details := restore_cells(own, mask, task):
            return details
        with _field(task, settings) as view, _mask(task, folders) as stack:
            pixel_size, pixel_height = pixel_sizes(view.header, settings["images"])
            channels = _channels_to_measure(view.header, section, task.path)
            tracked = settings["tracking"] and stack.times > 1
            lineage = _lineage(task, folders) if tracked else None
            depths = [None] if _has_volumes(settings, stack) else range(stack.depth)

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
                    "doubted": doubts(view.header, settings["images"]),
                    "step_unknown": step_unknown,
                }

            write_cells(tables(), own, mask, task, found)
        return found()

    return work


def overlay(plan: Plan) -> Work:
    """Return what draws the before/after picture of an image, or the strip of a movie or stack, and its thumbnails."""
    from segmake.labels.pictures import write_field

    settings, overlays = plan.settings, plan.settings["overlays"]
    red, green, blue = bytes.fromhex(overlays["color"].removeprefix("#"))
    low, high = overlays["contrast"]

    def work(task: Task) -> dict[str, Any]:
        picture, before, after = task.outputs
        with (
            _field(task, settings) as view,
            _mask(task, plan.folders) as stack,
        ):
            movie = plan.folders.movie(task.image)
            movie.unlink(missing_ok=True)
            linked = bool(settings["tracking"]) and stack.times > 1
            write_field(
                view,
                stack,
                picture=picture,
                before=before,
                after=after,
                movie=movie,
                linked=linked or _has_volumes(settings, stack),
                color=(red, green, blue),
                contrast=(low, high),
            )
        return {}

    return work


STEPS: dict[str, Callable[[Plan], Work]] = {"masks": masks, "measure": measure, "overlay": overlay}


@contextmanager
def _raw_labels(task: Task, folders: Folders) -> Iterator[LabelStack]:
    """Open the labels of the step before; damaged ones are removed, so that the next run finds the cells again.

    Raises
    ------
    Problem
        ``SM-OUT-010`` if they are not as they were written.
    """
    path = folders.labels(task.image)
    with _checked(path, task, lambda: _remove_own(path, folders)) as stack:
        yield stack


@contextmanager
def _mask(task: Task, folders: Folders) -> Iterator[LabelStack]:
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
    if not is_as_noted(path, task.source, task.results):
        raise put_away()
    try:
        with LabelStack(path) as stack:
            yield stack
    except Problem as problem:
        if problem.code == "SM-OUT-001" and problem.where == str(path):
            raise put_away() from problem
        raise


def _remove_own(path: Path, folders: Folders) -> Problem:
    path.unlink(missing_ok=True)
    return Problem("SM-OUT-010", where=str(path), file=name_of(path, folders.results))


def _lineage(task: Task, folders: Folders) -> pd.DataFrame:
    """Return the lineage of a movie's tracks; a damaged one is removed, so that the next run links the cells again."""
    path = folders.own_lineage(task.image)
    if is_as_noted(path, task.source, task.results):
        with suppress(OSError, ValueError):
            lineage = pd.read_csv(path)
            if {"track", "parent"} <= set(lineage.columns):
                return lineage
    raise _remove_own(path, folders)


def _field(task: Task, settings: Mapping[str, Any]) -> FieldOfView:
    return FieldOfView(task.path, task.position, settings["images"])


def _has_volumes(settings: Mapping[str, Any], stack: LabelStack) -> bool:
    """Whether a number is the same cell in all slices."""
    return stack.depth > 1 and engines.keeps_volume(settings["segmentation"])


def _planes(raw: LabelStack, correction: str | None) -> Planes:
    """Return what yields the planes of the labels, as often as it is called."""
    if correction is None:
        return raw.planes
    return lambda: iter(read_correction(Path(correction), raw.axes, raw.shape))


def _frames(planes: Iterator[np.ndarray], raw: LabelStack) -> Iterator[np.ndarray]:
    """Yield the labels of each time point: YX, or ZYX."""
    for first in planes:
        others = [next(planes) for _ in range(raw.depth - 1)]
        yield np.stack([first, *others]) if others else first


def _linked(
    planes: Planes,
    raw: LabelStack,
    view: FieldOfView,
    section: Mapping[str, Any] | bool,
) -> tuple[Planes, dict[str, Any], pd.DataFrame]:
    """Link the cells in time, and return the planes with the tracks' numbers, what to note, and the lineage."""
    from segmake.labels.tracking import link

    moments = [moment + 1 for moment in view.selection.times]
    links = link(_frames(planes(), raw), section, times=moments)

    def relabelled() -> Iterator[np.ndarray]:
        for number, plane in enumerate(planes()):
            yield links.relabel(number // raw.depth, plane)

    names = ("tracks", "divisions", "followed")
    return relabelled, {name: getattr(links, name) for name in names}, links.lineage


def _interval(view: FieldOfView) -> float | None:
    """Return the seconds from one time point that was taken to the next."""
    times, interval = view.selection.times, view.header.interval_s
    return interval * (times[1] - times[0]) if interval and len(times) > 1 else interval


class _Counter:
    """Passes planes on, and counts the cells in them: once in so many planes, the depth of a volume."""

    def __init__(self, planes: Iterator[np.ndarray], *, depth: int) -> None:
        self._planes, self._depth = planes, depth
        self.cells = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        seen: set[int] = set()
        for number, plane in enumerate(self._planes, start=1):
            seen.update(np.unique(plane).tolist())
            if number % self._depth == 0:
                self.cells += len(seen - {0})
                seen.clear()
            yield plane


def _notes(settings: Mapping[str, Any], view: FieldOfView, *, corrected: bool) -> dict[str, object]:
    """Return what the metadata of a mask says of how it was made."""
    segmentation = settings["segmentation"]
    return {
        **selection_notes(view),
        **{f"segmentation.{key}": value for key, value in segmentation.items()},
        "tracking": settings["tracking"],
        "corrected": corrected,
    }


def _channels_to_measure(header: Header, section: Mapping[str, Any], path: Path) -> dict[str, int]:
    """Return the name in the table, and the index, of each channel whose intensities are measured."""
    wanted = section["intensity_channels"]
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
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the labels of a plane, and each channel: (Y, X); or of all slices of a time point: (Z, Y, X)."""
    if depth is not None:
        planes = {name: view.channel(index, time, depth) for name, index in channels.items()}
        return stack.plane(time, depth), planes
    volumes = {
        name: np.stack([view.channel(index, time, z) for z in range(stack.depth)])
        for name, index in channels.items()
    }
    return stack.volume(time), volumes


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
