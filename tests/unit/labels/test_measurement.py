from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tifffile
from scipy.spatial.distance import cdist
from skimage.measure import label, regionprops, regionprops_table

from segmake.config.measurement import (
    INTENSITY_PROPERTIES,
    SHAPE_PROPERTIES,
    SIZE_PROPERTIES,
    measurement_problems,
)
from segmake.config.schema import schema
from segmake.core.config import Config
from segmake.core.settings import Measurements
from segmake.core.tables import write_csv
from segmake.labels import measurement
from segmake.labels.measurement import measure_cells, measure_volume
from segmake.labels.shapes import SHAPES
from segmake.messages import Problem
from tests.unit.drawn_cells import draw_disc, draw_rod

SECTION = schema()["properties"]["measurements"]["properties"]
DEFAULTS = Measurements()
CHOICE = SECTION["properties"]["items"]["enum"]


def settings(**changes: Any) -> Measurements:
    return Measurements.of(changes)


def placed(cell: np.ndarray, shape: tuple[int, int], corner: tuple[int, int]) -> np.ndarray:
    """Return a label image with one drawn cell."""
    labels = np.zeros(shape, np.uint16)
    labels[corner[0] : corner[0] + cell.shape[0], corner[1] : corner[1] + cell.shape[1]] = cell
    return labels


def grid(rows: int, columns: int, side: int, gap: int) -> np.ndarray:
    """Draw squares, numbered by rows from 1, with a gap of background between them and around them."""
    labels = np.zeros((rows * (side + gap) + gap, columns * (side + gap) + gap), np.uint16)
    for number in range(rows * columns):
        y, x = (gap + part * (side + gap) for part in divmod(number, columns))
        labels[y : y + side, x : x + side] = number + 1
    return labels


# Shape


@pytest.mark.parametrize("angle", [-75, -45, -20, 0, 10, 45, 80])
def test_a_rod(angle):
    labels = placed(draw_rod(60, 12, angle, (0.2, 0.4)), (100, 120), (10, 20))
    cell = measure_cells(labels, {}, None, DEFAULTS).iloc[0]
    assert cell["orientation_deg"] == pytest.approx(angle, abs=1)
    middle = 10 + 33 + 0.2, 20 + 33 + 0.4
    assert (cell["centroid_y_px"], cell["centroid_x_px"]) == pytest.approx(middle, abs=0.3)
    assert cell["area_px"] == (labels > 0).sum() == pytest.approx(60 * 12 - 0.215 * 144, rel=0.01)
    assert cell["length_px"] == pytest.approx(60, rel=0.02)
    assert cell["width_px"] == pytest.approx(12, rel=0.02)
    assert cell["sinuosity"] == pytest.approx(1, abs=0.01)
    assert cell["rod_volume_px3"] == pytest.approx(np.pi * 36 * 48 + np.pi / 6 * 12**3, rel=0.03)
    assert cell["rod_surface_px2"] == pytest.approx(np.pi * 12 * 60, rel=0.03)
    assert cell["eccentricity"] > 0.95 and cell["solidity"] > 0.9
    assert not cell["touches_edge"]


def test_a_disc():
    labels = placed(draw_disc(40), (80, 90), (5, 30)) * np.uint16(7)
    cell = measure_cells(labels, {}, None, DEFAULTS).iloc[0]
    assert cell["label"] == 7
    assert cell["area_px"] == pytest.approx(np.pi * 400, rel=0.01)
    assert (cell["length_px"], cell["width_px"]) == pytest.approx((40, 40), rel=0.01)
    assert cell["perimeter_px"] == pytest.approx(2 * np.pi * 20, rel=0.06)
    assert cell["eccentricity"] == pytest.approx(0, abs=0.01)


