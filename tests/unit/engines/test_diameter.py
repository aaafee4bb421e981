"""The diameter that is estimated from an image: with the demo model on drawn fields, whose cells are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from segmake.config.load import load_config
from segmake.core.journal import Journal
from segmake.demo import synthetic
from segmake.engines.diameter import SIDE, better, busiest
from segmake.labels.labels import LabelStack
from segmake.outcome.image_rows import image_rows
from segmake.plan.make import make_plan
from segmake.plan.plan import Plan
from segmake.plan.written_plan import write_plan
from tests.projects import ROOT
from tests.unit.identity import OURS, python_of, run

DEMO = ROOT / "resources/models/segmake_demo_cp3"
# Rods about half as wide as those that the model takes for usual ones, and such ones.
SMALL = {"width": 7, "shape": (160, 160)}
USUAL = {"width": 13, "shape": (240, 240)}


def drawn(**how: Any) -> tuple[np.ndarray, np.ndarray]:
    given = {"modality": "phase", "cells": "rod", "arrangement": "colony", "bits": 16}
    return synthetic.draw_field(7001, **{**given, **how})


def planned(folder: Path, images: Path, **segmentation: Any) -> Plan:
    """Return the plan of a run with the demo model, as it is written down for its jobs."""
    folder.mkdir()
    section = {"engine": "cellpose3", "model": str(DEMO), "gpu": False, **segmentation}
    settings = {
        "images": {"folder": str(images)},
        "segmentation": section,
        "results": str(folder / "results"),
    }
    path = folder / "config.yaml"
    path.write_text(json.dumps(settings))
    plan, _ = make_plan(load_config(path))
    write_plan(plan)
    return plan


def noted(plan: Plan, image: str) -> dict[str, Any]:
    entry = Journal(plan.folders.journal("segment", "0001")).finished()[image]
    assert entry.event == "done", entry.details
    return entry.details


def found(plan: Plan, image: str) -> np.ndarray:
    with LabelStack(plan.folders.labels(image)) as labels:
        return labels.plane().copy()


@pytest.mark.skipif(
    not python_of("cellpose3").exists(),
    reason="the engine's environment is missing: bash scripts/setup.sh",
)
def test_each_image_gets_the_diameter_of_its_cells(tmp_path: Path, subtests: Any) -> None:
    fields = {"small.tif": drawn(**SMALL), "usual.tif": drawn(**USUAL)}
    images = tmp_path / "images"
    images.mkdir()
    for name, (picture, _) in fields.items():
        tifffile.imwrite(images / name, picture)
    plans = {
        "estimate": planned(tmp_path / "estimate", images, diameter="estimate"),
        "null": planned(tmp_path / "null", images, diameter=None),
    }
    run(python_of("cellpose3"), "-c", OURS, *(tmp_path / name for name in plans))
    estimated = {name: noted(plans["estimate"], name)["diameter_estimated"] for name in fields}
    with subtests.test("the cells of the image"):
        areas = np.bincount(fields["small.tif"][1].ravel())[1:]
        true = 2 * np.sqrt(np.median(areas[areas > 0]) / np.pi)
        assert 0.8 < estimated["small.tif"] / true < 1.25
    with subtests.test("as they were where the model's own diameter does"):
        assert estimated["usual.tif"] == 26
        usual = [found(plan, "usual.tif") for plan in plans.values()]
        assert usual[0].any() and np.array_equal(*usual)
    with subtests.test("one that is typed gives the same cells"):
        typed = planned(tmp_path / "typed", images, diameter=estimated["small.tif"])
        run(python_of("cellpose3"), "-c", OURS, tmp_path / "typed")
        same = [found(plan, "small.tif") for plan in (plans["estimate"], typed)]
        assert same[0].any() and np.array_equal(*same)
        assert "diameter_estimated" not in noted(typed, "small.tif")
    with subtests.test("the table of images"):
        rows = {name: image_rows(plan) for name, plan in plans.items()}
        column = "estimated_diameter_px"
        assert [row[column] for row in rows["estimate"]] == [*estimated.values()]
        assert [row[column] for row in rows["null"]] == [None, None]


@pytest.mark.parametrize("shape", [(900, 700), (150, 2000), (1, 1), (3, 500)])
def test_the_busiest_part_is_tried(shape: tuple[int, int]) -> None:
    plane = np.random.default_rng(0).normal(100, 5, shape)
    height, width = shape
    # All that is to be seen is in the last corner.
    corner = plane[-min(200, height) :, -min(200, width) :]
    corner[::20] += 400
    box = busiest(plane)
    part = plane[box]
    assert part.shape == (min(SIDE, height), min(SIDE, width))
    if max(shape) > SIDE + 200:
        assert box[0].stop > height - 60 and box[1].stop > width - 60


@pytest.mark.parametrize(("side", "times"), [(100, 1), (1000, 2)])
def test_what_was_found_in_a_whole_picture_is_not_sought_again(side, times):
    class Engine:
        calls = 0

        def own_diameter(self, loaded):
            return 30.0

        def at(self, loaded, given):
            return given

        def predict(self, given, planes):
            self.calls += 1
            return planes[0].shape

        def masks(self, given, shape):
            return np.full(shape, 1 if given < 30 else 0)

    engine, plane = Engine(), np.zeros((side, side), np.float32)
    assert better(engine, None, [plane], [np.array([100, 100])])
    assert engine.calls == times
