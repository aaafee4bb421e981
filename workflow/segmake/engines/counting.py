"""Counts the pixels of labels, in memory for a strip of them."""

from __future__ import annotations

import numpy as np

from segmake.core.strips import strips


def counts(labels: np.ndarray) -> np.ndarray:
    """Return how many pixels each number has, from 0 on.

    Parameters
    ----------
    labels : array (Y, X), integers
    """
    number = int(labels.max(initial=0)) + 1
    found = np.zeros(number, np.int64)
    for rows in strips(*labels.shape):
        # Numbers of 64 bits are what it counts.
        found += np.bincount(labels[rows].ravel(), minlength=number)
    return found
