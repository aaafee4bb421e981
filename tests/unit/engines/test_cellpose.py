"""The engine cellpose: its masks are those of a plain call of Cellpose 4."""

from __future__ import annotations

from pathlib import Path

import pytest

from segmake.engines import BUILTIN_MODELS
from tests.unit.identity import HERE, Case, Comparison, python_of, run

PYTHON = python_of("cellpose")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not PYTHON.exists(),
        reason="the engine's environment (6 GB) is missing: bash scripts/setup.sh --engine cellpose",
    ),
]

# With random weights, everything is a cell.
ANYTHING = {"cellprob_threshold": -20.0, "flow_threshold": 0.0, "min_size": 5}
LARGE = {"ecoli_sent_dapi_r0c1": (slice(0, 270), slice(0, 200))}


def cases(model: Path) -> dict[str, Case]:
    return {
        "one tile": Case(model, arguments=ANYTHING | {"min_size": -1, "niter": 150}, least_cells=9),
        "two channels, two tiles": Case(
            model,
            LARGE,
            images={"channel": 2, "second_channel": 1},
            arguments=ANYTHING
            | {"batch_size": 1, "tile_overlap": 0.25, "normalize": {"percentile": [3, 95]}},
        ),
        "not the defaults": Case(
            model,
            arguments={
                "use_bfloat16": False,
                "diameter": 45.0,
                "resample": False,
                "bsize": 256,
                "normalize": {"sharpen_radius": 3, "invert": True, "tile_norm_blocksize": 50},
                "cellprob_threshold": -10.0,
                "flow_threshold": 100.0,
                "min_size": 3,
                "max_size_fraction": 0.3,
            },
        ),
    }


def test_masks_are_those_of_a_plain_call(shared, tmp_path, subtests):
    model = tmp_path / "sam_random"
    run(PYTHON, HERE / "random_networks.py", model)
    comparison = Comparison("cellpose", cases(model), tmp_path / "cases", shared, tmp_path)
    names = comparison.plain()
    for name, plan in comparison.ours().items():
        with subtests.test(name):
            comparison.check(name, plan)
    with subtests.test("names of models"):
        assert set(names) == set(BUILTIN_MODELS["cellpose"])
