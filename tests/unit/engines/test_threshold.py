from __future__ import annotations

import itertools

import numpy as np
import pytest
import tifffile
from scipy import ndimage
from skimage import filters
from skimage.draw import disk, ellipse

from segmake.core import strips
from segmake.demo import synthetic
from segmake.engines import pieces, threshold, thresholds
from segmake.engines.components import Components
from tests.unit.demo.test_demo_model import average_precision
from tests.unit.peak_memory import peak_of

RODS = [(30, 30, 0), (30, 90, 60), (90, 30, 120), (90, 90, 90), (60, 140, 20), (110, 160, 150)]


@pytest.fixture
def find(configure):
    def find_cells(plane: np.ndarray, **settings) -> np.ndarray:
        section = configure(segmentation=settings).settings["segmentation"]
        loaded = threshold.load(section)
        labels = threshold.masks(loaded, threshold.predict(loaded, [plane]))
        assert labels.shape == plane.shape and labels.dtype.kind in "iu"
        assert set(np.unique(labels)) == set(range(labels.max() + 1)), "0 to N without a gap"
        return labels

    return find_cells


def picture(contrast: float, dtype: str = "uint16") -> np.ndarray:
    plane = np.random.default_rng(1).normal(100, 2, (150, 200))
    plane += np.linspace(0, 4, 200)
    for y, x, angle in RODS:
        plane[ellipse(y, x, 6, 14, plane.shape, np.deg2rad(angle))] += contrast
    return plane.astype(dtype)


METHODS = ["otsu", "li", "triangle", "yen", "local"]


@pytest.mark.parametrize("method", METHODS)
def test_every_rod_is_found_once(find, method):
    labels = find(picture(80), method=method)
    assert labels.max() == len(RODS)
    assert len({labels[y, x] for y, x, _ in RODS} - {0}) == len(RODS)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize(("contrast", "polarity"), [(80, "bright"), (-80, "dark")])
@pytest.mark.parametrize("method", ["otsu", "local"])
def test_bright_and_dark_cells(find, method, contrast, polarity, dtype):
    plane = picture(contrast, dtype)
    labels = find(plane, polarity=polarity, method=method)
    assert labels.max() == len(RODS)
    assert np.array_equal(find(plane, polarity="auto", method=method), labels)


def test_touching_cells_are_split(find):
    plane = np.full((80, 120), 100, np.uint16)
    for centre in ((40, 35), (40, 57), (40, 95)):
        plane[disk(centre, 12)] = 200
    labels = find(plane, diameter=20)
    assert labels.max() == 3
    assert len({labels[40, 35], labels[40, 57], labels[40, 95]}) == 3


@pytest.mark.parametrize(
    "plane",
    [
        np.zeros((60, 80), np.uint16),
        np.full((60, 80), 65_535, np.uint16),
        np.random.default_rng(0).normal(300, 10, (300, 300)).astype(np.uint16),
        np.random.default_rng(0).poisson(3, (300, 300)).astype(np.uint8),
    ],
    ids=["black", "white", "noise", "few photons"],
)
@pytest.mark.parametrize("method", METHODS)
def test_a_blank_image_has_no_cell(find, plane, method):
    assert find(plane, method=method).max() == 0


def test_small_things_are_dropped(find):
    plane = picture(80)
    plane[5:8, 5:8] += 100
    assert find(plane).max() == len(RODS)
    assert find(plane, min_size=3).max() == len(RODS) + 1
    assert find(plane, min_size=10_000).max() == 0
    assert find(plane, min_size=-1, smoothing=0).max() >= len(RODS) + 1


def test_a_real_picture(find, shared):
    plane = tifffile.imread(shared / "bacteria" / "coli_ds1_00001_fl.tif")
    truth = tifffile.imread(shared / "bacteria" / "coli_ds1_00001_masks.tif")
    labels = find(plane, min_size=50)
    found = [np.bincount(labels[truth == n]).argmax() for n in range(1, truth.max() + 1)]
    assert np.count_nonzero(found) >= 6, "of 8 cells"


