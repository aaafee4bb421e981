"""What goes wrong on a cluster, done for real: nothing finished is lost, nothing is computed twice."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.projects import ROOT, Project, wait_until
from tests.slurm import cluster

IMAGES = 9
RESULTS = ("_masks.ome.tif", "_cells.csv", "cells.csv", "cells.parquet", "_overlay.png")


def hold(project: Project) -> int:
    """Hold the segmentation of a project still, and no other that runs on this machine; return how many processes."""
    plan = f"SEGMAKE_PLAN={project.results / '.segmake' / 'plan.json'}".encode()
    number = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ")
            own = plan in (process / "environ").read_bytes().split(b"\0")
            if own and b"-m segmake segment --batch" in words:
                os.kill(int(process.name), signal.SIGSTOP)
                number += 1
    return number


def draw_large(path: Path, seed: int, times: int = 16) -> None:
    """Write an image of so many times 125 pixels a side, with bright squares."""
    tile = np.random.default_rng(seed).integers(100, 200, (125, 125), np.uint16)
    for row in range(10, 100, 30):
        tile[row : row + 8, 20 : 40 + seed] += 2000
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.tile(tile, (times, times)))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images that take some seconds together, so that there is time to disturb a run."""
    folder = tmp_path_factory.mktemp("disturbed") / "images"
    for number in range(IMAGES):
        draw_large(folder / f"img_{number}.tif", number)
    return folder


