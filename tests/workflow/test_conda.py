"""Runs with `--sdm conda`: Snakemake's own code makes the environments, with the conda of tests/conda."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import psutil
import pytest

from tests.conda.near import ONLY_PIP
from tests.projects import ROOT, Project, draw_image, draw_images, settings, still, wait_until

RESULTS = ("_masks.ome.tif", "_cells.csv", "cells.csv", "cells.parquet", "_overlay.png")
ENGINE = ROOT / ".environments" / "cellpose3" / "bin" / "python"
CONDA = ("--sdm", "conda")
# pip without the settings of this machine.
BARE_PIP = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "PIP_RETRIES": "1", ONLY_PIP: "1"}


def place(project: Project) -> Path:
    return Path(project.variables["SNAKEMAKE_CONDA_PREFIX"])


def environments(project: Project) -> dict[str, Path]:
    """Return the finished environments of SegMake's own; tests beside this one make others in the same place."""
    names = {path.read_bytes(): path.stem for path in (ROOT / "workflow" / "envs").glob("*.yaml")}
    return {
        names[file]: done.with_suffix("")
        for done in place(project).glob("*.env_setup_done")
        if (file := done.with_suffix(".yaml").read_bytes()) in names
    }


def pythons(project: Project, step: str) -> set[str]:
    """Return the environments whose Python worked in a step, by its logs."""
    logs = (project.results / "logs" / step).glob("*.log")
    return {
        line.partition(": ")[2]
        for log in logs
        for line in log.read_text(encoding="utf-8").splitlines()
        if line.startswith("Python ")
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of which only the report is left to do."""
    project = Project(tmp_path_factory.mktemp("finished"), settings())
    draw_images(project.images)
    assert project.run().returncode == 0
    shutil.rmtree(project.results / ".segmake" / "report")
    for file in ("report.html", "images.csv", "cells.csv", "cells.parquet"):
        (project.results / file).unlink()
    return project


@pytest.fixture
def reported(finished: Project, conda_project: Project, tmp_path: Path) -> Project:
    """The same in a folder of its own, without any environment yet."""
    shutil.rmtree(conda_project.images)
    for folder in ("images", "results"):
        shutil.copytree(finished.folder / folder, conda_project.folder / folder)
    conda_project.variables["SNAKEMAKE_CONDA_PREFIX"] = str(tmp_path / "own environments")
    return conda_project


def test_every_rule_runs_in_its_environment_with_the_same_results(
    conda_project: Project, tmp_path: Path
) -> None:
    if not ENGINE.exists():
        pytest.skip("the environment of Cellpose is not installed: bash scripts/setup.sh")
    shutil.rmtree(conda_project.images)
    for number in (2, 3):
        draw_image(conda_project.images / f"img_{number}.tif", number)
    model = str(ROOT / "resources" / "models" / "segmake_demo_cp3")
    conda_project.settings["segmentation"] = {"engine": "cellpose3", "model": model}
    plain = Project(tmp_path / "plain", conda_project.settings)
    shutil.copytree(conda_project.images, plain.images)
    assert plain.run().returncode == 0

    first = conda_project.run(*CONDA)
    assert first.returncode == 0, first.stderr
    assert "2 images done" in first.stderr
    assert "channel priorities" not in first.stderr
    made = environments(conda_project)
    assert {"cellpose3", "imaging", "report"} <= set(made)
    assert pythons(conda_project, "segment") == {str(made["cellpose3"])}
    assert pythons(conda_project, "measure") == {str(made["imaging"])}
    assert pythons(conda_project, "overlay") == {str(made["imaging"])}
    logs = (conda_project.folder / ".snakemake" / "log").glob("*.log")
    active = re.findall(r"Activating conda environment: (.*)", next(logs).read_text())
    assert {Path(path).name for path in active} == {
        made[name].name for name in ("cellpose3", "imaging", "report")
    }
    assert conda_project.contents(*RESULTS) == plain.contents(*RESULTS)
    assert len(conda_project.contents(*RESULTS)) == 8

    before, times = conda_project.tree(), {path: path.stat().st_mtime for path in made.values()}
    again = conda_project.run(*CONDA)
    assert again.returncode == 0
    assert "nothing to compute" in again.stderr
    assert "environment" not in again.stderr
    assert conda_project.tree() == before
    assert {path: path.stat().st_mtime for path in made.values()} == times


def test_an_environment_of_the_config_is_made_once_and_again_when_its_list_changes(
    conda_project: Project,
) -> None:
    packages = ["tqdm==4.67.1", "PyYAML"]
    conda_project.settings["environments"] = {"growth": {"packages": packages}}
    first = conda_project.run(*CONDA)
    assert first.returncode == 0, first.stderr
    assert "making the environment growth" in first.stderr
    folder = conda_project.results / "environments"
    assert "tqdm==4.67.1" in (folder / "growth.yaml").read_text(encoding="utf-8")
    versions = (folder / "growth.txt").read_text(encoding="utf-8")
    assert "tqdm==4.67.1" in versions.splitlines() and "import yaml" in versions
    (lock,) = (folder / "history").glob("growth.*.txt")
    assert "--hash=sha256:" in (kept := lock.read_text(encoding="utf-8"))

    again = conda_project.run(*CONDA)
    assert again.returncode == 0, again.stderr
    assert "making the environment" not in again.stderr

    # Which is imported by another name than it is installed by. It is made by itself before the run takes it.
    conda_project.settings["environments"]["other"] = {"packages": ["Pillow"]}
    conda_project.write_config()
    by_hand = made_by_hand(conda_project, "other")
    assert by_hand.returncode == 0, by_hand.stderr
    assert re.findall(r"making the environment (\w+)", by_hand.stderr) == ["other"]
    (enter,) = re.findall(r"conda activate '(/.*)'", by_hand.stdout)
    assert Path(enter, "bin", "python").exists() and Path(enter).parent == place(conda_project)
    more = conda_project.run(*CONDA)
    assert more.returncode == 0, more.stderr
    assert "making the environment" not in more.stderr
    assert "import PIL" in (folder / "other.txt").read_text(encoding="utf-8")
    assert lock.read_text(encoding="utf-8") == kept


def made_by_hand(project: Project, name: str) -> subprocess.CompletedProcess[str]:
    """Make one environment where a cluster seems to be: only there do SegMake's profiles have conda make them."""
    commands = project.folder / "commands"
    commands.mkdir()
    (commands / "sbatch").write_text("#!/bin/sh\nexit 1\n")
    (commands / "sbatch").chmod(0o755)
    variables = project.environment()
    variables["PATH"] = f"{variables['PATH']}{os.pathsep}{commands}"
    words = [sys.executable, "-m", "segmake", "environment", name, "--make"]
    return subprocess.run(
        words, cwd=project.folder, env=variables, capture_output=True, text=True, check=False
    )


def test_packages_of_conda_that_cannot_be_had_and_that_nothing_needs(
    conda_project: Project,
) -> None:
    """The conda of the tests has none of R: what no script needs stops nothing."""
    project = conda_project
    project.settings["environments"] = {"statistics": {"conda": ["r-base", "r-lme4=1.1"]}}
    run = project.run(*CONDA)
    assert run.returncode == 0, run.stderr
    assert re.findall(r"SM-\w+-\d+", run.stderr) == ["SM-ENV-005"], run.stderr
    assert "the environment statistics can't be had" in run.stderr
    assert "Traceback" not in run.stderr
    folder = project.results / "environments"
    assert not (folder / "statistics.txt").exists()
    listed = (folder / "statistics.yaml").read_text(encoding="utf-8")
    assert '  - pip\n  - "r-base"\n  - "r-lme4=1.1"\n' in listed
    assert project.finished("measure")


def test_a_script_runs_in_the_environment_that_it_names(conda_project: Project) -> None:
    script = conda_project.folder / "script.py"
    script.write_text(
        "import sys, tqdm, yaml\nopen('python.csv', 'w').write(f'prefix\\n{sys.prefix}')"
    )
    packages = {"growth": {"packages": ["tqdm==4.67.1", "PyYAML"]}}
    conda_project.settings["environments"] = packages
    step = {"name": "where", "script": str(script), "needs": [], "outputs": ["python.csv"]}
    conda_project.settings["scripts"] = [step | {"environment": "growth"}]
    first = conda_project.run(*CONDA)
    assert first.returncode == 0, first.stderr
    joined = conda_project.results / "scripts" / "where" / "all_python.csv"
    prefixes = set(pd.read_csv(joined)["prefix"])
    assert len(prefixes) == 1
    (prefix,) = prefixes
    assert Path(prefix).parent == place(conda_project) and not Path(prefix, "bin/jinja2").exists()
    (lock,) = (conda_project.results / "environments" / "history").iterdir()
    report = (conda_project.results / "report.html").read_text(encoding="utf-8")
    assert f'href="./environments/history/{lock.name}"' in report

    # A module that no catalogue knows is looked for in the environment itself, before the script is run.
    script.write_text("import nobodys_module\n")
    refused = conda_project.run(*CONDA)
    assert refused.returncode == 1
    assert "SM-SCR-037" in refused.stderr and "nobodys_module (script.py)" in refused.stderr
    logs = conda_project.results / "logs" / "scripts" / "where"
    assert all("nobodys_module" not in log.read_text() for log in logs.rglob("*.log"))
    script.write_text("import pandas\n")
    refused = conda_project.run(*CONDA)
    assert "SM-SCR-0" in refused.stderr and "pandas" in refused.stderr


def test_an_environment_that_was_there_is_used_and_not_made(
    conda_project: Project, tmp_path: Path
) -> None:
    own = tmp_path / "own lab"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(own)], check=True)
    script = conda_project.folder / "script.py"
    script.write_text("import sys\nopen('python.csv', 'w').write(f'prefix\\n{sys.prefix}')\n")
    conda_project.settings["images"] = {"folder": None}
    conda_project.settings["environments"] = {"lab": {"existing": str(own)}}
    step = {"name": "where", "script": str(script), "run": "once", "outputs": ["python.csv"]}
    conda_project.settings["scripts"] = [step | {"environment": "lab"}]
    conda_project.variables["SNAKEMAKE_CONDA_PREFIX"] = str(tmp_path / "of conda")
    # Of what joins tables, and of the report, the environments are made by others of these tests.
    run = conda_project.run(*CONDA, "--until", "step_where")
    assert run.returncode == 0, run.stderr
    (table,) = (conda_project.results / "scripts" / "where").rglob("python.csv")
    assert table.read_text() == f"prefix\n{own}"
    assert not list((tmp_path / "of conda").glob("*.env_setup_done"))


