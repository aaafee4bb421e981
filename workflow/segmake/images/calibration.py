"""How large the pixels of an image are: what its file says, or the config."""

from __future__ import annotations

import math
from typing import Any

from segmake.core.settings import Images
from segmake.formats.believed import Header


def pixel_sizes(header: Header, images: Images) -> tuple[float | None, float | None]:
    """Return the width of a pixel in micrometres, and its height where it differs; None where it is unknown.

    Parameters
    ----------
    header : Header
    images : Images
        The section ``images`` of the config. The size that it gives is that of a square, whatever the file says.
    """
    if images.pixel_size_um:
        return images.pixel_size_um, None
    return header.pixel_size_um, header.pixel_height_um


def mean_size(header: Header, images: Images) -> float | None:
    """Return the side of a square as large as a pixel in micrometres, for programs that know squares only."""
    width, height = pixel_sizes(header, images)
    return math.sqrt(width * height) if width and height else width


def doubts(header: Header, images: Images) -> list[str]:
    """Return the lengths and times that a file says and nobody uses: see `Header.doubted`."""
    # A size that the config gives makes up for the file's.
    given = images.pixel_size_um is not None
    return [fact for fact in header.doubted if not (given and fact.startswith("pixel_size_um"))]


def corrected_since_0_1_0(header: Header | None, images: Images) -> list[Any]:
    """Return what is to be in the key of a measurement besides what 0.1.0 put there; nothing where it measured right.

    It took all pixels for squares, and believed whatever a file said.
    """
    if header is None:
        return []
    height, doubted = pixel_sizes(header, images)[1], doubts(header, images)
    extra: list[Any] = [["pixel_height_um", height]] if height else []
    return extra + ([["doubted", doubted]] if doubted else [])
