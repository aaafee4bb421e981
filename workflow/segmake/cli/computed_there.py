"""What can't be done here, of an experiment that is computed on another computer: who types it means that one."""

from __future__ import annotations

import argparse
import os
from contextlib import suppress
from pathlib import Path

from segmake.cli import of_users
from segmake.core.installation import can_run
from segmake.messages import Problem, Problems
from segmake.remote.remembered import read_place

# `segmake remote` has these as well.
_OF_BOTH = (of_users.show_status, of_users.show_runs, of_users.show_plan, of_users.send)

# Nothing was ever run here, there is no Slurm, and a package of the workflow is missing.
_NOT_HERE = ("SM-RUN-013", "SM-RUN-011", "SM-RUN-065", "SM-PAG-060")


def instead(problem: Problem | Problems, options: argparse.Namespace) -> Problem | None:
    """Return what to say in place of a problem, if it is that the experiment is computed elsewhere; else None."""
    if not isinstance(problem, Problem) or problem.code not in _NOT_HERE:
        return None
    # Who names a folder of results means that one.
    if options.run not in _OF_BOTH or getattr(options, "results", None):
        return None
    return _elsewhere(options)


def refuse_guess(options: argparse.Namespace) -> None:
    """Raise that a plan can't be made here, where a laptop would judge scripts and engines by what it has itself.

    Raises
    ------
    Problem
        ``SM-REM-063``
    """
    if options.run is of_users.show_plan and not can_run() and (there := _elsewhere(options)):
        raise there


def _elsewhere(options: argparse.Namespace) -> Problem | None:
    """Return where the experiment is computed, if that is another computer; else None."""
    experiment = options.configfile.absolute().parent.parent
    try:
        place = read_place(experiment)
    except Problem:
        return None
    if _is_it(experiment, place.folder):
        return None
    return Problem("SM-REM-063", where=str(experiment), host=place.host)


def _is_it(experiment: Path, folder: str) -> bool:
    """Return whether an experiment's folder is the one that it is computed in: both computers may see it."""
    with suppress(OSError):
        return os.path.samefile(experiment, folder)
    return False
