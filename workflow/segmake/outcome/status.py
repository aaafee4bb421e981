"""What the last run does, or did: asked from another terminal, also when nothing runs."""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import suppress
from pathlib import Path

import psutil
import yaml

from segmake.core.files import lock_file, open_own, read_lock
from segmake.core.site import read_site
from segmake.core.site_paths import translated
from segmake.messages import Problem, say
from segmake.outcome.last_words import describe_outcome
from segmake.outcome.progress import Observer, reasons_to_wait
from segmake.outcome.usage import IMAGE_RULES
from segmake.plan.plan import Plan, read_plan
from segmake.plan.result_paths import ResultPaths
from segmake.slurm import commands as slurm
from segmake.slurm.commands import SCRIPT, SlurmError
from segmake.slurm.jobs import Jobs

# Options of a Snakemake that begins no run; short ones may stand together: -np.
_NO_RUN = re.compile(
    r"-[npqF]*n[npqF]*|--dry-?run|--mode|--lint|-v|--version|-h|--help|--unlock|-S|--summary|-l|--list(-rules)?"
    r"|--dag|--rulegraph|--filegraph|--report"
)


def results_of(config: Path) -> Path:
    """Return the results folder that a config names; nothing else in it has to be right."""
    try:
        written = yaml.safe_load(config.read_text(encoding="utf-8"))["results"]
        # Unlike Path's method, this takes any text for a path.
        return Path(os.path.expanduser(translated(written, read_site().shares) or written))
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, RecursionError):
        return Path("results")


def describe_status(results: Path) -> str:
    """Return in words where the last run of a results folder is, or how it ended.

    Raises
    ------
    Problem
        ``SM-RUN-013`` if nothing was ever run there.
    """
    folders = ResultPaths(results)
    plan = _last_plan(folders)
    starting = ""
    if who_runs(folders.lock) is None and (process := _starting(plan)):
        starting = say("status.starting", pid=process)
    if plan is None:
        if not starting:
            raise Problem("SM-RUN-013", where=str(results), results=results)
        return starting
    return "\n".join(filter(None, [starting, _describe_last(plan)]))


def _last_plan(folders: ResultPaths) -> Plan | None:
    """Return the plan of the last run; None if there was none."""
    try:
        return read_plan(folders.plan, folders.results)
    # A plan of another version of SegMake may lack what this one looks for.
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _describe_last(plan: Plan) -> str:
    """Return in words where the run of a plan is, or how it ended."""
    folders, results = plan.folders, plan.folders.results
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(plan.started))
    jobs = Jobs(folders.jobs)
    if runner := who_runs(folders.lock):
        lines = [say("status.runs", results=results, **runner)]
        lines += [f"  {line}" for line in Observer(plan, jobs).look().describe()]
        # Why they wait is said above.
        return "\n".join([*lines, *_job_lines(jobs, reasons=False)])
    if jobs.live():
        with suppress(SlurmError):
            jobs.refresh()
    if waiting := main_job(folders):
        lines = [say("status.main_job", results=results, job=waiting[0], state=waiting[1])]
        return "\n".join([*lines, *_job_lines(jobs)])
    lines = [say("status.ended", since=began, results=results)]
    if left := _job_lines(jobs):
        lines += [say("status.left"), *left]
    return "\n".join([*lines, describe_outcome(plan)])


def is_over(results: Path) -> bool:
    """Whether no run is at work in a results folder, nor about to be."""
    folders = ResultPaths(results)
    if who_runs(folders.lock) or main_job(folders):
        return False
    return _starting(_last_plan(folders)) is None


def _starting(last: Plan | None) -> int | None:
    """Return the process of a run that reads the config and the images, and has written nothing yet.

    Parameters
    ----------
    last : Plan or None
        Of the last run: its process may be about to end.
    """
    for process in psutil.process_iter(["cmdline", "create_time"]):
        words = process.info["cmdline"] or []
        is_run = any(Path(word).name == "snakemake" for word in words[:4])
        # A job is a Snakemake, too; and a dry run, or one that only answers a question, never begins.
        if not is_run or any(map(_NO_RUN.fullmatch, words)):
            continue
        if last is None or process.info["create_time"] > last.started:
            with suppress(psutil.Error, OSError):
                if Path(process.cwd()).samefile(Path()):
                    return process.pid
    return None


def main_job(folders: ResultPaths) -> tuple[str, str] | None:
    """Return number and state of the job that the main process is, or is to go on as; None where there is none.

    The state is ``?`` where Slurm does not answer.
    """
    try:
        job = str(json.loads(folders.submitted.read_text(encoding="ascii"))["job"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    try:
        state = slurm.state_of(job) if slurm.is_here() else ""
    except SlurmError:
        state = "?"
    return (job, state) if state else None


def _job_lines(jobs: Jobs, *, reasons: bool = True) -> list[str]:
    """Return a line for each job that waits or runs, and one for each of the reasons to wait."""
    lines = []
    live = [sent.job for sent in jobs.of_run() if not sent.over]
    for job in live:
        # Slurm's own word, which some versions follow up with the names of nodes.
        word = job.reason.split(",")[0] if job.waits else ""
        state = say("status.waits" if job.waits else "status.works")
        work = say(f"step.{job.rule}") if job.rule in IMAGE_RULES else job.rule.removeprefix(SCRIPT)
        batch = say("status.batch", batch=job.batch) if job.batch else ""
        line = say("status.job", state=state, id=job.id, work=work, batch=batch)
        lines.append(f"{line}  ({word})" if word else line)
    if reasons:
        lines += [f"  {waiting.describe()}" for waiting in reasons_to_wait(live)]
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
