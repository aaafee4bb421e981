from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segmake.formats import read_headers
from segmake.formats.believed import Header
from segmake.images.selection import Selection
from segmake.labels import labels
from segmake.labels.labels import LabelStack, LabelWriter, selection_notes, write_masks
from segmake.messages import Problem
from tests.unit.peak_memory import peak_of

LARGEST = (0, 1, 65_535, 65_536, 2**32 - 1)


def stack_of(times: int, depth: int, largest: int = 9, size: tuple[int, int] = (11, 7)):
    """Draw planes whose labels are all different, and the axes and shape that they have."""
    number = times * depth
    rng = np.random.default_rng(number)
    planes = rng.integers(0, min(largest, 50) + 1, (number, *size))
    planes[-1, 0, 0] = largest
    axes = "T" * (times > 1) + "Z" * (depth > 1) + "YX"
    shape = (*(n for n in (times, depth) if n > 1), *size)
    return planes, axes, shape


def save(path: Path, planes: Any, axes: str, shape: tuple[int, ...], **about: Any) -> Path:
    write_masks(path, planes, axes=axes, shape=shape, **{"name": "a.tif", **about})
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new folder" / "a_masks.ome.tif"


counts = st.integers(1, 4)


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    counts, counts, st.sampled_from(LARGEST), st.sampled_from(["int64", "uint32", "uint64", ">u4"])
)
def test_what_is_written_is_read(tmp_path, times, depth, largest, dtype):
    planes, axes, shape = stack_of(times, depth, largest)
    raw, mask = tmp_path / "raw.tif", tmp_path / "a_masks.ome.tif"
    with LabelWriter(raw, times=times, depth=depth) as writer:
        for plane in planes.astype(dtype):
            writer.add(plane)
    assert writer.largest == planes.max()
    with LabelStack(raw) as stack:
        save(mask, stack.planes(), axes, shape)
    for path in (raw, mask):
        with LabelStack(path) as stack:
            assert (stack.axes, stack.shape) == (axes, shape)
            assert (stack.times, stack.depth, stack.height, stack.width) == (times, depth, 11, 7)
            assert stack.dtype == ("uint16" if largest < 65_536 else "uint32")
            assert np.array_equal(list(stack.planes()), planes)
            assert np.array_equal(stack.plane(times - 1, depth - 1), planes[-1])
            assert np.array_equal(stack.volume(times - 1), planes[-depth:])
            with pytest.raises(IndexError):
                stack.plane(0, depth)
    with tifffile.TiffFile(mask) as file:
        assert file.is_ome and not file.is_bigtiff
        assert (file.series[0].axes, file.series[0].shape) == (axes, shape)
        assert file.pages[0].compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        assert np.array_equal(file.asarray(), planes.reshape(shape))


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (30, 1), (3, 4), (700, 300)])
@pytest.mark.parametrize("times", [1, 3, 4])
def test_any_size_is_kept(path, size, times):
    planes, axes, shape = stack_of(times, 1, size=size)
    save(path, planes, axes, shape)
    assert tifffile.imread(path).shape == shape
    with LabelStack(path) as stack:
        assert np.array_equal(list(stack.planes()), planes)


def test_the_pages_of_a_raw_file_are_as_large_as_they_need_to_be(tmp_path):
    with LabelWriter(tmp_path / "raw.tif", times=3, depth=1) as writer:
        for largest in (5, 70_000, 6):
            writer.add(np.full((4, 4), largest))
    with LabelStack(tmp_path / "raw.tif") as stack:
        assert [plane.dtype for plane in stack.planes()] == ["uint16", "uint32", "uint16"]


@pytest.mark.parametrize("size", [None, 0.065, 1.0, 0.1083333333])
def test_sizes_and_intervals_are_kept(path, size):
    planes, axes, shape = stack_of(2, 3)
    save(path, planes, axes, shape, pixel_size_um=size, slice_step_um=size, interval_s=size)
    with LabelStack(path) as stack:
        assert (stack.pixel_size_um, stack.slice_step_um, stack.interval_s) == (size, size, size)
    (header,) = read_headers(path)
    assert (header.times, header.slices, header.pixel_size_um) == (2, 3, size)
    assert header.channels == ("labels",)


