"""The engine's masks are those of a plain call of Cellpose, pixel for pixel, on real pictures."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from segmake.engines import BUILTIN_MODELS
from segmake.journal import Journal
from segmake.labels import read_labels
from segmake.plan import write_plan
from segmake.planning import make_plan

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".environments" / "cellpose3" / "bin" / "python"
TEST_MODEL = "bact_dapi_selftrained_cpnet"

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="the engine's environment is missing: bash scripts/setup.sh"
)


@dataclass(frozen=True)
class Case:
    """Pictures, and the settings that they are segmented with."""

    pictures: dict[str, tuple[slice, slice]]
    model: str = TEST_MODEL
    images: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    least_cells: int = 1


DAPI = {"ecoli_sent_dapi_r0c1": (slice(60, 188), slice(100, 260))}
OTHERS = {
    "flow_threshold": 0.8,
    "cellprob_threshold": -1.5,
    "min_size": 40,
    "max_size_fraction": 0.2,
    "invert": True,
    "niter": 30,
    "resample": False,
    "interp": False,
    "augment": True,
    "bsize": 128,
    "tile_overlap": 0.3,
    "batch_size": 3,
}
CASES = {
    "weights": Case(DAPI, arguments={"diameter": 16.0}, least_cells=10),
    "not the defaults": Case(DAPI, arguments={"diameter": 12.0, **OTHERS}),
    "not normalized": Case(DAPI, arguments={"diameter": 16.0, "normalize": False}, least_cells=0),
    "two channels": Case(
        {"coli_ds1_00001": (slice(180, 330), slice(150, 320))},
        images={"channel": 2, "second_channel": 1},
        arguments={"diameter": 20.0},
        least_cells=0,
    ),
    "demo model": Case(
        {
            "trpL_phase_t15": (slice(280, 440), slice(430, 600)),
            "coli_ds1_00001_fl": (slice(0, 200), slice(0, 200)),
            **DAPI,
        },
        model="resources/models/segmake_demo_cp3",
        least_cells=1,
    ),
}


def weights(case: Case, shared: Path) -> Path:
    return shared / "weights" / TEST_MODEL if case.model == TEST_MODEL else ROOT / case.model


def cut_out(case: Case, shared: Path, folder: Path) -> None:
    """Write the pieces of the pictures that are segmented."""
    folder.mkdir(parents=True)
    for name, window in case.pictures.items():
        if case.images:
            planes = [
                tifffile.imread(shared / "bacteria" / f"{name}_{kind}.tif")[window]
                for kind in ("bf", "fl")
            ]
            metadata = {"axes": "CYX"}
            tifffile.imwrite(folder / f"{name}.tif", np.stack(planes), imagej=True, metadata=metadata)
        else:
            tifffile.imwrite(
                folder / f"{name}.tif", tifffile.imread(shared / "bacteria" / f"{name}.tif")[window]
            )


def run(*command: str | Path, **variables: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def plain(shared, tmp_path_factory) -> tuple[Path, list[str]]:
    """The masks of plain calls of Cellpose, in one process; and the names that it knows."""
    folder = tmp_path_factory.mktemp("plain")
    cases = []
    for name, case in CASES.items():
        cut_out(case, shared, folder / name / "images")
        cases.append(
            {
                "model": str(weights(case, shared)),
                "channels": [1, 2] if case.images else [0, 0],
                # SegMake counts from 1.
                "planes": [number - 1 for number in case.images.values()],
                "arguments": {"diameter": None, **case.arguments},
                "files": [
                    [str(path), str(folder / name / f"{path.stem}.npy")]
                    for path in (folder / name / "images").iterdir()
                ],
            }
        )
    (folder / "cases.json").write_text(json.dumps(cases))
    answer = run(PYTHON, Path(__file__).with_name("plain_cellpose.py"), folder / "cases.json")
    return folder, json.loads(answer.splitlines()[-1])


@pytest.mark.parametrize("name", CASES)
def test_masks_are_those_of_a_plain_call(plain, shared, configure, name, tmp_path):
    case = CASES[name]
    folder = plain[0] / name
    config = configure(
        images={"folder": str(folder / "images"), **case.images},
        segmentation={
            "engine": "cellpose3",
            "model": str(weights(case, shared)),
            "gpu": False,
            **case.arguments,
        },
    )
    plan, _ = make_plan(config)
    write_plan(plan)
    command = (PYTHON, "-m", "segmake", "segment", "--plan", plan.folders.plan, "--batch", "0001")
    out = tmp_path / "out.tsv"
    run(*command, "--out", out, "--log", tmp_path / "log", PYTHONPATH=str(ROOT / "workflow"))
    finished = Journal(plan.folders.journal("segment", "0001")).finished()
    cells = 0
    for image in plan.images():
        expected = np.load(folder / f"{Path(image).stem}.npy")
        assert finished[image].event == "done", finished[image].details
        assert np.array_equal(read_labels(plan.folders.mask(image)), expected)
        assert finished[image].details["cells"] == expected.max()
        assert finished[image].details["device"] == "CPU"
        cells += int(expected.max())
    assert cells >= case.least_cells, "masks without a cell prove little"


def test_the_names_that_cellpose_knows(plain):
    assert set(plain[1]) == set(BUILTIN_MODELS["cellpose3"])
