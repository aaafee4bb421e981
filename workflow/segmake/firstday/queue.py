"""What jobs meet on this cluster: the GPU, each partition, a main process of their own, the accounts, missing files."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from segmake.firstday import runs
from segmake.firstday.day import Day, engine_python
from segmake.firstday.jobs import Request, Sent, do, options, probe, sent
from segmake.firstday.step import Figures, Skipped
from segmake.messages import Problem, say
from segmake.slurm import commands as slurm
from segmake.slurm.commands import SlurmError

# So many partitions are tried, and so many of them for a GPU, which takes up to a minute.
MOST_PARTITIONS, MOST_GPUS = 20, 5

# So long a job of each partition is waited for.
PATIENCE_SECONDS = 600.0

# How much a job takes of which the accounts have to tell.
TAKEN_MB = 400

# The accounts hear of the end of a job a little later.
LATE_SECONDS = 30.0

# What the day's own config says of how cells are found where no network is needed.
PLAIN = {"engine": "threshold", "min_size": 30}


def graphics(day: Day, figures: Figures) -> None:
    """Tell the driver and the CUDA of the GPU that Slurm gives, as PyTorch of each engine sees it."""
    engines = day.engines()
    pythons = {str(engine_python(name)): name for name in engines}
    request = Request(gpu=True, minutes=3, memory_mb=4000, cpus=2)
    ended = do(day, day.fresh("job"), "graphics", probe("graphics", *pythons), request)
    found = ended.answer()
    seen = {pythons[python]: facts for python, facts in found["torch"].items()}
    figures |= {"given": found["given"], "driver": found["driver"], "torch": seen}
    if blind := {name: facts["error"] for name, facts in seen.items() if "error" in facts}:
        name, error = next(iter(blind.items()))
        problem = Problem("SM-RUN-005", where=name, error=error)
        raise Skipped(problem) if day.allow_cpu else problem


def partitions(day: Day, figures: Figures) -> None:
    """Send a job to each partition that the user may use, and one for a GPU where there are GPUs."""
    usable = [one for one in day.cluster.partitions.values() if one.up and day.cluster.allows(one)]
    # Those with GPUs first; of many, some are enough.
    usable = sorted(usable, key=lambda one: not one.gpus)[:MOST_PARTITIONS]
    with ExitStack() as jobs:
        begun: dict[str, dict[str, Sent | str]] = {}
        for number, one in enumerate(usable):
            for kind in ("cpu", "gpu") if one.gpus and number < MOST_GPUS else ("cpu",):
                folder = day.fresh(f"{number}-{kind}")
                request = Request(gpu=kind == "gpu", minutes=1, memory_mb=200, partition=one.name)
                begun.setdefault(one.name, {})[kind] = _sent_or_not(day, jobs, folder, request)
        for name, kinds in begun.items():
            figures[day.names.of(name)] = {kind: _outcome(one) for kind, one in kinds.items()}
    outcomes = [kinds["cpu"] for kinds in figures.values()]
    if not any(outcome["state"] == "ended" for outcome in outcomes):
        raise Problem(
            "SM-CLU-010", answer=outcomes[0]["why"] if outcomes else say("phrases.silent")
        )


def _sent_or_not(day: Day, jobs: ExitStack, folder: Path, request: Request) -> Sent | str:
    """Return the job, or why it could not be sent."""
    command = ["sh", "-c", 'echo "{\\"gpus\\": \\"$CUDA_VISIBLE_DEVICES\\"}"']
    try:
        # What a user may not use is refused.
        if refusal := slurm.refusal(options(_for_any_model(day), folder, request)):
            return slurm.one_line(refusal)
        return jobs.enter_context(sent(_for_any_model(day), folder, "job", command, request))
    except Problem as problem:
        return problem.what
    except Skipped as skipped:
        return skipped.problem.what
    except SlurmError as error:
        return slurm.one_line(error)


def _for_any_model(day: Day) -> Day:
    """Return the day with a cluster of which any GPU is asked for: each partition has its own models."""
    from dataclasses import replace

    section = {**day.config.settings["cluster"], "gpu_model": None, "constraint": None}
    config = replace(day.config, settings={**day.config.settings, "cluster": section})
    return replace(day, config=config)


def _outcome(one: Sent | str) -> Any:
    """Return what became of a job, in figures."""
    if isinstance(one, str):
        return {"state": "not_sent", "why": one}
    began = time.monotonic()
    try:
        ended = one.wait(PATIENCE_SECONDS)
        given = str(ended.answer()["gpus"])
    except Problem as problem:
        return {"state": "lost", "why": problem.what}
    waited = round(max(time.monotonic() - began - ended.seconds, 0), 1)
    number = len([word for word in given.split(",") if word])
    return {"state": "ended", "node": ended.node, "gpus": number, "waited_s": waited}


def main_process(day: Day, figures: Figures) -> None:
    """Send the main process of a run as a job, and wait until it has written the report."""
    folder = day.fresh("run")
    runs.draw(folder / "images")
    cluster = runs.cluster_section(day, minutes=10, memory_gb=2, cpus=1)
    wanted = {"images": {"folder": "images"}, "segmentation": PLAIN, "cluster": cluster}
    runs.prepare(folder, wanted)
    command = [sys.executable, "-P", "-m", "segmake", "submit", *runs.NO_CONDA]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    run = runs.Run(folder, done.returncode, done.stdout + done.stderr)
    run.refuse_failed()
    job = json.loads(run.folders.submitted.read_text(encoding="ascii"))["job"]
    began = time.monotonic()
    try:
        while slurm.state_of(job):
            time.sleep(2)
    except SlurmError as error:
        raise Problem("SM-CLU-001", error=slurm.one_line(error)) from None
    finally:
        with suppress(SlurmError):
            slurm.cancel([job])
    figures["seconds"] = round(time.monotonic() - began)
    figures["jobs"] = [{"rule": one.job.rule, "state": one.job.state} for one in run.jobs]
    if not (folder / "results" / "report.html").exists():
        log = folder / "results" / "logs" / f"segmake_{job}.log"
        said = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        runs.Run(folder, 1, said).refuse_failed()


def missing_files(day: Day, figures: Figures) -> None:
    """Do a run in a folder that only this computer sees, and hear what SegMake says of it."""
    with tempfile.TemporaryDirectory(prefix="segmake-firstday-") as name:
        folder = Path(name) / "run"
        runs.draw(folder / "images")
        cluster = runs.cluster_section(day, minutes=5, memory_gb=2, cpus=1)
        # No GPU is needed to find a folder missing.
        cluster["partition"] = cluster.get("cpu_partition") or cluster.get("partition")
        wanted = {"images": {"folder": "images"}, "segmentation": PLAIN}
        runs.prepare(folder, {**wanted, "cluster": cluster})
        run = runs.run(day, folder, *runs.NO_CONDA)
        figures["jobs"] = [{"state": one.job.state, "cause": one.cause} for one in run.jobs]
        figures["messages"] = [text for _, text in run.messages]
        if run.code == 0:
            raise Skipped(Problem("SM-DAY-016", what=say("firstday.unproved.folder")))
        if not run.messages or "Traceback" in run.said:
            raise Problem("SM-DAY-014", ended=run.code, said=run.said[-500:])


def accounts(day: Day, figures: Figures) -> None:
    """Have the accounts tell what a job took, and hold it against what it did take."""
    if not day.cluster.keeps_accounts or not shutil.which("sacct"):
        raise Skipped(Problem("SM-DAY-020", names="sacct"))
    every = re.search(r"\d+", day.configuration.get("JobAcctGatherFrequency", ""))
    seconds = 2 * max(int(every[0]) if every else 0, 1) + 10
    # Where Slurm looks less often than every two minutes, it has to look once.
    seconds = min(seconds, 300)
    words = (f"--megabytes={TAKEN_MB}", f"--seconds={seconds}")
    folder = day.fresh("job")
    # Slurm counts the memory of a job's steps, of which SegMake's jobs have one.
    command = ["srun", "--ntasks=1", *probe("hungry", *words, f"--output-dir={folder}")]
    request = Request(minutes=seconds // 60 + 3, memory_mb=2 * TAKEN_MB)
    ended = do(day, folder, "hungry", command, request)
    ended.answer()
    rows = _accounted(ended.job)
    figures |= {"took": {"seconds": round(ended.seconds), "megabytes": TAKEN_MB}, "told": rows}
    used = slurm.memory_of([ended.job]).get(ended.job, (0.0, 0.0))[1] if rows else 0.0
    elapsed = float(rows[0].get("ElapsedRaw") or 0) if rows else 0.0
    figures["memory_mb"] = round(used)
    missing = [
        name
        for name, right in (
            ("Elapsed", abs(elapsed - ended.seconds) < 30),
            ("MaxRSS", 0.7 * TAKEN_MB < used < 2 * TAKEN_MB),
            ("AllocTRES", bool(rows and rows[0].get("AllocTRES"))),
        )
        if not right
    ]
    if missing:
        raise Problem("SM-DAY-020", names=", ".join(missing))


def _accounted(job: str) -> list[dict[str, str]]:
    """Return what the accounts have of a job that has ended; it takes them some seconds to hear of it."""
    latest = time.monotonic() + LATE_SECONDS
    while True:
        with suppress(SlurmError):
            rows = slurm.accounted(job)
            over = rows and rows[0]["State"].split()[0] in slurm.ENDED
            if over or time.monotonic() > latest:
                return rows
        if time.monotonic() > latest:
            return []
        time.sleep(2)
