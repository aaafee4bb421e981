"""Where a network runs: on a GPU that was really tried, with as many tiles at once as its memory holds."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

from segmake.core.files import error_line
from segmake.core.settings import Network
from segmake.messages import Problem

Result = TypeVar("Result")


def choose_device(settings: Network) -> torch.device:
    """Return the device for the network: a GPU that computes, or the CPU where that is meant.

    A GPU is expected in a Slurm job, with ``gpu: true``, and on a computer that has one.

    Parameters
    ----------
    settings : Network
        The section ``segmentation`` of the config.

    Raises
    ------
    Problem
        ``SM-RUN-005``, with CUDA's own words, if a GPU is expected and can't be used; not with ``allow_cpu``.
    """
    if settings.gpu is False:
        return torch.device("cpu")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    try:
        _compute_on_gpu()
    # A torch without CUDA raises an AssertionError.
    except (RuntimeError, AssertionError) as error:
        reason = error_line(error)
    else:
        return torch.device("cuda:0")
    expected = settings.gpu is True or "SLURM_JOB_ID" in os.environ or _has_gpu()
    if expected and not settings.allow_cpu:
        raise Problem("SM-RUN-005", error=reason)
    return torch.device("cpu")


def device_name(device: torch.device) -> str:
    """Return the name of a GPU, such as ``NVIDIA A40``, or ``CPU``."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return "CPU" if device.type == "cpu" else device.type


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the memory of the GPU does not suffice."""
    # CUDA's libraries have words of their own for it: CUBLAS_STATUS_ALLOC_FAILED.
    said = str(error)
    return isinstance(error, torch.cuda.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in said or "ALLOC_FAILED" in said)
    )


def fit_into_memory(run: Callable[[int], Result], tiles: int) -> tuple[Result, int]:
    """Run a network, with half as many tiles at once each time the GPU's memory does not suffice.

    Parameters
    ----------
    run : callable
        Takes the number of tiles that the network sees at once.
    tiles : int
        How many to begin with.

    Returns
    -------
    tuple
        What `run` returned, and the number of tiles that it was called with.

    Raises
    ------
    Problem
        ``SM-RUN-004`` if one tile at a time is too much.
    """
    while True:
        try:
            return run(tiles), tiles
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        # Not in the handler: there, the error would keep the memory of the attempt.
        torch.cuda.empty_cache()
        if tiles == 1:
            raise Problem("SM-RUN-004")
        tiles //= 2


def _compute_on_gpu() -> None:
    """Raise what CUDA says if it can't be used: that it is there does not mean that it computes."""
    probe = torch.ones((64, 64), device="cuda:0")
    if float((probe @ probe).sum()) != 64**3:
        raise RuntimeError("the GPU gave a wrong product of two matrices")


def _has_gpu() -> bool:
    """Whether there is an NVIDIA GPU that is not hidden on purpose."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1", "NoDevFiles"):
        return False
    return torch.cuda.device_count() > 0 or any(Path("/dev").glob("nvidia[0-9]*"))
