"""What the jobs of all runs asked of the cluster and what they used, and what to ask for the next time."""

from __future__ import annotations

import csv
import math
import statistics
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

from segmake.core.declared_steps import ON_LABELS, SEGMENT, STEPS
from segmake.core.journal import Entry, Journal
from segmake.engines import needs_gpu
from segmake.images.batches import USUAL_GPUS
from segmake.messages import say
from segmake.messages.numbers import duration, finite, hours_setting, number, whole_minutes
from segmake.outcome.memory import in_accounts, notes
from segmake.outcome.queue import IMAGE_RULES
from segmake.outcome.timing import Segmented
from segmake.plan.plan import Plan
from segmake.slurm.commands import AFTERWARDS, SCRIPT, Job, SlurmError
from segmake.slurm.history import all_jobs
from segmake.slurm.jobs import FORGOTTEN, Cause, Jobs, Sent

# Asking for less is worth a word from here on; below, it would change nothing for anybody.
MUCH_MEMORY_MB = 4096
MUCH_MINUTES = 60
USED_OF_MUCH_MEMORY = 0.4
USED_OF_MUCH_TIME = 0.25

# What is advised is so many times what was used. Slurm and Snakemake look at the memory every 30 seconds only, and
# Snakemake leaves out its own processes; time is that of one GPU on one day.
MEMORY_HEADROOM = 1.5
SNAKEMAKE_MB = 512
TIME_HEADROOM = 2.0

# Settings that people write, in gigabytes and in hours.
ROUND_GIGABYTES = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
ROUND_HOURS = (0.5, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 36, 48, 72, 96, 120, 168)

LONG_WAIT_SECONDS = 600.0

# A file that a job wrote may be dated so much later than Slurm saw the job end.
LATE_SECONDS = 60.0

# So many batches are named in a sentence, the others counted.
NAMED_BATCHES = 8


@dataclass(frozen=True)
class Kind:
    """The jobs of one step.

    Attributes
    ----------
    step : str
    jobs, sent_again : int
        All of them, and those among them that were not the first of their batch.
    waiting, running : tuple of float
        Seconds in the queue, and at work, of each job that started.
    memory_mb, minutes : tuple of int
        The different requests, in ascending order; empty where Slurm does not say.
    used_mb : float or None
        The most memory that a job used; None where it was not measured.
    measured : int
        Of how many jobs that is known.
    """

    step: str
    jobs: int
    sent_again: int
    waiting: tuple[float, ...]
    running: tuple[float, ...]
    memory_mb: tuple[int, ...]
    minutes: tuple[int, ...]
    used_mb: float | None
    measured: int = 0


@dataclass(frozen=True)
class Mishap:
    """What ended jobs of a step before their work was done.

    Attributes
    ----------
    step : str
    cause : str
    asked, then : int or None
        What these jobs asked for, and the next ones of their batches, of what was too little: MB for ``"memory"``,
        minutes for ``"time"``; None for other causes.
    sent_again : bool
        Whether there were next ones.
    batches : tuple of str
    """

    step: str
    cause: Cause
    asked: int | None
    then: int | None
    sent_again: bool
    batches: tuple[str, ...] = ()


@dataclass(frozen=True)
class Advice:
    """A better value for a setting of the section ``cluster``.

    Attributes
    ----------
    key : {"memory_gb", "hours"}
    setting : float
        What to put there, in GB or hours.
    asked : int
        What was asked for: MB or minutes.
    used : float or None
        The most that was used: MB or seconds. None where what was asked for was too little.
    """

    key: Literal["memory_gb", "hours"]
    setting: float
    asked: int
    used: float | None


