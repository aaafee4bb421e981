"""Runs that take long enough to be disturbed, and what is asked of them and of Slurm afterwards."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.projects import ROOT, Project, whole_lines

RESULTS = ("_masks.ome.tif", "_cells.csv", "cells.csv", "cells.parquet", "_overlay.png")
STEPS = ("segment", "masks", "measure", "overlay")

# What is over, in the words of the accounts.
_LIVE = ("PENDING", "RUNNING", "REQUEUED", "RESIZING", "SUSPENDED")


# Left out unless they are asked for: others beside them prove most of the same in a minute less.
LONG = (pytest.mark.slow, pytest.mark.long)


def settings(**segmentation: object) -> dict:
    return {
        "images": {"folder": "images"},
        "segmentation": {"engine": "threshold", "min_size": 30, **segmentation},
        "results": "results",
    }


def draw_large(path: Path, seed: int, times: int = 16, *, pole: bool = False) -> None:
    """Write an image of so many times 125 pixels a side, with bright squares; few: it is size that takes time.

    A bright pole from the top to the bottom is split into cells as a whole, which takes memory that nobody foresees.
    """
    tile = np.random.default_rng(seed).integers(100, 200, (125, 125), np.uint16)
    image = np.tile(tile, (times, times))
    for row in range(10, 100, 30):
        image[row : row + 8, 20 : 40 + seed] += 2000
    if pole:
        image[:, 60:90] = 2200
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, image)


def results_of(images: Path, folder: Path, wanted: dict) -> dict[str, bytes]:
    """Return the results of a run that nothing disturbed, on this computer."""
    project = Project(folder, wanted)
    (folder / "images").symlink_to(images)
    run = project.run()
    assert run.returncode == 0, run.stderr
    return project.contents(*RESULTS)


def processes(project: Project, step: str) -> list[int]:
    """Return the processes in which a step of a project works, and of no other project on this machine."""
    plan = f"SEGMAKE_PLAN={project.results / '.segmake' / 'plan.json'}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ")
            own = plan in (process / "environ").read_bytes().split(b"\0")
            if own and f"-m segmake {step} ".encode() in words:
                found.append(int(process.name))
    return found


def hold(project: Project, step: str = "segment") -> list[str]:
    """Hold a step of a project still; return the numbers of the jobs in which it works."""
    jobs = []
    for process in processes(project, step):
        with suppress(OSError):
            os.kill(process, signal.SIGSTOP)
            variables = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
            jobs += [word[13:].decode() for word in variables if word.startswith(b"SLURM_JOB_ID=")]
    return jobs


def let_go(project: Project, step: str = "segment") -> None:
    """Let what was held go on."""
    for process in processes(project, step):
        with suppress(OSError):
            os.kill(process, signal.SIGCONT)


@contextmanager
def held(project: Project, step: str = "segment") -> Iterator[None]:
    """Hold every process of a step still as soon as it is there, and let all go on in the end."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            hold(project, step)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        let_go(project, step)


def lose(run: subprocess.Popen, how: signal.Signals = signal.SIGKILL) -> None:
    """Let the main process of a run be lost, with all that it had started on this computer."""
    os.killpg(run.pid, how)
    run.wait()


def jobs(project: Project) -> list[dict]:
    """Return the last line that the record has of each job."""
    lines = whole_lines(project.results / ".segmake" / "jobs.jsonl")
    records = {line["job"]["id"]: line for line in lines if "job" in line}
    return list(records.values())


def accounted(project: Project) -> dict[str, str]:
    """Return the state of each job that was ever sent from a project's folder, as Slurm's accounts have it."""
    command = ["sacct", "--noheader", "--allocations", "--parsable2", "--starttime=now-1days"]
    command += ["--allusers", "--format=JobID,State,WorkDir"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    fields = [line.split("|", 2) for line in lines]
    return {job: state.split()[0] for job, state, folder in fields if folder == str(project.folder)}


def ended(project: Project) -> dict[str, str]:
    """Return what `accounted` does, once it knows how all jobs of the project ended."""
    end = time.monotonic() + 300
    while True:
        # The accounts hear of jobs some seconds later than the queue.
        known, states = set(queued(project, "--states=all")), accounted(project)
        if known <= set(states) and not any(state in _LIVE for state in states.values()):
            return states
        if time.monotonic() > end:
            raise TimeoutError(f"waited for jobs to end: {states}")
        time.sleep(0.5)


def queued(project: Project, *options: str) -> dict[str, str]:
    """Return the state of each job of a project that is in the queue now."""
    command = ("squeue", "--noheader", "--format=%i|%T|%Z", *options)
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    fields = [line.split("|", 2) for line in lines]
    return {job: state for job, state, folder in fields if folder == str(project.folder)}


def running(rule: str) -> str | None:
    """Return the number of a job of a rule that runs now."""
    command = ("squeue", "--noheader", "--states=R", "--format=%i %k")
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    known = (f"rule_{rule}_", "rule_batch" if rule == "segment" else f"rule_{rule}_")
    return next((line.split()[0] for line in lines if any(word in line for word in known)), None)


def status(project: Project, *options: str) -> str:
    """Return what the command `status` says, typed into another terminal."""
    # Before the run has planned anything, there is nothing to tell.
    return _segmake(project, "status", *options).stdout


def submit(project: Project) -> tuple[Path, str]:
    """Have the main process sent as a job; return its log, and its number."""
    project.write_config()
    sent = _segmake(project, "submit", *project.command()[3:])
    assert sent.returncode == 0, sent.stderr
    told = re.search(r"tail -f (.*)\n.*scancel (\d+)", sent.stdout)
    assert told, sent.stdout
    return Path(told[1]), told[2]


def surroundings(project: Project) -> dict:
    """Return where, and with which variables, a user types the commands of SegMake."""
    variables = project.environment() | {"PYTHONPATH": str(ROOT / "workflow")}
    return {"cwd": project.folder, "env": variables, "text": True}


def _segmake(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "segmake", *words]
    return subprocess.run(command, capture_output=True, check=False, **surroundings(project))


def assert_as_if_nothing_had_happened(project: Project, calm: dict[str, bytes]) -> None:
    images = len(list(project.images.iterdir()))
    for step in STEPS:
        done = project.finished(step)
        assert len(done) == len(set(done)) == images, (step, done)
    assert project.contents(*RESULTS) == calm
