"""The environments of the config, when the Snakefile is read: their files, their Pythons, what scripts import there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from segmake.core.config import Config
from segmake.environments.making.own_environments import (
    OwnEnvironments,
    find_files,
    forget_failed,
    pythons_of,
)
from segmake.messages import Problem, Problems
from segmake.outcome.status import who_runs
from segmake.plan.plan import Plan

# Whoever only looks needs no Snakemake.
if TYPE_CHECKING:
    from segmake.adapter.nodes_driver import NodesDriver
    from segmake.adapter.workflow_object import WorkflowObject


def with_environments(
    plan: Plan, config: Config, workflow: WorkflowObject, driver: NodesDriver, *, conda: bool
) -> Plan:
    """Return the plan with the file of each environment of the config; only what is new or has changed takes time.

    Parameters
    ----------
    plan : Plan
    config : Config
    workflow : WorkflowObject
    driver : NodesDriver
    conda : bool
        Whether Snakemake makes the environments.
    """
    tell = workflow.is_main_process
    files = find_files(config, plan, conda=conda, ask_driver=driver.newest_cuda, tell=tell)
    plan = replace(
        plan,
        environments={name: str(file) for name, file in files.items()},
        imports={name: imports_of_scripts(plan, name) for name in files},
        pythons=pythons_of(files, config.settings, workflow.conda_prefix, conda=conda),
    )
    if workflow.is_dry_run:
        OwnEnvironments(plan).say_what_would_be_made()
    elif not who_runs(plan.folders.lock):
        try_failed_again(plan, workflow)
    return plan


def imports_of_scripts(plan: Plan, environment: str) -> list[str]:
    """Return the modules that scripts import in an environment: ``module=script``."""
    from segmake.scripts.source.static import modules_of

    return [
        f"{module}={script.file.name}"
        for script in plan.definitions.values()
        if script.environment == environment
        for module in modules_of(script.file)
    ]


def try_failed_again(plan: Plan, workflow: WorkflowObject) -> None:
    """Have the environments that failed tried again by the next run."""
    for record in forget_failed(plan.folders.state):
        workflow.forget(record)


def check_own_environment(plan: Plan, config: Config) -> None:
    """Refuse scripts that import what they will not find in SegMake's own environment, in which this runs.

    Raises
    ------
    Problems
        ``SM-SCR-040`` for each of them.
    """
    if problems := list(own_environment_problems(plan, config)):
        raise Problems(problems)


def own_environment_problems(plan: Plan, config: Config) -> Iterator[Problem]:
    """Yield ``SM-SCR-040`` for each script that imports what is not in the environment in which this runs."""
    from segmake.scripts.source.static import modules_of

    for index, script in enumerate(plan.definitions.values()):
        if script.environment is None:
            missing = [name for name in modules_of(script.file) if find_spec(name) is None]
            if missing:
                where = config.where("scripts", index, "script")
                names = {"script": script.file.name, "modules": ", ".join(missing)}
                yield Problem("SM-SCR-040", where=where, **names)
