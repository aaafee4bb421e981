"""Jobs that fail before anything of SegMake runs in them: it is said why, and the run does not go on in vain."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.projects import Project
from tests.slurm import cluster
from tests.slurm.disturbed import LONG, ended, jobs

needs_mounts = pytest.mark.skipif(
    subprocess.call(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL) != 0,
    reason="no file systems of their own for the nodes",
)

IMAGES = 6


def environment_of_python() -> Path:
    """The folder of this Python's environment, which a node may not see."""
    return Path(sys.executable).parents[1]


@needs_mounts
@pytest.mark.parametrize(
    ("hidden", "reason"),
    [
        # The job's shell starts, and finds no Python.
        (lambda project: environment_of_python(), r"not found|No such file or directory"),
        # Not even the file for what a job says can be made.
        pytest.param(
            lambda project: project.folder,
            r"0:53|RaisedSignal:53|JobLaunchFailure",
            marks=LONG,
        ),
    ],
    ids=["python", "folder"],
)
def test_a_node_that_does_not_see_a_folder(slurm_project: Project, hidden, reason: str) -> None:
    slurm_project.settings["cluster"]["batch_size"] = 1
    with cluster.hidden(hidden(slurm_project)):
        run = slurm_project.run()
    assert run.returncode == 1
    states = ended(slurm_project)
    # All batches may be in the queue before the first of them fails; none is sent again and again.
    assert len(states) <= IMAGES + 2, run.stderr
    assert "COMPLETED" not in states.values()
    told = re.findall(r"^SM-\w+-\d+.*", run.stderr, re.MULTILINE)
    assert len(told) == 1, run.stderr
    assert re.search(reason, run.stderr), run.stderr
    assert "Traceback" not in run.stderr
    # No image is blamed, and no file that is empty is said to tell more.
    assert "tells more" not in run.stderr
    assert slurm_project.journal() == []

    # Once the nodes see it, the same command does all.
    again = slurm_project.run()
    assert again.returncode == 0, again.stderr
    assert "6 images done" in again.stderr


def test_a_configuration_that_only_a_variable_names(slurm_project: Project) -> None:
    with cluster.config_elsewhere():
        run = slurm_project.run()
        assert run.returncode == 0, run.stderr
        assert [line["job"]["state"] for line in jobs(slurm_project)] == ["COMPLETED"] * 2
