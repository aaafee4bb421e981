"""The engine cellpose3: Cellpose 3.x (Stringer & Pachitariu 2025, doi 10.1038/s41592-025-02595-5)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np

from segmake.core.settings import Cellpose3
from segmake.engines import BUILTIN_MODELS, models_folder
from segmake.engines.device import choose_device
from segmake.engines.weights import check_complete, fetch_files, locate, read_weights


@contextmanager
def _compiled_when_called() -> Iterator[None]:
    """Let numba compile what Cellpose decorates when it is called, if ever: that takes four seconds of each start.

    On the disk it is not kept, as Cellpose asks for one function only: jobs that start at the same time on nodes of
    different kinds could get each other's machine code.
    """
    njit = numba.njit

    def later(*signatures: Any, **options: Any) -> Callable[[Any], Any]:
        if not signatures or callable(signatures[0]) or options.get("cache"):
            return njit(*signatures, **options)

        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            compiled = cache(lambda: njit(*signatures, **options)(function))
            return lambda *arguments: compiled()(*arguments)

        return decorate

    numba.njit = later
    try:
        yield
    finally:
        numba.njit = njit


with _compiled_when_called():
    from cellpose import denoise, models

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

# The built-in models whose files have other names.
_FILES = {"cyto": "cytotorch_0", "cyto2": "cyto2torch_0", "nuclei": "nucleitorch_0"}


def addresses(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return where each file of a built-in model, and of those that restore images, is downloaded from, by its name."""
    own = Cellpose3.of(settings)
    name = own.model
    files = [_FILES.get(name, name)] if name in BUILTIN_MODELS["cellpose3"] else []
    files += _restoration_files(own)
    return {file: f"{models._MODEL_URL}/{file}" for file in files}


def fetch(settings: Mapping[str, Any]) -> list[Path]:
    """Return the files with the weights, the model's and those that restore images; downloaded where needed.

    Raises
    ------
    Problem
        What `fetch_files` and `locate` raise.
    """
    own = Cellpose3.of(settings)
    name, folder = own.model, models_folder(own.models_folder)
    fetch_files(folder, addresses(settings), name)
    restoration = _restoration_files(own)
    return [locate(_path(own), name), *(folder / file for file in restoration)]


def load(settings: Mapping[str, Any]) -> Loaded:
    """Load the networks onto the GPU, or the CPU; nothing is downloaded.

    Parameters
    ----------
    settings : mapping
        The section ``segmentation`` of the config.

    Raises
    ------
    Problem
        ``SM-RUN-005`` if there should be a GPU and is none, ``SM-RUN-004`` if its memory does not hold the network,
        ``SM-RUN-006`` if the file holds no network of Cellpose 3, ``SM-MOD-001`` if it holds one of another engine,
        ``SM-MOD-003`` if a file is not there.
    """
    own = Cellpose3.of(settings)
    device = choose_device(own)
    name, folder = own.model, models_folder(own.models_folder)
    path = locate(_path(own), name)
    for file in _restoration_files(own):
        locate(folder / file, file)
    state = read_weights(path, name, "cellpose3")
    # Cellpose treats its own models by their names (nuclei has another diameter), others by their path.
    known = name in BUILTIN_MODELS["cellpose3"]
    which = {"model_type": name} if known else {"pretrained_model": os.fspath(path)}
    models.MODEL_DIR = folder
    with refusing(name):
        model = FlowModel(device=device, **which)
        evaluate = model.eval
        if own.restore:
            restoring = denoise.CellposeDenoiseModel(
                restore_type=own.restore,
                chan2_restore=own.chan2_restore,
                device=device,
                **which,
            )
            restoring.cp = model
            evaluate = restoring.eval
    check_complete(model.net, state, name)
    arguments = eval_arguments(settings)
    if own.restore:
        del arguments["max_size_fraction"]
    if arguments["bsize"] is None:
        del arguments["bsize"]
    return Loaded(model, evaluate, name, arguments, own.batch_size)


def predict(loaded: Loaded, planes: list[np.ndarray]) -> Prediction:
    """Run the network on one field of view, after the one that restores images where the config names one.

    Parameters
    ----------
    loaded : Loaded
        What `load` gave.
    planes : list of array (Y, X)
        The channel to segment, and the second channel if there is one.

    Raises
    ------
    Problem
        ``SM-RUN-004`` if the GPU's memory does not suffice, ``SM-RUN-008`` if the image is too small.
    """
    prediction = run_network(loaded, planes, **_channels(planes))
    # A restoration that enlarges the image gives flows of that size; the masks are brought back to the image's.
    return replace(prediction, shape=(1, *planes[0].shape, prediction.shape[-1]))


def own_diameter(loaded: Loaded) -> float:
    """Return the diameter that the network takes the cells to have where it is told none, in pixels."""
    return float(loaded.model.diam_labels)


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
        ``SM-RUN-004`` if the GPU's memory does not suffice, ``SM-RUN-008`` or ``SM-VOL-003`` if the stack is too small.
    """
    arguments = _channels(planes)
    prediction = run_network(loaded, planes, z_axis=0, anisotropy=anisotropy, **arguments)
    return masks(loaded, replace(prediction, shape=(*planes[0].shape, prediction.shape[-1])))


def _channels(planes: list[np.ndarray]) -> dict[str, Any]:
    """Return how Cellpose 3 is told which channels there are."""
    # [0, 0] is one grey channel, and [1, 2] the first channel with the second as its nuclei.
    if len(planes) == 1:
        return {"channels": [0, 0]}
    return {"channels": [1, 2], "channel_axis": planes[0].ndim}


def _path(own: Cellpose3) -> Path:
    name = own.model
    if name in BUILTIN_MODELS["cellpose3"]:
        return models_folder(own.models_folder) / _FILES.get(name, name)
    return Path(name).expanduser()


def _restoration_files(own: Cellpose3) -> list[str]:
    """Return the files of the networks that restore the first and the second channel."""
    if not own.restore:
        return []
    files: list[str] = [own.restore]
    if own.chan2_restore:
        # As Cellpose chooses it.
        files.append(f"{own.restore.split('_')[0]}_nuclei")
    return files
