"""Z-stacks in 3D and stitched: labels are those of a plain call of Cellpose; what can't be is told in time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from segmake import engines
from segmake.config.load import load_config
from segmake.core.settings import segmentation_of
from segmake.messages import Problem, Problems
from tests.unit.identity import CONSTRUCTOR, HERE, ROOT, python_of, run

DEMO = ROOT / "resources/models/segmake_demo_cp3"
CELLS = ((3, 15, 15), (4, 34, 36), (3, 14, 38))

# What the step `segment` does with a z-stack.
OURS = """
import json, sys
import numpy as np
import tifffile
from segmake.engines import engine

for case in json.load(open(sys.argv[1])):
    module = engine(case["settings"]["engine"])
    loaded = module.load(case["settings"])
    stack = tifffile.imread(case["stack"])
    planes = list(stack) if stack.ndim == 4 else [stack]
    np.save(case["masks"], module.volume(loaded, planes, case["anisotropy"]))
"""

# The restoring networks have random weights here, and what they give is hardly an image.
ANYTHING = {"cellprob_threshold": -20.0, "min_size": 5}
OTHERS = {
    "cellprob_threshold": -1.5,
    "max_size_fraction": 0.3,
    "niter": 60,
    "normalize": {"percentile": [2.0, 98.0], "tile_norm_blocksize": 30, "invert": False},
    "batch_size": 3,
}
CASES: dict[str, dict[str, Any]] = {
    "3D": {"do_3D": True, "anisotropy": 2.0, "diameter": 32.0, "min_size": 60},
    "3D, nothing known": {"do_3D": True, "diameter": 40.0},
    "3D, two channels, not the defaults": OTHERS
    | {
        "do_3D": True,
        "anisotropy": 1.5,
        "diameter": 36.0,
        "resample": False,
        "interp": False,
        "flow3D_smooth": 1.0,
        "tile_overlap": 0.3,
        "channels": 2,
    },
    "3D, denoised": ANYTHING
    | {"do_3D": True, "anisotropy": 2.0, "diameter": 40.0, "restore": "denoise_cyto3"},
    "stitched": {"stitch_threshold": 0.25, "diameter": 26.0, "min_size": 60},
    "stitched, two channels, not the defaults": OTHERS
    | {
        "stitch_threshold": 0.6,
        "diameter": 30.0,
        "flow_threshold": 0.9,
        "resample": False,
        "augment": True,
        "bsize": 64,
        "min_size": -1,
        "channels": 2,
    },
    "stitched, enlarged": ANYTHING
    | {"stitch_threshold": 0.1, "diameter": 20.0, "restore": "upsample_cyto3", "niter": 200},
}
# With random weights, everything is a cell. A tile takes seconds, and 3D has many.
SAM = ANYTHING | {
    "use_bfloat16": False,
    "batch_size": 2,
    "crop": (slice(0, 4), slice(6, 26), slice(6, 26)),
}
CASES_OF_SAM: dict[str, dict[str, Any]] = {
    "3D": SAM | {"do_3D": True, "anisotropy": 2.0, "diameter": 90.0, "resample": False},
    "3D, two channels": SAM
    | {
        "do_3D": True,
        "anisotropy": 1.6,
        "diameter": 90.0,
        "flow3D_smooth": [1.0, 0.5, 0.0],
        "channels": 2,
    },
    "stitched": SAM | {"stitch_threshold": 0.1, "flow_threshold": 0.0},
    "stitched, two channels": SAM
    | {"stitch_threshold": 0.3, "flow_threshold": 9.0, "diameter": 50.0, "channels": 2},
}


def balls(seed: int = 0) -> np.ndarray:
    """Draw a z-stack of cells, ZYX, whose slices are twice as far apart as its pixels."""
    grid = np.indices((7, 48, 50))
    stack = np.random.default_rng(seed).normal(100, 5, grid.shape[1:])
    for depth, row, column in CELLS:
        far = (2 * (grid[0] - depth)) ** 2 + (grid[1] - row) ** 2 + (grid[2] - column) ** 2
        stack[far < (9 - seed) ** 2] += 200
    return stack.astype(np.uint16)


def prepare(engine: str, model: Path, cases: dict[str, dict[str, Any]], top: Path) -> None:
    """Write stacks, and what `OURS` and `plain_cellpose` are told of each case."""
    ours, plain = [], []
    for number, name in enumerate(cases):
        case = dict(cases[name])
        channels = case.pop("channels", 1)
        stack = np.stack([balls(seed) for seed in range(channels)]) if channels > 1 else balls()
        stack = stack[(..., *case.pop("crop", ()))]
        source = top / f"{number}.tif"
        tifffile.imwrite(source, stack, photometric="minisblack")
        common = {"engine": engine, "model": str(model), "models_folder": str(top), "gpu": False}
        settings = checked(top, segmentation=common | case, images={"z": "all"})
        anisotropy = case.get("anisotropy")
        masks = [str(top / f"{who}{number}.npy") for who in ("ours", "plain")]
        ours.append(
            {
                "settings": settings,
                "stack": str(source),
                "masks": masks[0],
                "anisotropy": anisotropy,
            }
        )
        plain.append(
            {
                "model": str(model),
                "planes": list(range(channels)) if channels > 1 else [],
                "files": [[str(source), masks[1]]],
                "constructor": {key: case.pop(key) for key in CONSTRUCTOR if key in case},
                "arguments": {"diameter": None, "z_axis": 0, **case},
            }
        )
    (top / "ours.json").write_text(json.dumps(ours))
    (top / "plain.json").write_text(json.dumps(plain))


def compare(engine: str, cases: dict[str, dict[str, Any]], top: Path, subtests: Any) -> None:
    """Run both programs, and hold their labels against each other."""
    python = python_of(engine)
    folder = {"CELLPOSE_LOCAL_MODELS_PATH": str(top)}
    run(python, HERE / "plain_cellpose.py", top / "plain.json", **folder)
    run(python, "-c", OURS, top / "ours.json", **folder)
    for number, name in enumerate(cases):
        with subtests.test(name):
            expected, found = (np.load(top / f"{who}{number}.npy") for who in ("plain", "ours"))
            assert expected.shape == balls()[cases[name].get("crop", ())].shape
            assert np.array_equal(found, expected) and found.dtype == expected.dtype
            assert expected.max() >= 1, "labels without a cell prove little"


def checked(folder: Path, **sections: Any) -> dict[str, Any]:
    """Return the section `segmentation` of a config, as an engine gets it."""
    (folder / "images").mkdir(exist_ok=True)
    (folder / "images" / "stack.tif").touch()
    path = folder / "config.yaml"
    sections["images"] = {"folder": str(folder / "images")} | sections.get("images", {})
    path.write_text(json.dumps(sections))
    return load_config(path).settings["segmentation"]


needs_cellpose3 = pytest.mark.skipif(
    not python_of("cellpose3").exists(),
    reason="the engine's environment is missing: bash scripts/setup.sh",
)


@needs_cellpose3
def test_labels_of_cellpose_3_are_those_of_a_plain_call(tmp_path, subtests):
    names = ("denoise_cyto3", "upsample_cyto3")
    run(python_of("cellpose3"), HERE / "random_networks.py", *(tmp_path / name for name in names))
    prepare("cellpose3", DEMO, CASES, tmp_path)
    compare("cellpose3", CASES, tmp_path, subtests)
    with subtests.test("every cell is found once"):
        for name in ("3D", "stitched"):
            labels = np.load(tmp_path / f"ours{list(CASES).index(name)}.npy")
            assert {labels[cell] for cell in CELLS} == {1, 2, 3} == set(np.unique(labels)) - {0}


@pytest.mark.slow
@pytest.mark.skipif(
    not python_of("cellpose").exists(),
    reason="the engine's environment (6 GB) is missing: bash scripts/setup.sh --engine cellpose",
)
def test_labels_of_cellpose_4_are_those_of_a_plain_call(tmp_path, subtests):
    model = tmp_path / "sam_random"
    run(python_of("cellpose"), HERE / "random_networks.py", model)
    prepare("cellpose", model, CASES_OF_SAM, tmp_path)
    compare("cellpose", CASES_OF_SAM, tmp_path, subtests)


@needs_cellpose3
def test_stacks_with_little_memory_with_nothing_in_them_and_too_small(try_in_engine, tmp_path):
    np.save(tmp_path / "stack.npy", balls())
    assert try_in_engine("volumes") == {
        "cells": 3,
        "memory": [True, [7, 4, 2], 2],
        "memory of masks": [True, ["meta", "cpu"]],
        "3D, constant": 0,
        "3D, below zero": 3,
        "3D, empty channel": 3,
        "3D, tiny": "SM-VOL-003",
        "stitched, constant": 0,
        "stitched, below zero": 3,
        "stitched, empty channel": 3,
        "stitched, tiny": "SM-RUN-008",
        "flattened, 0.1": "SM-VOL-003",
        "flattened, 0.4": "SM-VOL-003",
    }


@needs_cellpose3
def test_no_number_is_given_to_two_cells_of_a_stitched_stack(try_in_engine):
    found = try_in_engine("stitching")
    # A speck, an empty slice, and then a cell: Cellpose itself gives both the number 1.
    assert found["apart"] == [[0, 1], [0], [0, 2], [0, 2], [0, 2, 3], [0, 2, 3]]
    # 12 cells in the first slice, 12 in the others, one more, and the background.
    assert found["many"] == 12 + 12 + 1 + 1


@pytest.mark.parametrize(
    ("settings", "pixel_size", "step", "expected"),
    [
        ({"do_3D": True}, 0.1, 0.3, 3.0),
        ({"do_3D": True, "anisotropy": 2}, 0.1, 0.3, 2.0),
        ({"do_3D": True}, None, 0.3, None),
        ({"do_3D": True}, 0.1, None, None),
        ({"stitch_threshold": 0.2}, 0.1, 0.3, None),
    ],
)
def test_anisotropy(tmp_path, settings, pixel_size, step, expected):
    section = segmentation_of(checked(tmp_path, segmentation=settings, images={"z": "all"}))
    assert engines.keeps_volume(section)
    assert engines.anisotropy(section, pixel_size, step) == pytest.approx(expected)
    engines.refuse_flat(section, 2)
    with pytest.raises(Problem) as refused:
        engines.refuse_flat(section, 1)
    assert refused.value.code == "SM-VOL-002"
    assert refused.value.values["key"] in settings


@pytest.mark.parametrize("engine", ["cellpose3", "threshold"])
def test_planes_are_no_volume(tmp_path, engine):
    section = segmentation_of(
        checked(tmp_path, segmentation={"engine": engine}, images={"z": "all"})
    )
    assert not engines.keeps_volume(section)
    engines.refuse_flat(section, 1)
    assert engines.anisotropy(section, 0.1, 0.3) is None


@pytest.mark.parametrize(
    ("segmentation", "expected"),
    [
        ({"do_3D": True, "z": None}, {"SM-VOL-001"}),
        ({"stitch_threshold": 0.2, "z": "max"}, {"SM-VOL-001"}),
        ({"engine": "omnipose", "do_3D": True}, {"SM-CFG-010"}),
        ({"engine": "threshold", "stitch_threshold": 0.2}, {"SM-CFG-010"}),
        ({"do_3D": True, "stitch_threshold": 0.2}, {"stitch_threshold"}),
        ({"do_3D": True, "flow_threshold": 0.6, "bsize": 128}, {"flow_threshold", "bsize"}),
        ({"do_3D": True, "bsize": None, "augment": True}, set()),
        ({"engine": "cellpose", "do_3D": True, "flow3D_smooth": [2, 1, 1]}, set()),
        ({"engine": "cellpose", "bsize": 128, "augment": True}, {"SM-MOD-005"}),
        ({"do_3D": True, "flow3D_smooth": [2, 1, 1]}, {"SM-CFG-002"}),
        ({"anisotropy": 2, "flow3D_smooth": 1}, {"anisotropy", "flow3D_smooth"}),
        (
            {"do_3D": True, "restore": "upsample_cyto3", "flow3D_smooth": 1},
            {"SM-VOL-004", "flow3D_smooth"},
        ),
        ({"do_3D": True, "restore": "denoise_cyto3", "bsize": 128}, set()),
        ({"augment": True, "tile_overlap": 0.3}, {"tile_overlap"}),
    ],
)
def test_settings_that_can_not_work_are_told_before_any_job(tmp_path, segmentation, expected):
    images = {"z": segmentation.pop("z", "all")}
    try:
        checked(tmp_path, segmentation=segmentation, images=images)
        problems = []
    except Problems as refused:
        problems = refused.problems
    passed_over = "SM-CFG-030"
    told = {p.values["key"] if p.code == passed_over else p.code for p in problems}
    assert told == expected