def test_micrometres():
    labels = placed(draw_rod(50, 11, 30), (90, 90), (10, 10))
    chosen = settings(properties=CHOICE, neighbour_distance=5)
    half, one, unknown = (measure_cells(labels, {}, size, chosen) for size in (0.5, 1.0, None))
    in_micrometres = [name for name in half if "_um" in name]
    assert len(in_micrometres) == 5 + len(SIZE_PROPERTIES) + 1
    for name in in_micrometres:
        power = {"m": 1, "2": 2, "3": 3}[name[-1]]
        pixels = name.replace("_um2", "_px").replace("_um3", "_px3").replace("_um", "_px")
        pixels = pixels if pixels in half else pixels + "2"
        assert one[name].equals(one[pixels])
        assert half[name].tolist() == pytest.approx(
            (one[pixels] * 0.5**power).tolist(), nan_ok=True
        )
        assert unknown[name].isna().all()


def test_the_choice_of_properties_is_that_of_scikit_image():
    known = [*SIZE_PROPERTIES, *SHAPE_PROPERTIES, *INTENSITY_PROPERTIES]
    assert sorted(CHOICE) == sorted(known)
    labels = np.stack([draw_rod(20, 8, 30), draw_rod(20, 8, 70)]).max(axis=0).astype(np.uint8)
    plane = np.arange(labels.size, dtype=float).reshape(labels.shape)
    expected = regionprops_table(labels, plane, properties=tuple(CHOICE))
    cells = measure_cells(labels, {"GFP": plane}, None, settings(properties=CHOICE))
    columns = {name: size.pixels for name, size in SIZE_PROPERTIES.items()} | SHAPE_PROPERTIES
    columns |= {"intensity_std": "std_intensity_GFP", "intensity_median": "median_intensity_GFP"}
    for name in set(CHOICE) - {"orientation"}:
        assert cells[columns[name]].tolist() == pytest.approx(expected[name].tolist()), name


@pytest.mark.parametrize("density", [0.3, 0.45, 0.6])
def test_shapes_of_any_form_are_those_of_scikit_image(density):
    random = np.random.default_rng(int(100 * density))
    # Cells with holes, in several pieces and at the border.
    labels = label(random.random((120, 150)) < density, connectivity=2)
    labels[labels > 0] = random.permutation(labels.max())[labels[labels > 0] - 1] // 2 + 1
    expected = regionprops_table(labels, properties=("centroid", *SHAPES))
    cells = measure_cells(labels, {}, None, settings(properties=list(SHAPES)))
    columns = {name: size.pixels for name, size in SIZE_PROPERTIES.items()} | SHAPE_PROPERTIES
    columns |= {"centroid-0": "centroid_y_px", "centroid-1": "centroid_x_px"}
    expected["orientation"] = measurement._degrees(expected["orientation"])
    for name, values in expected.items():
        found = cells[columns[name]].to_numpy()
        # Of cells that are spread alike in all directions, rounding decides what is no direction and almost 0.
        alike = expected["axis_major_length"] <= expected["axis_minor_length"] * (1 + 1e-12)
        clear = ~alike if name in ("orientation", "eccentricity") else alike | True
        # What has no width at all has a millionth of a pixel there, for rounding.
        close = {"rel": 1e-9, "abs": 1e-5 if name == "axis_minor_length" else 1e-9}
        assert found[clear].tolist() == pytest.approx(values[clear].tolist(), **close), name


def python_calls(labels: np.ndarray) -> int:
    """Return how many functions of Python are called to measure cells."""
    calls = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        measure_cells(labels, {"GFP": labels}, 0.1, DEFAULTS)
    finally:
        sys.setprofile(None)
    return calls


def test_many_cells_are_measured_with_the_calls_of_a_few():
    cell = draw_rod(14, 6, 20).astype(np.uint16)
    few, many = (
        np.kron(np.arange(1, number**2 + 1).reshape(number, number), cell) for number in (6, 18)
    )
    measure_cells(few, {"GFP": few}, 0.1, DEFAULTS)
    assert python_calls(many) < 1.2 * python_calls(few)


