"""The examples of config/examples, each run once in a test session, whichever of its processes needs it first."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from segmake.experiment.examples import EXAMPLES
from tests.projects import ROOT

# Where the processes of a session keep them.
KEPT = "SEGMAKE_TEST_EXAMPLES"

_CELLPOSE3 = ROOT / ".environments" / "cellpose3" / "bin" / "python"
_BIN = Path(sys.prefix) / "bin"

__all__ = ["EXAMPLES", "KEPT", "finished_example", "why_not"]


def why_not(name: str) -> str:
    """Return why an example can't be run here as it is meant; nothing if it can."""
    if name == "phase" and not _CELLPOSE3.exists():
        return "the engine's environment is missing: bash scripts/setup.sh"
    return ""


def finished_example(name: str, folder: Path, french: bool = False) -> Path | None:
    """Make an example with its results in a folder that is not there yet, and return it; None if it can't be run here.

    It is run once in a session, and then copied; its config names no other folder but SegMake's own.
    """
    if why_not(name):
        return None
    kept = _kept()
    made = kept / f"{name}.{'fr' if french else 'en'}" / name
    with (kept / f"{made.parent.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (made / "results" / "report.html").exists():
            _make(name, made, "fr" if french else "en")
    # A copy is as old as what it is of: else its images would be new ones.
    shutil.copytree(made, folder, symlinks=True)
    return folder


def _kept() -> Path:
    if KEPT not in os.environ:
        # Outside of a test session.
        os.environ[KEPT] = tempfile.mkdtemp(prefix="segmake-examples-")
        atexit.register(shutil.rmtree, os.environ[KEPT], ignore_errors=True)
    kept = Path(os.environ[KEPT])
    kept.mkdir(parents=True, exist_ok=True)
    return kept


def _make(name: str, folder: Path, language: str) -> None:
    """Make and run an example as a user does."""
    shutil.rmtree(folder.parent, ignore_errors=True)
    home = folder.parent / "home"
    home.mkdir(parents=True)
    # Whether there is a conda is for the test to say, and not for the machine.
    path = [str(_BIN), *os.environ["PATH"].split(os.pathsep)]
    path = [each for each in path if not Path(each, "conda").exists()]
    variables = {**os.environ, "HOME": str(home), "PATH": os.pathsep.join(path)}
    variables |= {"SEGMAKE_LANG": language, "XDG_CONFIG_HOME": ""}
    for words, place in (
        (["segmake", "new", name, "--example", name], folder.parent),
        (["snakemake", "--profile", "local", "--cores", "2"], folder),
    ):
        command = [str(_BIN / words[0]), *words[1:]]
        done = subprocess.run(
            command, cwd=place, env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
