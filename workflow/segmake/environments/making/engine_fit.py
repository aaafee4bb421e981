"""Fits the PyTorch of an engine to the nodes' GPUs and their driver: when its environment is made, and before a run.

The set-up runs ``python -m segmake.environments.making.engine_fit ENGINE``, which says on its last line from which
file to make it.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from segmake.config.load import load_config
from segmake.core import installation
from segmake.core.files import write_atomically
from segmake.core.settings import Settings
from segmake.environments.solving import cuda
from segmake.environments.solving.environment_files import KEPT
from segmake.environments.wanted import catalogue, compatibility
from segmake.messages import Problem, Problems, say
from segmake.slurm import commands as slurm

HOME = installation.home()


def installed(prefix: Path) -> dict[str, str]:
    """Return the version of each package in an environment, by its name on PyPI."""
    names = [path.stem for path in prefix.glob("lib/python*/site-packages/*.dist-info")]
    pairs = (name.rsplit("-", 1) for name in names if "-" in name)
    return {str(canonicalize_name(name)): version for name, version in pairs}


def check(
    engine: str, prefix: Path, driver: str | None, capability: str | None = None, *, refuse: bool
) -> None:
    """Tell that an engine's environment has a CUDA which the nodes' driver does not run, or no code for their GPUs.

    Parameters
    ----------
    engine : str
    prefix : Path
        Its environment.
    driver : str or None
        The newest CUDA that the driver supports; None: not known.
    capability : str or None
        The compute capability of the GPUs; None: not known.
    refuse : bool
        Whether every job would fail.

    Raises
    ------
    Problem
        ``SM-ENV-043`` or ``SM-ENV-029``, if `refuse`.
    """
    there = installed(prefix)
    brought = cuda.cuda_of(there)
    torch = f"torch {there['torch']}" if "torch" in there else f"CUDA {brought}"
    if not cuda.runs(brought, driver):
        problem = Problem("SM-ENV-043", engine=engine, cuda=brought, driver=driver)
    elif not _has_code(there, capability):
        remedy = say("engine.another", engine=engine)
        problem = Problem("SM-ENV-029", package=torch, capability=capability, remedy=remedy)
    else:
        return
    if refuse:
        raise problem
    print(f"\n{problem}", file=sys.stderr)


def _has_code(there: dict[str, str], capability: str | None) -> bool:
    newest = compatibility.driver_for(capability)
    return compatibility.has_code(there, capability) and cuda.runs(cuda.cuda_of(there), newest)


def was_made(file: Path, place: Path) -> bool:
    """Return whether Snakemake has made an environment of a file in a folder, or begun to."""
    content = file.read_bytes()
    return any(copy.read_bytes() == content for copy in place.glob("*.yaml"))


def fitting_text(
    file: Path,
    prefix: Path,
    known: str | None,
    ask: Callable[[], str | None],
    capability: Callable[[], str | None] = lambda: None,
) -> str:
    """Return the environment file from which an engine is to be made, or that it was made from if that fits.

    Parameters
    ----------
    file : Path
        The engine's file in ``workflow/envs``.
    prefix : Path
        Its environment, which may not be there.
    known : str or None
        The newest CUDA that the driver supports, as far as it is known without asking.
    ask : callable
        Asks a node for it.
    capability : callable
        Returns the compute capability of the GPUs, as far as it is known by then: a node that is asked says it, too.

    Raises
    ------
    Problem
        ``SM-ENV-024`` if there is no PyTorch for this driver, ``SM-ENV-029`` if there is none for these GPUs.
    """
    made_from, there = _made_from(file, prefix), installed(prefix)
    if made_from and cuda.runs(cuda.cuda_of(there), known) and _has_code(there, capability()):
        return made_from
    driver = known or ask()
    return cuda.fitted(file, driver, capability())


def _made_from(file: Path, prefix: Path) -> str | None:
    """Return which of its files, each for another driver, an engine's environment was made from."""
    try:
        stamp = (prefix / f".segmake-{file.name}").read_text(encoding="utf-8").split(" ")[0]
    except OSError:
        return None
    texts = [cuda.fitted(file, str(major)) for major in catalogue.contents()["torch"]]
    return next(
        (text for text in texts if hashlib.sha256(text.encode()).hexdigest() == stamp), None
    )


def _settings() -> dict[str, Any] | None:
    """Return the settings of the clone's config; None if something is wrong with it, which a run will tell."""
    try:
        return load_config(HOME / "config" / "config.yaml").settings
    except (Problems, OSError):
        return None


def _driver(settings: dict[str, Any] | None, *, ask: bool) -> str | None:
    """Return the newest CUDA that the driver supports, by the config, a node, or this computer; None: not known."""
    if settings and (known := Settings.of(settings).cluster.cuda_driver):
        return known
    if not slurm.is_here():
        return cuda.driver_here()
    if settings:
        return cuda.driver_of_nodes(settings, HOME / KEPT, ask=ask)
    if ask:
        print(say("builder.unanswered"), file=sys.stderr)
    return None


def _capability(settings: dict[str, Any] | None) -> str | None:
    """Return the compute capability of the GPUs, by the config, a node that was asked, or this computer."""
    if settings and (known := cuda.capability_of_nodes(settings, HOME / KEPT)):
        return known
    return None if slurm.is_here() else cuda.capability_here()


def main(engine: str) -> int:
    """Print the path of the file from which an engine's environment is to be made, and return the exit code."""
    file = installation.environment_file(engine)
    environments = installation.environments()
    settings = _settings()
    if settings and settings["segmentation"].get("gpu") is False:
        print(file)
        return 0
    try:
        known = _driver(settings, ask=False)
        text = fitting_text(
            file,
            environments / engine,
            known,
            lambda: _driver(settings, ask=True),
            lambda: _capability(settings),
        )
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1
    if text != file.read_text(encoding="utf-8"):
        file = environments / "fitted" / file.name
        with write_atomically(file) as part:
            part.write_text(text, encoding="utf-8")
    print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
