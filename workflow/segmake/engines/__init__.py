"""The programs that find cells, one module each.

An engine is a module with ``load(settings)``, called once in a job, ``segment(loaded, planes)``, called for each
field of view, ``describe(loaded)``, and, where it has a model, ``fetch(settings)``, which downloads it if needed.
This module knows the engines without importing them: each lives in an environment of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Protocol, cast

import numpy as np

# The names that Cellpose 3.1.1.3 downloads by itself (cellpose.models.MODEL_NAMES); cyto3 is its own default.
BUILTIN_MODELS: dict[str, tuple[str, ...]] = {
    "cellpose3": (
        "cyto3",
        "nuclei",
        "cyto2_cp3",
        "tissuenet_cp3",
        "livecell_cp3",
        "yeast_PhC_cp3",
        "yeast_BF_cp3",
        "bact_phase_cp3",
        "bact_fluor_cp3",
        "deepbacs_cp3",
        "cyto2",
        "cyto",
        "CPx",
        "transformer_cp3",
        "neurips_cellpose_default",
        "neurips_cellpose_transformer",
        "neurips_grayscale_cyto2",
        "CP",
        "TN1",
        "TN2",
        "TN3",
        "LC1",
        "LC2",
        "LC3",
        "LC4",
    )
}

# Raised when the masks change, so that images are computed again.
VERSIONS = {"cellpose3": 1, "threshold": 1}


def needs_gpu(settings: Mapping[str, Any]) -> bool:
    """Whether the segmentation is to run on a GPU.

    Parameters
    ----------
    settings : mapping
        The settings of a checked config.
    """
    segmentation = settings["segmentation"]
    return segmentation["engine"] in BUILTIN_MODELS and segmentation.get("gpu") is not False


class Engine(Protocol):
    """What every engine's module offers; ``fetch`` only where there is a model."""

    fetch: Callable[[Mapping[str, Any]], Any]
    load: Callable[[Mapping[str, Any]], Any]
    segment: Callable[[Any, list[np.ndarray]], np.ndarray]
    describe: Callable[[Any], dict[str, str]]


def engine(name: str) -> Engine:
    """Return the module of an engine, which must be in the environment that is running."""
    return cast(Engine, import_module(f"segmake.engines.{name}"))
