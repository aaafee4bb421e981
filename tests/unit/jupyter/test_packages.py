"""JupyterLab beside an environment: versions that go with it, or a message that says why there are none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from segmake.jupyter.packages import beside
from segmake.messages import Problem


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """Make an environment that has some packages, as far as their lists say."""
    monkeypatch.setenv("SNAKEMAKE_CONDA_PREFIX", str(tmp_path / "made"))

    def make(**versions: str) -> Path:
        prefix = tmp_path / "lab"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(prefix)], check=True)
        (site,) = prefix.glob("lib/python*/site-packages")
        for name, version in versions.items():
            (info := site / f"{name}-{version}.dist-info").mkdir()
            text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            (info / "METADATA").write_text(text)
        return prefix / "bin" / "python"

    return make


def test_an_environment_with_a_jupyterlab_uses_its_own(environment, tmp_path):
    assert beside("lab", environment(jupyterlab="4.2.0")) is None
    assert not (tmp_path / "made").exists()


def test_versions_that_do_not_go_together_are_named(environment, tmp_path):
    python = environment(jsonschema="3.2.0")
    with pytest.raises(Problem) as told:
        beside("lab", python)
    assert told.value.code == "SM-JUP-001" and "jsonschema 3.2.0" in told.value.what
    assert not list((tmp_path / "made" / "own").glob("lab-*"))
