"""An engine whose network is emulated: it waits for as long as a GPU would compute, and a threshold finds the cells.

`benchmarks/gpu.py` puts it in the place of an engine's module, in a copy of SegMake. The model is a file with the rate:
images a second. When it was loaded is noted beside it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage


def fetch(settings: dict[str, Any]) -> list[Path]:
    """Return the file of the model."""
    return [Path(settings["model"])]


def load(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the model: its name, and the seconds that an image takes."""
    model = Path(settings["model"])
    rate = float(model.read_text())
    if job := os.environ.get("SLURM_JOB_ID"):
        with model.with_suffix(".loaded").open("a") as notes:
            print(job, time.time(), file=notes, flush=True)
    return {"model": model.name, "seconds": 1 / rate}


def predict(loaded: dict[str, Any], planes: list[np.ndarray]) -> np.ndarray:
    """Wait as for a network on a GPU, which leaves the cores alone."""
    time.sleep(loaded["seconds"])
    return planes[0]


def masks(loaded: dict[str, Any], prediction: np.ndarray) -> np.ndarray:
    """Return the cells, which are darker than what is around them."""
    threshold = np.percentile(prediction, [2, 60]).mean()
    cells = ndimage.binary_opening(prediction < threshold, iterations=2)
    return ndimage.label(cells)[0]


def describe(loaded: dict[str, Any]) -> dict[str, str]:
    """Return what the journal notes."""
    return {"model": loaded["model"], "device": "emulated GPU", "batch_size": "1"}