@pytest.fixture(scope="module")
def calm(images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The results of a run of the same images that nothing disturbed, on this computer."""
    project = Project(tmp_path_factory.mktemp("calm"), _settings())
    (project.folder / "images").symlink_to(images)
    assert project.run().returncode == 0
    return project.contents(*RESULTS)


@pytest.fixture
def disturbed(slurm_project: Project, images: Path) -> Iterator[Project]:
    shutil.rmtree(slurm_project.images)
    slurm_project.images.symlink_to(images)
    slurm_project.settings |= _settings()
    # Jobs of any kind can run on both nodes with GPUs.
    slurm_project.settings["cluster"]["cpu_partition"] = None
    yield slurm_project


def _settings() -> dict:
    return {
        "images": {"folder": "images"},
        "segmentation": {"engine": "threshold", "min_size": 30},
        "results": "results",
    }


def jobs(project: Project) -> list[dict]:
    """Return the last line that the record has of each job."""
    lines = (project.results / ".segmake" / "jobs.jsonl").read_text().splitlines()
    records = {line["job"]["id"]: line for line in map(json.loads, lines) if "job" in line}
    return list(records.values())


def causes(project: Project, rule: str = "segment") -> list[str]:
    """Return why jobs of a rule ended too soon."""
    return [
        line["cause"] for line in jobs(project) if line["job"]["rule"] == rule and line["cause"]
    ]


def running(rule: str) -> str | None:
    """Return the number of a job of a rule that runs now."""
    command = ("squeue", "--noheader", "--states=R", "--format=%i %k")
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    known = (f"rule_{rule}_", "rule_batch" if rule == "segment" else f"rule_{rule}_")
    return next((line.split()[0] for line in lines if any(word in line for word in known)), None)


def in_the_queue() -> str:
    command = ("squeue", "--noheader")
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def assert_as_if_nothing_had_happened(project: Project, calm: dict[str, bytes]) -> None:
    done = project.finished()
    assert len(done) == len(set(done)) == IMAGES
    assert project.contents(*RESULTS) == calm


def test_a_job_that_is_cancelled_is_sent_again(disturbed: Project, calm: dict[str, bytes]) -> None:
    run = disturbed.start()
    wait_until(lambda: len(disturbed.finished()) >= 1 and running("segment") is not None, run)
    subprocess.run(["scancel", running("segment")], check=True)
    assert run.wait() == 0, disturbed.said.read_text()
    assert causes(disturbed) == ["cancelled"]
    assert_as_if_nothing_had_happened(disturbed, calm)


def test_a_job_that_runs_out_of_time_gets_more(disturbed: Project, calm: dict[str, bytes]) -> None:
    disturbed.settings["cluster"] |= {"hours": 0.1, "batch_size": IMAGES}
    run = disturbed.start()
    wait_until(lambda: len(disturbed.finished()) >= 1 and running("segment") is not None, run)
    # Slurm ends a job some time after its limit: held still, it lasts until then.
    first = running("segment")
    assert hold(disturbed)
    wait_until(lambda: any(line["job"]["id"] == first for line in jobs(disturbed)), run)
    subprocess.run(["scontrol", "update", f"JobId={first}", "TimeLimit=00:01"], check=True)
    wait_until(lambda: running("segment") != first, run)
    assert run.wait() == 0, disturbed.said.read_text()
    assert causes(disturbed) == ["time"]
    limits = [
        line["job"]["minutes"] for line in jobs(disturbed) if line["job"]["rule"] == "segment"
    ]
    assert limits[-1] == 12  # twice the six minutes that were asked for at first
    assert_as_if_nothing_had_happened(disturbed, calm)
    report = (disturbed.results / "report.html").read_text(encoding="utf-8")
    assert "time limit" in report


@pytest.mark.skipif(
    not Path("/sys/fs/cgroup/memory").is_dir(), reason="no cgroups to keep jobs within their memory"
)
def test_a_job_that_runs_out_of_memory_gets_more(slurm_project: Project) -> None:
    draw_large(slurm_project.images / "huge.tif", 1, times=56)
    slurm_project.settings["cluster"] |= {"memory_gb": 1, "batch_size": 20}
    run = slurm_project.run()
    assert run.returncode == 0, run.stderr
    assert set(causes(slurm_project)) == {"memory"}
    asked = [
        line["job"]["memory_mb"] for line in jobs(slurm_project) if line["job"]["rule"] == "segment"
    ]
    assert asked == [1024 * 2**number for number in range(len(asked))]
    done = slurm_project.finished()
    assert len(done) == len(set(done)) == 7
    report = (slurm_project.results / "report.html").read_text(encoding="utf-8")
    assert "ran out of memory" in report


def test_a_node_that_goes_down(disturbed: Project, calm: dict[str, bytes]) -> None:
    disturbed.settings["cluster"]["batch_size"] = IMAGES
    run = disturbed.start()
    wait_until(lambda: len(disturbed.finished()) >= 1 and running("segment") is not None, run)
    where = ("squeue", "--noheader", f"--jobs={running('segment')}", "--format=%N")
    node = subprocess.run(where, capture_output=True, text=True, check=True).stdout.strip()
    cluster.kill_node(node)
    assert run.wait() == 0, disturbed.said.read_text()
    assert causes(disturbed) == ["node"]
    assert_as_if_nothing_had_happened(disturbed, calm)


def test_slurm_is_down_for_a_while(disturbed: Project, calm: dict[str, bytes]) -> None:
    run = disturbed.start()
    wait_until(lambda: len(disturbed.finished()) >= 1 and running("segment") is not None, run)
    cluster.kill_controller()
    # Longer than the executor asks in vain, and than the jobs take.
    time.sleep(30)
    assert run.poll() is None
    cluster.start_controller()
    assert run.wait() == 0, disturbed.said.read_text()
    assert_as_if_nothing_had_happened(disturbed, calm)


def test_the_main_process_is_killed(disturbed: Project, calm: dict[str, bytes]) -> None:
    run = disturbed.start()
    wait_until(lambda: len(disturbed.finished()) >= 1 and running("segment") is not None, run)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    # Its jobs are still there, and must not work beside those of the next run.
    assert running("segment") is not None
    hold(disturbed)
    status = subprocess.run(
        [*disturbed.command()[:2], "segmake", "status"],
        cwd=disturbed.folder,
        env=disturbed.environment() | {"PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "nothing runs" in status.stdout
    again = disturbed.run()
    assert again.returncode == 0, again.stderr
    assert "were cancelled" in again.stderr
    assert_as_if_nothing_had_happened(disturbed, calm)


def test_ctrl_c_cancels_the_jobs_and_says_what_next(
    disturbed: Project, calm: dict[str, bytes]
) -> None:
    run = disturbed.start()
    wait_until(lambda: len(disturbed.finished()) >= 1, run)

    # A second run in the same folder is told about the first.
    second = disturbed.run()
    assert second.returncode == 1
    assert "SM-RUN-009" in second.stderr
    assert str(run.pid) in second.stderr

    os.killpg(run.pid, signal.SIGINT)
    assert run.wait() == 1
    cluster.wait_for(lambda: not in_the_queue(), "the queue to be empty")
    said = disturbed.said.read_text()
    assert "its jobs were cancelled" in said
    assert "the same command goes on" in said
    assert "Traceback" not in said

    before = disturbed.journal()
    assert disturbed.run().returncode == 0
    assert not set(disturbed.computed(before)) & {
        line["image"] for line in before if line["event"] == "done"
    }
    assert_as_if_nothing_had_happened(disturbed, calm)
