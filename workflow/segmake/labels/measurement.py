"""Measures cells: a row for each, in pixels and, where the pixel size is known, in micrometres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.ndimage import binary_dilation, binary_erosion, distance_transform_edt
from scipy.spatial import cKDTree
from skimage.measure import regionprops

from segmake.config.measurement import (
    INTENSITY_PROPERTIES,
    NOT_OBLONG,
    SHAPE_PROPERTIES,
    SIZE_PROPERTIES,
    SIZES,
)
from segmake.core.settings import Measurements
from segmake.core.strips import Striped
from segmake.labels.cell_pixels import Cells, cells_of
from segmake.labels.medial_axis import rod_surface, rod_volume
from segmake.labels.rods import measure_rods
from segmake.labels.shapes import SHAPES, Shapes, moments_of
from segmake.labels.whole_cells import windows
from segmake.messages import Problem


def measure_cells(
    labels: np.ndarray | Striped,
    channels: Mapping[str, np.ndarray],
    pixel_size_um: float | None,
    settings: Measurements,
    pixel_height_um: float | None = None,
) -> pd.DataFrame:
    """Measure every cell of a label image.

    Parameters
    ----------
    labels : array (Y, X), unsigned integers, or Striped
        0 is the background, every other value one cell. What is nowhere as a whole is measured some rows at a time,
        unless the settings ask for neighbours or backgrounds.
    channels : mapping of str to array (Y, X)
        The planes whose intensity is measured, by their channels' names.
    pixel_size_um : float or None
        Width of a pixel in micrometres, if it is known.
    settings : Measurements
        The section ``measurements`` of the config.
    pixel_height_um : float, optional
        Height of a pixel, where it differs from the width. What is in micrometres, and shapes without a unit, are then
        those of the cell as it is; what is in pixels counts rows and columns alike. `NOT_OBLONG` is NaN in micrometres.

    Returns
    -------
    DataFrame
        A row per cell that the settings keep, none for an image without cells. Always there: ``label``, ``area_px``,
        ``length_px``, ``width_px`` and ``sinuosity`` as `segmake.labels.medial_axis` has them, ``rod_surface_px2`` and
        ``rod_volume_px3`` of that rod, ``centroid_y_px``, ``centroid_x_px``, ``touches_edge``; the same sizes in
        ``_um``, ``_um2`` and ``_um3`` (NaN where the pixel size is unknown); and for each channel
        ``mean_intensity_NAME``, ``min_...``, ``max_...`` and ``integrated_...`` (the sum). The settings add
        properties of shape and intensity, ``background_NAME`` and the columns on neighbours.
        ``attrs["left_out"]`` is the number of cells that the settings left out.

    Raises
    ------
    ValueError
        If a plane differs from `labels` in shape.
    Problem
        ``SM-MEA-003`` if the settings have limits in square micrometres and the pixel size is unknown.
    """
    _refuse_other_shapes(labels, channels)
    sizes, height = _Sizes(pixel_size_um, pixel_height_um), labels.shape[0]

    def measured(top: int, rows: np.ndarray) -> pd.DataFrame:
        table = _shapes(rows, settings.properties, sizes, top, height)
        here = {name: plane[top : top + len(rows)] for name, plane in channels.items()}
        return _completed(table, rows, here, sizes, settings)

    if not isinstance(labels, Striped):
        return measured(0, labels)
    if settings.neighbour_distance is not None or settings.background is not None:
        return measured(0, np.concatenate(list(labels.parts())))
    tables = [measured(window.top, window.labels) for window in windows(labels)]
    # A table without rows has no types to join.
    joined = pd.concat([table for table in tables if len(table)] or tables[:1])
    joined = joined.sort_values("label", kind="stable", ignore_index=True)
    joined.attrs["left_out"] = sum(table.attrs["left_out"] for table in tables)
    return joined


def measure_volume(
    labels: np.ndarray,
    channels: Mapping[str, np.ndarray],
    pixel_size_um: float | None,
    slice_step_um: float | None,
    settings: Measurements,
    pixel_height_um: float | None = None,
) -> pd.DataFrame:
    """Measure every cell of a label image in 3D.

    Parameters
    ----------
    labels : array (Z, Y, X), unsigned integers
        0 is the background, every other value one cell.
    channels : mapping of str to array (Z, Y, X)
        The stacks whose intensity is measured, by their channels' names.
    pixel_size_um, slice_step_um : float or None
        Width of a pixel and distance of neighbouring slices in micrometres, if they are known.
    settings : Measurements
        The section ``measurements`` of the config.
    pixel_height_um : float, optional
        As `measure_cells` has it.

    Returns
    -------
    DataFrame
        What `measure_cells` gives, where area, length, width and shape are those of the cell as seen from above (all
        its slices laid on each other), and centre and intensities those of the whole cell; besides ``volume_vx``
        (number of voxels), ``volume_um3`` (NaN where a size is unknown), ``centroid_z`` (in slices, the first is 0),
        ``slices`` (number of slices that it is in) and ``touches_end_slice`` (whether the first or last slice of the
        stack is among them). ``nearest_neighbour_um`` is NaN where the distance of the slices is unknown.

    Raises
    ------
    ValueError
        If a stack differs from `labels` in shape.
    Problem
        ``SM-MEA-003`` if the settings have limits in square micrometres and the pixel size is unknown.
    """
    _refuse_other_shapes(labels, channels)
    sizes = _Sizes(pixel_size_um, pixel_height_um, slice_step_um)
    table = _shapes(labels, settings.properties, sizes)
    places = np.flatnonzero(labels)
    owner, numbers = pd.factorize(labels.ravel()[places], sort=True)
    slices, in_slice = np.divmod(places, labels.shape[1] * labels.shape[2])
    volume = np.bincount(owner, minlength=len(numbers))
    for name, places_along in (
        ("centroid_y_px", in_slice // labels.shape[2]),
        ("centroid_x_px", in_slice % labels.shape[2]),
        ("centroid_z", slices),
    ):
        table[name] = np.bincount(owner, places_along, len(numbers)) / volume
    there = np.unique(owner * labels.shape[0] + slices)
    ends = np.isin(slices, (0, labels.shape[0] - 1))
    columns: dict[str, Any] = {
        "volume_vx": volume,
        "volume_um3": volume * (sizes.factor(2) * slice_step_um if slice_step_um else np.nan),
        "centroid_z": table.pop("centroid_z"),
        "slices": np.bincount(there // labels.shape[0], minlength=len(numbers)),
        "touches_end_slice": np.bincount(owner[ends], minlength=len(numbers)) > 0,
    }
    return _completed(table.assign(**columns), labels, channels, sizes, settings)


def _refuse_other_shapes(labels: np.ndarray | Striped, channels: Mapping[str, np.ndarray]) -> None:
    for name, plane in channels.items():
        if plane.shape != labels.shape:
            raise ValueError(f"channel {name} is {plane.shape}, the label image {labels.shape}")


class _Sizes(NamedTuple):
    """What is known of the sizes of pixels, in micrometres: width, height where it differs, distance of slices."""

    width: float | None
    height: float | None = None
    step: float | None = None

    @property
    def sides(self) -> tuple[float, float] | None:
        """Height and width of pixels that are not square."""
        return (self.height, self.width) if self.width and self.height else None

    @property
    def step_px(self) -> float:
        """Distance of the slices in widths of a pixel; 1 where it is unknown."""
        return self.step / self.width if self.width and self.step else 1.0

    def factor(self, power: int) -> float:
        """Return what makes micrometres of so many pixels (power 1), square pixels...; NaN where nothing does."""
        if not self.width:
            return np.nan
        if not self.height:
            return self.width**power
        return self.width * self.height if power == 2 else np.nan


def _shapes(
    labels: np.ndarray,
    chosen: Sequence[str],
    sizes: _Sizes,
    top: int = 0,
    height: int | None = None,
) -> pd.DataFrame:
    """Return the number, the place and the shape of each cell, from above: in pixels, and what `_oblong` measures.

    Parameters
    ----------
    top, height : int
        Where the labels' first row is in the picture, and the picture's height, where these are some of its rows.
    """
    cells = cells_of(labels, top)
    rods, moments = measure_rods(cells), moments_of(cells)
    height, width = height or labels.shape[-2], labels.shape[-1]
    bottom, right = cells.top + cells.height, cells.left + cells.width
    columns = {
        "label": cells.numbers.astype(int),
        "area_px": cells.area.astype(float),
        "length_px": rods.length,
        "width_px": rods.width,
        "sinuosity": rods.sinuosity,
        "rod_surface_px2": rod_surface(rods.length, rods.width),
        "rod_volume_px3": rod_volume(rods.length, rods.width),
        "centroid_y_px": moments.y,
        "centroid_x_px": moments.x,
        "touches_edge": (cells.top == 0)
        | (cells.left == 0)
        | (bottom == height)
        | (right == width),
    }
    names = [name for name in chosen if name not in INTENSITY_PROPERTIES]
    for name, values in _properties(cells, names).items():
        size = SIZE_PROPERTIES.get(name)
        columns[size.pixels if size else SHAPE_PROPERTIES[name]] = values
    if sizes.sides:
        columns |= _oblong(cells, names, sizes.sides)
    return pd.DataFrame(columns)


def _oblong(
    cells: Cells, chosen: Sequence[str], sides: tuple[float, float]
) -> dict[str, np.ndarray]:
    """Return the shape of cells in micrometres and without a unit, where pixels have this height and width."""
    rods = measure_rods(cells, sides)
    columns = {
        "length_um": rods.length,
        "width_um": rods.width,
        "sinuosity": rods.sinuosity,
        "rod_surface_um2": rod_surface(rods.length, rods.width),
        "rod_volume_um3": rod_volume(rods.length, rods.width),
    }
    names = [name for name in chosen if name not in NOT_OBLONG]
    for name, values in _properties(cells, names, sides).items():
        size = SIZE_PROPERTIES.get(name)
        columns[size.micrometres if size else SHAPE_PROPERTIES[name]] = values
    return columns


def _properties(
    cells: Cells, names: Sequence[str], sides: tuple[float, float] = (1.0, 1.0)
) -> dict[str, np.ndarray]:
    """Return properties of the cells' shapes: of all together, and what `SHAPES` has not, of one after the other."""
    shapes = Shapes(cells, sides)
    one_by_one = [name for name in names if name not in SHAPES]
    regions = (
        [regionprops(image, spacing=sides)[0] for image in cells.images()] if one_by_one else []
    )
    columns = {}
    for name in names:
        if name not in SHAPES:
            values = _numbers([getattr(region, name) for region in regions])
        else:
            values = SHAPES[name](shapes).astype(float) if len(cells) else np.zeros(0)
        columns[name] = _degrees(values) if name == "orientation" else values
    return columns