def test_a_choice_replaces_the_default_and_keeps_what_is_always_there():
    labels = placed(draw_rod(50, 11, 30), (90, 90), (10, 10))
    cells = measure_cells(labels, {"GFP": labels}, None, settings(properties=["extent"]))
    assert "extent" in cells and "solidity" not in cells and "perimeter_um" not in cells
    always = {"label", "area_px", "length_px", "width_um", "centroid_x_px", "mean_intensity_GFP"}
    assert always <= set(cells)


# Intensities


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.float32])
def test_intensities_are_exact_however_large_the_sum(dtype):
    largest = 65_535 if np.dtype(dtype).itemsize > 1 else 255
    labels = np.zeros((400, 400), np.uint16)
    labels[:, :200], labels[:, 300:] = 1, 5
    plane = np.full(labels.shape, largest, dtype)
    plane[0, 0] = largest - 15
    cells = measure_cells(labels, {"GFP": plane, "é/1": plane * 0}, None, DEFAULTS)
    assert cells["integrated_intensity_GFP"].tolist() == [largest * 80_000 - 15, largest * 40_000]
    assert cells["min_intensity_GFP"].tolist() == [largest - 15, largest]
    assert cells["max_intensity_GFP"].tolist() == [largest, largest]
    assert cells["mean_intensity_GFP"].tolist() == pytest.approx([largest - 15 / 80_000, largest])
    assert cells["integrated_intensity_é/1"].tolist() == [0, 0]


def test_a_percentile_of_the_pixels_outside_is_subtracted():
    labels = grid(1, 2, side=10, gap=10)
    plane = np.where(labels == 0, 100, 150).astype(np.uint16)
    plane[labels == 2] = 90
    plane[0] = 10_000  # a bright speck outside, less than half of the pixels
    cells = measure_cells(labels, {"GFP": plane}, None, settings(background=50.0))
    assert cells["background_GFP"].tolist() == [100, 100]
    assert cells["mean_intensity_GFP"].tolist() == [50, -10]
    assert cells["min_intensity_GFP"].tolist() == [50, -10]
    assert cells["integrated_intensity_GFP"].tolist() == [5000, -1000]
    highest = measure_cells(labels, {"GFP": plane}, None, settings(background=100.0))
    assert highest["background_GFP"].tolist() == [10_000, 10_000]


def test_a_ring_around_each_cell_is_subtracted():
    labels = grid(1, 2, side=10, gap=20)
    # Light that grows to the right, a halo of two pixels around the cells, and cells 50 above the light.
    plane = np.broadcast_to(np.arange(labels.shape[1]), labels.shape).astype(np.float32)
    plane = plane + 50 * (labels > 0)
    grown = np.zeros(labels.shape, bool)
    for y, x in np.argwhere(labels):
        grown[y - 2 : y + 3, x - 2 : x + 3] = True
    plane[grown & (labels == 0)] = 10_000
    chosen = settings(background="local", background_ring=[3, 8], properties=["intensity_median"])
    cells = measure_cells(labels, {"GFP": plane}, None, chosen)
    assert cells["background_GFP"].tolist() == pytest.approx(cells["centroid_x_px"].tolist(), abs=1)
    assert cells["mean_intensity_GFP"].tolist() == pytest.approx([50, 50], abs=1)
    assert cells["median_intensity_GFP"].tolist() == pytest.approx([50, 50], abs=1)


def test_without_a_pixel_outside_there_is_no_background():
    labels = np.ones((5, 6), np.uint16)
    labels[:, 3:] = 2
    for background in ("local", 50.0):
        cells = measure_cells(labels, {"GFP": labels}, None, settings(background=background))
        assert cells["background_GFP"].isna().all() and cells["mean_intensity_GFP"].isna().all()


def test_a_plane_of_another_size_is_refused():
    labels = placed(draw_rod(50, 11), (90, 90), (10, 10))
    with pytest.raises(ValueError, match="GFP"):
        measure_cells(labels, {"GFP": np.zeros((3, 3))}, None, DEFAULTS)


# Neighbours, edges, limits


