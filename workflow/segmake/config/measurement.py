"""What can be measured of a cell, by the names of the config and of the columns, and what does not go together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from segmake.messages import Problem

if TYPE_CHECKING:
    from segmake.core.config import Config


class Size(NamedTuple):
    """The columns of a size in pixels and in micrometres, and the power of the pixel size that is between them."""

    pixels: str
    micrometres: str
    power: int


# What is always measured besides the cell's number, place and intensities.
SIZES = (
    Size("area_px", "area_um2", 2),
    Size("length_px", "length_um", 1),
    Size("width_px", "width_um", 1),
    Size("rod_surface_px2", "rod_surface_um2", 2),
    Size("rod_volume_px3", "rod_volume_um3", 3),
)

# What can be chosen, under scikit-image's names.
SIZE_PROPERTIES = {
    "perimeter": Size("perimeter_px", "perimeter_um", 1),
    "perimeter_crofton": Size("perimeter_crofton_px", "perimeter_crofton_um", 1),
    "feret_diameter_max": Size("feret_diameter_max_px", "feret_diameter_max_um", 1),
    "equivalent_diameter_area": Size(
        "equivalent_diameter_area_px", "equivalent_diameter_area_um", 1
    ),
    "axis_major_length": Size("axis_major_length_px", "axis_major_length_um", 1),
    "axis_minor_length": Size("axis_minor_length_px", "axis_minor_length_um", 1),
    "area_convex": Size("area_convex_px", "area_convex_um2", 2),
    "area_filled": Size("area_filled_px", "area_filled_um2", 2),
    "area_bbox": Size("area_bbox_px", "area_bbox_um2", 2),
}
SHAPE_PROPERTIES = {
    "eccentricity": "eccentricity",
    "solidity": "solidity",
    "extent": "extent",
    "euler_number": "euler_number",
    "orientation": "orientation_deg",
}
INTENSITY_PROPERTIES = ("intensity_std", "intensity_median")

# What scikit-image measures in square pixels only.
NOT_OBLONG = ("perimeter", "perimeter_crofton")


def measurement_problems(config: Config) -> Iterator[Problem]:
    """Yield what does not go together in the section ``measurements`` of a config."""
    section = config.typed.measurements
    low, high = section.smallest_area, section.largest_area
    if low is not None and high is not None and low > high:
        where = config.where("measurements", "largest_area")
        yield Problem("SM-MEA-001", where=where, low=low, high=high)
    inner, outer = section.background_ring
    if inner >= outer:
        where = config.where("measurements", "background_ring")
        yield Problem("SM-MEA-002", where=where, low=inner, high=outer)
