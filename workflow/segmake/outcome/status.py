"""What the last run does, or did: asked from another terminal, also when nothing runs."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from segmake.core.files import lock_file, open_own, read_lock
from segmake.messages import Problem, say
from segmake.outcome.progress import progress_of
from segmake.outcome.queue import job_lines
from segmake.outcome.run_state import RunState, state_of
from segmake.outcome.tally import tally
from segmake.plan.overview import read_overview
from segmake.plan.result_paths import ResultPaths
from segmake.slurm import commands as slurm
from segmake.slurm.commands import Job, SlurmError
from segmake.slurm.heard import Heard, beside, read_heard

# The usual line of a config, whose value is the same for everybody who reads it.
_PLAIN = re.compile(r"^results:[ \t]+([A-Za-z_][\w./-]*)[ \t]*(?: #.*)?$", re.MULTILINE)
_NO_TEXT = ("null", "true", "false", "yes", "no", "on", "off")


def results_of(config: Path, before: Sequence[Path] = ()) -> Path:
    """Return the results folder that a config names; nothing else in it has to be right.

    Parameters
    ----------
    config : Path
    before : sequence of Path
        Others, each of which counts where those behind it name none.
    """
    for path in (config, *reversed(before)):
        if found := _named_results(path):
            return found
    return Path("results")


def _named_results(config: Path) -> Path | None:
    try:
        text = config.read_text(encoding="utf-8")
        # YAML takes longer to load than all else that is done where a run is only looked at.
        named = _PLAIN.findall(text)
        if len(named) == 1 and named[0].lower() not in _NO_TEXT:
            return Path(named[0])
        return _written_results(text)
    except (OSError, ValueError):
        return None


def _written_results(text: str) -> Path | None:
    import yaml

    from segmake.core.site import read_site
    from segmake.core.site_paths import translated

    try:
        written = yaml.safe_load(text)["results"]
        # Unlike Path's method, this takes any text for a path.
        return Path(os.path.expanduser(translated(written, read_site().shares) or written))
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, RecursionError):
        return None


def describe_status(results: Path) -> str:
    """Return in words where the last run of a results folder is, or how it ended.

    Raises
    ------
    Problem
        ``SM-RUN-013`` if nothing was ever run there.
    """
    folders = ResultPaths(results)
    found = state_of(folders)
    lines = []
    if found and found.state == "starting" and found.process:
        lines.append(say("status.starting", pid=found.process.pid))
    if found and found.state == "running":
        lines += _describe_running(folders, found)
    elif folders.plan.exists():
        lines += _describe_over(folders, found)
    elif found and (waiting := main_job(folders)):
        lines.append(_describe_main_job(folders, waiting))
    if not lines:
        raise Problem("SM-RUN-013", where=str(results), results=results)
    return "\n".join(lines)


def _describe_main_job(folders: ResultPaths, waiting: tuple[str, str]) -> str:
    job, state = waiting
    return say("status.main_job", results=folders.results, job=job, state=state)


def heard_in(folders: ResultPaths, started: float) -> tuple[Heard | None, list[Job]]:
    """Return what the main process last heard of Slurm in a run, and the jobs that it has there.

    Parameters
    ----------
    folders : ResultPaths
    started : float
        When the run was planned.
    """
    heard = read_heard(beside(folders.jobs))
    if heard is None or heard.started != started:
        return None, []
    # Another version of SegMake may have written other things.
    with suppress(TypeError):
        return heard, [Job(**job) for job in heard.jobs]
    return heard, []


def _describe_running(folders: ResultPaths, found: RunState) -> list[str]:
    """Return in words where a run is that is at work."""
    runner = found.process._asdict() if found.process else {}
    lines = [say("status.runs", results=folders.results, **runner)]
    if overview := read_overview(folders.overview):
        heard, jobs = heard_in(folders, overview.started)
        held, room = (heard.held, heard.room) if heard else ("", 0)
        progress = progress_of(tally(overview, folders.state), jobs, held=held, room=room)
        lines += [f"  {line}" for line in progress.describe()]
        # Why they wait is said above.
        lines += job_lines(jobs, reasons=False)
    return lines


def _describe_over(folders: ResultPaths, found: RunState | None) -> list[str]:
    """Return in words how the last run ended; Slurm is asked for what it has left."""
    from segmake.outcome.last_words import describe_judged, judge, read_told
    from segmake.scripts.results.results import script_results
    from segmake.slurm.jobs import Jobs

    try:
        plan, images = read_told(folders.plan, folders.results)
    # A plan of another version of SegMake may lack what this one looks for.
    except (OSError, ValueError, KeyError, TypeError):
        return [str(Problem("SM-RUN-070", where=str(folders.results), results=folders.results))]
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(plan.started))
    jobs = Jobs(folders.jobs)
    if jobs.live():
        with suppress(SlurmError):
            jobs.refresh()
    left = job_lines([sent.job for sent in jobs.live()])
    if waiting := main_job(folders):
        return [_describe_main_job(folders, waiting), *left]
    lines = [say("status.ended", since=began, results=folders.results)]
    lines += _describe_cut(folders, found)
    if left:
        lines += [say("status.left"), *left]
    images = images or judge(plan)[1]
    return [*lines, describe_judged(plan, images, script_results(plan))]


def _describe_cut(folders: ResultPaths, found: RunState | None) -> list[str]:
    """Return in words how far a run was that was stopped or died, and how it died."""
    if found is None or found.state not in ("stopped", "died"):
        return []
    lines = []
    if found.state == "died" and found.process:
        names = {"pid": found.process.pid, "host": found.process.host}
        where = folders.results
        lines.append(str(Problem("SM-RUN-069", where=str(where), results=where, **names)))
    if overview := read_overview(folders.overview):
        lines += [
            f"  {line}" for line in progress_of(tally(overview, folders.state), []).describe()
        ]
    return lines


def is_over(results: Path) -> bool:
    """Whether no run is at work in a results folder, nor about to be."""
    folders = ResultPaths(results)
    found = state_of(folders)
    return (found is None or found.is_over or found.state == "waiting") and not main_job(folders)


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
