"""The engine omnipose: Omnipose 1.1 (Cutler et al. 2022, doi 10.1038/s41592-022-01639-4)."""

from __future__ import annotations

import inspect
import io
import logging
import os
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from segmake.core.files import error_line
from segmake.core.settings import Omnipose
from segmake.engines import BUILTIN_MODELS, models_folder
from segmake.engines.device import (
    choose_device,
    device_name,
    fit_into_memory,
    is_out_of_memory,
)
from segmake.engines.weights import fetch_files, locate, read_weights
from segmake.messages import Problem

# Matplotlib, which Omnipose imports, keeps a list of fonts; numba keeps what it compiled, if not beside its source.
_caches = tempfile.TemporaryDirectory(prefix="segmake-", ignore_cleanup_errors=True)
os.environ.setdefault("MPLCONFIGDIR", _caches.name)
if not os.access(sysconfig.get_path("purelib"), os.W_OK):
    os.environ.setdefault("NUMBA_CACHE_DIR", _caches.name)


@contextmanager
def _unheard() -> Iterator[None]:
    """Keep the screen and the log as they are: when imported, Omnipose puts a handler of its own in place of all."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


with _unheard():
    from cellpose_omni import core, models
    from omnipose.core import compute_masks

# The arguments of CellposeModel.eval that are settings: for the network, and for making masks of what it gave.
_FOR_NETWORK = (
    "normalize",
    "invert",
    "diameter",
    "rescale",
    "resample",
    "augment",
    "tile",
    "tile_overlap",
    "bsize",
)
_FOR_MASKS = (
    "mask_threshold",
    "flow_threshold",
    "diam_threshold",
    "niter",
    "min_size",
    "max_size",
    "interp",
    "cluster",
    "suppress",
    "boundary_seg",
    "affinity_seg",
    "despur",
)
_EVAL = inspect.signature(models.CellposeModel.eval).parameters

# Omnipose takes an axis of fewer pixels for that of the channels.
_LEAST_SIDE = 8


@dataclass
class Loaded:
    """A network in memory.

    Attributes
    ----------
    model : CellposeModel
    name : str
        The model, as the config names it.
    for_network, for_masks : dict
        Arguments of ``eval``.
    batch_size : int
        How many tiles the network sees at once: the config's, or fewer if the GPU's memory held no more; 1 where it
        sees the image in one piece.
    """

    model: models.CellposeModel
    name: str
    for_network: dict[str, Any]
    for_masks: dict[str, Any]
    batch_size: int


@dataclass(frozen=True)
class Prediction:
    """What the network gives.

    Attributes
    ----------
    shape : tuple of int
        Height and width of the image; those of the arrays differ where it was rescaled and not resampled.
    flows : array (2, Y, X), float32
        Along Y and X.
    distance : array (Y, X), float32
        To the boundary of the cell, in pixels; negative in the background.
    boundary : array (Y, X), float32, or None
        Whether a pixel is on a boundary, as a logit; None where the network does not say.
    """

    shape: tuple[int, ...]
    flows: np.ndarray
    distance: np.ndarray
    boundary: np.ndarray | None


def addresses(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return where the file of a built-in model is downloaded from, by its name in the folder of models."""
    own = Omnipose.of(settings)
    file = _path(own).name
    builtin = own.model in BUILTIN_MODELS["omnipose"]
    return {file: f"{models._MODEL_URL}/{file}"} if builtin else {}


