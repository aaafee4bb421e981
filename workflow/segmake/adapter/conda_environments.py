"""The environments that Snakemake makes with conda: whether it can, and which, one run at a time, in plain words.

Snakemake (9.27) makes them before the first job, also those that no job will use; two runs that make the same one spoil
it for each other; one that it can't remove it takes for finished; and what conda says comes in a traceback.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from packaging.version import Version
from snakemake.deployment.conda import MIN_CONDA_VER, Env, get_env_setup_done_flag_file
from snakemake.exceptions import WorkflowError

from segmake.adapter.front import typed
from segmake.adapter.own_files import is_experiment
from segmake.adapter.workflow_object import WorkflowObject
from segmake.core import installation
from segmake.core.made_folders import conda_environments, shared_environments
from segmake.environments.making.conda import PATIENCE_SECONDS, Failed, check_place, make_once
from segmake.messages import Problem, say


def take_charge(
    workflow: WorkflowObject,
    refuse: Callable[[Problem], NoReturn],
    forgive: Callable[[str, Problem], bool],
) -> bool:
    """Return whether Snakemake makes the environments of the rules, and have it do so as this module says.

    Where it is asked to and can't, those of the set-up are used, in the jobs as well.

    Parameters
    ----------
    workflow : WorkflowObject
    refuse, forgive
        As for `tend`.

    Raises
    ------
    Problem
        If there is a conda, and the folder for environments can't be used.
    """
    if not workflow.uses_conda:
        return False
    if workflow.is_main_process:
        if workflow.conda_prefix is None and (usual := usual_place(typed())):
            workflow.make_environments_in(usual)
        # An engine's takes gigabytes: where SegMake is shared, each experiment would get its own.
        too_many = installation.is_shared() and workflow.conda_prefix is None
        if too_many or not conda_is_usable():
            workflow.do_without_conda()
            return False
        check_place(workflow.conda_prefix)
    tend(refuse, forgive)
    return True


def usual_place(arguments: list[str]) -> Path | None:
    """Return where conda makes environments if the user does not say where; None for Snakemake's own place.

    Parameters
    ----------
    arguments : list of str
        What follows ``snakemake``.
    """
    own = not is_experiment(arguments) and shared_environments() is None
    return None if own else conda_environments()


def conda_is_usable() -> bool:
    """Return whether Snakemake can use the conda of this machine; one that is too old is named on the screen."""
    if not shutil.which("conda"):
        return False
    command = ["conda", "--version"]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    found = re.findall(r"\d+\.\d+\.\d+", answer.stdout)
    if len(found) != 1:
        return False
    if Version(found[0]) < Version(MIN_CONDA_VER):
        print(say("environments.old", version=found[0], needed=MIN_CONDA_VER), file=sys.stderr)
        return False
    return True


def tend(refuse: Callable[[Problem], NoReturn], forgive: Callable[[str, Problem], bool]) -> None:
    """Let Snakemake make the environments that a run needs and no others, one run at a time, in plain words.

    Parameters
    ----------
    refuse : callable
        Ends the run with a message.
    forgive : callable
        Returns whether the run can do without an environment, given its file and what is wrong.
    """
    make = Env.create

    def create(env: Any, dryrun: bool = False) -> None:
        try:
            _create(env, make, dryrun=dryrun)
        except Problem as problem:
            if not forgive(env.file.get_path_or_uri(secret_free=True), problem):
                refuse(problem)
            _let_go(env)

    Env.create = create


def _let_go(env: Any) -> None:
    """Let Snakemake start the jobs of an environment that could not be made without it."""
    dag = env.workflow.dag
    for key, other in dag.conda_envs.items():
        if other is env:
            # Snakemake goes through them at this moment: none may be taken away.
            dag.conda_envs[key] = None
    for job in dag.needrun_jobs():
        if job.conda_env is env:
            job._conda_env = None


def _create(env: Any, make: Callable[[Any], Any], *, dryrun: bool) -> None:
    place = Path(env.address)
    # Those of the config are called NAME.FINGERPRINT.yaml.
    name = Path(env.file.get_path_or_uri(secret_free=True)).name.partition(".")[0]
    if _is_made(place):
        if not os.access(python := place / "bin" / "python", os.X_OK):
            said = f"    | {python}: {os.strerror(errno.EACCES)}"
            raise Problem("SM-ENV-006", where=str(place), environment=name, said=said)
    elif not _is_needed(env):
        return
    elif dryrun:
        print(say("environments.would_be_made", name=name, path=place), file=sys.stderr)
    else:
        make_once(name, place, lambda: _make(env, make), lambda: _is_made(place))


def _make(env: Any, make: Callable[[Any], Any]) -> None:
    try:
        make(env)
    except WorkflowError as error:
        # Snakemake raises its own error while it handles that of the command, which has the output.
        raise Failed(getattr(error.__context__, "output", None) or str(error)) from error


def _is_made(place: Path) -> bool:
    return place.exists() and get_env_setup_done_flag_file(place).exists()


def _is_needed(env: Any) -> bool:
    """Return whether a job of this run will use an environment."""
    return any(job.conda_env is env for job in env.workflow.dag.needrun_jobs())
