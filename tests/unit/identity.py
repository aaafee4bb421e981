"""Holds SegMake's masks against those of a plain call of Cellpose, pixel for pixel, on pieces of real pictures."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from segmake.config.load import load_config
from segmake.core.journal import Journal
from segmake.labels.labels import LabelStack
from segmake.plan.make import make_plan
from segmake.plan.plan import Plan
from segmake.plan.written_plan import write_plan
from tests.projects import ROOT

HERE = Path(__file__).parent
DAPI = {"ecoli_sent_dapi_r0c1": (slice(60, 140), slice(100, 200))}
# Settings that Cellpose takes when it loads the networks.
CONSTRUCTOR = ("restore", "chan2_restore", "use_bfloat16")

# The command of the rule `segment`, for one plan after another: loading torch takes longer than the pictures.
OURS = """
import sys
from segmake.cli import main
for folder in sys.argv[1:]:
    plan = f"{folder}/results/.segmake/plan.json"
    code = main(["segment", "--plan", plan, "--batch", "0001", "--out", f"{folder}/out.tsv"])
    assert code == 0, folder
"""


@dataclass(frozen=True)
class Case:
    """Pictures, and the settings that they are segmented with."""

    model: Path
    pictures: dict[str, tuple[slice, slice]] = field(default_factory=lambda: DAPI)
    images: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    least_cells: int = 1


@dataclass(frozen=True)
class Comparison:
    """Cases of one engine.

    Attributes
    ----------
    top : Path
        Gets a folder for each case.
    models : Path
        The folder of built-in models.
    """

    engine: str
    cases: dict[str, Case]
    top: Path
    shared: Path
    models: Path

    def plain(self) -> list[str]:
        """Let Cellpose find the cells, and return the names of its built-in models."""
        for name, case in self.cases.items():
            self._cut_out(case, self.top / name / "images")
        told = [self._tell(case, self.top / name) for name, case in self.cases.items()]
        (self.top / "cases.json").write_text(json.dumps(told))
        names = run(
            python_of(self.engine),
            HERE / "plain_cellpose.py",
            self.top / "cases.json",
            CELLPOSE_LOCAL_MODELS_PATH=str(self.models),
        )
        return json.loads(names.splitlines()[-1])

    def ours(self) -> dict[str, Plan]:
        """Let SegMake find the cells, and return the plan of each case."""
        made = {}
        for name, case in self.cases.items():
            path = self.top / name / "config.yaml"
            settings = {
                "images": {"folder": str(self.top / name / "images"), **case.images},
                "segmentation": {
                    "engine": self.engine,
                    "model": str(case.model),
                    "models_folder": str(self.models),
                    "gpu": False,
                    **case.arguments,
                },
                "results": str(self.top / name / "results"),
            }
            path.write_text(json.dumps(settings))
            made[name], _ = make_plan(load_config(path))
            write_plan(made[name])
        folders = [self.top / name for name in self.cases]
        run(python_of(self.engine), "-c", OURS, *folders)
        return made

    def check(self, name: str, plan: Plan) -> None:
        """Assert that the masks of a case are the same, and that there are cells in them."""
        case = self.cases[name]
        finished = Journal(plan.folders.journal("segment", "0001")).finished()
        cells = 0
        assert len(plan.images()) == len(case.pictures)
        for image in plan.images():
            expected = np.load(self.top / name / f"{Path(image).stem}.npy")
            assert finished[image].event == "done", finished[image].details
            with LabelStack(plan.folders.labels(image)) as labels:
                assert np.array_equal(labels.plane(), expected)
            assert finished[image].details["cells"] == expected.max()
            assert finished[image].details["device"] == "CPU"
            cells += int(expected.max())
        assert cells >= case.least_cells, "masks without a cell prove little"

    def _cut_out(self, case: Case, folder: Path) -> None:
        """Write the pieces of the pictures that are segmented."""
        folder.mkdir(parents=True)
        for name, window in case.pictures.items():
            picture = tifffile.imread(self.shared / "bacteria" / f"{name}.tif")[window]
            options: dict[str, Any] = {}
            if case.images:
                # The network sees a difference between the channels whatever the second one shows.
                other = tifffile.imread(self.shared / "bacteria" / "ecoli_sent_dapi_r0c0.tif")
                picture = np.stack([other[window], picture])
                options["metadata"] = {"axes": "CYX"}
            tifffile.imwrite(folder / f"{name}.tif", picture, imagej=True, **options)

    def _tell(self, case: Case, folder: Path) -> dict[str, Any]:
        """Return what `plain_cellpose` is told of a case."""
        arguments = {"diameter": None, **case.arguments}
        return {
            "model": str(case.model),
            # SegMake counts from 1.
            "planes": [number - 1 for number in case.images.values()],
            "files": [
                [str(path), str(folder / f"{path.stem}.npy")]
                for path in (folder / "images").iterdir()
            ],
            "constructor": {key: arguments.pop(key) for key in CONSTRUCTOR if key in arguments},
            "arguments": arguments,
        }


def python_of(engine: str) -> Path:
    """Return the Python of an engine's environment, which may not be there."""
    return ROOT / ".environments" / engine / "bin" / "python"


def run(*command: str | Path, **variables: str) -> str:
    """Run a command without a GPU, and return what it prints."""
    own = {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT / "workflow")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, **own, **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
