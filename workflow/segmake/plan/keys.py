"""Makes the keys of results: fingerprints of all that decides what comes out of each step, for each image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from segmake import engines
from segmake.core import versions
from segmake.core.declared_steps import MASKS, MEASURE, OVERLAY, SEGMENT, STEPS
from segmake.core.files import as_json, fingerprint, fingerprint_of
from segmake.core.journal import Entry
from segmake.core.output_files import kinds_of_images
from segmake.core.settings import Segmentation, Settings
from segmake.images.calibration import corrected_since_0_1_0
from segmake.images.corrections import correction_fingerprint
from segmake.images.image import ImageFile
from segmake.images.selection import Selector, chosen, interpreted
from segmake.messages import Problem
from segmake.plan.memory import is_worked_on_alone
from segmake.plan.scripts import image_keys
from segmake.runner.same_content import times_before


class KeyMaker:
    """Makes the fingerprints of what decides a result of each step, from the settings."""

    def __init__(self, settings: dict[str, Any], corrections: dict[str, Path]) -> None:
        self._typed = typed = Settings.of(settings)
        segmentation = typed.segmentation
        decisive = {
            k: v for k, v in settings["segmentation"].items() if k not in engines.NOT_DECISIVE
        }
        if segmentation.diameter == engines.ESTIMATE:
            decisive["diameter"] = [engines.ESTIMATE, versions.DIAMETERS]
        engine = segmentation.engine
        self.images = images = typed.images
        self.selector = Selector(images)
        self._whole = engines.keeps_volume(segmentation)
        self._in_3d = segmentation.do_3D and segmentation.anisotropy is None
        self._has_distances = self._whole and typed.measurements.neighbour_distance is not None
        self._corrections = corrections
        self.weights = model_fingerprint(segmentation)
        self._segment = lambda weights: fingerprint(
            decisive,
            weights,
            [versions.ENGINES[engine], *STEPS[SEGMENT].versions],
            # In 3D the distance of the slices decides the cells; else the size of a pixel decides none.
            images.pixel_size_um if self._whole else None,
        )
        self._of_model = self._segment(self.weights)
        tracking = [settings["tracking"], versions.TRACKING] if settings["tracking"] else None
        self._tracked = tracking is not None
        self._tracking = as_json(tracking)
        self._masks = fingerprint(
            kinds_of_images(settings["outputs"]),
            images.pixel_size_um,
            *STEPS[MASKS].versions,
        )
        self._measure = fingerprint(
            settings["measurements"], images.pixel_size_um, *STEPS[MEASURE].versions
        )
        self._overlay = fingerprint(settings["overlays"], *STEPS[OVERLAY].versions)

    def keys(self, image: ImageFile, of_model: str = "") -> dict[str, str]:
        """Return the key of each step for an image.

        Parameters
        ----------
        image : ImageFile
        of_model : str
            The part that the settings and the model have in it, if not those of now.
        """
        segment, cells = self._segment_and_cells(image, of_model or self._of_model)
        corrected = corrected_since_0_1_0(image.header, self.images)
        measured = [*corrected, *self._distances(image)]
        return {
            SEGMENT: segment,
            MASKS: _of_two(cells, self._masks, corrected),
            MEASURE: _of_two(cells, self._measure, measured),
            OVERLAY: _of_two(cells, self._overlay, ()),
        }

    def keys_before(
        self, image: ImageFile, entry: Entry | None
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Return `keys` and `script_keys` of the results that are there, where times of files alone are others since.

        Else none.
        """
        now = (image.size, image.mtime_ns, arranged(image))
        before = times_before(entry, now, self.weights)
        if before is None or entry is None:
            return {}, {}
        older, of_model = replace(image, mtime_ns=before[0]), self._segment(before[1])
        if older.header and before[2]:
            older = replace(older, header=replace(older.header, arranged=before[2]))
        keys = self.keys(older, of_model)
        # Once its labels are carried over, what was made of them is still to be.
        known = keys[SEGMENT] in (entry.key, entry.details.get("carried"))
        return (keys, self.script_keys(older, of_model)) if known else ({}, {})

    def correction(self, image: ImageFile) -> Path | None:
        """Return the corrected mask of an image, if it has one."""
        return self._corrections.get(image.result_name) if self._corrections else None

    def script_keys(self, image: ImageFile, of_model: str = "") -> dict[str, str]:
        """Return what decides what the users' scripts see of an image, and of its mask; parameters as of `keys`."""
        cells = self._segment_and_cells(image, of_model or self._of_model)[1]
        corrected = corrected_since_0_1_0(image.header, self.images)
        labels = fingerprint(cells, self.images.pixel_size_um, *corrected)
        file = (image.size, image.mtime_ns, image.position)
        return image_keys(*file, labels, arranged(image))

    def _segment_and_cells(self, image: ImageFile, of_model: str) -> tuple[str, str]:
        """Return what decides the labels that the engine finds, and those that are kept in the end."""
        file = (image.size, image.mtime_ns, image.position)
        # Only in 3D do the sizes of pixels decide the cells.
        others: list[Any] = corrected_since_0_1_0(image.header, self.images) if self._in_3d else []
        # A position that comes after pages which counted as positions once is another one now.
        if image.header and image.header.copies_before:
            others = [*others, image.header.copies_before]
        # Another file of a set changes neither sum nor latest time for sure.
        if arranged(image):
            others = [*others, arranged(image)]
        if (
            image.header
            and self.images.axes
            and interpreted(image.header, self.images)
            != (interpreted(image.header, replace(self.images, axes=None)))
        ):
            others = [*others, ["axes", self.images.axes]]
        parts = [f'"{of_model}"', *map(str, file), self._selection(image), *map(as_json, others)]
        segment = fingerprint_of(parts)
        correction = self.correction(image)
        corrected = as_json(correction_fingerprint(correction)) if correction else "null"
        return segment, fingerprint_of((f'"{segment}"', corrected, self._tracking))

    def _distances(self, image: ImageFile) -> list[Any]:
        """Return what is in the key besides where 0.1.0 took slices of an unknown distance for one pixel apart."""
        if image.header is None or not self._has_distances:
            return []
        header = interpreted(image.header, self.images)
        unknown = header.slices > 1 and not header.slice_step_um
        return [["slice_step_um", None]] if unknown else []

    def is_large(self, image: ImageFile) -> bool:
        """Whether an image is worked on alone."""
        return is_worked_on_alone(self._typed, image)

    def is_tracked(self, image: ImageFile) -> bool:
        """Whether the cells of an image are followed in time."""
        if image.header is None or not self._tracked:
            return False
        header = interpreted(image.header, self.images)
        return len(chosen(self.images.time, header.times)) > 1

    def _selection(self, image: ImageFile) -> str:
        """Return the planes that the config selects as JSON; what it says, where they can't be known."""
        if image.header:
            try:
                return self.selector.select(image.header, image.path).text
            except Problem:
                pass
        keys = ("channel", "second_channel", "z", "time", "pages")
        return as_json([getattr(self.images, key) for key in keys])


def _of_two(one: str, other: str, others: Sequence[Any]) -> str:
    """Return the fingerprint of two fingerprints, and of more values."""
    return fingerprint_of((f'"{one}"', f'"{other}"', *map(as_json, others)))


def model_fingerprint(segmentation: Segmentation) -> list[int] | None:
    """Return size and time of change of a model's file; None for a model that the engine knows by its name.

    Parameters
    ----------
    segmentation : Segmentation
        The section ``segmentation`` of the config.
    """
    model = segmentation.model
    if model is None or model in engines.BUILTIN_MODELS.get(segmentation.engine, ()):
        return None
    stat = Path(model).expanduser().stat()
    return [stat.st_size, stat.st_mtime_ns]


def arranged(image: ImageFile) -> str:
    """Return what differs when one of the several files does that an image lies in; empty for one file."""
    return image.header.arranged if image.header else ""
