"""Draws the small pictures by which the page explains engines and models: ``python -m segmake.tools.page_pictures``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

from segmake.core import installation
from segmake.demo.synthetic import draw_field
from segmake.labels.pictures import stretch

FOLDER = installation.PACKAGE / "page" / "static" / "pictures"
SIZE = (240, 150)
_QUALITY = 72


def write_pictures(folder: Path = FOLDER) -> None:
    """Write all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, plane in _pictures():
        # As large as they are shown on a screen with fine pixels.
        picture = Image.fromarray(stretch(plane)).resize(SIZE, Image.Resampling.LANCZOS)
        picture.save(folder / f"{name}.jpg", quality=_QUALITY, optimize=True)


def _pictures() -> Iterator[tuple[str, np.ndarray]]:
    drawn = {
        "phase": (302, "phase", "rod", "colony", 13.0),
        "fluorescence": (607, "fluorescence", "rod", "colony", 12.0),
        "brightfield": (26, "brightfield", "rod", "sparse", 13.0),
        "filaments": (33, "phase", "filament", "colony", 9.0),
        "threshold": (1001, "fluorescence", "coccus", "sparse", 14.0),
    }
    for name, (seed, modality, cells, arrangement, width) in drawn.items():
        options: Any = {"modality": modality, "cells": cells, "arrangement": arrangement}
        plane, labels = draw_field(
            seed, shape=(340, 460), width=width, staining="cytoplasm", **options
        )
        yield name, _most_filled(plane, labels)
    yield "cells", _tissue(np.random.default_rng(3), apart=88, stained=True)
    yield "many", _tissue(np.random.default_rng(8), apart=62, stained=False)


def _most_filled(plane: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the part with the most cells in it: 240 x 150 pixels."""
    width, height = SIZE
    filled = ndimage.uniform_filter((labels > 0).astype(float), (height, width))
    inner = filled[height // 2 : -height // 2, width // 2 : -width // 2]
    row, column = np.unravel_index(int(inner.argmax()), inner.shape)
    return plane[row : row + height, column : column + width]


def _tissue(rng: np.random.Generator, *, apart: int, stained: bool) -> np.ndarray:
    """Draw large cells side by side: with a stain in and around their nuclei, or by their membranes alone."""
    width, height = SIZE
    shape = (2 * height, 2 * width)
    # Every other row stands between the cells of the one before.
    grid = [
        (y, x + (apart / 2 if row % 2 else 0))
        for row, y in enumerate(range(0, shape[0] + apart, apart))
        for x in range(-apart, shape[1] + apart, apart)
    ]
    centres = np.array(grid) + rng.uniform(-apart / 5, apart / 5, (len(grid), 2))
    rows, columns = np.indices(shape)
    bent = 90 * ndimage.gaussian_filter(rng.normal(size=(2, *shape)), (0, 12, 12))
    away = [np.hypot(rows + bent[0] - y, columns + bent[1] - x) for y, x in centres]
    first, second = np.sort(np.stack(away), axis=0)[:2]
    border = second - first
    noise = rng.normal(0, 0.03, shape)
    grain = ndimage.gaussian_filter(rng.normal(size=shape), 2)
    if not stained:
        dark_rim = -0.8 * np.exp(-((border / 7) ** 2)) + 0.9 * np.exp(-(((border - 13) / 7) ** 2))
        nucleus = -0.35 / (1 + np.exp((first - apart / 5) / 1.4))
        return ndimage.gaussian_filter(dark_rim + nucleus + 0.9 * grain + noise, 1)
    nucleus = 1 / (1 + np.exp((first - apart / 5) / 1.6))
    cytoplasm = np.exp(-((first / (apart / 1.9)) ** 2)) * np.clip(border / 9, 0, 1)
    return ndimage.gaussian_filter(0.8 * nucleus + 0.55 * cytoplasm * (1 + grain) + noise, 1)


if __name__ == "__main__":
    write_pictures()
