"""TIFF and ND2: what headers say, real files, damaged files, sets of files, memory."""

from __future__ import annotations

import hashlib
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nd2
import numpy as np
import pytest
import tifffile

from segmake.formats import nd2 as nikon
from segmake.formats import open_image, read_headers, tiff
from segmake.formats.believed import Header
from segmake.images.inventory import take_inventory, write_inventory
from segmake.messages import Problem, Problems
from tests.projects import ROOT
from tests.unit.identity import python_of
from tests.unit.tiff_files import (
    binary_only,
    document,
    image_xml,
    write_micromanager,
    write_ndtiff,
    write_pages,
)

RANDOM = np.random.default_rng(0)
GREY = {"photometric": "minisblack"}


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "image.tif"


def pixels(*shape: int, dtype="uint16") -> np.ndarray:
    return RANDOM.integers(0, 200, shape).astype(dtype)


def header_of(path: Path) -> Header:
    (header,) = read_headers(path)
    return header


def read_all(path: Path) -> list[np.ndarray]:
    """Return every plane of every field of view."""
    with open_image(path) as image:
        return [
            image.plane(channel, position=position, time=time, slice=depth, page=page)
            for position, header in enumerate(image.fields)
            for time in range(header.times)
            for depth in range(header.slices)
            for page in range(header.unnamed)
            for channel in range(len(header.channels))
        ]


def problem_of(path: Path) -> Problem:
    with pytest.raises(Problem) as caught:
        read_all(path)
    assert caught.value.what and caught.value.remedy and caught.value.where == str(path)
    return caught.value


# ------------------------------------------------------------------------------------------------ kinds of TIFF


@pytest.mark.parametrize("byteorder", "<>")
@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64"]
)
def test_the_type_of_the_pixels_is_kept_and_bits_become_numbers(path, dtype, byteorder):
    written = pixels(6, 8) > 100 if dtype == "bool" else pixels(6, 8, dtype=dtype)
    tifffile.imwrite(path, written, byteorder=byteorder)
    (plane,) = read_all(path)
    assert np.array_equal(plane, written)
    assert plane.dtype == header_of(path).dtype == ("uint8" if dtype == "bool" else dtype)


@pytest.mark.parametrize(
    ("options", "lossy"),
    [
        ({"compression": "lzw", "predictor": True}, False),
        ({"compression": "zlib", "rowsperstrip": 7}, False),
        ({"compression": "zstd", "tile": (16, 16)}, False),
        ({"compression": "packbits"}, False),
        ({"compression": "lzma"}, False),
        ({"compression": "png"}, False),
        ({"compression": "webp", "compressionargs": {"lossless": True}}, False),
        ({"compression": "jpeg2000"}, False),
        ({"compression": "jpeg", "compressionargs": {"lossless": True}}, False),
        ({"compression": "jpeg", "compressionargs": {"level": 95}}, True),
        ({"compression": "jpeg", "compressionargs": {"level": 95}, "tile": (16, 16)}, True),
        ({"compression": "jpeg2000", "compressionargs": {"level": 40}}, True),
    ],
)
def test_compressions_and_whether_they_lose_something(path, options, lossy):
    smooth = np.add.outer(np.arange(48), np.arange(64)).astype(np.uint8)
    written = np.stack([smooth, 255 - smooth])
    if options["compression"] == "webp":
        written = np.stack([written, written, written], axis=-1)
    photometric = "rgb" if written.ndim == 4 else "minisblack"
    metadata = {"axes": "TYXS"[: written.ndim]}
    tifffile.imwrite(path, written, photometric=photometric, metadata=metadata, **options)
    assert header_of(path).lossy is lossy
    expected = tifffile.imread(path)
    if not lossy:
        assert np.array_equal(expected, written)
    channels = expected[..., None] if expected.ndim == 3 else expected
    found = np.stack(read_all(path)).reshape(2, -1, 48, 64)
    assert np.array_equal(found, np.moveaxis(channels, -1, 1))


def test_the_levels_of_a_pyramid_are_no_positions(path):
    written = pixels(2, 64, 96)
    with tifffile.TiffWriter(path, ome=True) as file:
        options = {**GREY, "tile": (16, 16), "metadata": {"axes": "CYX"}}
        file.write(written, subifds=2, **options)
        for step in (2, 4):
            file.write(written[:, ::step, ::step], subfiletype=1, tile=(16, 16), **GREY)
    assert header_of(path).channels == ("1", "2")
    assert np.array_equal(read_all(path), written)


