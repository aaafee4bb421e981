"""What plan --json answers of images in every state, and that a program reads it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from segmake.cli import main
from segmake.core.journal import Journal
from segmake.messages import LANGUAGES
from segmake.plan.make import make_plan
from segmake.slurm import commands as slurm
from tests.answers import held, read_by

CONFIG = {
    "images": {"folder": "images", "channel": 1},
    "segmentation": {"engine": "threshold"},
    "results": "out",
}


@pytest.fixture
def config(tmp_path, monkeypatch, draw, configure) -> Path:
    """A config with four images: one failed before, one is damaged, one has a mask beside it, one is new."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(slurm, "is_here", lambda: False)
    for name in ("failed", "damaged", "new"):
        draw(tmp_path / "images" / f"{name}.tif")
    (tmp_path / "images" / "damaged.tif").write_bytes(b"")
    # Long ago: else it would count as one that is still being copied.
    os.utime(tmp_path / "images" / "damaged.tif", (1_700_000_000, 1_700_000_000))
    (tmp_path / "images" / "@eaDir").mkdir()
    (tmp_path / "images" / "notes.txt").touch()
    path = tmp_path / "config" / "config.yaml"
    path.parent.mkdir()
    path.write_text(json.dumps(CONFIG))
    return path


@pytest.mark.parametrize("spoken", LANGUAGES)
def test_every_image_has_its_state_and_why(config, tmp_path, monkeypatch, capsys, spoken):
    monkeypatch.setenv("SEGMAKE_LANG", spoken)
    from segmake.config.load import load_config

    plan = make_plan(load_config(config))[0]
    [batch] = plan.batches.values()
    task = next(task for task in batch.tasks["segment"] if task.image == "failed.tif")
    why = {"code": "SM-IMG-002", "where": "images/failed.tif", "values": {}}
    journal = Journal(plan.folders.journal("segment", batch.name))
    journal.add(task.image, "started", task.key, 1)
    journal.add(task.image, "failed", task.key, 1, **why)
    before = sorted(tmp_path.rglob("*"))
    assert main(["plan", "--json"]) == 0
    said = capsys.readouterr()
    found = held(said.out)
    assert not said.err and sorted(tmp_path.rglob("*")) == before
    images = {image["image"]: image for image in found["images"]}
    assert {name: image["state"] for name, image in images.items()} == {
        "damaged.tif": "new",
        "failed.tif": "failed",
        "new.tif": "new",
    }
    assert images["failed.tif"]["failed_before"]["code"] == "SM-IMG-002"
    assert images["damaged.tif"]["will_fail"]["code"] == "SM-IMG-002"
    assert images["new.tif"]["will_fail"] is None
    assert images["new.tif"]["to_do"] == ["segment", "masks", "measure", "overlay"]
    counts = found["counts"]
    kinds = ("found", "failed", "new", "to_do", "will_fail")
    assert [counts[kind] for kind in kinds] == [3, 1, 2, 3, 1]
    assert [one["kind"] for one in found["left_out"]] == ["system"]
    assert found["other_files"] == 1 and found["cluster"] is None
    origins = {each["name"]: each for each in found["settings"]}
    assert origins["segmentation.engine"]["origin"] == "config"
    assert origins["segmentation.engine"]["file"] == str(config)
    assert origins["cluster.hours"]["origin"] == "default"
    shown = read_by("plan.pl", said.out)
    assert shown.startswith(f"3 images, 3 to do in {counts['batches']} batches\n")
    assert {"en": "failed the last time", "fr": "en échec la dernière fois"}[spoken] in shown
    assert "  will fail: SM-IMG-002" in shown and "images.channel: config" in shown


def test_a_config_that_is_wrong_has_an_error_for_an_answer(config, capsys):
    config.write_text(json.dumps({**CONFIG, "segmentation": {"engine": "treshold"}}))
    assert main(["plan", "--json"]) == 1
    said = capsys.readouterr()
    assert held(said.out)["answer"] == "error" and not said.err
    assert read_by("plan.pl", said.out).startswith("SM-CFG-002: `engine`")


def test_settings_of_the_site_file_and_the_cluster_are_told_apart(config, site_file, capsys):
    path = site_file("cluster: {partition: gpu}\n")
    assert main(["plan", "--json"]) == 0
    found = held(capsys.readouterr().out)
    origins = {each["name"]: each for each in found["settings"]}
    partition = origins["cluster.partition"]
    assert (partition["origin"], partition["file"], partition["line"]) == ("site", str(path), 1)
