"""The work of each step on one image, from files to files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from typing import Any

import numpy as np

from segmake import engines, readers
from segmake.labels import read_labels, write_labels
from segmake.messages import Problem, say
from segmake.pipeline import InOneGo, Task, Work
from segmake.plan import Plan

# What the report names of an engine's environment.
_PACKAGES = ("cellpose", "omnipose", "torch", "numpy", "scikit-image", "tifffile", "nd2")


def work_of(step: str, plan: Plan, tell: Callable[[str], None]) -> Work:
    """Return a step's work on one image.

    Parameters
    ----------
    step : {"segment", "measure", "overlay"}
    plan : Plan
    tell : callable
        Takes a line for the screen.
    """
    if step == "segment":
        return Segmentation(plan, tell)
    return InOneGo({"measure": _measure, "overlay": _overlay}[step](plan))


@dataclass
class _Field:
    """A field of view on its way through the engine, and the seconds that each phase took."""

    header: readers.Header
    planes: list[np.ndarray] = field(default_factory=list)
    prediction: Any = None
    phases: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Note how long something took."""
        started = time.perf_counter()
        yield
        self.phases[name] = round(time.perf_counter() - started, 3)


class Segmentation:
    """Segments images; the model is loaded for the first image that can be read, and once.

    The network sees one image while the next ones are read, and the masks of the one before it are made and written.
    """

    overlaps = True

    def __init__(self, plan: Plan, tell: Callable[[str], None]) -> None:
        self._section = plan.settings["images"]
        self._settings = plan.settings["segmentation"]
        self._tell = tell
        self._loaded: Any = None
        self._refused: Problem | None = None

    @cached_property
    def _engine(self) -> engines.Engine:
        return engines.engine(self._settings["engine"])

    def read(self, task: Task) -> _Field:
        """Read the planes to segment."""
        # A mask of other settings, or of the file before this one, must not outlive this attempt.
        for output in task.outputs:
            output.unlink(missing_ok=True)
        started = time.perf_counter()
        planes, header = readers.read_planes(task.path, self._section)
        return _Field(header, planes, phases={"read": round(time.perf_counter() - started, 3)})

    def compute(self, task: Task, read: _Field) -> _Field:
        """Let the network see the image."""
        with read.phase("load"):
            self._load()
        with read.phase("network"):
            read.prediction = self._engine.predict(self._loaded, read.planes)
        read.planes = []
        return read

    def finish(self, task: Task, computed: _Field) -> dict[str, Any]:
        """Make the masks, write the label image, and return what the journal notes of it."""
        with computed.phase("masks"):
            labels = self._engine.masks(self._loaded, computed.prediction)
        header, section = computed.header, self._section
        with computed.phase("write"):
            pixel_size = section["pixel_size_um"] or header.pixel_size_um
            write_labels(task.outputs[0], labels, pixel_size, task.image)
        channel = readers.channel_index(header, section["channel"], task.path)
        return {
            "cells": int(labels.max(initial=0)),
            "width_px": header.width,
            "height_px": header.height,
            "channel": header.channels[channel],
            **self._engine.describe(self._loaded),
            "phases": computed.phases,
            "versions": _versions(),
        }

    def _load(self) -> None:
        # A model that can't be loaded is not loaded again for each image of the batch.
        if self._refused:
            raise self._refused
        if self._loaded is None:
            try:
                self._loaded = self._engine.load(self._settings)
            except Problem as problem:
                self._refused = problem
                raise
            self._tell(say("step.model", **self._engine.describe(self._loaded)))


def _measure(plan: Plan) -> Callable[[Task], dict[str, Any]]:
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


def _overlay(plan: Plan) -> Callable[[Task], dict[str, Any]]:
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