def test_small_copies_and_labels_are_no_positions(path):
    written = pixels(32, 48)
    with tifffile.TiffWriter(path) as file:
        file.write(written, metadata=None)
        file.write(written[::3, ::3], subfiletype=1, metadata=None)
        file.write(written[::4, ::4], subfiletype=1, metadata=None)
    assert np.array_equal(read_all(path), [written])
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(written, metadata={"Name": "cells"})
        file.write(pixels(9, 7), metadata={"Name": "macro image"})
        file.write(pixels(9, 8), metadata={"Name": "cells 2"})
    assert [header.width for header in read_headers(path)] == [48, 8]


def test_pages_of_different_sizes_are_positions(path):
    with tifffile.TiffWriter(path) as file:
        for width in (8, 7, 8):
            file.write(np.full((6, width), width, np.uint8), metadata=None)
    wide, narrow = read_headers(path)
    assert (wide.width, wide.unnamed, narrow.width, narrow.unnamed) == (8, 2, 7, 1)
    assert [int(plane.max()) for plane in read_all(path)] == [8, 8, 7]


def test_a_palette_is_a_colour_for_the_screen(path):
    written = pixels(6, 8, dtype="uint8")
    colours = np.tile(np.arange(256, dtype=np.uint16)[::-1] * 257, (3, 1))
    tifffile.imwrite(path, written, photometric="palette", colormap=colours)
    assert np.array_equal(read_all(path), [written]) and not header_of(path).color


def test_two_channels_are_no_colour_picture(path):
    """As 512 x 512 x 2, which BIOMERO's users met."""
    written = pixels(32, 30, 2)
    for options in ({"planarconfig": "contig"}, {}, {"metadata": {"axes": "YXC"}}):
        tifffile.imwrite(path, written, **GREY, **options)
        header = header_of(path)
        assert (header.channels, header.color, header.unnamed) == (("1", "2"), False, 1)
        assert np.array_equal(read_all(path), np.moveaxis(written, -1, 0))


def test_three_channels_that_imagej_saved_as_colours_are_channels(path):
    written = pixels(16, 20, 3, dtype="uint8")
    description = "ImageJ=1.53c\nchannels=3\nmode=composite\n"
    tifffile.imwrite(path, written, photometric="rgb", description=description, metadata=None)
    assert header_of(path).channels == ("1", "2", "3") and not header_of(path).color
    tifffile.imwrite(path, written, photometric="rgb", imagej=True)
    assert header_of(path).channels == ("red", "green", "blue") and header_of(path).color


def test_an_imagej_stack_of_more_than_4_gb(path):
    """ImageJ writes one page then, and all other planes behind it."""
    first, last = pixels(1024, 1024), pixels(1024, 1024)
    description = "ImageJ=1.53c\nimages=2300\nframes=2300\nhyperstack=true\n"
    tifffile.imwrite(path, first, byteorder=">", description=description, metadata=None)
    with tifffile.TiffFile(path) as file:
        start = file.pages.first.dataoffsets[0]
    with path.open("r+b") as file:  # on disk, the file has holes
        file.truncate(start + 2300 * first.nbytes)
        file.seek(start + 2299 * first.nbytes)
        file.write(last.astype(">u2").tobytes())
    with open_image(path) as image:
        assert image.fields[0].times == 2300
        assert np.array_equal(image.plane(0, time=0), first)
        assert np.array_equal(image.plane(0, time=2299), last)
    with path.open("r+b") as file:
        file.truncate(start + 2299 * first.nbytes)
    assert problem_of(path).code == "SM-IMG-050"


