"""Pictures for people: an image made visible, the same with outlined cells, and thumbnails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segmake.files import write_atomically

# Raised when the pictures change, so that they are drawn again.
VERSION = 1

# Orange stands out from every grey, from black to white, for colour-blind eyes too.
OUTLINE = (255, 120, 0)
LONGEST_PANEL = 2048
LONGEST_THUMBNAIL = 420
SHORTEST_PANEL = 512
GAP = 6
ROOMY_CELL = 200  # pixels

# In a picture drawn with a palette, 0..254 are greys (the last one white) and 255 is the outline.
_WHITE_INDEX = 254
_OUTLINE_INDEX = 255


def stretch(plane: np.ndarray, *, low: float = 0.5, high: float = 99.8) -> np.ndarray:
    """Spread the grey values of an image between black and white.

    Parameters
    ----------
    plane : array (Y, X), any real dtype
        NaN and infinities are allowed.
    low, high : float
        The percentiles of the finite values that become black and white.

    Returns
    -------
    array (Y, X), uint8
        NaN and minus infinity are black, plus infinity is white; a constant plane is mid-grey.

    Raises
    ------
    ValueError
        If `plane` does not have exactly two axes.
    """
    plane = np.asarray(plane)
    if plane.ndim != 2:
        raise ValueError(f"a plane has two axes (Y, X), not the shape {plane.shape}")
    black, white = _limits(plane, low, high)
    grey = np.empty(plane.shape, np.uint8)
    # Row by row in blocks: a stitched image of gigabytes must not be copied to float at once.
    rows = max(1, 4_000_000 // max(1, plane.shape[1]))
    for start in range(0, plane.shape[0], rows):
        block = plane[start : start + rows].astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            scaled = (block - black) * (255 / (white - black)) if white > black else block * 0 + 128
        scaled = np.nan_to_num(scaled, nan=0, posinf=255, neginf=0)
        grey[start : start + rows] = np.clip(np.rint(scaled), 0, 255)
    return grey


def draw_outlines(
    picture: np.ndarray,
    labels: np.ndarray,
    *,
    color: tuple[int, int, int] = OUTLINE,
    thickness: int = 1,
) -> np.ndarray:
    """Draw the outline of every cell on a grey picture, inside the cell.

    Each cell has a line of its own, so cells that touch stay apart.

    Parameters
    ----------
    picture : array (Y, X), uint8
        As `stretch` returns it.
    labels : array (Y, X), integers
        0 is the background, every other value one cell.
    color : tuple of int
        Red, green and blue, 0..255.
    thickness : int
        Of the line, in pixels.

    Returns
    -------
    array (Y, X, 3), uint8

    Raises
    ------
    ValueError
        If `picture` and `labels` differ in shape.
    """
    labels = _same_shape(np.asarray(picture), labels)
    colored = np.repeat(np.asarray(picture, np.uint8)[..., np.newaxis], 3, axis=-1)
    colored[_edges(labels, thickness)] = color
    return colored


def write_pictures(
    plane: np.ndarray,
    labels: np.ndarray | None,
    *,
    picture: Path,
    before: Path,
    after: Path,
    color: tuple[int, int, int] = OUTLINE,
    contrast: tuple[float, float] = (0.5, 99.8),
    longest_panel: int = LONGEST_PANEL,
    longest_thumbnail: int = LONGEST_THUMBNAIL,
) -> None:
    """Write the before/after picture of an image, and its two thumbnails for a page.

    The picture holds both panels, side by side, or one above the other where the image is wide.
    Large images are shrunk, small ones enlarged by a whole factor, and the outlines are drawn
    after that, so that they stay thin and sharp. A file appears only when it is complete.

    Parameters
    ----------
    plane : array (Y, X), any real dtype
        What was segmented.
    labels : array (Y, X), integers, or None
        None (or zeros only) draws no outline.
    picture : Path
        Of the picture (``.png``). Folders are made.
    before, after : Path
        Of the thumbnails; the suffix (``.jpg``, ``.png``, ``.webp``) says the format.
    color : tuple of int
        Red, green and blue of the outlines, 0..255.
    contrast : tuple of float
        The percentiles of the image that become black and white.
    longest_panel, longest_thumbnail : int
        The longer side of each panel and of each thumbnail, in pixels, at most.

    Raises
    ------
    ValueError
        If `plane` is empty or not (Y, X), or `labels` differs from it in shape.
    OSError
        If a file cannot be written.
    """
    grey = stretch(plane, low=contrast[0], high=contrast[1])
    if grey.size == 0:
        raise ValueError(
            f"there is nothing to draw in an image of {grey.shape[1]} x {grey.shape[0]}"
        )
    labels = np.zeros(grey.shape, np.uint8) if labels is None else _same_shape(grey, labels)

    panel, panel_labels = _resize(grey, labels, SHORTEST_PANEL, longest_panel)
    _save(_panels(panel, _edges(panel_labels, _thickness(panel_labels)), color), picture)

    small, small_labels = _resize(grey, labels, longest_thumbnail, longest_thumbnail)
    _save(Image.fromarray(small), before)
    outlined = draw_outlines(small, small_labels, color=color, thickness=_thickness(small_labels))
    _save(Image.fromarray(outlined), after)


def _limits(plane: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """Return the values that become black and white; equal if the plane is constant or empty."""
    step = max(1, int((plane.size / 4_000_000) ** 0.5))
    values = plane[::step, ::step].astype(np.float64).ravel()
    values = values[np.isfinite(values)]
    if values.size == 0:
        return 0.0, 0.0
    black, white = np.percentile(values, (low, high))
    if black == white:  # nearly all pixels are equal: the few others are what there is to see
        black, white = values.min(), values.max()
    return float(black), float(white)


def _same_shape(picture: np.ndarray, labels: np.ndarray) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.shape != picture.shape:
        raise ValueError(
            f"the labels {labels.shape} and the picture {picture.shape} differ in shape"
        )
    return labels


def _edges(labels: np.ndarray, thickness: int) -> np.ndarray:
    """Return where the pixels of a cell lie within `thickness` of another cell or of no cell."""
    edges = np.zeros(labels.shape, bool)
    for distance in range(1, thickness + 1):
        vertical = labels[distance:] != labels[:-distance]
        edges[distance:] |= vertical
        edges[:-distance] |= vertical
        horizontal = labels[:, distance:] != labels[:, :-distance]
        edges[:, distance:] |= horizontal
        edges[:, :-distance] |= horizontal
    return edges & (labels != 0)


def _thickness(labels: np.ndarray) -> int:
    """Return how thick to draw outlines: 2 pixels if most cells are large enough to show inside."""
    areas = np.unique(labels[labels != 0], return_counts=True)[1]
    return 2 if areas.size and np.median(areas) >= ROOMY_CELL else 1


def _resize(
    grey: np.ndarray, labels: np.ndarray, shortest: int, longest: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fit a picture and its labels between two sizes of the longer side."""
    height, width = grey.shape
    longer = max(height, width)
    if longer > longest:
        new_height = max(1, round(height * longest / longer))
        new_width = max(1, round(width * longest / longer))
        image = Image.fromarray(grey).resize((new_width, new_height), Image.Resampling.LANCZOS)
        rows = (2 * np.arange(new_height) + 1) * height // (2 * new_height)
        columns = (2 * np.arange(new_width) + 1) * width // (2 * new_width)
        return np.asarray(image), labels[np.ix_(rows, columns)]
    factor = max(1, shortest // longer)
    if factor > 1:
        grey = grey.repeat(factor, axis=0).repeat(factor, axis=1)
        labels = labels.repeat(factor, axis=0).repeat(factor, axis=1)
    return grey, labels


def _panels(grey: np.ndarray, edges: np.ndarray, color: tuple[int, int, int]) -> Image.Image:
    """Return the panels before and after as one picture of 256 colours: half the bytes of RGB."""
    before = np.minimum(grey, _WHITE_INDEX)
    after = np.where(edges, np.uint8(_OUTLINE_INDEX), before)
    height, width = grey.shape
    stacked = width > 1.5 * height
    gap = np.full((GAP, width) if stacked else (height, GAP), _WHITE_INDEX, np.uint8)
    both = Image.fromarray(np.concatenate([before, gap, after], axis=0 if stacked else 1))
    greys = [level for index in range(_WHITE_INDEX) for level in (index, index, index)]
    both.putpalette([*greys, 255, 255, 255, *color])
    return both


def _save(image: Image.Image, path: Path) -> None:
    kind = Image.registered_extensions()[path.suffix.lower()]
    # Full colour resolution: JPEG would otherwise smear outlines of one pixel.
    options: dict[str, Any] = {"quality": 85, "subsampling": 0} if kind == "JPEG" else {}
    with write_atomically(path) as part:
        image.save(part, format=kind, **options)
