from __future__ import annotations

import weakref
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from segmake.images.field_of_view import FieldOfView
from segmake.labels.labels import LabelStack, LabelWriter
from segmake.labels.pictures import (
    CELL_COLORS,
    GAP,
    Frame,
    draw_outlines,
    evenly_spread,
    stretch,
    write_field,
    write_pictures,
    write_strip,
)


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
    outlined = draw_outlines(np.full((20, 30), 90, np.uint8), labels, colors=[(255, 0, 0)])
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


def colony(index: int, size: int = 100, height: int = 100) -> Frame:
    """Return a frame of a movie in which cell 1 moves, and cell 70,002 appears at the fourth frame."""
    labels = np.zeros((height, size), np.uint32)
    labels[10:14, 5 + index : 11 + index] = 1
    if index >= 3:
        labels[2:8, 2:5] = 70_002
    return Frame(np.where(labels > 0, 900.0, 100.0 + index), labels, f"t {index + 1}")


def colors_of(image: Image.Image) -> set[tuple[int, ...]]:
    return {tuple(pixel) for pixel in np.asarray(image.convert("RGB")).reshape(-1, 3).tolist()}


def test_a_cell_has_one_colour_in_all_frames_of_a_strip(tmp_path):
    files = paths(tmp_path)
    write_strip(colony, 4, **files, colors=CELL_COLORS)
    strip = Image.open(files["picture"])
    width = 200 + 2 * GAP  # a panel of 100 pixels is drawn twice as large
    assert strip.width == 4 * width - 2 * GAP
    frames = [strip.crop((n * width, 0, n * width + 200, strip.height)) for n in range(4)]
    first, second = CELL_COLORS[0], CELL_COLORS[70_001 % len(CELL_COLORS)]
    assert all(first in colors_of(frame) for frame in frames)
    assert [second in colors_of(frame) for frame in frames] == [False, False, False, True]
    before = strip.crop((0, 0, strip.width, strip.height - 200))
    assert not colors_of(before) & set(CELL_COLORS)


def test_the_same_grey_value_is_equally_bright_in_all_frames(tmp_path):
    files = paths(tmp_path)
    plane = np.tile(np.arange(64.0), (64, 1))
    write_strip(lambda n: Frame(plane + 64 * n, np.zeros((64, 64), int), ""), 2, **files)
    left, right = np.split(np.asarray(Image.open(files["picture"]).convert("L"))[-256:], 2, axis=1)
    assert left[:, :256].max() < right[:, -256:].min()
    assert left[:, 200].mean() < right[:, -1].mean() / 2


def test_frames_are_read_one_at_a_time_and_few_of_them(tmp_path):
    asked, alive = [], []

    def read(index: int) -> Frame:
        assert sum(earlier() is not None for earlier in alive) <= 1
        asked.append(index)
        frame = colony(0, 1700, 1700)
        alive.append(weakref.ref(frame.plane))
        return frame

    write_strip(read, 1000, **paths(tmp_path))
    assert asked == [0, 200, 400, 599, 799, 999] == evenly_spread(1000, 6)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "frame",
    [
        Frame(np.full((16, 16), 7, np.uint16), np.zeros((16, 16), np.uint16), "t 1 · 1,055 min"),
        Frame(np.eye(3, 5000, dtype=bool), np.zeros((3, 5000), np.uint16), "z 1"),
        Frame(np.eye(5000, 3), np.ones((5000, 3), np.uint32) * 70_000, "t 1"),
        Frame(np.full((20, 20), np.nan), np.ones((20, 20), int), ""),
    ],
)
def test_strips_of_unusual_frames(tmp_path, frame):
    files = {**paths(tmp_path), "movie": tmp_path / "a.webp"}
    write_strip(lambda _: frame, 3, **files)
    for file in files.values():
        with Image.open(file) as image:
            image.load()
    assert not list(tmp_path.rglob(".*part*"))


def test_the_movie_moves(tmp_path):
    movie = tmp_path / "a.webp"
    write_strip(lambda n: colony(n)._replace(caption=""), 9, **paths(tmp_path), movie=movie)
    moving = Image.open(movie)
    assert moving.n_frames == 9
    frames = []
    for number in range(9):
        moving.seek(number)
        frames.append(np.asarray(moving.convert("L"), int))
    assert all((abs(b - a) > 60).any() for a, b in pairwise(frames))


def test_the_strip_of_a_movie_of_stacks_shows_the_slice_in_focus(tmp_path):
    """Time points 3 and 5 of five, slices 2 and 4 of four; the second slice of these is in focus."""
    shown = []

    def channel(index: int, time: int, place: int) -> np.ndarray:
        shown.append((index, time, place))
        return colony(time).plane * (3 if place == 1 else 1)

    field = SimpleNamespace(
        header=SimpleNamespace(interval_s=300.0),
        selection=SimpleNamespace(channel=1, times=(2, 4), slices=(1, 3), depth=2),
        channel=channel,
    )
    labels = SimpleNamespace(times=2, depth=2, striped=lambda time, place: colony(time).labels)
    write_field(field, labels, **paths(tmp_path), linked=True)
    assert shown[-2:] == [(1, 0, 1), (1, 1, 1)]
    assert colors_of(Image.open(paths(tmp_path)["picture"])) >= {CELL_COLORS[0]}


def test_a_real_movie_of_stacks(tmp_path, shared, configure):
    path = shared / "tiff" / "derived_cluster_TZCYX.ome.tif"  # 3 time points, 10 slices, 2 channels
    images = configure(images={"channel": 1, "z": "all"}).typed.images
    with LabelWriter(tmp_path / "labels.tif", times=3, depth=10) as writer:
        for _ in range(30):
            writer.add(np.pad(np.ones((11, 18), np.uint16), 10))
    files = {**paths(tmp_path), "movie": tmp_path / "a.webp"}
    with FieldOfView(path, 0, images) as field, LabelStack(tmp_path / "labels.tif") as labels:
        write_field(field, labels, **files, linked=False)
    assert Image.open(files["movie"]).n_frames == 3
    panel = 6 * 38
    assert Image.open(files["picture"]).width == 3 * panel + 2 * 2 * GAP
    assert orange(files["picture"]).any() and orange(files["after"]).any()