@dataclass(frozen=True)
class Usage:
    """What the runs of a results folder asked of the cluster and used of it.

    Attributes
    ----------
    kinds : tuple of Kind
        One for each step that jobs were sent for.
    mishaps : tuple of Mishap
    advice : tuple of Advice
    images : int
        Images whose cells these jobs found.
    gpu_seconds : float or None
        Time that jobs had a GPU; None where none was asked for.
    network_seconds : float or None
        Time in which the network was at work on it; None where nothing tells.
    runs : int
        How many runs sent these jobs.
    small_batches : bool
        Whether the config makes more jobs than it lets GPUs work at once.
    """

    kinds: tuple[Kind, ...]
    mishaps: tuple[Mishap, ...] = ()
    advice: tuple[Advice, ...] = ()
    images: int = 0
    gpu_seconds: float | None = None
    network_seconds: float | None = None
    runs: int = 1
    small_batches: bool = False


def usage_of_runs(plan: Plan, segmented: Segmented) -> Usage | None:
    """Return what all runs asked of the cluster and used of it, or None if none of them sent jobs.

    Parameters
    ----------
    plan, segmented
        As for `usage_of`.
    """
    jobs = Jobs(plan.folders.jobs)
    with suppress(SlurmError):
        jobs.refresh()
    last = {sent.job.id: sent for sent in jobs.of_run()}
    before = [
        sent
        for sent in all_jobs(plan.folders.jobs)
        if sent.run != jobs.run or sent.job.id not in last
    ]
    return usage_of(plan, [*before, *last.values()], time.time(), segmented)


def usage_of(plan: Plan, sent: Sequence[Sent], now: float, segmented: Segmented) -> Usage | None:
    """Return what jobs asked of the cluster and used of it, or None if none of them worked on images.

    Parameters
    ----------
    plan : Plan
        Whose journals and benchmarks are read.
    sent : sequence of Sent
        The jobs of all runs in the order in which they were sent.
    now : float
        Seconds since 1970.
    segmented : Segmented
        The journals that it has taken in are not read again.
    """
    attempts = _attempts(plan, sent, now)
    rules = (*IMAGE_RULES, *(f"{SCRIPT}{name}" for name in plan.scripts))
    by_step = {rule: [a for a in attempts if a.job.rule == rule] for rule in rules}
    kinds = tuple(_kind(step, own) for step, own in by_step.items() if own)
    if not kinds:
        return None
    segment = by_step[SEGMENT]
    images = _images_done(plan, segment, segmented)
    cluster = plan.typed.cluster
    last = [attempt for attempt in segment if attempt.run == segment[-1].run]
    batches = {attempt.job.batch for attempt in last}
    held = [attempt for attempt in segment if attempt.gpu]
    return Usage(
        kinds=kinds,
        mishaps=_mishaps(attempts),
        advice=tuple(_advice(plan, segment, images)) if segment else (),
        images=images,
        gpu_seconds=sum(attempt.seconds or 0.0 for attempt in held) if held else None,
        network_seconds=_network_seconds(plan, held, segmented),
        runs=len({attempt.run for attempt in attempts}),
        small_batches=cluster.batch_size != "auto"
        and len(batches) > (cluster.max_gpus or USUAL_GPUS),
    )


# What the jobs did


@dataclass(frozen=True)
class _Attempt:
    """A job, and what is known of it.

    Attributes
    ----------
    run : str
        The run that sent it.
    job : Job
    cause : str
    seconds : float or None
        The time that it ran; None if it never started.
    after : Job or None
        The next job of its batch in the same run.
    mb : float or None
        The most memory that it used.
    gpu : bool
        Whether it held a GPU.
    """

    run: str
    job: Job
    cause: Cause
    seconds: float | None
    after: Job | None
    mb: float | None
    gpu: bool


