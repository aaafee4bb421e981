"""The demo model: does the weight file load, and does it find cells that it has not seen?"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tifffile

from segmake.demo import synthetic
from tests.unit.identity import HERE, ROOT

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


def segment(folder: Path, images: list[np.ndarray]) -> list[np.ndarray]:
    """Return the masks of some pictures, from a plain call of Cellpose at the model's own diameter."""
    files = []
    for number, image in enumerate(images):
        source, masks = folder / f"{number}.tif", folder / f"{number}.npy"
        tifffile.imwrite(source, image)
        files.append([str(source), str(masks)])
    case = {"model": str(MODEL), "files": files, "planes": [], "constructor": {}, "arguments": {}}
    cases = folder / "cases.json"
    cases.write_text(json.dumps([case]))
    script = HERE / "plain_cellpose.py"
    subprocess.run([PYTHON, script, cases], check=True, capture_output=True)
    return [np.load(masks) for _, masks in files]


def test_finds_the_cells_of_the_demo_and_none_where_none_is(tmp_path):
    # The demo's pictures were not trained on.
    fields = {name: (image, labels) for name, image, labels in synthetic.demo_fields()}
    names = [
        "phase/ecoli_phase_pos02.ome.tif",
        "phase/ecoli_phase_pos03.ome.tif",
        "fluorescence/ecoli_gfp_pos02.tif",
        "fluorescence/ecoli_dapi_pos01.ome.tif",
    ]
    blank = next(image for image, labels in fields.values() if not labels.any())
    *masks, none = segment(tmp_path, [*(fields[name][0] for name in names), blank])
    scores = [
        average_precision(fields[name][1], found) for name, found in zip(names, masks, strict=True)
    ]
    assert np.mean(scores) >= 0.8, scores
    assert none.max() == 0
