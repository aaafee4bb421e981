"""The versions that the environment files name."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

# Cellpose 3 needs a numpy older than 2.1, which is why it has an environment of its own.
APART = {"cellpose3": {"numpy"}}


def pins(path: Path) -> dict[str, str]:
    """Return the packages of the ``pip:`` part, and their versions."""
    dependencies = YAML(typ="safe").load(path.read_text(encoding="utf-8"))["dependencies"]
    listed = next(entry["pip"] for entry in dependencies if isinstance(entry, dict))
    return dict(package.split("==") for package in listed)


@pytest.mark.parametrize("name", ["cellpose3", "imaging", "report"])
def test_every_environment_has_the_same_versions(root, name):
    main, own = pins(root / "environment.yml"), pins(root / "workflow" / "envs" / f"{name}.yaml")
    shared = (main.keys() & own.keys()) - APART.get(name, set())
    assert shared and {package: own[package] for package in shared} == {
        package: main[package] for package in shared
    }
