"""Joins what the batches did into the tables of the whole run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from segmake.files import natural_key, write_atomically
from segmake.journal import Entry, Journal
from segmake.pipeline import Task
from segmake.plan import Plan
from segmake.steps import STEPS, is_current, problem_of
from segmake.timing import PHASES

IMAGE_COLUMNS = (
    "image",
    "state",
    "cells",
    "seconds",
    "code",
    "message",
    "remedy",
    "batch",
    "attempt",
    "width_px",
    "height_px",
    "pixel_size_um",
    "channel",
    "device",
    *(f"{phase}_seconds" for phase in PHASES),
    "mask",
    "picture",
)


def image_table(plan: Plan) -> pd.DataFrame:
    """Return a row per image that is there, with what became of it; columns as in `IMAGE_COLUMNS`.

    ``state`` is ``"done"`` where every step ended well, else ``"failed"`` with the code, the message and the remedy
    of the first step that did not. ``seconds`` is the time of the segmentation, and ``load_seconds`` to
    ``write_seconds`` its phases. ``mask`` and ``picture`` are paths in the results folder.
    """
    rows = []
    for batch in plan.batches.values():
        finished = {
            step: Journal(plan.folders.journal(step, batch.name)).finished() for step in STEPS
        }
        for tasks in zip(*(batch.tasks[step] for step in STEPS), strict=True):
            entries = [finished[step].get(tasks[0].image) for step in STEPS]
            rows.append(_image_row(plan, batch.name, list(tasks), entries))
    table = pd.DataFrame(rows, columns=list(IMAGE_COLUMNS))
    order = {image: number for number, image in enumerate(sorted(plan.images(), key=natural_key))}
    table = table.sort_values("image", key=lambda images: images.map(order), ignore_index=True)
    whole = ("cells", "attempt", "width_px", "height_px")
    fractions = ("seconds", "pixel_size_um", *(f"{phase}_seconds" for phase in PHASES))
    return table.astype(dict.fromkeys(whole, "Int64") | dict.fromkeys(fractions, "float64"))


def cell_table(plan: Plan, images: pd.DataFrame) -> pd.DataFrame:
    """Return a row per cell of the images that are done: ``image``, then what `measure_cells` gives.

    Parameters
    ----------
    images : DataFrame
        What `image_table` gave.
    """
    tables = []
    for image in images.loc[images["state"] == "done", "image"]:
        table = pd.read_csv(plan.folders.cells(image), float_precision="round_trip")
        table.insert(0, "image", image)
        tables.append(table)
    # A table without rows has no types to speak of, and would turn the joined columns into text.
    filled = [table for table in tables if len(table)]
    if filled:
        return pd.concat(filled, ignore_index=True)
    return tables[0] if tables else pd.DataFrame(columns=["image"])


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, in UTF-8 with the mark by which Excel knows it."""
    with write_atomically(path) as part:
        table.to_csv(part, index=False, encoding="utf-8-sig", errors="surrogateescape")


def write_parquet(table: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet."""
    with write_atomically(path) as part:
        table.to_parquet(part, index=False)


def _image_row(
    plan: Plan, batch: str, tasks: list[Task], entries: list[Entry | None]
) -> dict[str, Any]:
    folders, image = plan.folders, tasks[0].image
    segmented = entries[0]
    details = segmented.details if segmented and segmented.event == "done" else {}
    row: dict[str, Any] = {
        "image": image,
        "state": "failed",
        "batch": batch,
        "attempt": segmented.attempt if segmented else None,
        "code": "",
        "message": "",
        "remedy": "",
    }
    names = ("cells", "seconds", "width_px", "height_px", "channel", "device")
    row |= {name: details.get(name) for name in names}
    seconds = details.get("phases", {})
    row |= {f"{phase}_seconds": seconds.get(phase) for phase in PHASES}
    measured = entries[STEPS.index("measure")]
    row["pixel_size_um"] = measured.details.get("pixel_size_um") if measured else None
    for task, entry in zip(tasks, entries, strict=True):
        if entry and (problem := problem_of(entry)):
            return row | {"code": problem.code, "message": problem.what, "remedy": problem.remedy}
        if not is_current(entry, task.key, task.outputs):
            return row
    return row | {
        "state": "done",
        "mask": folders.mask(image).relative_to(folders.results).as_posix(),
        "picture": folders.picture(image).relative_to(folders.results).as_posix(),
    }
