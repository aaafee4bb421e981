"""A real Slurm cluster for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conda import conda  # noqa: F401
from tests.projects import Project, project  # noqa: F401
from tests.slurm import cluster


@pytest.fixture(scope="session")
def slurm() -> Iterator[None]:
    """The cluster, installed if need be, started for the first test and stopped after the last."""
    if reason := cluster.why_not():
        pytest.skip(reason)
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
    cluster.empty()
