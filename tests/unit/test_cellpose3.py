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

from segmake.config import load_config
from segmake.engines import BUILTIN_MODELS
from segmake.journal import Journal
from segmake.labels import read_labels
from segmake.plan import Plan, write_plan
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


DAPI = {"ecoli_sent_dapi_r0c1": (slice(60, 140), slice(100, 200))}
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
    "weights": Case(DAPI, arguments={"diameter": 16.0}, least_cells=5),
    "not the defaults": Case(DAPI, arguments={"diameter": 24.0, **OTHERS}),
    "two channels": Case(
        DAPI,
        images={"channel": 2, "second_channel": 1},
        arguments={"diameter": 16.0, "cellprob_threshold": -3.0, "flow_threshold": 0.0},
    ),
    "demo model": Case(
        {
            "trpL_phase_t15": (slice(300, 420), slice(240, 360)),
            **DAPI,
        },
        model="resources/models/segmake_demo_cp3",
    ),
}

# The command of the rule `segment`, for one plan after another: loading torch takes longer than the pictures.
OURS = """
import sys
from segmake.__main__ import main
for folder in sys.argv[1:]:
    plan = f"{folder}/results/.segmake/plan.json"
    code = main(["segment", "--plan", plan, "--batch", "0001", "--out", f"{folder}/out.tsv"])
    assert code == 0, folder
"""


def weights(case: Case, shared: Path) -> Path:
    return shared / "weights" / TEST_MODEL if case.model == TEST_MODEL else ROOT / case.model


def cut_out(case: Case, shared: Path, folder: Path) -> None:
    """Write the pieces of the pictures that are segmented."""
    folder.mkdir(parents=True)
    for name, window in case.pictures.items():
        picture = tifffile.imread(shared / "bacteria" / f"{name}.tif")[window]
        options: dict[str, Any] = {}
        if case.images:
            # The network sees a difference between the channels whatever the second one shows.
            other = tifffile.imread(shared / "bacteria" / "ecoli_sent_dapi_r0c0.tif")[window]
            picture, options = np.stack([other, picture]), {"metadata": {"axes": "CYX"}}
        tifffile.imwrite(folder / f"{name}.tif", picture, imagej=True, **options)


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
def folder(shared, tmp_path_factory) -> Path:
    """A folder per case, with its pictures, and the masks of a plain call of Cellpose."""
    top = tmp_path_factory.mktemp("cellpose3")
    cases = []
    for name, case in CASES.items():
        cut_out(case, shared, top / name / "images")
        cases.append(
            {
                "model": str(weights(case, shared)),
                "channels": [1, 2] if case.images else [0, 0],
                # SegMake counts from 1.
                "planes": [number - 1 for number in case.images.values()],
                "arguments": {"diameter": None, **case.arguments},
                "files": [
                    [str(path), str(top / name / f"{path.stem}.npy")]
                    for path in (top / name / "images").iterdir()
                ],
            }
        )
    (top / "cases.json").write_text(json.dumps(cases))
    names = run(PYTHON, Path(__file__).with_name("plain_cellpose.py"), top / "cases.json")
    (top / "names.json").write_text(names.splitlines()[-1])
    return top


@pytest.fixture(scope="module")
def plans(folder, shared) -> dict[str, Plan]:
    """The plans of SegMake, done."""
    made = {}
    for name, case in CASES.items():
        path = folder / name / "config.yaml"
        settings = {
            "images": {"folder": str(folder / name / "images"), **case.images},
            "segmentation": {"model": str(weights(case, shared)), "gpu": False, **case.arguments},
            "results": str(folder / name / "results"),
        }
        path.write_text(json.dumps(settings))
        made[name], _ = make_plan(load_config(path))
        write_plan(made[name])
    folders = [folder / name for name in CASES]
    run(PYTHON, "-c", OURS, *folders, PYTHONPATH=str(ROOT / "workflow"))
    return made


def test_masks_are_those_of_a_plain_call(folder, plans, subtests):
    for name, case in CASES.items():
        with subtests.test(name):
            plan = plans[name]
            finished = Journal(plan.folders.journal("segment", "0001")).finished()
            cells = 0
            assert len(plan.images()) == len(case.pictures)
            for image in plan.images():
                expected = np.load(folder / name / f"{Path(image).stem}.npy")
                assert finished[image].event == "done", finished[image].details
                assert np.array_equal(read_labels(plan.folders.mask(image)), expected)
                assert finished[image].details["cells"] == expected.max()
                assert finished[image].details["device"] == "CPU"
                cells += int(expected.max())
            assert cells >= case.least_cells, "masks without a cell prove little"
    # In the same test, since another worker of pytest would make the masks again.
    names = json.loads((folder / "names.json").read_text())
    assert set(names) == set(BUILTIN_MODELS["cellpose3"])
