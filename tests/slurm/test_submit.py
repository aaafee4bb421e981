"""The main process as a job: it sends itself again before its time is up, and the next one goes on."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest

from tests.answers import ask
from tests.answers import held as answered
from tests.projects import Project
from tests.slurm import cluster
from tests.slurm.disturbed import ended, held, processes, queued, submit, surroundings
from tests.slurm.test_lost_runs import drain, resume
from tests.slurm.test_runs import shown


@pytest.mark.slow
@pytest.mark.long
def test_it_sends_itself_again_and_goes_on(slurm_project: Project) -> None:
    slurm_project.settings["cluster"]["cpu_partition"] = None
    with held(slurm_project):
        log, first = submit(slurm_project)
        # Though the config names no other partition, it takes no GPU's place for days.
        assert re.search(r"Partition=(cpu|short)\b", shown(first))
        follow = subprocess.Popen(
            [sys.executable, "-m", "segmake", "status", "--follow"],
            stdout=subprocess.PIPE,
            **surroundings(slurm_project),
        )
        cluster.wait_for(lambda: len(processes(slurm_project, "segment")) == 2, "the jobs", 180)
        work = set(queued(slurm_project)) - {first}
        # Slurm gives its signal when a limit is near.
        subprocess.run(["scontrol", "update", f"JobId={first}", "TimeLimit=00:03:00"], check=True)
        cluster.wait_for(lambda: first not in queued(slurm_project), "the first to end", 180)
        (second,) = set(queued(slurm_project)) - work
        assert set(queued(slurm_project)) > work
        cluster.wait_for(lambda: queued(slurm_project)[second] == "RUNNING", "the second", 60)
        assert f"job {second}" in log.read_text()
    cluster.wait_for(lambda: not queued(slurm_project), "the run to end", 180)
    states = ended(slurm_project)
    said = (log.parent / f"segmake_{second}.log").read_text()
    assert "6 images done" in said
    assert set(states) == work | {first, second}
    assert {states[job] for job in work | {second}} == {"COMPLETED"}
    done = slurm_project.finished()
    assert len(done) == len(set(done)) == 6
    # Who follows the run is told of its end, and gets the prompt back.
    followed, _ = follow.communicate(timeout=60)
    assert follow.returncode == 0
    assert "6 images done" in followed


def test_jobs_that_wait_are_there_for_the_next(slurm_project: Project) -> None:
    # Jobs of any kind go to the nodes that take none.
    slurm_project.settings["cluster"]["cpu_partition"] = None
    drain()
    try:
        _, first = submit(slurm_project)
        cluster.wait_for(lambda: len(queued(slurm_project)) == 3, "the jobs", 120)
        work = set(queued(slurm_project)) - {first}
        # Its files tell that its jobs wait, and why.
        cluster.wait_for(lambda: state(slurm_project)["state"] == "waiting", "the state", 60)
        cluster.wait_for(lambda: bool(state(slurm_project)["slurm"]["reasons"]), "the reason", 60)
        heard = state(slurm_project)["slurm"]
        assert {job["id"] for job in heard["jobs"]} == work and heard["age_seconds"] < 60
        subprocess.run(["scancel", "--batch", "--signal=USR1", first], check=True)
        cluster.wait_for(lambda: first not in queued(slurm_project), "the first to end", 120)
        (second,) = set(queued(slurm_project)) - work
        said = slurm_project.results / "logs" / f"segmake_{second}.log"
        cluster.wait_for(
            lambda: said.exists() and "takes them over" in said.read_text(), "the second", 120
        )
    finally:
        resume()
    cluster.wait_for(lambda: not queued(slurm_project), "the run to end", 240)
    assert "6 images done" in said.read_text()
    # What the first of both has begun is counted as well.
    found = state(slurm_project)
    assert (found["state"], found["images"]["complete"]) == ("ended", 6)
    states = ended(slurm_project)
    assert set(states) == work | {first, second}
    assert {states[job] for job in work} == {"COMPLETED"}


def state(project: Project) -> dict[str, Any]:
    return answered(ask(project, "status"))