@pytest.mark.parametrize(
    ("names", "masks", "polarity", "diameter", "least"),
    [
        ("ecoli_sent_dapi_r1c[0-2].tif", "", "bright", 10, 0.45),
        ("coli_ds1_0000[13]_fl.tif", "_fl", "bright", 22, 0.75),
        ("coli_ds1_0000[13]_bf.tif", "_bf", "dark", 22, 0.56),
    ],
    ids=["dense", "fluorescence", "brightfield"],
)
def test_local_contrast_finds_labelled_cells(find, shared, names, masks, polarity, diameter, least):
    settings = {"method": "local", "polarity": polarity, "diameter": diameter}
    scores = []
    for path in sorted((shared / "bacteria").glob(names)):
        true = tifffile.imread(path.with_name(f"{path.stem.removesuffix(masks)}_masks.tif"))
        scores.append(average_precision(true, find(tifffile.imread(path), **settings)))
    assert len(scores) == 2 and np.mean(scores) >= least, scores


def test_what_is_too_faint_beside_the_others_is_no_cell(find):
    plane = picture(80)
    plane[disk((10, 190), 6)] += 12
    assert find(plane, method="local").max() == len(RODS)


@pytest.fixture
def is_unclear(configure):
    def look(plane: np.ndarray, **settings) -> bool:
        loaded = threshold.load(configure(segmentation=settings).settings["segmentation"])
        return threshold.unclear(loaded, [plane], threshold.predict(loaded, [plane]))

    return look


def test_phase_contrast_is_unclear_and_fluorescence_is_not(is_unclear, shared):
    phase = sorted((shared / "bacteria").glob("trpL_phase_t1?.tif"))
    phase += [shared / "bacteria" / f"omni_{name}.tif" for name in ("e1t1_crop", "ec_5I_t141xy5c1")]
    assert len(phase) == 6
    for path in phase:
        # The journal takes Python's own True and False, and not NumPy's.
        assert is_unclear(tifffile.imread(path)) is True, path.name
    assert is_unclear(tifffile.imread(phase[-1]), method="local") is True
    others = [*(shared / "bacteria").glob("coli_ds1_0000[13]_[bf][fl].tif")]
    assert len(others) == 4
    for path in others:
        assert is_unclear(tifffile.imread(path), method="local", diameter=22) is False, path.name
    for name, image, _ in synthetic.demo_fields():
        if name.startswith("fluorescence"):
            assert not is_unclear(image.reshape(-1, *image.shape[-2:])[0]), name


@pytest.mark.parametrize("light", ["even", "slope", "spot"])
@pytest.mark.parametrize("contrast", [0, 80])
def test_uneven_light_is_not_unclear(is_unclear, light, contrast):
    plane = picture(contrast, "float32")
    y, x = np.mgrid[: plane.shape[0], : plane.shape[1]]
    plane += {"even": 0 * x, "slope": x / 8, "spot": -((x - 100) ** 2 + (y - 75) ** 2) / 600}[light]
    assert not is_unclear(plane, polarity="bright")
    assert not is_unclear(plane, method="local")


def test_halos_around_darker_rods_are_unclear_whatever_else_is_bright(configure):
    plane = picture(0, "float32")
    for y, x, angle in RODS:
        plane[ellipse(y, x, 10, 18, plane.shape, np.deg2rad(angle))] = 180
        plane[ellipse(y, x, 6, 14, plane.shape, np.deg2rad(angle))] = 60
    plane[disk((60, 180), 5)] = 800
    loaded = threshold.load(configure(segmentation={"polarity": "bright"}).settings["segmentation"])
    assert threshold.unclear(loaded, [plane], plane > 150)
    plane[plane < 80] = 180
    assert not threshold.unclear(loaded, [plane], plane > 150)


