"""Reads all of an image, and what is told of one that can not be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from segmake.formats import Image, open_image, read_headers
from segmake.formats.believed import Header
from segmake.messages import Problem

RANDOM = np.random.default_rng(0)
GREY = {"photometric": "minisblack"}


def pixels(*shape: int, dtype="uint16") -> np.ndarray:
    return RANDOM.integers(0, 200, shape).astype(dtype)


def header_of(path: Path) -> Header:
    (header,) = read_headers(path)
    return header


def read_all(path: Path) -> list[np.ndarray]:
    """Return every plane of every field of view."""
    with open_image(path) as image:
        return planes_of(image)


def planes_of(image: Image) -> list[np.ndarray]:
    return [
        image.plane(channel, position=position, time=time, slice=depth, page=page)
        for position, header in enumerate(image.fields)
        for time in range(header.times)
        for depth in range(header.slices)
        for page in range(header.unnamed)
        for channel in range(len(header.channels))
    ]


def problem_of(path: Path) -> Problem:
    with pytest.raises(Problem) as caught:
        read_all(path)
    assert caught.value.what and caught.value.remedy and caught.value.where == str(path)
    return caught.value