# ------------------------------------------------------------------------------------------------ what TIFF says


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Phase", "GFP"], ("Phase", "GFP")),
        (["405", "488"], ("405", "488")),  # text, although it looks like a number
        (["", "mCherry <1> & é"], ("1", "mCherry <1> & é")),
    ],
)
def test_channel_names_of_ome(path, names, expected):
    metadata = {"axes": "CYX", "Channel": {"Name": names}}
    tifffile.imwrite(path, pixels(2, 6, 8), ome=True, metadata=metadata, **GREY)
    assert header_of(path).channels == expected


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["DAPI", "FM4-64"], ("DAPI", "FM4-64")),
        (["field1_c1.tif", "field1_c2.tif"], ("1", "2")),  # other names in each file
        (["c:1/2 - image", "c:2/2 - image"], ("1", "2")),
        (["only one"], ("1", "2")),
    ],
)
def test_channel_names_of_imagej(path, labels, expected):
    metadata = {"axes": "CYX", "Labels": labels}
    tifffile.imwrite(path, pixels(2, 6, 8), imagej=True, metadata=metadata)
    assert header_of(path).channels == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, None),
        ({"resolution": (300, 300), "resolutionunit": "INCH"}, None),
        ({"resolution": (72, 72), "resolutionunit": "INCH"}, None),
        ({"resolution": (118, 118), "resolutionunit": "CENTIMETER"}, None),
        ({"resolution": (153846, 153846), "resolutionunit": "CENTIMETER"}, 0.065),
        ({"resolution": (10, 10), "resolutionunit": "NONE"}, None),
        ({"imagej": True}, None),
        ({"imagej": True, "metadata": {"unit": "um"}}, None),
        ({"imagej": True, "resolution": (10, 10)}, None),
        ({"imagej": True, "resolution": (10, 10), "metadata": {"unit": "um"}}, 0.1),
        ({"imagej": True, "resolution": (10, 10), "metadata": {"unit": "\\u00B5m"}}, 0.1),
        ({"imagej": True, "resolution": (10, 10), "metadata": {"unit": "microns"}}, 0.1),
        ({"imagej": True, "resolution": (1000, 1000), "metadata": {"unit": "mm"}}, 1.0),
        ({"imagej": True, "resolution": (10, 10), "metadata": {"unit": "pixel"}}, None),
        ({"ome": True, "metadata": {"PhysicalSizeX": 0.065}}, 0.065),
        ({"ome": True, "metadata": {"PhysicalSizeX": 65, "PhysicalSizeXUnit": "nm"}}, 0.065),
        ({"ome": True, "metadata": {"PhysicalSizeX": 1, "PhysicalSizeXUnit": "pixel"}}, None),
        ({"ome": True, "metadata": {"PhysicalSizeX": 0.0}}, None),
        ({"ome": True, "resolution": (10, 10), "resolutionunit": "CENTIMETER"}, None),
    ],
)
def test_the_size_of_a_pixel(path, options, expected):
    tifffile.imwrite(path, pixels(6, 8), **options)
    size = header_of(path).pixel_size_um
    assert size == (expected and pytest.approx(expected, rel=1e-4))


def test_what_imagej_says_of_slices_and_times(path):
    metadata = {"axes": "TZYX", "unit": "nm", "spacing": 300, "finterval": 2.5}
    tifffile.imwrite(path, pixels(2, 3, 6, 8), imagej=True, metadata=metadata)
    header = header_of(path)
    assert header.slice_step_um == pytest.approx(0.3) and header.interval_s == 2.5


def test_what_ome_says_beside_the_pixels(path):
    facts = (
        '<Instrument ID="I:0"><Objective ID="O:0" Model="Plan 60x"/>'
        '<Objective ID="O:1" NominalMagnification="100.0"/></Instrument>'
    )
    places = [(path.name, page) for page in range(6)]
    stack = pixels(3, 2, 1, 6, 8)
    image = image_xml(stack, places).replace(
        "<Pixels ",
        "<AcquisitionDate>2024-05-01T10:00:00</AcquisitionDate>"
        '<ObjectiveSettings ID="O:1"/><StageLabel Name="B2"/>'
        '<Pixels PhysicalSizeZ="300" PhysicalSizeZUnit="nm" ',
    )
    planes = "".join(
        f'<Plane TheT="{t}" TheZ="0" TheC="0" DeltaT="{500 * t + 70}" DeltaTUnit="ms"/>'
        for t in range(3)
    )
    xml = document(facts + image.replace("</Pixels>", planes + "</Pixels>"))
    write_pages(path, stack.reshape(-1, 6, 8), xml.encode())
    header = header_of(path)
    assert (header.acquired, header.objective) == ("2024-05-01T10:00:00", "100x")
    assert (header.position, header.slice_step_um) == ("B2", pytest.approx(0.3))
    # No wavelength, no name: the channel has its number.
    assert header.interval_s == pytest.approx(0.5) and header.channels == ("1",)


def test_xml_that_is_broken_says_nothing(path):
    tifffile.imwrite(path, pixels(3, 6, 8), description="<OME><Image</OME>", metadata=None, **GREY)
    assert header_of(path).unnamed == 3