def many_rods(side: int, apart: int = 900) -> np.ndarray:
    """Draw rods, one for so many pixels, of which many touch."""
    rng = np.random.default_rng(side)
    plane = rng.normal(100, 2, (side, side))
    for row, column, angle in rng.uniform(
        (0, 0, 0), (side, side, np.pi), (side * side // apart, 3)
    ):
        plane[ellipse(row, column, 5, 13, plane.shape, angle)] = 160
    return plane.astype(np.uint16)


@pytest.mark.parametrize("method", METHODS[:-1])
@pytest.mark.parametrize("polarity", ["bright", "auto"])
def test_strip_by_strip_the_same_cells_are_found(find, monkeypatch, method, polarity):
    plane = many_rods(300)
    whole = find(plane, method=method, polarity=polarity)
    assert whole.max() > 30
    monkeypatch.setattr(strips, "PIXELS", 300 * 7)
    monkeypatch.setattr(pieces, "WINDOW", 300 * 7)
    assert np.array_equal(find(plane, method=method, polarity=polarity), whole)


@pytest.mark.parametrize("method", ["li", "triangle"])
@pytest.mark.parametrize("name", ["ecoli_sent_dapi_r0c0", "trpL_phase_t06", "dim", "few", "many"])
def test_strip_by_strip_a_picture_is_divided_as_by_scikit_image(shared, monkeypatch, name, method):
    random = np.random.default_rng(0)
    made = {
        "dim": lambda: random.poisson(0.01, (150, 90)).astype(np.uint8),
        "few": lambda: random.integers(0, 5, (150, 90), np.uint8),
        "many": lambda: random.exponential(100, (200, 300)).astype(np.float32),
    }
    plane = made[name]() if name in made else tifffile.imread(shared / "bacteria" / f"{name}.tif")
    for rows, smoothing in itertools.product((7, 1000), (0, 1)):
        monkeypatch.setattr(strips, "PIXELS", plane.shape[1] * rows)
        smooth = threshold._Smooth(plane, smoothing, "bright")
        whole = np.concatenate(list(smooth._parts()))
        expected = whole > getattr(filters, f"threshold_{method}")(whole)
        assert np.array_equal(smooth.above(smooth.threshold(method)), expected)


def test_where_rounding_decides_the_whole_picture_is_looked_at(monkeypatch):
    # The mean is a grey value, and so are the next thresholds nearly.
    plane = np.tile(np.repeat([0.0, 0.25, 0.5, 0.75, 1.0], 10), (30, 1))
    assert thresholds.li(lambda: iter([plane]), 0.0, 1.0) is None
    monkeypatch.setattr(strips, "PIXELS", 50)
    smooth = threshold._Smooth(plane, 0, "bright")
    whole = np.concatenate(list(smooth._parts()))
    assert smooth.threshold("li") == filters.threshold_li(whole)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("size", [1, 2, 3, 334, 1001])
def test_percentiles_are_those_of_numpy(dtype, size):
    plane = np.random.default_rng(size).normal(100, 20, (size, 3)).astype(dtype)
    found = threshold._Ordered(plane, (1, 50, 99.8))
    assert [found.percentile(1), found.percentile(99.8)] == list(np.percentile(plane, (1, 99.8)))
    assert found.percentile(50, np.sqrt) == np.median(np.sqrt(plane))


@pytest.mark.parametrize("corners", [True, False])
@pytest.mark.parametrize("rows", [1, 3, 40])
def test_components_are_those_of_the_whole_picture(monkeypatch, corners, rows):
    monkeypatch.setattr(strips, "PIXELS", 50 * rows)
    for seed in range(5):
        picture = np.random.default_rng(seed).random((40, 50)) < (0.45, 0.6, 0.1, 0, 1)[seed]
        found = Components(picture.shape, picture.__getitem__, corners=corners)
        numbers = np.concatenate([part for _, part in found.parts()])
        whole, number = ndimage.label(picture, np.ones((3, 3)) if corners else None)
        assert len(found.sizes) == number + 1
        pairs = np.unique(np.stack([whole.ravel(), numbers.ravel()]), axis=1)
        assert pairs.shape[1] == len(np.unique(whole)) == len(np.unique(pairs[1]))
        same = dict(pairs.T.tolist())
        edges = {*whole[0], *whole[-1], *whole[:, 0], *whole[:, -1]} - {0}
        assert {same[each] for each in edges} == set(np.flatnonzero(found.at_edge))
        sizes = np.bincount(whole.ravel())
        assert all(found.sizes[same[each]] == sizes[each] for each in range(1, number + 1))


@pytest.mark.parametrize("rows", [1, 9, 50])
def test_pieces_that_go_down_and_up_again_are_split_once(monkeypatch, rows):
    plane = np.zeros((120, 60), bool)
    plane[4:100, 5:12] = plane[90:100, 5:40] = plane[30:100, 33:40] = True
    plane[31, 50:55] = plane[29:119, 58] = plane[119, 3] = True
    whole = np.concatenate(list(pieces.split(plane, 9, 3)))
    monkeypatch.setattr(pieces, "WINDOW", 60 * rows)
    monkeypatch.setattr(pieces, "_FURTHER", 2)
    parts = list(pieces.split(plane, 9, 3))
    assert len(parts) == -(-120 // rows) and whole.max() > 3
    assert np.array_equal(np.concatenate(parts), whole)
    # A single pixel is no cell.
    plane[119, 3] = False
    assert np.array_equal(whole > 0, plane)


def test_middles_that_are_even_are_split_with_all_of_their_window(monkeypatch):
    # Two like discs that touch, over and over, in different places beside each other.
    plane = np.zeros((240, 200), bool)
    random = np.random.default_rng(0)
    for row, column in itertools.product(range(8, 232, 17), range(8, 170, 34)):
        radius, down, right = *random.integers(4, 8, 1), *random.integers(-1, 2, 2)
        for side in (-1, 1):
            at = row + down, column + right + 6 + side * (radius - 1)
            plane[disk(at, radius, shape=plane.shape)] = True
    monkeypatch.setattr(pieces, "WINDOW", 200 * 120)
    together = np.concatenate(list(pieces.split(plane, 6, 3)))
    monkeypatch.setattr(pieces, "_LEAST_ROWS", 7)
    monkeypatch.setattr(strips, "PIXELS", 1)
    parts = list(pieces.split(plane, 6, 3))
    assert len(parts) == 2 * 18 and together.max() > 100
    assert np.array_equal(np.concatenate(parts), together)


@pytest.mark.parametrize(
    ("side", "method"), [(900, "otsu"), (1200, "otsu"), (1200, "li"), (1200, "triangle")]
)
def test_a_picture_takes_few_bytes_for_each_of_its_pixels(configure, monkeypatch, side, method):
    # As a large picture has many windows.
    monkeypatch.setattr(strips, "PIXELS", side * 10)
    monkeypatch.setattr(pieces, "WINDOW", side * 10)
    monkeypatch.setattr(threshold, "LOOKED_AT", side // 2)
    loaded = threshold.load(configure(segmentation={"method": method}).settings["segmentation"])
    plane = many_rods(side, 4000)

    def bytes_of(step, *given):
        made = []
        peak = peak_of(lambda: made.append(step(loaded, *given)))
        return made[0], peak / plane.size

    def last_of(*given):
        return max(int(part.max()) for part in threshold.parts_of_masks(*given))

    # The picture itself, 2, and what was made before, 1, are in memory besides; labels are nowhere as a whole.
    found, predicting = bytes_of(threshold.predict, [plane])
    cells, making = bytes_of(last_of, found)
    _, doubting = bytes_of(threshold.unclear, [plane], found)
    _, dropping = bytes_of(threshold.dropped, found)
    taken = [predicting + 2, making + 1, doubting + 3, dropping + 1]
    assert cells > 50 and max(taken) < 9, "bytes per pixel"