def _attempts(plan: Plan, sent: Sequence[Sent], now: float) -> list[_Attempt]:
    # The report is being written by a job of this run.
    ours = [s for s in sent if s.job.rule in IMAGE_RULES or s.job.rule.startswith(SCRIPT)]
    noted = notes(plan.folders, [one.job for one in ours])
    measured = in_accounts(plan.folders, [one.job for one in ours])
    benchmarks = _benchmarks(plan) if len(measured) < len(ours) else {}
    needs = needs_gpu(plan.typed.segmentation)
    found: list[_Attempt] = []
    next_of: dict[tuple[str, str], tuple[str, Job]] = {}
    for one in reversed(ours):
        job = one.job
        run, later = next_of.get((job.rule, job.batch), ("", None))
        next_of[job.rule, job.batch] = one.run, job
        seconds = None
        if job.started is not None:
            # Nobody looks any more after what earlier runs sent.
            lost = one.run != sent[-1].run or job.state == FORGOTTEN
            end = job.ended or _end_unseen(plan, job, later, None if lost else now)
            seconds = max(0.0, end - job.started)
        own = noted.get(job)
        mb = measured.get(job) or (own.mb if own else _benchmark_mb(benchmarks, job))
        gpu = own.gpu if own else job.rule == SEGMENT and needs
        after = later if run == one.run else None
        found.append(_Attempt(one.run, job, one.cause, seconds, after, mb or None, gpu))
    return found[::-1]


def _end_unseen(plan: Plan, job: Job, later: Job | None, now: float | None) -> float:
    """Return when a job must have ended that Slurm has not yet said, or no longer says, to have ended.

    Parameters
    ----------
    later : Job or None
        The next one of its batch.
    now : float or None
        None for a job that is lost, and can't be at work now.
    """
    begun = job.started or 0.0
    if later and later.submitted:
        return later.submitted
    outcomes = [plan.outcome_of(rule, job.batch) for rule in _rules_in(job.rule)]
    with suppress(OSError):
        written = max(path.stat().st_mtime for path in outcomes if path)
        if written >= begun:
            return written
    if now is not None:
        return now
    # Its last word is in the journal.
    return max((end.time for end in _ends(plan, job) if end.time >= begun), default=begun)


def _rules_in(rule: str) -> tuple[str, ...]:
    """Return the rules that a job does."""
    return ON_LABELS if rule == AFTERWARDS else (rule,)


def _ends(plan: Plan, job: Job) -> list[Entry]:
    """Return how the images of a job's batch ended in its steps, whenever they did."""
    steps = [rule for rule in _rules_in(job.rule) if rule in STEPS]
    journals = [Journal(plan.folders.journal(step, job.batch)) for step in steps]
    return [entry for journal in journals for entry in journal.ends()]


def _kind(step: str, attempts: list[_Attempt]) -> Kind:
    jobs = [attempt.job for attempt in attempts]
    used = [attempt.mb for attempt in attempts if attempt.mb]
    measured = len(used)
    # A job that ran out of memory may have been seen with less, but had used all that it was given.
    used += [a.job.memory_mb for a in attempts if a.cause == "memory" and a.job.memory_mb]
    return Kind(
        step=step,
        jobs=len(jobs),
        sent_again=sum(attempt.after is not None for attempt in attempts),
        waiting=tuple(
            max(0.0, job.started - job.submitted)
            for job in jobs
            if job.started is not None and job.submitted is not None
        ),
        running=tuple(a.seconds for a in attempts if a.seconds is not None),
        memory_mb=tuple(sorted({job.memory_mb for job in jobs if job.memory_mb})),
        minutes=tuple(sorted({job.minutes for job in jobs if job.minutes})),
        used_mb=max(used, default=None),
        measured=measured,
    )


# Rule and batch, and the time when it was written and the memory in MB of each benchmark.
_Benchmarks = dict[tuple[str, str], list[tuple[float, float]]]


def _benchmarks(plan: Plan) -> _Benchmarks:
    """Return the most memory that Snakemake saw the steps of batches use, for jobs of which nobody else says it."""
    found: _Benchmarks = {}
    for path in (plan.folders.state / "benchmarks").glob("*/*.*.tsv"):
        with suppress(OSError, ValueError, csv.Error):
            written = path.stat().st_mtime
            with path.open(encoding="utf-8", newline="") as lines:
                rows = list(csv.DictReader(lines, dialect="excel-tab"))
            seen = [mb for row in rows if (mb := finite(row.get("max_rss"))) is not None]
            if seen:
                key = path.parent.name, path.name.split(".")[0]
                found.setdefault(key, []).append((written, max(seen)))
    return found


