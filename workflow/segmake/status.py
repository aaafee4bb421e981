"""What the last run does, or did: asked from another terminal, also when nothing runs."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

import yaml

from segmake.files import lock_file, open_own, read_lock
from segmake.jobs import Jobs
from segmake.messages import Problem, say
from segmake.plan import Folders, read_plan
from segmake.progress import Observer, plain_reason
from segmake.slurm import SCRIPT, SlurmError
from segmake.steps import STEPS
from segmake.summary import describe_outcome

DEFAULT_CONFIG = Path("config/config.yaml")


def results_of(config: Path) -> Path:
    """Return the results folder that a config names; nothing else in it has to be right."""
    try:
        written = yaml.safe_load(config.read_text(encoding="utf-8"))["results"]
        # Unlike Path's method, this takes any text for a path.
        return Path(os.path.expanduser(written))
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, RecursionError):
        return Path("results")


def describe_status(results: Path) -> str:
    """Return in words where the last run of a results folder is, or how it ended.

    Raises
    ------
    Problem
        ``SM-RUN-013`` if nothing was ever run there.
    """
    folders = Folders(results)
    try:
        plan = read_plan(folders.plan, results)
    # A plan of another version of SegMake may lack what this one looks for.
    except (OSError, ValueError, KeyError, TypeError):
        raise Problem("SM-RUN-013", where=str(results), results=results) from None
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(plan.started))
    jobs = Jobs(folders.jobs)
    if runner := who_runs(folders.lock):
        lines = [say("status.runs", results=results, **runner)]
        lines += [f"  {line}" for line in Observer(plan, jobs).look().describe()]
        return "\n".join([*lines, *_job_lines(jobs)])
    with suppress(SlurmError):
        jobs.refresh()
    lines = [say("status.ended", since=began, results=results)]
    if left := _job_lines(jobs):
        lines += [say("status.left"), *left]
    return "\n".join([*lines, describe_outcome(plan)])


def _job_lines(jobs: Jobs) -> list[str]:
    """Return a line for each job that waits or runs."""
    lines = []
    for job in (sent.job for sent in jobs.of_run() if not sent.over):
        waits = job.state == "PENDING"
        reason = f"  ({plain_reason(job.reason)})" if waits and job.reason else ""
        state = say("status.waits" if waits else "status.works")
        work = say(f"step.{job.rule}") if job.rule in STEPS else job.rule.removeprefix(SCRIPT)
        batch = say("status.batch", batch=job.batch) if job.batch else ""
        lines.append(say("status.job", state=state, id=job.id, work=work, batch=batch) + reason)
    return lines


def who_runs(lock: Path) -> dict[str, str] | None:
    """Return process, computer and time of the run that works in a results folder, or None if none does."""
    try:
        with open_own(lock, "r+") as file:
            try:
                lock_file(file, wait=False)
            except BlockingIOError:
                return read_lock(file)
    except OSError:
        pass
    return None
