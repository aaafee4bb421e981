from __future__ import annotations

import json
import subprocess
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from roifile import ROI_TYPE, roiread

from segmake.core import output_files
from segmake.core.output_files import KINDS, TABLE_KINDS
from segmake.formats import open_image
from segmake.labels import exports as outputs
from segmake.labels.labels import LabelStack, write_masks
from segmake.messages import Problem


class View:
    """Stands for a field of view: planes of the size of a mask."""

    def __init__(self, stack: LabelStack, dtype: str = "uint16") -> None:
        rng = np.random.default_rng(1)
        self.pixels = rng.integers(0, 200, (stack.times, stack.depth, *stack.shape[-2:]))
        self.pixels = self.pixels.astype(dtype)

    def planes(self, time: int, depth: int = 0) -> list[np.ndarray]:
        return [self.pixels[time, depth], np.zeros_like(self.pixels[0, 0])]


@pytest.fixture
def make(tmp_path):
    """Write a mask, and open it."""
    opened = []

    def write(labels: np.ndarray, axes: str = "YX", **about: float) -> LabelStack:
        path = tmp_path / f"{len(opened)}_masks.ome.tif"
        planes = labels.reshape(-1, *labels.shape[-2:])
        write_masks(path, planes, axes=axes, shape=labels.shape, name="a", **about)
        opened.append(LabelStack(path))
        return opened[-1]

    yield write
    for stack in opened:
        stack.close()


def cells(*stacked: int, size: tuple[int, int] = (24, 30)) -> np.ndarray:
    """Draw two cells that touch and one apart, in another place on each plane."""
    planes = []
    for index in range(int(np.prod(stacked))):
        plane = np.zeros(size, int)
        plane[2:7, 3:9], plane[7:9, 3:6], plane[15:20, 20:21] = 1, 2, 300
        planes.append(np.roll(plane, index, axis=1))
    return np.reshape(planes, (*stacked, *size))


def filled(paths: list[np.ndarray], size: tuple[int, ...]) -> np.ndarray:
    """Return which pixels lie within outlines that run along edges of pixels."""
    inside = np.zeros(size, bool)
    for path in paths:
        for (x, y), (_, to) in zip(path, np.roll(path, -1, axis=0), strict=True):
            inside[min(y, to) : max(y, to), x:] ^= True
    return inside


def drawn(plane: np.ndarray) -> np.ndarray:
    again = np.zeros_like(plane)
    for number, paths in outputs.outlines(plane):
        inside = filled(paths, plane.shape)
        assert not again[inside].any()
        again[inside] = number
    return again


def test_the_outlines_hold_the_pixels_of_real_cells(shared):
    paths = sorted((shared / "bacteria").glob("*_masks.tif"))
    for path in paths:
        plane = tifffile.imread(path).astype(int)
        assert np.array_equal(drawn(plane), plane), path.name
    assert len(paths) > 20


@settings(max_examples=60)
@given(
    arrays.arrays(
        np.uint32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 3)
    ),
    st.sampled_from([1, 70_000]),
)
def test_the_outlines_hold_the_pixels_of_whatever_is_called_a_cell(plane, factor):
    assert np.array_equal(drawn(plane * factor), plane * factor)


def test_an_outline_has_no_more_corners_than_it_needs():
    plane = np.zeros((9, 9), int)
    plane[2:5, 3:8] = 7
    ((number, (path,)),) = outputs.outlines(plane)
    assert number == 7 and len(path) == 4
    assert set(map(tuple, path.tolist())) == {(3, 2), (8, 2), (8, 5), (3, 5)}


