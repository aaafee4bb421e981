"""The method ``local`` of the engine threshold: cells by their contrast to what is around them, at a cell's scale."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage import filters, measure, morphology, segmentation

from segmake.core.strips import strips, widened

# All lengths are in widths of a cell. Blur of the picture, and of what is looked at for the middles of cells.
BLUR, MIDDLE_BLUR = 0.1, 0.2
# How wide the surroundings are that a pixel is compared with.
AROUND = 1.5
# How far between the darkest and the brightest of its surroundings a pixel of a cell is at least.
LEAST_HEIGHT = 0.25
# Surroundings with less contrast than so much of Otsu's threshold of all contrasts are background.
LEAST_RANGE = 0.3
# How deep the valley between the middles of two cells is, as a part of the contrast there.
LEAST_VALLEY = 0.3
# The smallest cell that is believed, in squares of the width; and the least contrast, as a part of that of most cells.
LEAST_AREA, LEAST_CONTRAST = 0.55, 0.25
# Noise has this contrast too, in its standard deviations.
NOISE = 8.0

# What is wider is uneven light, and no cell with its halo.
WIDEST = 3.0
# How far a picture goes to the other side of its background, as a part of how far it goes to the side of its cells,
# before it can be phase contrast. Measured: 0.10 at most in brightfield, 0.08 in fluorescence, 0.45 at least in phase.
MOST_OF_BOTH = 0.3
# How much of what was found may be halos, so that the rest is still worth something.
MOST_HALOS = 0.2
# The least on either side, in standard deviations of the noise, which is on both sides of any background.
BEYOND_NOISE = 4.0


def find(plane: np.ndarray, width: float, polarity: str) -> np.ndarray:
    """Label the cells of one field of view.

    Parameters
    ----------
    plane : array (Y, X)
    width : float
        Of a cell, in pixels: sets the scale of everything.
    polarity : str
        ``bright``, ``dark``, or ``auto``: the side on which the picture goes farther from its background.

    Returns
    -------
    array (Y, X), int32
        0 is the background, 1..N the cells.
    """
    plane = plane.astype(np.float32)
    blur = max(BLUR * width, 0.5)
    smooth = ndimage.gaussian_filter(plane, blur)
    if is_dark(smooth, width, polarity):
        smooth = -smooth
    lowest, range_around = _surroundings(smooth, width)
    if not range_around.any():
        return np.zeros(plane.shape, np.int32)
    inside = smooth > lowest + LEAST_HEIGHT * range_around
    inside &= range_around > LEAST_RANGE * filters.threshold_otsu(range_around)
    inside = ndimage.binary_fill_holes(inside)
    inside = morphology.opening(inside, morphology.disk(max(1, round(width / 8))))
    labels = _split(smooth, inside, width)
    return _believed(labels, smooth - lowest, width, NOISE * _noise(plane, blur))


def is_dark(smooth: np.ndarray, width: float, polarity: str) -> bool:
    """Whether cells are darker than the background: by the config, or by the side with more that is far from it."""
    if polarity == "auto":
        above, below = _sides(smooth, width)
        return below > above
    return polarity == "dark"


def unclear(plane: np.ndarray, found: np.ndarray, width: float, dark: bool | None) -> bool:
    """Whether it is a guess which parts of a picture are its cells.

    So it is where about as much is brighter than the background as is darker: in phase contrast each dark cell has a
    bright halo. And where it differs by how one looks on which side the cells are, or where bright objects were found
    that have something darker than the background in them: halos with their cells.

    Parameters
    ----------
    plane : array (Y, X)
    found : array (Y, X), bool
        Where cells were found.
    width : float
        Of a cell, in pixels.
    dark : bool or None
        Whether cells were taken for darker than the background, by how the picture looks; None: by the config.
    """
    plane = plane.astype(np.float32)
    blur = max(BLUR * width, 0.5)
    least = BEYOND_NOISE * _noise(plane, blur)
    smooth = ndimage.gaussian_filter(plane, blur, output=plane)
    above, below = _sides(smooth, width)
    if min(above, below) > max(MOST_OF_BOTH * max(above, below), least):
        return True
    if dark is not None and dark != (below > above) and max(above, below) > least:
        return True
    return _encloses_darker(smooth, found, least)


def _encloses_darker(smooth: np.ndarray, found: np.ndarray, least: float) -> bool:
    """Whether a good part of the objects is brighter than the background around something that is darker than it."""
    background, filled = _background(smooth), ndimage.binary_fill_holes(found)
    inner = ndimage.binary_erosion(filled)
    objects, number = ndimage.label(filled)
    highest, lowest = np.zeros((2, number + 1), np.float32)
    areas, rims = np.zeros(number + 1, int), np.zeros(number + 1)
    for rows in strips(*smooth.shape):
        here = filled[rows]
        of, away = objects[rows][here], smooth[rows][here] - background
        np.maximum.at(highest, of, away)
        np.minimum.at(lowest, of, away)
        areas += np.bincount(of, minlength=number + 1)
        rims += np.bincount(of, away * ~inner[rows][here], number + 1)
    halos = (rims > 0) & (-lowest > np.maximum(MOST_OF_BOTH * highest, least))
    return bool(areas[halos].sum() > MOST_HALOS * areas.sum())


def _sides(smooth: np.ndarray, width: float) -> tuple[float, float]:
    """Return how far a picture goes above and below its background: large distances count most.

    Uneven light does too, but nowhere within a few cells; and the gap between bright cells is darker than they are, but
    not than the background. What belongs to a cell is far from both.
    """
    background, side = _background(smooth), int(WIDEST * width) | 1
    above = below = 0.0
    for rows in strips(*smooth.shape):
        seen, own = widened(rows, side, len(smooth))
        # The border goes on as it is: mirrored, or cut off, a slope of light would have an edge there.
        wider = np.pad(smooth[seen], side, mode="edge")
        inner = slice(side + own.start, side + own.stop), slice(side, -side)
        here = smooth[rows]
        higher = here - ndimage.grey_opening(wider, (side, side))[inner]
        above += _cubed(np.minimum(here - background, higher))
        deeper = ndimage.grey_closing(wider, (side, side))[inner] - here
        below += _cubed(np.minimum(background - here, deeper))
    return float(np.cbrt(above / smooth.size)), float(np.cbrt(below / smooth.size))


def _cubed(values: np.ndarray) -> float:
    """Return the sum of the cubes of values above 0."""
    positive = np.clip(values, 0, None).astype(np.float64)
    return float((positive * positive * positive).sum())


def _background(smooth: np.ndarray) -> float:
    """Return the commonest grey value: the median is that of cells where these fill half of the picture."""
    lowest, highest = np.percentile(smooth, (0.1, 99.9))
    counts, edges = np.histogram(smooth, 256, (lowest, highest))
    return float(edges[ndimage.uniform_filter1d(counts.astype(float), 9).argmax()])


def _surroundings(smooth: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest value around each pixel, and how much higher the highest is."""
    side = int(AROUND * width) | 1
    lowest = ndimage.gaussian_filter(ndimage.minimum_filter(smooth, side), width / 2)
    highest = ndimage.gaussian_filter(ndimage.maximum_filter(smooth, side), width / 2)
    return lowest, highest - lowest


