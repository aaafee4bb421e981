"""Synthetic pictures and the demo data set."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from segmake.demo import synthetic
from segmake.formats import open_image
from segmake.messages import Problem


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return synthetic.write_demo_images(tmp_path_factory.mktemp("demo"))


def test_same_seed_same_picture():
    image, labels = synthetic.draw_field(5, shape=(96, 128))
    again, labels_again = synthetic.draw_field(5, shape=(96, 128))
    other, _ = synthetic.draw_field(6, shape=(96, 128))
    assert image.shape == labels.shape == (96, 128)
    assert np.array_equal(image, again)
    assert np.array_equal(labels, labels_again)
    assert not np.array_equal(image, other)


@pytest.mark.parametrize("cells", synthetic.CELL_KINDS)
def test_labels_are_consecutive_and_each_in_one_piece(cells):
    _, labels = synthetic.draw_field(3, cells=cells, arrangement="dense", width=12)
    assert labels.dtype == np.uint16
    assert np.array_equal(np.unique(labels), np.arange(labels.max() + 1))
    assert labels.max() >= 5
    for number in range(1, labels.max() + 1):
        assert ndimage.label(labels == number)[1] == 1


@pytest.mark.parametrize(("modality", "sign"), [("fluorescence", 1), ("phase", -1)])
def test_labels_lie_on_what_the_picture_shows(modality, sign):
    image, labels = synthetic.draw_field(
        2, modality=modality, staining="cytoplasm", arrangement="sparse", cells="rod", width=12
    )
    background = image[labels == 0]
    difference = sign * (image[labels > 0].mean() - np.median(background))
    assert difference > 2 * background.std()


def test_width_is_what_was_asked_for():
    _, labels = synthetic.draw_field(4, cells="coccus", arrangement="sparse", width=16)
    inside = ndimage.distance_transform_edt(np.pad(labels == 1, 1)).max()
    assert inside == pytest.approx(8, abs=2)


def test_wrong_choices_are_refused():
    with pytest.raises(
        ValueError, match="modality must be one of phase, fluorescence, brightfield"
    ):
        synthetic.draw_field(1, modality="confocal")
    with pytest.raises(ValueError, match="width"):
        synthetic.draw_field(1, width=100)
    with pytest.raises(ValueError, match="shape"):
        synthetic.draw_field(1, shape=(320, 4))


def test_demo_set_has_twelve_files_of_which_one_cannot_be_read(demo):
    assert len(demo) == 12 and all(path.exists() for path in demo)
    unreadable = []
    for path in demo:
        try:
            tifffile.imread(path)
        except (ValueError, tifffile.TiffFileError):
            unreadable.append(path.name)
    assert unreadable == ["broken_copy.tif"]
    (broken,) = (path for path in demo if path.name in unreadable)
    with pytest.raises(Problem) as caught, open_image(broken) as image:
        image.plane(0)
    assert caught.value.code == "SM-IMG-050", "not one that is still being copied"


def test_demo_files_hold_the_demo_fields(demo):
    folder = demo[0].parents[1]
    fields = synthetic.demo_fields()
    for name, image, _ in fields:
        assert np.array_equal(tifffile.imread(folder / name), image)
    assert [name for name, _, labels in fields if labels.max() == 0] == [
        "phase/ecoli_phase_pos04_blank.ome.tif"
    ]


def test_demo_files_are_the_same_bytes_every_time(demo, tmp_path):
    again = synthetic.write_demo_images(tmp_path)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in demo]


def test_pixel_size_reads_back(demo):
    kinds = set()
    for path in demo:
        if path.name == "broken_copy.tif":
            continue
        with tifffile.TiffFile(path) as tiff:
            assert tiff.series[0].axes == "YX" and tiff.series[0].shape == (320, 320)
            if tiff.is_ome:
                pixels = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]["Pixels"]
                size, unit = pixels["PhysicalSizeX"], pixels["PhysicalSizeXUnit"]
            else:
                above, below = tiff.pages[0].tags["XResolution"].value
                size, unit = below / above, tiff.imagej_metadata["unit"]
            kinds.add(tiff.is_ome)
        assert size == pytest.approx(0.065) and unit in ("um", "µm")
    assert kinds == {True, False}


def test_no_other_file_is_overwritten(tmp_path):
    drawn = synthetic.write_demo_images(tmp_path)
    assert synthetic.write_demo_images(tmp_path) == drawn
    drawn[3].write_bytes(b"mine")
    drawn[5].unlink()
    with pytest.raises(Problem, match="SM-OUT-022"):
        synthetic.write_demo_images(tmp_path)
    assert drawn[3].read_bytes() == b"mine" and not drawn[5].exists()
