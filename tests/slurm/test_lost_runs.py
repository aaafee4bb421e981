"""A main process that is lost leaves its jobs; the next run takes them over: nothing is lost, nothing is done twice."""

from __future__ import annotations

import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.projects import Project, wait_until
from tests.slurm import cluster
from tests.slurm.disturbed import (
    LONG,
    STEPS,
    accounted,
    assert_as_if_nothing_had_happened,
    draw_large,
    ended,
    held,
    lose,
    processes,
    queued,
    results_of,
    settings,
    status,
)

IMAGES = 4
BATCHES = 2
GPU_NODES = "NodeName=" + ",".join(cluster.GPU_NODES)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images that are soon done: the jobs are held still where there must be time."""
    folder = tmp_path_factory.mktemp("disturbed") / "images"
    for number in range(IMAGES):
        draw_large(folder / f"img_{number}.tif", number, times=5)
    return folder


@pytest.fixture(scope="module")
def calm(images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The results of a run of the same images that nothing disturbed, on this computer."""
    return results_of(images, tmp_path_factory.mktemp("calm"), settings())


def drain(nodes: str = GPU_NODES) -> None:
    """Let no new job start."""
    command = ["scontrol", "update", nodes, "State=DRAIN", "Reason=test"]
    subprocess.run(command, check=True)


def resume(nodes: str = GPU_NODES) -> None:
    subprocess.run(["scontrol", "update", nodes, "State=RESUME"], check=True)


def planned(project: Project) -> float:
    """Return when the last run wrote down its plan: then it has seen what was left."""
    plan = project.results / ".segmake" / "plan.json"
    return plan.stat().st_mtime if plan.exists() else 0.0


def go_on(project: Project) -> subprocess.Popen:
    """Run the same command again; return once it works."""
    before = planned(project)
    again = project.start()
    wait_until(lambda: planned(project) > before, again)
    return again


def assert_adopted(project: Project, left: dict[str, str]) -> None:
    """Assert that the jobs that were left did all the work, and no other job was sent."""
    assert ended(project) == dict.fromkeys(left, "COMPLETED")
    said = project.said.read_text()
    assert "MissingOutputException" not in said
    assert "Traceback" not in said
    assert "cancel" not in said


@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGHUP, marks=LONG)])
def test_jobs_at_work_are_adopted(
    disturbed: Project, calm: dict[str, bytes], how: signal.Signals
) -> None:
    with held(disturbed):
        run = disturbed.start()
        wait_until(lambda: len(processes(disturbed, "segment")) == BATCHES, run)
        lose(run, how)
        left = queued(disturbed)
        assert list(left.values()) == ["RUNNING"] * BATCHES
        told = status(disturbed)
        assert "nothing runs" in told
        assert all(job in told for job in left)
        assert "takes them over" in told
        again = go_on(disturbed)
        # It follows them as if they were its own.
        cluster.wait_for(lambda: "a run is at work" in status(disturbed), "the run to be told of")
        told = status(disturbed)
        assert all(job in told for job in left), told
    assert again.wait() == 0, disturbed.said.read_text()
    assert_adopted(disturbed, left)
    assert_as_if_nothing_had_happened(disturbed, calm)


def test_jobs_that_wait_are_adopted(disturbed: Project, calm: dict[str, bytes]) -> None:
    drain()
    try:
        run = disturbed.start()
        wait_until(lambda: len(queued(disturbed)) == BATCHES, run)
        lose(run, signal.SIGHUP)
        left = queued(disturbed)
        assert list(left.values()) == ["PENDING"] * BATCHES
        again = go_on(disturbed)
    finally:
        resume()
    assert again.wait() == 0, disturbed.said.read_text()
    assert_adopted(disturbed, left)
    assert_as_if_nothing_had_happened(disturbed, calm)


@pytest.fixture
def disturbed(disturbed: Project) -> Project:
    disturbed.settings["cluster"]["batch_size"] = IMAGES // BATCHES
    return disturbed


MOMENTS = [
    pytest.param(step, seconds, marks=() if (step, seconds) in usual else LONG)
    for usual in [{("segment", 2), ("masks", 10)}]
    for step in (*STEPS, "report")
    for seconds in (2, 10, 60)
]