def test_an_ome_tiff_that_was_renamed_is_no_set_of_files(tmp_path):
    stack = pixels(1, 1, 2, 6, 8)
    xml = document(image_xml(stack, [("first name.ome.tif", 0), ("first name.ome.tif", 1)]))
    write_pages(tmp_path / "second.tif", stack[0, 0], xml.encode())
    assert header_of(tmp_path / "second.tif").parts == ()
    assert np.array_equal(read_all(tmp_path / "second.tif"), stack[0, 0])


def test_a_header_is_kept_as_plain_values():
    header = Header(8, 6, 2, 3, ("GFP", "1"), False, "uint16", 0.1, parts=("a.tif", "b.tif"))
    assert Header.from_dict(header.as_dict()) == header


# ------------------------------------------------------------------------------------------------ sets of files


def write_set(folder: Path, wells: int = 2) -> list[np.ndarray]:
    """Write an OME-TIFF of one file for each position."""
    stacks = [pixels(2, 1, 2, 6, 8) for _ in range(wells)]
    names = [f"well{number}.ome.tif" for number in range(wells)]
    images = "".join(
        image_xml(stack, [(name, page) for page in range(4)], name)
        for stack, name in zip(stacks, names, strict=True)
    )
    for stack, name in zip(stacks, names, strict=True):
        xml = document(images, own=name).encode()
        write_pages(folder / name, stack.reshape(4, 6, 8), xml)
    return stacks


def test_a_part_that_is_missing_is_named_and_the_other_positions_are_read(tmp_path):
    first, _ = write_set(tmp_path)
    (tmp_path / "well1.ome.tif").unlink()
    path = tmp_path / "well0.ome.tif"
    with open_image(path) as image:
        assert [header.parts for header in image.fields] == [("well1.ome.tif",)] * 2
        assert image.fields[1].times == 2 and image.fields[1].channels == ("1", "2")
        assert np.array_equal(image.plane(1, time=1), first[1, 0, 1])
        with pytest.raises(Problem) as told:
            image.plane(0, position=1)
    assert told.value.code == "SM-IMG-007" and told.value.values["part"] == "well1.ome.tif"


def test_a_part_that_goes_while_the_image_is_open(tmp_path):
    write_set(tmp_path)
    with open_image(tmp_path / "well0.ome.tif") as image:
        image.plane(0, position=1)
        (tmp_path / "well1.ome.tif").unlink()
        with pytest.raises(Problem) as told:
            image.plane(1, position=1)
    assert told.value.code == "SM-IMG-007" and told.value.values["part"] == "well1.ome.tif"


@pytest.mark.parametrize("metadata_file", ["set.companion.ome", "well0.ome.tif"])
def test_a_file_whose_metadata_is_in_another(tmp_path, metadata_file):
    stacks = write_set(tmp_path)
    with tifffile.TiffFile(tmp_path / "well0.ome.tif") as file:
        xml = file.ome_metadata
    if metadata_file.endswith("companion.ome"):
        xml = xml.replace('UUID="urn:uuid:well0.ome.tif"', 'UUID="urn:uuid:companion"', 1)
        (tmp_path / metadata_file).write_text(xml, encoding="utf-8")
    path = tmp_path / "well1.ome.tif"
    write_pages(path, stacks[1].reshape(4, 6, 8), binary_only(metadata_file).encode())
    assert [header.parts for header in read_headers(path)] == [("well0.ome.tif",)] * 2
    assert np.array_equal(read_all(path), np.stack(stacks).reshape(8, 6, 8))
    (tmp_path / metadata_file).unlink()
    told = problem_of(path)
    assert told.code == "SM-IMG-007" and told.values["part"] == metadata_file


def test_what_a_page_says_elsewhere_than_in_its_file_is_passed_over(path):
    tifffile.imwrite(path, pixels(8, 9), bigtiff=True, software="a program with a long name")
    whole, content = header_of(path), path.read_bytes()
    place = content.index(struct.pack("<HHQ", 305, 2, len("a program with a long name") + 1)) + 12
    path.write_bytes(content[:place] + b"\xff" * 8 + content[place + 8 :])
    assert header_of(path) == whole