def test_an_older_driver_gets_an_engine_that_it_runs(conda_project: Project) -> None:
    model = str(ROOT / "resources" / "models" / "segmake_demo_cp3")
    conda_project.settings["segmentation"] = {"engine": "cellpose3", "model": model}
    conda_project.settings["cluster"] = {"cuda_driver": "12.4"}
    dry = conda_project.run("-n", *CONDA)
    assert dry.returncode == 0, dry.stderr
    (file,) = (conda_project.folder / ".snakemake" / "segmake" / "environments").glob("cellpose3.*")
    pins = file.read_text(encoding="utf-8")
    # The last that brings CUDA 12.
    assert "torch==2.10.0" in pins and "cellpose==3.1.1.3" in pins
    conda_project.settings["cluster"] = {"cuda_driver": "11.8"}
    refused = conda_project.run("-n", *CONDA)
    assert refused.returncode == 1
    assert "SM-ENV-024" in refused.stderr and "Traceback" not in refused.stderr


def test_only_what_a_job_needs_is_made_and_said_before(reported: Project) -> None:
    dry = reported.run("-n", *CONDA)
    assert dry.returncode == 0
    assert re.findall(r"the environment (\w+) would be made", dry.stderr) == ["report"]
    assert not environments(reported)
    run = reported.run(*CONDA)
    assert run.returncode == 0, run.stderr
    assert re.findall(r"making the environment (\w+)", run.stderr) == ["report"]
    assert re.findall(r"the environment (\w+) is ready", run.stderr) == ["report"]
    assert list(environments(reported)) == ["report"]
    assert str(environments(reported)["report"]) in run.stderr


