"""A diameter of so few pixels that it was perhaps meant in µm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from segmake.engines import ESTIMATE
from segmake.messages import Problem

if TYPE_CHECKING:
    from segmake.core.config import Config

# Cells of fewer pixels in diameter can't be told from noise; of finer pixels than this, they may be meant in µm.
_FEWEST_PIXELS, _COARSEST_UM = 6.0, 0.5


def in_pixels(segmentation: Mapping[str, Any], pixel_size_um: float | None) -> float | None:
    """Return how many pixels the diameter is if it was perhaps meant in µm; None if it can be what it is."""
    diameter = segmentation.get("diameter")
    if not diameter or diameter == ESTIMATE or diameter >= _FEWEST_PIXELS:
        return None
    if not pixel_size_um or pixel_size_um > _COARSEST_UM:
        return None
    return float(diameter / pixel_size_um)


def question(segmentation: Mapping[str, Any], pixels: float, where: str = "") -> Problem:
    """Return the question whether the diameter was meant in µm: it would be so many pixels."""
    words = {"diameter": f"{segmentation['diameter']:g}", "meant": f"{pixels:.0f}"}
    return Problem("SM-CFG-071", where=where, **words)


def question_of_config(config: Config) -> Problem | None:
    """Return the same as far as the config alone tells; None where there is nothing to ask."""
    segmentation = config.settings["segmentation"]
    pixels = in_pixels(segmentation, config.settings["images"]["pixel_size_um"])
    where = config.where("segmentation", "diameter")
    return question(segmentation, pixels, where) if pixels else None
