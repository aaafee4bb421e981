"""What Snakemake's rules for the users' scripts are made of."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from segmake.cluster.checks import Cluster, section_of_script
from segmake.core import installation
from segmake.environments.making.own_environments import OwnEnvironments
from segmake.plan.plan import Plan
from segmake.scripts.definition.script import ROUNDS, Script
from segmake.slurm.commands import SCRIPT, SlurmError
from segmake.slurm.jobs import Jobs
from segmake.slurm.requests import executor_resources, first_request

OWN_ENVIRONMENT = installation.environment_file("imaging")


@dataclass(frozen=True)
class ScriptRule:
    """What the rule of a user's script is made of.

    Attributes
    ----------
    name : str
    before : callable
        From wildcards to the files that have to be there before.
    environment : str or None
        The environment's file for conda; None for one that is there and used as it is.
    environment_record : list of Path
        The file that says that the environment can be used; empty for SegMake's own.
    python : str
        The environment's Python, as a shell takes it.
    cpus : int
    resources : dict
    batches : str
        A regular expression for the batches that are to be done.
    retries : int
        How often a job may be sent again. Within a job nothing is tried again: another one has more memory, and time.
    """

    name: str
    before: Callable[[Any], list[Path]]
    environment: str | None
    environment_record: list[Path]
    python: str
    cpus: int
    resources: dict[str, Any]
    batches: str
    retries: int

    @property
    def rule(self) -> str:
        """The name of the rule."""
        return f"{SCRIPT}{self.name}"


def script_rules(
    plan: Plan,
    *,
    cluster: Cluster | None,
    jobs: Jobs,
    records: dict[str, Path],
    conda: bool,
    in_job: bool,
) -> list[ScriptRule]:
    """Return the rules of the scripts that have something to do.

    Parameters
    ----------
    plan : Plan
    cluster : Cluster or None
        The cluster that jobs are sent to, if any.
    jobs : Jobs
        The record of its jobs.
    records : dict
        For each environment of the config, the file that says that it can be used.
    conda : bool
        Whether Snakemake makes the environments.
    in_job : bool
        Whether this is a job, and not the process that sends them.
    """
    rules = []
    for name, script in plan.definitions.items():
        if batches := plan.scripts[name].batches:
            own = script.environment or ""
            rules.append(
                ScriptRule(
                    name=name,
                    before=partial(_before, plan, name),
                    environment=_file_for_conda(plan, own),
                    environment_record=[records[own]] if own in records else [],
                    python=python_words(plan, own, conda=conda),
                    cpus=script.resources.cpus,
                    resources=_resources(plan, script, cluster, jobs),
                    batches="|".join(batches),
                    retries=0 if in_job else ROUNDS,
                )
            )
    return rules


def python_words(plan: Plan, environment: str, *, conda: bool) -> str:
    """Return the Python of an environment of the config, or of SegMake's own, as a shell takes it.

    Parameters
    ----------
    plan : Plan
    environment : str
        Empty: SegMake's own.
    conda : bool
        Whether Snakemake makes the environments: that of a rule is active then.
    """
    if conda and environment not in plan.pythons:
        return '"$CONDA_PREFIX/bin/python"'
    return shlex.quote(plan.pythons.get(environment, sys.executable))


def _file_for_conda(plan: Plan, environment: str) -> str | None:
    if environment in plan.environments:
        return OwnEnvironments(plan).conda_file(environment)
    return str(OWN_ENVIRONMENT)


def _before(plan: Plan, name: str, wildcards: Any) -> list[Path]:
    return plan.before_script(name, wildcards.batch)


def _resources(plan: Plan, script: Script, cluster: Cluster | None, jobs: Jobs) -> dict[str, Any]:
    """Return what a script's jobs ask of Slurm: memory grows when a job of the batch had too little of it."""
    section, gpus = section_of_script(plan.typed.cluster, script), script.resources.gpu
    gpu = bool(gpus)
    memory, minutes, _ = first_request(section, segment=True)

    def memory_mb(wildcards: Any, attempt: int) -> int:
        if cluster is None:
            return memory
        if attempt > 1:
            with suppress(SlurmError, OSError):
                jobs.refresh(older_than=1.0)
        too_little = jobs.too_little(f"{SCRIPT}{script.name}", wildcards.batch)["memory"]
        return cluster.of_script(script).memory_mb(memory, too_little, gpu=gpu)

    accounts = cluster is not None and cluster.keeps_accounts
    asked = executor_resources(section, gpu=gpu, accounts=accounts, gpus=gpus)
    return {**asked, "mem_mb": memory_mb, "runtime": minutes}
