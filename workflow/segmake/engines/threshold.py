"""The engine threshold: a global threshold and a watershed, or the local contrast of cells; no network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np
from skimage import filters

from segmake.core.settings import Threshold
from segmake.core.strips import strips, widened
from segmake.engines import SPLIT_DIAMETER, local_contrast, number_dropped, pieces, thresholds
from segmake.engines.components import Components
from segmake.engines.counting import counts

# A threshold divides pure noise too: about 2.7 standard deviations apart where it cuts in the middle.
LEAST_CONTRAST = 4.0
# Where it cuts below nearly everything, the little that is left has hardly any spread to compare with.
LEAST_BACKGROUND = 0.1

# Of the histograms that scikit-image's methods look at.
_BINS = 256

# What is looked at to tell whether cells are unclear is so many pixels wide and high.
LOOKED_AT = 2048

# What is done to grey values, which stay in their order.
_Change = Callable[[np.ndarray], np.ndarray]


def load(settings: Mapping[str, Any]) -> Threshold:
    """Return the settings: there is nothing to load."""
    return Threshold.of(settings)


def predict(loaded: Threshold, planes: list[np.ndarray]) -> np.ndarray:
    """Divide one field of view into foreground and background.

    The image is stretched between its 1st and 99.8th percentile, smoothed, and cut at scikit-image's threshold of
    the config's ``method``. With ``local``, cells are found by their contrast to what is around them, each by itself.

    Parameters
    ----------
    loaded : Threshold
        The section ``segmentation`` of the config.
    planes : list of array (Y, X)
        The first is segmented.

    Returns
    -------
    array (Y, X), bool
        Nothing at all in an image whose foreground does not stand out of the noise. With ``local``: int32, the cells.
    """
    if loaded.method == "local":
        return local_contrast.find(planes[0], _width(loaded), loaded.polarity)
    smooth = _Smooth(planes[0], loaded.smoothing, loaded.polarity)
    nothing = np.zeros(smooth.shape, bool)
    if smooth.lowest == smooth.highest:
        return nothing
    threshold = smooth.threshold(loaded.method)
    above = smooth.above(threshold)
    return above if smooth.contrast(above) >= LEAST_CONTRAST else nothing


def masks(loaded: Threshold, prediction: np.ndarray) -> np.ndarray:
    """Make cells of the foreground: touching ones are split at the necks of their distance map (watershed).

    Parameters
    ----------
    loaded : Threshold
        The section ``segmentation`` of the config.
    prediction : array (Y, X), bool or int32
        What `predict` gave.

    Returns
    -------
    array (Y, X), int32
        0 is the background, 1..N the cells.
    """
    labels = np.empty(prediction.shape, np.int32)
    row = 0
    for part in parts_of_masks(loaded, prediction):
        labels[row : row + len(part)] = part
        row += len(part)
    return labels


def parts_of_masks(loaded: Threshold, prediction: np.ndarray) -> Iterator[np.ndarray]:
    """Yield what `masks` returns, some rows at a time, so that it is nowhere as a whole; parameters as there."""
    smallest = max(loaded.min_size, 0)
    if loaded.method == "local":
        kept = counts(prediction) >= max(smallest, 1)
        kept[0] = False
        numbers = np.cumsum(kept, dtype=np.int32) * kept
        for rows in strips(*prediction.shape):
            yield numbers[prediction[rows]]
        return
    foreground = _filled(prediction)
    _remove_small(foreground, smallest)
    yield from pieces.split(foreground, _width(loaded), max(smallest, 1))


def dropped(loaded: Threshold, prediction: np.ndarray) -> int:
    """Return how many pieces of the foreground are no cells because of ``min_size``."""
    if loaded.min_size <= 1 or not prediction.any():
        return 0
    if loaded.method == "local":
        prediction = prediction > 0
    filled = _filled(prediction)
    sizes = Components(filled.shape, filled.__getitem__, corners=True).sizes[1:]
    return number_dropped(sizes, loaded.min_size)


def describe(loaded: Threshold) -> dict[str, str]:
    """Return the method, and that it runs on the CPU, for the screen and the journal."""
    return {"model": loaded.method, "device": "CPU"}


def unclear(loaded: Threshold, planes: list[np.ndarray], prediction: np.ndarray) -> bool:
    """Whether no threshold can tell in this picture what a cell is, so that its masks are to be looked at.

    Parameters
    ----------
    loaded : Threshold
        The section ``segmentation`` of the config.
    planes : list of array (Y, X)
        The first is segmented.
    prediction : array (Y, X), bool or int32
        What `predict` gave.
    """
    guessed = loaded.polarity == "auto" and loaded.method != "local"
    dark = _Stretch(planes[0], "auto").dark if guessed else None
    part = _fullest(prediction)
    return local_contrast.unclear(planes[0][part], prediction[part] > 0, _width(loaded), dark)


def _width(loaded: Threshold) -> float:
    return float(loaded.diameter or SPLIT_DIAMETER)


def _fullest(prediction: np.ndarray) -> tuple[slice, slice]:
    """Return the part of a large picture with the most in it, which says enough; of another, all of it."""
    rows, columns = (
        [slice(at, min(at + LOOKED_AT, length)) for at in range(0, length, LOOKED_AT)]
        for length in prediction.shape
    )
    return max(product(rows, columns), key=lambda part: np.count_nonzero(prediction[part]))


def _filled(foreground: np.ndarray) -> np.ndarray:
    """Return a foreground without holes: background that nothing joins with the border, be it a corner."""
    filled = foreground.copy()
    background = Components(filled.shape, lambda rows: ~filled[rows], corners=False)
    holes = ~background.at_edge
    holes[0] = False
    for rows, numbers in background.parts():
        filled[rows] |= holes[numbers]
    return filled


def _remove_small(foreground: np.ndarray, smallest: int) -> None:
    """Remove what has fewer pixels; those that touch at a corner alone are two."""
    objects = Components(foreground.shape, foreground.__getitem__, corners=False)
    kept = objects.sizes >= smallest
    for rows, numbers in objects.parts():
        foreground[rows] &= kept[numbers]


class _Stretch:
    """A picture from 0 to 1, with cells brighter than the background: as much of it as is asked for.

    Parameters
    ----------
    plane : array (Y, X)
    polarity : str

    Attributes
    ----------
    flat : bool
        Whether there is no contrast: all is 0 then.
    dark : bool
        Whether cells are darker than the background.
    """

    def __init__(self, plane: np.ndarray, polarity: str) -> None:
        self._plane = plane
        found = _Ordered(plane, (1, 2, 50, 98, 99.8))
        self._low, self._high = found.percentile(1), found.percentile(99.8)
        self.flat = bool(self._high <= self._low)
        self.dark = polarity == "dark"
        if polarity == "auto":
            # Background is most of an image, so the cells are on the side of the longer tail.
            low, median, high = (found.percentile(q, self._grey) for q in (2, 50, 98))
            self.dark = bool(median - low > high - median)

    def rows(self, rows: slice) -> np.ndarray:
        """Return some rows: array (Y, X)."""
        grey = self._grey(self._plane[rows])
        return 1 - grey if self.dark and not self.flat else grey

    def _grey(self, values: np.ndarray) -> np.ndarray:
        if self.flat:
            return np.zeros(values.shape, np.float32)
        return np.clip((values.astype(np.float32) - self._low) / (self._high - self._low), 0, 1)


class _Ordered:
    """Percentiles of a picture, and of what grey values become that stay in their order, from one sorting of it.

    They are numpy's to the last digit.

    Parameters
    ----------
    plane : array (Y, X)
    wanted : tuple of float
        Which percentiles.
    """

    def __init__(self, plane: np.ndarray, wanted: tuple[float, ...]) -> None:
        places = {q: (plane.size - 1) * (q / 100) for q in wanted}
        ranks = {q: (int(at), min(int(at) + 1, plane.size - 1)) for q, at in places.items()}
        if plane.dtype.kind in "iu" and plane.dtype.itemsize <= 2:
            upto, lowest = _up_to_each(plane), np.iinfo(plane.dtype).min
            self._pairs = {
                q: (np.searchsorted(upto, pair, "right") + lowest).astype(plane.dtype)
                for q, pair in ranks.items()
            }
        else:
            values = plane.flatten()
            values.partition(sorted({rank for pair in ranks.values() for rank in pair}))
            self._pairs = {q: values[list(pair)] for q, pair in ranks.items()}
        self._between = {q: at - int(at) for q, at in places.items()}

    def percentile(self, wanted: float, of: _Change = lambda values: values) -> np.float64:
        """Return a percentile; `of`: of what becomes of the grey values."""
        pair, between = of(self._pairs[wanted]), self._between[wanted]
        if wanted == 50:
            # A median is rounded otherwise than what lies between.
            return np.median(pair if between else pair[:1])
        # A single number would be rounded to the grey values' type first.
        return np.quantile(pair, [between])[0]


def _up_to_each(plane: np.ndarray) -> np.ndarray:
    """Return how many pixels are up to each grey value that their type has, of 8 or 16 bits: array (256 or 65536,)."""
    pixels = np.zeros(2 ** (8 * plane.dtype.itemsize), np.int64)
    for rows in strips(*plane.shape):
        above = plane[rows].ravel().astype(np.int64) - np.iinfo(plane.dtype).min
        pixels += np.bincount(above, minlength=len(pixels))
    return np.cumsum(pixels)


class _Smooth:
    """A picture from 0 to 1, smoothed, with cells brighter than the background; made strip by strip, each time anew.

    Parameters
    ----------
    plane : array (Y, X)
    smoothing : float
        Standard deviation of the Gaussian, in pixels; 0 for none.
    polarity : str

    Attributes
    ----------
    shape : tuple of int
    lowest, highest : float
    """

    def __init__(self, plane: np.ndarray, smoothing: float, polarity: str) -> None:
        self.shape = plane.shape
        self._stretch, self._smoothing = _Stretch(plane, polarity), smoothing
        ends = [(strip.min(), strip.max()) for _, strip in self._strips()]
        self.lowest, self.highest = min(low for low, _ in ends), max(high for _, high in ends)

    def threshold(self, method: str) -> np.float64:
        """Return scikit-image's threshold of a method, or one that divides the picture as that does."""
        if method == "li":
            found = thresholds.li(self._parts, self.lowest, self.highest)
            if found is None:
                return filters.threshold_li(np.concatenate(list(self._parts())))
            return found
        pixels = np.zeros(_BINS, np.int64)
        for strip in self._parts():
            counted, edges = np.histogram(strip, _BINS, (self.lowest, self.highest))
            pixels += counted
        middles = (edges[:-1] + edges[1:]) / 2
        if method == "triangle":
            return thresholds.triangle(pixels, middles)
        return getattr(filters, f"threshold_{method}")(hist=(pixels, middles))

    def above(self, threshold: np.float64) -> np.ndarray:
        """Return what is brighter: array (Y, X), bool."""
        above = np.empty(self.shape, bool)
        for rows, strip in self._strips():
            np.greater(strip, threshold, out=above[rows])
        return above

    def contrast(self, above: np.ndarray) -> float:
        """Return how far a foreground stands out, in standard deviations of the background."""
        inside = int(above.sum())
        outside = above.size - inside
        if outside < LEAST_BACKGROUND * above.size:
            return 0.0
        # The sums are of differences to a value between: those of squares would be too large to tell small ones apart.
        middle = (self.lowest + self.highest) / 2
        sums = np.zeros(3)
        for rows, strip in self._strips():
            away = strip - middle
            background = away[~above[rows]]
            sums += away[above[rows]].sum(), background.sum(), (background**2).sum()
        foreground, background = sums[0] / inside if inside else np.nan, sums[1] / outside
        variance = max(sums[2] / outside - background**2, 0.0)
        spread = float(np.sqrt(variance)) or float(np.finfo(np.float32).tiny)
        return float(foreground - background) / spread

    def _parts(self) -> Iterator[np.ndarray]:
        return (strip for _, strip in self._strips())

    def _strips(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the rows of each strip, and the strip: array (Y, X)."""
        # So far scikit-image looks.
        reach = int(4 * self._smoothing + 0.5)
        for rows in strips(*self.shape):
            wider, own = widened(rows, reach, self.shape[0])
            grey = self._stretch.rows(wider)
            yield rows, (filters.gaussian(grey, self._smoothing) if self._smoothing else grey)[own]
