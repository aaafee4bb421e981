"""The environments of the config on a machine without conda: uv makes them, for real, with small packages."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.projects import ROOT, Project

SCRIPT = """\
import subprocess, sys
import natsort
which = subprocess.run("command -v python", shell=True, capture_output=True, text=True).stdout.strip()
open("python.csv", "w").write(f"prefix,version,which\\n{sys.prefix},{natsort.__version__},{which}\\n")
"""


@pytest.fixture
def scripted(project: Project, tmp_path: Path) -> Project:
    """A project of one script without images, in an environment of its own; no environment is there yet."""
    script = tmp_path / "where.py"
    script.write_text(SCRIPT)
    step = {"name": "where", "script": str(script), "run": "once", "outputs": ["python.csv"]}
    project.settings |= {
        "images": {"folder": None},
        "environments": {"growth": {"packages": ["natsort==8.4.0"]}},
        "scripts": [step | {"environment": "growth"}],
    }
    # A name that needs quotes in a shell, as those of people's folders do.
    project.variables["SNAKEMAKE_CONDA_PREFIX"] = str(tmp_path / "l'été à la mer")
    return project


def own(project: Project) -> Path:
    return Path(project.variables["SNAKEMAKE_CONDA_PREFIX"]) / "own"


def made(project: Project) -> list[Path]:
    return [mark.parent for mark in own(project).glob("*/.segmake-made")]


def said_codes(run: subprocess.CompletedProcess[str]) -> list[str]:
    return re.findall(r"SM-\w+-\d+", run.stderr)


def answer(project: Project) -> dict[str, str]:
    tables = (project.results / "scripts" / "where").rglob("python.csv")
    return pd.read_csv(next(tables), dtype=str).iloc[0].to_dict()


def test_a_script_runs_in_an_environment_that_uv_made_once(scripted: Project) -> None:
    # What would change versions counts for no environment; what is said of the index does.
    scripted.variables |= {"UV_RESOLUTION": "lowest", "UV_CONSTRAINT": "/nowhere.txt"}
    scripted.variables |= {"VIRTUAL_ENV": "/nowhere", "PYTHONPATH": "/nowhere"}
    dry = scripted.run("-n")
    assert dry.returncode == 0, dry.stderr
    assert re.findall(r"the environment (\w+) would be made", dry.stderr) == ["growth"]
    assert not own(scripted).exists()
    first = scripted.run()
    assert first.returncode == 0, first.stderr
    (place,) = made(scripted)
    assert answer(scripted) == {
        "prefix": str(place),
        "version": "8.4.0",
        "which": str(place / "bin" / "python"),
    }
    assert "natsort==8.4.0" in (scripted.results / "environments" / "growth.txt").read_text()

    # Another folder of results has the same.
    scripted.settings["results"] = "other"
    other = scripted.run()
    assert other.returncode == 0 and "making the environment" not in other.stderr
    assert answer(scripted)["prefix"] == str(place)


def test_a_script_runs_in_an_environment_that_was_there(scripted: Project, tmp_path: Path) -> None:
    place = tmp_path / "l'été" / "lab"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    (site,) = place.glob("lib/python*/site-packages")
    (site / "natsort.py").write_text("__version__ = '1.2'\n")
    (info := site / "natsort-1.2.dist-info").mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: natsort\nVersion: 1.2\n")
    scripted.settings["environments"] = {
        "growth": {"existing": str(place), "packages": ["natsort"]}
    }
    first = scripted.run()
    assert first.returncode == 0, first.stderr
    command = str(place / "bin" / "python")
    assert answer(scripted) == {"prefix": str(place), "version": "1.2", "which": command}
    assert "making the environment" not in first.stderr and not own(scripted).exists()
    (kept,) = (scripted.results / "environments" / "history").iterdir()
    assert "natsort==1.2" in kept.read_text()
    assert kept.stem in (scripted.results / "report.html").read_text()
    assert "done 1, failed before 0, to run 0" in scripted.run("-n").stderr


def test_an_environment_that_no_script_needs_stops_nothing(
    scripted: Project, tmp_path: Path
) -> None:
    packages = scripted.settings["environments"]
    packages |= {"wrong": {"packages": ["os"]}, "r": {"packages": ["six"], "conda": ["r-base"]}}
    packages["broken"] = {"packages": ["six"]}
    assert scripted.run("-n").returncode == 0
    # One that can be found and not be made.
    place = next((scripted.folder / ".snakemake/segmake/environments").glob("broken.*.yaml"))
    place.write_text(place.read_text().replace("six==", "six==0.0.0.1 # "))
    run = scripted.run()
    assert run.returncode == 0, run.stderr
    assert sorted(said_codes(run)) == ["SM-ENV-005", "SM-ENV-018", "SM-ENV-040"], run.stderr
    assert run.stderr.count("so the run goes on without it") == 3
    assert answer(scripted)["version"] == "8.4.0"
    # It is tried again, and not taken for one that can be used.
    place.unlink()
    (scripted.results / "environments" / "broken.yaml").unlink()
    mended = scripted.run()
    assert sorted(said_codes(mended)) == ["SM-ENV-018", "SM-ENV-040"], mended.stderr
    assert (scripted.results / "environments" / "broken.txt").exists()

    scripted.settings["scripts"][0]["environment"] = "r"
    refused = scripted.run("-n")
    assert refused.returncode == 1 and "SM-ENV-040  config/config.yaml, line" in refused.stderr


@pytest.mark.parametrize(("profile", "code"), [("slurm", 1), ("local", 0)])
def test_an_engine_that_the_driver_does_not_run_is_told_before_anything_runs(
    project: Project, tmp_path: Path, profile: str, code: int
) -> None:
    project.root = tmp_path / "clone"
    for folder in ("workflow", "profiles"):
        shutil.copytree(ROOT / folder, project.root / folder)
    prefix = project.root / ".environments" / "cellpose3"
    packages = prefix / "lib" / "python3.11" / "site-packages"
    (packages / "nvidia_cuda_runtime-13.0.88.dist-info").mkdir(parents=True)
    (prefix / "bin").mkdir()
    (prefix / "bin" / "python").symlink_to(sys.executable)
    project.profile = profile
    project.settings["segmentation"] = {"engine": "cellpose3", "model": "bact_phase_cp3"}
    project.settings["cluster"] = {"cuda_driver": "12.2"}
    dry = project.run("-n")
    assert dry.returncode == code, dry.stderr
    assert said_codes(dry) == ["SM-ENV-043"] and "setup.sh --engine cellpose3" in dry.stderr
    project.settings["cluster"] = {"cuda_driver": "13.0"}
    assert "SM-ENV-043" not in project.run("-n").stderr
