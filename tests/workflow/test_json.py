"""Whole commands that answer in JSON, beside a real run, read by programs that are no Python."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests import users
from tests.answers import ask, held, read_by
from tests.projects import Project, still, wait_until


@pytest.fixture(autouse=True)
def own_cache(project: Project) -> None:
    project.variables["XDG_CACHE_HOME"] = str(project.folder / "cache")


def state(project: Project) -> str:
    return held(ask(project, "status"))["state"]


def test_a_run_is_followed_from_its_start_to_its_end(project: Project):
    project.write_config()
    assert read_by("check.pl", ask(project, "check")).endswith("config.yaml: usable\n")
    assert read_by("plan.pl", ask(project, "plan")).startswith("7 images, 7 to do in 1 batches\n")
    assert held(ask(project, "status", code=1))["problems"][0]["code"] == "SM-RUN-013"
    run = project.start()
    mark = project.folder / ".snakemake" / "segmake-start.tsv"
    # The file is there a moment before it has a word in it.
    wait_until(lambda: mark.exists() and mark.stat().st_size > 0, run)
    with still(run):
        assert state(project) == "starting"
    wait_until(lambda: bool(project.finished()) if project.results.exists() else False, run)
    with still(run):
        found = held(ask(project, "status"))
    assert found["state"] == "running" and found["run"]["process"]["pid"] == run.pid
    assert found["images"]["segmented"] > 0
    assert run.wait() == 1
    told = read_by("status.pl", ask(project, "status"))
    assert told.startswith("ended: 7 images, 6 done, 1 failed\n") and "a/img_4.tif" in told
    assert "a/img_4.tif: failed the last time" in read_by("plan.pl", ask(project, "plan"))


def test_a_run_that_was_killed_has_died_and_one_that_was_stopped_is_stopped(project: Project):
    run = project.start()
    wait_until((project.results / ".segmake" / "overview.json").exists, run)
    os.kill(run.pid, signal.SIGKILL)
    # Nobody has taken note of its end yet.
    assert state(project) == "died"
    run.wait()
    assert read_by("status.pl", ask(project, "status")).endswith("is gone.\n")
    before = project.results / ".segmake" / "runs.jsonl"
    began = before.read_text().count("began")
    run = project.start("--rerun-incomplete", "--nolock")
    wait_until(lambda: before.read_text().count("began") > began, run)
    wait_until(lambda: state(project) == "running", run)
    run.send_signal(signal.SIGINT)
    run.wait()
    assert state(project) == "stopped"


@pytest.mark.skipif(users.why_not() is not None, reason=str(users.why_not()))
def test_the_experiment_of_another_user_is_looked_at_without_writing_there(project: Project):
    with users.users("reader") as (lab, [reader]):
        shared = Project(lab / "day 1 (d\u00e9j\u00e0)", project.settings)
        shared.folder.mkdir()
        project.images.rename(shared.images)
        assert shared.run().returncode == 1
        before = shared.tree()
        command = (sys.executable, "-m", "segmake", "status", "--json")
        for _ in range(2):
            done = reader.run(*command, folder=shared.folder)
            assert done.returncode == 0, done.stderr
            found = held(done.stdout)
            assert (found["state"], found["images"]["complete"]) == ("ended", 6)
        assert shared.tree() == before
        assert list(Path(reader.home, ".cache", "segmake", "status").glob("*.json"))
        # What is new is seen, too: a journal that was replaced.
        journal = shared.results / ".segmake" / "segment" / "0001.jsonl"
        journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:4]))
        found = held(reader.run(*command, folder=shared.folder).stdout)
        assert found["images"]["segmented"] < 6
