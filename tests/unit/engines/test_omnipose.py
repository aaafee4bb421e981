"""The engine's masks are those of a plain call of Omnipose, pixel for pixel.

Omnipose's own weights can't be had in a test: small networks of the same kind are trained on drawn cells.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segmake.demo.synthetic import draw_field
from segmake.engines import BUILTIN_MODELS
from tests.unit.identity import HERE, ROOT

PYTHON = ROOT / ".environments" / "omnipose" / "bin" / "python"

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(),
    reason="the engine's environment is missing: bash scripts/setup.sh --engine omnipose",
)

# The channels that a network takes, and Omnipose's number of classes: with a boundary (3) or without (2).
NETWORKS = {"rods": (2, 3), "one_channel": (1, 2)}


@dataclass(frozen=True)
class Case:
    """Settings that are arguments of Omnipose's eval under the same names."""

    arguments: dict[str, Any] = field(default_factory=dict)
    network: str = "rods"
    planes: int = 1
    least_cells: int = 1


CASES = {
    "defaults": Case(),
    "one channel, no boundary": Case(network="one_channel"),
    "two channels": Case({"flow_threshold": 0}, planes=2),
    "no flow check": Case({"flow_threshold": 0}, least_cells=4),
    "cluster": Case({"cluster": True, "diam_threshold": 0.0, "flow_threshold": 0}),
    "no cluster": Case({"diam_threshold": 0.0, "flow_threshold": 0}),
    "affinity": Case({"affinity_seg": True, "flow_threshold": 0, "despur": True}),
    "affinity, cluster": Case({"affinity_seg": True, "cluster": True, "niter": 20}),
    "boundary": Case({"boundary_seg": True, "flow_threshold": 0}),
    "tiles": Case({"tile": True, "bsize": 96, "tile_overlap": 0.3, "batch_size": 2, "flow_threshold": 0}),
    "augment": Case({"augment": True, "bsize": 96, "flow_threshold": 0}),
    "diameter": Case({"diameter": 36.0, "flow_threshold": 0}),
    "not resampled": Case({"diameter": 24.0, "resample": False, "mask_threshold": -1.0, "flow_threshold": 0}),
    "rescale": Case({"rescale": 1.3, "diameter": 90.0, "flow_threshold": 0}),
    "few steps": Case({"niter": 3, "suppress": False, "interp": False, "flow_threshold": 0}),
    "sizes": Case({"min_size": 660, "max_size": 900, "flow_threshold": 0}),
    "every size": Case({"min_size": -1, "mask_threshold": -2.0, "flow_threshold": 0}),
    "inverted": Case({"invert": True, "mask_threshold": 5.3, "flow_threshold": 0}),
    "as it is": Case({"normalize": False, "mask_threshold": -4.0, "flow_threshold": 0}),
    "no cell": Case({"mask_threshold": 100.0}, least_cells=0),
}  # fmt: skip

# The segmentation of a case after another; the masks of one image while the network looks at the next.
OURS = """
import json, logging, sys, threading
from concurrent.futures import ThreadPoolExecutor
log = logging.getLogger()
before = log.level, log.handlers[:]
import numpy as np
from segmake.engines import engine
from segmake.messages import Problem
omnipose = engine("omnipose")
assert (log.level, log.handlers) == before
given = json.load(open(sys.argv[1]))
loaded, masks = {}, {}
with ThreadPoolExecutor(1) as beside:
    for case in given["cases"]:
        image = np.load(case["image"])
        planes = [image] if image.ndim == 2 else [*np.moveaxis(image, -1, 0)]
        loaded[case["ours"]] = engine = omnipose.load(case["settings"])
        prediction = omnipose.predict(engine, planes)
        masks[case["ours"]] = beside.submit(omnipose.masks, engine, prediction)
for path, made in masks.items():
    np.save(path, made.result())
said = [omnipose.describe(engine) for engine in loaded.values()]
refused = []
for settings, shape, number in given["refused"]:
    try:
        if settings["model"].endswith("_omni"):
            omnipose.fetch(settings)
        omnipose.predict(omnipose.load(settings), [np.ones(shape, np.uint16)] * number)
        refused.append("")
    except Problem as problem:
        refused.append(str(problem))
print(json.dumps({"said": said, "refused": refused}))
"""


