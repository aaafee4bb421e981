"""A real Slurm cluster for the tests of this folder."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conda import conda  # noqa: F401
from tests.projects import Project, project  # noqa: F401
from tests.slurm import cluster
from tests.slurm.disturbed import settings


@pytest.fixture(scope="session")
def slurm() -> Iterator[None]:
    """The cluster, installed if need be, started for the first test and stopped after the last."""
    if reason := cluster.why_not():
        pytest.skip(reason)
    # Tests that were started with nohup would have runs that a lost connection does not end.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    cluster.start()
    yield
    cluster.stop()


@pytest.fixture
def slurm_project(slurm: None, project: Project) -> Iterator[Project]:  # noqa: F811
    """A project whose jobs go to the cluster; nothing of it is left in the queue, and all nodes are up again."""
    (project.images / "a" / "img_4.tif").unlink()
    project.profile = "slurm"
    project.settings["cluster"] = {
        "partition": "gpu",
        "cpu_partition": "cpu",
        "memory_gb": 1,
        "cpus": 1,
        "batch_size": 3,
    }
    yield project
    project.end()
    cluster.empty()


@pytest.fixture
def disturbed(slurm_project: Project, images: Path) -> Project:
    """A project of a test's own images, three in a batch."""
    shutil.rmtree(slurm_project.images)
    slurm_project.images.symlink_to(images)
    slurm_project.settings |= settings()
    # Jobs of any kind can run on both nodes with GPUs.
    slurm_project.settings["cluster"]["cpu_partition"] = None
    return slurm_project