def test_neighbours_on_a_grid():
    labels = grid(3, 3, side=6, gap=4)
    # From pixel to pixel it is 5 to the sides, and 5 times the root of 2 across the corners.
    for distance, corner, side, middle in (
        (4, 0, 0, 0),
        (5, 2, 3, 4),
        (7, 2, 3, 4),
        (7.1, 3, 5, 8),
    ):
        cells = measure_cells(labels, {}, 0.5, settings(neighbour_distance=distance))
        expected = [corner, side, corner, side, middle, side, corner, side, corner]
        assert cells["neighbours"].tolist() == expected
        assert (cells["touching_cells"] == 0).all()
        assert (cells["nearest_neighbour_px"] == 10).all()
        assert (cells["nearest_neighbour_um"] == 5).all()


def test_cells_that_touch():
    labels = np.zeros((20, 40), np.uint16)
    labels[5:10, 5:10], labels[5:10, 10:15], labels[10:14, 15:20] = 1, 2, 3
    labels[5:10, 22:30] = 4
    cells = measure_cells(labels, {}, None, settings(neighbour_distance=1))
    assert cells["touching_cells"].tolist() == [1, 2, 1, 0]
    assert cells["neighbours"].tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize("axes", [2, 3])
def test_neighbours_are_those_with_a_pixel_within_the_distance(axes):
    random = np.random.default_rng(axes)
    labels = label(random.random((40, 50) if axes == 2 else (6, 16, 18)) < 0.2, connectivity=1)
    # Some cells are of two pieces.
    labels[labels > 0] = random.permutation(labels.max())[labels[labels > 0] - 1] // 2 + 1
    step = 1.5
    sampling = np.array([step, 1, 1][-axes:])
    numbers = np.unique(labels[labels > 0])
    pixels = [np.argwhere(labels == number) * sampling for number in numbers]
    apart = np.array([[cdist(one, other).min() for other in pixels] for one in pixels])
    regions = regionprops(labels)
    for distance in (1, 1.5, np.sqrt(2), 3, 4.5, 12, 33.3, 1e9):
        found = measurement._near(regions, distance, sampling)
        assert found.tolist() == ((apart <= distance).sum(axis=1) - 1).tolist(), distance


def test_a_long_distance_compares_no_more_pixels_than_matter(monkeypatch):
    within, compared = measurement._within, []

    def count(rims, index, others, *rest):
        compared.append(len(others))
        return within(rims, index, others, *rest)

    monkeypatch.setattr(measurement, "_within", count)
    regions = regionprops(grid(20, 20, 6, 4))
    for distance, pairs in ((30, 30 * 400), (100, 60 * 400), (1e9, 0)):
        compared.clear()
        measurement._near(regions, distance, np.ones(2))
        # Of 79,800 pairs.
        assert sum(compared) <= pairs, distance


def test_a_cell_alone_has_no_neighbour():
    cells = measure_cells(grid(1, 1, 6, 4), {}, None, settings(neighbour_distance=100))
    assert cells["neighbours"].tolist() == [0] and cells["nearest_neighbour_px"].isna().all()


def test_cells_at_the_edge():
    labels = np.zeros((30, 40), np.uint16)
    labels[0:5, 10:15], labels[10:15, 35:40], labels[12:18, 12:18] = 1, 2, 3
    labels[29, 20], labels[20:25, 0:3] = 4, 5
    cells = measure_cells(labels, {}, None, DEFAULTS)
    assert cells["touches_edge"].tolist() == [True, True, False, True, True]
    assert cells.attrs["left_out"] == 0
    kept = measure_cells(labels, {}, None, settings(exclude_edge_cells=True))
    assert kept["label"].tolist() == [3] and kept.attrs["left_out"] == 4


