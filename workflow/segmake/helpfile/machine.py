"""What can be said of the computer, of the packages and of Slurm to whoever helps; no variable of the environment."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

from segmake import __version__
from segmake.core import installation

# What an administrator asks first; each answers at once, or is left alone.
_OF_SLURM = (
    ("sinfo", "--version"),
    ("sinfo", "--summarize"),
    ("scontrol", "show", "partition"),
    ("squeue", "--me"),
)
_SECONDS = 15


def versions(*folders: Path) -> str:
    """Return the versions of SegMake, of Python, of the system and of all packages, and the room on the disks.

    Parameters
    ----------
    *folders : Path
        Whose disks are meant.
    """
    clone = installation.clone()
    lines = [
        f"SegMake {__version__}, {'from a clone' if clone else 'installed as a package'}",
        f"commit {_said('git', '-C', str(clone), 'log', '-1', '--format=%H %cI')}" if clone else "",
        f"Python {sys.version}",
        f"  {sys.executable}",
        f"{platform.platform()}, {os.cpu_count()} cores",
        _system(),
        *(f"  {line}" for line in _disks(folders)),
        "",
        "Packages",
        *(f"  {package}" for package in _packages(distributions())),
    ]
    for folder in _environments():
        found = _packages(distributions(path=[str(folder)]))
        lines += ["", f"Packages of {folder}", *(f"  {package}" for package in found)]
    return "\n".join(line for line in lines if line is not None) + "\n"


def of_slurm() -> str:
    """Return what Slurm says of itself; empty where there is none."""
    if not shutil.which("sinfo"):
        return ""
    asked = (f"$ {' '.join(command)}\n{_said(*command)}\n" for command in _OF_SLURM)
    return "\n".join(asked)


def _said(*command: str) -> str:
    """Return what a command says, or why it says nothing."""
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return f"{answer.stdout}{answer.stderr}".strip()


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return ""


def _disks(folders: tuple[Path, ...]) -> Iterator[str]:
    for folder in folders:
        there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        room = shutil.disk_usage(there)
        yield f"{room.free / 1e9:.1f} of {room.total / 1e9:.1f} GB free at {there.absolute()}"


def _environments() -> list[Path]:
    """Return the folders with the packages of the environments that the set-up made."""
    return sorted(installation.environments().glob("*/lib/python*/site-packages"))


def _packages(found: Iterable[Distribution]) -> list[str]:
    return sorted({f"{each.metadata['Name']} {each.version}" for each in found}, key=str.lower)