def test_pixels_at_the_beginning_of_a_file_are_none(path):
    tifffile.imwrite(path, pixels(8, 9) + 1)
    content = path.read_bytes()
    place = content.index(struct.pack("<HHI", 273, 4, 1)) + 8
    path.write_bytes(content[:place] + bytes(4) + content[place + 4 :])
    # The second time, what its page says is known.
    for _ in range(2):
        assert header_of(path).width == 9
        assert problem_of(path).code == "SM-IMG-050"


def test_files_whose_page_says_the_same_are_arranged_once(tmp_path, monkeypatch):
    """Each is looked at all the same: whether it is whole, and what else than its page decides what it holds."""
    opened: list[str] = []

    class Counted(tifffile.TiffFile):
        def __init__(self, *file, **options) -> None:
            super().__init__(*file, **options)
            opened.append(self.filename)

    def written(name: str, **options) -> Path:
        tifffile.imwrite(tmp_path / name, pixels(8, 9) + 1, **options)
        return tmp_path / name

    monkeypatch.setattr(tiff, "TiffFile", Counted)
    monkeypatch.setattr(tiff, "_KNOWN", {})
    first = written("first.tif", datetime="2026:11:30 12:00:00")
    same = written("same.tif", datetime="2026:11:30 12:00:05")
    assert header_of(first) == header_of(same) and opened == ["first.tif"]
    with open_image(same) as image:
        np.testing.assert_array_equal(image.plane(0), tifffile.imread(same))
    content = same.read_bytes()
    for damaged in (content[:-20], content[:100] + bytes(len(content) - 100)):
        same.write_bytes(damaged)
        assert problem_of(same).code == "SM-IMG-050"
    same.write_bytes(content[:-70] + bytes(70))
    with open_image(same) as image, pytest.raises(Problem):
        image.refuse_unwritten()
    (tmp_path / "link.tif").symlink_to(first)
    assert header_of(tmp_path / "link.tif").parts == ("first.tif",)
    opened.clear()
    # OME-XML may name other files.
    others = [written("a.tif", resolution=(2, 2), resolutionunit="centimeter")]
    others += [written("b.tif", description="words", metadata=None), written("c.ome.tif")]
    others.append(tmp_path / "d.ome.tif")
    shutil.copy(others[-2], others[-1])
    for other in (*others, *others[:2]):
        assert header_of(other).parts == ()
    assert list(dict.fromkeys(opened)) == [other.name for other in others]
    assert opened.count("a.tif") == opened.count("b.tif") == 1


# ------------------------------------------------------------------------------------------------ files that lie


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


# ------------------------------------------------------------------------------------------------ real files

