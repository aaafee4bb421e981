"""Images of CZI, LIF, OME-Zarr, PNG and JPEG: the plane asked for is the plane read."""

from __future__ import annotations

import io
import json
import shutil
import sys
import tempfile
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pylibCZIrw import czi

from segmake.core.settings import Images
from segmake.formats import open_image, read_headers
from segmake.images.field_of_view import FieldOfView
from segmake.messages import Problem
from tests.unit.identity import python_of, run
from tests.unit.leica_files import Series, write_lif
from tests.unit.tiff_files import write_stk
from tests.unit.zarr_folders import write_array, write_group, write_image

RANDOM = np.random.default_rng(5)
NOTHING_CHOSEN = Images(time="all", z="all")
some = settings(max_examples=40)
sizes = st.integers(1, 4)


def pixels(*shape: int, dtype: str = "uint16") -> np.ndarray:
    """Return noise, in which no two planes are the same."""
    return RANDOM.integers(1, 2**8 if dtype == "uint8" else 2**15, shape).astype(dtype)


@pytest.fixture
def path(tmp_path) -> Path:
    """A file that each test names by its suffix; the name has what names of files have."""
    return tmp_path / "day 1 é" / "pos (2) [x] #3%"


@pytest.fixture(autouse=True)
def folder(path):
    path.parent.mkdir()


def code_of(path: Path, position: int = 0) -> str:
    """Return the code of the problem that reading an image gives; empty if all planes are read."""
    try:
        with open_image(path) as image:
            header = image.fields[position]
            for channel in range(len(header.channels)):
                for time in range(header.times):
                    for at in range(header.slices):
                        image.plane(channel, position=position, time=time, slice=at)
    except Problem as problem:
        assert str(problem), "its sentence can be said"
        assert problem.where == str(path)
        return problem.code
    return ""


def check(path: Path, *expected: np.ndarray) -> None:
    """Assert that a file holds these fields of view, each TZCYX, and that each plane read is the one asked for."""
    with open_image(path) as image:
        assert len(image.fields) == len(expected)
        for position, (header, planes) in enumerate(zip(image.fields, expected, strict=True)):
            found = (header.times, header.slices, len(header.channels), header.height, header.width)
            assert found == planes.shape
            assert header.dtype == planes.dtype.newbyteorder("=")
            for time, at, channel in np.ndindex(planes.shape[:3]):
                plane = image.plane(channel, position=position, time=time, slice=at)
                assert np.array_equal(plane, planes[time, at, channel])
                assert plane.dtype.isnative and plane.flags.c_contiguous


# ---------------------------------------------------------------------------------------------------------------- CZI


def write_czi(path: Path, planes: dict[tuple[int, int, int, int], np.ndarray], **told) -> None:
    """Write planes (scene, time, slice, channel) as the numbers of the file are, at places that do not overlap."""
    with czi.create_czi(str(path), exist_ok=True) as file:
        for (scene, time, at, channel), plane in planes.items():
            place = {"T": time, "Z": at, "C": channel}
            file.write(plane, location=(1000 * scene - 500, 7), plane=place, scene=scene)
        if told:
            file.write_metadata("document", **told)


