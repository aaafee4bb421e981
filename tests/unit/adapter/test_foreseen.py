"""What would keep a run from beginning is told by segmake plan, in words and in JSON, and nothing is written for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from segmake.adapter import foreseen, tested_versions
from segmake.cli import main
from segmake.core import installation
from segmake.core.ended_runs import note_begin
from segmake.core.files import lock_file
from segmake.core.processes import this_process
from segmake.messages import say
from segmake.plan.result_paths import ResultPaths
from segmake.slurm import commands as slurm
from segmake.slurm.commands import Partition
from tests.answers import held

GPU = {"gpu": Partition("gpu", default=True, memory_mb=64000, cpus=16, gpus={"a40": 9})}


@pytest.fixture
def place(tmp_path, monkeypatch, draw):
    """Make an experiment in a folder of its own, and be there."""

    def make(folder: str = "day1", **sections) -> Path:
        place = tmp_path / folder
        place.mkdir()
        monkeypatch.chdir(place)
        monkeypatch.setattr(slurm, "is_here", lambda: False)
        draw(place / "images" / "a.tif")
        draw(place / "images" / "b.tif")
        (place / "config").mkdir()
        settings = {"images": {"folder": "images"}, "segmentation": {"engine": "threshold"}}
        (place / "config" / "config.yaml").write_text(json.dumps(settings | sections))
        return place

    return make


def answer(monkeypatch) -> None:
    """Have Slurm be here, and take every job."""
    monkeypatch.setattr(slurm, "is_here", lambda: True)
    monkeypatch.setattr(slurm, "partitions", lambda: GPU)
    monkeypatch.setattr(slurm, "keeps_accounts", lambda: False)
    monkeypatch.setattr(slurm, "refusal", lambda options: None)


def told(capsys) -> tuple[list[str], list[str]]:
    """Return the codes of what refuses a run and of what does not, told in words and in JSON, and written nothing."""
    before = sorted(Path().rglob("*"))
    codes = main(["plan", "--json"])
    problems = held(capsys.readouterr().out)
    assert problems["answer"] == "plan" and problems["counts"]["found"] == 2
    errors, warnings = (
        [each["code"] for each in problems["problems"] if each["severity"] == severity]
        for severity in ("error", "warning")
    )
    assert codes == main(["plan"]) == bool(errors)
    words = capsys.readouterr().out
    before_refusals, _, refusals = words.partition(say("plan.refused"))
    assert all(code in refusals for code in errors)
    assert all(code in before_refusals for code in warnings)
    assert sorted(Path().rglob("*")) == before
    return errors, warnings


def test_nothing_keeps_a_sound_run_from_beginning(place, capsys):
    place()
    assert told(capsys) == ([], [])


@pytest.mark.parametrize(
    "text", ["", "limits: {max_gpus: 4, hours: 1}\n", "cluster: {max_gpus: 6}\n"]
)
def test_what_counts_is_the_same_for_plan_and_get(place, capsys, site_file, text):
    site_file(text)
    place(cluster={"memory_gb": 8})
    main(["plan", "--json"])
    planned = held(capsys.readouterr().out)["settings"]
    assert "cluster.max_gpus" in {each["name"] for each in planned}
    for each in planned:
        main(["get", each["name"], "--json"])
        [found] = held(capsys.readouterr().out)["settings"]
        assert found["value"] == each["value"], each["name"]


@pytest.mark.parametrize("name", ["the\nday", "l'été \\ 1"])
def test_a_folder_that_no_job_can_be_sent_from(place, capsys, monkeypatch, name):
    place(name)
    assert told(capsys) == ([], [])
    answer(monkeypatch)
    assert told(capsys) == (["SM-CLU-013"], [])


def test_what_the_cluster_does_not_have(place, capsys, monkeypatch):
    place(cluster={"partition": "gpus", "sbatch_options": ["--array=1"]})
    answer(monkeypatch)
    assert told(capsys) == (["SM-CLU-012", "SM-CLU-002"], [])


def test_an_engine_that_is_not_installed(place, capsys, monkeypatch, tmp_path):
    place(segmentation={"engine": "cellpose3"})
    monkeypatch.setattr(installation, "environments", lambda: tmp_path / "environments")
    monkeypatch.setattr(foreseen.shutil, "which", lambda name: None)
    assert told(capsys) == (["SM-ENV-001"], [])
    python = tmp_path / "environments" / "cellpose3" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    assert told(capsys) == ([], [])
    packages = python.parents[1] / "lib" / "python3.11" / "site-packages"
    (packages / "torch-2.8.0+cu128.dist-info").mkdir(parents=True)
    (packages / "nvidia_cuda_runtime_cu12-12.8.90.dist-info").mkdir()
    answer(monkeypatch)
    assert told(capsys) == ([], [])
    config = Path("config/config.yaml")
    settings = json.loads(config.read_text())
    config.write_text(json.dumps({**settings, "cluster": {"cuda_driver": "11.8"}}))
    assert told(capsys) == (["SM-ENV-043"], [])
    # Snakemake may be told to make it.
    monkeypatch.setattr(foreseen.shutil, "which", lambda name: f"/opt/{name}")
    assert told(capsys) == ([], [])


def test_a_snakemake_that_was_not_tested(place, capsys, monkeypatch):
    place()
    monkeypatch.setitem(tested_versions.TESTED, "snakemake", "9.1")
    assert told(capsys) == (["SM-RUN-064"], [])


def test_a_list_of_packages_that_is_wrong(place, capsys):
    lists = {
        "used": {"python": "3.11", "packages": ["numpy =="]},
        "other": {"python": "3.11", "file": "absent.txt"},
    }
    script = {"name": "count", "script": "count.py", "run": "image", "environment": "used"}
    here = place(environments=lists, scripts=[script])
    (here / "count.py").write_text("print(1)\n")
    assert told(capsys) == (["SM-ENV-013"], ["SM-ENV-032"])
    # The config alone tells as much.
    main(["check", "--json"])
    assert {each["code"] for each in held(capsys.readouterr().out)["problems"]} == {
        "SM-ENV-013",
        "SM-ENV-032",
    }


def test_slurm_that_falls_silent_keeps_nobody_from_a_run_here(place, capsys, monkeypatch):
    def silent(*words: object) -> None:
        raise slurm.SlurmError("no controller")

    place()
    answer(monkeypatch)
    for question in ("refusal", "partitions"):
        monkeypatch.setattr(slurm, question, silent)
        assert told(capsys) == ([], ["SM-CLU-001"])


def test_of_a_run_on_this_computer_nothing_is_asked_of_slurm(place, capsys, monkeypatch):
    place()
    answer(monkeypatch)
    monkeypatch.setattr(slurm, "partitions", lambda: 1 / 0)
    assert main(["plan", "--profile", "local"]) == 0
    assert "cluster." not in capsys.readouterr().out
    assert main(["plan", "--profile", "local", "--json"]) == 0
    assert held(capsys.readouterr().out)["cluster"] is None


def test_a_journal_that_is_a_link(place, capsys):
    here = place()
    journals = here / "results" / ".segmake" / "segment"
    journals.mkdir(parents=True)
    (journals / "0009.jsonl").symlink_to(here / "elsewhere")
    assert told(capsys) == (["SM-RUN-043"], [])


def test_a_run_that_is_at_work(place, capsys):
    here = place()
    folders = ResultPaths(here / "results")
    folders.state.mkdir(parents=True)
    with folders.lock.open("w") as lock:
        lock_file(lock, wait=False)
        lock.write(this_process().written())
        lock.flush()
        note_begin(folders.runs, "1")
        assert told(capsys) == (["SM-RUN-009"], [])
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True
    )
    folders.lock.write_text(this_process()._replace(pid=int(ended.stdout)).written())
    assert told(capsys) == ([], [])


@pytest.mark.parametrize("name", ["results", ".snakemake"])
def test_a_folder_that_can_not_be_written_to(place, capsys, monkeypatch, name):
    here = place()
    (here / name).mkdir()
    # Who is root may write everywhere.
    usual = foreseen.os.access
    closed = (Path(name), here / name)
    monkeypatch.setattr(
        foreseen.os, "access", lambda path, mode: path not in closed and usual(path, mode)
    )
    assert told(capsys) == (["SM-RUN-010" if name == "results" else "SM-RUN-060"], [])
