"""The engine cellpose: Cellpose 4, Cellpose-SAM and its kin (Pachitariu et al. 2025, doi 10.1101/2025.04.28.651001)."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from cellpose import models

from segmake.core.settings import Cellpose
from segmake.engines import BUILTIN_MODELS, SAM_TILE, models_folder
from segmake.engines.device import choose_device
from segmake.engines.network import (
    FlowModel,
    Loaded,
    Prediction,
    at,
    describe,
    dropped,
    eval_arguments,
    masks,
    refusing,
    run_network,
)
from segmake.engines.weights import check_complete, fetch_files, locate, read_weights
from segmake.messages import Problem

__all__ = [
    "addresses",
    "at",
    "describe",
    "dropped",
    "fetch",
    "load",
    "masks",
    "own_diameter",
    "predict",
    "volume",
]

# Whatever the file says: Cellpose 4 takes an image as it is where cells are so large.
_OWN_DIAMETER = 30.0


def addresses(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return where each file of a built-in model is downloaded from, by its name in the folder of models."""
    name = Cellpose.of(settings).model
    return {name: models._MODEL_URL + name} if name in BUILTIN_MODELS["cellpose"] else {}


def fetch(settings: Mapping[str, Any]) -> list[Path]:
    """Return the file with the model's weights, which is downloaded first where that is needed.

    Raises
    ------
    Problem
        What `fetch_files` and `locate` raise.
    """
    own = Cellpose.of(settings)
    fetch_files(models_folder(own.models_folder), addresses(settings), own.model)
    return [locate(_path(own), own.model)]


def load(settings: Mapping[str, Any]) -> Loaded:
    """Load the network onto the GPU, or the CPU; nothing is downloaded.

    Parameters
    ----------
    settings : mapping
        The section ``segmentation`` of the config.

    Raises
    ------
    Problem
        ``SM-RUN-005`` if there should be a GPU and is none, ``SM-RUN-004`` if its memory does not hold the network,
        ``SM-RUN-006`` if the file holds no network of Cellpose 4, ``SM-MOD-001`` if it holds one of another engine,
        ``SM-MOD-003`` if it is not there, ``SM-MOD-004`` if it needs a package that is not, ``SM-MOD-005`` if
        ``bsize`` is none that it takes.
    """
    own = Cellpose.of(settings)
    device = choose_device(own)
    name = own.model
    path = locate(_path(own), name)
    state = read_weights(path, name, "cellpose")
    if "encoder.cls_token" in state:
        if importlib.util.find_spec("dinov3") is None:
            raise Problem("SM-MOD-004", where=name, model=name)
    elif own.bsize not in (None, SAM_TILE):
        raise Problem("SM-MOD-005", where="bsize", model=name, bsize=own.bsize)
    with refusing(name):
        model = FlowModel(
            pretrained_model=os.fspath(path), device=device, use_bfloat16=own.use_bfloat16
        )
    check_complete(model.net, state, name)
    arguments = eval_arguments(settings)
    return Loaded(model, model.eval, name, arguments, own.batch_size)


def predict(loaded: Loaded, planes: list[np.ndarray]) -> Prediction:
    """Run the network on one field of view.

    Parameters
    ----------
    loaded : Loaded
        What `load` gave.
    planes : list of array (Y, X)
        The channel to segment, and the second channel if there is one; Cellpose 4 takes them in any order.

    Raises
    ------
    Problem
        What `run_network` raises.
    """
    return run_network(loaded, planes, **_channels(planes))


def own_diameter(loaded: Loaded) -> float:
    """Return the diameter that the network takes the cells to have where it is told none, in pixels."""
    return _OWN_DIAMETER


def volume(loaded: Loaded, planes: list[np.ndarray], anisotropy: float | None) -> np.ndarray:
    """Find the cells of a z-stack whose slices belong together: in 3D, or slice by slice and stitched.

    Parameters
    ----------
    loaded : Loaded
        What `load` gave.
    planes : list of array (Z, Y, X)
        The channel to segment, and the second channel if there is one; at least two slices.
    anisotropy : float or None
        How many times farther apart slices are than pixels; None as 1. Stitching does without.

    Returns
    -------
    array (Z, Y, X), uint16 or uint32
        0 is the background, 1..N the cells.

    Raises
    ------
    Problem
        What `run_network` raises.
    """
    arguments = _channels(planes)
    return masks(loaded, run_network(loaded, planes, z_axis=0, anisotropy=anisotropy, **arguments))


def _channels(planes: list[np.ndarray]) -> dict[str, Any]:
    """Return how Cellpose 4 is told which channels there are."""
    return {"channel_axis": planes[0].ndim} if len(planes) > 1 else {}


def _path(own: Cellpose) -> Path:
    name = own.model
    if name in BUILTIN_MODELS["cellpose"]:
        return models_folder(own.models_folder) / name
    return Path(name).expanduser()