def _degrees(orientations: np.ndarray) -> np.ndarray:
    """Return angles against the rows, of scikit-image's against the columns in radians."""
    return (np.rad2deg(orientations) + 180) % 180 - 90


def _completed(
    cells: pd.DataFrame,
    labels: np.ndarray,
    channels: Mapping[str, np.ndarray],
    sizes: _Sizes,
    settings: Measurements,
) -> pd.DataFrame:
    """Add what is the same in 2D and 3D, and leave out the cells that the settings do not want."""
    chosen = [SIZE_PROPERTIES[name] for name in settings.properties if name in SIZE_PROPERTIES]
    for pixels, micrometres, power in (*SIZES, *chosen):
        # In pixels that are not square, what depends on the direction was measured in micrometres already.
        measured = cells.pop(micrometres) if micrometres in cells else None
        cells[micrometres] = cells[pixels] * sizes.factor(power) if measured is None else measured
    if settings.neighbour_distance is not None:
        distance = settings.neighbour_distance
        cells = cells.join(_neighbours(labels, regionprops(labels), distance, sizes))
    cells = cells.join(_intensities(cells, labels, channels, settings))
    wanted = _wanted(cells, sizes.width, settings)
    kept = cells[wanted].reset_index(drop=True)
    kept.attrs["left_out"] = int(len(cells) - len(kept))
    return kept


