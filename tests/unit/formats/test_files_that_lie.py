"""Files that are not what they seem: of another format, cut off, never finished, without their index."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

from segmake.formats import open_image, read_headers
from segmake.images.inventory import take_inventory, write_inventory
from segmake.messages import Problem, Problems
from tests.unit.formats.reading import GREY, header_of, pixels, problem_of, read_all
from tests.unit.tiff_files import (
    document,
    image_xml,
    write_micromanager,
    write_ndtiff,
    write_pages,
)


@pytest.mark.parametrize("name", ["a.tif", "a.TIFF", "a.nd2"])
@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "SM-IMG-002"),
        (b"Date;Cells\n1;2\n", "SM-IMG-003"),
        (bytes(range(256)) * 64, "SM-IMG-003"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "SM-IMG-005"),
        (b"%PDF-1.7" + bytes(64), "SM-IMG-005"),
    ],
)
def test_files_that_are_not_what_their_name_says(tmp_path, name, content, code):
    (tmp_path / name).write_bytes(content)
    assert problem_of(tmp_path / name).code == code


def test_files_with_the_suffix_of_another_format(tmp_path, shared):
    shutil.copy(shared / "nd2/example-cerevisiae.nd2", tmp_path / "a.tif")
    shutil.copy(shared / "tiff/multipage.tif", tmp_path / "a.nd2")
    for name, kind in (("a.tif", "ND2"), ("a.nd2", "TIFF")):
        told = problem_of(tmp_path / name)
        assert told.code == "SM-IMG-005" and told.values["kind"] == kind


@pytest.mark.parametrize("start", [b"II*\0", b"II*\0\x08\0\0\0\0\0\0\0\0\0", b"II*\0\0\0\0\0"])
def test_a_tiff_without_pages(path, start):
    path.write_bytes(start)
    assert problem_of(path).code == "SM-IMG-003"


def test_files_that_cannot_be_opened(tmp_path):
    assert problem_of(tmp_path / "gone.tif").code == "SM-IMG-001"
    assert problem_of(tmp_path / ("x" * 300 + ".tif")).code == "SM-IMG-001"
    (tmp_path / "notes.docx").write_bytes(b"x")
    assert problem_of(tmp_path / "notes.docx").code == "SM-IMG-004"
    (tmp_path / "folder.tif").mkdir()
    assert problem_of(tmp_path / "folder.tif").code == "SM-IMG-003"


@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.99])
@pytest.mark.parametrize(
    "source",
    [
        "nd2/example-cerevisiae.nd2",
        "nd2/cluster.nd2",
        "tiff/maicrobe_test_dna.tif",
        "tiff/multipage_rgb.tif",
        "tiff/stuck.tif",
        "tiff/hela-cells.tif",
        "tiff/Bead_Image1_crop.tif",
        "tiff/derived_cluster_TZCYX.ome.tif",
        "tiff/derived_trpL_phase_T16_bigtiff.ome.tif",
        "tiff/derived_trpL_phase_T16_imagej.tif",
        "tiff/membrane_2d_timelapse.tif",
    ],
)
def test_a_copy_that_was_interrupted(tmp_path, shared, source, part):
    whole = (shared / source).read_bytes()
    path = tmp_path / Path(source).name
    path.write_bytes(whole[: int(len(whole) * part)])
    assert problem_of(path).code in ("SM-IMG-003", "SM-IMG-050")


@pytest.mark.parametrize(
    "options",
    [{}, {"compression": "zlib"}, {"tile": (16, 16)}, {"compression": "jpeg"}],
    ids=["strips", "zlib", "tiles", "jpeg"],
)
@pytest.mark.parametrize("kind", ["page by page", "shaped", "ome", "imagej"])
def test_no_page_is_lost_without_a_word(path, kind, options):
    """Cut anywhere, a stack of six pages is an error, or (cut behind its pixels) has six pages."""
    written = pixels(6, 40, 50, dtype="uint8")
    if kind == "page by page":
        with tifffile.TiffWriter(path) as file:
            for plane in written:
                file.write(plane, metadata=None, contiguous=False, **options)
    elif kind == "imagej":
        tifffile.imwrite(path, written, imagej=True, metadata={"axes": "TYX"})
    else:
        options = {**GREY, **options, "metadata": {"axes": "TYX"}}
        tifffile.imwrite(path, written, ome=kind == "ome", **options)
    whole, expected, failed = path.read_bytes(), read_all(path), 0
    assert len(expected) == 6
    for end in range(9, len(whole), 243):
        path.write_bytes(whole[:end])
        try:
            found = read_all(path)
        except Problem as told:
            assert told.code in ("SM-IMG-003", "SM-IMG-050")
            failed += 1
        else:
            assert np.array_equal(found, expected)
    assert failed


def test_a_page_without_pixels_is_no_black_picture(path):
    with tifffile.TiffWriter(path) as file:
        for _ in range(2):
            file.write(pixels(40, 50), metadata=None, contiguous=False, compression="zlib")
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[1].tags["StripByteCounts"].overwrite(0)
    with open_image(path) as image:
        image.plane(0, page=0)
        with pytest.raises(Problem) as told:
            image.plane(0, page=1)
    assert told.value.code == "SM-IMG-008"


def test_planes_before_the_cut_are_read(path):
    stack = pixels(6, 1, 1, 40, 50)
    xml = document(image_xml(stack, [(path.name, page) for page in range(6)])).encode()
    write_pages(path, stack[:, 0, 0], xml)
    path.write_bytes(path.read_bytes()[:-1000])
    with open_image(path) as image:
        assert np.array_equal(image.plane(0, time=4), stack[4, 0, 0])
        with pytest.raises(Problem) as told:
            image.plane(0, time=5)
    assert told.value.code == "SM-IMG-050"


def test_planes_that_were_never_saved(path):
    stack = pixels(3, 1, 1, 6, 8)
    xml = document(image_xml(stack, [(path.name, page) for page in range(3)])).encode()
    write_pages(path, stack[:2, 0, 0], xml)
    header = header_of(path)
    assert (header.times, header.planned_times) == (2, 3)
    assert np.array_equal(read_all(path), stack[:2, 0, 0])


@pytest.mark.parametrize("places", ["beyond the last page", "nowhere"])
def test_a_position_that_was_never_reached_fails_alone(path, places):
    first, second = pixels(2, 1, 1, 6, 8), pixels(2, 1, 1, 5, 9)
    images = image_xml(first, [(path.name, page) for page in range(2)], "one")
    reached = image_xml(second, [(path.name, page) for page in (2, 3)], "two")
    if places == "nowhere":
        reached = re.sub(r"<TiffData.*</TiffData>", "", reached)
    write_pages(path, first[:, 0, 0], document(images + reached).encode())
    with open_image(path) as image:
        assert np.array_equal(image.plane(0, time=1), first[1, 0, 0])
        assert (image.fields[1].position, image.fields[1].width) == ("two", 9)
    assert problem_of(path).code == "SM-IMG-008"


def test_micromanager_that_was_stopped(tmp_path):
    summary = {"Frames": 3, "Slices": 1, "Channels": 2, "Positions": 1}
    path, stack = tmp_path / "a_MMStack.tif", pixels(1, 3, 1, 2, 6, 8)
    write_micromanager(path, stack, summary, 0, 5)
    header = header_of(path)
    assert (header.times, header.planned_times) == (2, 3), "a time point without its last channel"
    assert np.array_equal(read_all(path), stack[0, :2, 0].reshape(4, 6, 8))
    with open_image(path) as image, pytest.raises(Problem) as told:
        image.plane(1, time=2)
    assert told.value.code == "SM-IMG-008"


def write_data_set(path: Path) -> np.ndarray:
    """Write an NDTiff data set of 2 positions, 3 time points and 2 channels, in no order; return its planes."""
    stack = pixels(2, 3, 2, 6, 8)
    planes = [
        ({"channel": name, "time": t, "position": p}, stack[p, t, c], {"PositionName": f"Pos{p}"})
        for t in range(3)
        for c, name in enumerate(("Phase", "GFP"))
        for p in range(2)
    ]
    write_ndtiff(path, planes, {"PixelSizeUm": 0.065})
    return stack


def test_an_ndtiff_data_set(path):
    stack = write_data_set(path)
    assert np.array_equal(read_all(path), stack.reshape(12, 6, 8))
    headers = read_headers(path)
    assert [header.position for header in headers] == ["Pos0", "Pos1"]
    assert {header.channels for header in headers} == {("Phase", "GFP")}
    assert {(header.times, header.pixel_size_um) for header in headers} == {(3, 0.065)}


def test_an_ndtiff_data_set_without_its_index(path, configure, tmp_path):
    """It is named before the run, and looked for again: nothing in the file itself changes when it comes."""
    folder = tmp_path / "images"
    folder.mkdir()
    image, index = folder / path.name, folder / "NDTiff.index"
    write_data_set(image)
    index.rename(tmp_path / "index")
    config = configure(images={"channel": 1})
    with pytest.raises(Problems) as caught:
        take_inventory(config, tmp_path / "inventory.tsv")
    assert "NDTiff.index" in str(caught.value)
    pages = configure(images={"channel": 1, "pages": "time"})
    inventory = take_inventory(pages, tmp_path / "inventory.tsv")
    assert [each.header.unnamed for each in inventory.images] == [12], "what it was read as before"
    write_inventory(inventory, tmp_path / "inventory.tsv")
    (tmp_path / "index").rename(index)
    found = take_inventory(config, tmp_path / "inventory.tsv").images
    assert [each.header.times for each in found if each.present] == [3, 3]
    index.write_bytes(b"")
    assert problem_of(image).code == "SM-IMG-074"
    image.rename(folder / "renamed.tif")
    write_data_set(image)
    image.unlink()
    assert problem_of(folder / "renamed.tif").code == "SM-IMG-007"
