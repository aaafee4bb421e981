"""Whatever the order of axes and the container on disk, the plane that is read is the plane that was asked for."""

from __future__ import annotations

import tempfile
from itertools import permutations
from pathlib import Path

import numpy as np
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from segmake.formats import open_image
from segmake.formats.axes import index_of, size_of
from segmake.formats.believed import Header
from tests.unit.tiff_files import document, image_xml, write_micromanager, write_pages

SIZES = st.fixed_dictionaries(
    {
        "T": st.integers(1, 3),
        "Z": st.integers(1, 3),
        "C": st.integers(1, 3),
        "Y": st.integers(17, 40),
        "X": st.integers(17, 40),
    }
)
DTYPES = st.sampled_from(["uint8", "uint16", "int16", "uint32", "float32", "float64"])
COMPRESSIONS = st.sampled_from([None, None, "zlib", "lzw", "zstd"])
EXAMPLES = settings(max_examples=60)


def numbered(axes: str, sizes: dict[str, int], dtype: str) -> np.ndarray:
    """Return noise in which no two planes are the same."""
    shape = [sizes[axis] for axis in axes]
    return np.random.default_rng(0).integers(0, 200, shape).astype(dtype)


def check(path: Path, written: np.ndarray, axes: str, *, position: int = 0) -> Header:
    """Read every plane of a file, and compare each with the same plane of the array that was written."""
    places = {axis: range(size) for axis, size in zip(axes, written.shape, strict=True)}
    with open_image(path) as image:
        header = image.fields[position]
        assert (header.width, header.height) == (len(places["X"]), len(places["Y"]))
        assert (header.times, header.slices) == tuple(len(places.get(a, "1")) for a in "TZ")
        assert len(header.channels) == len(places.get("C", "1"))
        assert header.unnamed == len(places.get("Q", "1"))
        assert header.dtype == written.dtype.newbyteorder("=").name
        for t, z, c, q in np.ndindex(*(len(places.get(axis, "1")) for axis in "TZCQ")):
            index = {"T": t, "Z": z, "C": c, "Q": q}
            expected = written[tuple(index.get(axis, slice(None)) for axis in axes)]
            if axes.index("X") < axes.index("Y"):
                expected = expected.T
            plane = image.plane(c, position=position, time=t, slice=z, page=q)
            assert np.array_equal(plane, expected), index
            assert plane.dtype.isnative and plane.flags.c_contiguous and plane.dtype == header.dtype
    return header


@EXAMPLES
@given(
    order=st.sampled_from(list(permutations("TZC"))),
    sizes=SIZES,
    dtype=DTYPES,
    options=st.fixed_dictionaries(
        {
            "compression": COMPRESSIONS,
            "tile": st.sampled_from([None, (16, 16)]),
            "bigtiff": st.booleans(),
            "byteorder": st.sampled_from("<>"),
        }
    ),
)
def test_ome_tiff_of_every_dimension_order(order, sizes, dtype, options):
    axes = "".join(order) + "YX"
    written = numbered(axes, sizes, dtype)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "image.ome.tif")
        tifffile.imwrite(
            path, written, photometric="minisblack", metadata={"axes": axes}, **options
        )
        with tifffile.TiffFile(path) as file:
            assert f'DimensionOrder="XY{axes[2::-1]}"' in file.ome_metadata
        check(path, written, axes)


@EXAMPLES
@given(
    axes=st.sampled_from(["YX", "CYX", "ZYX", "TYX", "TZYX", "TCYX", "ZCYX", "TZCYX"]),
    sizes=SIZES,
    dtype=st.sampled_from(["uint8", "uint16", "float32"]),
    byteorder=st.sampled_from("<>"),
)
def test_imagej_hyperstacks(axes, sizes, dtype, byteorder):
    written = numbered(axes, sizes, dtype)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "image.tif")
        tifffile.imwrite(path, written, imagej=True, byteorder=byteorder, metadata={"axes": axes})
        check(path, written, axes)


@EXAMPLES
@given(
    axes=st.permutations("TZCYX").map("".join),
    sizes=SIZES,
    dtype=DTYPES,
    compression=COMPRESSIONS,
    cut=st.integers(0, 3),
)
def test_axes_in_any_order_where_the_file_names_them(axes, sizes, dtype, compression, cut):
    """Also where a page is no plane: pages of XC, one for each row."""
    axes = "".join(axis for axis in axes if axis not in "TZC"[:cut])
    written = numbered(axes, sizes, dtype)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "image.tif")
        options = {"photometric": "minisblack", "compression": compression}
        tifffile.imwrite(path, written, metadata={"axes": axes}, **options)
        check(path, written, axes)


