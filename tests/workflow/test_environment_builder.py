"""The environments of the config, as a user meets them before anything runs."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from segmake.builder import pins
from tests.projects import Project

# What Snakemake asks of conda in a dry run. A conda that makes environments can't be had here.
STAND_IN = """#!/bin/sh
case "$1" in
    --version) echo "conda 25.11.0" ;;
    info) echo '{}' ;;
    config) echo '{"get": {"channel_priority": "strict"}}' ;;
    *) exit 1 ;;
esac
"""


@pytest.fixture
def conda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Give Snakemake a PATH without conda, and a way to put a stand-in there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def put() -> None:
        info = {"conda_prefix": str(folder), "root_prefix": str(folder), "platform": "linux-64"}
        command = folder / "conda"
        command.write_text(STAND_IN.replace("{}", json.dumps(info), 1), encoding="utf-8")
        command.chmod(command.stat().st_mode | stat.S_IXUSR)

    return put


def test_a_dry_run_finds_the_versions_and_writes_nothing_among_the_results(
    project: Project, conda: Callable[[], None]
) -> None:
    conda()
    packages = {"growth": {"packages": ["Natsort"]}, "other": {"packages": ["tqdm"]}}
    project.settings["environments"] = packages
    project.write_config()
    before = project.tree()
    dry = project.run("-n", "--sdm", "conda")
    assert dry.returncode == 0, dry.stderr
    assert dry.stderr.count("finding versions of packages") == 2
    assert project.tree() == before and not project.results.exists()
    files = sorted((project.folder / ".snakemake/segmake/environments").iterdir())
    assert [sorted(pins(file)) for file in files] == [["natsort"], ["tqdm"]]

    packages["other"]["packages"] = ["tqdm", "six"]
    changed = project.run("-n", "--sdm", "conda")
    assert changed.stderr.count("finding versions of packages") == 1
    assert "environment other" in changed.stderr


def test_without_conda_nothing_runs(project: Project, conda: Callable[[], None]) -> None:
    project.settings["environments"] = {"growth": {"packages": ["natsort"]}}
    for options, code in ((), "SM-ENV-010"), (("--sdm", "conda"), "SM-ENV-011"):
        run = project.run(*options)
        assert run.returncode == 1
        assert code in run.stderr and "Miniforge" in run.stderr
        assert "Traceback" not in run.stderr
        assert not project.results.exists()


def test_lists_that_can_not_work_are_refused_with_their_lines(
    project: Project, conda: Callable[[], None]
) -> None:
    conda()
    project.settings["environments"] = {
        "a": {"packages": ["numpy==1.26.4", "opencv==5.0.0.93"]},
        "b": {"packages": ["pandas==99"]},
    }
    run = project.run("-n", "--sdm", "conda")
    assert run.returncode == 1
    assert run.stderr.count("SM-ENV-025  config/config.yaml, line") == 2
    assert "Traceback" not in run.stderr
