from __future__ import annotations

import numpy as np
import pytest
from skimage.draw import disk, polygon

from segmake.measurement import measure_cells
from segmake.tables import write_csv

COLUMNS = [
    "label",
    "area_px",
    "length_px",
    "width_px",
    "perimeter_px",
    "eccentricity",
    "solidity",
    "orientation_deg",
    "centroid_y_px",
    "centroid_x_px",
    "area_um2",
    "length_um",
    "width_um",
    "perimeter_um",
]
INTENSITIES = [
    "mean_intensity_{}",
    "min_intensity_{}",
    "max_intensity_{}",
    "integrated_intensity_{}",
]


def rod(angle: float, length: float = 60, width: float = 12) -> np.ndarray:
    """Draw a rectangle around (100, 90), turned anticlockwise as seen on the screen."""
    labels = np.zeros((200, 180), np.uint16)
    along = np.array([-np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))])
    across = np.array([along[1], -along[0]])
    corners = [
        np.array([100, 90]) + a * along * length / 2 + b * across * width / 2
        for a, b in ((1, 1), (1, -1), (-1, -1), (-1, 1))
    ]
    # Half a pixel off the grid, so that no corner lies on one.
    labels[polygon(*(np.array(corners) + 0.5).T)] = 1
    return labels


@pytest.mark.parametrize("angle", [-75, -45, -20, 0, 10, 45, 80])
def test_a_rod(angle):
    cell = measure_cells(rod(angle), {}, None).iloc[0]
    assert cell["orientation_deg"] == pytest.approx(angle, abs=1)
    assert (cell["centroid_y_px"], cell["centroid_x_px"]) == pytest.approx((100.5, 90.5), abs=0.5)
    assert cell["area_px"] == pytest.approx(720, rel=0.06)
    # The axes of the ellipse with the same second moments: 2 / sqrt(3) times a rectangle's sides.
    assert cell["length_px"] == pytest.approx(60 * 1.155, rel=0.03)
    assert cell["width_px"] == pytest.approx(12 * 1.155, rel=0.08)
    assert cell["eccentricity"] > 0.95 and cell["solidity"] > 0.9


def test_a_rod_that_stands_upright():
    assert abs(measure_cells(rod(90), {}, None).loc[0, "orientation_deg"]) == pytest.approx(
        90, abs=1
    )


def test_a_disc():
    labels = np.zeros((80, 90), np.uint16)
    labels[disk((30, 50), 20)] = 7
    cell = measure_cells(labels, {}, None).iloc[0]
    assert cell["label"] == 7
    assert cell["area_px"] == pytest.approx(np.pi * 400, rel=0.02)
    assert (cell["length_px"], cell["width_px"]) == pytest.approx((40, 40), rel=0.02)
    assert cell["perimeter_px"] == pytest.approx(2 * np.pi * 20, rel=0.06)
    assert cell["eccentricity"] == pytest.approx(0, abs=0.01)


def test_micrometres():
    cells = measure_cells(rod(30), {}, 0.5)
    for um, pixels, factor in (
        ("length_um", "length_px", 0.5),
        ("width_um", "width_px", 0.5),
        ("perimeter_um", "perimeter_px", 0.5),
        ("area_um2", "area_px", 0.25),
    ):
        assert cells[um].tolist() == pytest.approx((cells[pixels] * factor).tolist())
        assert measure_cells(rod(30), {}, None)[um].isna().all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.float32])
def test_intensities_are_exact_however_large_the_sum(dtype):
    largest = 65_535 if np.dtype(dtype).itemsize > 1 else 255
    labels = np.zeros((400, 400), np.uint16)
    labels[:, :200], labels[:, 300:] = 1, 5
    plane = np.full(labels.shape, largest, dtype)
    plane[0, 0] = largest - 15
    cells = measure_cells(labels, {"GFP": plane, "é/1": plane * 0}, None)
    assert cells["integrated_intensity_GFP"].tolist() == [largest * 80_000 - 15, largest * 40_000]
    assert cells["min_intensity_GFP"].tolist() == [largest - 15, largest]
    assert cells["max_intensity_GFP"].tolist() == [largest, largest]
    assert cells["mean_intensity_GFP"].tolist() == pytest.approx([largest - 15 / 80_000, largest])
    assert cells["integrated_intensity_é/1"].tolist() == [0, 0]


def test_labels_above_16_bits_and_cells_of_single_pixels():
    labels = np.zeros((20, 20), np.uint32)
    labels[1, 1], labels[5, 5:8], labels[10:12, 10] = 2, 70_000, 70_001
    cells = measure_cells(labels, {"1": labels}, 0.1)
    assert cells["label"].tolist() == [2, 70_000, 70_001]
    assert cells["area_px"].tolist() == [1, 3, 2]
    assert np.isfinite(cells.to_numpy(float)).all()


def test_no_cell_gives_a_table_with_all_columns(tmp_path):
    plane = np.zeros((20, 30), np.uint16)
    columns = COLUMNS + [name.format("GFP") for name in INTENSITIES]
    empty = measure_cells(plane, {"GFP": plane}, 0.1)
    assert list(empty.columns) == columns and len(empty) == 0
    assert list(measure_cells(rod(0), {"GFP": rod(0)}, None).columns) == columns
    write_csv(empty, tmp_path / "cells.csv")
    assert (tmp_path / "cells.csv").read_text(encoding="utf-8-sig") == ",".join(columns) + "\n"


def test_a_plane_of_another_size_is_refused():
    with pytest.raises(ValueError, match="GFP"):
        measure_cells(rod(0), {"GFP": np.zeros((3, 3))}, None)
