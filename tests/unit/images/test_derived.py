from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from skimage.measure import label

from segmake.images import derived
from segmake.images.inventory import take_inventory, write_inventory


@pytest.fixture
def take(configure, tmp_path):
    def take_and_keep(**images):
        config = configure(images={**images})
        inventory = take_inventory(config, tmp_path / "results" / ".segmake" / "inventory.tsv")
        write_inventory(inventory, tmp_path / "results" / ".segmake" / "inventory.tsv")
        return inventory

    return take_and_keep


def names(inventory) -> list[str]:
    return [image.image for image in inventory.images if image.present]


def write(path: Path, pixels: np.ndarray, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, pixels, photometric=options.pop("photometric", "minisblack"), **options)


def with_labels(draw, path: Path, cells: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Draw a picture, and return its pixels and the labels of its cells."""
    pixels = tifffile.imread(draw(path, cells=cells))
    return pixels, label(pixels > 700).astype(np.uint16)


def test_what_programs_make_of_an_image_is_none(take, draw, tmp_path):
    folder = tmp_path / "images"
    for name in ("pos1", "sub/pos 2.ome"):
        pixels, labels = with_labels(draw, folder / f"{name}.tif")
        stem = folder / name.removesuffix(".ome")
        made = {
            "_cp_masks.tif": labels,
            "_masks.ome.tif": labels.astype(np.uint8),
            "-labels.tiff": labels.astype(np.float32),
            "_Simple Segmentation.tif": (labels > 0).astype(np.uint8) + 1,
            " mask.tif": (labels > 0).astype(np.uint8) * 255,
            "_seg_empty.tif": np.zeros_like(labels),
            "_flows_cp_masks.tif": np.zeros((3, *pixels.shape), np.uint8),
            "_Probabilities.tif": pixels.astype(np.float32) / 1300,
            "_thumb0A1B2C3D.tif": (pixels[::4, ::4] // 16).astype(np.uint8),
        }
        for end, content in made.items():
            write(stem.with_name(stem.name + end), content)
        draw(stem.parent / "IX_A02_w1CE70AD49-290D.tif")
        write(stem.parent / "IX_A02_w1_thumbC7E58CFA-12.tif", pixels[::4, ::4])
        write(folder / stem.parent / f"Mask of {stem.name}.tif", labels)
        write(
            folder / stem.parent / f"{stem.name}_outlines.tif",
            np.dstack([pixels] * 3),
            photometric="rgb",
        )
    before = take(derived="take")
    assert len(names(before)) == 28
    inventory = take()
    true = ["IX_A02_w1CE70AD49-290D.tif", "pos1.tif"]
    assert names(inventory) == [*true, "sub/IX_A02_w1CE70AD49-290D.tif", "sub/pos 2.ome.tif"]
    assert {kind: len(found) for kind, found in inventory.derived.kinds.items()} == {
        "labels": 14,
        "maps": 4,
        "thumbnails": 4,
        "outlines": 2,
    }
    # That an earlier version took them for images is told; what it gave the true ones stays.
    assert inventory.derived_before == inventory.left_out == 24
    batches = {image.image: image.batch for image in before.images}
    assert all(image.batch == batches[image.image] for image in inventory.images)


def test_a_word_in_a_name_alone_leaves_nothing_out(take, draw, tmp_path):
    folder = tmp_path / "images"
    true = [
        *(
            "mask_stain.tif",
            "cell_masks.tif",
            "labels.tif",
            "thumb.tif",
            "flow_1.tif",
            "flow_2.tif",
        ),
        *("chip.tif", "chip_mask.tif", "chip_flow.tif", "chip_seg 2.tif", "chip_thumbnail.tif"),
        *("chip_overlay.tif", "masks/a.tif", "masks/b.tif", "prediction/chip.tif"),
    ]
    for number, name in enumerate(true):
        draw(folder / name, cells=number % 7)
    # Another setting of the camera makes no map of an image.
    pixels = tifffile.imread(folder / "chip.tif")
    write(folder / "chip_features.tif", np.stack([pixels.astype(np.uint8)] * 5))
    true.append("chip_features.tif")
    # Labels without an image of the name.
    write(folder / "lonely_masks.tif", with_labels(draw, folder / "other.tif")[1])
    assert sorted(names(take())) == sorted([*true, "lonely_masks.tif", "other.tif"])


def test_labels_in_a_folder_of_their_own(take, draw, tmp_path):
    folder = tmp_path / "images"
    for name in ("raw/a", "raw/b", "c"):
        labels = with_labels(draw, folder / f"{name}.tif")[1]
        write(folder / "masks" / f"{Path(name).name}.tif", labels)
        write(folder / "Ground Truth" / f"{Path(name).name}_labels.tif", labels)
    assert names(take()) == ["c.tif", "raw/a.tif", "raw/b.tif"]


def test_a_file_is_looked_at_once(take, draw, tmp_path, monkeypatch):
    labels = with_labels(draw, tmp_path / "images" / "a.tif")[1]
    write(tmp_path / "images" / "a_masks.tif", labels)
    draw(tmp_path / "images" / "a_seg.tif")
    first = take()
    with monkeypatch.context() as patched:
        patched.setattr(derived, "kinds_of", lambda suspects: [] if not suspects else 1 / 0)
        again = take()
    assert again.derived == first.derived and names(again) == ["a.tif", "a_seg.tif"]
    # One that was saved anew is looked at again.
    draw(tmp_path / "images" / "a_masks.tif", cells=6)
    assert len(names(take())) == 3


def test_what_can_not_be_read_is_left_to_fail_by_name(take, draw, tmp_path):
    draw(tmp_path / "images" / "a.tif")
    (tmp_path / "images" / "a_masks.tif").write_bytes(b"II*\0 broken")
    broken = take().images[1]
    assert broken.image == "a_masks.tif" and broken.problem.code == "SM-IMG-003"