def _numbers(values: Sequence[Any], dtype: type = float) -> np.ndarray:
    """Return values as an array with a type, also if there are none."""
    return np.array(values, dtype)


def _centres(regions: Sequence[Any], dimensions: int) -> np.ndarray:
    """Return the centre of each region: array (N, dimensions)."""
    return _numbers([region.centroid for region in regions]).reshape(-1, dimensions)


def _wanted(cells: pd.DataFrame, pixel_size_um: float | None, settings: Measurements) -> pd.Series:
    """Return for each cell whether the settings keep it in the table."""
    low, high, unit = settings.smallest_area, settings.largest_area, settings.area_unit
    limited = low is not None or high is not None
    if limited and unit == "um2" and not pixel_size_um:
        raise Problem("SM-MEA-003")
    area = cells["area_um2" if unit == "um2" else "area_px"]
    wanted = pd.Series(True, index=cells.index)
    if low is not None:
        wanted &= area >= low
    if high is not None:
        wanted &= area <= high
    if settings.exclude_edge_cells:
        wanted &= ~cells["touches_edge"]
    return wanted


def _neighbours(
    labels: np.ndarray, regions: Sequence[Any], distance: float, sizes: _Sizes
) -> pd.DataFrame:
    """Return the number of cells that touch each cell, of those within a distance, and how far the nearest centre is.

    Parameters
    ----------
    distance : float
        In pixels, from a pixel of the cell to a pixel of the other.
    """
    sampling = np.array([sizes.step_px, 1, 1][-labels.ndim :])
    centres = _centres(regions, labels.ndim)
    nearest = _nearest(centres * sampling)
    nearest_um = nearest * sizes.factor(1)
    if labels.ndim == 3 and not sizes.step:
        nearest_um = np.full(len(regions), np.nan)
    elif sizes.sides:
        nearest_um = _nearest(centres * np.array([sizes.step or 1, *sizes.sides][-labels.ndim :]))
    return pd.DataFrame(
        {
            "touching_cells": _touching(labels, regions),
            "neighbours": _near(regions, distance, sampling),
            "nearest_neighbour_px": nearest,
            "nearest_neighbour_um": nearest_um,
        }
    )