TIFF_AXES = {
    "Bead_Image1_crop.tif": "ZYX",
    "BsubtilismVenus_026_FM_subset.tif": "YX",
    "IXMtest_A02_s9.tif": "CYX",
    "chessboard_GRAY_U16B.tif": "YX",
    "derived_cluster_TZCYX.ome.tif": "TZCYX",
    "derived_coli_3positions_CYX.ome.tif": "CYX",
    "derived_coli_ds1_00001_CYX_imagej.tif": "CYX",
    "derived_trpL_phase_T16_bigtiff.ome.tif": "TYX",
    "derived_trpL_phase_T16_imagej.tif": "TYX",
    "derived_trpL_phase_t15_float32_zeromean.tif": "YX",
    "hela-cells-8bit.tif": "YXC",
    "hela-cells.tif": "YXC",
    "maicrobe_test_dna.tif": "YX",
    "maicrobe_test_membrane.tif": "YX",
    "maicrobe_test_phase.tif": "YX",
    "membrane_2d_timelapse.tif": "QYX",
    "multipage.tif": "QYX",
    "multipage_rgb.tif": "QCYX",
    "psf_float32_nan.tif": "QYX",
    "stuck.tif": "QYX",
}
# What else a file says.
TIFF_FACTS = {
    "Bead_Image1_crop.tif": {"pixel_size_um": 0.02249, "slice_step_um": 0.125},
    "derived_cluster_TZCYX.ome.tif": {
        "pixel_size_um": 0.16781,
        "slice_step_um": 0.5,
        "channels": ("5-FAM/pH 9.0", "FM 4-64/2% CHAPS"),
    },
    "derived_coli_3positions_CYX.ome.tif": {"position": "Position:0"},
    "derived_trpL_phase_T16_imagej.tif": {"interval_s": 480},
    "hela-cells-8bit.tif": {
        "pixel_size_um": 0.05149,
        "color": True,
        "channels": ("red", "green", "blue"),
    },
    "hela-cells.tif": {"pixel_size_um": 0.05149},
    "maicrobe_test_membrane.tif": {"acquired": "2017-03-31T16:25:32.400000"},
    "maicrobe_test_phase.tif": {"acquired": "2017-03-31T16:25:30.960000"},
    "multipage_rgb.tif": {"color": True, "channels": ("red", "green", "blue")},
}
ND2_AXES = {
    "cluster.nd2": "TZCYX",
    "example-cerevisiae.nd2": "CYX",
    "example-multichannel.nd2": "CYX",
    "example-timelapse.nd2": "TYX",
    "example-zstack.nd2": "ZYX",
}
ND2_FACTS = {
    "cluster.nd2": {
        "pixel_size_um": 0.16781,
        "slice_step_um": 0.5,
        "interval_s": 10.6475,
        "acquired": "2014-06-18T13:55:23+00:00",  # 15:55:27 in France, when the last was taken
        "objective": "Plan Apo λ 60x",
        "channels": ("5-FAM/pH 9.0", "FM 4-64/2% CHAPS"),
    },
    "example-cerevisiae.nd2": {
        "pixel_size_um": 0.10833,
        "acquired": "2025-11-26T00:13:35+00:00",
        "objective": "PLAN APO λD 40x OFN25 DIC N2",
        "channels": ("DIC", "FITC BP"),
    },
    "example-multichannel.nd2": {
        "pixel_size_um": 0.32339,
        "acquired": "2025-04-17T23:43:09+00:00",
        "objective": "Plan Apo λ 20x",
        "channels": ("Mono", "DAPI", "FITC BP", "TRITC BP"),
    },
    "example-timelapse.nd2": {
        "pixel_size_um": 0.325,
        "interval_s": 0.50016,
        "acquired": "2025-03-27T23:22:39+00:00",
        "objective": "PLAN APO λD 40x OFN25 DIC N2",
        "channels": ("GFP 488 nm",),
    },
    "example-zstack.nd2": {
        "pixel_size_um": 0.32339,
        "slice_step_um": 6,
        "acquired": "2025-03-07T22:38:21+00:00",
        "objective": "Plan Apo λ 20x",
        "channels": ("FITC BP",),
    },
}


def check_whole(path: Path, position: int, expected: np.ndarray, axes: str, facts: dict) -> None:
    """Hold every plane and the header against the whole array that the library reads at once."""
    sizes = dict(zip(axes, expected.shape, strict=True))
    number = sizes.get("C", 1)
    facts = {"channels": tuple(str(c + 1) for c in range(number)), **facts}
    whole = {
        "width": sizes["X"],
        "height": sizes["Y"],
        "times": sizes.get("T", 1),
        "slices": sizes.get("Z", 1),
        "unnamed": sizes.get("Q", 1),
        "dtype": str(expected.dtype),
    }
    nothing = Header(0, 0, 0, 0, (), False, "", None)
    with open_image(path) as image:
        for key, value in {**nothing.as_dict(), **whole, **facts}.items():
            found = getattr(image.fields[position], key)
            near = pytest.approx(value, rel=1e-4) if isinstance(value, float) else value
            assert found == near, (key, found)
        order = [axes.index(axis) for axis in "TZQC" if axis in axes]
        planes = np.moveaxis(expected, [axes.index("Y"), axes.index("X")], [-2, -1])
        rest = axes.replace("Y", "").replace("X", "")
        for place in np.ndindex(*(sizes[axis] for axis in rest)):
            at = dict(zip(rest, place, strict=True))
            plane = image.plane(
                at.get("C", 0),
                position=position,
                time=at.get("T", 0),
                slice=at.get("Z", 0),
                page=at.get("Q", 0),
            )
            assert np.array_equal(plane, planes[place], equal_nan=plane.dtype.kind == "f"), at
        assert len(order) == len(rest)


@pytest.mark.parametrize("name", TIFF_AXES)
def test_real_tiff(shared, name):
    path = shared / "tiff" / name
    number = 3 if "3positions" in name else 1
    assert len(read_headers(path)) == number
    for position in range(number):
        expected = tifffile.imread(path, series=position)
        facts = TIFF_FACTS.get(name, {})
        if number > 1:
            facts = {**facts, "position": f"Position:{position}"}
        check_whole(path, position, expected, TIFF_AXES[name], facts)


