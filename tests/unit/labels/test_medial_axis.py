from __future__ import annotations

import numpy as np
import pytest
import tifffile
from scipy.spatial import cKDTree
from skimage.measure import regionprops

from segmake.labels.medial_axis import measure_rod, rod_surface, rod_volume
from tests.unit.drawn_cells import draw_disc, draw_rod

ANGLES = [0, 7, 15, 22.5, 30, 38, 45, 60, 72, 80, 90, 105, 120, 135, 150, 171]


def errors(rods: list[tuple[float, float, np.ndarray]]) -> np.ndarray:
    """Return the relative errors of length and width: array (N, 2)."""
    measured = [measure_rod(cell)[:2] for *_, cell in rods]
    return np.array(measured) / [rod[:2] for rod in rods] - 1


def random_rods(number: int, bends: tuple[float, float], seed: int) -> list[tuple]:
    """Draw rods 20 to 80 pixels long and 8 to 16 wide, at any angle and place."""
    rng = np.random.default_rng(seed)
    rods: list[tuple] = []
    while len(rods) < number:
        length, width, bend = rng.uniform(20, 80), rng.uniform(8, 16), rng.uniform(*bends)
        # A bend tighter than the width of the cell is none of a bacterium.
        if length > 1.25 * width and np.deg2rad(bend) * width <= length - width:
            cell = draw_rod(length, width, rng.uniform(0, 360), tuple(rng.uniform(0, 1, 2)), bend)
            rods.append((length, width, cell))
    return rods


@pytest.mark.parametrize("bends", [(0, 0), (0, 60), (60, 120), (120, 180)])
def test_length_and_width_are_right_within_2_percent(bends):
    found = errors(random_rods(250, bends, seed=5))
    assert np.abs(found[:, 0]).max() < 0.02
    # Along rows and diagonals, rods of different widths have the same pixels.
    assert (np.abs(found[:, 1]) < 0.02).mean() >= 0.97
    assert np.abs(found.mean(axis=0)).max() < 0.003


@pytest.mark.parametrize("angle", ANGLES)
def test_no_angle_is_measured_longer_or_wider_than_another(angle):
    rng = np.random.default_rng(0)
    for length, width in (20, 8), (24, 16), (45, 11), (80, 10):
        rods = [
            (length, width, draw_rod(length, width, angle, tuple(rng.uniform(0, 1, 2))))
            for _ in range(30)
        ]
        found = errors(rods)
        assert np.abs(found[:, 0]).max() < 0.03
        assert np.abs(found.mean(axis=0)).max() < 0.02


def test_the_same_cell_turned_and_mirrored_is_the_same():
    cell = draw_rod(40, 9, 20, (0.3, 0.6), bend=70)
    for other in (cell.T, cell[::-1], np.rot90(cell)):
        assert measure_rod(other) == pytest.approx(measure_rod(cell), rel=0.005)


def test_a_coccus_is_as_long_as_wide():
    rng = np.random.default_rng(1)
    for diameter in (8, 10, 13, 20, 40):
        discs = [draw_disc(diameter, tuple(rng.uniform(0, 1, 2))) for _ in range(30)]
        found = errors([(diameter, diameter, disc) for disc in discs])
        assert np.median(np.abs(found)) < 0.015
        assert (np.abs(found) < 0.035).mean() > 0.95


def test_sinuosity():
    assert measure_rod(draw_rod(50, 10, 33)).sinuosity == pytest.approx(1, abs=0.01)
    for bend in (60, 120, 170):
        arc = np.deg2rad(bend)
        # The round ends go on straight, as far as half the width.
        distance = 2 * (60 - 10) / arc * np.sin(arc / 2) + 10 * np.cos(arc / 2)
        found = measure_rod(draw_rod(60, 10, 25, bend=bend)).sinuosity
        assert found == pytest.approx(60 / distance, rel=0.05)


