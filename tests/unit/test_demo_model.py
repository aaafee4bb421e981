"""The demo model: does the weight file load, and does it find cells that it has not seen?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from segmake import synthetic

MODEL = Path(__file__).parents[2] / "resources" / "models" / "segmake_demo_cp3"

cellpose_models = pytest.importorskip("cellpose.models")
metrics = pytest.importorskip("cellpose.metrics")


@pytest.fixture(scope="module")
def model():
    from importlib.metadata import version

    if not version("cellpose").startswith("3."):
        pytest.skip("the demo model is for Cellpose 3")
    return cellpose_models.CellposeModel(gpu=False, pretrained_model=str(MODEL))


def test_model_knows_its_diameters(model):
    assert model.diam_mean == pytest.approx(20)
    assert model.diam_labels == pytest.approx(26)


def test_finds_cells_in_held_out_pictures(model):
    scores = []
    for seed, (modality, arrangement) in enumerate(
        [("phase", "colony"), ("phase", "sparse"), ("fluorescence", "colony")], start=950_000_000
    ):
        image, labels = synthetic.draw_field(
            seed,
            shape=(224, 224),
            modality=modality,
            arrangement=arrangement,
            staining="cytoplasm",
            cells="rod",
            width=13,
        )
        masks = model.eval(image, diameter=None, channels=[0, 0])[0]
        scores.append(metrics.average_precision(labels, masks, threshold=[0.5])[0][0])
    assert np.mean(scores) >= 0.8, scores
