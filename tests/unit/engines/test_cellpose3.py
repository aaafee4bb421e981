"""The engine cellpose3: its masks are those of a plain call of Cellpose 3."""

from __future__ import annotations

import pytest

from segmake.core.journal import Journal
from segmake.engines import BUILTIN_MODELS
from tests.unit.identity import DAPI, HERE, ROOT, Case, Comparison, python_of, run

PYTHON = python_of("cellpose3")
WEIGHTS = ROOT.parent / "shared/data/weights/bact_dapi_selftrained_cpnet"
# They need a package that Cellpose does not bring with it.
TRANSFORMERS = {"transformer_cp3", "neurips_cellpose_transformer"}

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="the engine's environment is missing: bash scripts/setup.sh"
)

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
    "batch_size": 3,
}
STRETCHED = {
    "percentile": [5.0, 97.5],
    "tile_norm_blocksize": 40,
    "sharpen_radius": 4.0,
    "smooth_radius": 1.5,
    "invert": True,
}
# The restoring networks have random weights here, and what they give is hardly an image.
ANYTHING = {"cellprob_threshold": -20.0, "flow_threshold": 0.0, "min_size": 5}
CASES = {
    "weights": Case(WEIGHTS, arguments={"diameter": 16.0}, least_cells=5),
    "large cells alone": Case(
        WEIGHTS, arguments={"diameter": 16.0, "min_size": 150}, least_cells=0
    ),
    "not the defaults": Case(WEIGHTS, arguments={"diameter": 24.0, **OTHERS}),
    "two channels": Case(
        WEIGHTS,
        images={"channel": 2, "second_channel": 1},
        arguments={"diameter": 16.0, "cellprob_threshold": -3.0, "flow_threshold": 0.0},
    ),
    "no check": Case(WEIGHTS, arguments={"diameter": 16.0, "flow_threshold": 0.0, "min_size": -1}),
    "stretched": Case(WEIGHTS, arguments={"diameter": 16.0, "normalize": STRETCHED}),
    "grey values": Case(
        WEIGHTS, arguments={"diameter": 16.0, "normalize": {"lowhigh": [100, 900]}, "niter": 100}
    ),
    "not normalized": Case(WEIGHTS, arguments={"normalize": False, **ANYTHING}),
    "rescaled": Case(
        WEIGHTS, arguments={"rescale": 1.4, "resample": False, "bsize": 96, "tile_overlap": 0.3}
    ),
    "denoised": Case(WEIGHTS, arguments=ANYTHING | {"restore": "denoise_cyto3"}),
    "enlarged": Case(
        WEIGHTS,
        arguments=ANYTHING
        | {"restore": "upsample_cyto3", "diameter": 20.0, "resample": False, "niter": 200},
    ),
    "two channels denoised": Case(
        WEIGHTS,
        images={"channel": 2, "second_channel": 1},
        arguments=ANYTHING
        | {"restore": "denoise_cyto3", "chan2_restore": True, "diameter": 16.0, "invert": True},
    ),
    "demo model": Case(
        ROOT / "resources/models/segmake_demo_cp3",
        {"trpL_phase_t15": (slice(300, 420), slice(240, 360)), **DAPI},
    ),
}


def noted(plan):
    """Return what the journal says of each image."""
    finished = Journal(plan.folders.journal("segment", "0001")).finished()
    return [entry.details for entry in finished.values()]


def test_masks_are_those_of_a_plain_call(shared, tmp_path, subtests):
    models = tmp_path / "models"
    models.mkdir()
    restoring = ("denoise_cyto3", "upsample_cyto3", "denoise_nuclei")
    run(PYTHON, HERE / "random_networks.py", *(models / name for name in restoring))
    comparison = Comparison("cellpose3", CASES, tmp_path / "cases", shared, models)
    names = comparison.plain()
    plans = comparison.ours()
    for name, plan in plans.items():
        with subtests.test(name):
            comparison.check(name, plan)
    with subtests.test("those that are too small are counted"):
        [every], [large] = (noted(plans[name]) for name in ("weights", "large cells alone"))
        assert 0 < large["dropped"] <= every["cells"] - large["cells"], (every, large)
    with subtests.test("names of models"):
        assert set(names) - TRANSFORMERS == set(BUILTIN_MODELS["cellpose3"])
