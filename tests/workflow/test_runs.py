"""What a user sees from one run to the next: Snakemake runs for real, and the journals say what was computed."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pandas as pd
import pytest
import tifffile

from segmake.labels.labels import LabelStack
from tests.projects import ROOT, Project, draw_image


def states(project: Project) -> dict[str, str]:
    """Return the state of each image of images.csv."""
    with (project.results / "images.csv").open(encoding="utf-8-sig") as lines:
        return {row["image"]: row["state"] for row in csv.DictReader(lines)}


def test_a_broken_image_fails_alone_and_only_it_is_computed_again(project: Project) -> None:
    first = project.run()
    assert first.returncode == 1
    assert "6 images done, 1 FAILED" in first.stderr
    assert "SM-IMG-050" in first.stderr
    assert "Traceback" not in first.stderr
    assert states(project) == {
        **{f"a/img_{number}.tif": "done" for number in (1, 2, 3, 5, 6)},
        "a/img_4.tif": "failed",
        "b/empty.tif": "done",
    }
    assert "a/img_4.tif" in (project.results / "report.html").read_text(encoding="utf-8")

    cells = pd.read_csv(project.results / "cells.csv", encoding="utf-8-sig")
    assert cells.groupby("image").size().to_dict() == {
        f"a/img_{number}.tif": number for number in (1, 2, 3, 5, 6)
    }
    assert cells["area_um2"].to_numpy() == pytest.approx(cells["area_px"].to_numpy() * 0.01)
    pd.testing.assert_frame_equal(cells, pd.read_parquet(project.results / "cells.parquet"))
    mask = project.results / "masks" / "a" / "img_3_masks.ome.tif"
    assert tifffile.imread(mask).max() == 3

    # A dry run says what would be done, and writes nothing.
    before = project.tree()
    dry = project.run("-n")
    assert dry.returncode == 0
    assert "failed         1" in dry.stderr
    assert "to segment     1" in dry.stderr
    assert "batches        1" in dry.stderr
    assert project.tree() == before

    journal = project.journal()
    draw_image(project.images / "a" / "img_4.tif", 4)
    second = project.run()
    assert second.returncode == 0, second.stderr
    assert project.computed(journal) == ["a/img_4.tif"]
    assert project.computed([], "measure").count("a/img_1.tif") == 1
    assert set(states(project).values()) == {"done"}

    # Nothing changed: nothing is done, and nothing is written.
    before = project.tree()
    third = project.run()
    assert third.returncode == 0
    assert "nothing to compute" in third.stderr
    assert project.tree() == before


def test_new_removed_and_changed(project: Project) -> None:
    draw_image(project.images / "a" / "img_4.tif", 4)
    assert project.run().returncode == 0
    assert_results_are_what_the_readme_says(project)

    journal = project.journal()
    for number in (7, 8):
        draw_image(project.images / "new" / f"img_{number}.tif", number)
    assert "new            2" in project.run("-n").stderr
    assert project.run().returncode == 0
    assert project.computed(journal) == ["new/img_7.tif", "new/img_8.tif"]

    # An image that is gone sends no job to find cells, and leaves the tables and the report.
    journal = project.journal()
    (project.images / "a" / "img_2.tif").unlink()
    removed = project.run()
    assert removed.returncode == 0, removed.stderr
    assert project.computed(journal) == []
    assert "finding cells" not in removed.stderr
    assert "a/img_2.tif" not in states(project)
    cells = pd.read_csv(project.results / "cells.csv", encoding="utf-8-sig")
    assert "a/img_2.tif" not in set(cells["image"])
    assert "img_2" not in (project.results / "report.html").read_text(encoding="utf-8")

    # Other colours are drawn without finding or measuring a cell again.
    steps = {step: project.journal(step) for step in ("segment", "measure", "overlay")}
    project.settings["overlays"] = {"color": "#00ffff"}
    assert project.run().returncode == 0
    assert project.computed(steps["segment"]) == []
    assert project.computed(steps["measure"], "measure") == []
    assert project.computed(steps["overlay"], "overlay") == sorted(states(project))

    # So is the size of a pixel: it is written into the masks that are there.
    steps = {step: project.journal(step) for step in ("segment", "measure")}
    project.settings["images"]["pixel_size_um"] = 0.25
    assert project.run().returncode == 0
    assert project.computed(steps["segment"]) == []
    assert project.computed(steps["measure"], "measure") == sorted(states(project))
    assert pd.read_csv(project.results / "images.csv")["pixel_size_um"].tolist() == [0.25] * 8
    cells = pd.read_parquet(project.results / "cells.parquet")
    assert cells["area_um2"].to_numpy() == pytest.approx(cells["area_px"].to_numpy() / 16)
    with LabelStack(project.results / "masks" / "a" / "img_3_masks.ome.tif") as stack:
        assert stack.pixel_size_um == 0.25

    # A setting that decides the masks computes them all, and those of the old setting are gone.
    journal = project.journal()
    project.settings["segmentation"]["min_size"] = 100000
    assert "changed        8" in project.run("-n").stderr
    changed = project.run()
    assert changed.returncode == 0, changed.stderr
    assert project.computed(journal) == sorted(states(project))
    assert len(pd.read_parquet(project.results / "cells.parquet")) == 0

    # A mask that was deleted by hand is made again, alone, of the labels that were found.
    journal, written = project.journal(), project.journal("masks")
    (project.results / "masks" / "a" / "img_1_masks.ome.tif").unlink()
    assert project.run().returncode == 0
    assert project.computed(written, "masks") == ["a/img_1.tif"]
    assert project.computed(journal) == []


def test_what_is_done_is_known_without_snakemakes_own_notes(project: Project) -> None:
    assert project.run().returncode == 1
    shutil.rmtree(project.folder / ".snakemake")
    journal = project.journal()
    draw_image(project.images / "a" / "img_4.tif", 4)
    repaired = project.run()
    assert repaired.returncode == 0, repaired.stderr
    assert project.computed(journal) == ["a/img_4.tif"]

    shutil.rmtree(project.folder / ".snakemake")
    before = project.tree()
    assert project.run().returncode == 0
    assert project.tree() == before

    shutil.rmtree(project.folder / ".snakemake")
    project.settings["segmentation"]["min_size"] = 31
    assert project.run().returncode == 0
    assert project.computed(journal) == sorted([*states(project), "a/img_4.tif"])


def assert_results_are_what_the_readme_says(project: Project) -> None:
    top = {path.name for path in project.results.iterdir()}
    documented = {
        "report.html",
        "images.csv",
        "cells.csv",
        "cells.parquet",
        "masks",
        "cells",
        "overlays",
        "rois",
        "logs",
    }
    assert top == {*documented, ".segmake"}
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(name in text for name in documented)
    names = [f"a/img_{number}" for number in range(1, 7)] + ["b/empty"]
    for folder, ending in (
        ("masks", "_masks.ome.tif"),
        ("cells", "_cells.csv"),
        ("overlays", "_overlay.png"),
        ("rois", "_rois.zip"),
    ):
        below = project.results / folder
        found = {path.relative_to(below).as_posix() for path in below.rglob("*") if path.is_file()}
        assert found == {name + ending for name in names}


# One of each kind, as each is found at another place of the way to the first job.
MISTAKES = {
    "values": (
        {"segmentation": {"engine": "cellpose3", "diamater": 30, "bsize": 100}},
        ["SM-CFG-001", "did you mean `diameter`", "SM-CFG-002", "multiple of 8"],
    ),
    "other engine": ({"segmentation": {"engine": "threshold", "niter": 5}}, ["SM-CFG-010"]),
    "no such folder": ({"images": {"folder": "imagse"}}, ["SM-DIR-001", "imagse"]),
    "nothing fits": (
        {"images": {"folder": "images", "include": ["*.nd2"]}},
        ["SM-DIR-005", "7 .tif"],
    ),
    "no such channel": (
        {"images": {"folder": "images", "channel": "Phase"}},
        ["SM-DIR-008", "Phase"],
    ),
    "no such model": (
        {"segmentation": {"engine": "cellpose3", "model": "bact_fase_cp3"}},
        ["SM-CFG-011", "bact_phase_cp3"],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_in_the_config_are_told_before_anything_runs(
    project: Project, mistake: str
) -> None:
    settings, expected = MISTAKES[mistake]
    project.settings |= settings
    run = project.run()
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    assert "config.yaml" in run.stderr
    for words in expected:
        assert words.lower() in run.stderr.lower()
    assert not project.results.exists()


def test_french(project: Project) -> None:
    project.settings["segmentation"]["diametre"] = 3
    project.write_config()
    environment = project.environment() | {"SEGMAKE_LANG": "fr"}
    project.environment = lambda: environment  # type: ignore[method-assign]
    assert "Vouliez-vous dire `diameter`" in project.run("-n").stderr


@pytest.mark.skipif(
    not (ROOT / ".environments" / "cellpose3" / "bin" / "python").exists(),
    reason="the engine's environment is missing: bash scripts/setup.sh",
)
def test_a_model_that_is_another_is_checked_before_any_image_is_looked_at(project: Project) -> None:
    project.settings["images"]["include"] = ["img_1.tif"]
    models = project.folder / "models"
    models.mkdir()
    demo = ROOT / "resources" / "models" / "segmake_demo_cp3"
    shutil.copy(demo, models / "cyto3")
    project.settings["segmentation"] = {
        "engine": "cellpose3",
        "model": "cyto3",
        "models_folder": "models",
    }
    first = project.run()
    assert first.returncode == 0, first.stderr
    journal = project.journal()
    (models / "cyto3").write_text("no network")
    assert project.run().returncode == 0, "nothing is to be done: the model is not looked at"
    project.settings["images"]["include"] = ["img_1.tif", "img_2.tif"]
    second = project.run()
    assert second.returncode == 1
    assert "SM-MOD-002" in second.stderr
    assert project.journal() == journal
    # So is one that the config names by its path.
    project.settings["segmentation"]["model"] = "models/cyto3"
    other = project.run()
    assert other.returncode == 1
    assert "SM-RUN-006" in other.stderr
    assert "the file holds no weights" in other.stderr
    assert project.journal() == journal
    project.settings["segmentation"]["model"] = "cyto3"
    shutil.copy(demo, models / "cyto3")
    project.settings["cluster"] = {"batch_size": 1}
    third = project.run()
    assert third.returncode == 0, third.stderr
    # A model that has to be checked again sends no batch again that is finished.
    assert project.journal()[: len(journal)] == journal
    assert "0002" in third.stderr and "batch 0001" not in third.stderr


def test_another_experiment_does_not_take_the_place_of_the_first(project: Project) -> None:
    """Two days with images of the same names, and a correction of the first."""
    shutil.rmtree(project.images)
    for day, cells in (("monday", 4), ("tuesday", 2)):
        draw_image(project.folder / day / "pos1.tif", cells, seed=cells)
    labels = np.zeros((120, 160), np.uint16)
    labels[10:20, 10:30] = 1
    corrections = project.results / "corrections"
    corrections.mkdir(parents=True)
    tifffile.imwrite(corrections / "pos1_masks.tif", labels)
    project.settings["images"]["folder"] = "monday"
    assert project.run().returncode == 0
    before = project.contents(".tif", "_cells.csv", ".png", ".zip")

    project.settings["images"]["folder"] = "tuesday"
    refused = project.run()
    assert refused.returncode == 1 and "SM-DIR-020" in refused.stderr
    assert '`results: "results_tuesday"`' in refused.stderr
    assert '`folder: ["monday", "tuesday"]`' in refused.stderr and "Traceback" not in refused.stderr
    assert project.contents(".tif", "_cells.csv", ".png", ".zip") == before

    journal = project.journal()
    project.settings["images"]["folder"] = ["monday", "tuesday"]
    both = project.run()
    assert both.returncode == 0, both.stderr
    assert project.computed(journal) == ["tuesday/pos1.tif"]
    cells = pd.read_parquet(project.results / "cells.parquet").groupby("image").size()
    assert cells.to_dict() == {"pos1.tif": 1, "tuesday/pos1.tif": 2}
    assert project.contents(".tif", "_cells.csv", ".png", ".zip").items() >= before.items()
