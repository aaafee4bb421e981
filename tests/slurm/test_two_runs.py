"""Two runs at once from one folder, for two experiments."""

from __future__ import annotations

import subprocess

import yaml

from tests.projects import Project, wait_until
from tests.slurm.disturbed import ended, queued
from tests.slurm.test_lost_runs import drain, resume


def start(project: Project, name: str, partition: str) -> subprocess.Popen:
    """Start the run of a config of its own, as config/README.md says for several experiments."""
    settings = project.settings | {"results": f"results_{name}"}
    settings["cluster"] = settings["cluster"] | {"partition": partition, "cpu_partition": None}
    config = project.folder / f"{name}.yaml"
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return project.start("--configfile", str(config), said=project.folder / f"{name}.txt")


def test_the_end_of_one_does_not_harm_the_waiting_jobs_of_the_other(
    slurm_project: Project,
) -> None:
    slurm_project.write_config()
    # The nodes of the second one are away until the first has ended.
    drain("NodeName=cpu1")
    try:
        second = start(slurm_project, "second", "cpu")
        wait_until(lambda: len(queued(slurm_project)) == 2, second)
        first = start(slurm_project, "first", "gpu")
        assert first.wait() == 0, (slurm_project.folder / "first.txt").read_text()
        waiting = queued(slurm_project)
        assert list(waiting.values()) == ["PENDING"] * 2
    finally:
        resume("NodeName=cpu1")
    assert second.wait() == 0, (slurm_project.folder / "second.txt").read_text()
    assert list(ended(slurm_project).values()) == ["COMPLETED"] * 4
    assert contents(slurm_project, "first") == contents(slurm_project, "second")


def contents(project: Project, name: str) -> dict[str, bytes]:
    folder = project.folder / f"results_{name}"
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.name.endswith(("_masks.ome.tif", "_cells.csv"))
    }
