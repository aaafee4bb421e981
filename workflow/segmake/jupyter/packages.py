"""JupyterLab for an environment that has none: its packages lie beside the environment, in which nothing changes.

To add `jupyterlab` to the environment's own list would run again all scripts in it. What is beside is made for the very
versions that the environment has, and its Python looks there last.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from packaging.version import InvalidVersion, Version

from segmake.core.files import fingerprint, one_line, readable, write_atomically
from segmake.core.made_folders import made_environments, named_environments
from segmake.environments.making.conda import Failed, make_once
from segmake.environments.making.kept_environments import FOR_JUPYTER
from segmake.environments.making.uv import MADE, run
from segmake.environments.solving import clashes
from segmake.environments.solving.existing_environments import Existing, look
from segmake.messages import Problem

STARTER = Path(__file__).with_name("starter.py")

# The oldest and the first that is too new: what starts it knows these.
OLDEST, TOO_NEW = "4", "5"

# The words of uv where no versions go together.
_APART = "No solution found"


def beside(name: str, python: Path) -> Path | None:
    """Return the folder with JupyterLab beside an environment, made if need be; None if it has JupyterLab itself.

    Parameters
    ----------
    name : str
        The environment's.
    python : Path
        Its Python.

    Raises
    ------
    Problem
        ``SM-JUP-001`` if none goes together with the environment's packages, ``SM-JUP-002`` if it does not start there;
        and what `make_once` raises.
    """
    prefix = python.parents[1]
    version, there, _ = look(Existing(prefix, python, ""), name, "")
    own = there.get("jupyterlab")
    if own and Version(OLDEST) <= Version(own) < Version(TOO_NEW):
        return None
    # Beside another environment, or the same with other packages, another one.
    content = fingerprint(str(python), version, sorted(there.items()))
    place = _folder() / "own" / f"{name}{FOR_JUPYTER}-{content}"

    def work() -> None:
        shutil.rmtree(place, ignore_errors=True)
        try:
            _install(name, python, there, place)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise

    make_once(f"{name}{FOR_JUPYTER}", place, work, (place / MADE).exists)
    return place


def _folder() -> Path:
    """Return where environments are made, or else, where that is not for this user to do, a place in the experiment."""
    folder = (named_environments() or made_environments()).absolute()
    there = next(place for place in (folder, *folder.parents) if place.exists())
    return folder if os.access(there, os.W_OK) else Path(".environments").absolute()


def _install(name: str, python: Path, there: dict[str, str], place: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        limits = Path(folder, "limits.txt")
        limits.write_text("".join(f"{each}\n" for each in _pins(there)), encoding="utf-8")
        options = ["--python", str(python), "--target", str(place), "--constraint", str(limits)]
        options += ["--only-binary=:all:", "--compile-bytecode"]
        wanted = f"jupyterlab>={OLDEST},<{TOO_NEW}"
        try:
            run("pip", "install", *options, wanted, cache=place.parents[1])
        except Failed as error:
            if _APART not in str(error):
                raise
            held = sorted(clashes.named(str(error)) & set(there))
            packages = ", ".join(f"{one} {there[one]}" for one in held) or one_line(error)
            raise Problem("SM-JUP-001", name=name, packages=readable(packages)) from None
    _try(name, python, place)
    with write_atomically(place / MADE) as part:
        part.write_text("jupyterlab\n", encoding="utf-8")


def _pins(there: dict[str, str]) -> list[str]:
    """Return the packages of an environment as limits, as far as their versions are such that uv takes."""
    pins = []
    for name, version in sorted(there.items()):
        try:
            pins.append(f"{name}=={Version(version)}")
        except InvalidVersion:
            continue
    return pins


def _try(name: str, python: Path, place: Path) -> None:
    """Start it once: what is wrong is better said here than after a job has waited."""
    for module in ("jupyterlab", "ipykernel_launcher"):
        command = [str(python), "-I", str(STARTER), str(place), module, "--version"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = one_line((done.stderr.strip().splitlines() or [str(done.returncode)])[-1])
            raise Problem("SM-JUP-002", name=name, said=readable(said))
