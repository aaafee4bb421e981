"""The work of each step on one image, from files to files."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from typing import Any

from segmake import engines, readers
from segmake.labels import read_labels, write_labels
from segmake.messages import Problem, say
from segmake.plan import Plan
from segmake.steps import Task, Work

# What the report names of an engine's environment.
_PACKAGES = ("cellpose", "torch", "numpy", "scikit-image", "tifffile", "nd2")


def work_of(step: str, plan: Plan, tell: Callable[[str], None]) -> Work:
    """Return the function that does a step's work on one image.

    Parameters
    ----------
    step : {"segment", "measure", "overlay"}
    plan : Plan
    tell : callable
        Takes a line for the screen.
    """
    if step == "segment":
        return Segmentation(plan, tell)
    return {"measure": _measure, "overlay": _overlay}[step](plan)


class Segmentation:
    """Segments images; the model is loaded for the first image that can be read, and once."""

    def __init__(self, plan: Plan, tell: Callable[[str], None]) -> None:
        self._plan = plan
        self._settings = plan.settings["segmentation"]
        self._tell = tell
        self._loaded: Any = None
        self._refused: Problem | None = None

    def __call__(self, task: Task) -> dict[str, Any]:
        """Write the label image of a task, and return what the journal notes of it."""
        # A mask of other settings, or of the file before this one, must not outlive this attempt.
        for output in task.outputs:
            output.unlink(missing_ok=True)
        section = self._plan.settings["images"]
        planes, header = readers.read_planes(task.path, section)
        engine = engines.engine(self._settings["engine"])
        self._load(engine)
        labels = engine.segment(self._loaded, planes)
        pixel_size = section["pixel_size_um"] or header.pixel_size_um
        write_labels(task.outputs[0], labels, pixel_size, task.image)
        channel = readers.channel_index(header, section["channel"], task.path)
        return {
            "cells": int(labels.max(initial=0)),
            "width_px": header.width,
            "height_px": header.height,
            "channel": header.channels[channel],
            "device": engine.describe(self._loaded)["device"],
            "versions": _versions(),
        }

    def _load(self, engine: engines.Engine) -> None:
        # A model that can't be loaded is not loaded again for each image of the batch.
        if self._refused:
            raise self._refused
        if self._loaded is None:
            try:
                self._loaded = engine.load(self._settings)
            except Problem as problem:
                self._refused = problem
                raise
            self._tell(say("step.model", **engine.describe(self._loaded)))


def _measure(plan: Plan) -> Work:
    from segmake.measurement import measure_cells
    from segmake.tables import write_csv

    section = plan.settings["images"]
    wanted = plan.settings["measurements"]["intensity_channels"]

    def work(task: Task) -> dict[str, Any]:
        mask = plan.folders.mask(task.image)
        labels = read_labels(mask)
        with readers.open_image(task.path) as image:
            header = image.header
            indices = (
                range(len(header.channels))
                if wanted == "all"
                else [
                    readers.channel_index(header, channel, task.path)
                    for channel in wanted
                    if readers.has_channel(header, channel)
                ]
            )
            channels = {_column_name(header, index): image.plane(index) for index in indices}
        pixel_size = section["pixel_size_um"] or header.pixel_size_um
        if readers.read_header(mask).pixel_size_um != pixel_size:
            write_labels(mask, labels, pixel_size, task.image)
        table = measure_cells(labels, channels, pixel_size)
        write_csv(table, task.outputs[0])
        return {"pixel_size_um": pixel_size}

    return work


def _column_name(header: readers.Header, index: int) -> str:
    """Return a channel's name; channels of the same name are told apart by their numbers."""
    name = header.channels[index]
    return name if header.channels.count(name) == 1 else f"{name} ({index + 1})"


def _overlay(plan: Plan) -> Work:
    from segmake.pictures import write_pictures

    section, overlays = plan.settings["images"], plan.settings["overlays"]
    red, green, blue = bytes.fromhex(overlays["color"].removeprefix("#"))
    low, high = overlays["contrast"]

    def work(task: Task) -> dict[str, Any]:
        labels = read_labels(plan.folders.mask(task.image))
        planes, _ = readers.read_planes(task.path, section)
        picture, before, after = task.outputs
        write_pictures(
            planes[0],
            labels,
            picture=picture,
            before=before,
            after=after,
            color=(red, green, blue),
            contrast=(low, high),
        )
        return {}

    return work


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
