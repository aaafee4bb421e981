"""Models are downloaded from a server on this machine, in the environment of an engine; the demo's stands for cyto3."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from segmake.config.schema import schema, with_defaults
from segmake.core.config import Config
from segmake.engines import models_folder
from segmake.firstday import models
from segmake.firstday.day import Day
from segmake.firstday.gpu_minutes import GpuMinutes
from segmake.firstday.nameless import Nameless
from segmake.firstday.step import Figures, Skipped
from tests.projects import ROOT
from tests.unit.model_server import serve

PYTHON = ROOT / ".environments" / "cellpose3" / "bin" / "python"
DEMO = (ROOT / "resources" / "models" / "segmake_demo_cp3").read_bytes()

DO = """
import json, sys
from segmake.engines import cellpose3
from segmake.firstday.probes.weights import fetch, sizes
cellpose3.models._MODEL_URL = sys.argv[1]
settings = json.loads(sys.argv[2])
print(json.dumps([do("cellpose3", settings) for do in (sizes, fetch, sizes)]))
"""


def settings_of(folder: Path) -> dict[str, Any]:
    own = {"engine": "cellpose3", "model": "cyto3", "models_folder": str(folder)}
    written = {"images": {"folder": "."}, "segmentation": own}
    return with_defaults(written, schema(), "cellpose3")


@pytest.mark.skipif(not PYTHON.exists(), reason="Cellpose 3 is not set up")
def test_a_model_is_downloaded_loaded_and_its_checksum_noted(tmp_path: Path) -> None:
    with serve({"cyto3": DEMO}) as server:
        given = json.dumps(settings_of(tmp_path)["segmentation"])
        done = subprocess.run(
            [str(PYTHON), "-P", "-c", DO, server.address, given],
            env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    missing, fetched, nothing = json.loads(done.stdout.splitlines()[-1])
    assert missing == {"cyto3": len(DEMO)} and nothing == {}
    known = {"bytes": len(DEMO), "sha256": hashlib.sha256(DEMO).hexdigest()}
    assert fetched["files"] == {"cyto3": known}


@pytest.fixture
def day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Day:
    monkeypatch.setattr(Day, "engines", lambda _: ["cellpose3"])
    config = Config(settings_of(tmp_path / "models"), tmp_path / "config.yaml")
    minutes = GpuMinutes(0, [], lambda: None)
    return Day(
        folder=tmp_path,
        minutes=minutes,
        names=Nameless(),
        config=config,
        here=True,
        allow_cpu=False,
        tell=print,
        agree=lambda question, **values: False,
    )


def test_what_is_not_agreed_to_is_not_downloaded(day: Day, monkeypatch) -> None:
    asked = []

    def ask(day: Day, task: str, engine: str, wanted: list[dict[str, Any]]) -> dict[str, Any]:
        asked.append(task)
        return {"cyto3": {"cyto3": 26_000_000}}

    monkeypatch.setattr(models, "_ask", ask)
    figures: Figures = {}
    with pytest.raises(Skipped) as skipped:
        models.models(day, figures)
    assert skipped.value.problem.code == "SM-DAY-011" and asked == ["sizes"]
    assert figures["to_download"]["bytes"] == 26_000_000
    # There has to be room for it, too.
    monkeypatch.setattr(models, "_free", lambda _: 1_000_000)
    with pytest.raises(Skipped) as skipped:
        models.models(day, figures)
    assert skipped.value.problem.code == "SM-DAY-018"


def test_models_that_are_here_are_looked_at_without_a_network(day: Day, monkeypatch) -> None:
    usual = models_folder(day.config.settings["segmentation"]["models_folder"])
    usual.mkdir()
    (usual / "cyto3").write_bytes(DEMO)
    fetched = []

    def ask(day: Day, task: str, engine: str, wanted: list[dict[str, Any]]) -> dict[str, Any]:
        if task == "sizes":
            raise Skipped(models.Problem("SM-DAY-008", where=engine, error="no route"))
        fetched.extend(one["model"] for one in wanted)
        return {one["model"]: {} for one in wanted}

    monkeypatch.setattr(models, "_ask", ask)
    figures: Figures = {}
    with pytest.raises(Skipped):
        models.models(day, figures)
    assert fetched == ["cyto3"] and "cyto3" in figures["cellpose3"]
    assert figures["cellpose3"]["not_done"]["code"] == "SM-DAY-008"