def test_limits_of_the_area():
    labels = np.zeros((60, 60), np.uint16)
    for number, side in enumerate((2, 5, 10, 20), start=1):
        labels[5 : 5 + side, 12 * number - 10 : 12 * number - 10 + side] = number
    pixels = settings(smallest_area=25, largest_area=100)
    kept = measure_cells(labels, {}, None, pixels)
    assert kept["label"].tolist() == [2, 3] and kept.attrs["left_out"] == 2
    assert kept.index.tolist() == [0, 1]
    micrometres = replace(pixels, area_unit="um2")
    assert measure_cells(labels, {}, 2.0, micrometres)["label"].tolist() == [2]
    with pytest.raises(Problem) as raised:
        measure_cells(labels, {}, None, micrometres)
    assert raised.value.code == "SM-MEA-003"
    assert len(measure_cells(labels, {}, None, settings(area_unit="um2"))) == 4


def test_cells_left_out_are_still_neighbours():
    chosen = settings(smallest_area=30, neighbour_distance=3)
    labels = np.zeros((30, 40), np.uint16)
    labels[5:15, 5:15], labels[5:8, 16:19] = 1, 2
    assert measure_cells(labels, {}, None, chosen)["neighbours"].tolist() == [1]


# 3D


def test_a_ball_in_a_stack_with_thick_slices():
    pixel_size, step, radius = 0.1, 0.25, 2.0
    z, y, x = np.mgrid[0:21, 0:50, 0:60]
    distance = np.hypot(np.hypot((z - 9) * step, (y - 25) * pixel_size), (x - 30) * pixel_size)
    labels = np.where(distance <= radius, 3, 0).astype(np.uint16)
    cell = measure_volume(labels, {}, pixel_size, step, DEFAULTS).iloc[0]
    assert cell["volume_vx"] == (labels > 0).sum()
    assert cell["volume_um3"] == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.01)
    assert (cell["centroid_z"], cell["centroid_y_px"], cell["centroid_x_px"]) == (9, 25, 30)
    assert cell["slices"] == 2 * 8 + 1
    # Seen from above it is a disc.
    assert cell["area_um2"] == pytest.approx(np.pi * radius**2, rel=0.01)
    assert (cell["length_um"], cell["width_um"]) == pytest.approx((4, 4), rel=0.01)
    assert not cell["touches_edge"] and not cell["touches_end_slice"]


def test_a_lying_rod_in_a_stack():
    z, y, x = np.mgrid[-4:5, -30:31, -30:31]
    along, across = x * np.cos(0.4) - y * np.sin(0.4), x * np.sin(0.4) + y * np.cos(0.4)
    from_axis = np.hypot(np.hypot(np.maximum(np.abs(along) - 14, 0), across), z * 1.5)
    labels = (from_axis <= 6).astype(np.uint16)
    cell = measure_volume(labels, {}, 1.0, 1.5, DEFAULTS).iloc[0]
    assert (cell["length_px"], cell["width_px"]) == pytest.approx((40, 12), rel=0.02)
    assert cell["volume_um3"] == pytest.approx(cell["rod_volume_um3"], rel=0.05)
    assert cell["touches_end_slice"]


def test_cells_above_each_other():
    labels = np.zeros((6, 30, 30), np.uint16)
    labels[1:3, 5:15, 5:15], labels[3:5, 10:25, 10:20] = 1, 2
    labels[0, 0:3, 0:3] = 3
    stack = labels.astype(float) * 10
    stack[labels == 0] = 4
    chosen = settings(neighbour_distance=2, background="local")
    cells = measure_volume(labels, {"GFP": stack}, 0.1, 0.5, chosen)
    assert cells["area_px"].tolist() == [100, 150, 9]
    assert cells["volume_vx"].tolist() == [200, 300, 9]
    assert cells["volume_um3"].tolist() == pytest.approx([1, 1.5, 0.045])
    assert cells["slices"].tolist() == [2, 2, 1]
    assert cells["touching_cells"].tolist() == [1, 1, 0]
    # The slices are five pixels apart.
    assert cells["neighbours"].tolist() == [0, 0, 0]
    assert cells["mean_intensity_GFP"].tolist() == [6, 16, 26]
    assert cells["touches_edge"].tolist() == [False, False, True]
    assert cells["touches_end_slice"].tolist() == [False, False, True]
    assert measure_volume(labels, {}, 0.1, None, DEFAULTS)["volume_um3"].isna().all()


