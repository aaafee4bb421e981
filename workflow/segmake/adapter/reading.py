"""What is made of the config when the Snakefile is read: the plan, and what else a run needs to know; nothing is done.

The main process makes the plan, and says it; a job reads the one that was written when the run began.
"""

from __future__ import annotations

import gc
import os
import shlex
import sys
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path

from segmake.adapter.cluster_fit import meet_cluster
from segmake.adapter.config_environments import check_own_environment, with_environments
from segmake.adapter.engine_environment import EngineEnvironment
from segmake.adapter.front import typed
from segmake.adapter.nodes_driver import NodesDriver
from segmake.adapter.quiet import speak_plainly
from segmake.adapter.workflow_object import WorkflowObject
from segmake.cluster import job_scripts
from segmake.cluster.adoption import Adopted, adopt
from segmake.cluster.checks import Cluster, ask_cluster, cores_wanted
from segmake.cluster.memory import memory_notes
from segmake.core.config import Config
from segmake.core.declared_steps import SEGMENT
from segmake.core.run_marks import note_start
from segmake.engines import needs_gpu
from segmake.images.inventory import Inventory
from segmake.messages import Problem, say
from segmake.outcome.status import who_runs
from segmake.plan.described import describe
from segmake.plan.make import make_or_keep_plan
from segmake.plan.plan import Plan
from segmake.plan.result_paths import ResultPaths
from segmake.plan.scripts import note_meanings_of_results
from segmake.plan.written_plan import PLAN_VARIABLE, read_outline, read_plan
from segmake.slurm import commands as slurm
from segmake.slurm.commands import SlurmError
from segmake.slurm.jobs import Jobs, Sent


@dataclass(frozen=True)
class Reading:
    """What came of reading the Snakefile.

    Attributes
    ----------
    plan : Plan
    jobs : Jobs
        The record of the jobs that are sent.
    inventory : Inventory or None
        The images, where the plan was made here of them.
    adopted : dict
        The jobs that a lost run left, and that this one takes over.
    cluster : Cluster or None
        The cluster that jobs are sent to, if any.
    config_text : str
        What the config says, where the plan was made of it here.
    config : Config or None
        The config that the plan was made of here, as it was before what runs ask of a cluster was added.
    """

    plan: Plan
    jobs: Jobs
    inventory: Inventory | None = None
    adopted: Adopted = field(default_factory=dict)
    cluster: Cluster | None = None
    config_text: str = ""
    config: Config | None = None


def read(workflow: WorkflowObject, *, conda: bool) -> Reading:
    """Read the plan in a job, and make it elsewhere.

    Parameters
    ----------
    workflow : WorkflowObject
    conda : bool
        Whether Snakemake makes the environments.

    Raises
    ------
    Problem, Problems
        What is wrong with the config, the images, or what is to be sent.
    """
    written = os.environ.get(PLAN_VARIABLE)
    if workflow.is_main_process or not written:
        return _make(workflow, conda=conda)
    plan = read_outline(Path(written))
    return Reading(plan, Jobs(plan.folders.jobs))