def test_rois_are_named_and_placed(tmp_path, make):
    places = {
        "YX": [("", 0, 0, 0)],
        "TYX": [(f"_t{t}", t, 0, 0) for t in (1, 2, 3)],
        "ZYX": [(f"_z{z}", z, 0, 0) for z in (1, 2, 3)],
        "TZYX": [(f"_t{t}_z{z}", 0, t, z) for t, z in product((1, 2), (1, 2, 3))],
    }
    for axes, expected in places.items():
        stacked = {"YX": (), "TZYX": (2, 3)}.get(axes, (3,))
        stack = make(cells(*stacked), axes)
        files = output_files.files("rois", tmp_path, f"day1/{axes}.nd2 (p3)")
        assert files == (tmp_path / "rois" / "day1" / f"{axes}_p3_rois.zip",)
        outputs.write("rois", tmp_path, f"day1/{axes}.nd2 (p3)", stack, View(stack))
        rois = roiread(files[0])
        found = [(roi.name, roi.position, roi.t_position, roi.z_position) for roi in rois]
        assert found == [
            (f"{number}{name}", *place) for name, *place in expected for number in (1, 2, 300)
        ]
        planes = list(stack.planes())
        for index, roi in enumerate(rois):
            inside = filled(roi.coordinates(multi=True), planes[0].shape)
            assert np.array_equal(inside, planes[index // 3] == (1, 2, 300)[index % 3])


def test_a_cell_of_two_pieces_and_one_with_a_hole_are_each_one_roi(tmp_path, make):
    plane = cells()
    plane[2:4, 25:27], plane[4, 5] = 1, 0
    plane[10:13, 10:13], plane[11, 11] = 4, 0
    stack = make(plane)
    outputs.write("rois", tmp_path, "a.tif", stack, View(stack))
    rois = {roi.name: roi for roi in roiread(tmp_path / "rois" / "a_rois.zip")}
    kinds = {name: (roi.roitype, roi.composite) for name, roi in rois.items()}
    one, several = (ROI_TYPE.TRACED, False), (ROI_TYPE.RECT, True)
    assert kinds == {"1": several, "2": one, "4": several, "300": one}
    for name, roi in rois.items():
        paths = [path.astype(int) for path in roi.coordinates(multi=True)]
        assert np.array_equal(filled(paths, plane.shape), plane == int(name))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_cellpose_gets_the_planes_and_their_labels(tmp_path, make, dtype):
    for axes, stacked in {"YX": (), "TYX": (3,), "ZYX": (2,), "TZYX": (2, 3)}.items():
        stack = make(cells(*stacked), axes)
        view = View(stack, dtype)
        outputs.write("cellpose", tmp_path, f"{axes}.nd2", stack, view)
        picture, labels = output_files.files("cellpose", tmp_path, f"{axes}.nd2")
        flat = (int(np.prod(stacked)), 24, 30) if stacked else (24, 30)
        pixels = tifffile.imread(picture)
        assert pixels.dtype == dtype and np.array_equal(pixels, view.pixels.reshape(flat))
        content = np.load(labels, allow_pickle=True).item()
        assert content["filename"] == picture.name == f"{axes}.tif"
        assert content["masks"].dtype == "uint16"
        assert np.array_equal(content["masks"], cells(*stacked).reshape(flat))
        assert len(content["ismanual"]) == 3
        # Of the cell of 5 x 6 pixels, those within are no outline.
        masks, lines = content["masks"], content["outlines"]
        assert np.array_equal(lines[lines > 0], masks[lines > 0])
        assert (masks == 1).sum() - (lines == 1).sum() == 3 * 4 * len(masks.reshape(-1, 24, 30))


@pytest.mark.slow
def test_cellpose_itself_reads_them(root, tmp_path, make):
    python = root / ".environments" / "cellpose3" / "bin" / "python"
    if not python.exists():
        pytest.skip("the environment of cellpose3 is not on this machine")
    stack = make(cells(12), "TYX")
    view = View(stack)
    outputs.write("cellpose", tmp_path, "a.nd2", stack, view)
    program = """
import sys, numpy as np
from cellpose.io import imread
np.savez(sys.argv[3], pixels=imread(sys.argv[1]), masks=imread(sys.argv[2]))
"""
    files = [*output_files.files("cellpose", tmp_path, "a.nd2"), tmp_path / "read.npz"]
    subprocess.run([python, "-c", program, *files], check=True, capture_output=True)
    read = np.load(files[-1])
    assert np.array_equal(read["pixels"], view.pixels[:, 0])
    assert np.array_equal(read["masks"], cells(12))


def test_what_was_corrected_in_the_window_of_cellpose_is_never_lost(tmp_path, make):
    stack = make(cells())
    view = View(stack)
    for _ in range(2):
        outputs.write("cellpose", tmp_path, "day1/a.nd2", stack, view)
    _, labels = output_files.files("cellpose", tmp_path, "day1/a.nd2")
    # Cellpose writes down what it knows, which is not all that it read.
    saved = {"masks": cells() * 2, "outlines": cells(), "filename": "a.tif", "flows": []}
    np.save(labels, np.array(saved, dtype=object))
    work = labels.read_bytes()
    for change in (
        lambda: outputs.write("cellpose", tmp_path, "day1/a.nd2", stack, view),
        lambda: outputs.remove("cellpose", tmp_path, "day1/a.nd2"),
    ):
        with pytest.raises(Problem) as caught:
            change()
        assert caught.value.code == "SM-OUT-002" and labels.read_bytes() == work
        assert str(tmp_path / "corrections" / "day1") in str(caught.value)
    kept = tmp_path / "corrections" / "day1" / "a_seg.npy"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(work)
    outputs.write("cellpose", tmp_path, "day1/a.nd2", stack, view)
    assert labels.read_bytes() != work == kept.read_bytes()


def read_zarr(folder: Path) -> np.ndarray:
    import tensorstore

    spec = {"driver": "zarr", "kvstore": {"driver": "file", "path": str(folder)}}
    return tensorstore.open(spec).result().read().result()


def test_ome_zarr_has_the_planes_and_their_labels(tmp_path, make):
    sizes = {"pixel_size_um": 0.065, "slice_step_um": 0.3, "interval_s": 60}
    for axes, stacked in {"YX": (), "TYX": (3,), "ZYX": (2,), "TZYX": (2, 3)}.items():
        stack = make(cells(*stacked), axes, **sizes)
        view = View(stack)
        outputs.write("ome_zarr", tmp_path, f"{axes}.nd2", stack, view)
        (folder,) = output_files.files("ome_zarr", tmp_path, f"{axes}.nd2")
        assert folder.name == f"{axes}.ome.zarr"
        assert np.array_equal(read_zarr(folder / "0"), view.pixels.reshape(stack.shape))
        assert np.array_equal(read_zarr(folder / "labels" / "cells" / "0"), cells(*stacked))
        with open_image(folder) as image:
            (header,) = image.fields
            assert (header.times, header.slices) == (stack.times, stack.depth)
            assert header.pixel_size_um == 0.065
            last = (stack.times - 1, stack.depth - 1)
            plane = image.plane(0, time=last[0], slice=last[1])
            assert np.array_equal(plane, view.pixels[last])
        told = {
            name: json.loads((folder / name / ".zattrs").read_text())
            for name in (".", "labels", "labels/cells")
        }
        assert told["labels"] == {"labels": ["cells"]}
        assert told["labels/cells"]["image-label"]["source"] == {"image": "../../"}
        for name in (".", "labels/cells"):
            (scales,) = told[name]["multiscales"]
            assert "".join(axis["name"] for axis in scales["axes"]).upper() == axes
            known = {"T": 60, "Z": 0.3, "Y": 0.065, "X": 0.065}
            (transformation,) = scales["datasets"][0]["coordinateTransformations"]
            assert transformation == {"type": "scale", "scale": [known[axis] for axis in axes]}


def test_large_planes_are_there_in_smaller_sizes_too(tmp_path, make):
    plane = np.arange(1100 * 2100).reshape(1100, 2100)
    stack = make(plane)
    outputs.write("ome_zarr", tmp_path, "a.tif", stack, View(stack))
    folder = tmp_path / "ome_zarr" / "a.ome.zarr" / "labels" / "cells"
    (scales,) = json.loads((folder / ".zattrs").read_text())["multiscales"]
    assert [dataset["path"] for dataset in scales["datasets"]] == ["0", "1", "2"]
    for level, dataset in enumerate(scales["datasets"]):
        assert np.array_equal(read_zarr(folder / dataset["path"]), plane[:: 2**level, :: 2**level])
        assert dataset["coordinateTransformations"][0]["scale"] == [2.0**level] * 2
        assert "unit" not in scales["axes"][0]


def test_an_image_without_cells_has_all_outputs(tmp_path, make):
    stack = make(np.zeros((24, 30), int))
    for kind in KINDS:
        outputs.write(kind, tmp_path, "a.tif", stack, View(stack))
    assert roiread(tmp_path / "rois" / "a_rois.zip") == []
    assert not np.load(tmp_path / "cellpose" / "a_seg.npy", allow_pickle=True).item()["masks"].any()
    assert not read_zarr(tmp_path / "ome_zarr" / "a.ome.zarr" / "labels" / "cells" / "0").any()


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_are_replaced_or_stay_and_can_be_removed(tmp_path, make, monkeypatch, kind):
    def content() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def broken(stack: LabelStack, time: int = 0, depth: int = 0) -> np.ndarray:
        if time == 1:
            raise ZeroDivisionError
        return np.zeros((24, 30), np.uint16)

    first, second = make(cells(2), "TYX"), make(cells(2)[:, ::-1].copy(), "TYX")
    before = content()
    outputs.write(kind, tmp_path, "a.tif", first, View(first))
    written = content()
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(LabelStack, "plane", broken)
        outputs.write(kind, tmp_path, "a.tif", second, View(second))
    assert content() == written
    outputs.write(kind, tmp_path, "a.tif", second, View(second))
    assert content().keys() == written.keys() and content() != written
    for _ in range(2):
        outputs.remove(kind, tmp_path, "a.tif")
        assert content() == before


def test_the_config_knows_the_kinds(root):
    schema = json.loads(
        (root / "workflow" / "segmake" / "config" / "config.schema.json").read_text()
    )
    assert schema["properties"]["outputs"]["items"]["enum"] == [*KINDS, *TABLE_KINDS]