def test_the_metadata_is_what_ome_defines(path):
    ome_types = pytest.importorskip("ome_types")
    planes, axes, shape = stack_of(2, 3)
    sizes = {"pixel_size_um": np.float64(0.065), "slice_step_um": 0.3, "interval_s": 60}
    notes = {"Channel": "2 of 3 (µ <GFP>)", "Diameter": 20}
    save(path, planes, axes, shape, name="day1/é.nd2 (p3)", **sizes, notes=notes)
    ome = ome_types.from_tiff(path)
    assert ome.creator.startswith("SegMake ")
    (image,) = ome.images
    assert image.name == "day1/é.nd2 (p3)"
    pixels = image.pixels
    assert (pixels.size_t, pixels.size_z, pixels.size_c) == (2, 3, 1)
    assert (pixels.physical_size_x, pixels.physical_size_x_unit.value) == (0.065, "µm")
    assert (pixels.physical_size_z, pixels.physical_size_z_unit.value) == (0.3, "µm")
    assert (pixels.time_increment, pixels.time_increment_unit.value) == (60, "s")
    assert [channel.name for channel in pixels.channels] == ["labels"]
    (annotation,) = ome.structured_annotations.map_annotations
    assert dict(annotation.value) == {"Channel": "2 of 3 (µ <GFP>)", "Diameter": "20"}
    assert image.annotation_refs[0].id == annotation.id


def test_the_same_labels_give_the_same_bytes(tmp_path):
    planes, axes, shape = stack_of(3, 1)
    given = {"first": planes, "sub/again": planes.astype(np.uint16), "third": planes[::-1]}
    made = [save(tmp_path / f"{name}.ome.tif", p, axes, shape) for name, p in given.items()]
    made.append(save(tmp_path / "other.ome.tif", planes, axes, shape, name="b.tif"))
    first, again, third, other = (path.read_bytes() for path in made)
    assert first == again
    identifiers = {tifffile.xml2dict(tifffile.tiffcomment(p))["OME"]["UUID"] for p in made}
    assert third != first != other and len(identifiers) == 3
    names = sorted(path.name for path in tmp_path.rglob("*"))
    assert names == ["again.ome.tif", "first.ome.tif", "other.ome.tif", "sub", "third.ome.tif"]


@pytest.mark.parametrize(
    "name", ["é µ 細胞.tif", "a\x00\x07\n\x1b.tif", "<&>\"'{}.tif", "\udcff.tif", "\u2028"]
)
def test_any_name_leaves_a_file_that_can_be_read(path, name):
    save(path, *stack_of(1, 1), name=name, pixel_size_um=0.1, notes={name: name})
    with LabelStack(path) as stack:
        assert stack.pixel_size_um == 0.1


def test_large_files_are_bigtiff(path, monkeypatch):
    monkeypatch.setattr(labels, "_CLASSIC_BYTES", 1000)
    planes, axes, shape = stack_of(5, 1)
    save(path, planes, axes, shape)
    with tifffile.TiffFile(path) as file:
        assert file.is_bigtiff and np.array_equal(file.asarray(), planes)


@pytest.mark.parametrize(
    "planes",
    [
        [],
        [np.zeros((11, 7), int)],
        [np.zeros((11, 7), int)] * 3,
        [np.zeros((11, 7), int), np.zeros((7, 11), int)],
        [np.zeros((11, 7), int), np.zeros((11, 7), float)],
        [np.zeros((11, 7), int), np.full((11, 7), -1)],
        [np.zeros((11, 7), int), np.full((11, 7), 2**32)],
        [np.zeros((0, 7), int)] * 2,
    ],
)
def test_planes_that_do_not_fit_leave_what_was_there(path, planes):
    before = save(path, *stack_of(2, 1)).read_bytes()
    with pytest.raises(ValueError):
        save(path, planes, "TYX", (2, 11, 7))
    with pytest.raises(ValueError), LabelWriter(path, times=2, depth=1) as writer:
        for plane in planes:
            writer.add(plane)
    assert path.read_bytes() == before and len(list(path.parent.iterdir())) == 1


