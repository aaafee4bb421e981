"""Runs on a real Slurm cluster: what is asked of it, how many GPUs are used at once, what the user sees."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time

import numpy as np
import pytest
import tifffile

from segmake.adapter.report_place import SMALL_CELLS
from tests.projects import ROOT, Project, draw_image
from tests.slurm import cluster
from tests.slurm.disturbed import jobs, submit
from tests.workflow.test_conda import assert_silent_on_conda

ENGINE = ROOT / ".environments" / "cellpose3" / "bin" / "python"


@pytest.fixture
def gpu_project(slurm_project: Project) -> Project:
    """Six images in three batches for Cellpose; its GPUs are devices that only Slurm takes for GPUs."""
    if not ENGINE.exists():
        pytest.skip("the environment of Cellpose is not installed: bash scripts/setup.sh")
    slurm_project.settings["segmentation"] = {
        "engine": "cellpose3",
        # The GPUs of the test cluster are none.
        "allow_cpu": True,
        "model": str(ROOT / "resources" / "models" / "segmake_demo_cp3"),
    }
    slurm_project.settings["cluster"] |= {
        "memory_gb": 2,
        "gpu_model": "a40",
        "max_gpus": 2,
        "batch_size": 2,
    }
    return slurm_project


def test_gpus_for_the_segmentation_alone_and_no_more_than_allowed(gpu_project: Project) -> None:
    gpu_project.settings["cluster"]["gpu_request"] = "gpus"
    run = gpu_project.start()
    most = 0
    while run.poll() is None:
        command = ("squeue", "--noheader", "--states=R", "--partition=gpu", "--format=%j")
        names = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        most = max(most, names.count("segmake_"))
        time.sleep(0.2)
    assert run.returncode == 0, gpu_project.said.read_text()
    assert most == 2
    rules = {line["job"]["id"]: line["job"]["rule"] for line in jobs(gpu_project)}
    known = set(rules)
    assert sorted(rules.values()) == ["after"] * 3 + ["segment"] * 3
    for job, rule in rules.items():
        facts = shown(job)
        assert ("gpu:a40:1" in facts) == ("Partition=gpu" in facts) == (rule == "segment"), facts
        # Measuring takes most of the time, and most of the cores.
        assert f"NumCPUs={1 if rule == 'segment' else 4} " in facts, facts
    # While cells are measured, no GPU is held for that batch.
    held = {
        line["job"]["batch"]: line["job"]
        for line in jobs(gpu_project)
        if line["job"]["rule"] == "segment"
    }
    for batch, job in held.items():
        begun = gpu_project.results / ".segmake" / "masks" / f"{batch}.jsonl"
        assert json.loads(begun.read_text().splitlines()[0])["time"] > job["ended"] - 1
    report = (gpu_project.results / "report.html").read_text(encoding="utf-8")
    assert "GPU" in report

    # The same command again sends nothing; a new image is a job with a GPU, and one without.
    assert new_jobs(gpu_project, known) == []
    draw_image(gpu_project.images / "new.tif", 3)
    assert [rule for _, rule in new_jobs(gpu_project, known)] == ["segment", "after"]
    # Files that were touched are looked at without a GPU; since one holds something else, the job is sent again with one.
    draw_image(gpu_project.images / "a" / "img_1.tif", 4, seed=9)
    for number in (1, 2):
        os.utime(gpu_project.images / "a" / f"img_{number}.tif", (10**9, 10**9))
    before = gpu_project.journal()
    touched = new_jobs(gpu_project, known)
    assert [rule for _, rule in touched] == ["segment", "segment", "after"]
    for (job, _), partition in zip(touched, ("cpu", "gpu", "cpu"), strict=True):
        facts = shown(job)
        assert f"Partition={partition}" in facts, facts
        assert ("gpu:a40:1" in facts) == (partition == "gpu"), facts
    assert gpu_project.computed(before) == ["a/img_1.tif"]
    # What needs no GPU goes where there is none.
    gpu_project.settings["overlays"] = {"color": "#00ff00"}
    drawn = new_jobs(gpu_project, known)
    assert {rule for _, rule in drawn} == {"overlay"}
    for job, _ in drawn:
        assert "gpu:a40" not in shown(job) and "Partition=cpu" in shown(job)


def test_a_large_batch_is_measured_and_drawn_in_jobs_of_their_own(gpu_project: Project) -> None:
    # What a file says of its size counts, also of one that is cut short and fails alone.
    large = gpu_project.images / "large.tif"
    tifffile.memmap(large, shape=(16000, 16000), dtype=np.uint8).flush()
    os.truncate(large, 10_000_000)
    gpu_project.settings["cluster"] |= {"batch_size": 10, "gpu_request": "gres"}
    run = gpu_project.run()
    assert run.returncode == 1
    assert "6 images done, 1 FAILED" in run.stderr
    where = {line["job"]["rule"]: shown(line["job"]["id"]) for line in jobs(gpu_project)}
    assert sorted(where) == ["masks", "measure", "overlay", "segment"]
    for rule, facts in where.items():
        assert ("gpu:a40:1" in facts) == ("Partition=gpu" in facts) == (rule == "segment"), facts


def shown(job: str) -> str:
    """Return what Slurm knows of a job."""
    command = ("scontrol", "show", "job", job, "--oneliner")
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def new_jobs(project: Project, known: set[str]) -> list[tuple[str, str]]:
    """Run again, and return number and rule of each job that was sent; add them to those that are known."""
    run = project.run()
    assert run.returncode == 0, run.stderr
    new = [(line["job"]["id"], line["job"]["rule"]) for line in jobs(project)]
    new = [(job, rule) for job, rule in new if job not in known]
    known.update(job for job, _ in new)
    return new


def test_what_the_cluster_lacks_is_said_before_anything_is_sent(slurm_project: Project) -> None:
    slurm_project.settings["cluster"] |= {"partition": "gpus", "cpu_partition": None}
    run = slurm_project.run()
    assert run.returncode == 1
    assert "SM-CLU-002" in run.stderr
    assert "gpu (18 a40)" in run.stderr
    assert "Traceback" not in run.stderr
    assert not (slurm_project.results / ".segmake" / "jobs.jsonl").exists()
    # A dry run says it too.
    assert "SM-CLU-002" in slurm_project.run("-n").stderr


def test_the_run_as_a_job_of_its_own(slurm_project: Project) -> None:
    log, number = submit(slurm_project)
    done = ("squeue", "--noheader", f"--jobs={number}", "--states=all", "--format=%T")

    def state() -> str:
        return subprocess.run(done, capture_output=True, text=True, check=True).stdout.strip()

    cluster.wait_for(lambda: state() not in ("PENDING", "RUNNING"), "the run to end", 300)
    assert state() == "COMPLETED", log.read_text()
    said = log.read_text()
    assert "6 images done" in said
    # In a file there are lines now and then, and nothing that moves the cursor.
    assert re.search(r"^\d\d:\d\d  cells found in \d of 6 images", said, re.MULTILINE)
    assert "\x1b" not in said
    status = json.loads((slurm_project.results / ".segmake" / "plan.json").read_text())
    assert status["to_do"]["segment"] == 6


@pytest.mark.long
def test_the_report_on_many_cells_is_written_in_a_job(slurm_project: Project) -> None:
    def rules() -> list[str]:
        return [line["job"]["rule"] for line in jobs(slurm_project)]

    assert slurm_project.run().returncode == 0
    assert rules() and "report" not in rules()
    report = slurm_project.results / "report.html"
    report.unlink()
    # As if the last image had so many; its table is as it was.
    last = slurm_project.journal("masks")[-1]
    last["details"]["cells_kept"] = SMALL_CELLS + 1
    journal = slurm_project.results / ".segmake" / "masks" / "0002.jsonl"
    assert last["image"] in journal.read_text()
    with journal.open("a") as lines:
        lines.write(json.dumps(last) + "\n")
    run = slurm_project.run()
    assert run.returncode == 0, run.stderr
    assert rules().count("report") == 1 and report.is_file()


def test_cancelling_the_run_cancels_its_jobs(slurm_project: Project) -> None:
    slurm_project.settings["cluster"]["batch_size"] = 1
    run = slurm_project.start()
    cluster.wait_for(lambda: "rule_" in _comments(), "a job", 60)
    run.terminate()
    assert run.wait() == 1
    cluster.wait_for(lambda: not _comments(), "the queue to be empty")
    assert "its jobs were cancelled" in slurm_project.said.read_text()


def _comments() -> str:
    command = ("squeue", "--noheader", "--format=%k")
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_without_an_accounting_database(slurm_project: Project) -> None:
    # Accounts mean nothing there.
    slurm_project.settings["cluster"]["account"] = "nobody"
    with cluster.without_accounts():
        run = slurm_project.run()
        assert run.returncode == 0, run.stderr
        assert "6 images done" in run.stderr
        assert {line["job"]["state"] for line in jobs(slurm_project)} == {"COMPLETED"}
    # Where there is no conda, the jobs use the environments of the set-up, and nothing is said of it.
    assert_silent_on_conda(run)
    assert not list((slurm_project.folder / ".snakemake").glob("conda/*"))
    slurm_project.settings["overlays"] = {"color": "#00ff00"}
    assert "SM-CLU-009" in slurm_project.run("-n").stderr
