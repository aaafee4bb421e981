"""A diameter of so few pixels that it was perhaps meant in µm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from segmake.messages import Problem

if TYPE_CHECKING:
    from segmake.core.config import Config

# Cells of fewer pixels in diameter can't be told from noise; of finer pixels than this, they may be meant in µm.
_FEWEST_PIXELS, _COARSEST_UM = 6.0, 0.5


def in_pixels(
    diameter: float | Literal["estimate"] | None, pixel_size_um: float | None
) -> float | None:
    """Return how many pixels the diameter is if it was perhaps meant in µm; None if it can be what it is."""
    if not diameter or isinstance(diameter, str) or diameter >= _FEWEST_PIXELS:
        return None
    if not pixel_size_um or pixel_size_um > _COARSEST_UM:
        return None
    return float(diameter / pixel_size_um)


def question(diameter: Any, pixels: float, where: str = "") -> Problem:
    """Return the question whether the diameter was meant in µm: it would be so many pixels."""
    words = {"diameter": f"{diameter:g}", "meant": f"{pixels:.0f}"}
    return Problem("SM-CFG-071", where=where, **words)


def question_of_config(config: Config) -> Problem | None:
    """Return the same as far as the config alone tells; None where there is nothing to ask."""
    settings = config.typed
    pixels = in_pixels(settings.segmentation.diameter, settings.images.pixel_size_um)
    where = config.where("segmentation", "diameter")
    return question(settings.segmentation.diameter, pixels, where) if pixels else None
