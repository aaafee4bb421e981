"""What SegMake needs of Snakemake's Slurm executor and does not find there.

The executor (snakemake-executor-plugin-slurm 2.8) forgets its jobs when Slurm does not answer for a while, waits for
ever for jobs that will not come back, spends a job's attempts on a controller that is down, and knows only some of its
jobs when it is asked to cancel them. It and its like within the jobs can't start a Python whose path has a space.
"""

from __future__ import annotations

import re
import shlex
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import snakemake_executor_plugin_slurm as sending
import snakemake_executor_plugin_slurm_jobstep as running

from segmake import slurm
from segmake.jobs import FORGOTTEN, Jobs
from segmake.slurm import SlurmError

# The longest time between two looks at the queue; the executor's own grows to three minutes, with GPUs idle meanwhile.
LOOK_SECONDS = 10

# How long to wait before a Slurm that did not answer is asked again.
PATIENCE_SECONDS = 15.0

# Jobs that the executor would wait for, and that will not end any more.
LOST = ("PREEMPTED", FORGOTTEN)


def name_jobs(executor: Any, folder: Path) -> str:
    """Name the jobs of a run by its folder, so that their owner knows them in the queue; return the name."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", folder.name).strip("-")[:20]
    unique = executor.run_uuid.rpartition("_")[2][:8]
    executor.run_uuid = "_".join(filter(None, ("segmake", words, unique)))
    return executor.run_uuid


def quote_python() -> None:
    """Let jobs start Python whatever its path; to be called where they are sent, and in each job."""
    for module in (sending, running):
        module.Executor.get_python_executable = lambda self: shlex.quote(sys.executable)


def mind(executor: Any, jobs: Jobs) -> None:
    """Let the executor look after its jobs as their record does.

    Parameters
    ----------
    executor : snakemake_executor_plugin_slurm.Executor
        Before it has sent anything.
    jobs : Jobs
        The record of its jobs.
    """
    ask, send = executor.check_active_jobs, executor.run_job
    stopped = threading.Event()

    async def check_active_jobs(active: list[Any]) -> AsyncIterator[Any]:
        answers = executor._status_query_calls
        left = [job async for job in ask(active)]
        if executor._status_query_calls == answers:
            # No answer: what is not given back here is never asked for again.
            left = active
        lost = {sent.job.id for sent in jobs.of_run() if sent.job.state in LOST}
        for job in left:
            if job.external_jobid in lost:
                executor.report_job_error(job, msg="")
            else:
                yield job

    def run_job(job: Any) -> None:
        while not stopped.is_set() and not slurm.answers():
            stopped.wait(PATIENCE_SECONDS)
        if not stopped.is_set():
            send(job)

    def cancel_jobs(active: list[Any]) -> None:
        stopped.set()
        with suppress(SlurmError):
            jobs.cancel()

    executor.check_active_jobs = check_active_jobs
    executor.run_job = run_job
    executor.cancel_jobs = cancel_jobs
    type(executor).next_seconds_between_status_checks = property(
        lambda self: min(self._next_seconds_between_status_checks or LOOK_SECONDS, LOOK_SECONDS),
        lambda self, wanted: setattr(self, "_next_seconds_between_status_checks", wanted),
    )