def _nearest(centres: np.ndarray) -> np.ndarray:
    """Return the distance (N,) from each centre (N, dimensions) to the nearest other one; NaN if there is none."""
    if len(centres) < 2:
        return np.full(len(centres), np.nan)
    return cKDTree(centres).query(centres, k=2)[0][:, 1]


def _touching(labels: np.ndarray, regions: Sequence[Any]) -> np.ndarray:
    """Return for each region the number of others that touch it, corners included: array (N,)."""
    touching = []
    for region in regions:
        around = labels[
            tuple(slice(max(0, part.start - 1), part.stop + 1) for part in region.slice)
        ]
        cell = around == region.label
        grown = binary_dilation(cell, np.ones((3,) * labels.ndim, bool))
        touching.append(len(np.unique(around[(around > 0) & ~cell & grown])))
    return _numbers(touching, int)


def _near(regions: Sequence[Any], distance: float, sampling: np.ndarray) -> np.ndarray:
    """Return for each region the number of others within a distance, from pixel to pixel: array (N,).

    Most pairs are told apart by their centres; pixels are compared only for those that this leaves open, so that a
    distance across the whole image costs no more than one across a few cells.

    Parameters
    ----------
    sampling : array (dimensions,)
        Distance of neighbouring pixels along each axis.
    """
    low, high = np.split(
        _numbers([region.bbox for region in regions]).reshape(-1, 2 * len(sampling)), 2, 1
    )
    if len(regions) < 2 or distance >= np.linalg.norm((high.max(0) - low.min(0)) * sampling):
        return np.full(len(regions), len(regions) - 1)
    centres = _centres(regions, len(sampling)) * sampling
    reaches = [
        np.linalg.norm(region.coords * sampling - centre, axis=1)
        for region, centre in zip(regions, centres, strict=True)
    ]
    inner, outer = (_numbers([end(reach) for reach in reaches]) for end in (np.min, np.max))
    rims = [_rim(region) for region in regions]
    number, tree, largest = np.zeros(len(regions), int), cKDTree(centres), outer.max()
    for index, centre in enumerate(centres):
        others = _numbers(tree.query_ball_point(centre, distance + outer[index] + largest), int)
        # Each pair is looked at once.
        others = others[others > index]
        apart = np.linalg.norm(centres[others] - centre, axis=1)
        sure = apart + inner[index] + inner[others] <= distance
        unsure = others[~sure & (apart - outer[index] - outer[others] <= distance)]
        near = [*others[sure], *_within(rims, index, unsure, distance, sampling)]
        number[near] += 1
        number[index] += len(near)
    return number