@pytest.mark.parametrize(("step", "seconds"), MOMENTS)
def test_a_run_that_is_lost_goes_on_whenever_that_was(
    disturbed: Project, calm: dict[str, bytes], step: str, seconds: int
) -> None:
    run = disturbed.start()
    wait_until(lambda: bool(processes(disturbed, step)), run)
    lose(run)
    # Its jobs work on meanwhile: that the new run meets them at any moment is what is tested.
    time.sleep(seconds)
    # The accounts hear of jobs some seconds later than the queue, which forgets them.
    left = accounted(disturbed) | queued(disturbed, "--states=all")
    assert len(left) == BATCHES
    again = disturbed.start()
    assert again.wait() == 0, disturbed.said.read_text()
    assert_adopted(disturbed, left)
    assert_as_if_nothing_had_happened(disturbed, calm)


def test_jobs_for_other_settings_are_cancelled(
    disturbed: Project, images: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = settings(min_size=200)
    expected = results_of(images, tmp_path_factory.mktemp("other"), other)
    with held(disturbed):
        run = disturbed.start()
        wait_until(lambda: len(processes(disturbed, "segment")) == BATCHES, run)
        lose(run)
        left = queued(disturbed)
        at_work = processes(disturbed, "segment")
        disturbed.settings |= other
        again = go_on(disturbed)
        # Slurm gives them time to end: not one may work beside those of the new run.
        assert not set(at_work) & set(processes(disturbed, "segment"))
    assert again.wait() == 0, disturbed.said.read_text()
    assert "were cancelled" in disturbed.said.read_text()
    states = ended(disturbed)
    assert {states[job] for job in left} == {"CANCELLED"}
    assert [states[job] for job in states if job not in left] == ["COMPLETED"] * BATCHES
    assert_as_if_nothing_had_happened(disturbed, expected)


@pytest.fixture
def in_other_jobs(disturbed: Project) -> Project:
    """A project whose images are segmented, and whose masks and pictures are made anew, in other jobs."""
    disturbed.profile = "local"
    run = disturbed.run()
    assert run.returncode == 0, run.stderr
    disturbed.profile = "slurm"
    disturbed.settings["outputs"] = []
    disturbed.settings["overlays"] = {"color": "#00ff00"}
    return disturbed


def test_steps_in_other_jobs_are_adopted(
    in_other_jobs: Project, images: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    project = in_other_jobs
    wanted = {key: value for key, value in project.settings.items() if key != "cluster"}
    expected = results_of(images, tmp_path_factory.mktemp("own"), wanted)
    before = {step: Counter(project.finished(step)) for step in STEPS}
    with held(project, "masks"):
        run = project.start()
        wait_until(lambda: len(processes(project, "masks")) == BATCHES, run)
        lose(run)
        left = set(queued(project))
        again = go_on(project)
    assert again.wait() == 0, project.said.read_text()
    states = ended(project)
    assert set(states.values()) == {"COMPLETED"}
    assert left <= set(states)
    new = {step: Counter(project.finished(step)) - before[step] for step in STEPS}
    assert set(new["masks"].values()) == set(new["overlay"].values()) == {1}, new
    assert not new["segment"]
    assert project.contents("_masks.ome.tif", "cells.csv", "_overlay.png") == {
        name: content
        for name, content in expected.items()
        if name.endswith(("_masks.ome.tif", "cells.csv", "_overlay.png"))
    }


@pytest.mark.slow
@pytest.mark.long
def test_a_job_whose_inputs_are_gone_does_not_count_as_completed(
    in_other_jobs: Project,
) -> None:
    project = in_other_jobs
    drain()
    try:
        run = project.start("--latency-wait", "5")
        wait_until(lambda: len(queued(project)) == BATCHES, run)
        lose(run)
        # What they are to read is removed while they wait.
        for table in (project.results / ".segmake" / "segment").glob("*.tsv"):
            table.unlink()
    finally:
        resume()
    states = ended(project)
    assert len(states) == BATCHES
    assert "COMPLETED" not in states.values()
    # The same command makes good what was lost.
    again = project.run("--latency-wait", "5")
    assert again.returncode == 0, again.stderr
    assert f"{IMAGES} images done" in again.stderr
