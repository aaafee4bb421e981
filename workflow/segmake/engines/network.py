"""What the engines of Cellpose 3 and 4 have in common: its ``eval`` in two halves, the network and the masks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import local
from typing import Any, NoReturn

import cv2
import numpy as np
import torch
from cellpose import models, utils

from segmake.core.files import error_line
from segmake.engines import number_dropped
from segmake.engines.device import device_name, fit_into_memory, is_out_of_memory
from segmake.messages import Problem

# Settings that are no arguments of Cellpose's eval, or are given to it otherwise.
_NOT_FOR_EVAL = frozenset(
    (
        "engine",
        "model",
        "gpu",
        "allow_cpu",
        "models_folder",
        "batch_size",
        "use_bfloat16",
        "restore",
        "chan2_restore",
        "anisotropy",
    )
)


# Smaller images may be resized to nothing.
_SMALL_PIXELS = 64


@dataclass(frozen=True)
class Prediction:
    """What Cellpose hands from its network to the making of masks.

    Attributes
    ----------
    shape : tuple of int
        Depth (1 for a plane), height and width of the image, and the number of its channels.
    flows : array (2, Z, Y, X) or in 3D (3, Z, Y, X), float32
        Along (Z,) Y and X; smaller or larger than the image where Cellpose resized it.
    probability : array (Z, Y, X), float32
        Of a cell, as a logit.
    arguments : dict
        The other arguments of Cellpose's ``_compute_masks``.
    """

    shape: tuple[int, ...]
    flows: np.ndarray
    probability: np.ndarray
    arguments: dict[str, Any]


class _NetworkDone(Exception):
    """Carries a `Prediction` out of Cellpose's ``eval``."""

    def __init__(self, prediction: Prediction) -> None:
        self.prediction = prediction


class FlowModel(models.CellposeModel):
    """Cellpose's model, whose ``eval`` ends where the network is done and the masks would be made.

    So both halves are Cellpose's own code with Cellpose's own arguments between them (``niter``, for one, follows from
    the diameter), and the picture of the flows, which nobody looks at, is not drawn.
    """

    def _compute_masks(self, shape: Any, dP: Any, cellprob: Any, **arguments: Any) -> NoReturn:
        raise _NetworkDone(Prediction(tuple(shape), dP, cellprob, arguments))


@dataclass
class Loaded:
    """A network in memory.

    Attributes
    ----------
    model : FlowModel
    evaluate : callable
        ``eval`` of the model, or of the model that restores images first.
    name : str
        The model, as the config names it.
    arguments : dict
        For ``eval``.
    batch_size : int
        How many tiles the network sees at once: the config's, or fewer if the GPU's memory held no more.
    """

    model: FlowModel
    evaluate: Callable[..., Any]
    name: str
    arguments: dict[str, Any]
    batch_size: int


@contextmanager
def refusing(model: str) -> Iterator[None]:
    """Turn what goes wrong while a network is loaded into a problem with its model.

    Raises
    ------
    Problem
        ``SM-RUN-004`` if the GPU's memory does not hold the network, else ``SM-RUN-006``.
    """
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error):
            raise Problem("SM-RUN-004") from error
        raise Problem("SM-RUN-006", where=model, model=model, error=error_line(error)) from error


def at(loaded: Loaded, diameter: float) -> Loaded:
    """Return the same network, which is told another diameter of the cells."""
    return replace(loaded, arguments={**loaded.arguments, "diameter": diameter})


