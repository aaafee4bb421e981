"""What a run would hand to ``sbatch``, written down by a dry run of Snakemake's, for `segmake.cluster.job_scripts`.

The dry run makes all jobs as a run does, by the profile, and the executor that would send them. That one says for each
job what it would call sbatch with, and ends the process: nothing is sent, and nothing done here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from snakemake_interface_executor_plugins.executors.real import RealExecutor

from segmake.adapter.executor import Executor, comment_of, name_of_jobs
from segmake.adapter.workflow_object import WorkflowObject
from segmake.cluster import job_scripts
from segmake.cluster.job_scripts import RUN, JobScript
from segmake.core.declared_steps import STEPS
from segmake.plan.plan import Plan
from segmake.slurm.commands import AFTERWARDS, work_of

# The folder that Snakemake makes for itself at each start.
_OF_ONE_START = re.compile(r"(--runtime-source-cache-path '?[^\s']*/)tmp\w+")


def show_jobs_where_asked(workflow: WorkflowObject, plan: Plan) -> None:
    """Have a dry run write down its jobs, if `segmake.cluster.job_scripts` has started it for that."""
    if job_scripts.are_asked() and workflow.is_dry_run and workflow.is_main_process:
        workflow.show_jobs(type("ShownJobs", (_ShownJobs,), {"plan": plan}))


class _ShownJobs(Executor):
    """An executor that writes down what it would send, and ends the process."""

    plan: Plan

    def __init__(self, workflow: Any, logger: Any) -> None:
        # The plugin's would start to follow jobs.
        RealExecutor.__init__(self, workflow, logger, post_init=False)
        self.run_uuid = name_of_jobs(f"_{RUN}", Path.cwd())
        self.slurm_logdir = (self.plan.folders.results / "logs" / "slurm").absolute()
        jobs = list(_units(workflow.dag))
        sent = [_script_of(self, _in_order(job)) for job in jobs if not job.is_local]
        # That of `all` has nothing to do.
        here = {job.name for job in jobs if job.is_local and not job.is_norun}
        job_scripts.write(sent, sorted(here))
        raise SystemExit(0)


def _units(dag: Any) -> Iterator[Any]:
    """Yield what is sent as one: a job, or a group of them."""
    seen = set()
    for each in dag.needrun_jobs():
        unit = dag.get_job_group(each) or each
        if unit not in seen:
            seen.add(unit)
            yield unit


def _in_order(job: Any) -> Any:
    """Return a job; of a group, with its jobs in the order of their steps.

    They are a set, by where they lie in memory: another order in each process, in which Snakemake writes its words.
    """
    if job.is_group():
        job.jobs = tuple(sorted(job.jobs, key=lambda each: (each.rule.name, str(each.wildcards))))
    return job


def _script_of(executor: _ShownJobs, job: Any) -> JobScript:
    rule, batch = work_of(comment_of(job))
    call, script = executor.order(job)
    script = _OF_ONE_START.sub(rf"\1{RUN}", script)
    # Also of what follows the segmentation in a job; scripts have batches of their own.
    steps = rule in STEPS or rule == AFTERWARDS
    images = len(executor.plan.batches[batch].images) if steps else 0
    return JobScript.of_call(rule, batch, call, script, images)
