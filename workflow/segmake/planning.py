"""Makes the plan of a run from the config, the images and the journals."""

from __future__ import annotations

import errno
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

from segmake import engines, measurement, pictures, readers
from segmake.batches import megapixels
from segmake.config import Config
from segmake.files import fingerprint
from segmake.inventory import ImageFile, Inventory, take_inventory
from segmake.journal import Entry, Journal, next_attempt
from segmake.messages import Problem
from segmake.pipeline import Task
from segmake.plan import Batch, Folders, Plan, State
from segmake.steps import STEPS, is_current

# Measuring and drawing so much takes a minute or two: less than a job of its own waits and takes to start.
SMALL_MEGAPIXELS = 200.0


def make_plan(config: Config, command: str = "") -> tuple[Plan, Inventory]:
    """Make the plan of a run; nothing is written.

    Parameters
    ----------
    config : Config
    command : str
        What the user typed, for the report.

    Raises
    ------
    Problem
        ``SM-RUN-010`` if the results folder is a file.
    Problems
        What `take_inventory` raises.
    """
    folders = Folders(Path(config.settings["results"]))
    if folders.results.exists() and not folders.results.is_dir():
        where = config.where("results")
        reason = os.strerror(errno.ENOTDIR)
        raise Problem("SM-RUN-010", where=where, results=folders.results, error=reason)
    inventory = take_inventory(config, folders.inventory)
    batches: dict[str, Batch] = {}
    states: dict[str, State] = {}
    to_do: Counter[str] = Counter({"segment": 0, "measure": 0, "overlay": 0, "batches": 0})
    small: list[str] = []
    keys = _KeyMaker(config.settings)
    for name, images in inventory.batches().items():
        if not any(image.present for image in images):
            continue
        batch, before = _plan_batch(name, images, folders, keys)
        batches[name] = batch
        segmented = to_do["segment"]
        for image in images:
            if image.present:
                entries, current = before[image.image]
                states[image.image] = _state(entries, current)
                to_do.update(step for step in STEPS if not current[step])
        to_do["batches"] += to_do["segment"] > segmented
        new = [i for i in images if i.present and not before[i.image][1][STEPS[0]]]
        if new and sum(megapixels(new)) < SMALL_MEGAPIXELS:
            small.append(name)
    plan = Plan(
        settings=config.settings,
        config=str(config.path),
        command=command,
        started=time.time(),
        left_out=inventory.left_out,
        batches=batches,
        states=states,
        to_do=dict(to_do),
        small=small,
    )
    return plan, inventory


class _KeyMaker:
    """Makes the fingerprints of what decides a result of each step."""

    def __init__(self, settings: dict[str, Any]) -> None:
        segmentation = settings["segmentation"]
        decisive = {k: v for k, v in segmentation.items() if k not in engines.NOT_DECISIVE}
        images = settings["images"]
        engine = segmentation["engine"]
        self._segment = fingerprint(
            decisive,
            model_fingerprint(segmentation),
            [images["channel"], images["second_channel"]],
            [engines.VERSIONS[engine], readers.VERSION],
        )
        # The size of a pixel decides no mask: `measure` writes it into those that are there.
        self._measure = fingerprint(
            settings["measurements"], images["pixel_size_um"], measurement.VERSION
        )
        self._overlay = fingerprint(settings["overlays"], pictures.VERSION)

    def keys(self, image: ImageFile) -> dict[str, str]:
        """Return the key of each step for an image."""
        segment = fingerprint(self._segment, image.size, image.mtime_ns)
        return {
            "segment": segment,
            "measure": fingerprint(segment, self._measure),
            "overlay": fingerprint(segment, self._overlay),
        }


def model_fingerprint(segmentation: dict[str, Any]) -> list[int] | None:
    """Return size and time of change of a model's file; None for a model that the engine knows by its name.

    Parameters
    ----------
    segmentation : dict
        The section ``segmentation`` of a checked config.
    """
    model = segmentation.get("model")
    if model is None or model in engines.BUILTIN_MODELS.get(segmentation["engine"], ()):
        return None
    stat = Path(model).expanduser().stat()
    return [stat.st_size, stat.st_mtime_ns]


Before = dict[str, tuple[dict[str, Entry | None], dict[str, bool]]]


def _plan_batch(
    name: str, images: list[ImageFile], folders: Folders, keys: _KeyMaker
) -> tuple[Batch, Before]:
    """Plan one batch, and return beside it what its journals say of each image."""
    tasks: dict[str, list[Task]] = {step: [] for step in STEPS}
    attempts: dict[str, list[int]] = {step: [] for step in STEPS}
    before: Before = {image.image: ({}, {}) for image in images}
    wanted = {image.image: keys.keys(image) for image in images}
    for step in STEPS:
        finished = Journal(folders.journal(step, name)).finished()
        for image in images:
            entry = finished.get(image.image)
            key = wanted[image.image][step]
            outputs = folders.outputs(step, image.image)
            current = is_current(entry, key, outputs)
            attempt = next_attempt(entry, current=current, present=image.present)
            attempts[step].append(attempt)
            before[image.image][0][step] = entry
            before[image.image][1][step] = current
            if image.present:
                tasks[step].append(Task(image.image, image.path, key, attempt, outputs))
    return Batch(name, tasks, attempts), before


def _state(entries: dict[str, Entry | None], current: dict[str, bool]) -> State:
    if all(current.values()):
        return "done"
    if any(entry and entry.event == "failed" for entry in entries.values()):
        return "failed"
    if current["segment"] and None in entries.values():
        return "unfinished"
    return "changed" if entries["segment"] else "new"
