"""Reads the file of an environment: what is pinned in it, and under which name the history keeps that."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError

from segmake.core.files import fingerprint
from segmake.environments.wanted import git_packages

# The history, below the results.
PLACE = Path("environments") / "history"

# So many digits of a fingerprint tell the environments of a project apart.
_SHORT = 8

_PYTHON = re.compile(r"^\s*-\s*python=(\S+)", re.MULTILINE)


def pins(file: Path) -> dict[str, str]:
    """Return the version of each package of an environment file, by its name on PyPI; none if it can't be read.

    Those that come from git repositories are not among them.
    """
    try:
        listed = YAML(typ="safe").load(file.read_text(encoding="utf-8"))["dependencies"][-1]["pip"]
        return dict(str(pin).split("==") for pin in listed if not git_packages.read_line(str(pin)))
    except (OSError, UnicodeDecodeError, YAMLError, LookupError, TypeError, ValueError):
        return {}


def contents(file: Path) -> list[Any]:
    """Return what tells the packages of an environment file from those of another one."""
    sources = sorted(one.line for one in git_packages.read_file(file))
    return [sorted(pins(file).items()), *([sources] if sources else [])]


def python_of(file: Path) -> str:
    """Return the version of Python that an environment's file asks for, or nothing."""
    found = _PYTHON.search(file.read_text(encoding="utf-8"))
    return found[1] if found else ""


def short(file: Path) -> str:
    """Return what tells an environment from others: of the versions in its file, and of its Python."""
    return fingerprint(python_of(file), *contents(file))[:_SHORT]


def kept_as(name: str, file: Path, results: Path) -> Path | None:
    """Return the file in the history that has what is in an environment; None if it was not kept.

    Parameters
    ----------
    name : str
        The environment's.
    file : Path
        Its file for conda.
    results : Path
    """
    try:
        found = sorted((results / PLACE).glob(f"{name}.*.{short(file)}.txt"))
    except OSError:
        return None
    return found[0] if found else None


def noted(name: str | None, files: Mapping[str, str], results: Path) -> dict[str, str]:
    """Return what a run of a script notes of its environment: the name of the file in the history.

    Parameters
    ----------
    name : str or None
        The environment's; None for SegMake's own.
    files : mapping
        The file of each environment of the config.
    results : Path
    """
    kept = kept_as(name, Path(files[name]), results) if name and name in files else None
    return {"environment": kept.stem} if kept else {}
