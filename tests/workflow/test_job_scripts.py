"""The whole command ``segmake plan --slurm`` on a computer without Slurm; tests/slurm has a cluster."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from segmake.adapter.report_place import SMALL_CELLS
from segmake.config.load import load_config
from segmake.core.journal import Journal
from segmake.plan.make import make_plan
from tests.projects import Project


@pytest.fixture
def without_slurm(tmp_path: Path) -> dict[str, str]:
    """Return the variables of a computer whose programs are few, and none of Slurm's."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("bash", "sh", "git", "env", "which"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    return {**os.environ, "PATH": str(tools)}


def test_jobs_are_shown_where_there_is_no_slurm(
    project: Project, without_slurm: dict[str, str]
) -> None:
    project.settings["cluster"] = {"cpu_partition": "cpu", "memory_gb": 3, "batch_size": 3}
    shown = plan(project, without_slurm)
    assert shown.returncode == 0, shown.stderr
    assert "There is no Slurm on this machine" in shown.stdout
    # All steps of a batch without a GPU are one job there.
    assert "#SBATCH --comment rule_batch0001_masks_measure_overlay_segment\n" in shown.stdout
    assert "# segment: 3 jobs, 3 batches, 0001-0003, 7 images." in shown.stdout
    assert "#SBATCH --mem 3072\n" in shown.stdout and "#SBATCH --cpus-per-task=" in shown.stdout
    assert not project.results.exists()
    # The same is shown for the same experiment, in whichever process.
    assert {plan(project, without_slurm).stdout for _ in range(3)} == {shown.stdout}

    # What is wrong is told as by a dry run, and nothing is shown.
    (project.images / "a").rename(project.folder / "away")
    (project.images / "b" / "empty.tif").unlink()
    refused = plan(project, without_slurm)
    assert refused.returncode == 1 and not refused.stdout
    assert refused.stderr.startswith("SM-DIR-004")


def test_a_report_on_many_cells_is_a_job(
    project: Project, without_slurm: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    project.settings["cluster"] = {"cpu_partition": "cpu"}
    assert "rule_report" not in plan(project, without_slurm).stdout
    made, _ = make_plan(load_config(Path("config/config.yaml")))
    batch = next(iter(made.batches.values()))
    task = batch.tasks["masks"][0]
    journal = Journal(made.folders.journal("masks", batch.name))
    journal.add(task.image, "done", task.key, 1, cells_kept=SMALL_CELLS + 1)
    shown = plan(project, without_slurm).stdout
    assert "#SBATCH --comment rule_report\n" in shown


def plan(project: Project, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    project.write_config()
    command = [sys.executable, "-m", "segmake", "plan", "--slurm"]
    more = {"capture_output": True, "text": True, "check": False}
    return subprocess.run(command, cwd=project.folder, env=variables, **more)
