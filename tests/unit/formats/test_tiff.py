"""What TIFF files say: kinds of them, names and sizes, sets of files; and that none is read as a whole."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from segmake.formats import open_image, read_headers, tiff
from segmake.formats.believed import Header
from segmake.messages import Problem
from tests.projects import ROOT
from tests.unit.formats.reading import GREY, header_of, pixels, problem_of, read_all
from tests.unit.tiff_files import (
    binary_only,
    document,
    image_xml,
    write_pages,
)

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


def test_what_a_page_says_elsewhere_than_in_its_file_is_passed_over(path):
    tifffile.imwrite(path, pixels(8, 9), bigtiff=True, software="a program with a long name")
    whole, content = header_of(path), path.read_bytes()
    place = content.index(struct.pack("<HHQ", 305, 2, len("a program with a long name") + 1)) + 12
    path.write_bytes(content[:place] + b"\xff" * 8 + content[place + 8 :])
    assert header_of(path) == whole


@pytest.mark.parametrize("planes", [1, 3])
def test_pixels_at_the_beginning_of_a_file_are_none(path, planes):
    # With `truncate`, planes behind the first have no pages of their own.
    stack = pixels(planes, 8, 9) + 1
    said = {"photometric": "minisblack", "metadata": {"axes": "TYX"}}
    tifffile.imwrite(path, stack, truncate=True, **said)
    content = path.read_bytes()
    place = content.index(struct.pack("<HHI", 273, 4, 1)) + 8
    path.write_bytes(content[:place] + bytes(4) + content[place + 4 :])
    # The second time, what its page says is known.
    for _ in range(2):
        assert header_of(path).times == planes
        with open_image(path) as image:
            for time in range(planes):
                with pytest.raises(Problem) as told:
                    image.plane(0, time=time)
                assert told.value.code == "SM-IMG-050"


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
