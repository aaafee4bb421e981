from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segmake.pictures import draw_outlines, stretch, write_pictures


def paths(folder: Path) -> dict[str, Path]:
    return {
        "picture": folder / "été" / "a.png",
        "before": folder / "thumbs" / "a.before.jpg",
        "after": folder / "thumbs" / "a.after.jpg",
    }


def orange(image: Path) -> np.ndarray:
    red, _, blue = np.moveaxis(np.asarray(Image.open(image).convert("RGB"), int), -1, 0)
    return red - blue > 100


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.uint32, np.float16, np.float64])
def test_stretch_uses_black_and_white_whatever_the_type(dtype):
    plane = (np.arange(64 * 64).reshape(64, 64) % 100 > 50).astype(dtype)
    assert set(np.unique(stretch(plane))) == {0, 255}


def test_stretch_is_not_misled_by_one_hot_pixel():
    plane = np.random.default_rng(0).normal(1000, 100, (100, 100))
    plane[50, 50] = 60_000
    assert 80 < np.median(stretch(plane)) < 170


def test_stretch_shows_the_few_pixels_that_differ():
    plane = np.zeros((500, 500), np.uint16)
    plane[7, 7] = 900
    assert stretch(plane)[7, 7] == 255


@pytest.mark.filterwarnings("error")
def test_stretch_survives_what_cameras_and_exports_do():
    plane = np.linspace(0, 1, 10_000).reshape(100, 100)
    plane[0, 0], plane[0, 1], plane[0, 2] = np.nan, np.inf, -np.inf
    grey = stretch(plane)
    assert grey[0, :3].tolist() == [0, 255, 0]
    assert grey[50, 50] > 100
    assert stretch(np.full((4, 4), np.nan)).max() == 0
    assert np.ptp(stretch(np.full((4, 4), 65535, np.uint16))) == 0


def test_outlines_keep_touching_cells_apart_and_leave_their_insides():
    labels = np.zeros((20, 30), int)
    labels[4:16, 5:11] = 1
    labels[4:16, 11:17] = 2  # touches cell 1
    outlined = draw_outlines(np.full((20, 30), 90, np.uint8), labels, color=(255, 0, 0))
    lines = (outlined == (255, 0, 0)).all(-1)
    assert lines[5:15, 10:12].all()
    assert not lines[5:15, 6:10].any() and not lines[5:15, 12:16].any()
    assert not lines[labels == 0].any()
    assert (outlined[~lines] == 90).all()


def test_outlines_stay_sharp_in_the_thumbnail_of_a_large_image(tmp_path):
    labels = np.zeros((2400, 1800), np.uint32)
    labels[600:1200, 300:900] = 70_000
    write_pictures(np.random.default_rng(0).normal(size=labels.shape), labels, **paths(tmp_path))
    files = paths(tmp_path)
    assert Image.open(files["before"]).size == Image.open(files["after"]).size == (315, 420)
    assert orange(files["after"])[106:209, 53].all()  # the left side of the cell, unbroken
    assert not orange(files["before"]).any()
    assert Image.open(files["picture"]).size == (1536 * 2 + 6, 2048)
    panel = orange(files["picture"])
    assert panel[:, 1536 + 6 :].any() and not panel[:, :1536].any()
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("labels", [None, np.zeros((64, 64), np.uint16)])
def test_an_image_without_cells_has_pictures_too(tmp_path, labels):
    files = paths(tmp_path)
    write_pictures(np.eye(64), labels, **files)
    assert Image.open(files["after"]).size == (384, 384)  # six times as large, to be seen
    assert not orange(files["after"]).any()


def test_wide_images_are_stacked_and_very_thin_ones_are_drawn(tmp_path):
    files = paths(tmp_path)
    write_pictures(np.eye(100, 600), None, **files)
    assert Image.open(files["picture"]).size == (600, 206)
    write_pictures(np.zeros((1, 5000)), None, **files)
    assert Image.open(files["before"]).size == (420, 1)


def test_labels_of_another_image_are_refused(tmp_path):
    with pytest.raises(ValueError, match="differ in shape"):
        write_pictures(np.eye(64), np.zeros((32, 32), int), **paths(tmp_path))
