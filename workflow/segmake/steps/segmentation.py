"""The step segment: the engine finds the cells of each image, and their raw labels are written."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib import metadata
from threading import Lock
from typing import Any

import numpy as np

from segmake import engines
from segmake.core import strips
from segmake.core.files import position_number
from segmake.core.strips import Striped
from segmake.engines import diameter
from segmake.engines.counting import counts
from segmake.formats.believed import Header
from segmake.images.calibration import mean_size
from segmake.images.field_of_view import FieldOfView
from segmake.images.file_sets import FileSet
from segmake.labels.labels import LabelWriter
from segmake.messages import Problem, say
from segmake.plan.plan import Plan
from segmake.runner.pipeline import Task
from segmake.runner.same_content import source_note, weights_note

# What the report names of an engine's environment.
_PACKAGES = ("cellpose", "omnipose", "torch", "numpy", "scikit-image", "tifffile", "nd2")


@dataclass
class _Field:
    """A field of view on its way through the engine, and the seconds that each phase took.

    Attributes
    ----------
    view : FieldOfView
        Open until the last plane is read.
    places : list of tuple
        Time and depth of each piece that the engine is given: a plane; or all planes of a time point (depth None).
    planes : list of array
        The piece that is next: for each channel YX, or ZYX.
    writer : LabelWriter
        Takes the labels, plane by plane.
    source : dict
        What is noted of the file.
    loaded
        What the engine loaded; told the diameter of this field's cells where that is estimated.
    estimated : float or None
        That diameter, in pixels.
    areas : list of array
        Of the cells of each plane, where it is to be seen how large they are.
    doubts : list of tuple
        What speaks against the labels: codes of messages, and the values in them.
    """

    view: FieldOfView
    places: list[tuple[int, int | None]]
    writer: LabelWriter
    source: dict[str, Any]
    planes: list[np.ndarray] = field(default_factory=list)
    loaded: Any = None
    prediction: Any = None
    cells: int = 0
    dropped: int | None = None
    estimated: float | None = None
    areas: list[np.ndarray] = field(default_factory=list)
    anisotropy_unknown: bool = False
    unclear: bool = False
    doubts: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add up how long something took."""
        started = time.perf_counter()
        yield
        took = time.perf_counter() - started
        self.phases[name] = round(self.phases.get(name, 0.0) + took, 3)

    def read(self, place: tuple[int, int | None]) -> list[np.ndarray]:
        """Return the channels to segment: YX each, or ZYX where the engine takes all slices at once."""
        moment, depth = place
        with self.phase("read"):
            if depth is not None:
                return self.view.planes(moment, depth)
            slices = [self.view.planes(moment, each) for each in range(self.view.selection.depth)]
            return [np.stack(channel) for channel in zip(*slices, strict=True)]

    def read_middle(self) -> list[np.ndarray]:
        """Return the channels of the plane that stands for all: movies may begin with one cell, stacks with a blur."""
        selection = self.view.selection
        return self.read((len(selection.times) // 2, selection.depth // 2))

    def add(self, labels: np.ndarray) -> None:
        """Write the labels of a piece: YX or ZYX."""
        self.cells += int(np.count_nonzero(counts(labels.reshape(-1, labels.shape[-1]))[1:]))
        with self.phase("write"):
            for plane in labels if labels.ndim == 3 else [labels]:
                self.writer.add(plane)

    def add_parts(self, shape: tuple[int, int], parts: Iterator[np.ndarray]) -> None:
        """Write the labels of a plane, made some rows at a time; each number up to the largest is a cell."""
        largest = 0

        def counted() -> Iterator[np.ndarray]:
            nonlocal largest
            for part in parts:
                largest = max(largest, int(part.max()))
                yield part

        self.writer.add(Striped(shape, counted))
        self.cells += largest

    def leave(self) -> None:
        """Close what is open, without a result."""
        self.view.close()
        self.writer.abandon()


class Segmentation:
    """Segments images; the model is loaded for the first image that can be read, and once.

    The network sees one plane while the next one is read, and the masks of the one before it are made and written:
    planes of different images, and those of one movie or stack. On the CPU the network and the masks take turns, since
    each of them has all cores of the job.
    """

    # Reading and writing wait for disks most of the time, on a single core too.
    overlaps = True

    def __init__(self, plan: Plan, tell: Callable[[str], None]) -> None:
        # The plan says which files are one image.
        self._images = replace(plan.typed.images, pattern=None)
        self._section, self._settings = plan.settings["segmentation"], plan.typed.segmentation
        self._weights = plan.weights
        self._sets = plan.file_sets
        self._tell = tell
        self._loaded: Any = None
        self._refused: Problem | None = None
        self._making_masks = Lock()
        self._estimates = self._settings.diameter == engines.ESTIMATE
        # A network's own diameter stays what it is where none is given, and only that of the demo is told of: published
        # models know cells of many sizes.
        self._watches = engines.is_demo(self._settings) and not (
            self._settings.diameter
            or self._settings.rescale
            or engines.keeps_volume(self._settings)
        )

    @cached_property
    def _engine(self) -> engines.Engine:
        return engines.engine(self._settings.engine)

    @cached_property
    def _has_all_cores(self) -> bool:
        """Whether the network that was loaded computes on the CPU; an engine without a network takes one core."""
        network = self._settings.engine in engines.BUILTIN_MODELS
        return network and self._engine.describe(self._loaded)["device"] == "CPU"

    def read(self, task: Task) -> _Field:
        """Open a field of view, and read the first of its planes."""
        # Labels of other settings, or of the file before this one, must not outlive this attempt.
        for output in task.outputs:
            output.unlink(missing_ok=True)
        started = time.perf_counter()
        # A file that could not be read when the run was planned counts as one image.
        expected = task.positions or (1 if task.position == 0 else None)
        known = self._sets.get(task.image)
        files = FileSet.from_dict(known) if known else None
        view = FieldOfView(task.path, task.position, self._images, expected, files)
        try:
            view.refuse_unwritten()
            selection, whole = view.selection, engines.keeps_volume(self._settings)
            if whole:
                engines.refuse_flat(self._settings, selection.depth)
            depths = [None] if whole else range(selection.depth)
            places = [(moment, at) for moment in range(len(selection.times)) for at in depths]
            times, depth = len(selection.times), selection.depth
            writer = LabelWriter(task.outputs[0], times=times, depth=depth)
            read = _Field(view, places, writer, source_note(task, view.header.parts))
            read.planes = read.read(places[0])
        except BaseException:
            view.close()
            raise
        read.phases["read"] = round(time.perf_counter() - started, 3)
        return read

    def compute(self, task: Task, read: _Field) -> _Field:
        """Let the network see all planes; the masks of all but the last are made meanwhile, or all in turn."""
        try:
            with read.phase("load"):
                self._load()
            self._choose_diameter(read)
            with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(1, "masks") as maker:
                made: Future | None = None
                for number, place in enumerate(read.places):
                    last = number + 1 == len(read.places)
                    coming = None if last else reader.submit(read.read, read.places[number + 1])
                    read.prediction = self._predict(read, place)
                    if made:
                        made.result()
                    if coming and self._has_all_cores:
                        self._make_masks(read, read.prediction)
                    elif coming:
                        made = maker.submit(self._make_masks, read, read.prediction)
                    read.planes = coming.result() if coming else []
            if self._has_all_cores:
                self._complete(read)
        except BaseException:
            read.leave()
            raise
        return read

    def finish(self, task: Task, computed: _Field) -> dict[str, Any]:
        """Make the last masks if they are not there, write the labels, and return what the journal notes of them."""
        try:
            if not self._has_all_cores:
                self._complete(computed)
            with computed.phase("write"):
                computed.writer.close()
        finally:
            computed.leave()
        header, selection = computed.view.header, computed.view.selection
        return {
            "cells": computed.cells,
            **({} if computed.dropped is None else {"dropped": computed.dropped}),
            "width_px": header.width,
            "height_px": header.height,
            "channel": header.channels[selection.channel],
            "channel_number": selection.channel + 1,
            "channels": len(header.channels),
            "times": [moment + 1 for moment in selection.times],
            "all_times": header.times,
            "slices": [index + 1 for index in selection.slices],
            "all_slices": header.slices,
            "projection": selection.projection,
            "position": header.position or position_number(task.image),
            "objective": header.objective,
            "acquired": header.acquired,
            "lossy": header.lossy,
            **_stopped_early(header),
            "anisotropy_unknown": computed.anisotropy_unknown,
            **({"diameter_estimated": computed.estimated} if computed.estimated else {}),
            **({"doubts": computed.doubts} if computed.doubts else {}),
            **self._engine.describe(computed.loaded),
            **computed.source,
            **weights_note(str(self._settings.model), self._weights),
            "phases": computed.phases,
            "versions": _versions(),
        }

    def _choose_diameter(self, read: _Field) -> None:
        """Estimate how large the cells of this field of view are, where the config wants that: all planes get one."""
        read.loaded = self._loaded
        if not self._estimates:
            return
        planes = read.read_middle()
        with read.phase("network"):
            read.estimated = diameter.estimate(self._engine, self._loaded, planes)
        if read.estimated != self._engine.own_diameter(self._loaded):
            read.loaded = self._engine.at(self._loaded, read.estimated)

    def _complete(self, read: _Field) -> None:
        """Make the last masks, and judge all of them."""
        self._make_masks(read, read.prediction)
        read.prediction = None
        read.doubts = self._doubts(read)

    def _doubts(self, computed: _Field) -> list[tuple[str, dict[str, str]]]:
        """Return what speaks against the labels: codes of messages, and the values in them."""
        if computed.unclear:
            return [("SM-OUT-046", {})]
        if not computed.areas:
            return []
        found = diameter.median_diameter(np.concatenate(computed.areas))
        planes = computed.read_middle()
        with computed.phase("network"):
            if not diameter.better(self._engine, computed.loaded, planes, computed.areas):
                return []
        own = self._engine.own_diameter(computed.loaded)
        return [("SM-OUT-050", {"found": f"{found:.0f}", "own": f"{own:.0f}"})]

    def _predict(self, read: _Field, place: tuple[int, int | None]) -> Any:
        """Return what the engine makes masks of; for a volume, its labels."""
        with read.phase("network"):
            if place[1] is not None:
                prediction = self._engine.predict(read.loaded, read.planes)
                # All planes of a field of view are of one kind, and the middle slice is the sharpest.
                middle = read.places[len(read.places) // 2]
                if place == middle and hasattr(self._engine, "unclear"):
                    read.unclear = self._engine.unclear(read.loaded, read.planes, prediction)
                return prediction
            header = read.view.header
            anisotropy = engines.anisotropy(
                self._settings, mean_size(header, self._images), header.slice_step_um
            )
            read.anisotropy_unknown = self._settings.do_3D and anisotropy is None
            return self._engine.volume(read.loaded, read.planes, anisotropy)

    def _make_masks(self, read: _Field, prediction: Any) -> None:
        if engines.keeps_volume(self._settings):
            read.add(prediction)
            return
        # The last masks of one image and the first of the next are made by two threads.
        with self._making_masks, read.phase("masks"):
            make_parts = getattr(self._engine, "parts_of_masks", None)
            labels = None
            if make_parts and prediction.size > strips.LARGE:
                read.add_parts(prediction.shape, make_parts(read.loaded, prediction))
            else:
                labels = self._engine.masks(read.loaded, prediction)
            if tell := getattr(self._engine, "dropped", None):
                read.dropped = (read.dropped or 0) + tell(read.loaded, prediction)
        if labels is None:
            return
        if self._watches:
            read.areas.append(diameter.areas_of(labels))
        read.add(labels)

    def _load(self) -> None:
        # A model that can't be loaded is not loaded again for each image of the batch.
        if self._refused:
            raise self._refused
        if self._loaded is None:
            try:
                without = {"diameter": None} if self._estimates else {}
                self._loaded = self._engine.load({**self._section, **without})
            except Problem as problem:
                self._refused = problem
                raise
            self._tell(say("step.model", **self._engine.describe(self._loaded)))


def _stopped_early(header: Header) -> dict[str, int]:
    """Return how many time points and slices were to be taken, where fewer were saved."""
    planned = {"planned_times": header.planned_times, "planned_slices": header.planned_slices}
    return {name: number for name, number in planned.items() if number is not None}


@cache
def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found
