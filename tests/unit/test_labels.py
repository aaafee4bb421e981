from __future__ import annotations

import numpy as np
import pytest
import tifffile

from segmake.labels import read_labels, write_labels
from segmake.readers import read_header


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new folder" / "a_masks.ome.tif"


@pytest.mark.parametrize("given", ["int32", "int64", "uint32"])
@pytest.mark.parametrize(
    ("largest", "written"), [(0, "uint16"), (1, "uint16"), (65_535, "uint16"), (65_536, "uint32")]
)
def test_the_smallest_type_that_holds_all_cells(path, given, largest, written):
    labels = np.zeros((40, 30), given)
    labels[5:9, 2:7] = largest
    write_labels(path, labels, None, "a.tif")
    read = read_labels(path)
    assert read.dtype == written and np.array_equal(read, labels)


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (700, 300)])
def test_the_shape_is_kept(path, shape):
    write_labels(path, np.ones(shape, np.int32), None, "a.tif")
    assert read_labels(path).shape == shape


@pytest.mark.parametrize("size", [None, 0.065, 1.0, 0.1083333333])
def test_the_size_of_a_pixel_is_kept(path, size):
    write_labels(path, np.eye(8, dtype=np.int32), size, "a.tif")
    assert read_header(path).pixel_size_um == size
    with tifffile.TiffFile(path) as file:
        assert file.is_ome and file.series[0].axes == "YX"
        assert file.pages[0].compression == tifffile.COMPRESSION.ADOBE_DEFLATE


def test_the_same_labels_give_the_same_bytes(tmp_path):
    labels = np.arange(64, dtype=np.int32).reshape(8, 8)
    first, second, other = (tmp_path / f"{name}.ome.tif" for name in ("a", "sub/b", "c"))
    write_labels(first, labels, 0.1, "a.tif")
    write_labels(second, labels.astype(np.uint32), 0.1, "a.tif")
    write_labels(other, labels, 0.1, "another.tif")
    assert first.read_bytes() == second.read_bytes() != other.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.ome.tif", "c.ome.tif", "sub"]


@pytest.mark.parametrize(
    "name", ["é µ 細胞.tif", "a\x00\x07\n\x1b.tif", "<&>\"'.tif", "\udcff.tif", "\u2028"]
)
def test_any_name_leaves_a_file_that_can_be_read(path, name):
    write_labels(path, np.eye(8, dtype=np.int32), 0.1, name)
    assert read_labels(path).sum() == 8
    assert read_header(path).pixel_size_um == 0.1


def test_a_write_that_fails_leaves_what_was_there(path):
    write_labels(path, np.eye(8, dtype=np.int32), None, "a.tif")
    before = path.read_bytes()
    with pytest.raises(ValueError):
        write_labels(path, np.zeros((0, 0), np.int32), None, "a.tif")
    assert path.read_bytes() == before and len(list(path.parent.iterdir())) == 1