def _split(smooth: np.ndarray, inside: np.ndarray, width: float) -> np.ndarray:
    """Label a foreground, with touching cells apart where a valley lies between their middles."""
    middles = ndimage.gaussian_filter(smooth, MIDDLE_BLUR * width)
    side = 2 * int(width) + 1
    lowest = ndimage.minimum_filter(middles, side)
    contrast = ndimage.maximum_filter(middles, side) - lowest
    height = np.where(inside & (contrast > 0), middles - lowest, 0)
    height = np.divide(height, contrast, out=np.zeros_like(height), where=contrast > 0)
    tops = measure.label(morphology.h_maxima(height, LEAST_VALLEY)) * inside
    return segmentation.watershed(-height, tops, mask=inside)


def _believed(labels: np.ndarray, above: np.ndarray, width: float, noise: float) -> np.ndarray:
    """Return the cells that are large enough, and stand out of the noise and about as far as the others do."""
    areas = np.bincount(labels.ravel())
    contrasts = np.bincount(labels.ravel(), above.ravel()) / np.maximum(areas, 1)
    kept = (areas >= LEAST_AREA * width**2) & (contrasts > noise)
    kept[0] = False
    if kept.any():
        kept &= contrasts >= LEAST_CONTRAST * _usual(contrasts[kept], areas[kept])
    labels = np.where(kept[labels], labels, 0)
    return segmentation.relabel_sequential(labels)[0].astype(np.int32)


def _usual(values: np.ndarray, weights: np.ndarray) -> float:
    """Return the median of values that count as much as their weights."""
    order = np.argsort(values)
    summed = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(summed, summed[-1] / 2)])


def _noise(plane: np.ndarray, blur: float) -> float:
    """Return the standard deviation of the noise that a blur leaves, if that of each pixel is its own."""
    # What no smooth structure passes: after Immerkaer (1996), doi 10.1006/cviu.1996.0060.
    kernel = np.outer([1, -2, 1], [1, -2, 1])
    rough = ndimage.convolve(plane, kernel)
    np.abs(rough, out=rough)
    of_pixels = float(np.median(rough, overwrite_input=True)) / (0.6745 * 6)
    return of_pixels / (2 * np.sqrt(np.pi) * blur)