@pytest.mark.parametrize("name", ND2_AXES)
def test_real_nd2(shared, name):
    path = shared / "nd2" / name
    check_whole(path, 0, nd2.imread(path), ND2_AXES[name], ND2_FACTS[name])


def test_every_real_file_is_tested(shared):
    for folder, tested in (("tiff", TIFF_AXES), ("nd2", ND2_AXES)):
        assert {p.name for p in (shared / folder).iterdir()} == {*tested, "README.md"}


# ------------------------------------------------------------------------------------------------ ND2


class StandIn:
    """Stands in for nd2.ND2File: no file of several positions is at hand, and none can be written.

    A frame is filled with its number. The second and the fourth of a frame's four numbers are of channel 2.
    """

    rgb = False
    loops: tuple[tuple[str, int], ...] = (("TimeLoop", 2), ("XYPosLoop", 3), ("ZStackLoop", 2))
    taken = 12
    voxel = SimpleNamespace(x=0.1, y=0.1, z=0.4)
    text_info: dict = {}  # noqa: RUF012

    def __init__(self, file) -> None:
        self._file = file
        components = 3 if self.rgb else 2
        self.attributes = SimpleNamespace(
            heightPx=4,
            widthPx=5,
            channelCount=1 if self.rgb else 2,
            componentCount=components,
            sequenceCount=self.taken,
            compressionType=None,
        )
        points = [SimpleNamespace(name=name) for name in ("A1", None, "C3")]
        values = SimpleNamespace(points=points, stepUm=0.4)
        self.experiment = [
            SimpleNamespace(type=kind, count=count, parameters=values) for kind, count in self.loops
        ]
        self.dtype = np.dtype("uint16")
        self.metadata = SimpleNamespace(channels=None)

    def voxel_size(self):
        return self.voxel

    def read_frame(self, number: int) -> np.ndarray:
        if number < self.taken:
            self._file.read(1)
        channels = [np.full((4, 5), 10 * number + channel, np.uint16) for channel in range(2)]
        return np.stack(channels)

    def frame_metadata(self, number: int):
        stamp = SimpleNamespace(
            absoluteJulianDayNumber=2460000.5 + number, relativeTimeMs=1000.0 * number
        )
        return SimpleNamespace(channels=[SimpleNamespace(time=stamp)])


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """Open a file as if it had these loops, the outermost first."""

    def make(**values):
        monkeypatch.setattr(nikon.nd2, "ND2File", type("ND2File", (StandIn,), values))
        path = tmp_path / "positions.nd2"
        path.write_bytes(b"\xda\xce\xbe\x0a" + bytes(60))
        return open_image(path)

    return make


@pytest.mark.parametrize("order", ["TPZ", "PTZ", "ZPT", "PZT"])
def test_positions_of_nd2_in_any_order_of_loops(stand_in, order):
    kinds = {"T": ("TimeLoop", 2), "P": ("XYPosLoop", 3), "Z": ("ZStackLoop", 2)}
    frames = np.arange(12).reshape([kinds[axis][1] for axis in order])
    with stand_in(loops=tuple(kinds[axis] for axis in order)) as image:
        assert [header.position for header in image.fields] == ["A1", "", "C3"]
        for p, t, z, c in np.ndindex(3, 2, 2, 2):
            at = {"P": p, "T": t, "Z": z}
            frame = frames[tuple(at[axis] for axis in order)]
            assert (image.plane(c, position=p, time=t, slice=z) == 10 * frame + c).all()
        for p, header in enumerate(image.fields):
            assert (header.times, header.slices, header.channels) == (2, 2, ("1", "2"))
            assert header.slice_step_um == 0.4
            first, last = (
                int(frames[tuple({"P": p, "T": t, "Z": 0}[axis] for axis in order)]) for t in (0, 1)
            )
            assert header.interval_s == last - first
            day = np.datetime64("2023-02-25") + first
            assert header.acquired == f"{day}T00:00:00+00:00"


def test_phases_of_a_time_series_are_one_time_axis(stand_in):
    with stand_in(loops=(("NETimeLoop", 3), ("TimeLoop", 2)), taken=6) as image:
        assert image.fields[0].times == 6
        assert [int(image.plane(0, time=t)[0, 0]) for t in range(6)] == [0, 10, 20, 30, 40, 50]