def _benchmark_mb(benchmarks: _Benchmarks, job: Job) -> float | None:
    until = math.inf if job.ended is None else job.ended + LATE_SECONDS
    begun = job.started or math.inf
    seen = [
        mb
        for rule in _rules_in(job.rule)
        for written, mb in benchmarks.get((rule, job.batch), ())
        if begun <= written <= until
    ]
    return max(seen, default=None)


def _images_done(plan: Plan, segment: Sequence[_Attempt], segmented: Segmented) -> int:
    """Return how many images had their cells found since the first of the jobs was sent."""
    first = min((a.job.submitted or 0.0 for a in segment), default=math.inf)
    return sum(
        moment >= first
        for batch in plan.batches
        for moment in segmented.of(plan.folders, batch).done
    )


def _network_seconds(plan: Plan, held: Sequence[_Attempt], segmented: Segmented) -> float | None:
    """Return how long the network was at work in jobs, from the phases that the journals have of their images."""
    total = 0.0
    for batch in {attempt.job.batch for attempt in held}:
        spans = [
            (a.job.started, a.job.started + a.seconds)
            for a in held
            if a.job.batch == batch and a.job.started is not None and a.seconds is not None
        ]
        found = segmented.of(plan.folders, batch)
        for made, seconds in zip(found.made, found.network, strict=True):
            if any(begun <= made <= ended + LATE_SECONDS for begun, ended in spans):
                total += seconds
    return total or None


def _mishaps(attempts: Iterable[_Attempt]) -> tuple[Mishap, ...]:
    """Return what went wrong, each with all the batches to which the same happened."""
    groups: dict[Mishap, list[str]] = {}
    for attempt in attempts:
        if attempt.cause:
            asked, then = (
                _request(job, attempt.cause) if job else None
                for job in (attempt.job, attempt.after)
            )
            again = attempt.after is not None
            same = Mishap(attempt.job.rule, attempt.cause, asked, then, again)
            groups.setdefault(same, []).append(attempt.job.batch)
    return tuple(
        replace(same, batches=tuple(dict.fromkeys(batches))) for same, batches in groups.items()
    )


def _request(job: Job, cause: Cause) -> int | None:
    return {"memory": job.memory_mb, "time": job.minutes}.get(cause)


# What to ask for the next time


def _advice(plan: Plan, attempts: list[_Attempt], images: int) -> list[Advice]:
    """Return better settings for the jobs that find cells; the others have none."""
    advice = [_what_worked(plan, attempts, "memory"), _what_worked(plan, attempts, "time")]
    # A few new images say little about what all of them need.
    if images >= len(plan.images()) / 2:
        last = [attempt for attempt in attempts if attempt.run == attempts[-1].run]
        causes = {attempt.cause for attempt in last}
        asked, used = _kind(SEGMENT, last), _kind(SEGMENT, attempts)
        # A job that just failed may have lacked memory without Slurm saying so.
        if not causes & {"memory", "failed"}:
            advice.append(_less_memory(plan, asked, used))
        if "time" not in causes:
            advice.append(_less_time(plan, asked, attempts))
    return [found for found in advice if found]


def _what_worked(
    plan: Plan, attempts: list[_Attempt], cause: Literal["memory", "time"]
) -> Advice | None:
    """Return what the batches that had too little did well with in the end."""
    short = {attempt.job.batch for attempt in attempts if attempt.cause == cause}
    worked = [
        request
        for attempt in attempts
        if attempt.job.batch in short and not (attempt.cause or attempt.after)
        if (request := _request(attempt.job, cause))
    ]
    if not worked:
        return None
    enough, section = max(worked), plan.typed.cluster
    if cause == "time":
        better = enough > whole_minutes(section.hours)
        return Advice("hours", enough / 60, enough, None) if better else None
    # More than the partition allows would be refused: it is not rounded up.
    setting = math.floor(enough / 1024 * 10) / 10
    return Advice("memory_gb", setting, enough, None) if setting > section.memory_gb else None


