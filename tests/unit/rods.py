"""Drawn pictures of bacteria that lie apart, and their labels."""

from __future__ import annotations

import numpy as np

SHAPE = (160, 160)


def rods(number: int, seed: int, *, long: int = 6, thick: int = 4, amplitude: float = 1500.0):
    """Draw a picture of rods, and their labels."""
    random = np.random.default_rng(seed)
    labels = np.zeros(SHAPE, np.uint16)
    rows, columns = np.indices(SHAPE)
    for place in range(number):
        down = rows - 20 - 30 * (place // 5) - random.integers(-3, 4)
        right = columns - 18 - 30 * (place % 5) - random.integers(-3, 4)
        turn = random.uniform(0, np.pi)
        along = np.abs(right * np.cos(turn) + down * np.sin(turn))
        across = down * np.cos(turn) - right * np.sin(turn)
        labels[np.hypot(np.maximum(along - long, 0), across) <= thick] = place + 1
    picture = 200 + random.normal(0, 8, SHAPE) + amplitude * (labels > 0)
    return picture.clip(0).astype(np.uint16), labels