# Tables


def test_labels_above_16_bits_and_cells_of_single_pixels():
    labels = np.zeros((20, 20), np.uint32)
    labels[1, 1], labels[5, 5:8], labels[10:12, 10] = 2, 70_000, 70_001
    chosen = settings(properties=CHOICE, neighbour_distance=3, background=50.0)
    cells = measure_cells(labels, {"1": labels}, 0.1, chosen)
    assert cells["label"].tolist() == [2, 70_000, 70_001]
    assert cells["area_px"].tolist() == [1, 3, 2]
    assert np.isfinite(cells.to_numpy(float)).all()


def test_no_cell_gives_a_table_with_all_columns(tmp_path):
    chosen = settings(properties=CHOICE, neighbour_distance=3, background="local")
    some, none = grid(2, 2, 5, 3), np.zeros((20, 30), np.uint16)
    for measure, stack in (
        (lambda labels: measure_cells(labels, {"GFP": labels}, 0.1, chosen), False),
        (lambda labels: measure_volume(labels, {"GFP": labels}, 0.1, 0.2, chosen), True),
    ):
        filled, empty = (measure(labels[None] if stack else labels) for labels in (some, none))
        assert list(empty) == list(filled) and len(empty) == 0 and len(filled) == 4
        assert (empty.dtypes == filled.dtypes).all()
        write_csv(empty, tmp_path / "cells.csv")
        header = (tmp_path / "cells.csv").read_text(encoding="utf-8-sig")
        assert header == ",".join(filled.columns) + "\n"
    flat = measure_cells(some, {"GFP": some}, 0.1, chosen)
    assert set(flat) < set(filled)


def test_real_masks_have_whole_tables(shared):
    chosen = settings(properties=CHOICE, neighbour_distance=4, background=50.0)
    for name, number in (("ecoli_sent_dapi_r0c1", 274), ("coli_ds1_00001", 8)):
        labels = tifffile.imread(shared / "bacteria" / f"{name}_masks.tif")
        image = "coli_ds1_00001_fl" if name.startswith("coli") else name
        plane = tifffile.imread(shared / "bacteria" / f"{image}.tif")
        cells = measure_cells(labels, {"1": plane}, 0.08, chosen)
        assert len(cells) == number
        assert not cells.select_dtypes("number").isna().to_numpy().any()
        # Cells that fluoresce are brighter than what is between them.
        assert (cells["mean_intensity_1"] > 0).mean() > 0.9


# The config


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({}, []),
        ({"smallest_area": 10.0, "largest_area": 10.0}, []),
        ({"smallest_area": 10.0, "largest_area": 5.0}, ["SM-MEA-001"]),
        ({"background_ring": [4, 4]}, ["SM-MEA-002"]),
        ({"background_ring": [0, 1], "smallest_area": 10.0}, []),
    ],
)
def test_settings_that_do_not_go_together(changes, codes, tmp_path):
    lines = {("measurements", key): number for number, key in enumerate(changes, start=5)}
    config = Config(
        {"measurements": {key: rule["default"] for key, rule in SECTION.items()} | changes},
        tmp_path / "config.yaml",
        lines,
    )
    found = list(measurement_problems(config))
    assert [problem.code for problem in found] == codes
    assert all("line" in problem.where for problem in found)


# ------------------------------------------------------------------------------------------ pixels that are not square

# Lengths and areas of a cell in micrometres, and its shape, however the pixels are cut.
OBLONG = [
    "feret_diameter_max",
    "equivalent_diameter_area",
    "axis_major_length",
    "axis_minor_length",
]
OBLONG += ["area_convex", "area_filled", "eccentricity", "solidity", "orientation"]