def _less_memory(plan: Plan, last: Kind, all_runs: Kind) -> Advice | None:
    """Return less memory to ask for than the last run did, where that is more than the jobs of all runs used."""
    # Of most jobs it has to be known: short ones may end before anybody looked.
    known = all_runs.used_mb is not None and all_runs.measured * 2 >= all_runs.jobs
    if not known or all_runs.used_mb is None or len(last.memory_mb) != 1:
        return None
    asked, used = last.memory_mb[0], all_runs.used_mb
    if asked < MUCH_MEMORY_MB or used >= USED_OF_MUCH_MEMORY * asked:
        return None
    setting = _rounded_up((used * MEMORY_HEADROOM + SNAKEMAKE_MB) / 1024, ROUND_GIGABYTES)
    better = setting < min(asked / 1024, plan.typed.cluster.memory_gb)
    return Advice("memory_gb", setting, asked, used) if better else None


def _less_time(plan: Plan, last: Kind, attempts: list[_Attempt]) -> Advice | None:
    if not last.running or len(last.minutes) != 1:
        return None
    asked = last.minutes[0]
    # A batch that was interrupted, by a node that failed say, would have needed all its jobs' time at once.
    needed: dict[tuple[str, str], float] = {}
    for attempt in attempts:
        batch = attempt.run, attempt.job.batch
        needed[batch] = needed.get(batch, 0.0) + (attempt.seconds or 0.0)
    longest = max(needed.values())
    if asked <= MUCH_MINUTES or longest > USED_OF_MUCH_TIME * asked * 60:
        return None
    setting = _rounded_up(longest * TIME_HEADROOM / 3600, ROUND_HOURS)
    better = setting < min(asked / 60, plan.typed.cluster.hours)
    return Advice("hours", setting, asked, longest) if better else None


def _rounded_up(value: float, settings: Sequence[float]) -> float:
    return next((setting for setting in settings if setting >= value), math.ceil(value))


# In words


def describe(usage: Usage) -> dict[str, Any]:
    """Return the section of the report, in the user's language.

    Returns
    -------
    dict
        ``rows``: the cells of the table, as texts, for each kind of job; ``runs`` and ``gpu``: sentences, empty where
        there was one run, and no GPU;
        ``mishaps`` and ``advice``: sentences, with settings in backticks.
    """
    waited = [kind.step for kind in usage.kinds if _waited_long(kind)]
    larger_batches = usage.small_batches and SEGMENT in waited
    # Larger batches need the time that the present ones leave.
    advice = [
        _advise(advice)
        for advice in usage.advice
        if not (larger_batches and advice.key == "hours" and advice.used is not None)
    ]
    if waited:
        names = ", ".join(_name(step).lower() for step in waited)
        advice.append(say("usage.waited", kinds=names))
    if larger_batches:
        advice.append(say("usage.small_batches"))
    return {
        "rows": [_row(kind) for kind in usage.kinds],
        "runs": say("usage.runs", number=number(usage.runs)) if usage.runs > 1 else "",
        "gpu": _gpu_sentence(usage),
        "mishaps": [_tell(mishap) for mishap in usage.mishaps],
        "advice": advice,
    }


def describe_mishap(sent: Sent) -> str:
    """Return in a sentence why a job ended before its work was done."""
    asked = _request(sent.job, sent.cause)
    return _tell(Mishap(sent.job.rule, sent.cause, asked, None, False, (sent.job.batch,)))


def _row(kind: Kind) -> list[str]:
    unknown = "–"
    times = [
        duration(of(seconds)) if seconds else unknown
        for seconds in (kind.waiting, kind.running)
        for of in (statistics.median, max)
    ]
    return [
        _name(kind.step),
        number(kind.jobs),
        number(kind.sent_again),
        *times,
        _range(kind.minutes, _hours) or unknown,
        _range(kind.memory_mb, _gigabytes) or unknown,
        _gigabytes(kind.used_mb) if kind.used_mb else unknown,
    ]


