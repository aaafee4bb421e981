"""The environments of the config, as a user meets them before anything runs."""

from __future__ import annotations

import subprocess

from segmake.environments.solving.environment_file import pins
from tests.projects import Project


def test_a_dry_run_finds_the_versions_and_writes_nothing_among_the_results(
    conda_project: Project,
) -> None:
    project = conda_project
    packages = {"growth": {"packages": ["Natsort"]}, "other": {"packages": ["tqdm"]}}
    project.settings["environments"] = packages
    project.write_config()
    before = project.tree()
    dry = project.run("-n", "--sdm", "conda")
    assert dry.returncode == 0, dry.stderr
    assert dry.stderr.count("finding versions of packages") == 2
    assert project.tree() == before and not project.results.exists()
    files = sorted((project.folder / ".snakemake/segmake/environments").glob("*.yaml"))
    assert [sorted(pins(file)) for file in files] == [["natsort"], ["tqdm"]]

    packages["other"]["packages"] = ["tqdm", "six"]
    changed = project.run("-n", "--sdm", "conda")
    assert changed.stderr.count("finding versions of packages") == 1
    assert "environment other" in changed.stderr


def test_two_runs_at_once_find_the_versions_once(conda_project: Project) -> None:
    project = conda_project
    project.settings["environments"] = {"growth": {"packages": ["Natsort"]}}
    project.write_config()
    runs = [
        subprocess.Popen(
            project.command("-n", "--sdm", "conda"),
            cwd=project.folder,
            env=project.environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [run.communicate()[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert "".join(said).count("SegMake: finding versions of packages") == 1, said
    assert "Traceback" not in "".join(said)


def test_lists_that_can_not_work_are_refused_with_their_lines(
    conda_project: Project,
) -> None:
    project = conda_project
    project.settings["environments"] = {
        "a": {"packages": ["numpy==1.26.4", "opencv==5.0.0.93"]},
        "b": {"packages": ["pandas==99"]},
    }
    script = project.folder / "step.py"
    script.write_text("print('needs nothing')\n")
    steps = [{"name": f"in_{name}", "environment": name} for name in "ab"]
    same = {"script": str(script), "run": "once"}
    project.settings["scripts"] = [each | same for each in steps]
    run = project.run("-n", "--sdm", "conda")
    assert run.returncode == 1
    assert run.stderr.count("SM-ENV-025  config/config.yaml, line") == 2
    assert "Traceback" not in run.stderr
