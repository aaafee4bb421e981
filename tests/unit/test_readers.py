from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from segmake.messages import Problem
from segmake.readers import Header, channel_index, open_image, read_header, read_planes

RANDOM = np.random.default_rng(0)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "image.tif"


def planes(path: Path, channel=None, second=None) -> list[np.ndarray]:
    return read_planes(path, {"channel": channel, "second_channel": second})[0]


def code_of(path: Path, channel=None, second=None) -> str:
    with pytest.raises(Problem) as caught:
        planes(path, channel, second)
    assert caught.value.what and caught.value.remedy
    return caught.value.code


def pixels(*shape: int, dtype="uint16") -> np.ndarray:
    return RANDOM.integers(0, 200, shape).astype(dtype)


@pytest.mark.parametrize(
    ("axes", "shape", "options"),
    [
        ("YX", (6, 8), {}),
        ("YX", (6, 8), {"compression": "zlib", "bigtiff": True}),
        ("YX", (6, 8), {"byteorder": ">"}),
        ("YX", (48, 32), {"tile": (16, 16)}),
        ("YX", (6, 8), {"ome": True}),
        ("YX", (6, 8), {"imagej": True}),
        ("TZCYX", (1, 1, 1, 6, 8), {"ome": True}),
        ("CYX", (3, 6, 8), {"ome": True}),
        ("CYX", (3, 6, 8), {"imagej": True}),
        ("CYX", (3, 6, 8), {"imagej": True, "byteorder": ">"}),
        ("TCZYX", (1, 3, 1, 6, 8), {"ome": True}),
    ],
)
def test_the_right_plane_is_read(path, axes, shape, options):
    written = pixels(*shape)
    options = {"metadata": {"axes": axes}, **options}
    if axes == "YX":
        del options["metadata"]
    tifffile.imwrite(path, written, photometric="minisblack", **options)
    header = read_header(path)
    height, width = shape[-2:]
    assert (header.height, header.width) == (height, width)
    assert (header.positions, header.times, header.slices, header.color) == (1, 1, 1, False)
    channels = written.reshape(-1, height, width)
    assert len(header.channels) == len(channels)
    for number, expected in enumerate(channels, start=1):
        (plane,) = planes(path, number)
        assert np.array_equal(plane, expected) and plane.dtype == np.uint16
        assert plane.dtype.isnative and plane.flags.c_contiguous


@pytest.mark.parametrize(
    "dtype", ["uint8", "uint16", ">u2", "uint32", "int16", "float32", ">f4", "float64"]
)
def test_the_type_of_the_pixels_is_kept(path, dtype):
    written = pixels(6, 8, dtype=dtype)
    tifffile.imwrite(path, written, byteorder=">" if dtype[0] == ">" else "<")
    (plane,) = planes(path)
    assert plane.dtype == np.dtype(dtype).newbyteorder("=")
    assert np.array_equal(plane, written)


def test_bits_become_numbers(path):
    written = pixels(6, 8) > 100
    tifffile.imwrite(path, written)
    (plane,) = planes(path)
    assert plane.dtype == np.uint8 and np.array_equal(plane, written)


def test_what_is_no_number_becomes_the_smallest(path):
    written = np.array([[np.nan, 2.0], [-3.0, np.inf]], np.float32)
    tifffile.imwrite(path, written)
    assert planes(path)[0].tolist() == [[-3.0, 2.0], [-3.0, -3.0]]
    tifffile.imwrite(path, np.full((2, 2), np.nan, np.float32))
    assert code_of(path) == "SM-IMG-014"


@pytest.mark.parametrize("samples", [3, 4])
def test_a_colour_picture_without_colour_is_grey(path, samples):
    grey = pixels(6, 8, dtype="uint8")
    picture = np.dstack([grey] * samples)
    picture[..., 3:] = 255
    tifffile.imwrite(path, picture, photometric="rgb", extrasamples=["unassalpha"] * (samples - 3))
    assert np.array_equal(planes(path)[0], grey)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_a_colour_picture_needs_a_channel(path, planar):
    picture = pixels(3, 6, 8, dtype="uint8")
    written = picture if planar == "separate" else np.moveaxis(picture, 0, -1)
    tifffile.imwrite(path, written, photometric="rgb", planarconfig=planar)
    assert read_header(path).channels == ("red", "green", "blue")
    assert code_of(path) == "SM-IMG-013"
    assert np.array_equal(planes(path, "Green")[0], picture[1])
    assert np.array_equal(planes(path, 3)[0], picture[2])


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
    written = pixels(2, 6, 8)
    tifffile.imwrite(path, written, ome=True, photometric="minisblack", metadata=metadata)
    assert read_header(path).channels == expected
    assert np.array_equal(planes(path, expected[1])[0], written[1])


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
    assert read_header(path).channels == expected


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
        ({"imagej": True, "resolution": (10, 10)}, None),
        ({"imagej": True, "resolution": (10, 10), "metadata": {"unit": "um"}}, 0.1),
        ({"imagej": True, "resolution": (10, 10), "metadata": {"unit": "\\u00B5m"}}, 0.1),
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
    size = read_header(path).pixel_size_um
    assert size == (expected and pytest.approx(expected, rel=1e-4))