def slanted_rod(height: float, width: float, degrees: float) -> np.ndarray:
    """Return a rod, 6 x 1.6 micrometres, that rises so many degrees to the right, in pixels of this size."""
    y = np.arange(-4 / height, 4 / height) * height
    x = np.arange(-4 / width, 4 / width) * width
    down, right = np.meshgrid(y, x, indexing="ij")
    angle = np.deg2rad(degrees)
    along = right * np.cos(angle) - down * np.sin(angle)
    across = right * np.sin(angle) + down * np.cos(angle)
    return np.hypot(np.maximum(np.abs(along) - 2.2, 0), across) <= 0.8


@pytest.mark.parametrize("degrees", [0, 30, 89])
@pytest.mark.parametrize("sides", [(0.1, 0.05), (0.05, 0.1), (0.08, 0.06)])
def test_a_rod_is_as_long_and_wide_in_pixels_that_are_not_square(sides, degrees):
    cell = slanted_rod(*sides, degrees).astype(np.uint8)
    fine = slanted_rod(0.02, 0.02, degrees).astype(np.uint8)
    chosen = settings(properties=OBLONG)
    (row,) = measure_cells(cell, {}, sides[1], chosen, sides[0]).to_dict("records")
    (true,) = measure_cells(fine, {}, 0.02, chosen).to_dict("records")
    assert row["area_um2"] == pytest.approx(row["area_px"] * sides[0] * sides[1])
    assert row["length_um"] == pytest.approx(6, rel=0.03)
    # Rods of several widths have the same pixels where they lie along the rows.
    assert row["width_um"] == pytest.approx(1.6, abs=max(sides))
    for column in true:
        if "_um" in column or column in ("eccentricity", "solidity", "sinuosity"):
            power = int(column[-1]) if column[-1].isdigit() else 1
            assert row[column] == pytest.approx(true[column], rel=0.05 * power), column
    assert row["orientation_deg"] == pytest.approx(degrees, abs=1.5)


def test_what_can_not_be_measured_in_pixels_that_are_not_square_is_empty():
    cell = slanted_rod(0.1, 0.05, 30).astype(np.uint8)
    chosen = settings(properties=["perimeter", "perimeter_crofton"])
    row = measure_cells(cell, {}, 0.05, chosen, 0.1).iloc[0]
    assert row[["perimeter_um", "perimeter_crofton_um"]].isna().all()
    assert row[["perimeter_px", "perimeter_crofton_px"]].notna().all()
    square = measure_cells(cell, {}, 0.05, chosen)
    assert list(square.columns) == list(row.index), "the same columns in the same order"


def test_neighbours_and_limits_in_pixels_that_are_not_square():
    # In pixels the cell below is nearer, in micrometres the one to the right.
    labels = np.zeros((30, 30), np.uint8)
    for number, (y, x) in enumerate([(5, 5), (5, 17), (13, 5)], start=1):
        labels[y : y + 2, x : x + 2] = number
    chosen = settings(neighbour_distance=20, smallest_area=0.07, area_unit="um2")
    table = measure_cells(labels, {}, 0.1, chosen, 0.2)
    assert table.loc[0, ["nearest_neighbour_px", "nearest_neighbour_um"]].tolist() == [8, 1.2]
    assert table["area_um2"].tolist() == pytest.approx([0.08] * 3)
    assert measure_cells(labels, {}, 0.1, replace(chosen, smallest_area=0.09), 0.2).empty


def test_a_volume_of_voxels_whose_sides_all_differ():
    labels = np.zeros((6, 10, 10), np.uint8)
    labels[1:3, 2:5, 2:6] = 1
    labels[4:5, 2:5, 2:6] = 2
    chosen = settings(neighbour_distance=3)
    table = measure_volume(labels, {}, 0.1, 0.5, chosen, 0.2)
    assert table["volume_um3"].tolist() == pytest.approx([24 * 0.01, 12 * 0.01])
    assert table["nearest_neighbour_um"].tolist() == pytest.approx([1.25] * 2)
    unknown = measure_volume(labels, {}, 0.1, None, chosen)
    assert unknown[["volume_um3", "nearest_neighbour_um"]].isna().all(axis=None)
