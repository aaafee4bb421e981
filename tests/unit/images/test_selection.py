"""What the config selects of a field of view."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from segmake.core.settings import Images
from segmake.formats.believed import Header
from segmake.images.field_of_view import FieldOfView
from segmake.images.selection import AXES, channel_index, chosen, has_channel, interpreted, select
from segmake.messages import Problem

NOTHING = Images()
CHANNELS = ("Phase", "GFP", "gfp", "488", "2")
GREY = {"photometric": "minisblack"}


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "image.tif"


def header(*, channels=("GFP",), times=1, slices=1, unnamed=1, color=False) -> Header:
    return Header(8, 6, times, slices, channels, color, "uint16", None, unnamed)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 60_000, shape).astype(np.uint16)


def write(path: Path, written: np.ndarray, axes: str) -> None:
    tifffile.imwrite(path, written, ome=True, metadata={"axes": axes}, **GREY)


def code_of(path: Path, position: int = 0, **images) -> str:
    with pytest.raises(Problem) as caught:
        with FieldOfView(path, position, Images.of(images)) as field:
            field.planes(0)
    assert caught.value.what and caught.value.remedy
    return caught.value.code


# ------------------------------------------------------------------------------------------------ from the header


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (1, 0),
        (5, 4),
        ("phase", 0),
        ("PHASE", 0),
        ("488", 3),
        (488, 3),  # YAML makes a number of a name that is one
        ("2", 4),
        ("GFP", "SM-IMG-012"),
        ("RFP", "SM-IMG-010"),
        (6, "SM-IMG-010"),
        (None, "SM-IMG-011"),
    ],
)
def test_which_channel_is_meant(wanted, expected):
    try:
        assert channel_index(header(channels=CHANNELS), wanted, Path("a.tif")) == expected
    except Problem as problem:
        assert problem.code == expected
        assert "4 (488)" in str(problem.values["channels"])
    if wanted is not None:
        assert has_channel(header(channels=CHANNELS), wanted) == isinstance(expected, int)


def test_the_only_channel_needs_no_name():
    assert channel_index(header(), None, Path("a.tif")) == 0


@given(
    number=st.integers(1, 30),
    first=st.integers(1, 35),
    last=st.integers(1, 35),
    step=st.integers(1, 5),
)
def test_a_range_has_its_ends_and_nothing_that_is_not_there(number, first, last, step):
    there = range(1, number + 1)
    assert [n + 1 for n in chosen([first, last], number)] == [
        n for n in there if first <= n <= last
    ]
    every = [n for n in there if first <= n <= last and (n - first) % step == 0]
    assert [n + 1 for n in chosen([first, last, step], number)] == every
    assert chosen(first, number) == ((first - 1,) if first <= number else ())
    assert chosen("all", number) == chosen(None, number) == tuple(range(number))


@pytest.mark.parametrize(
    ("there", "images", "expected"),
    [
        ({}, {}, ("YX", (0,), (0,), None)),
        ({"times": 3}, {}, ("TYX", (0, 1, 2), (0,), None)),
        ({"times": 3}, {"time": "all"}, ("TYX", (0, 1, 2), (0,), None)),
        ({"times": 9}, {"time": [3, 20, 3]}, ("TYX", (2, 5, 8), (0,), None)),
        ({"times": 9}, {"time": 4}, ("YX", (3,), (0,), None)),
        ({"times": 3}, {"time": 4}, "SM-IMG-021"),
        ({"times": 3}, {"time": [4, 9]}, "SM-IMG-021"),
        ({"slices": 3}, {}, "SM-IMG-022"),
        ({"slices": 3}, {"z": 2}, ("YX", (0,), (1,), None)),
        ({"slices": 3}, {"z": 4}, "SM-IMG-023"),
        ({"slices": 3}, {"z": "all"}, ("ZYX", (0,), (0, 1, 2), None)),
        ({"slices": 3}, {"z": "max"}, ("YX", (0,), (0, 1, 2), "max")),
        ({"slices": 3, "times": 2}, {"z": "all"}, ("TZYX", (0, 1), (0, 1, 2), None)),
        ({"slices": 3, "times": 2}, {"z": "best_focus"}, ("TYX", (0, 1), (0, 1, 2), "best_focus")),
        ({}, {"z": "max"}, ("YX", (0,), (0,), None)),  # 2D images beside z-stacks
        ({}, {"z": "all"}, ("YX", (0,), (0,), None)),
        ({"unnamed": 3}, {}, "SM-IMG-025"),
        ({"unnamed": 3}, {"pages": "time"}, ("TYX", (0, 1, 2), (0,), None)),
        ({"unnamed": 3}, {"pages": "z"}, "SM-IMG-022"),
        ({"unnamed": 3}, {"pages": "z", "z": "mean"}, ("YX", (0,), (0, 1, 2), "mean")),
        ({"unnamed": 3}, {"pages": "channel"}, "SM-IMG-011"),
        ({"unnamed": 3}, {"pages": "channel", "channel": 3}, ("YX", (0,), (0,), None)),
        ({"unnamed": 3, "times": 2}, {"pages": "time"}, "SM-IMG-025"),
    ],
)
def test_what_is_selected(there, images, expected):
    try:
        found = select(header(**there), Images.of(images), Path("a.tif"))
    except Problem as problem:
        assert problem.code == expected and problem.what and problem.remedy
        return
    assert (found.axes, found.times, found.slices, found.projection) == expected
    assert found.depth == (1 if found.projection else len(found.slices))


def test_pages_become_what_the_config_says():
    pages = header(unnamed=3)
    assert interpreted(pages, Images.of({"pages": "time"})).times == 3
    assert interpreted(pages, Images.of({"pages": "z"})).slices == 3
    assert interpreted(pages, Images.of({"pages": "channel"})).channels == ("1", "2", "3")
    assert interpreted(pages, Images.of({"pages": None})) == pages
    assert interpreted(header(times=2), Images.of({"pages": "z"})) == header(times=2)


@pytest.mark.parametrize("axes", AXES)
def test_axes_that_the_file_names_wrongly(path, axes):
    """Each plane is where the config says it is, also where the file has several of both; other files stay as they are."""
    written = noise(2, 3, 4, 16, 20)
    write(path, written, "TZCYX")
    places = {"time": 0, "slice": 1, "channel": 2}
    one, other = (places[name] for name in AXES[axes])
    expected = written.swapaxes(one, other)
    with FieldOfView(path, 0, Images.of({"channel": 1, "z": "all", "axes": axes})) as field:
        read = field.header
        assert (read.times, read.slices, len(read.channels)) == expected.shape[:3]
        for time, depth, channel in np.ndindex(expected.shape[:3]):
            assert np.array_equal(
                field.channel(channel, time, depth), expected[time, depth, channel]
            )
    several = {"times": 5, "slices": 5, "channels": ("a", "b")}
    one_alone = {"times": 1, "slices": 1, "channels": ("a",)}
    said, right = (
        {"time": "times", "slice": "slices"}.get(role, "channels") for role in AXES[axes]
    )
    plain = header(**{said: one_alone[said], right: several[right]})
    assert interpreted(plain, Images.of({"pages": None, "axes": axes})) == plain


def test_the_interval_of_a_movie_that_was_saved_as_slices(path):
    """ImageJ says it, whatever the axis is called; of a stack that stays one it is no interval."""
    metadata = {"axes": "ZYX", "finterval": 30.0}
    tifffile.imwrite(path, noise(4, 16, 20), imagej=True, metadata=metadata)
    images = Images.of({"z": "all"})
    with FieldOfView(path, 0, images) as stack:
        assert (stack.header.slices, stack.header.interval_s) == (4, None)
    with FieldOfView(path, 0, replace(images, axes="slices_are_times")) as movie:
        assert (movie.header.times, movie.header.interval_s) == (4, 30.0)


# ------------------------------------------------------------------------------------------------ pixels


def test_the_planes_of_a_movie(path):
    written = noise(5, 2, 16, 20)
    write(path, written, "TCYX")
    images = Images.of({"channel": 2, "second_channel": 1, "time": [2, 5, 2]})
    with FieldOfView(path, 0, images) as field:
        assert field.selection.axes == "TYX" and field.selection.times == (1, 3)
        for index, time in enumerate((1, 3)):
            first, second = field.planes(index)
            assert np.array_equal(first, written[time, 1])
            assert np.array_equal(second, written[time, 0])


def test_the_slices_of_a_stack(path):
    written = noise(2, 3, 2, 16, 20)
    write(path, written, "TZCYX")
    with FieldOfView(path, 0, Images.of({"channel": 1, "z": "all"})) as field:
        for time, depth in np.ndindex(2, 3):
            assert np.array_equal(field.planes(time, depth)[0], written[time, depth, 0])
            assert np.array_equal(field.channel(1, time, depth), written[time, depth, 1])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_projections(path, dtype):
    written = (noise(2, 3, 16, 20) >> 8).astype(dtype)
    write(path, written, "TZYX")
    for z, expected in (("max", written.max(1)), ("mean", written.mean(1)), (2, written[:, 1])):
        with FieldOfView(path, 0, Images.of({"z": z})) as field:
            for time in range(2):
                (plane,) = field.planes(time)
                assert plane.dtype == ("float32" if z == "mean" else dtype)
                assert np.allclose(plane, expected[time], rtol=1e-6)


def test_best_focus_takes_the_sharp_slice_of_each_time_point_for_all_channels(path):
    random = np.random.default_rng(1)
    cells = ndimage.gaussian_filter(random.random((96, 96)), 1.2)
    cells = 1000 * (cells - cells.min()) / np.ptp(cells)
    blurred = [ndimage.gaussian_filter(cells, width) for width in (4, 2, 0, 2, 4)]
    # The second time point is in focus one slice later; noise is in every slice.
    stack = np.stack([blurred, np.roll(blurred, 1, axis=0)])
    stack += random.normal(0, 40, stack.shape)
    written = np.stack([stack, stack[:, ::-1]], axis=2).astype(np.float32)
    write(path, written, "TZCYX")
    with FieldOfView(path, 0, Images.of({"channel": 1, "z": "best_focus"})) as field:
        for time, sharp in ((0, 2), (1, 3)):
            assert np.array_equal(field.planes(time)[0], written[time, sharp, 0])
            assert np.array_equal(field.channel(1, time), written[time, sharp, 1])


@pytest.mark.parametrize("pages", ["time", "z", "channel"])
def test_pages_are_read_as_what_the_config_says(path, pages):
    written = noise(3, 16, 20)
    tifffile.imwrite(path, written, **GREY)
    assert code_of(path) == "SM-IMG-025"
    images = Images.of({"pages": pages, "z": "all", "channel": 3 if pages == "channel" else 1})
    with FieldOfView(path, 0, images) as field:
        found = {
            "time": lambda: [field.planes(page)[0] for page in range(3)],
            "z": lambda: [field.planes(0, page)[0] for page in range(3)],
            "channel": lambda: [field.channel(page, 0) for page in range(3)],
        }[pages]()
        assert np.array_equal(found, written)
        if pages == "channel":
            assert np.array_equal(field.planes(0)[0], written[2])


def test_positions_of_a_file(path):
    written = noise(3, 16, 20)
    with tifffile.TiffWriter(path, ome=True) as file:
        for plane in written:
            file.write(plane)
    for position in range(3):
        with FieldOfView(path, position, NOTHING) as field:
            assert np.array_equal(field.planes(0)[0], written[position])
    assert code_of(path, 3) == "SM-IMG-024"


def test_what_is_no_number_becomes_the_smallest(path):
    tifffile.imwrite(path, np.array([[np.nan, 2.0], [-3.0, np.inf]], np.float32))
    with FieldOfView(path, 0, NOTHING) as field:
        assert field.planes(0)[0].tolist() == [[-3.0, 2.0], [-3.0, -3.0]]
    tifffile.imwrite(path, np.full((2, 2), np.nan, np.float32))
    assert code_of(path) == "SM-IMG-014"


def test_a_real_file_of_nothing_but_nan(shared):
    path = shared / "tiff/psf_float32_nan.tif"
    assert code_of(path) == "SM-IMG-025"
    assert code_of(path, pages="z", z="max") == "SM-IMG-014"


@pytest.mark.parametrize("samples", [3, 4])
def test_a_colour_picture_without_colour_is_grey(path, samples):
    grey = noise(6, 8).astype("uint8")
    picture = np.dstack([grey] * samples)
    picture[..., 3:] = 255
    tifffile.imwrite(path, picture, photometric="rgb", extrasamples=["unassalpha"] * (samples - 3))
    with FieldOfView(path, 0, NOTHING) as field:
        assert np.array_equal(field.planes(0)[0], grey)


def test_a_colour_picture_needs_a_channel(path):
    picture = noise(6, 8, 3).astype("uint8")
    tifffile.imwrite(path, picture, photometric="rgb")
    assert code_of(path) == "SM-IMG-013"
    for channel in ("Green", 2):
        with FieldOfView(path, 0, Images.of({"channel": channel})) as field:
            assert np.array_equal(field.planes(0)[0], picture[..., 1])


def test_a_two_channel_image_is_not_taken_for_colours(path):
    tifffile.imwrite(path, noise(6, 8, 2), planarconfig="contig", **GREY)
    assert code_of(path) == "SM-IMG-011"


def test_the_file_is_closed_whatever_is_wrong(path):
    def is_open() -> bool:
        links = Path("/proc/self/fd").iterdir()
        return any(link.is_symlink() and link.readlink() == path for link in links)

    write(path, noise(3, 16, 20), "ZYX")
    assert code_of(path) == "SM-IMG-022" and not is_open()
    field = FieldOfView(path, 0, Images.of({"z": 1}))
    assert is_open()
    field.close()
    field.close()
    assert not is_open()
