"""Thresholds of scikit-image for pictures that are nowhere as a whole: of histograms, and of parts in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

# Of the grey values of a picture, from the lowest to the highest.
_BINS = 2**16

# So far two sums of the same grey values, from 0 to 1, may be apart, with room to spare: each rounds otherwise.
_ROUNDING = 1e-13


def triangle(pixels: np.ndarray, middles: np.ndarray) -> np.float64:
    """Return the threshold of a histogram whose background is a peak with one long tail (Zack et al. 1977).

    It is the grey value at which the histogram is farthest below a line from its peak to the end of the longer tail.

    Parameters
    ----------
    pixels : array (N,), int64
        In each bin; in two of them at least.
    middles : array (N,)
        Of the bins.
    """
    filled, peak = np.flatnonzero(pixels), pixels.argmax()
    end, step = (filled[-1], -1) if peak - filled[0] < filled[-1] - peak else (filled[0], 1)
    tail = pixels[end:peak:step]
    line = np.sqrt(pixels[peak] ** 2 + len(tail) ** 2)
    below = pixels[peak] / line * np.arange(len(tail)) - len(tail) / line * tail
    return middles[end + step * below.argmax()]


def li(
    parts: Callable[[], Iterable[np.ndarray]], lowest: float, highest: float
) -> np.float64 | None:
    """Return the threshold of Li & Lee (1993), by the iteration of Li & Tam (1998), of a picture that comes in parts.

    It divides the picture exactly as scikit-image's does, whose sums round otherwise.

    Parameters
    ----------
    parts : callable
        Returns the parts, each time anew: arrays of float.
    lowest, highest : float
        Of the grey values, which are not the same, and about 0 and 1.

    Returns
    -------
    float or None
        None where rounding decides on which side a pixel is, of whatever was tried on the way.
    """
    grey = _GreyValues(parts, lowest, highest)
    while True:
        tried = _tried(grey)
        if not grey.look_closer(tried):
            break
    steps = np.abs(np.diff(tried[:-1]))
    if grey.distance(tried) <= _ROUNDING or (steps <= grey.least_gap / 2).any():
        return None
    return np.float64(tried[-1] + lowest)


def _tried(grey: _GreyValues) -> list[float]:
    """Return the thresholds that are tried, above the lowest grey value, from the mean to the one that stays."""
    tried, before = [grey.mean], -1
    while True:
        above, mean_above, mean_below = grey.divided(tried[-1])
        if above == before or not mean_below:
            return tried
        before = above
        tried.append(float((mean_below - mean_above) / (np.log(mean_below) - np.log(mean_above))))


class _GreyValues:
    """The grey values of a picture above its lowest, in bins; in some of the bins each by itself.

    Parameters
    ----------
    parts, lowest, highest
        As for `li`.

    Attributes
    ----------
    mean : float
    least_gap : float
        How far two of them are apart at least, of those that were looked at closely.
    """

    def __init__(
        self, parts: Callable[[], Iterable[np.ndarray]], lowest: float, highest: float
    ) -> None:
        self._parts, self._lowest = parts, lowest
        self._scale = _BINS / (highest - lowest)
        self._pixels, self._sums = np.zeros(_BINS, np.int64), np.zeros(_BINS)
        self.least_gap = np.inf
        edges = np.arange(_BINS) / self._scale
        for values in self._values():
            if not self._pixels.any():
                self._note_gap(np.unique(values))
            at = self._bin(values)
            self._pixels += np.bincount(at, minlength=_BINS)
            # What is above the edge of a bin is small: so is what is lost of it where very many are added up.
            self._sums += np.bincount(at, values - edges[at], _BINS)
        self._sums += self._pixels * edges
        self.mean = float(self._sums.sum() / self._pixels.sum())
        self._known = np.zeros(_BINS, bool)
        self._each, self._number = np.zeros(0), np.zeros(0, np.int64)

    def divided(self, threshold: float) -> tuple[int, float, float]:
        """Return how many pixels are above a threshold, their mean, and that of the others; near it about."""
        at = int(self._bin(np.array(threshold)))
        pixels, total = self._pixels[at], self._sums[at]
        if self._known[at]:
            here = self._bin(self._each) == at
            over = here & (self._each > threshold)
            inside = int(self._number[over].sum())
            sum_inside = float((self._each * self._number)[over].sum())
            sum_below = float((self._each * self._number)[here & ~over].sum())
        else:
            inside = round((at + 1 - threshold * self._scale) * pixels)
            sum_inside = inside / max(pixels, 1) * total
            sum_below = total - sum_inside
        above = int(self._pixels[at + 1 :].sum()) + inside
        sum_inside += self._sums[at + 1 :].sum()
        sum_below += self._sums[:at].sum()
        below = int(self._pixels.sum()) - above
        return above, sum_inside / max(above, 1), sum_below / max(below, 1)

    def look_closer(self, thresholds: list[float]) -> bool:
        """Look at each grey value near some thresholds; return whether there was one not yet looked at."""
        at = np.unique(self._bin(np.array(thresholds)))
        if self._known[at].all():
            return False
        for near in (at - 1, at, at + 1):
            self._known[near.clip(0, _BINS - 1)] = True
        found = [
            np.unique(values[self._known[self._bin(values)]], return_counts=True)
            for values in self._values()
        ]
        self._each, of = np.unique(np.concatenate([each for each, _ in found]), return_inverse=True)
        number = np.concatenate([number for _, number in found])
        self._number = np.bincount(of, number, len(self._each)).astype(np.int64)
        self._note_gap(self._each)
        return True

    def distance(self, thresholds: list[float]) -> float:
        """Return how near a grey value comes to one of some thresholds that were looked at closely."""
        after = np.searchsorted(self._each, thresholds)
        padded = np.concatenate([[-np.inf], self._each, [np.inf]])
        return float(np.minimum(thresholds - padded[after], padded[after + 1] - thresholds).min())

    def _note_gap(self, values: np.ndarray) -> None:
        self.least_gap = min(self.least_gap, np.diff(values).min(initial=np.inf))

    def _values(self) -> Iterable[np.ndarray]:
        for part in self._parts():
            yield part.ravel() - self._lowest

    def _bin(self, values: np.ndarray) -> np.ndarray:
        return np.minimum((values * self._scale).astype(np.int64), _BINS - 1)