def test_a_cell_that_divides_is_not_longer():
    y, x = np.mgrid[-12:13, -35:36]
    half_width = 6 - 3 * np.exp(-((x / 4) ** 2))
    cell = (np.abs(y) <= half_width) & (np.hypot(np.maximum(np.abs(x) - 24, 0), y) <= 6)
    assert measure_rod(cell).length == pytest.approx(60, rel=0.02)


def test_a_filament_with_several_bends():
    x = np.linspace(0, 300, 4000)
    y = 25 * np.sin(x / 30)
    grid = np.moveaxis(np.mgrid[-40:41, -10:311], 0, -1).reshape(-1, 2)
    cell = (cKDTree(np.stack([y, x], 1)).query(grid)[0] <= 5).reshape(81, 321)
    length = np.hypot(np.diff(x), np.diff(y)).sum() + 10
    assert measure_rod(cell)[:2] == pytest.approx((length, 10), rel=0.02)


@pytest.mark.parametrize(
    "rows",
    [
        "#",
        "##",
        "#. .#",
        "## #.",
        "## ##",
        "###",
        "### #.# ###",
        "##### #...# #...# #...# #####",
        "..#.. ..#.. ##### ..#.. ..#..",
        "##...# ##...# ##....",
        "#..... .#.... ..#... ...### .....#",
    ],
)
def test_any_shape_has_a_size(rows):
    cell = np.array([[pixel == "#" for pixel in row] for row in rows.split()])
    for turned in (cell, cell.T):
        rod = measure_rod(turned)
        assert 0 < rod.width <= rod.length <= 2 * cell.sum() + 1
        assert np.isfinite(rod).all() and rod.sinuosity >= 1


def test_a_row_of_pixels():
    assert measure_rod(np.ones((1, 30), bool))[:2] == pytest.approx((30, 1), rel=0.02)


def test_holes_are_filled_and_the_largest_piece_counts():
    cell = draw_rod(40, 10, 15)
    torn = cell.copy()
    torn[cell.shape[0] // 2, cell.shape[1] // 2] = False
    torn[0, 0] = True
    assert measure_rod(torn) == measure_rod(cell)


def test_blobs_of_any_shape_do_not_fail():
    rng = np.random.default_rng(3)
    for size in range(1, 200):
        cell = rng.random((1 + size % 30, 1 + size % 17)) < rng.uniform(0.2, 1)
        cell[0, 0] = True
        assert np.isfinite(measure_rod(cell)).all()


@pytest.mark.parametrize(
    ("name", "lengths", "widths"),
    [
        ("coli_ds1_00001", (25, 55), (17, 22)),
        ("trpL_phase_t15", (45, 115), (12, 19)),
        ("omni_Sample000033", (20, 66), (6, 10)),
    ],
)
def test_real_bacteria(shared, name, lengths, widths):
    labels = tifffile.imread(shared / "bacteria" / f"{name}_masks.tif")
    for region in regionprops(labels):
        rod = measure_rod(region.image)
        assert lengths[0] < rod.length < lengths[1] and widths[0] < rod.width < widths[1]
        # No straight distance within the cell is longer than the cell, save for the corners of its pixels.
        assert region.feret_diameter_max < rod.length + 2
        assert rod.length * rod.width - 0.215 * rod.width**2 == pytest.approx(region.area, rel=0.03)


def test_volume_and_surface():
    # A ball, and two halves of it at the ends of a cylinder.
    assert rod_volume(np.array(2.0), np.array(2.0)) == pytest.approx(4 / 3 * np.pi)
    assert rod_volume(np.array(5.0), np.array(2.0)) == pytest.approx((4 / 3 + 3) * np.pi)
    assert rod_surface(np.array(2.0), np.array(2.0)) == pytest.approx(4 * np.pi)
    assert rod_surface(np.array(5.0), np.array(2.0)) == pytest.approx((4 + 6) * np.pi)
