"""What goes wrong on a cluster, done for real: nothing finished is lost, nothing is computed twice."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.projects import Project, wait_until
from tests.slurm import cluster
from tests.slurm.disturbed import (
    RESULTS,
    assert_as_if_nothing_had_happened,
    draw_large,
    hold,
    jobs,
    let_go,
    processes,
    results_of,
    running,
    settings,
)

IMAGES = 9

__all__ = ["RESULTS", "jobs"]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of some size; the jobs are held still where there must be time."""
    folder = tmp_path_factory.mktemp("disturbed") / "images"
    for number in range(IMAGES):
        draw_large(folder / f"img_{number}.tif", number)
    return folder


@pytest.fixture(scope="module")
def calm(images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The results of a run of the same images that nothing disturbed, on this computer."""
    return results_of(images, tmp_path_factory.mktemp("calm"), settings())


def at_work(project: Project, run: subprocess.Popen) -> str:
    """Hold the jobs of a run still once they have done an image, and return the number of one that has more to do."""
    wait_until(lambda: len(project.finished()) >= 1, run)
    held = hold(project)
    assert held
    return held[-1]


def causes(project: Project, rule: str = "segment") -> list[str]:
    """Return why jobs of a rule ended too soon."""
    return [
        line["cause"] for line in jobs(project) if line["job"]["rule"] == rule and line["cause"]
    ]


def in_the_queue() -> str:
    command = ("squeue", "--noheader")
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_job_that_is_cancelled_is_sent_again(disturbed: Project, calm: dict[str, bytes]) -> None:
    run = disturbed.start()
    # Its first steps are done then: the job that is sent has them to do again, and finds nothing to do.
    wait_until(lambda: bool(processes(disturbed, "measure")), run)
    subprocess.run(["scancel", hold(disturbed, "measure")[-1]], check=True)
    let_go(disturbed, "measure")
    assert run.wait() == 0, disturbed.said.read_text()
    assert causes(disturbed) == ["cancelled"]
    assert_as_if_nothing_had_happened(disturbed, calm)


def test_a_job_that_runs_out_of_time_gets_more(disturbed: Project, calm: dict[str, bytes]) -> None:
    disturbed.settings["cluster"] |= {"hours": 0.1, "batch_size": IMAGES}
    run = disturbed.start()
    # Slurm ends a job some time after its limit: held still, it lasts until then.
    first = at_work(disturbed, run)
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
    draw_large(slurm_project.images / "huge.tif", 1, times=44, pole=True)
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
    where = ("squeue", "--noheader", f"--jobs={at_work(disturbed, run)}", "--format=%N")
    node = subprocess.run(where, capture_output=True, text=True, check=True).stdout.strip()
    cluster.kill_node(node)
    assert run.wait() == 0, disturbed.said.read_text()
    assert causes(disturbed) == ["node"]
    assert_as_if_nothing_had_happened(disturbed, calm)


def test_slurm_is_down_for_a_while(disturbed: Project, calm: dict[str, bytes]) -> None:
    run = disturbed.start()
    at_work(disturbed, run)
    cluster.kill_controller()
    let_go(disturbed)
    # Longer than the executor asks in vain, and than the jobs take.
    time.sleep(30)
    assert run.poll() is None
    cluster.start_controller()
    assert run.wait() == 0, disturbed.said.read_text()
    assert_as_if_nothing_had_happened(disturbed, calm)


def test_ctrl_c_cancels_the_jobs_and_says_what_next(
    disturbed: Project, calm: dict[str, bytes]
) -> None:
    run = disturbed.start()
    at_work(disturbed, run)

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
