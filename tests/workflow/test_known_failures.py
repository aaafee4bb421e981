"""What has failed users of comparable systems on their clusters, each with its right outcome here.

The list follows what users of BIOMERO met: a two-channel image taken for RGB, a `.zarr` folder opened as a file,
`diameter: 0`, 3D asked of a 2D image, augmentation with a tile size that the network refuses, awkward names, missing
metadata of wavelengths, an image without cells, and a stray file that is no image.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from tests.projects import ROOT, Project, draw_image

DEMO_MODEL = ROOT / "resources" / "models" / "segmake_demo_cp3"
needs_cellpose3 = pytest.mark.skipif(
    not (ROOT / ".environments" / "cellpose3" / "bin" / "python").exists(),
    reason="the engine's environment is missing: bash scripts/setup.sh",
)


@pytest.fixture
def empty(tmp_path: Path) -> Project:
    settings = {
        "images": {"folder": "images"},
        "segmentation": {"engine": "threshold", "min_size": 30, "polarity": "bright"},
        "results": "results",
    }
    project = Project(tmp_path, settings)
    project.images.mkdir()
    return project


def cellpose3(**settings) -> dict:
    return {"engine": "cellpose3", "model": str(DEMO_MODEL), "gpu": False, **settings}


def states(project: Project) -> dict[str, str]:
    """Return the number of cells of each image, or the code of why it failed."""
    table = pd.read_csv(project.results / "images.csv", encoding="utf-8-sig")
    return {
        row.image: row.code if row.state == "failed" else str(int(row.cells))
        for row in table.itertuples()
    }


def test_two_channels_beside_each_other_are_no_colours(empty: Project) -> None:
    draw_image(empty.images / "one.tif", 3)
    cells = tifffile.imread(empty.images / "one.tif")
    (empty.images / "one.tif").unlink()
    noise = np.random.default_rng(1).normal(200, 10, cells.shape).astype(np.uint16)
    both = np.dstack([noise, cells])
    assert both.shape == (120, 160, 2)
    tifffile.imwrite(
        empty.images / "two.tif", both, photometric="minisblack", planarconfig="contig"
    )
    refused = empty.run("-n")
    assert refused.returncode == 1 and "2 channels" in refused.stderr
    empty.settings["images"]["channel"] = 2
    run = empty.run()
    assert run.returncode == 0, run.stderr
    assert states(empty) == {"two.tif": "3"}
    table = pd.read_parquet(empty.results / "cells.parquet")
    assert (table["mean_intensity_2"] > 5 * table["mean_intensity_1"]).all()


def test_what_is_no_image_or_a_broken_one_fails_alone(empty: Project) -> None:
    draw_image(empty.images / "cells.tif", 2)
    draw_image(empty.images / "nothing.tif", 0)
    (empty.images / "notes.txt").write_text("day 1")
    (empty.images / "Thumbs.db").write_bytes(b"\0" * 10)
    (empty.images / "renamed.tif").write_text("this is no image")
    # A folder of that name without what makes it an image.
    (empty.images / "broken.zarr").mkdir()
    (empty.images / "broken.zarr" / "notes.txt").write_text("nothing")
    # Channels as bare as OME allows: no name, no wavelength, no colour.
    cells = tifffile.imread(empty.images / "cells.tif")
    tifffile.imwrite(
        empty.images / "bare.ome.tif",
        np.stack([cells, cells]),
        photometric="minisblack",
        metadata={"axes": "CYX", "Channel": [{}, {}]},
    )
    empty.settings["images"] |= {"channel": 1}
    run = empty.run()
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    assert "other files left out: 2" in run.stderr and "1 .db, 1 .txt" in run.stderr
    found = states(empty)
    assert found.pop("broken.zarr").startswith("SM-IMG-03")
    assert found == {
        "bare.ome.tif": "2",
        "cells.tif": "2",
        "nothing.tif": "0",
        "renamed.tif": "SM-IMG-003",
    }


def test_an_ome_zarr_is_segmented(empty: Project) -> None:
    # SegMake's own OME-Zarr holds the planes that were segmented, so it is an image again.
    draw_image(empty.images / "a.tif", 3)
    empty.settings["outputs"] = ["ome_zarr"]
    assert empty.run().returncode == 0
    shutil.move(empty.results / "ome_zarr" / "a.ome.zarr", empty.images / "b.ome.zarr")
    run = empty.run()
    assert run.returncode == 0, run.stderr
    assert states(empty) == {"a.tif": "3", "b.ome.zarr": "3"}


@pytest.mark.parametrize(
    ("settings", "keys"),
    [
        (cellpose3(diameter=0, bsize=100), ["`diameter`", "`bsize`"]),
        ({"engine": "cellpose", "augment": True, "bsize": 250}, ["`bsize`"]),
        (cellpose3(do_3D=True), ["`do_3D`"]),
    ],
)
def test_settings_that_the_network_refuses_are_told_before_any_job(
    empty: Project, settings: dict, keys: list[str]
) -> None:
    draw_image(empty.images / "a.tif", 2)
    empty.settings["segmentation"] = settings
    run = empty.run()
    assert run.returncode == 1
    assert all(key in run.stderr for key in keys) and "config.yaml" in run.stderr
    assert "Traceback" not in run.stderr
    assert not empty.results.exists()


@needs_cellpose3
def test_a_2d_image_among_stacks_fails_alone_in_3d(empty: Project) -> None:
    draw_image(empty.images / "flat.tif", 3)
    stack = np.stack([tifffile.imread(empty.images / "flat.tif")[:64, :64]] * 3)
    metadata = {"axes": "ZYX", "spacing": 0.2, "unit": "um"}
    tifffile.imwrite(empty.images / "stack.tif", stack, imagej=True, metadata=metadata)
    empty.settings["images"]["z"] = "all"
    empty.settings["segmentation"] = cellpose3(do_3D=True)
    run = empty.run()
    assert run.returncode == 1
    found = states(empty)
    assert found["flat.tif"].startswith("SM-VOL-")
    assert found["stack.tif"].isdecimal()


@needs_cellpose3
def test_augmentation_of_images_smaller_and_larger_than_a_tile(empty: Project) -> None:
    for name, side in (("small.tif", 40), ("large.tif", 300)):
        pixels = np.random.default_rng(side).normal(200, 10, (side, side)).astype(np.uint16)
        tifffile.imwrite(empty.images / name, pixels)
    empty.settings["segmentation"] = cellpose3(augment=True, diameter=30)
    run = empty.run()
    assert run.returncode == 0, run.stderr
    assert set(states(empty)) == {"large.tif", "small.tif"}


AWKWARD = [
    "été à Évry (1) [b].tif",
    'it\'s "quoted".tif',
    "new\nline.tif",
    "tab\there.tif",
    "$HOME `id` ; rm.tif",
    "[brackets] {braces} 100%.tif",
    "-n.tif",
]


def test_awkward_names_of_files_and_folders(empty: Project) -> None:
    empty.settings["images"]["folder"] = "mes images d'été"
    empty.settings["results"] = "résultats du 3 mai"
    names = [f"sous dossier/{name}" for name in AWKWARD]
    for name in names:
        draw_image(empty.images / name, 2)
    with tifffile.TiffWriter(empty.images / "lame (p1).ome.tif", ome=True) as writer:
        for _ in range(2):
            writer.write(tifffile.imread(empty.images / names[0]), photometric="minisblack")
    empty.settings["outputs"] = ["rois", "cellpose", "ome_zarr"]
    run = empty.run()
    assert run.returncode == 0, run.stderr
    fields = [f"lame (p1).ome.tif (p{number})" for number in (1, 2)]
    assert states(empty) == dict.fromkeys([*names, *fields], "2")
    cells = pd.read_parquet(empty.results / "cells.parquet")
    assert cells.groupby("image").size().to_dict() == dict.fromkeys([*names, *fields], 2)