@given(st.data(), st.tuples(sizes, sizes, sizes), st.sampled_from(["uint8", "uint16", "float32"]))
@some
def test_planes_of_czi(data, size, dtype):
    scenes = data.draw(st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True))
    first = data.draw(st.tuples(*[st.integers(0, 3)] * 3))
    expected = {scene: pixels(*size, 6 + scene, 8, dtype=dtype) for scene in sorted(scenes)}
    planes = {
        (scene, *(np.array(at) + first).tolist()): expected[scene][at]
        for scene in expected
        for at in np.ndindex(*size)
    }
    order = data.draw(st.permutations(list(planes)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.czi"
        write_czi(path, {place: planes[place] for place in order})
        check(path, *expected.values())


CZI_FACTS = """
<AcquisitionDateAndTime>2026-01-02T03:04:05.1234567Z</AcquisitionDateAndTime>
<ObjectiveSettings><ObjectiveRef Id="Objective:2"/></ObjectiveSettings>
<Dimensions>
  <T><Positions><Interval><Start>0</Start><Increment>30.5</Increment></Interval></Positions></T>
  <S><Scenes><Scene Index="0" Name="P1"><Shape Name="B4"/></Scene><Scene Index="1" Name="P1"><Shape Name="C5"/></Scene>
  <Scene Index="2" Name="D6"><Shape Name="D6"/></Scene></Scenes></S>"""
CZI_INSTRUMENT = """<Information><Instrument><Objectives><Objective Id="Objective:1" Name="no"/>
<Objective Id="Objective:2" Name="Plan-Apochromat 63x/1.40 Oil"/></Objectives></Instrument>"""


def test_what_czi_says(path):
    path = path.with_suffix(".CZI")
    plane = pixels(6, 8)
    names = {0: "DAPI", 1: "GFP <é>"}
    write_czi(
        path,
        {(scene, time, at, channel): plane for scene, time, at, channel in np.ndindex(3, 2, 2, 3)},
        channel_names=names,
        scale_x=65e-9,
        scale_y=65e-9,
        scale_z=3e-7,
    )
    with czi.edit_czi(str(path)) as file:
        builder = file.create_metadata_builder()
        xml = file.read_metadata_xml().replace("<Dimensions>", CZI_FACTS, 1)
        builder._native.set_xml(xml.replace("<Information>", CZI_INSTRUMENT, 1))
        builder.commit()
    headers = read_headers(path)
    assert [header.position for header in headers] == ["B4 P1", "C5 P1", "D6"]
    assert headers[2].channels[:2] == ("DAPI", "GFP <é>")
    assert headers[2].pixel_size_um == pytest.approx(0.065)
    assert headers[2].slice_step_um == pytest.approx(0.3)
    assert headers[2].interval_s == 30.5
    assert headers[2].acquired.startswith("2026-01-02T03:04:05.123")
    assert headers[2].objective == "Plan-Apochromat 63x/1.40 Oil"
    assert not headers[2].color and not headers[2].lossy


def test_czi_that_says_nothing(path):
    path = path.with_suffix(".czi")
    write_czi(path, {(0, 0, 0, 0): pixels(6, 8)}, channel_names={}, scale_x=0.0)
    (header,) = read_headers(path)
    told = (header.pixel_size_um, header.slice_step_um, header.interval_s, header.acquired)
    assert (*told, header.objective, header.position) == (None, None, None, None, None, "")


def test_a_mosaic_of_czi_is_laid_together(path):
    path = path.with_suffix(".czi")
    whole = pixels(40, 50)
    whole[20:, 30:] = 0  # where there is no tile
    with czi.create_czi(str(path)) as file:
        for rows, columns in ((0, 0), (0, 30), (20, 0)):
            tile = whole[rows : rows + 20, columns : columns + 30]
            file.write(tile, location=(columns - 7, rows + 3), scene=0)
        file.write(whole[:5, :5], location=(-2, 8), scene=1)  # lies over the other scene
    check(path, whole[None, None, None], whole[None, None, None, :5, :5])


def test_colours_of_czi(path):
    path = path.with_suffix(".czi")
    rgb, grey = pixels(6, 8, 3, dtype="uint8"), pixels(6, 8, 1)
    write_czi(path, {(0, 0, 0, 0): rgb[..., ::-1]})
    (header,) = read_headers(path)
    assert header.color and header.channels == ("red", "green", "blue")
    check(path, np.moveaxis(rgb, -1, 0)[None, None])
    write_czi(
        path, {(0, 0, 0, 0): rgb[..., ::-1], (0, 0, 0, 1): grey}, channel_names={0: "HE", 1: "GFP"}
    )
    (header,) = read_headers(path)
    assert not header.color and header.channels == ("HE red", "HE green", "HE blue", "GFP")
    with open_image(path) as image:
        assert np.array_equal(image.plane(1), rgb[..., 1])
        assert np.array_equal(image.plane(3), grey[..., 0]) and image.plane(3).dtype == np.uint16


def test_other_axes_of_czi_are_channels(path, monkeypatch):
    """As the 32 phases of an Airyscan, which nobody has combined."""
    path = path.with_suffix(".czi")
    # The library writes them, if one asks it without its own check.
    monkeypatch.setattr(
        czi.CziWriter, "_create_plane", staticmethod(lambda plane, scene: {**plane, "S": scene})
    )
    stack = pixels(2, 3, 6, 8)
    with czi.create_czi(str(path)) as file:
        for channel, phase in np.ndindex(2, 3):
            place = {"T": 0, "Z": 0, "C": channel, "H": phase, "V": 0}
            file.write(stack[channel, phase], plane=place)
        file.write_metadata("document", channel_names={0: "DAPI", 1: "GFP"})
    (header,) = read_headers(path)
    assert header.channels[2:4] == ("DAPI phase 3", "GFP phase 1")
    check(path, stack.reshape(1, 1, 6, 6, 8))


def test_czi_of_an_acquisition_that_was_stopped(path):
    path = path.with_suffix(".czi")
    plane = pixels(6, 8)
    whole = {(0, time, 0, channel): plane for time in range(2) for channel in range(2)}
    write_czi(path, {**whole, (0, 2, 0, 0): plane})
    assert code_of(path) == ""
    (header,) = read_headers(path)
    assert (header.times, header.planned_times) == (2, 3)
    # With two, it may as well be a channel that was taken once.
    write_czi(path, {(0, 0, 0, 0): plane, (0, 0, 0, 1): plane, (0, 1, 0, 0): plane})
    assert code_of(path) == "SM-IMG-008"
    with open_image(path) as image:
        assert (image.fields[0].times, image.fields[0].planned_times) == (2, None)
        assert np.array_equal(image.plane(0, time=1), plane)
        with pytest.raises(Problem) as told:
            image.plane(1, time=1)
    assert "channel 2, time point 2, slice 1" in told.value.what
    write_czi(path, {})
    assert code_of(path) == "SM-IMG-035"


@pytest.mark.parametrize("part", [0.02, 0.5, 0.9, 0.99])
def test_czi_whose_copy_was_interrupted(path, part):
    path = path.with_suffix(".czi")
    write_czi(path, {(0, time, 0, 0): pixels(64, 64) for time in range(20)})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    assert code_of(path) == "SM-IMG-003"


def test_czi_with_a_damaged_plane(path):
    path = path.with_suffix(".czi")
    write_czi(path, {(0, time, 0, 0): pixels(6, 8) for time in range(2)})
    whole = path.read_bytes()
    start = whole.rindex(b"ZISRAWSUBBLOCK")
    path.write_bytes(whole[:start] + b"x" * 16 + whole[start + 16 :])
    assert code_of(path) == "SM-IMG-003"
    with open_image(path) as image:
        image.plane(0, time=0)


# ---------------------------------------------------------------------------------------------------------------- LIF


@given(st.data(), st.sampled_from(["uint8", "uint16", "uint32", "float32"]))
@some
def test_planes_of_lif(data, dtype):
    images, expected = [], []
    for number in range(data.draw(st.integers(1, 3))):
        axes = "".join(data.draw(st.permutations("TZC")))
        # Rows may lie in columns, but nothing lies between the pixels of a plane.
        inner = data.draw(st.sampled_from(["YX", "XY"]))
        lengths = {axis: data.draw(sizes) for axis in "TZC"} | {"Y": 6 + number, "X": 8}
        stack = pixels(*(lengths[axis] for axis in axes + inner), dtype=dtype)
        images.append(Series(f"image {number}", stack, axes + inner))
        order = [(axes + inner).index(axis) for axis in "TZCYX"]
        expected.append(stack.transpose(order))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.lif"
        write_lif(path, *images)
        check(path, *expected)


LIF_FACTS = """<TimeStampList NumberOfTimeStamps="2">1dc7b9474400080 1dc7b9474d89700</TimeStampList>
<Attachment Name="HardwareSetting"><ATLConfocalSettingDefinition ObjectiveName="HC PL APO CS2 63x/1.40 OIL"/></Attachment>"""


def test_what_lif_says(path):
    path = path.with_suffix(".lif")
    steps = {"X": 1e-7, "Y": 1e-7, "Z": 5e-7, "T": 30.0}
    channels = [("DAPI", "Blue"), ("", "Green"), ("", "")]
    stack = Series("cells <é>", pixels(2, 4, 3, 6, 8), "TZCYX", steps, channels, LIF_FACTS)
    write_lif(path, stack, Series("other", pixels(5, 4), "YX"))
    first, second = read_headers(path)
    assert (first.position, second.position) == ("cells <é>", "other")
    assert first.channels == ("DAPI", "Green", "3")
    assert first.pixel_size_um == pytest.approx(0.1)
    assert first.slice_step_um == pytest.approx(0.5)
    assert first.interval_s == pytest.approx(30)
    assert first.acquired == "2026-01-02T03:04:05+00:00"
    assert first.objective == "HC PL APO CS2 63x/1.40 OIL"
    old = f'<TimeStampList><TimeStamp HighInteger="{0x1DC7B9474400080 >> 32}" LowInteger="{0x1DC7B9474400080 & 0xFFFFFFFF}"/></TimeStampList>'
    write_lif(path, Series("by an older LAS", pixels(5, 4), "YX", more=old))
    assert read_headers(path)[0].acquired == first.acquired
    told = (second.pixel_size_um, second.slice_step_um, second.interval_s, second.acquired)
    assert (*told, second.objective) == (None,) * 5


def test_colours_tiles_and_bands_of_lif(path):
    path = path.with_suffix(".lif")
    rgb, tiles, bands = pixels(6, 8, 3, dtype="uint8"), pixels(2, 6, 8), pixels(2, 3, 6, 8)
    write_lif(
        path,
        Series("camera", rgb, "YXS"),
        Series("mosaic", tiles, "MYX"),
        Series("bands", bands, "CλYX", channels=[("A", ""), ("B", "")]),
    )
    headers = read_headers(path)
    assert [header.color for header in headers] == [True, False, False, False]
    assert headers[0].channels == ("red", "green", "blue")
    assert [header.position for header in headers[1:3]] == ["mosaic tile 1", "mosaic tile 2"]
    assert headers[3].channels[:4] == (
        "A emission 1",
        "A emission 2",
        "A emission 3",
        "B emission 1",
    )
    with open_image(path) as image:
        for channel in range(3):
            assert np.array_equal(image.plane(channel), rgb[..., 2 - channel])
        for tile in range(2):
            assert np.array_equal(image.plane(0, position=1 + tile), tiles[tile])
        for channel in range(6):
            assert np.array_equal(
                image.plane(channel, position=3), bands[channel // 3, channel % 3]
            )


def test_one_image_of_lif_that_is_no_picture_fails_alone(path):
    path = path.with_suffix(".lif")
    plane = pixels(6, 8)
    write_lif(path, Series("scan", plane, "ZX"), Series("cells", plane, "YX"))
    assert [code_of(path, position) for position in (0, 1)] == ["SM-IMG-036", ""]
    assert read_headers(path)[0].position == "scan"
    write_lif(path, Series("scan", plane, "ZX"))
    assert code_of(path) == "SM-IMG-036"
    write_lif(path)
    assert code_of(path) == "SM-IMG-035"


def test_lif_whose_copy_was_interrupted(path):
    path = path.with_suffix(".lif")
    write_lif(path, *(Series(f"image {number}", pixels(64, 64), "YX") for number in range(3)))
    whole = path.read_bytes()
    path.write_bytes(whole[:-9000])
    assert [code_of(path, position) for position in range(3)] == ["", "SM-IMG-050", "SM-IMG-003"]
    for part in (30, 1000):
        path.write_bytes(whole[:part])
        assert code_of(path) == "SM-IMG-003"


def test_no_image_of_lif_is_dropped_for_its_name(path):
    path = path.with_suffix(".lif")
    write_lif(path, Series("same", pixels(6, 8), "YX"), Series("same", pixels(6, 8), "YX"))
    assert code_of(path) == "SM-IMG-003"


# ----------------------------------------------------------------------------------------------------------- OME-Zarr


@given(
    st.data(),
    st.sampled_from(["0.3", "0.4", "0.5"]),
    st.sampled_from(["bool", "uint8", "uint16", "int16", "float32", "float64"]),
)
@some
def test_planes_of_zarr(data, version, dtype):
    others = data.draw(st.lists(st.sampled_from("tcz"), unique=True))
    axes = "".join(data.draw(st.permutations([*others, "y", "x"])))
    lengths = {axis: data.draw(sizes) for axis in others} | {"y": 6, "x": 8}
    stack = pixels(*(lengths[axis] for axis in axes)) % 2 if dtype == "bool" else None
    stack = pixels(*(lengths[axis] for axis in axes)) if stack is None else stack
    stack = stack.astype(dtype)
    chunks = [data.draw(st.integers(1, size)) for size in stack.shape]
    expected = stack.transpose([axes.index(axis) for axis in "tzcyx" if axis in axes])
    missing = [place for place, axis in enumerate("tzcyx") if axis not in axes]
    expected = np.expand_dims(expected, missing)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.ome.zarr"
        write_image(path, stack, axes, version, chunks=chunks)
        check(path, expected.astype("uint8") if dtype == "bool" else expected)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_what_zarr_says(path, version):
    path = path.with_suffix(".zarr")
    scale = {"t": 2, "z": 0.5, "y": 65, "x": 65}
    units = {"t": "minute", "z": "micrometer", "y": "nanometer", "x": "nanometer"}
    stack = pixels(2, 2, 3, 6, 8)
    write_image(path, stack, "tczyx", version, scale=scale, units=units, labels=["DAPI", ""])
    (header,) = read_headers(path)
    assert header.channels == ("DAPI", "2")
    assert header.pixel_size_um == pytest.approx(0.065)
    assert (header.slice_step_um, header.interval_s) == (0.5, 120)
    # A number without a unit says nothing about micrometres.
    write_image(path, stack, "tczyx", version, scale=scale, units={})
    (header,) = read_headers(path)
    assert (header.pixel_size_um, header.slice_step_um, header.interval_s) == (None, None, None)


def test_zarr_of_the_first_versions(path):
    path = path.with_suffix(".zarr")
    stack = pixels(2, 3, 2, 6, 8)
    write_image(path, stack, "tczyx", "0.1")
    check(path, stack.transpose(0, 2, 1, 3, 4))


def test_other_axes_of_zarr_are_channels(path):
    path = path.with_suffix(".zarr")
    stack = pixels(2, 3, 6, 8)
    write_image(path, stack, "cpyx", "0.4", labels=["A", "B"])
    (header,) = read_headers(path)
    assert header.channels == ("A p 1", "A p 2", "A p 3", "B p 1", "B p 2", "B p 3")
    check(path, stack.reshape(1, 1, 6, 6, 8))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_plate_of_zarr(path, version):
    path = path.with_suffix(".zarr")
    wells = ["A/1", "B/03", "C/2"]
    write_group(path, {"plate": {"wells": [{"path": well} for well in wells]}}, version)
    fields = pixels(4, 1, 6, 8)
    for number, well in enumerate(wells[:2]):
        images = {"well": {"images": [{"path": "0"}, {"path": "1"}]}}
        write_group(path / well, images, version)
        for field in range(2):
            write_image(path / well / str(field), fields[2 * number + field], "cyx", version)
    # Labels are no fields of view.
    write_group(path / "A/1/0/labels", {"labels": ["cells"]}, version)
    headers = read_headers(path)
    assert [header.position for header in headers] == ["A/1/0", "A/1/1", "B/03/0", "B/03/1", "C/2"]
    with open_image(path) as image:
        for position in range(4):
            assert np.array_equal(image.plane(0, position=position), fields[position, 0])
    assert code_of(path, 4) == "SM-IMG-033"
    shutil.rmtree(path / "B/03/0/0")
    assert [code_of(path, position) for position in (1, 2, 3)] == ["", "SM-IMG-033", ""]


OME_XML = """<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">
<Image ID="Image:0" Name="left"><AcquisitionDate>2026-01-02T03:04:05</AcquisitionDate><Pixels/></Image>
<Image ID="Image:1" Name="right"><Pixels/></Image></OME>"""


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_series_of_bioformats2raw(path, version):
    path = path.with_suffix(".zarr")
    write_group(path, {"bioformats2raw.layout": 3}, version)
    series = [pixels(6, 8 + number) for number in range(11)]
    for number, plane in enumerate(series):
        write_image(path / str(number), plane, "yx", version)
    check(path, *(plane[None, None, None] for plane in series))
    write_group(path / "OME", {"series": ["1", "0"]}, version)
    (path / "OME" / "METADATA.ome.xml").write_text(OME_XML)
    check(path, series[1][None, None, None], series[0][None, None, None])
    headers = read_headers(path)
    assert [header.position for header in headers] == ["left", "right"]
    assert headers[0].acquired == "2026-01-02T03:04:05"


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_only_the_chunks_of_a_plane_of_zarr_are_read(path, version):
    path = path.with_suffix(".zarr")
    stack = pixels(3, 6, 8)
    write_image(path, stack, "tyx", version, chunks=(1, 6, 8))
    chunk = path / ("0/2/0/0" if version == "0.4" else "0/c/2/0/0")
    chunk.write_bytes(chunk.read_bytes()[:-5])
    with open_image(path) as image:
        assert np.array_equal(image.plane(0, time=1), stack[1])
    assert code_of(path) == "SM-IMG-003"


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_folders_that_are_no_whole_zarr(path, version):
    path = path.with_suffix(".zarr")
    path.mkdir()
    assert code_of(path) == "SM-IMG-031"
    write_group(path, {}, version)
    assert code_of(path) == "SM-IMG-031"
    shutil.rmtree(path)
    write_array(path, pixels(6, 8), version, None)
    assert code_of(path) == "SM-IMG-031"
    shutil.rmtree(path)
    write_image(path, pixels(6, 8), "yx", version)
    for file in (path / "0").rglob("*"):
        if file.is_file() and file.name not in (".zarray", "zarr.json"):
            file.unlink()
    assert code_of(path) == "SM-IMG-034"
    shutil.rmtree(path / "0")
    assert code_of(path) == "SM-IMG-033"
    described = path / (".zattrs" if version == "0.4" else "zarr.json")
    whole = described.read_text()
    for broken in (whole[:-9], whole.replace("axes", "axles"), whole.replace('"y"', '"x"'), "[]"):
        write_image(path, pixels(6, 8), "yx", version)
        described.write_text(broken)
        assert code_of(path) == "SM-IMG-032"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"compressor": {"id": "lz4"}}, "SM-IMG-036"),
        ({"filters": [{"id": "delta"}]}, "SM-IMG-036"),
        ({"shape": [6, 0]}, "SM-IMG-032"),
        ({"shape": [1, 6, 8]}, "SM-IMG-032"),
        ({"dtype": "?!"}, "SM-IMG-032"),
        ({"dtype": "<c8"}, "SM-IMG-036"),
    ],
)
def test_pixels_of_zarr_that_nobody_reads(path, change, code):
    path = path.with_suffix(".zarr")
    write_image(path, pixels(6, 8), "yx", "0.4")
    described = path / "0" / ".zarray"
    described.write_text(json.dumps(json.loads(described.read_text()) | change))
    assert code_of(path) == code