@EXAMPLES
@given(
    samples=st.integers(2, 5),
    planar=st.sampled_from(["contig", "separate"]),
    rgb=st.booleans(),
    times=st.integers(1, 3),
    tile=st.sampled_from([None, (16, 16)]),
    compression=COMPRESSIONS,
    ome=st.booleans(),
)
def test_samples_are_channels(samples, planar, rgb, times, tile, compression, ome):
    rgb = rgb and samples >= 3
    axes = "TYXC" if planar == "contig" else "TCYX"
    written = numbered(axes, {"T": times, "C": samples, "Y": 20, "X": 33}, "uint8")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "image.tif")
        tifffile.imwrite(
            path,
            written,
            ome=ome,
            photometric="rgb" if rgb else "minisblack",
            planarconfig=planar,
            tile=tile,
            compression=compression,
            metadata={"axes": axes.replace("C", "S")},
        )
        header = check(path, written, axes)
    assert header.color == (rgb and samples in (3, 4))
    if header.color:
        assert header.channels == ("red", "green", "blue", "alpha")[:samples]


@EXAMPLES
@given(
    counts=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=2, max_size=4),
    compression=COMPRESSIONS,
)
def test_several_images_in_a_file_are_positions(counts, compression):
    images = [
        numbered("TCYX", {"T": t, "C": c, "Y": 18, "X": 20 + number}, "uint16") + number
        for number, (t, c) in enumerate(counts)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "image.ome.tif")
        with tifffile.TiffWriter(path) as file:
            for number, written in enumerate(images):
                metadata = {"axes": "TCYX", "Name": f"well {number}"}
                options = {"photometric": "minisblack", "compression": compression}
                file.write(written, metadata=metadata, **options)
        for number, written in enumerate(images):
            header = check(path, written, "TCYX", position=number)
            assert header.position == f"well {number}"


@EXAMPLES
@given(sizes=SIZES, files=st.integers(2, 4), seed=st.integers(0, 99), opened=st.integers(0, 3))
def test_planes_shuffled_over_a_set_of_files(sizes, files, seed, opened):
    written = numbered("TZCYX", sizes, "uint16")
    planes = written.reshape(-1, *written.shape[-2:])
    # Each file has a plane at least, so that each is a part of the image.
    files = min(files, len(planes))
    order = np.random.default_rng(seed).permutation(len(planes))
    names = [f"part {number} é.ome.tif" for number in range(files)]
    places = [(names[rank % files], rank // files) for rank in np.argsort(order)]
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(names):
            xml = document(image_xml(written, places), own=name).encode()
            write_pages(Path(folder, name), planes[order[number::files]], xml)
        name = names[opened % files]
        header = check(Path(folder, name), written, "TZCYX")
        assert header.parts == tuple(other for other in names if other != name)


def test_micromanager_in_two_files(tmp_path):
    pixels = numbered("PTZCYX", {"P": 2, "T": 3, "Z": 2, "C": 2, "Y": 9, "X": 11}, "uint16")
    summary = {"Frames": 3, "Slices": 2, "Channels": 2, "Positions": 2, "ChNames": ["BF", "GFP"]}
    summary |= {"z-step_um": 0.5, "Interval_ms": 30_000, "SlicesFirst": True, "TimeFirst": True}
    paths = [tmp_path / "a_MMStack.tif", tmp_path / "a_MMStack_1.tif"]
    write_micromanager(paths[0], pixels, summary, 0, 15)
    write_micromanager(paths[1], pixels, summary, 15, 24)
    for path, other in zip(paths, reversed(paths), strict=True):
        for position in (0, 1):
            header = check(path, pixels[position], "TZCYX", position=position)
            assert header.parts == (other.name,)
    assert header.channels == ("BF", "GFP") and header.pixel_size_um == 0.065
    assert (header.slice_step_um, header.interval_s) == (0.5, 30)


@given(
    st.lists(st.tuples(st.sampled_from(["time", "channel", "page"]), st.integers(1, 4)), max_size=5)
)
def test_several_axes_of_one_role_are_counted_together(axes):
    roles, sizes = [role for role, _ in axes], [size for _, size in axes]
    numbers = np.arange(np.prod(sizes, dtype=int)).reshape(sizes)
    counts = {role: size_of(role, roles, sizes) for role in ("time", "channel", "page")}
    seen = {
        int(numbers[tuple(index_of(dict(zip(counts, place, strict=True)), roles, sizes))])
        for place in np.ndindex(*counts.values())
    }
    assert len(seen) == numbers.size