def fetch(settings: Mapping[str, Any]) -> list[Path]:
    """Return the file with the model's weights, which is downloaded first where that is needed.

    Raises
    ------
    Problem
        What `fetch_files` and `locate` raise.
    """
    own = Omnipose.of(settings)
    name, path = own.model, _path(own)
    fetch_files(path.parent, addresses(settings), name)
    return [locate(path, name)]


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
        ``SM-RUN-006`` if the file holds no network of Omnipose, ``SM-MOD-001`` if it holds one of another engine,
        ``SM-MOD-003`` if it is not there, ``SM-OMN-002`` if it is for other images than planes of one or two channels.
    """
    own = Omnipose.of(settings)
    device = choose_device(own)
    name = own.model
    path = locate(_path(own), name)
    state = read_weights(path, name, "omnipose")
    try:
        model = _build(state, path, name, device)
    except Problem:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise Problem("SM-RUN-004") from error
        raise Problem("SM-RUN-006", where=name, model=name, error=error_line(error)) from error
    for_network, for_masks = (
        {key: settings.get(key, _EVAL[key].default) for key in keys}
        for keys in (_FOR_NETWORK, _FOR_MASKS)
    )
    tiled = for_network["tile"] or for_network["augment"]
    return Loaded(model, name, for_network, for_masks, own.batch_size if tiled else 1)


def predict(loaded: Loaded, planes: list[np.ndarray]) -> Prediction:
    """Run the network on one field of view.

    Parameters
    ----------
    loaded : Loaded
        What `load` gave.
    planes : list of array (Y, X)
        The channel to segment, and the second channel if there is one.

    Raises
    ------
    Problem
        ``SM-RUN-008`` if the image is too small, ``SM-OMN-001`` if the network takes one channel and there are two,
        ``SM-RUN-004`` or ``SM-OMN-003`` if the GPU's memory does not suffice.
    """
    height, width = planes[0].shape
    if min(height, width) < _LEAST_SIDE:
        raise Problem("SM-RUN-008", width=width, height=height)
    if len(planes) > loaded.model.nchan:
        raise Problem("SM-OMN-001", where="second_channel", model=loaded.name)
    # As in Cellpose, [0, 0] is one grey channel, beside an empty one, and [1, 2] the first channel with the second.
    grey = [0, 0] if loaded.model.nchan == 2 else None
    image, channels = (planes[0], grey) if len(planes) == 1 else (np.dstack(planes), [1, 2])

    def run(batch_size: int) -> list[Any]:
        return loaded.model.eval(
            image,
            channels=channels,
            batch_size=batch_size,
            omni=True,
            compute_masks=False,
            **loaded.for_network,
        )[1]

    try:
        flows, loaded.batch_size = fit_into_memory(run, loaded.batch_size)
    except Problem:
        if loaded.for_network["tile"] or loaded.for_network["augment"]:
            raise
        raise Problem("SM-OMN-003", where="tile") from None
    return Prediction((height, width), flows[1], flows[2], flows[4])


def masks(loaded: Loaded, prediction: Prediction) -> np.ndarray:
    """Make the labels of what the network gave.

    Where the GPU's memory does not suffice it is done on the CPU, which may move single pixels of an outline.

    Returns
    -------
    array (Y, X), integers
        The labels exactly as ``CellposeModel.eval`` gives them with ``omni=True``: 0 is the background, 1..N the cells.
    """
    try:
        labels = _make_masks(loaded, prediction, loaded.model.device)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        labels = None
    if labels is None:
        torch.cuda.empty_cache()
        labels = _make_masks(loaded, prediction, torch.device("cpu"))
    # Without a cell, Omnipose gives no integers, nor the image's size if the network saw another one.
    return labels if labels.any() else np.zeros(prediction.shape, np.uint16)


def own_diameter(loaded: Loaded) -> float:
    """Return the diameter that the network takes the cells to have where it is told none, in pixels."""
    return float(loaded.model.diam_mean)


def at(loaded: Loaded, diameter: float) -> Loaded:
    """Return the same network, which is told another diameter of the cells."""
    return replace(loaded, for_network={**loaded.for_network, "diameter": diameter})


def describe(loaded: Loaded) -> dict[str, str]:
    """Return the model, the device and the number of tiles at once, for the screen and the journal."""
    return {
        "model": loaded.name,
        "device": device_name(loaded.model.device),
        "batch_size": str(loaded.batch_size),
    }


def _path(own: Omnipose) -> Path:
    name = own.model
    if name in BUILTIN_MODELS["omnipose"]:
        return models_folder(own.models_folder) / f"{name}torch_0"
    return Path(name).expanduser()


def _build(
    state: Mapping[str, torch.Tensor], path: Path, name: str, device: torch.device
) -> models.CellposeModel:
    """Return a network of the shape that the weights have, with these weights.

    Omnipose itself must be told the shape, and on a CPU leaves random numbers where weights are missing.
    """
    head = state["output.2.weight"]
    channels, values, dimensions = len(next(iter(state.values()))), len(head), head.ndim - 2
    if dimensions != 2 or channels > 2:
        raise Problem(
            "SM-OMN-002", where=name, model=name, dimensions=dimensions, channels=channels
        )
    if device.type == "cuda":
        core._lock_cuda_precision(device)
    model = models.CellposeModel(
        device=device,
        nchan=channels,
        nclasses=values - 1,
        nsample=len({key.split(".")[2] for key in state if key.startswith("downsample.down.")}),
        # Omnipose, too, reads these from the file's name.
        residual_on="residual_off" not in path.name,
        style_on="style_off" not in path.name,
        concatenation="concatenation_on" in path.name,
    )
    model.net.load_state_dict(state)
    # A name and not a list: then eval does not read the file again.
    model.pretrained_model = os.fspath(path)
    return model


def _make_masks(loaded: Loaded, prediction: Prediction, device: torch.device) -> np.ndarray:
    """Do what ``CellposeModel._run_cp`` does after the network."""
    network, model = loaded.for_network, loaded.model
    rescale = network["rescale"]
    if rescale is None:
        rescale = model.diam_mean / network["diameter"] if network["diameter"] else 1.0
    return compute_masks(
        prediction.flows,
        prediction.distance,
        bd=prediction.boundary,
        rescale=rescale,
        resize=None if network["resample"] else prediction.shape,
        use_gpu=device.type != "cpu",
        device=device,
        nclasses=model.nclasses,
        dim=model.dim,
        **loaded.for_masks,
    )[0]
