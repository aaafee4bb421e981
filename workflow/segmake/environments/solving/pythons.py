"""Finds the Pythons of this machine from which environments can be made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

# A module's Python on a slow file system takes its time to start.
PATIENCE_SECONDS = 30

# The Python itself, where this one is that of a virtual environment, or a command that leads to another.
_ASK = (
    "import json, sys, encodings, ctypes;"
    "print(json.dumps(['%d.%d' % sys.version_info[:2], getattr(sys, '_base_executable', '') or sys.executable]))"
)


def find_python(version: str, pythons: Path) -> Path | None:
    """Return a Python of a version such as ``"3.12"``, or None if there is none on this machine.

    Parameters
    ----------
    version : str
    pythons : Path
        The folder of those that were downloaded for SegMake.
    """
    for candidate in _candidates(version, pythons):
        if (found := _ask(str(candidate))) and found[0] == version:
            return Path(found[1])
    return None


def versions_here(pythons: Path, known: tuple[str, ...]) -> list[str]:
    """Return those of the known versions that are on this machine."""
    return [version for version in known if find_python(version, pythons)]


def _candidates(version: str, pythons: Path) -> Iterator[Path]:
    """Yield what may be a Python of a version: that which runs SegMake, those on the PATH, pyenv's, uv's."""
    if version == ".".join(map(str, sys.version_info[:2])):
        yield Path(sys.executable)
    folders = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    for name in (f"python{version}", "python3", "python"):
        yield from (path for folder in folders if (path := Path(folder, name)).exists())
    home = Path(os.environ.get("HOME", "/"))
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    of_uv = os.environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python"
    pyenv = os.environ.get("PYENV_ROOT") or home / ".pyenv"
    patterns = [(Path(pyenv, "versions"), version), (Path(of_uv), f"cpython-{version}")]
    for folder, start in [(pythons, f"cpython-{version}"), *patterns]:
        yield from sorted(folder.glob(f"{start}[.-]*/bin/python{version}"), reverse=True)


@cache
def _ask(python: str) -> tuple[str, str] | None:
    """Return version and place of a Python; None if it does not run, as commands of version managers may not."""
    # What modules set for other Pythons must not keep this one from starting.
    variables = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    try:
        answer = subprocess.run(
            [python, "-I", "-c", _ASK],
            env=variables,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        version, place = json.loads(answer.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None
    return version, place