def test_two_runs_share_what_one_of_them_makes(reported: Project, tmp_path: Path) -> None:
    other = Project(tmp_path / "other", reported.settings, conda=reported.conda)
    other.variables = reported.variables
    shutil.copytree(reported.images, other.images)
    shutil.copytree(reported.results, other.results)
    runs = [reported.start(*CONDA)]
    wait_until(lambda: "making the environment" in reported.said.read_text(), runs[0])
    # Held still, so that it is not over before the other one has looked.
    with still(runs[0]):
        runs.append(other.start(*CONDA))
        wait_until(lambda: "waiting for it" in other.said.read_text(), runs[1])
    assert [run.wait() for run in runs] == [0, 0], (
        reported.said.read_text() + other.said.read_text()
    )
    said = reported.said.read_text() + other.said.read_text()
    assert said.count("making the environment") == said.count("waiting for it") == 1


def left_behind(project: Project) -> list[psutil.Process]:
    """Return the processes that still work in an environment of a project."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if any(str(place(project)) in word for word in words):
            found.append(process)
    return found


@pytest.mark.parametrize(
    "how", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long), signal.SIGKILL]
)
def test_an_environment_that_was_interrupted_is_made_anew(reported: Project, how: int) -> None:
    run = reported.start(*CONDA)
    wait_until(lambda: any(place(reported).glob("*/lib/python3.11/site-packages/pip")), run)
    wait_until(lambda: any("pip" in each.info["cmdline"] for each in left_behind(reported)), run)
    unfinished = next(path for path in place(reported).iterdir() if path.is_dir())
    (unfinished / "half-written").touch()
    run.send_signal(how)
    assert run.wait() != 0
    assert not environments(reported)
    said = reported.said.read_text()
    assert "Traceback" not in said
    if how == signal.SIGKILL:
        # conda and pip go on by themselves, and would write into what the next run makes.
        assert left_behind(reported)
    else:
        assert "stopped while the environment report was being made" in said
        assert not left_behind(reported)
    again = reported.run(*CONDA)
    assert again.returncode == 0, again.stderr
    assert environments(reported) == {"report": unfinished}
    assert not (unfinished / "half-written").exists()


@pytest.fixture
def little_room(tmp_path: Path) -> Iterator[Path]:
    """A file system that has room for Python and for little more."""
    folder = tmp_path / "little room"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can only be mounted by root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


FAILURES = {
    "SM-ENV-003": {"PIP_INDEX_URL": "http://127.0.0.1:9/simple"},
    "SM-ENV-005": {"PIP_NO_INDEX": "1"},
}


@pytest.mark.parametrize("code", ["SM-ENV-003", pytest.param("SM-ENV-005", marks=pytest.mark.long)])
def test_packages_that_cannot_be_had_are_told(reported: Project, code: str) -> None:
    reported.variables |= BARE_PIP | FAILURES[code]
    run = reported.run(*CONDA)
    assert_told(run, code)
    assert re.search(
        r"^    \| ERROR: No matching distribution found for \w+==", run.stderr, re.MULTILINE
    )
    assert not [path for path in place(reported).iterdir() if path.is_dir()]


def test_a_disk_without_room_is_told(reported: Project, little_room: Path) -> None:
    reported.variables |= {"SNAKEMAKE_CONDA_PREFIX": str(little_room), ONLY_PIP: "1"}
    assert_told(reported.run(*CONDA), "SM-ENV-004")


def assert_told(run: subprocess.CompletedProcess[str], code: str) -> None:
    """Check that a message is the last that was said, and short."""
    assert run.returncode == 1
    assert re.findall(r"SM-\w+-\d+", run.stderr) == [code], run.stderr
    assert "Traceback" not in run.stderr
    assert len(run.stderr[run.stderr.index(code) :].splitlines()) <= 8


@pytest.mark.parametrize(
    ("name", "code", "options"),
    [
        ("d'Anna", "SM-ENV-007", ()),
        ("a:b", "SM-ENV-007", ("-n",)),
        ("file/in", "SM-ENV-009", ()),
    ],
)
def test_places_that_conda_cannot_take_are_told(
    conda_project: Project, tmp_path: Path, name: str, code: str, options: tuple[str, ...]
) -> None:
    (tmp_path / "file").touch()
    conda_project.variables["SNAKEMAKE_CONDA_PREFIX"] = str(tmp_path / name)
    assert_told(conda_project.run(*CONDA, *options), code)


def test_without_conda_the_environments_of_the_set_up_are_used(conda_project: Project) -> None:
    conda_project.conda = None
    run = conda_project.run(*CONDA)
    assert run.returncode == 0, run.stderr
    assert_silent_on_conda(run)
    assert pythons(conda_project, "segment") == {sys.prefix}
    conda_project.profile = "slurm"
    dry = conda_project.run("-n")
    assert dry.returncode == 0, dry.stderr
    assert_silent_on_conda(dry)


def assert_silent_on_conda(run: subprocess.CompletedProcess[str]) -> None:
    """Check that nothing was said of conda, whatever the clone's folder is named."""
    assert "conda" not in run.stderr.replace(str(ROOT), "")


def test_a_conda_that_is_too_old_is_not_used(conda_project: Project, tmp_path: Path) -> None:
    """A stand-in for an old conda, which can't be had here."""
    conda_project.conda = tmp_path / "old"
    conda_project.conda.mkdir()
    (conda_project.conda / "conda").write_text("#!/bin/sh\necho conda 4.12.0\n")
    (conda_project.conda / "conda").chmod(0o755)
    # What runs then is what runs without any conda.
    run = conda_project.run(*CONDA, "-n")
    assert run.returncode == 0, run.stderr
    assert "conda 4.12.0 is too old for Snakemake" in run.stderr
    assert "would be made" not in run.stderr


def test_an_engine_without_environment_is_told(conda_project: Project, tmp_path: Path) -> None:
    conda_project.conda = None
    conda_project.root = tmp_path / "clone"
    for folder in ("workflow", "profiles"):
        shutil.copytree(ROOT / folder, conda_project.root / folder)
    conda_project.settings["segmentation"] = {"engine": "cellpose3", "model": "bact_phase_cp3"}
    run = conda_project.run(*CONDA)
    assert_told(run, "SM-ENV-001")
    assert "bash scripts/setup.sh --engine cellpose3" in run.stderr
    assert "Miniforge" in run.stderr
