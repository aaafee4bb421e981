"""Removes what SegMake put on this computer outside of experiments, and says how its own folder goes."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from segmake.core import installation
from segmake.core.caches import own_cache_folder
from segmake.core.config import DEFAULT_CONFIG
from segmake.core.made_folders import state_folder
from segmake.messages import Problem, say
from segmake.updates.at_work import run_in, run_with
from segmake.updates.clone import owner_of
from segmake.updates.kinds import main_environment, of_home
from segmake.updates.sizes import size_of
from segmake.updates.space import remove, shown_bytes
from segmake.updates.update import confirmed

# What Snakemake calls SegMake's profiles.
_PROFILES = ("local", "slurm")


def uninstall(*, yes: bool, models: bool) -> int:
    """Say what would go, ask, and remove it; return the exit code.

    Parameters
    ----------
    yes : bool
        Whether not to ask.
    models : bool
        Whether the engines' models go, too.

    Raises
    ------
    Problem
        ``SM-SPC-004`` while a run is at work, ``SM-SPC-006`` for what can't be deleted, ``SM-SPC-007`` if SegMake is
        somebody else's and nothing here is the user's own.
    """
    home = installation.home()
    going = [*links(), *(() if installation.is_shared() else folders())]
    going += [path for path in [state_folder()] if path.is_dir()]
    going += [own_cache_folder()] if own_cache_folder().is_dir() else []
    if models:
        going += [path for path in of_home()[0].paths if path.is_dir()]
    if not going:
        if installation.is_shared():
            raise Problem("SM-SPC-007", where=str(home), owner=owner_of(home))
        print(say("uninstall.nothing"))
    elif not _go(going, yes=yes):
        print(say("uninstall.kept"))
        return 1
    if not installation.is_shared():
        print("\n".join(_left(home)))
    return 0


def _go(going: list[Path], *, yes: bool) -> bool:
    """Say what goes, ask, and remove it; return whether it is gone."""
    if who := run_in(installation.home()) or run_with(_prefixes()) or _open_jupyter():
        raise Problem("SM-SPC-004", who=who)
    print(say("uninstall.goes"))
    for path in going:
        size = shown_bytes(size_of([path]).bytes)
        to = f" -> {path.readlink()}" if path.is_symlink() else f"  ({size})"
        print(f"  {path}{to}")
    print(say("uninstall.stays"), flush=True)
    if not yes and not confirmed("uninstall.ask"):
        return False
    # The one that runs this comes last: what is imported by then is all that is needed.
    for path in sorted(going, key=lambda path: path == main_environment()):
        _remove(path)
    return True


def _open_jupyter() -> str | None:
    """Return what tells of a JupyterLab that may be open; its job may run on another machine."""
    there = next(state_folder().glob("jupyter/*/session.json"), None)
    return f"segmake jupyter ({there.parent.name})" if there else None


def _prefixes() -> list[Path]:
    return [path for path in folders() if path.is_dir()]


def links() -> Iterator[Path]:
    """Yield the links to the profiles of this installation, among the user's profiles of Snakemake."""
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    for name in _PROFILES:
        link = config / "snakemake" / name
        with suppress(OSError):
            if link.is_symlink() and link.samefile(installation.home() / "profiles" / name):
                yield link


def folders() -> Iterator[Path]:
    """Yield the environments of this installation, and what was kept to make them."""
    home = installation.home()
    main = main_environment()
    # A wheel's environment is the user's own: pip knows what is in it.
    if installation.clone() and main.is_dir() and main != installation.environments() / "main":
        yield main
    for path in (installation.environments(), home / ".snakemake" / "conda"):
        if path.is_dir() and not path.is_symlink():
            yield path


def _remove(path: Path) -> None:
    """Remove a folder; an environment of conda's by conda, which has it in its list."""
    if (path / "conda-meta").is_dir():
        tool = shutil.which("conda") or shutil.which("mamba") or shutil.which("micromamba")
        if tool:
            words = [tool, "env", "remove", "-y", "-p", str(path)]
            subprocess.run(words, check=False, stdout=sys.stderr)
    remove(path)


def _left(home: Path) -> Iterator[str]:
    """Yield lines on SegMake's own folder: what of the user's lies in it, and how it goes."""
    if installation.clone() is None:
        yield say("uninstall.pip")
        return
    if here := [
        each for each in ("results", "images", str(DEFAULT_CONFIG)) if (home / each).exists()
    ]:
        yield say("uninstall.look", names=", ".join(here), folder=home)
    yield say("uninstall.last", folder=shlex.quote(str(home)))
