"""Where the pages of the docs are walked: a home with a clone, or with an experiment that is finished."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from urllib.parse import unquote

from tests.projects import ROOT

# The folder in which the processes of a test session share what takes long to make.
KEPT = "SEGMAKE_TEST_PLACES"
EXAMPLES = ("phase", "two-channels", "movie", "stack", "several-files", "script", "sweep")
NAMES = ("clone", "home", "demo", *EXAMPLES)
# Without the reader's own settings.
_PASSED = ("LANG", "LC_ALL", "TMPDIR", "SEGMAKE_TEST_CONDA")


class NotHere(Exception):
    """A place that this machine can't make, such as one whose network is not installed."""


def make(name: str, home: Path, *, french: bool = False) -> Path:
    """Make a place in an empty home, and return the folder in which the page begins.

    Parameters
    ----------
    name : str
        ``clone``: SegMake as it is downloaded, in `segmake` in the home; nothing is set up, the page begins in the home.
        ``home``: SegMake is set up and activated, the home is empty.
        ``demo`` or the name of an example: so too, and a finished experiment of that name is there.
    home : Path
    french : bool

    Raises
    ------
    NotHere
    """
    if name == "clone":
        _copy_clone(home / "segmake")
        return home
    finished = kept(
        f"{name}.fr" if french else name, lambda folder: _finish(name, folder, french=french)
    )
    shutil.copytree(finished, home, symlinks=True, dirs_exist_ok=True)
    return home if name == "home" else home / name


def environment(home: Path, *, french: bool, active: bool = True) -> dict[str, str]:
    """Return the variables of the shell in which a page is walked.

    Parameters
    ----------
    home : Path
    french : bool
    active : bool
        Whether the environment of SegMake is activated.
    """
    own = [Path(sys.executable).parent] if active else []
    system = [
        folder
        for folder in map(Path, os.environ["PATH"].split(os.pathsep))
        if not _has_segmake(folder)
    ]
    path = [*own, *system, Path(sys.base_prefix) / "bin"]
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    if active and not _is_installed():
        passed["PYTHONPATH"] = str(ROOT / "workflow")
    return passed | {
        "HOME": str(home),
        "USER": "jane",
        "LOGNAME": "jane",
        "SHELL": "/bin/bash",
        "COLUMNS": "100",
        "TERM": "dumb",
        "PATH": os.pathsep.join(map(str, path)),
        "SEGMAKE_LANG": "fr" if french else "en",
    }


def _has_segmake(folder: Path) -> bool:
    return (folder / "segmake").exists() or (folder / "conda").exists()


@cache
def _is_installed() -> bool:
    """Return whether the SegMake of this Python is that of this clone, and not of another worktree."""
    where = json.loads(distribution("segmake").read_text("direct_url.json") or "{}")
    return unquote(where.get("url", "")) == ROOT.as_uri()


def _copy_clone(folder: Path) -> None:
    """Copy the files of the clone as they are now."""
    names = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, names.split("\0")):
        file = ROOT / name
        if file.is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, folder / name, follow_symlinks=False)
    for program in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "SegMake"]):
        who = ["-c", "user.name=Jane", "-c", "user.email=jane@example.org"]
        subprocess.run(["git", "-C", str(folder), *who, *program], check=True, capture_output=True)


def _finish(name: str, home: Path, *, french: bool) -> None:
    """Make an experiment in a home, and run it."""
    _run(["bash", str(ROOT / "scripts" / "setup.sh"), "--profiles-only"], home, home, french)
    if name == "home":
        return
    if name == "demo":
        _finish_demo(home, french=french)
    elif name in EXAMPLES:
        _finish_example(name, home, french=french)
    else:
        raise ValueError(f"{name}: no such place; there are {', '.join(NAMES)}")


def _finish_demo(home: Path, *, french: bool) -> None:
    # The broken image of the demo has a page of its own to be told in: these are those that are well.
    _run(["segmake", "demo-data", "images"], home, home, french)
    (home / "images" / "fluorescence" / "broken_copy.tif").unlink()
    _run(["segmake", "new", "demo", "--images", "images/fluorescence"], home, home, french)
    # As the folder is copied to where a page is walked.
    _run(["segmake", "set", "images.folder", "../images/fluorescence"], home / "demo", home, french)
    defaults = [
        "segmentation.model",
        "segmentation.flow_threshold",
        "segmentation.cellprob_threshold",
    ]
    _run(
        ["segmake", "set", "segmentation.engine", "threshold", "--default", *defaults],
        home / "demo",
        home,
        french,
    )
    _run(["snakemake", "--profile", "local", "--cores", "2"], home / "demo", home, french)


def _finish_example(name: str, home: Path, *, french: bool) -> None:
    from tests.examples import finished_example

    made = finished_example(name, home / name, french=french)
    if made is None:
        raise NotHere(f"the example {name} can't be run on this machine")


def _run(command: list[str], folder: Path, home: Path, french: bool) -> None:
    variables = environment(home, french=french)
    ended = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)
    if ended.returncode:
        raise RuntimeError(
            f"{' '.join(command)}: {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
        )


def kept(name: str, make_it: Callable[[Path], None]) -> Path:
    """Return a folder that is made once, by whichever process comes first."""
    shared = Path(os.environ[KEPT])
    with _alone(shared / f"{name}.lock"):
        folder = shared / name
        if not folder.exists():
            part = shared / f"{name}.part"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            make_it(part)
            part.rename(folder)
    return folder


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        flock(file, LOCK_EX)
        yield
