"""The versions that the environment files name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.projects import ROOT

# Cellpose 3 needs a numpy older than 2.1, which is why it has an environment of its own.
APART = {"cellpose3": {"numpy"}}


def pip_part(path: Path) -> list[str]:
    """Return the packages of the ``pip:`` part, without SegMake itself."""
    dependencies = YAML(typ="safe").load(path.read_text(encoding="utf-8"))["dependencies"]
    found = next(entry["pip"] for entry in dependencies if isinstance(entry, dict))
    # SegMake itself is in the clone.
    return [line for line in found if not line.startswith("-e")]


def pins(path: Path) -> dict[str, str]:
    """Return the packages of the ``pip:`` part, and their versions."""
    return dict(package.split("==") for package in pip_part(path) if "==" in package)


@pytest.mark.parametrize("name", ["cellpose3", "imaging", "report"])
def test_every_environment_has_the_same_versions(root, name):
    main, own = pins(root / "environment.yml"), pins(root / "workflow" / "envs" / f"{name}.yaml")
    shared = (main.keys() & own.keys()) - APART.get(name, set())
    assert shared and {package: own[package] for package in shared} == {
        package: main[package] for package in shared
    }


@pytest.mark.parametrize(
    "file",
    [ROOT / "environment.yml", *sorted((ROOT / "workflow" / "envs").glob("*.yaml"))],
    ids=lambda file: file.stem,
)
def test_all_packages_can_be_installed_together(file: Path) -> None:
    """Asks PyPI, for Python 3.11 on Linux; nothing is installed."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "-"]
    target = ["--python-version=3.11", "--python-platform=x86_64-manylinux_2_28"]
    done = subprocess.run(
        [*command, *target],
        input="\n".join(pip_part(file)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > len(pip_part(file))