def test_loops_that_nothing_explains_are_pages(stand_in):
    with stand_in(loops=(("CustomLoop", 3), ("ZStackLoop", 2)), taken=6) as image:
        assert (image.fields[0].unnamed, image.fields[0].slices) == (3, 2)
        assert int(image.plane(1, page=2, slice=1)[0, 0]) == 51


def test_frames_of_a_crashed_acquisition_are_pages(stand_in):
    with stand_in(loops=(), taken=7) as image:
        assert (image.fields[0].unnamed, image.fields[0].times) == (7, 1)


def test_frames_that_were_never_taken_are_no_zeros(stand_in):
    with stand_in(taken=11) as image:
        image.plane(0, position=1, time=1, slice=1)
        with pytest.raises(Problem) as told:
            image.plane(0, position=2, time=1, slice=1)
        assert told.value.code == "SM-IMG-008" and told.value.values["slice"] == 2


def test_an_nd2_acquisition_that_was_stopped(stand_in):
    """Twelve frames were planned, two time points of three positions of two slices; the map of the file names eight."""
    frames = SimpleNamespace(_frame_offsets=dict.fromkeys(range(8), 4096))
    with stand_in(taken=8, _rdr=frames) as image:
        told = [(header.times, header.planned_times) for header in image.fields]
        assert told == [(2, None), (1, 2), (1, 2)]
        assert int(image.plane(0, position=0, time=1, slice=1)[0, 0]) == 70
        assert image.fields[1].interval_s is None
    with pytest.raises(Problem) as refused:
        stand_in(taken=8, _rdr=frames, loops=(("TimeLoop", 2**31),))
    assert refused.value.code == "SM-IMG-051"


# ------------------------------------------------------------------------------------------------ all of it


def test_an_engine_reads_the_same(shared):
    """With the engine's own Python and NumPy."""
    python = python_of("cellpose3")
    if not python.exists():
        pytest.skip("the environment of cellpose3 is not on this machine")
    paths = [str(shared / "nd2" / name) for name in ND2_AXES]
    paths += [str(shared / "tiff" / name) for name in TIFF_AXES]
    program = (
        "import hashlib, sys\n"
        "from pathlib import Path\n"
        "from segmake.formats import open_image\n"
        "for name in sys.argv[1:]:\n"
        "    with open_image(Path(name)) as image:\n"
        "        planes = [image.plane(0, position=p) for p in range(len(image.fields))]\n"
        "    print(hashlib.sha256(b''.join(map(bytes, planes))).hexdigest())\n"
    )
    command = [str(python), "-c", program, *paths]
    environment = {"PYTHONPATH": str(ROOT / "workflow")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    for name, digest in zip(paths, done.stdout.split(), strict=True):
        with open_image(Path(name)) as image:
            planes = [image.plane(0, position=p) for p in range(len(image.fields))]
        assert hashlib.sha256(b"".join(map(bytes, planes))).hexdigest() == digest, name


MEMORY = """
import re, sys
from pathlib import Path
from segmake.formats import open_image
with open_image(Path(sys.argv[1])) as image:
    for time in range(image.fields[0].times):
        image.plane(0, time=time)
# Not getrusage: it begins with the memory of the process that started this one.
peak_kb = int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
print(image.fields[0].times, peak_kb // 1024)
"""


@pytest.mark.parametrize(
    "options",
    [
        {"ome": True},
        {"imagej": True},
        {"bigtiff": True},
        {"ome": True, "compression": "zstd", "tile": (256, 256)},
        {"planarconfig": "contig"},
    ],
    ids=["ome", "imagej", "plain", "tiles", "interleaved"],
)
def test_memory_does_not_grow_with_the_file(path, options):
    """Peak memory of reading a movie of 20 MB and one of 400 MB, plane by plane."""
    plane, peaks = pixels(512, 1024), []
    for times in (20, 400):
        movie = np.broadcast_to(plane, (times, *plane.shape))
        axes = "TYX"
        if "planarconfig" in options:
            movie, axes = np.broadcast_to(movie[::2, ..., None], (times // 2, 512, 1024, 2)), "TYXS"
        tifffile.imwrite(path, movie, metadata={"axes": axes}, **options)
        command = [sys.executable, "-c", MEMORY, str(path)]
        environment = {"PYTHONPATH": str(ROOT / "workflow")}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found, peak = map(int, done.stdout.split())
        assert found == len(movie)
        peaks.append(peak)
    assert peaks[1] < 1.3 * peaks[0]
