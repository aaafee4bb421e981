"""The main process as a job: it sends itself again before its time is up, and the next one goes on."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.projects import ROOT, Project
from tests.slurm import cluster
from tests.slurm.disturbed import ended, held, processes, queued
from tests.slurm.test_runs import shown


def test_it_sends_itself_again_and_goes_on(slurm_project: Project) -> None:
    slurm_project.settings["cluster"]["cpu_partition"] = None
    slurm_project.write_config()
    python, *_ = slurm_project.command()
    environment = slurm_project.environment() | {"PYTHONPATH": str(ROOT / "workflow")}
    settings = {"cwd": slurm_project.folder, "env": environment, "text": True}
    with held(slurm_project):
        submit = subprocess.run(
            [python, "-m", "segmake", "submit", *slurm_project.command()[3:]],
            capture_output=True,
            check=False,
            **settings,
        )
        assert submit.returncode == 0, submit.stderr
        told = re.search(r"tail -f (.*)\n.*scancel (\d+)", submit.stdout)
        assert told, submit.stdout
        log, first = Path(told[1]), told[2]
        # Though the config names no other partition, it takes no GPU's place for days.
        assert re.search(r"Partition=(cpu|short)\b", shown(first))
        follow = subprocess.Popen(
            [python, "-m", "segmake", "status", "--follow"], stdout=subprocess.PIPE, **settings
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
