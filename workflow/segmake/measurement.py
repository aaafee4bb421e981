"""Measures cells: a row for each, in pixels and, where the pixel size is known, in micrometres."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from skimage.measure import regionprops_table

# Raised when the numbers change for the same masks, so that images are measured again.
VERSION = 1

# scikit-image's names, and what they are called in the tables.
_SHAPE = {
    "label": "label",
    "area": "area_px",
    "axis_major_length": "length_px",
    "axis_minor_length": "width_px",
    "perimeter": "perimeter_px",
    "eccentricity": "eccentricity",
    "solidity": "solidity",
    "orientation": "orientation_deg",
    "centroid-0": "centroid_y_px",
    "centroid-1": "centroid_x_px",
}
_MICROMETRES = {
    "area_um2": ("area_px", 2),
    "length_um": ("length_px", 1),
    "width_um": ("width_px", 1),
    "perimeter_um": ("perimeter_px", 1),
}


def measure_cells(
    labels: np.ndarray, channels: Mapping[str, np.ndarray], pixel_size_um: float | None
) -> pd.DataFrame:
    """Measure every cell of a label image.

    Length and width are the axes of the ellipse that has the cell's second moments, as scikit-image's
    ``regionprops`` computes them. For a straight rod of length L the long axis comes out up to 15 % above L.

    Parameters
    ----------
    labels : array (Y, X), unsigned integers
        0 is the background, every other value one cell.
    channels : mapping of str to array (Y, X)
        The planes whose intensity is measured, by their channels' names.
    pixel_size_um : float or None
        Side of a pixel in micrometres, if it is known.

    Returns
    -------
    DataFrame
        A row per cell, none for an image without cells: ``label``, ``area_px``, ``length_px``, ``width_px``,
        ``perimeter_px``, ``eccentricity`` (0 round to 1 long), ``solidity`` (1 without dents), ``orientation_deg``
        (of the long axis against the image's rows, -90 to 90, anticlockwise), ``centroid_y_px``, ``centroid_x_px``;
        ``area_um2``, ``length_um``, ``width_um``, ``perimeter_um`` (NaN where the pixel size is unknown); and for
        each channel ``mean_intensity_NAME``, ``min_...``, ``max_...`` and ``integrated_...`` (the sum).

    Raises
    ------
    ValueError
        If a plane differs from `labels` in shape.
    """
    shape = regionprops_table(labels, properties=tuple({key.split("-")[0]: 0 for key in _SHAPE}))
    cells = pd.DataFrame({name: shape[key] for key, name in _SHAPE.items()})
    # scikit-image measures against the column axis, in radians.
    cells["orientation_deg"] = (np.rad2deg(cells["orientation_deg"]) + 180) % 180 - 90
    for name, (pixels, power) in _MICROMETRES.items():
        cells[name] = cells[pixels] * (pixel_size_um**power if pixel_size_um else np.nan)
    for name, plane in channels.items():
        cells = cells.join(_intensities(labels, plane, name))
    return cells


def _intensities(labels: np.ndarray, plane: np.ndarray, name: str) -> pd.DataFrame:
    if plane.shape != labels.shape:
        raise ValueError(f"channel {name} is {plane.shape}, the label image {labels.shape}")
    properties = ("intensity_mean", "intensity_min", "intensity_max", "area")
    # float64: sums of 16-bit values over a cell must not overflow.
    found = regionprops_table(labels, plane.astype(np.float64), properties=properties)
    return pd.DataFrame(
        {
            f"mean_intensity_{name}": found["intensity_mean"],
            f"min_intensity_{name}": found["intensity_min"],
            f"max_intensity_{name}": found["intensity_max"],
            f"integrated_intensity_{name}": found["intensity_mean"] * found["area"],
        }
    )