def run(*command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", **variables}
    environment.pop("DISPLAY", None)
    done = subprocess.run(
        [str(part) for part in command], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done


def draw(seed: int, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    look = {"modality": "fluorescence", "staining": "cytoplasm", "cells": "rod"}
    return draw_field(seed, shape=shape, arrangement="sparse", width=12, **look)


def settings_of(model: Path | str, **changed: Any) -> dict[str, Any]:
    kept = {"engine": "omnipose", "gpu": False, "allow_cpu": False, "models_folder": None}
    return {**kept, "model": str(model), "batch_size": 8, "diameter": None, **changed}


def other_networks(folder: Path) -> None:
    """Write a file that is no network, and take a network apart."""
    (folder / "text").write_text("not a network")
    lacking = """
import sys, torch
state = torch.load(sys.argv[1], weights_only=True)
torch.save({**state, "output.2.weight": state["output.2.weight"][..., None]}, sys.argv[2])
state.pop("downsample.down.res_down_1.proj.1.weight")
torch.save(state, sys.argv[3])
"""
    run(PYTHON, "-c", lacking, folder / "rods", folder / "volumes", folder / "lacking")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with the networks, the picture, and the masks of a plain call of Omnipose."""
    top = tmp_path_factory.mktemp("omnipose")
    fields = [draw(seed, (64, 64)) for seed in range(4)]
    np.savez(
        top / "drawn.npz",
        images=np.stack([image for image, _ in fields]).astype(np.float32),
        labels=np.stack([labels for _, labels in fields]).astype(np.int32),
    )
    image, _ = draw(77, (136, 168))
    np.save(top / "1.npy", image)
    np.save(top / "2.npy", np.dstack([image, draw(78, image.shape)[0]]))
    cases = []
    for number, case in enumerate(CASES.values()):
        nchan, nclasses = NETWORKS[case.network]
        weights = str(top / case.network)
        cases.append(
            {
                "model": {"pretrained_model": weights, "nchan": nchan, "nclasses": nclasses},
                "image": str(top / f"{case.planes}.npy"),
                "channels": [1, 2] if case.planes == 2 else [0, 0] if nchan == 2 else None,
                "arguments": case.arguments,
                "masks": str(top / f"plain{number}.npy"),
                "settings": settings_of(weights, **case.arguments),
                "ours": str(top / f"ours{number}.npy"),
            }
        )
    networks = [
        {"path": str(top / name), "pictures": str(top / "drawn.npz"), "nchan": nchan, "nclasses": nclasses}
        for name, (nchan, nclasses) in NETWORKS.items()
    ]  # fmt: skip
    # No network here: what answers at this address refuses at once.
    elsewhere = settings_of("bact_phase_omni", models_folder=str(top / "models"))
    refused = [
        [elsewhere, [32, 32], 1],
        [settings_of(top / "gone"), [32, 32], 1],
        [settings_of(top / "text"), [32, 32], 1],
        [settings_of(top / "lacking"), [32, 32], 1],
        [settings_of(top / "volumes"), [32, 32], 1],
        [settings_of(top / "rods"), [5, 40], 1],
        [settings_of(top / "one_channel"), [32, 32], 2],
    ]
    given = {"networks": networks, "cases": cases, "refused": refused}
    (top / "given.json").write_text(json.dumps(given))
    names = run(PYTHON, HERE / "plain_omnipose.py", top / "given.json")
    (top / "names.json").write_text(names.stdout.splitlines()[-1])
    other_networks(top)
    return top


def test_the_engine_does_as_omnipose_does(folder, subtests):
    home = folder / "home"
    home.mkdir()
    done = run(
        PYTHON, "-c", OURS, folder / "given.json",
        PYTHONPATH=str(ROOT / "workflow"), HOME=str(home), https_proxy="http://127.0.0.1:9",
    )  # fmt: skip
    for number, (name, case) in enumerate(CASES.items()):
        with subtests.test(name):
            expected, found = (np.load(folder / f"{who}{number}.npy") for who in ("plain", "ours"))
            assert found.shape == (136, 168)
            assert np.array_equal(found, expected)
            assert found.max() >= case.least_cells, "masks without a cell prove little"
    with subtests.test("settings change the masks"):
        made = {(folder / f"ours{number}.npy").read_bytes() for number in range(len(CASES))}
        assert len(made) >= len(CASES) - 4
    # In the same test, since another worker of pytest would train the networks again.
    with subtests.test("nothing else is said, or left in the home"):
        answer = json.loads(done.stdout)
        lines = done.stderr.splitlines()
        assert len(lines) == 1
        assert lines[0].startswith("Downloading the model bact_phase_omni")
        assert not list(home.iterdir())
    with subtests.test("what is said of the model"):
        tiles = {"tiles": "2", "augment": "8"}
        assert [said["batch_size"] for said in answer["said"]] == [
            tiles.get(name, "1") for name in CASES
        ]
        assert {said["device"] for said in answer["said"]} == {"CPU"}
    with subtests.test("what can't be done"):
        codes = [text.split()[0] for text in answer["refused"]]
        assert codes == [
            "SM-RUN-007", "SM-MOD-003", "SM-RUN-006", "SM-RUN-006", "SM-OMN-002", "SM-RUN-008", "SM-OMN-001",
        ]  # fmt: skip
        assert "bact_phase_omnitorch_0" in answer["refused"][0]
        assert "Missing key" in answer["refused"][3]
    with subtests.test("built-in models"):
        # Cellpose's own three are left to the engine cellpose3.
        names = json.loads((folder / "names.json").read_text())
        assert set(names) - {"cyto", "cyto2", "nuclei"} == set(BUILTIN_MODELS["omnipose"])