def _make(workflow: WorkflowObject, *, conda: bool) -> Reading:
    # A job reads the plan, and no config.
    from segmake.config.load import load_config, text_of_all

    if workflow.is_main_process and not workflow.is_dry_run:
        # Done sooner where `segmake.adapter.front` is at work.
        note_start(Path.cwd())
    *before, file = workflow.config_files
    config = load_config(file, workflow.overrides, before=before)
    text = ""
    with suppress(OSError, ValueError):
        # As it stands, line ends too: of a copy, they belong to what its sign tells.
        text = file.read_bytes().decode("utf-8-sig")
    if before:
        text = text_of_all([*before, file])
    as_read = replace(config, settings=deepcopy(config.settings))
    # Slurm is asked before the journals are read: what ends in between is known by its files.
    jobs = Jobs(ResultPaths(Path(config.typed.results)).jobs)
    left = _ask_what_is_left(jobs) if workflow.is_main_process else []
    sends = workflow.is_main_process and workflow.sends_jobs and slurm.is_here()
    answer = ask_cluster(config) if sends else None
    command = shlex.join(["snakemake", *typed()])
    plan, inventory = make_or_keep_plan(config, command, workflow.cores)
    # What there is by now stays until this process ends: the collector need not look through it.
    gc.freeze()
    adopted: Adopted = {}
    if left and workflow.sends_jobs:
        plan, adopted = _adopt(plan, left)
    driver = NodesDriver(workflow, config.settings)
    if workflow.is_main_process:
        os.environ[PLAN_VARIABLE] = str(plan.folders.plan.absolute())
        speak_plainly(quiet=workflow.is_quiet)
        _describe(plan, adopted)
        _prepare_engine(plan, workflow, driver, conda=conda)
    if config.typed.environments:
        plan = with_environments(plan, config, workflow, driver, conda=conda)
    if not conda:
        check_own_environment(plan, config)
    cluster = None
    if answer:
        plan, cluster = meet_cluster(plan, config, answer)
    if workflow.is_main_process:
        for problem in memory_notes(plan, cluster) if cluster or not workflow.sends_jobs else ():
            print(f"  {problem.code}  {problem.what}\n    {problem.remedy}", file=sys.stderr)
    if cluster is None and job_scripts.are_asked():
        # As on a cluster whose nodes have them.
        plan = replace(plan, cores=cores_wanted(gpu=needs_gpu(plan.typed.segmentation)))
    elif cluster is None:
        # On one computer the steps of a batch are no more together than those of others.
        plan = replace(plan, small=[], light=[])
    _note_if_idle(plan, workflow)
    return Reading(plan, jobs, inventory, adopted, cluster, text, as_read)


def _ask_what_is_left(jobs: Jobs) -> list[Sent]:
    """Return the jobs that the last run left in the queue, if it is lost."""
    if not jobs.live() or not slurm.is_here() or who_runs(jobs.path.parent / "lock"):
        return []
    with suppress(SlurmError):
        jobs.refresh()
    return jobs.live()


def _adopt(plan: Plan, left: list[Sent]) -> tuple[Plan, Adopted]:
    """Plan as the lost run did whose jobs are left, as far as the same is wanted."""
    try:
        before = read_plan(plan.folders.plan, plan.folders.results)
    # A plan of another version of SegMake may lack what this one looks for.
    except (OSError, ValueError, KeyError, TypeError):
        return plan, {}
    return adopt(plan, before, left)


def _describe(plan: Plan, adopted: Adopted) -> None:
    print(describe(plan), file=sys.stderr)
    if numbers := set(adopted.values()):
        print(say("cluster.adopted", number=len(numbers)), file=sys.stderr)


def _prepare_engine(
    plan: Plan, workflow: WorkflowObject, driver: NodesDriver, *, conda: bool
) -> None:
    if not (plan.to_do[SEGMENT] or plan.looks):
        return
    engine = EngineEnvironment(plan.settings, conda=conda)
    engine.refuse_missing()
    engine.fit(workflow, driver)
    # A run that is under way has jobs that look for it.
    if not workflow.is_dry_run and not who_runs(plan.folders.lock):
        # A folder that can't be written to is told when the run starts.
        with suppress(OSError):
            engine.forget_another_model(plan.folders.state)


def _note_if_idle(plan: Plan, workflow: WorkflowObject) -> None:
    """Note what scripts mean where Snakemake begins no run, since nothing is to be done."""
    idle = workflow.is_main_process and not plan.has_work
    if idle and not workflow.is_dry_run and not who_runs(plan.folders.lock):
        # Whoever may not write here can read the results all the same.
        with suppress(OSError, Problem):
            note_meanings_of_results(plan)
