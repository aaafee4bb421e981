"""Jobs on a real Slurm cluster, each rule in its own environment: made with the conda of tests/conda."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.projects import Project
from tests.slurm.test_faults import RESULTS, jobs
from tests.workflow.test_conda import environments, pythons


@pytest.fixture
def conda_on_cluster(slurm_project: Project, conda: Path) -> Project:
    slurm_project.conda = conda
    place = conda.parents[1] / "environnements créés"
    slurm_project.variables["SNAKEMAKE_CONDA_PREFIX"] = str(place)
    return slurm_project


def plain_results(project: Project) -> dict[str, bytes]:
    """Return the results of the same images on this computer, without conda."""
    plain = Project(project.folder, project.settings | {"results": "plain"})
    assert plain.run().returncode == 0
    return plain.contents(*RESULTS)


def test_steps_of_one_job_run_each_in_its_environment(conda_on_cluster: Project) -> None:
    conda_on_cluster.settings["segmentation"] = cellpose(conda_on_cluster)
    expected = plain_results(conda_on_cluster)
    run = conda_on_cluster.run()
    assert run.returncode == 0, run.stderr
    assert "6 images done" in run.stderr
    # Two batches, and for each a job with a GPU, and one for all that needs none.
    assert sorted(line["job"]["rule"] for line in jobs(conda_on_cluster)) == [
        *("after", "after", "segment", "segment")
    ]
    made = environments(conda_on_cluster)
    assert pythons(conda_on_cluster, "segment") == {str(made["cellpose3"])}
    assert pythons(conda_on_cluster, "measure") == {str(made["imaging"])}
    assert pythons(conda_on_cluster, "overlay") == {str(made["imaging"])}
    assert conda_on_cluster.contents(*RESULTS) == expected

    again = conda_on_cluster.run()
    assert again.returncode == 0
    assert "environment" not in again.stderr
    assert len(jobs(conda_on_cluster)) == 4


def cellpose(project: Project) -> dict[str, str | bool]:
    model = project.root / "resources" / "models" / "segmake_demo_cp3"
    if not (project.root / ".environments" / "cellpose3").exists():
        pytest.skip("the environment of Cellpose is not installed: bash scripts/setup.sh")
    # The GPUs of the test cluster are none.
    return {"engine": "cellpose3", "model": str(model), "allow_cpu": True}


# That a large batch has jobs of their own for its steps is in test_runs.
@pytest.mark.slow
@pytest.mark.long
def test_steps_with_jobs_of_their_own_use_them_too(conda_on_cluster: Project) -> None:
    # What a file says of its size counts, also of one that is cut short and fails alone.
    large = conda_on_cluster.images / "large.tif"
    tifffile.memmap(large, shape=(16000, 16000), dtype=np.uint8).flush()
    os.truncate(large, 10_000_000)
    conda_on_cluster.settings["cluster"]["batch_size"] = 10
    run = conda_on_cluster.run()
    assert run.returncode == 1
    assert "6 images done, 1 FAILED" in run.stderr
    rules = sorted(line["job"]["rule"] for line in jobs(conda_on_cluster))
    assert rules == ["masks", "measure", "overlay", "segment"]
    imaging = {str(environments(conda_on_cluster)["imaging"])}
    for step in ("segment", "masks", "measure", "overlay"):
        assert pythons(conda_on_cluster, step) == imaging
