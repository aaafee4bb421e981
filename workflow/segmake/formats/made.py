"""Tells what a file holds that may be made from an image: labels, flows, outlines, a small picture."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from segmake.formats import open_image
from segmake.formats.believed import Header
from segmake.formats.made_names import CERTAIN, OWN_WORDS, WORDS

# Neighbouring pixels of a cell have the same label; those of a picture rarely the same grey value.
_EQUAL = 0.7

# Larger planes are not looked at: the files are images then.
_LARGEST_BYTES = 256_000_000

# A thumbnail is smaller than this part of its image, and of the same shape but for so much.
_SMALL, _SHAPE = 0.6, 0.06


def kind_of(path: Path, original: Path, words: Collection[str]) -> str:
    """Look at a file that may be made from an image, and return what it holds.

    Parameters
    ----------
    path : Path
    original : Path
        The image.
    words : collection of str
        Those in the file's name that say so.

    Returns
    -------
    str
        Empty if it is an image, or can't be read.
    """
    said = set(words)
    kinds = [kind for kind, known in WORDS.items() if known & said]
    try:
        with open_image(path) as image:
            header = image.fields[0]
            if header.width * header.height * np.dtype(header.dtype).itemsize > _LARGEST_BYTES:
                return ""
            first = image.plane(0)
            middle = image.plane(
                0, time=header.times // 2, slice=header.slices // 2, page=header.unnamed // 2
            )
        if kinds != ["thumbnails"] and _is_labels(first, middle):
            return next((kind for kind in kinds if said & OWN_WORDS[kind]), kinds[0])
        with open_image(original) as image:
            whole = image.fields[0]
    except Exception:
        # Whatever is wrong with it is told when it is read as an image.
        return ""
    fitting = (kind for kind in kinds if _fits(kind, said, header, whole))
    return next(fitting, "")


def _is_labels(*planes: np.ndarray) -> bool:
    """Whether planes hold numbers of cells or classes: whole ones from 0 or 1, the same all over each of them."""
    for plane in planes:
        if plane.dtype.kind not in "biuf" or plane.min() not in (0, 1):
            return False
        if plane.dtype.kind == "f" and not np.array_equal(plane, np.round(plane)):
            return False
        left, right = plane[:, :-1], plane[:, 1:]
        inside = (left != 0) & (right != 0)
        if inside.any() and (left == right)[inside].mean() < _EQUAL:
            return False
    return True


def _fits(kind: str, words: set[str], header: Header, original: Header) -> bool:
    """Whether what a file says of itself fits its kind, beside the image that it was made from."""
    if kind == "thumbnails":
        wide, high = header.width / original.width, header.height / original.height
        return max(wide, high) < _SMALL and abs(wide - high) < _SHAPE * max(wide, high)
    if (header.width, header.height) != (original.width, original.height) or kind == "labels":
        return False
    colored = header.color and not original.color
    if kind == "outlines":
        return colored
    decimal = header.dtype.startswith("float") and not original.dtype.startswith("float")
    certain = bool(words & CERTAIN) and header.dtype != original.dtype
    return colored or decimal or certain
