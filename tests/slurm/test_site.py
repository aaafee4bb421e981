"""The site file on a real cluster: what is proposed for it, and where jobs go that only it says."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml

from tests.projects import Project, installation
from tests.slurm.disturbed import ended

pytestmark = pytest.mark.usefixtures("slurm")


@pytest.fixture
def with_site(slurm_project: Project) -> Project:
    """A project of an installation of its own, whose config says nothing of partitions."""
    slurm_project.root = installation(slurm_project.folder / "segmake")
    del slurm_project.settings["cluster"]["partition"]
    del slurm_project.settings["cluster"]["cpu_partition"]
    return slurm_project


def segmake(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**project.environment(), "PYTHONPATH": str(project.root / "workflow")}
    command = [sys.executable, "-m", "segmake", *words]
    return subprocess.run(
        command, cwd=project.folder, env=environment, capture_output=True, text=True, check=False
    )


def test_what_the_cluster_says_of_itself_is_a_site_file_that_fits(with_site):
    path = with_site.root / "site.yaml"
    made = segmake(with_site, "site", "check", "--write")
    assert made.returncode == 0, made.stderr
    found = yaml.safe_load(path.read_text())
    assert found == {"cluster": {"partition": "gpu", "cpu_partition": "cpu"}}
    assert "#  max_gpus: 18" in path.read_text() and "#  hours: 24" in path.read_text()
    again = segmake(with_site, "site", "check")
    assert again.returncode == 0 and str(path) in again.stdout, again.stderr
    path.write_text("cluster:\n  partition: gpus\n")
    wrong = segmake(with_site, "site", "check")
    assert wrong.returncode == 1 and f"SM-CLU-002  {path}, line 2" in wrong.stderr


def test_jobs_go_where_only_the_site_file_says(with_site):
    path = with_site.root / "site.yaml"
    path.write_text("cluster: {partition: gpu, cpu_partition: short}\nlimits: {hours: 0.2}\n")
    with_site.write_config()
    planned = segmake(with_site, "plan")
    assert planned.returncode == 0 and f"{path}, line 1" in planned.stdout, planned.stderr
    run = with_site.run()
    assert run.returncode == 0, run.stderr
    # Its own: those of the test before may have ended in the second in which it began.
    own = ",".join(ended(with_site))
    asked = ["--noheader", "--parsable2", "--allocations", f"--jobs={own}"]
    command = ["sacct", *asked, "--format=Partition,TimelimitRaw"]
    jobs = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert len(jobs) > 1 and set(jobs) == {"short|12"}


def test_plan_says_what_a_run_is_refused_for(with_site):
    with_site.settings["cluster"] |= {"partition": "gpus", "sbatch_options": ["--array=1-3"]}
    with_site.write_config()
    planned = segmake(with_site, "plan", "--json")
    problems = json.loads(planned.stdout)["problems"]
    told = [problem["message"] for problem in problems if problem["severity"] == "error"]
    assert planned.returncode == 1 and len(told) == 2, planned.stdout
    refused = with_site.run("-n")
    assert refused.returncode == 1 and "\n".join(told) in refused.stderr, refused.stderr
    odd = with_site.folder / "the 'day' $1"
    odd.mkdir()
    with_site.settings["results"] = str(odd / "results")
    with_site.settings["cluster"] = {"memory_gb": 1}
    with_site.write_config()
    planned = segmake(with_site, "plan")
    refused = with_site.run()
    assert (planned.returncode, refused.returncode) == (1, 1)
    assert "SM-CLU-013" in planned.stdout and "SM-CLU-013" in refused.stderr
