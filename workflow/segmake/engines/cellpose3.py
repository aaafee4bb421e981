"""The engine cellpose3: Cellpose 3.x (Stringer & Pachitariu 2025, doi 10.1038/s41592-025-02595-5)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cellpose import models

from segmake.engines import BUILTIN_MODELS
from segmake.messages import Problem

# What is not an argument of CellposeModel.eval.
_OURS = ("engine", "model", "gpu", "diameter")


@dataclass(frozen=True)
class Loaded:
    """A network in memory, and the arguments for its ``eval``."""

    model: models.CellposeModel
    name: str
    device: str
    arguments: dict[str, Any]


def fetch(settings: Mapping[str, Any]) -> Path:
    """Return the file with the model's weights, which is downloaded first where that is needed.

    Raises
    ------
    Problem
        ``SM-RUN-007`` if it can't be downloaded.
    """
    name = settings["model"]
    if name not in BUILTIN_MODELS["cellpose3"]:
        return Path(name).expanduser()
    try:
        return Path(models.model_path(name))
    except OSError as error:
        reason = str(getattr(error, "reason", error))
        folder = models.MODEL_DIR
        raise Problem("SM-RUN-007", where=name, model=name, error=reason, folder=folder) from error


def load(settings: Mapping[str, Any]) -> Loaded:
    """Load the network onto the GPU, or the CPU.

    Parameters
    ----------
    settings : mapping
        The section ``segmentation`` of the config.

    Raises
    ------
    Problem
        ``SM-RUN-005`` if a GPU is asked for and there is none, ``SM-RUN-006`` if the file holds no Cellpose 3
        network, ``SM-RUN-007`` if it can't be downloaded.
    """
    gpu = settings["gpu"]
    seen = torch.cuda.is_available() or torch.backends.mps.is_available()
    if gpu is True and not seen:
        raise Problem("SM-RUN-005")
    weights = fetch(settings)
    name = settings["model"]
    # Cellpose treats its own models by their names (nuclei has another diameter), others by their path.
    pretrained = name if name in BUILTIN_MODELS["cellpose3"] else os.fspath(weights)
    try:
        model = models.CellposeModel(gpu=seen and gpu is not False, pretrained_model=pretrained)
    except torch.cuda.OutOfMemoryError as error:
        raise Problem("SM-RUN-004") from error
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise Problem("SM-RUN-006", where=name, model=name, error=reason) from error
    if gpu is True and model.device.type == "cpu":
        raise Problem("SM-RUN-005")
    arguments = {key: value for key, value in settings.items() if key not in _OURS}
    return Loaded(model, name, _device(model), arguments | {"diameter": settings["diameter"]})


def segment(loaded: Loaded, planes: list[np.ndarray]) -> np.ndarray:
    """Find the cells of one field of view.

    Parameters
    ----------
    loaded : Loaded
        What `load` gave.
    planes : list of array (Y, X)
        The channel to segment, and the second channel if there is one.

    Returns
    -------
    array (Y, X), uint16 or uint32
        The labels exactly as ``CellposeModel.eval`` gives them: 0 is the background, 1..N the cells.

    Raises
    ------
    Problem
        ``SM-RUN-004`` if the GPU's memory does not suffice, ``SM-RUN-008`` if the image is too small.
    """
    # In Cellpose 3, [0, 0] is one grey channel and [1, 2] the first channel with the second as its nuclei.
    image, channels = (planes[0], [0, 0]) if len(planes) == 1 else (np.dstack(planes), [1, 2])
    try:
        masks = loaded.model.eval(image, channels=channels, **loaded.arguments)[0]
    except torch.cuda.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise Problem("SM-RUN-004") from error
    if masks.shape != planes[0].shape:
        height, width = planes[0].shape
        raise Problem("SM-RUN-008", width=width, height=height)
    return masks


def describe(loaded: Loaded) -> dict[str, str]:
    """Return the model, and the device that it runs on, for the screen and the journal."""
    return {"model": loaded.name, "device": loaded.device}


def _device(model: models.CellposeModel) -> str:
    if model.device.type == "cuda":
        return torch.cuda.get_device_name(model.device)
    return "CPU" if model.device.type == "cpu" else model.device.type