def test_a_writer_that_is_left_leaves_nothing(tmp_path):
    path = tmp_path / "folder" / "raw.tif"
    with pytest.raises(ZeroDivisionError), LabelWriter(path, times=1, depth=1) as writer:
        writer.add(np.ones((3, 3), int))
        _ = 1 / 0
    abandoned = LabelWriter(path, times=2, depth=1)
    abandoned.add(np.ones((3, 3), int))
    assert not path.exists()
    abandoned.abandon()
    assert list(path.parent.iterdir()) == []
    closed = LabelWriter(path, times=1, depth=1)
    closed.add(np.ones((3, 3), int))
    closed.close()
    closed.abandon()
    assert list(path.parent.iterdir()) == [path]


def test_memory_does_not_grow_with_the_length_of_a_movie(path):
    plane = np.arange(512 * 512, dtype=np.uint16).reshape(512, 512)

    def write_and_read(times: int) -> None:
        save(path, (plane for _ in range(times)), "TYX", (times, 512, 512))
        with LabelStack(path) as stack:
            for _ in stack.planes():
                pass

    few, many = (peak_of(partial(write_and_read, times)) for times in (4, 40))
    assert many < 1.3 * few


def test_what_is_no_label_file_is_told(tmp_path):
    good = save(tmp_path / "good.ome.tif", *stack_of(4, 1, size=(300, 300)))
    bad = tmp_path / "bad.ome.tif"
    contents = [b"", b"text", good.read_bytes()[: good.stat().st_size // 2]]

    def foreign(dtype: str, axes: str) -> None:
        pages = np.zeros((2, 9, 9), dtype)
        tifffile.imwrite(bad, pages, ome=True, metadata={"axes": axes}, photometric="minisblack")

    for write in [
        *(lambda content=content: bad.write_bytes(content) for content in contents),
        lambda: tifffile.imwrite(bad, np.zeros((4, 4), np.uint16), ome=False),
        lambda: foreign("float32", "TYX"),
        lambda: foreign("uint16", "CYX"),
        bad.unlink,
    ]:
        write()
        with pytest.raises(Problem) as caught, LabelStack(bad) as stack:
            list(stack.planes())
        assert caught.value.code == "SM-OUT-001" and caught.value.where == str(bad)
        assert str(caught.value)


def test_the_selection_is_told():
    movie = Header(9, 9, 5, 3, ("Phase", "GFP"), False, "uint16", None)
    image = Header(9, 9, 1, 1, ("1",), False, "uint16", None)
    chosen = [
        (movie, Selection(0, None, (0, 1, 2, 3, 4), (1,), None)),
        (movie, Selection(1, 0, (0, 2), (0, 1, 2), "max")),
        (image, Selection(0, None, (0,), (0,), None)),
    ]
    notes = [selection_notes(SimpleNamespace(header=h, selection=s)) for h, s in chosen]
    assert notes == [
        {"Channel": "1 of 2 (Phase)", "Time points": "all 5", "Slices": "2 of 3"},
        {
            "Channel": "2 of 2 (GFP)",
            "Second channel": "1 of 2 (Phase)",
            "Time points": "1 to 3 of 5, step 2",
            "Slices": "all 3",
            "Projection": "max",
        },
        {"Channel": "1 of 1 (1)"},
    ]


@pytest.mark.parametrize("engine", ["cellpose", "cellpose3", "omnipose"])
def test_the_environments_of_the_engines_write_what_this_one_reads(root, tmp_path, engine):
    python = root / ".environments" / engine / "bin" / "python"
    if not python.exists():
        pytest.skip(f"the environment of {engine} is not on this machine")
    program = """
import sys, numpy as np
from pathlib import Path
from segmake.labels.labels import LabelWriter
with LabelWriter(Path(sys.argv[1]), times=2, depth=1) as writer:
    writer.add(np.eye(5, dtype=np.int32))
    writer.add(np.eye(5, dtype=np.int32) * 70_000)
"""
    path = tmp_path / "raw.tif"
    environment = {"PYTHONPATH": str(root / "workflow")}
    subprocess.run([python, "-c", program, path], check=True, env=environment)
    with LabelStack(path) as stack:
        assert np.array_equal(list(stack.planes()), [np.eye(5), np.eye(5) * 70_000])
