"""The engine threshold: a global threshold and a watershed, or the local contrast of cells; no network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import ndimage
from skimage import filters, measure, morphology, segmentation
from skimage.feature import peak_local_max

from segmake.engines import SPLIT_DIAMETER, local_contrast, number_dropped

# A threshold divides pure noise too: about 2.7 standard deviations apart where it cuts in the middle.
LEAST_CONTRAST = 4.0
# Where it cuts below nearly everything, the little that is left has hardly any spread to compare with.
LEAST_BACKGROUND = 0.1


def load(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings: there is nothing to load."""
    return dict(settings)


def predict(loaded: dict[str, Any], planes: list[np.ndarray]) -> np.ndarray:
    """Divide one field of view into foreground and background.

    The image is stretched between its 1st and 99.8th percentile, smoothed, and cut at scikit-image's threshold of
    the config's ``method``. With ``local``, cells are found by their contrast to what is around them, each by itself.

    Parameters
    ----------
    loaded : dict
        The section ``segmentation`` of the config.
    planes : list of array (Y, X)
        The first is segmented.

    Returns
    -------
    array (Y, X), bool
        Nothing at all in an image whose foreground does not stand out of the noise. With ``local``: int32, the cells.
    """
    if loaded["method"] == "local":
        return local_contrast.find(planes[0], _width(loaded), loaded["polarity"])
    bright = _bright_cells(planes[0], loaded["polarity"])
    smooth = filters.gaussian(bright, loaded["smoothing"]) if loaded["smoothing"] else bright
    nothing = np.zeros(smooth.shape, bool)
    if smooth.min() == smooth.max():
        return nothing
    method = getattr(filters, f"threshold_{loaded['method']}")
    above = smooth > method(smooth)
    return above if _contrast(smooth, above) >= LEAST_CONTRAST else nothing


def masks(loaded: dict[str, Any], prediction: np.ndarray) -> np.ndarray:
    """Make cells of the foreground: touching ones are split at the necks of their distance map (watershed).

    Parameters
    ----------
    loaded : dict
        The section ``segmentation`` of the config.
    prediction : array (Y, X), bool or int32
        What `predict` gave.

    Returns
    -------
    array (Y, X), int32
        0 is the background, 1..N the cells.
    """
    if not prediction.any():
        return np.zeros(prediction.shape, np.int32)
    smallest = max(loaded["min_size"], 0)
    if loaded["method"] == "local":
        labels = prediction.copy()
    else:
        foreground = ndimage.binary_fill_holes(prediction)
        foreground = morphology.remove_small_objects(foreground, max_size=max(smallest - 1, 0))
        labels = _split(foreground, _width(loaded))
    sizes = np.bincount(labels.ravel())
    labels[sizes[labels] < smallest] = 0
    return segmentation.relabel_sequential(labels)[0].astype(np.int32)


def dropped(loaded: dict[str, Any], prediction: np.ndarray) -> int:
    """Return how many pieces of the foreground are no cells because of ``min_size``."""
    if loaded["min_size"] <= 1 or not prediction.any():
        return 0
    sizes = np.bincount(measure.label(ndimage.binary_fill_holes(prediction)).ravel())[1:]
    return number_dropped(sizes, loaded["min_size"])


def describe(loaded: dict[str, Any]) -> dict[str, str]:
    """Return the method, and that it runs on the CPU, for the screen and the journal."""
    return {"model": loaded["method"], "device": "CPU"}


def unclear(loaded: dict[str, Any], planes: list[np.ndarray], prediction: np.ndarray) -> bool:
    """Whether no threshold can tell in this picture what a cell is, so that its masks are to be looked at.

    Parameters
    ----------
    loaded : dict
        The section ``segmentation`` of the config.
    planes : list of array (Y, X)
        The first is segmented.
    prediction : array (Y, X), bool or int32
        What `predict` gave.
    """
    guessed = loaded["polarity"] == "auto" and loaded["method"] != "local"
    dark = _is_dark(_stretched(planes[0]), "auto") if guessed else None
    return local_contrast.unclear(planes[0], prediction > 0, _width(loaded), dark)


def _width(loaded: dict[str, Any]) -> float:
    return float(loaded["diameter"] or SPLIT_DIAMETER)


def _bright_cells(plane: np.ndarray, polarity: str) -> np.ndarray:
    """Return the image from 0 to 1, with cells brighter than the background."""
    grey = _stretched(plane)
    return 1 - grey if grey.any() and _is_dark(grey, polarity) else grey


def _stretched(plane: np.ndarray) -> np.ndarray:
    """Return the image from 0 to 1; all 0 where there is no contrast."""
    low, high = np.percentile(plane, (1, 99.8))
    if high <= low:
        return np.zeros(plane.shape, np.float32)
    return np.clip((plane.astype(np.float32) - low) / (high - low), 0, 1)


def _is_dark(grey: np.ndarray, polarity: str) -> bool:
    """Whether cells are darker than the background."""
    if polarity == "auto":
        # Background is most of an image, so the cells are on the side of the longer tail.
        median = float(np.median(grey))
        below, above = median - np.percentile(grey, 2), np.percentile(grey, 98) - median
        return bool(below > above)
    return polarity == "dark"


def _contrast(image: np.ndarray, above: np.ndarray) -> float:
    """Return how far the foreground stands out, in standard deviations of the background."""
    background = image[~above]
    if background.size < LEAST_BACKGROUND * image.size:
        return 0.0
    spread = float(background.std()) or float(np.finfo(np.float32).tiny)
    return (float(image[above].mean()) - float(background.mean())) / spread


def _split(foreground: np.ndarray, diameter: float) -> np.ndarray:
    """Label a foreground, with touching cells apart."""
    distance = filters.gaussian(ndimage.distance_transform_edt(foreground), 1.0)
    pieces = measure.label(foreground)
    # A rod's distance map is a ridge: only peaks a cell's length apart are two cells.
    apart = max(1, round(diameter))
    peaks = peak_local_max(distance, min_distance=apart, labels=pieces, exclude_border=False)
    markers = np.zeros(foreground.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return segmentation.watershed(-distance, markers, mask=foreground)