@pytest.mark.parametrize(
    ("axes", "shape", "code"),
    [
        ("TYX", (4, 6, 8), "SM-IMG-021"),
        ("ZYX", (4, 6, 8), "SM-IMG-022"),
        ("TZCYX", (2, 3, 2, 6, 8), "SM-IMG-021"),
    ],
)
@pytest.mark.parametrize("kind", ["ome", "imagej"])
def test_files_of_several_planes_are_refused(path, axes, shape, code, kind):
    metadata = {"axes": axes}
    tifffile.imwrite(
        path, pixels(*shape), photometric="minisblack", metadata=metadata, **{kind: True}
    )
    assert code_of(path, 1) == code


def test_pages_that_nothing_explains_are_refused(path):
    tifffile.imwrite(path, pixels(3, 6, 8), photometric="minisblack")
    assert code_of(path) == "SM-IMG-021"
    with tifffile.TiffWriter(path) as file:
        file.write(pixels(6, 8), metadata=None)
        file.write(pixels(5, 7), metadata=None)
    assert code_of(path) == "SM-IMG-020"


@pytest.mark.parametrize("name", ["a.tif", "a.TIFF", "a.nd2"])
@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "SM-IMG-002"),
        (b"Date;Cells\n1;2\n", "SM-IMG-003"),
        (b"II*\0", "SM-IMG-003"),
        (b"II*\0\x08\0\0\0\0\0\0\0\0\0", "SM-IMG-003"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 64, "SM-IMG-003"),
        (b"\xda\xce\xbe\x0a" + b"\0" * 64, "SM-IMG-003"),
        (bytes(range(256)) * 64, "SM-IMG-003"),
    ],
)
def test_files_that_are_not_what_their_name_says(tmp_path, name, content, code):
    (tmp_path / name).write_bytes(content)
    assert code_of(tmp_path / name) == code


@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.99])
@pytest.mark.parametrize("source", ["nd2/example-cerevisiae.nd2", "tiff/maicrobe_test_dna.tif"])
def test_a_copy_that_was_interrupted(tmp_path, shared, source, part):
    whole = (shared / source).read_bytes()
    path = tmp_path / Path(source).name
    path.write_bytes(whole[: int(len(whole) * part)])
    assert code_of(path, 1) == "SM-IMG-003"


def test_a_picture_whose_pixels_are_cut_off(path):
    tifffile.imwrite(path, pixels(200, 200), compression="zlib")
    path.write_bytes(path.read_bytes()[:-5000])
    assert code_of(path) == "SM-IMG-003"


def test_files_that_cannot_be_opened(tmp_path):
    assert code_of(tmp_path / "gone.tif") == "SM-IMG-001"
    assert code_of(tmp_path / ("x" * 300 + ".tif")) == "SM-IMG-001"
    (tmp_path / "a.lif").write_bytes(b"x")
    assert code_of(tmp_path / "a.lif") == "SM-IMG-004"


CHANNELS = ("Phase", "GFP", "gfp", "488", "2")


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
    header = Header(8, 6, 1, 1, 1, CHANNELS, False, "uint16", None)
    try:
        assert channel_index(header, wanted, Path("a.tif")) == expected
    except Problem as problem:
        assert problem.code == expected
        assert "4 (488)" in str(problem.values["channels"])


def test_the_only_channel_needs_no_name():
    header = Header(8, 6, 1, 1, 1, ("GFP",), False, "uint16", None)
    assert channel_index(header, None, Path("a.tif")) == 0


def test_a_header_is_kept_as_plain_values():
    header = Header(8, 6, 1, 2, 3, CHANNELS, False, "uint16", 0.1)
    assert Header.from_dict(header.as_dict()) == header


