"""The engines on the GPU that Slurm gives: whether they find cells, the same as by themselves, and how fast."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from segmake.config.load import load_config
from segmake.core.config import DEFAULT_CONFIG
from segmake.core.declared_steps import SEGMENT
from segmake.firstday import runs
from segmake.firstday.day import MODELS, Day, engine_python
from segmake.firstday.jobs import PROBES, Request, do, probe, reserved
from segmake.firstday.step import Figures, do_each
from segmake.messages import Problem, say

# Time limits, in minutes: for a picture, for both ways of a few, and of many.
PICTURE_MINUTES = 4
EQUALITY_MINUTES = 5
SPEED_MINUTES = 8

# The CPU gets so many times as long.
CPU_MINUTES = 4

# How many pictures there are, of how many pixels a side, on a GPU and on the CPU.
EQUAL = {True: (4, 512), False: (2, 192)}
FAST = {True: (48, 1024), False: (4, 192)}


def picture(day: Day, figures: Figures) -> None:
    """Do a run of one picture with each engine, as a user does it."""
    do_each(day.engines(), figures, partial(_picture, day))


def _picture(day: Day, engine: str, figures: Figures) -> None:
    folder = day.fresh(engine)
    runs.draw(folder / "images", size=_pictures(day, EQUAL)[1])
    minutes = _minutes(day, PICTURE_MINUTES)
    cluster = runs.cluster_section(day, minutes=minutes, memory_gb=8)
    wanted = {"images": {"folder": "images"}, "segmentation": runs.segmentation(day, engine)}
    runs.prepare(folder, {**wanted, "cluster": cluster})
    with reserved(day, minutes) as spent:
        run = runs.run(day, folder, *runs.NO_CONDA, "--retries", "0")
        if spent:
            spent.used = _gpu_minutes(run)
    figures |= _found(run)
    run.refuse_failed()
    if not figures["cells"]:
        raise Problem("SM-DAY-014", where=engine, ended=0, said=say("firstday.no_cells"))


def _found(run: runs.Run) -> dict[str, Any]:
    """Return what was found in the pictures of a run, on which device."""
    entries = run.entries() if run.folders.plan.exists() else []
    details = [ended.details for _, ended in entries]
    return {
        "pictures": len(entries),
        "cells": sum(one.get("cells", 0) for one in details),
        "device": next((one["device"] for one in details if "device" in one), None),
        "phases_s": details[0].get("phases") if details else None,
        "jobs": [{"rule": one.job.rule, "state": one.job.state} for one in run.jobs],
    }


def _gpu_minutes(run: runs.Run) -> float | None:
    """Return how long the jobs with a GPU took; None where that of one is not known."""
    own = [one.job for one in run.jobs if one.job.rule == SEGMENT]
    times = [(job.started, job.ended) for job in own]
    if any(started is None or ended is None for started, ended in times):
        return None
    return sum((ended or 0) - (started or 0) for started, ended in times) / 60


def equality(day: Day, figures: Figures) -> None:
    """Hold the masks of each engine within SegMake against those of the engine alone, pixel by pixel."""
    _compare_all(day, figures, EQUAL, EQUALITY_MINUTES)


def speed(day: Day, figures: Figures) -> None:
    """Take the time of many pictures within SegMake and with the engine alone, and how busy the GPU was."""
    _compare_all(day, figures, FAST, SPEED_MINUTES)


def _compare_all(
    day: Day, figures: Figures, pictures: dict[bool, tuple[int, int]], minutes: int
) -> None:
    number, size = _pictures(day, pictures)

    def compare(engine: str, own: Figures) -> None:
        own |= {"pictures": number, "pixels_a_side": size}
        _compare(day, engine, own, _minutes(day, minutes))
        if own["equal"] < number:
            counts = {"equal": own["equal"], "number": number, "pixels": own["different_pixels"]}
            raise Problem("SM-DAY-004", where=engine, **counts)

    do_each(day.engines(), figures, compare)


def _pictures(day: Day, numbers: dict[bool, tuple[int, int]]) -> tuple[int, int]:
    """Return how many pictures there are, and how many pixels they have a side: the CPU gets little to do."""
    return numbers[not day.allow_cpu]


def _minutes(day: Day, minutes: int) -> int:
    """Return the time limit of a job, where the network may have to work on the CPU too."""
    return minutes * CPU_MINUTES if day.allow_cpu else minutes


def _compare(day: Day, engine: str, figures: dict[str, Any], minutes: int) -> None:
    """Do the same pictures both ways in one job, and fill in what both took and whether their masks are the same."""
    folder = day.fresh(engine)
    paths = runs.draw(folder / "images", figures["pictures"], figures["pixels_a_side"])
    wanted = {"images": {"folder": "images"}, "segmentation": runs.segmentation(day, engine)}
    runs.prepare(folder, {**wanted, "cluster": {"batch_size": len(paths), "cpus": 4}})
    order = _write_order(day, engine, folder, paths)
    request = Request(gpu=True, minutes=minutes, memory_mb=12000, cpus=4)
    found = do(day, folder, "both", probe("side_by_side", str(order)), request).answer()
    run = runs.Run(folder, found["segmake"]["code"], "\n".join(found["segmake"]["said"]))
    run.refuse_failed()
    if code := found["plain"]["code"]:
        said = " / ".join(found["plain"]["said"][-3:])
        raise Problem("SM-DAY-012", where=engine, ended=code, said=said)
    plain = json.loads(found["plain"]["said"][-1])
    entries = run.entries()
    # The first picture waits for the network to be loaded.
    loading = sum(end.details.get("phases", {}).get("load", 0.0) for _, end in entries)
    first = min(began.time for began, _ in entries) + loading
    spans = {
        "segmake": (first, max(end.time for _, end in entries)),
        "plain": (plain["loaded"], plain["ended"]),
    }
    for way, (began, ended) in spans.items():
        figures[way] = {
            "pictures_per_s": round(len(paths) / max(ended - began, 1e-3), 3),
            "until_first_s": round(began - found[way]["began"], 1),
            "whole_s": round(found[way]["ended"] - found[way]["began"], 1),
            **busy(found["watched"], began, ended),
        }
    figures["cells"] = _found(run)["cells"]
    figures["device"] = _found(run)["device"]
    figures |= _differences(run, folder / "plain", paths)


def _write_order(day: Day, engine: str, folder: Path, paths: list[Path]) -> Path:
    """Write down what the job does, and return the file."""
    import os

    here = os.getcwd()
    os.chdir(folder)
    try:
        batch_size = load_config(DEFAULT_CONFIG).settings["segmentation"]["batch_size"]
    finally:
        os.chdir(here)
    masks = folder / "plain"
    own = {
        "engine": engine,
        "model": MODELS[engine],
        "models": str(day.models_folder(engine).absolute()),
        "batch_size": batch_size,
        "images": [str(path.absolute()) for path in paths],
        "masks": str(masks.absolute()),
    }
    (folder / "plain.json").write_text(json.dumps(own))
    segmake = runs.command(day, *runs.NO_CONDA, "--until", SEGMENT, on_cluster=False)
    script = PROBES / "plain_call.py"
    order = {
        "folder": str(folder.absolute()),
        "segmake": segmake,
        "plain": [str(engine_python(engine)), "-P", str(script), str(folder / "plain.json")],
    }
    path = folder / "order.json"
    path.write_text(json.dumps(order))
    return path.absolute()


def busy(
    watched: Iterable[tuple[float, float, float]], began: float, ended: float
) -> dict[str, Any]:
    """Return which part of a time the GPU was busy, and the most memory of it; nothing where nobody told."""
    seen = [(busy, memory) for moment, busy, memory in watched if began <= moment <= ended]
    if not seen:
        return {"gpu_busy": None, "gpu_memory_mb": None}
    share = sum(busy for busy, _ in seen) / len(seen) / 100
    return {"gpu_busy": round(share, 3), "gpu_memory_mb": max(memory for _, memory in seen)}


def _differences(run: runs.Run, plain: Path, paths: list[Path]) -> dict[str, Any]:
    """Return how many pictures have the same masks both ways, and how many pixels differ in the others."""
    import numpy as np
    import tifffile

    equal = pixels = 0
    for path in paths:
        own = tifffile.imread(run.folders.labels(path.name)).astype(np.uint32).squeeze()
        other = tifffile.imread(plain / path.name).squeeze()
        different = int((own != other).sum()) if own.shape == other.shape else own.size
        equal += not different
        pixels += different
    return {"equal": equal, "different_pixels": pixels}
