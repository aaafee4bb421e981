"""What ``segmake status --json`` answers: where the last run is, from files alone, at a cost that nobody feels.

Nobody is asked, nothing is locked, and nothing is written but the reader's own cache (`segmake.outcome.tally`): whoever
may only read an experiment gets the same answer.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from segmake.answers.answer import Answer, answer, path_text, problem_values, time_text
from segmake.core.declared_steps import SEGMENT, STEPS
from segmake.messages import Problem, remembered, say
from segmake.outcome.progress import Progress, progress_of
from segmake.outcome.quality import label, read_flags, remedy
from segmake.outcome.queue import reasons_to_wait, work_of
from segmake.outcome.run_state import RunState, state_of
from segmake.outcome.status import heard_in
from segmake.outcome.tally import MOST_FAILURES, Tally, tally
from segmake.plan.overview import Overview, read_overview
from segmake.plan.result_paths import ResultPaths
from segmake.slurm.commands import Job
from segmake.slurm.heard import Heard


def status_answer(results: Path, folder: Path = Path()) -> Answer:
    """Return where the last run of a results folder is, or how it ended.

    Parameters
    ----------
    results : Path
    folder : Path
        That of the experiment, where Snakemake is started.

    Raises
    ------
    Problem
        ``SM-RUN-013`` if nothing was ever run there.
    """
    folders = ResultPaths(results)
    found = state_of(folders, folder)
    if found is None:
        raise Problem("SM-RUN-013", where=str(results), results=results)
    overview = _overview(folders, found)
    heard, jobs = heard_in(folders, overview.started) if overview else (None, [])
    if found.is_over and found.state != "died":
        heard, jobs = None, []
    counts = tally(overview, folders.state) if overview else _older(folders, found)
    progress = _progress(counts, heard, jobs)
    state = found.state
    if state == "running" and jobs and all(job.waits for job in jobs):
        state = "waiting"
    return answer(
        "status",
        1,
        [problem_values(problem, "warning") for problem in _warnings(found, folders, counts)],
        results=path_text(results),
        state=state,
        state_text=say(f"state.{state}"),
        text=progress.describe() if progress else [],
        run=_run(found, overview),
        images=_images(progress, working=not found.is_over),
        steps=list(_steps(counts)) if counts else [],
        batches=list(_batches(counts)) if counts else [],
        scripts=list(_scripts(counts)) if counts else [],
        **_failures(counts),
        slurm=_slurm(heard, jobs),
        **_looks(folders),
        report=_report(folders),
    )


def _overview(folders: ResultPaths, found: RunState) -> Overview | None:
    """Return what is known of the plan of the last run; None while a run has not written its own."""
    overview = read_overview(folders.overview)
    if overview and found.last and overview.run == found.last.name:
        return overview
    return None


def _older(folders: ResultPaths, found: RunState) -> Tally | None:
    """Return how far a run of an earlier version is; None where there is none."""
    if found.state == "starting" or _is_newer(folders.overview, folders.plan):
        return None
    from segmake.outcome.older import tally_of_plan

    return tally_of_plan(folders)


def _is_newer(path: Path, other: Path) -> bool:
    with suppress(OSError):
        return path.stat().st_mtime_ns >= other.stat().st_mtime_ns
    return False


def _progress(counts: Tally | None, heard: Heard | None, jobs: list[Job]) -> Progress | None:
    if counts is None:
        return None
    return progress_of(
        counts, jobs, held=heard.held if heard else "", room=heard.room if heard else 0
    )


def _warnings(found: RunState, folders: ResultPaths, counts: Tally | None) -> Iterator[Problem]:
    results = folders.results
    if found.state == "died" and found.process:
        names = {"pid": found.process.pid, "host": found.process.host}
        yield Problem("SM-RUN-069", where=str(results), results=results, **names)
    if found.is_over and counts is None:
        yield Problem("SM-RUN-070", where=str(results), results=results)


def _run(found: RunState, overview: Overview | None) -> dict[str, Any]:
    process = found.process
    return {
        "began": time_text(found.last.began if found.last else None),
        "ended": time_text(found.last.ended if found.last else None),
        "process": process and {"pid": process.pid, "host": process.host},
        "failed": found.last.failed if found.last else None,
        "shown": time_text(found.shown),
        "job": found.job or None,
        "config": overview and overview.config,
        "command": overview and overview.command,
        "contact": (overview and overview.contact) or None,
    }


def _images(progress: Progress | None, *, working: bool) -> dict[str, Any] | None:
    if progress is None:
        return None
    speed, left = (progress.per_minute, progress.seconds_left) if working else (None, None)
    return {
        "total": progress.images,
        "segmented": progress.segmented,
        "complete": progress.complete,
        "failed": progress.failed,
        "per_minute": speed and round(speed, 3),
        "seconds_left": left and round(left),
    }


def _steps(counts: Tally) -> Iterator[dict[str, Any]]:
    for step in STEPS:
        works = list(counts.of(step))
        yield {
            "step": step,
            "name": say(f"step.{step}"),
            "done": sum(map(counts.done, works)),
            "failed": sum(map(counts.failed, works)),
            "left": sum(map(counts.left, works)),
        }


def _batches(counts: Tally) -> Iterator[dict[str, Any]]:
    of_step = {step: {work.batch: work for work in counts.of(step)} for step in STEPS}
    for batch, work in of_step[SEGMENT].items():
        done = {step: counts.done(of_step[step][batch]) for step in STEPS}
        yield {"batch": batch, "images": work.total, "done": done}


def _scripts(counts: Tally) -> Iterator[dict[str, Any]]:
    for name, done, runs in counts.scripts():
        failed = sum(map(counts.failed, counts.of(name, is_script=True)))
        yield {"script": name, "runs": runs, "done": done, "failed": failed}


def _failures(counts: Tally | None) -> dict[str, Any]:
    """Return why each image and each run of a script failed, and how many more did."""
    if counts is None:
        return {"failures": [], "failures_left_out": 0}
    number = sum(map(counts.failed, counts.overview.works))
    told = list(islice(_told(counts), MOST_FAILURES))
    return {"failures": told, "failures_left_out": number - len(told)}


def _told(counts: Tally) -> Iterator[dict[str, Any]]:
    for work in counts.overview.works:
        for name, why in counts.seen[work.journal].failures.items():
            if not why:
                continue
            code, where, values = why
            told = {"code": code, "where": where, "text": code, "remedy": ""}
            try:
                problem = remembered(code, where, values)
                told |= {"text": problem.what, "remedy": problem.remedy}
            except (KeyError, TypeError):
                # A newer version of SegMake has written it down.
                pass
            yield {
                "name": name,
                "script": work.step if work.is_script else None,
                "step": None if work.is_script else work.step,
                "batch": work.batch,
                **told,
            }


def _looks(folders: ResultPaths) -> dict[str, Any]:
    """Return which images the last report says to look at, and which are left out of its tables."""
    flags, left_out = read_flags(folders.flags)
    told = [
        {"image": image, "flags": [_flag(name) for name in names]} for image, names in flags.items()
    ]
    return {
        "look_at": told[:MOST_FAILURES],
        "look_at_left_out": max(0, len(told) - MOST_FAILURES),
        "left_out": [{"image": image, "reason": why} for image, why in left_out.items()],
    }


def _flag(name: str) -> dict[str, str]:
    try:
        return {"flag": name, "text": label(name), "remedy": remedy(name)}
    except KeyError:
        # A newer version of SegMake has written it down.
        return {"flag": name, "text": name, "remedy": ""}


def _slurm(heard: Heard | None, jobs: list[Job]) -> dict[str, Any] | None:
    if heard is None:
        return None
    age = None if heard.answered is None else max(0, round(time.time() - heard.answered))
    return {
        "answered": time_text(heard.answered),
        "age_seconds": age,
        "error": heard.error or None,
        "held": heard.held or None,
        "room": heard.room or None,
        "jobs": list(map(_job, jobs)),
        "reasons": [
            {
                "reason": one.reason,
                "text": one.describe(),
                "passes": one.passes,
                "jobs": list(one.jobs),
            }
            for one in reasons_to_wait(jobs)
        ],
    }


def _job(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "work": job.rule,
        "work_text": work_of(job),
        "batch": job.batch or None,
        "state": "waiting" if job.waits else "running",
        "slurm_state": job.state,
        "reason": job.reason or None,
        "submitted": time_text(job.submitted),
        "started": time_text(None if job.waits else job.started),
    }


def _report(folders: ResultPaths) -> str | None:
    report = folders.results / "report.html"
    return path_text(report) if report.exists() else None
