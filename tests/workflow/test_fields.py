"""Files with several positions, movies, z-stacks and corrections: what a user sees of them, run for real."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import roifile
import tifffile
from skimage.draw import ellipse

from tests.projects import Project, draw_image


@pytest.fixture
def empty(tmp_path: Path) -> Project:
    """A user's folder without images, and the engine threshold."""
    settings = {
        "images": {"folder": "images"},
        "segmentation": {"engine": "threshold", "min_size": 30, "polarity": "bright"},
        "results": "results",
    }
    project = Project(tmp_path, settings)
    project.images.mkdir()
    return project


def plane(*centres: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Return 96 x 128 pixels with a bright cell at each of the centres, of half length 10 or the third number."""
    pixels = np.random.default_rng(seed).normal(200, 10, (96, 128))
    for row, column, *length in centres:
        pixels[ellipse(row, column, 6, *(length or [10]), shape=pixels.shape)] += 2000
    return pixels.astype(np.uint16)


def write_movie(path: Path, frames: list[np.ndarray]) -> None:
    """Write an ImageJ movie: 0.1 um per pixel, a time point every minute."""
    metadata = {"axes": "TYX", "unit": "um", "finterval": 60.0}
    tifffile.imwrite(path, np.stack(frames), imagej=True, resolution=(10, 10), metadata=metadata)


def write_positions(path: Path, positions: list[np.ndarray]) -> None:
    """Write an OME-TIFF with an image for each position."""
    with tifffile.TiffWriter(path, ome=True) as writer:
        for number, pixels in enumerate(positions, start=1):
            metadata = {"axes": "YX", "Name": f"field {number}", "PhysicalSizeX": 0.1}
            writer.write(pixels, photometric="minisblack", metadata=metadata)


def images(project: Project) -> pd.DataFrame:
    return pd.read_csv(project.results / "images.csv", encoding="utf-8-sig").set_index("image")


def cells(project: Project) -> pd.DataFrame:
    return pd.read_parquet(project.results / "cells.parquet")


def masks(project: Project, name: str) -> tuple[str, np.ndarray]:
    """Return axes and labels of a mask, as tifffile reads OME-TIFF."""
    with tifffile.TiffFile(project.results / "masks" / f"{name}_masks.ome.tif") as file:
        return file.series[0].axes, file.series[0].asarray()


def test_each_position_is_an_image_of_its_own(empty: Project) -> None:
    few, many = plane((30, 30)), plane((30, 30), (30, 80), (70, 40))
    write_positions(empty.images / "slide.ome.tif", [few, many, few])
    first = empty.run()
    assert first.returncode == 0, first.stderr
    names = [f"slide.ome.tif (p{number})" for number in (1, 2, 3)]
    assert images(empty)["cells"].to_dict() == dict(zip(names, (1, 3, 1), strict=True))
    assert images(empty)["position"].tolist() == ["field 1", "field 2", "field 3"]
    assert (empty.results / "overlays" / "slide_p2_overlay.png").is_file()
    assert masks(empty, "slide_p2")[1].max() == 3

    # A position that the config leaves out is said, and leaves the tables; nothing is computed again.
    journal = empty.journal()
    empty.settings["images"]["positions"] = [1, 2]
    fewer = empty.run()
    assert fewer.returncode == 0, fewer.stderr
    assert "not taken      1  position," in fewer.stderr
    assert list(images(empty).index) == names[:2]
    assert empty.computed(journal) == []

    empty.settings["images"]["positions"] = 7
    none = empty.run("-n")
    assert none.returncode == 1
    assert "SM-DIR-008" in none.stderr and "it has 3" in none.stderr


def test_one_bad_position_fails_alone(empty: Project) -> None:
    good = plane((30, 30)).astype(np.float32)
    write_positions(empty.images / "slide.ome.tif", [good, np.full_like(good, np.nan), good])
    run = empty.run()
    assert run.returncode == 1
    assert images(empty)["state"].tolist() == ["done", "failed", "done"]
    assert images(empty)["code"].tolist()[1] == "SM-IMG-014"


def test_a_movie_gives_a_label_movie_and_a_row_per_cell_and_time_point(empty: Project) -> None:
    write_movie(
        empty.images / "growth.tif",
        [plane((30, 30)), plane((30, 32), (70, 80)), plane((30, 34), (70, 82), (20, 100))],
    )
    draw_image(empty.images / "single.tif", 2)
    run = empty.run()
    assert run.returncode == 0, run.stderr
    axes, labels = masks(empty, "growth")
    assert axes == "TYX" and [int(frame.max()) for frame in labels] == [1, 2, 3]
    table = cells(empty)
    movie = table[table["image"] == "growth.tif"]
    assert movie.groupby("time").size().to_dict() == {1: 1, 2: 2, 3: 3}
    assert movie["time_s"].tolist() == [0.0, 60.0, 60.0, 120.0, 120.0, 120.0]
    assert movie["area_um2"].to_numpy() == pytest.approx(movie["area_px"].to_numpy() * 0.01)
    assert table[table["image"] == "single.tif"]["time"].isna().all()
    assert images(empty)["cells"].to_dict() == {"growth.tif": 6, "single.tif": 2}

    # Other time points are other masks; the single image has none, and stays.
    journal = empty.journal()
    empty.settings["images"]["time"] = [1, 3, 2]
    again = empty.run()
    assert again.returncode == 0, again.stderr
    assert "not taken      1  time point," in again.stderr
    assert empty.computed(journal) == ["growth.tif"]
    assert sorted(set(cells(empty)["time"].dropna())) == [1, 3]
    assert "1, 3 of 3" in images(empty).loc["growth.tif", "selection"]


def lineage_of(project: Project) -> Path:
    return project.results / "lineages" / "growth_lineage.csv"


def test_tracking_keeps_the_numbers_of_cells_and_notes_divisions(empty: Project) -> None:
    mother = (40, 60, 20)
    frames = [plane(mother, (80, 20)), plane(mother, (80, 22))]
    frames += [plane((40, 48), (40, 72), (80, 24))] * 2
    empty.settings["segmentation"]["diameter"] = 40
    write_movie(empty.images / "growth.tif", frames)
    empty.settings["tracking"] = True
    run = empty.run()
    assert run.returncode == 0, run.stderr
    _, labels = masks(empty, "growth")
    other = {int(frame[80, 22]) for frame in labels}
    assert len(other) == 1, "the same cell keeps its number"
    lineage = pd.read_csv(lineage_of(empty), encoding="utf-8-sig")
    daughters = lineage[lineage["parent"] == int(labels[0][40, 60])]
    assert len(daughters) == 2
    assert set(daughters["track"]) == {int(labels[2][40, 48]), int(labels[2][40, 72])}
    table = cells(empty)
    assert table["track"].tolist() == table["label"].tolist()
    assert images(empty)[["tracks", "divisions"]].to_numpy().tolist() == [[4, 1]]

    # The table of lineages is the user's to open, to change and to delete.
    written = lineage_of(empty)
    written.unlink()
    empty.settings["measurements"] = {"exclude_edge_cells": True}
    again = empty.run()
    assert again.returncode == 0, again.stderr
    assert written.is_file()

    # Without tracking the masks are as they were found, and no cell is searched again.
    journal = empty.journal()
    empty.settings["tracking"] = False
    assert empty.run().returncode == 0
    assert empty.computed(journal) == []
    assert "track" not in cells(empty)
    assert not written.exists()


STACK = [plane(), plane((30, 30)), plane((30, 30), (70, 80))]


# What becomes of the pixels with the other choices, `tests/unit/images/test_selection.py` looks at.
@pytest.mark.parametrize(
    ("z", "axes", "number"), [("best_focus", "YX", 2), (2, "YX", 1), ("all", "ZYX", 3)]
)
def test_what_becomes_of_the_slices_is_the_users_choice(
    empty: Project, z: str | int, axes: str, number: int
) -> None:
    path = empty.images / "stack.tif"
    tifffile.imwrite(path, np.stack(STACK), imagej=True, metadata={"axes": "ZYX"})
    refused = empty.run("-n")
    assert refused.returncode == 1 and "SM-IMG-022" not in refused.stdout
    assert "best_focus" in refused.stderr and "3 slices" in refused.stderr
    empty.settings["images"]["z"] = z
    run = empty.run()
    assert run.returncode == 0, run.stderr
    assert masks(empty, "stack")[0] == axes
    assert images(empty)["cells"].tolist() == [number]
    if z == "all":
        assert cells(empty).groupby("slice").size().to_dict() == {2: 1, 3: 2}


def test_pages_that_nothing_explains_are_what_the_user_says(empty: Project) -> None:
    tifffile.imwrite(
        empty.images / "pages.tif", np.stack(STACK), photometric="minisblack", metadata=None
    )
    refused = empty.run("-n")
    assert refused.returncode == 1
    assert "`pages`" in refused.stderr
    empty.settings["images"]["pages"] = "time"
    assert empty.run().returncode == 0
    assert masks(empty, "pages")[0] == "TYX"


def test_a_correction_replaces_the_mask_and_only_what_depends_on_it_is_done_again(
    empty: Project,
) -> None:
    for number in (1, 2):
        draw_image(empty.images / "day" / f"img_{number}.tif", 3, seed=number)
    empty.settings["outputs"] = ["rois", "cellpose"]
    assert empty.run().returncode == 0
    _, found = masks(empty, "day/img_1")
    corrected = np.where(found == 2, 0, found)
    laid = empty.results / "corrections" / "day" / "img_1_masks.tif"
    laid.parent.mkdir(parents=True)
    tifffile.imwrite(laid, corrected)
    before = laid.read_bytes()
    journals = {step: empty.journal(step) for step in ("segment", "masks", "measure", "overlay")}
    run = empty.run()
    assert run.returncode == 0, run.stderr
    assert empty.computed(journals["segment"]) == []
    for step in ("masks", "measure", "overlay"):
        assert empty.computed(journals[step], step) == ["day/img_1.tif"]
    assert np.array_equal(masks(empty, "day/img_1")[1], corrected)
    assert laid.read_bytes() == before
    table = images(empty)
    assert table["cells"].to_dict() == {"day/img_1.tif": 2, "day/img_2.tif": 3}
    assert table["corrected"].tolist() == [True, False]
    rois = roifile.roiread(empty.results / "rois" / "day" / "img_1_rois.zip")
    assert len(rois) == 2

    # What Cellpose's window saves is taken too; a correction of another size fails its image alone.
    seg = np.load(empty.results / "cellpose" / "day" / "img_2_seg.npy", allow_pickle=True).item()
    seg["masks"] = np.where(seg["masks"] == 1, 0, seg["masks"])
    np.save(empty.results / "corrections" / "day" / "img_2_seg.npy", seg)
    tifffile.imwrite(laid, corrected[:50])
    mixed = empty.run()
    assert mixed.returncode == 1
    assert images(empty)["state"].tolist() == ["failed", "done"]
    assert images(empty).loc["day/img_2.tif", "cells"] == 2

    # Taken away, the engine's own labels are back.
    laid.unlink()
    again = empty.run()
    assert again.returncode == 0, again.stderr
    assert np.array_equal(masks(empty, "day/img_1")[1], found)
    assert empty.computed(journals["segment"]) == []


def test_a_correction_of_no_image_is_said(empty: Project) -> None:
    draw_image(empty.images / "img_1.tif", 3)
    stray = empty.results / "corrections" / "img_9_seg.npy"
    stray.parent.mkdir(parents=True)
    np.save(stray, {"masks": np.zeros((3, 3), int)})
    run = empty.run("-n")
    assert run.returncode == 0, run.stderr
    assert "img_9_seg.npy fits no image" in run.stderr
