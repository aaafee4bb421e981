"""The step masks: the label image of each image that users open, with the corrections, and cells linked in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segmake.core.output_files import KINDS, kinds_of_images
from segmake.core.settings import Tracking
from segmake.core.strips import Striped
from segmake.images.calibration import pixel_sizes
from segmake.images.field_of_view import FieldOfView
from segmake.labels import exports as outputs
from segmake.labels.corrected_masks import read_correction
from segmake.labels.labels import LabelStack, selection_notes, write_masks
from segmake.labels.quality import Facts, LabelFacts, joined_facts, picture_facts
from segmake.plan.plan import Plan
from segmake.runner.pipeline import Task
from segmake.steps.inputs import (
    DoOne,
    Planes,
    field_of,
    has_volumes,
    raw_labels,
)

# So many planes of a movie or a stack are looked at for what is wrong with the picture.
LOOKED_AT = 4

if TYPE_CHECKING:
    # Most masks are not linked, and pandas is a third of the time of their start.
    import pandas as pd


def work_of(plan: Plan) -> DoOne:
    """Return what makes the label image of an image, and what the config wants besides.

    The labels are the engine's, or the user's where there is a correction; linked in time where `tracking` asks for it.
    """
    settings, folders = plan.typed, plan.folders

    def work(task: Task) -> dict[str, Any]:
        folders.lineage(task.image).unlink(missing_ok=True)
        for kind in KINDS:
            outputs.remove(kind, folders.results, task.image)
        correction = plan.corrections.get(task.image)
        with field_of(task, settings) as view, raw_labels(task, folders) as raw:
            planes = _planes(raw, correction)
            found: Callable[[], Iterator[np.ndarray | Striped]] = planes
            details: dict[str, Any] = {}
            if settings.tracking and raw.times > 1:
                # What links cells loads half of scipy; few images are movies.
                from segmake.labels.tracking import write_lineage

                found, details, lineage = _linked(planes, raw, view, settings.tracking)
                write_lineage(folders.lineage(task.image), lineage)
                write_lineage(folders.own_lineage(task.image), lineage)
            elif correction is None:
                found = raw.striped_planes
            pixel_size, pixel_height = pixel_sizes(view.header, settings.images)
            depth = raw.depth if has_volumes(settings, raw) else 1
            counted = _Counter(found(), depth=depth, view=view)
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
                notes=_notes(plan.settings, view, corrected=correction is not None),
            )
            with LabelStack(task.outputs[0]) as stack:
                for kind in kinds_of_images(settings.outputs):
                    outputs.write(kind, folders.results, task.image, stack, view)
        noted = {"cells_kept": counted.cells, "quality": counted.facts()}
        return {**noted, "corrected": correction is not None, **details}

    return work


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
    section: Tracking,
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
    """Passes planes on, counts the cells in them, and gathers what tells how good they are.

    Cells are counted once in so many planes, the depth of a volume. Of a few planes the picture is looked at, too.
    """

    def __init__(
        self, planes: Iterator[np.ndarray | Striped], *, depth: int, view: FieldOfView
    ) -> None:
        self._planes, self._depth, self._view = planes, depth, view
        self._labels = LabelFacts()
        self._pictures: list[Facts] = []
        self.cells = 0

    def __iter__(self) -> Iterator[np.ndarray | Striped]:
        seen: set[int] = set()
        chosen = self._view.selection
        total = len(chosen.times) * chosen.depth
        looked_at = range(0, total, -(-total // LOOKED_AT))
        for number, plane in enumerate(self._planes):
            seen.update(self._labels.add(plane).tolist())
            if (number + 1) % self._depth == 0:
                self.cells += len(seen)
                seen.clear()
            if number in looked_at:
                place = divmod(number, chosen.depth)
                picture = self._view.channel(chosen.channel, *place)
                self._pictures.append(picture_facts(picture, plane))
            yield plane

    def facts(self) -> Facts:
        """Return what `segmake.outcome.quality` judges, once all planes were passed on."""
        return {**self._labels.facts(), **joined_facts(self._pictures)}


def _notes(settings: Mapping[str, Any], view: FieldOfView, *, corrected: bool) -> dict[str, object]:
    """Return what the metadata of a mask says of how it was made."""
    segmentation = settings["segmentation"]
    return {
        **selection_notes(view),
        **{f"segmentation.{key}": value for key, value in segmentation.items()},
        "tracking": settings["tracking"],
        "corrected": corrected,
    }
