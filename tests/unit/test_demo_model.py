"""The demo model: does the weight file load, and does it find cells that it has not seen?"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from segmake import synthetic

MODEL = Path(__file__).parents[2] / "resources" / "models" / "segmake_demo_cp3"

models = pytest.importorskip("cellpose.models")
metrics = pytest.importorskip("cellpose.metrics")
if not version("cellpose").startswith("3."):
    pytest.skip("the demo model is for Cellpose 3", allow_module_level=True)


@pytest.fixture(scope="module")
def model():
    return models.CellposeModel(gpu=False, pretrained_model=str(MODEL))


def test_model_knows_its_diameters(model):
    assert model.diam_mean == pytest.approx(20)
    assert model.diam_labels == pytest.approx(26)


def test_finds_cells_in_held_out_pictures(model):
    # The pictures of the demo were not trained on.
    fields = {name: (image, labels) for name, image, labels in synthetic.demo_fields()}
    scores = []
    for name in (
        "phase/ecoli_phase_pos02.ome.tif",
        "phase/ecoli_phase_pos03.ome.tif",
        "fluorescence/ecoli_gfp_pos02.tif",
        "fluorescence/ecoli_dapi_pos01.ome.tif",
    ):
        image, labels = fields[name]
        masks = model.eval(image, diameter=None, channels=[0, 0])[0]
        scores.append(metrics.average_precision(labels, masks, threshold=[0.5])[0][0])
    assert np.mean(scores) >= 0.8, scores


def test_finds_nothing_where_nothing_is(model):
    blank = next(image for _, image, labels in synthetic.demo_fields() if labels.max() == 0)
    assert model.eval(blank, diameter=None, channels=[0, 0])[0].max() == 0