NOT_YET = {"positions": "SM-IMG-020", "times": "SM-IMG-021", "slices": "SM-IMG-022"}
WHICH, COLOUR = "SM-IMG-011", "SM-IMG-013"
# What each real file gives when no channel is named: (rows, columns, pixel size), or a problem.
REAL = {
    "nd2/cluster.nd2": NOT_YET["times"],
    "nd2/example-cerevisiae.nd2": WHICH,
    "nd2/example-multichannel.nd2": WHICH,
    "nd2/example-timelapse.nd2": NOT_YET["times"],
    "nd2/example-zstack.nd2": NOT_YET["slices"],
    "tiff/Bead_Image1_crop.tif": NOT_YET["slices"],
    "tiff/BsubtilismVenus_026_FM_subset.tif": (1330, 624, None),
    "tiff/IXMtest_A02_s9.tif": WHICH,
    "tiff/chessboard_GRAY_U16B.tif": (200, 200, None),
    "tiff/derived_cluster_TZCYX.ome.tif": NOT_YET["times"],
    "tiff/derived_coli_3positions_CYX.ome.tif": NOT_YET["positions"],
    "tiff/derived_coli_ds1_00001_CYX_imagej.tif": WHICH,
    "tiff/derived_trpL_phase_T16_bigtiff.ome.tif": NOT_YET["times"],
    "tiff/derived_trpL_phase_T16_imagej.tif": NOT_YET["times"],
    "tiff/derived_trpL_phase_t15_float32_zeromean.tif": (400, 400, None),
    "tiff/hela-cells-8bit.tif": COLOUR,
    "tiff/hela-cells.tif": COLOUR,
    "tiff/maicrobe_test_dna.tif": (1024, 1376, None),
    "tiff/maicrobe_test_membrane.tif": (1024, 1376, None),
    "tiff/maicrobe_test_phase.tif": (1024, 1376, None),
    "tiff/membrane_2d_timelapse.tif": NOT_YET["times"],
    "tiff/multipage.tif": NOT_YET["times"],
    "tiff/multipage_rgb.tif": NOT_YET["times"],
    "tiff/psf_float32_nan.tif": NOT_YET["times"],
    "tiff/stuck.tif": NOT_YET["times"],
    "bacteria/omni_Sample000306.tiff": (396, 390, None),
    "bacteria/omni_Sample000033.png": "SM-IMG-004",
}


@pytest.mark.parametrize("name", REAL)
def test_real_files(shared, name):
    if isinstance(REAL[name], str):
        assert code_of(shared / name) == REAL[name]
        return
    (plane,), header = read_planes(shared / name, {"channel": None, "second_channel": None})
    assert (*plane.shape, header.pixel_size_um) == REAL[name]
    assert np.isfinite(plane).all() and plane.dtype.isnative and plane.min() < plane.max()


def test_every_real_file_has_its_row(shared):
    files = {
        f"{path.parent.name}/{path.name}"
        for kind in ("nd2", "tiff")
        for path in (shared / kind).iterdir()
    }
    assert {name for name in files if not name.endswith(".md")} <= set(REAL)


@pytest.mark.parametrize(
    ("name", "channels", "size"),
    [
        ("nd2/example-cerevisiae.nd2", ("DIC", "FITC BP"), 0.1083),
        ("nd2/example-multichannel.nd2", ("Mono", "DAPI", "FITC BP", "TRITC BP"), 0.3234),
        ("tiff/IXMtest_A02_s9.tif", ("1", "2", "3"), None),
        ("tiff/derived_coli_ds1_00001_CYX_imagej.tif", ("1", "2"), None),
    ],
)
def test_real_files_of_several_channels(shared, name, channels, size):
    header = read_header(shared / name)
    assert header.channels == channels
    assert header.pixel_size_um == (size and pytest.approx(size, abs=1e-4))
    read = [planes(shared / name, number)[0] for number in range(1, len(channels) + 1)]
    assert {plane.shape for plane in read} == {(header.height, header.width)}
    assert len({plane.tobytes() for plane in read}) == len(channels)
    first, second = planes(shared / name, channels[-1], 1)
    assert np.array_equal(first, read[-1]) and np.array_equal(second, read[0])


def test_the_pixels_of_an_nd2_file(shared):
    import nd2

    expected = nd2.imread(shared / "nd2/example-multichannel.nd2")
    with open_image(shared / "nd2/example-multichannel.nd2") as image:
        for number in range(4):
            assert np.array_equal(image.plane(number), expected[number])