def _rim(region: Any) -> np.ndarray:
    """Return the pixels of a region that have a neighbour outside of it: those nearest to others are among them."""
    padded = np.pad(region.image, 1)
    places = np.argwhere(region.image & ~binary_erosion(padded)[(slice(1, -1),) * padded.ndim])
    return places + [part.start for part in region.slice]


def _within(
    rims: Sequence[np.ndarray],
    index: int,
    others: np.ndarray,
    distance: float,
    sampling: np.ndarray,
) -> np.ndarray:
    """Return those of other regions of which a pixel is within a distance of one of a region's."""
    if len(others) == 0:
        return others
    own = rims[index]
    theirs = np.concatenate([rims[other] for other in others])
    nearest = cKDTree(own * sampling).query(theirs * sampling)[1]
    # From whole numbers of pixels, so that a distance of exactly so much is not lost to rounding.
    apart = np.linalg.norm((theirs - own[nearest]) * sampling, axis=1)
    owners = np.repeat(others, [len(rims[other]) for other in others])
    return np.unique(owners[apart <= distance])


def _intensities(
    cells: pd.DataFrame,
    labels: np.ndarray,
    channels: Mapping[str, np.ndarray],
    settings: Measurements,
) -> pd.DataFrame:
    """Return the intensities of each cell in each channel, without the background if the settings say so."""
    if not channels:
        return pd.DataFrame(index=cells.index)
    inside = labels > 0
    owners = labels[inside]
    outside = _Outside(labels, settings.background, settings.background_ring)
    statistics = ["mean", "min", "max"]
    if "intensity_median" in settings.properties:
        statistics.append("median")
    columns: dict[str, pd.Series] = {}
    for name, plane in channels.items():
        # float64: sums of 16-bit values over a cell must not overflow.
        pixels = pd.Series(plane[inside].astype(np.float64)).groupby(owners)
        background = outside.background(plane, cells["label"])
        for statistic in statistics:
            columns[f"{statistic}_intensity_{name}"] = pixels.agg(statistic) - background
        columns[f"integrated_intensity_{name}"] = pixels.sum() - pixels.count() * background
        if "intensity_std" in settings.properties:
            columns[f"std_intensity_{name}"] = pixels.std(ddof=0)
        if settings.background is not None:
            columns[f"background_{name}"] = background
    return pd.DataFrame(columns, index=cells["label"]).reset_index(drop=True)


class _Outside:
    """The pixels outside the cells, from which a background is taken.

    Parameters
    ----------
    labels : array (Y, X) or (Z, Y, X)
    method : None, float or {"local"}
        No background; a percentile of all pixels outside cells; or the median of a ring around each cell.
    ring : sequence of two numbers
        Where the ring begins and ends: distances from the cell in pixels, within a slice. A pixel is in the ring of
        the cell that is nearest to it.
    """

    def __init__(self, labels: np.ndarray, method: Any, ring: Sequence[float]) -> None:
        self._method = method
        if method == "local":
            slices = labels if labels.ndim == 3 else labels[None]
            owners = np.stack([_ring_owners(plane, *ring) for plane in slices])
            self._owners = owners.reshape(labels.shape)
        elif method is not None:
            self._empty = labels == 0

    def background(self, plane: np.ndarray, numbers: pd.Series) -> pd.Series:
        """Return the background of each cell, by the cells' numbers; NaN where no pixel tells it."""
        if self._method is None:
            return pd.Series(0.0, index=numbers)
        if self._method == "local":
            inside = self._owners > 0
            pixels = pd.Series(plane[inside].astype(np.float64))
            return pixels.groupby(self._owners[inside]).median().reindex(numbers)
        pixels = plane[self._empty]
        value = np.percentile(pixels, self._method) if pixels.size else np.nan
        return pd.Series(value, index=numbers)


def _ring_owners(plane: np.ndarray, near: float, far: float) -> np.ndarray:
    """Return for each pixel of a plane the cell in whose ring it is, or 0."""
    if not plane.any():
        return np.zeros_like(plane)
    distances, nearest = distance_transform_edt(plane == 0, return_indices=True)
    return np.where((distances > near) & (distances <= far), plane[tuple(nearest)], 0)
