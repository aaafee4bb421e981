"""The fixtures of these tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from segmake.adapter.installed import install
from tests.conda import conda, conda_project
from tests.projects import ROOT, project
from tests.workflow.updates import installed, published

__all__ = ["conda", "conda_project", "installed", "project", "published"]


@pytest.fixture
def command(tmp_path: Path) -> Path:
    """The command snakemake as the set-up makes it, in an environment with the packages of the one that tests run in."""
    prefix = tmp_path / "mon environnement"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", prefix], check=True)
    version = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    packages = prefix / version
    for path in (Path(sys.prefix) / version).iterdir():
        if path.name != "segmake_start.pth":
            (packages / path.name).symlink_to(path)
    install(ROOT / "workflow", prefix)
    return prefix / "bin" / "snakemake"
