"""Cells are measured together as one by one, also where nothing but rounding decides; and in few calls."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from skimage.measure import regionprops

from segmake.labels import rods
from segmake.labels.cell_pixels import cells_of
from segmake.labels.medial_axis import measure_rod
from tests.unit.drawn_cells import draw_disc, draw_rod


def beside_each_other(cells: list[np.ndarray]) -> np.ndarray:
    """Return a label image in which cells lie side by side, with background around each."""
    height, width = (2 + max(cell.shape[axis] for cell in cells) for axis in (0, 1))
    labels = np.zeros((height, width * len(cells)), np.uint16)
    for number, cell in enumerate(cells):
        part = labels[1 : 1 + cell.shape[0], 1 + number * width :][:, : cell.shape[1]]
        part[cell] = number + 1
    return labels


def some_cells() -> list[np.ndarray]:
    ring = draw_disc(30)
    ring[15:20, 15:20] = False
    torn = draw_rod(50, 10, 33)
    torn[:, 20] = False
    filament = draw_rod(160, 7, 10, bend=170)
    return [ring, torn, filament, np.ones((1, 1), bool), np.eye(9, dtype=bool), draw_disc(12)]


# Length, width, angle and bend of cells, and how they are laid over their mirror image: of each, two points of an axis
# are equally near to a pixel, and the old values are found by one of them alone.
MIRRORED = [
    (56, 6, 45, 89.8092, "along a row"),
    (35, 9, 0, 87.3421, ""),
    (31, 9, 90, 146.1905, ""),
    (63, 9, 0, 56.3543, "along a diagonal"),
    (34, 8, 0, 139.573, ""),
    (35, 12, 0, 159.3962, "along a row"),
    (63, 10, 90, 63.6304, "along a diagonal"),
]


def tying_cells() -> list[np.ndarray]:
    """Return cells with points on knots, each in all eight positions, and mirrored ones, in which points tie."""
    rng = np.random.default_rng(5)
    cells = []
    for _ in range(12):
        length, width, bend = rng.uniform(30, 60), rng.uniform(8, 12), rng.uniform(30, 160)
        cell = draw_rod(length, width, rng.uniform(-90, 90), bend=bend)
        for turns in range(4):
            cells += [np.rot90(cell, turns), np.rot90(cell[::-1], turns)]
    for length, width, angle, bend, mirrored in MIRRORED:
        cell = draw_rod(length, width, angle, bend=bend)
        mirror = {"along a row": cell[:, ::-1], "along a diagonal": cell.T}
        cells.append(cell | mirror.get(mirrored, cell))
    return cells


def compared(labels: np.ndarray, sides: tuple[float, float] | None) -> None:
    together = np.transpose(rods.measure_rods(cells_of(labels), sides))
    alone = np.array([measure_rod(region.image, sides) for region in regionprops(labels)])
    np.testing.assert_allclose(together, alone, rtol=1e-9)


@pytest.mark.parametrize("sides", [None, (0.1, 0.07)])
def test_cells_are_measured_together_as_alone(sides):
    compared(beside_each_other([*some_cells(), *tying_cells()]), sides)


@pytest.mark.parametrize("name", ["ecoli_sent_dapi_r0c0", "omni_Sample000033"])
def test_real_cells_are_measured_together_as_alone(shared, name):
    compared(tifffile.imread(shared / "bacteria" / f"{name}_masks.tif"), None)


def test_few_cells_are_measured_one_by_one(shared, monkeypatch):
    labels = tifffile.imread(shared / "bacteria" / "ecoli_sent_dapi_r0c0_masks.tif")
    cells, alone, curves = cells_of(labels), [], []
    made = rods.fitted_one_by_one
    monkeypatch.setattr(rods, "measure_rod", lambda *of: alone.append(of) or measure_rod(*of))
    monkeypatch.setattr(
        rods,
        "fitted_one_by_one",
        lambda *of: curves.append(len(np.unique(of[0]))) or made(*of),
    )
    rods.measure_rods(cells)
    assert len(alone) < 0.05 * len(cells) and max(curves) < 0.35 * len(cells)
