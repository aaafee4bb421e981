"""How much memory jobs of Slurm used: what its accounts say; else what a job saw of itself at the end of each step.

What a job sees is the most that each process which is in it then has ever had, Snakemake's own among them. A note is
a line in ``results/.segmake/memory``; what the accounts said is kept beside, so that they are asked once for each job.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from segmake.core.files import write_atomically
from segmake.core.json_lines import add_line, read_lines
from segmake.plan.result_paths import ResultPaths
from segmake.slurm import commands as slurm
from segmake.slurm.commands import Job, SlurmError

# Slurm's node hands in what a step used a moment after its end; what is not there by now, will not come.
SETTLED_SECONDS = 600.0

# A job of the same number that was sent at another time is another cluster's, or another year's.
SAME_JOB_SECONDS = 5.0


@dataclass(frozen=True)
class Note:
    """What a job noted of itself.

    Attributes
    ----------
    mb : float
        The most memory that it had, in MB.
    gpu : bool
        Whether it held a GPU.
    """

    mb: float = 0.0
    gpu: bool = False


def note(folders: ResultPaths, name: str, *, gpu: bool) -> None:
    """Write down how much memory the job that this process is in has used; nothing where it is in none.

    Parameters
    ----------
    folders : ResultPaths
    name : str
        Of the file: the batch.
    gpu : bool
        Whether the job holds a GPU.
    """
    job = os.environ.get("SLURM_JOB_ID")
    # It is for the report: no reason for a step to fail.
    with suppress(OSError):
        if job and (used := _peak_mb(job)):
            line = {"job": job, "time": time.time(), "mb": round(used, 1), "gpu": gpu}
            add_line(folders.state / "memory" / f"{name}.jsonl", line)


def notes(folders: ResultPaths, jobs: Iterable[Job]) -> dict[Job, Note]:
    """Return what jobs noted of themselves, for those that did."""
    lines: dict[str, list[tuple[float, Note]]] = {}
    for path in (folders.state / "memory").glob("*.jsonl"):
        for line in read_lines(path):
            with suppress(ValueError, KeyError, TypeError):
                own = Note(float(line["mb"]), bool(line["gpu"]))
                lines.setdefault(line["job"], []).append((float(line["time"]), own))
    found: dict[Job, Note] = {}
    for job in jobs:
        # Slurm's numbers begin anew some day.
        until = (job.ended or time.time()) + SETTLED_SECONDS
        noted = lines.get(job.id, ())
        if of_job := [each for when, each in noted if (job.submitted or 0.0) <= when <= until]:
            found[job] = Note(max(each.mb for each in of_job), any(each.gpu for each in of_job))
    return found


def in_accounts(folders: ResultPaths, jobs: Iterable[Job]) -> dict[Job, float]:
    """Return the most memory of ended jobs in MB, for those that the cluster's accounts know of.

    What they say is written down, and not asked for again.
    """
    path = folders.state / "memory" / "accounts.json"
    known: dict[str, float] = {}
    with suppress(OSError, ValueError, AttributeError):
        known = dict(json.loads(path.read_bytes()).items())
    ended = [job for job in jobs if job.ended is not None]
    asked = [job for job in ended if _name(job) not in known]
    answers: Mapping[str, tuple[float, float]] = {}
    with suppress(SlurmError):
        answers = slurm.memory_of(job.id for job in asked) if asked else {}
        new = {}
        for job in asked:
            submitted, mb = answers.get(job.id, (0.0, 0.0))
            same = abs(submitted - (job.submitted or 0.0)) <= SAME_JOB_SECONDS
            if (same and mb) or time.time() - (job.ended or 0.0) > SETTLED_SECONDS:
                new[_name(job)] = mb if same else 0.0
        if new:
            names = {_name(job) for job in ended}
            known = {name: mb for name, mb in known.items() if name in names} | new
            with suppress(OSError), write_atomically(path) as part:
                part.write_text(json.dumps(known), encoding="utf-8")
    return {job: known[_name(job)] for job in ended if known.get(_name(job))}


def _name(job: Job) -> str:
    return f"{job.id}@{job.submitted:.0f}" if job.submitted else job.id


def _peak_mb(job: str) -> float:
    """Return the most memory of each process of a job, added up, in MB; 0 where the system does not say."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        # One that has ended meanwhile, or is another user's.
        with suppress(OSError):
            if f"SLURM_JOB_ID={job}".encode() in (process / "environ").read_bytes().split(b"\0"):
                peak = re.search(
                    r"^VmHWM:\s+(\d+) kB", (process / "status").read_text(), re.MULTILINE
                )
                total += int(peak[1]) if peak else 0
    return total / 1024