def eval_arguments(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that are arguments of ``eval``."""
    return {key: value for key, value in settings.items() if key not in _NOT_FOR_EVAL}


def run_network(loaded: Loaded, planes: list[np.ndarray], **arguments: Any) -> Prediction:
    """Run the network on an image, with fewer tiles at once from now on if the GPU's memory does not suffice.

    Parameters
    ----------
    loaded : Loaded
    planes : list of array (Y, X), or (Z, Y, X) with the argument ``z_axis=0``
        One for each channel; of several, Cellpose gets an array whose last axis is the channel.
    **arguments
        For ``eval``, beside the settings.

    Raises
    ------
    Problem
        ``SM-RUN-004`` if one tile at a time is too much, ``SM-RUN-008`` if nothing is left of the image when it is
        resized for the network, ``SM-VOL-003`` if not even two slices are left of a z-stack in 3D.
    """
    if all(plane.min() == plane.max() for plane in planes):
        return _nothing(planes[0].shape)
    image = planes[0] if len(planes) == 1 else np.stack(planes, axis=-1)

    def run(batch_size: int) -> Prediction:
        try:
            # Cellpose 4 normalizes an image of float32 in its place: a second attempt needs it as it was.
            loaded.evaluate(image.copy(), batch_size=batch_size, **loaded.arguments, **arguments)
        except _NetworkDone as done:
            return done.prediction
        except cv2.error as error:
            height, width = planes[0].shape[-2:]
            if min(height, width) > _SMALL_PIXELS:
                raise
            raise Problem("SM-RUN-008", width=width, height=height) from error
        except ValueError as error:
            if "not enough pixels to resize" not in str(error):
                raise
            raise _flattened(planes[0].shape, arguments) from error
        raise RuntimeError("Cellpose's eval made no masks")

    prediction, loaded.batch_size = fit_into_memory(run, loaded.batch_size)
    # Cellpose's interpolation between slices divides by their number less one.
    if prediction.arguments["do_3D"] and prediction.flows.shape[1] < 2:
        raise _flattened(planes[0].shape, arguments)
    return prediction


def masks(loaded: Loaded, prediction: Prediction) -> np.ndarray:
    """Make the labels of what the network gave.

    Where the GPU's memory does not suffice it is done on the CPU, which may move single pixels of an outline.

    Returns
    -------
    array (Y, X) or (Z, Y, X), uint16 or uint32
        As Cellpose's ``eval`` gives them: 0 is the background, 1..N the cells.
    """
    # Torch has no 3D interpolation for Apple's GPUs; Cellpose 4 knows, Cellpose 3 does not.
    if loaded.model.device.type != "mps" or not prediction.arguments.get("do_3D"):
        try:
            return _make_masks(loaded.model, prediction)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        torch.cuda.empty_cache()
    beside = copy.copy(loaded.model)
    beside.device = torch.device("cpu")
    return _make_masks(beside, prediction)


def describe(loaded: Loaded) -> dict[str, str]:
    """Return the model, the device and the number of tiles at once, for the screen and the journal."""
    return {
        "model": loaded.name,
        "device": device_name(loaded.model.device),
        "batch_size": str(loaded.batch_size),
    }


def _nothing(shape: tuple[int, ...]) -> Prediction:
    """Return the prediction of an image of one grey value.

    Cellpose would not stretch it, and take the border to the black around it for the outline of cells.
    """
    stack = (1, *shape)[-3:]
    never = np.full(stack, -np.inf, np.float32)
    return Prediction((*stack, 1), np.zeros((2, *stack), np.float32), never, {})


def _flattened(shape: tuple[int, ...], arguments: Mapping[str, Any]) -> Problem:
    """Return the problem of a z-stack (Z, Y, X) of which Cellpose leaves too little."""
    depth, height, width = shape
    anisotropy = f"{arguments['anisotropy'] or 1:.3g}"
    return Problem("SM-VOL-003", depth=depth, height=height, width=width, anisotropy=anisotropy)


def _stitch(masks: np.ndarray, stitch_threshold: float = 0.25) -> np.ndarray:
    """Join the cells of neighbouring slices as Cellpose does, and give no number twice.

    Cellpose itself forgets the numbers before an empty slice until it has once joined two slices, and version 3 counts
    from 0 again after 65,535: cells far apart would be one.

    Parameters
    ----------
    masks : array (Z, Y, X), integers
        The labels of each slice, from 1.
    stitch_threshold : float
        Least overlap (intersection over union).
    """
    stitched = np.zeros(masks.shape, np.uint32)
    filled = np.array([plane.any() for plane in masks])
    for run in np.split(np.arange(len(masks)), np.flatnonzero(np.diff(filled)) + 1):
        if filled[run[0]]:
            part = _stitch_as_cellpose(masks[run].astype(np.uint32), stitch_threshold)
            stitched[run] = np.where(part > 0, part + stitched.max(), 0)
    return stitched.astype(np.uint16) if stitched.max() < 2**16 else stitched


def dropped(loaded: Loaded, prediction: Prediction) -> int:
    """Return how many cells were smaller than ``min_size`` in what `masks` last made in this thread."""
    return _took_away.number


class _TookAway(local):
    """How many cells Cellpose took away for their size; the masks of several images may be made at once."""

    number = 0


_took_away = _TookAway()


def _fill(masks: np.ndarray, min_size: int = 15) -> np.ndarray:
    """Fill holes and remove what is small as Cellpose does, and note how much that is."""
    if min_size > 0:
        sizes = np.unique(masks[masks > 0], return_counts=True)[1]
        _took_away.number += number_dropped(sizes, min_size)
    return _fill_as_cellpose(masks, min_size=min_size)


# Cellpose looks it up here, too.
_fill_as_cellpose = utils.fill_holes_and_remove_small_masks
utils.fill_holes_and_remove_small_masks = _fill

# `_compute_masks` of Cellpose looks the function up here; its progress bar would be drawn into the log.
_stitch_as_cellpose = utils.stitch3D
utils.stitch3D = _stitch
utils.trange = range


def _make_masks(model: FlowModel, prediction: Prediction) -> np.ndarray:
    _took_away.number = 0
    return models.CellposeModel._compute_masks(
        model, prediction.shape, prediction.flows, prediction.probability, **prediction.arguments
    )