def test_a_zarr_that_is_a_file(path):
    path = path.with_suffix(".zarr")
    path.write_bytes(b"not a folder")
    assert code_of(path) == "SM-IMG-030"


# ------------------------------------------------------------------------------------------------------- PNG and JPEG


def encoded(picture: Image.Image, **options) -> bytes:
    """Return a picture as Pillow writes it."""
    file = io.BytesIO()
    picture.save(file, **{"format": "PNG", **options})
    return file.getvalue()


GREY = pixels(6, 8, dtype="uint8")
RGB = pixels(6, 8, 3, dtype="uint8")
DEEP = pixels(6, 8, 3) * 2
OPAQUE = np.full((6, 8, 1), 255, np.uint8)
PICTURES = {
    "grey": (encoded(Image.fromarray(GREY)), GREY),
    "grey with text": (encoded(Image.fromarray(GREY), dpi=(300, 300)), GREY),
    "16 bits": (encoded(Image.fromarray(DEEP[..., 0])), DEEP[..., 0]),
    "1 bit": (encoded(Image.fromarray(GREY > 99)), np.uint8(255) * (GREY > 99)),
    "grey, transparency": (encoded(Image.fromarray(np.dstack([GREY, OPAQUE]), "LA")), GREY),
    "colour": (encoded(Image.fromarray(RGB)), RGB),
    "colour, transparency": (encoded(Image.fromarray(np.dstack([RGB, OPAQUE]))), RGB),
    "palette": (
        encoded(Image.fromarray(np.dstack([GREY] * 3)).quantize(256)),
        np.dstack([GREY] * 3),
    ),
    "colour, 16 bits": (imagecodecs.png_encode(DEEP), DEEP),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_png(path, kind):
    path = path.with_suffix(".png")
    content, expected = PICTURES[kind]
    path.write_bytes(content)
    (header,) = read_headers(path)
    assert (header.color, header.lossy, header.pixel_size_um) == (expected.ndim == 3, False, None)
    planes = np.moveaxis(expected, -1, 0) if header.color else expected[None]
    check(path, planes[None, None])


def test_jpeg_is_lossy(path):
    path = path.with_suffix(".JPG")
    smooth = np.add.outer(np.arange(64), np.arange(80)).astype(np.uint8)
    path.write_bytes(encoded(Image.fromarray(smooth), format="JPEG", quality=95))
    (header,) = read_headers(path)
    assert (header.height, header.width, header.channels) == (64, 80, ("1",))
    assert header.lossy and not header.color and header.pixel_size_um is None
    with open_image(path) as image:
        assert np.abs(image.plane(0).astype(int) - smooth).max() < 4
    colour = Image.fromarray(np.dstack([smooth, smooth // 2, smooth // 4]))
    path.write_bytes(encoded(colour, format="JPEG", quality=95, progressive=True))
    (header,) = read_headers(path)
    assert header.color and header.channels == ("red", "green", "blue")
    with open_image(path) as image:
        assert image.plane(0).max() > 2 * image.plane(2).max()


@pytest.mark.parametrize("suffix", [".png", ".jpeg"])
def test_a_grey_picture_saved_in_colour_is_segmented(path, suffix):
    path = path.with_suffix(suffix)
    grey = np.dstack([pixels(16, 16, dtype="uint8")] * 3)
    format_of = {".png": "PNG", ".jpeg": "JPEG"}
    path.write_bytes(encoded(Image.fromarray(grey), format=format_of[suffix]))
    with FieldOfView(path, 0, NOTHING_CHOSEN) as field:
        (plane,) = field.planes(0)
    assert plane.shape == (16, 16) and (suffix == ".jpeg" or np.array_equal(plane, grey[..., 0]))


@pytest.mark.parametrize("format_of", ["PNG", "JPEG"])
@pytest.mark.parametrize("part", [0.001, 0.3, 0.9, 0.999])
def test_pictures_whose_copy_was_interrupted(path, format_of, part):
    path = path.with_suffix(f".{format_of.lower()}")
    whole = encoded(Image.fromarray(pixels(200, 200, dtype="uint8")), format=format_of)
    path.write_bytes(whole[: int(len(whole) * part)])
    assert code_of(path) == "SM-IMG-003"


@pytest.mark.parametrize("name", ["omni_Sample000033.png", "omni_Sample000252.png"])
def test_real_png(shared, name):
    path = shared / "bacteria" / name
    with Image.open(path) as picture:
        expected = np.asarray(picture.convert("L"))
    with FieldOfView(path, 0, NOTHING_CHOSEN) as field:
        (plane,) = field.planes(0)
    assert np.array_equal(plane, expected) and plane.min() < plane.max()


# --------------------------------------------------------------------------------------------------------- all of them


@pytest.mark.parametrize("suffix", [".czi", ".lif", ".png", ".jpg"])
@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"Date;Cells\n1;2\n", "SM-IMG-003"),
        (bytes(range(256)) * 64, "SM-IMG-003"),
        (b"II*\0\x08\0\0\0" + bytes(64), "SM-IMG-005"),
        (None, "SM-IMG-003"),
    ],
    ids=["text", "noise", "TIFF", "start only"],
)
def test_files_that_are_not_what_their_name_says(path, suffix, content, code):
    path = path.with_suffix(suffix)
    starts = {
        ".czi": b"ZISRAWFILE",
        ".lif": b"\x70\0\0\0",
        ".png": b"\x89PNG\r\n\x1a\n",
        ".jpg": b"\xff\xd8\xff",
    }
    path.write_bytes(starts[suffix] + bytes(999) if content is None else content)
    assert code_of(path) == code


@pytest.mark.parametrize(
    ("suffix", "module", "package"),
    [
        (".czi", "pylibCZIrw", "pylibCZIrw"),
        (".lif", "liffile", "liffile"),
        (".zarr", "tensorstore", "tensorstore"),
        (".png", "imagecodecs", "imagecodecs"),
    ],
)
def test_a_library_that_is_missing_is_named(path, monkeypatch, suffix, module, package):
    path = path.with_suffix(suffix)
    path.write_bytes(b"content")
    monkeypatch.setitem(sys.modules, module, None)
    for name in ("czi", "lif", "ome_zarr", "picture"):
        monkeypatch.delitem(sys.modules, f"segmake.formats.{name}", raising=False)
    with pytest.raises(Problem) as told:
        open_image(path)
    assert told.value.code == "SM-IMG-006" and told.value.values["package"] == package


# What the engine's own Python reads of files, with its own NumPy.
READ = """
import sys
from pathlib import Path
from segmake.formats import open_image
for name in sys.argv[1:]:
    with open_image(Path(name)) as image:
        print(image.fields[0], image.plane(0, time=1).tolist() if image.fields[0].times > 1 else image.plane(0).tolist())
"""


def test_an_engine_reads_the_same(path):
    python = python_of("cellpose3")
    if not python.exists():
        pytest.skip("the environment of cellpose3 is not on this machine")
    paths = {
        suffix: path.with_suffix(suffix) for suffix in (".czi", ".lif", ".zarr", ".png", ".jpg")
    }
    stack = pixels(2, 3, 6, 8)
    write_czi(
        paths[".czi"],
        {(1, time, 0, channel): stack[time, channel] for time in range(2) for channel in range(3)},
        channel_names={0: "DAPI"},
        scale_x=65e-9,
    )
    write_lif(paths[".lif"], Series("cells", stack, "TCYX", {"X": 1e-7, "T": 3}, more=LIF_FACTS))
    write_image(paths[".zarr"], stack, "tcyx", "0.5", scale={"x": 0.1})
    paths[".png"].write_bytes(encoded(Image.fromarray(DEEP[..., 0])))
    paths[".jpg"].write_bytes(encoded(Image.fromarray(GREY), format="JPEG"))
    names = [str(name) for name in paths.values()]
    theirs = run(python, "-c", READ, *names)
    assert len(theirs.splitlines()) == 5
    assert theirs == run(sys.executable, "-c", READ, *names)


def test_a_stack_of_metamorph(path):
    planes = np.arange(3 * 4 * 5, dtype=np.uint16).reshape(3, 4, 5)
    path = path.with_suffix(".stk")
    write_stk(path, planes, 0.065, 60_000)
    with open_image(path) as image:
        [header] = image.fields
        assert (header.times, header.slices, header.unnamed) == (3, 1, 1)
        assert (header.pixel_size_um, header.pixel_height_um) == (0.065, None)
        assert header.interval_s == 60
        assert all(np.array_equal(image.plane(0, time=t), planes[t]) for t in range(3))


@pytest.mark.parametrize("suffix", [".lsm", ".btf", ".tf8", ".STK"])
def test_other_suffixes_of_tiff(path, suffix):
    plane = np.arange(20, dtype=np.uint16).reshape(4, 5)
    path = path.with_suffix(suffix)
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        file.write(plane)
    with open_image(path) as image:
        assert np.array_equal(image.plane(0), plane)
