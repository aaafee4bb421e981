"""The demo model: does the weight file load, and does it find cells that it has not seen?"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tifffile

from segmake import synthetic

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".environments" / "cellpose3" / "bin" / "python"
MODEL = ROOT / "resources" / "models" / "segmake_demo_cp3"

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="the engine's environment is missing: bash scripts/setup.sh"
)


def average_precision(true: np.ndarray, found: np.ndarray) -> float:
    """Return TP / (TP + FP + FN) at an overlap (IoU) above 0.5, at which no cell can match twice."""
    pairs, overlap = np.unique(np.stack([true.ravel(), found.ravel()]), axis=1, return_counts=True)
    true_area, found_area = np.bincount(true.ravel()), np.bincount(found.ravel())
    union = true_area[pairs[0]] + found_area[pairs[1]] - overlap
    matches = np.sum((pairs > 0).all(axis=0) & (overlap / union > 0.5))
    cells = len(np.unique(true[true > 0])) + len(np.unique(found[found > 0]))
    return float(matches / (cells - matches)) if cells else 1.0


def test_finds_cells_in_held_out_pictures(tmp_path):
    fields = [("phase", "colony"), ("phase", "sparse"), ("fluorescence", "colony")]
    labels, files = [], []
    for seed, (modality, arrangement) in enumerate(fields, start=950_000_000):
        image, drawn = synthetic.draw_field(
            seed,
            shape=(224, 224),
            modality=modality,
            arrangement=arrangement,
            staining="cytoplasm",
            cells="rod",
            width=13,
        )
        source = tmp_path / f"{seed}.tif"
        tifffile.imwrite(source, image)
        files.append([str(source), str(tmp_path / f"{seed}.npy")])
        labels.append(drawn)
    case = {"model": str(MODEL), "files": files, "channels": [0, 0], "arguments": {}}
    cases = tmp_path / "cases.json"
    cases.write_text(json.dumps([case]))
    script = Path(__file__).with_name("plain_cellpose.py")
    subprocess.run([PYTHON, script, cases], check=True, capture_output=True)
    masks = [np.load(result) for _, result in files]
    scores = [average_precision(*pair) for pair in zip(labels, masks, strict=True)]
    assert np.mean(scores) >= 0.8, scores