def _gpu_sentence(usage: Usage) -> str:
    if not usage.gpu_seconds:
        return ""
    hours = usage.gpu_seconds / 3600
    names = {"hours": number(hours, 0 if hours >= 100 else 1 if hours >= 10 else 2)}
    if usage.images:
        speed = usage.images / hours
        names |= {"images": number(usage.images), "speed": number(speed, 0 if speed >= 10 else 1)}
    told = say("usage.gpu_images" if usage.images else "usage.gpu", **names)
    if usage.network_seconds is None:
        return told
    share = min(1.0, usage.network_seconds / usage.gpu_seconds)
    held = {"held": duration(usage.gpu_seconds), "share": number(share * 100)}
    return f"{told} {say('usage.gpu_share', **held)}"


def _tell(mishap: Mishap) -> str:
    words = {"memory": _gigabytes, "time": _hours}.get(mishap.cause, str)
    number_of_batches = len(mishap.batches)
    named = ", ".join(mishap.batches[:NAMED_BATCHES])
    if number_of_batches > NAMED_BATCHES:
        named += say("usage.more", n=number(number_of_batches - NAMED_BATCHES))
    names = {
        "kind": _name(mishap.step),
        "number": number_of_batches,
        "batches": named,
        "asked": words(mishap.asked) if mishap.asked else "?",
        "logs": _log_folder(mishap.step),
    }
    told = say(f"usage.mishap.{mishap.cause}", **names)
    if not mishap.sent_again:
        return told
    if mishap.asked and mishap.then and mishap.then > mishap.asked:
        again = say("usage.again.more", number=number_of_batches, asked=words(mishap.then))
    else:
        again = say("usage.again.same", number=number_of_batches)
    return f"{told} {again}"


def _advise(advice: Advice) -> str:
    # The setting is typed into a file, where a decimal has a point in every language.
    memory = advice.key == "memory_gb"
    value = f"{advice.setting:g}" if memory else hours_setting(round(advice.setting * 60))
    names = {"setting": f"`{advice.key}: {value}`"}
    asked = _gigabytes(advice.asked) if memory else _hours(advice.asked)
    if advice.used is None:
        section = "usage.advice.more_memory" if memory else "usage.advice.more_time"
        return say(section, asked=asked, **names)
    if memory:
        return say("usage.advice.memory", asked=asked, used=_gigabytes(advice.used), **names)
    return say("usage.advice.time", asked=asked, used=duration(advice.used), **names)


def _waited_long(kind: Kind) -> bool:
    if not kind.waiting or not kind.running:
        return False
    waiting = statistics.median(kind.waiting)
    return waiting > LONG_WAIT_SECONDS and waiting > statistics.median(kind.running)


def _name(step: str) -> str:
    if step.startswith(SCRIPT):
        return say("usage.kind.script", name=step.removeprefix(SCRIPT))
    return say(f"usage.kind.{step}")


def _log_folder(step: str) -> str:
    if step == AFTERWARDS:
        return "logs"
    name = step.removeprefix(SCRIPT)
    return f"logs/{step}" if name == step else f"logs/scripts/{name}"


def _range(values: Sequence[int], words: Any) -> str:
    """Return the smallest and the largest of some values in words."""
    ends = [words(value) for value in dict.fromkeys((*values[:1], *values[-1:]))]
    return " – ".join(dict.fromkeys(ends))


def _gigabytes(mb: float) -> str:
    gigabytes = max(mb / 1024, 0.1)
    digits = 0 if gigabytes >= 10 or gigabytes.is_integer() else 1
    return say("usage.gigabytes", n=number(gigabytes, digits))


def _hours(minutes: float) -> str:
    if minutes < 60:
        return f"{number(minutes)}\u00a0min"
    hours = minutes / 60
    return f"{number(hours, 0 if hours.is_integer() else 1)}\u00a0h"
