"""What a look at a run costs: ``segmake status --json``, asked again and again by a page, and the text of it.

    python benchmarks/status.py
    python benchmarks/status.py --before FOLDER    beside an earlier SegMake: FOLDER is its clone

The results folders are made by SegMake's own functions, as a run with so many images leaves them when it is at work:
batches of 2,000 images, all steps done but for the last images, one in a hundred failed. There are no images and no
results. Between two looks the run goes on by some images. CPU seconds and memory are the kernel's (the least of some
looks: what else the machine does only adds to them), system calls those of strace where it is there.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from unittest.mock import patch

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "workflow")]

from segmake.config.load import load_config  # noqa: E402
from segmake.core.ended_runs import note_begin  # noqa: E402
from segmake.core.files import write_lock  # noqa: E402
from segmake.core.journal import Journal  # noqa: E402
from segmake.plan.overview import overview_of, write_overview  # noqa: E402
from segmake.plan.plan import Batch, Plan, write_plan  # noqa: E402
from segmake.plan.result_paths import ResultPaths  # noqa: E402
from segmake.runner.step_names import STEPS  # noqa: E402

BATCH = 2000
SIZES = (12, 1000, 10_000)
LOOKS = 10
STATUS = ("-m", "segmake", "status")

# Started by a small process: the memory of whoever starts one counts as its own until it is another program.
START = """
import os, sys
nothing = os.open(os.devnull, os.O_WRONLY)
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, nothing, 1)])
code, used = os.wait4(process, 0)[1:]
print(code, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""
CONFIG = "images: {folder: images}\nsegmentation: {engine: threshold}\nresults: results\n"

# What a step notes of an image that is done, as long as in a run.
_FILE = [40_016, "92eeef1bdc38e372e86fec6f9c7529ea51c56d24bd6c6e312940dedf13910dc2"]
_SEGMENTED = {
    **dict.fromkeys(("width_px", "height_px"), 2048),
    **{"seconds": 0.5, "cells": 100, "channel": "Phase", "channel_number": 1, "channels": 2},
    **{"times": [1], "all_times": 1, "slices": [1], "all_slices": 1, "projection": None},
    **{"position": None, "objective": "100x/1.45 Oil", "acquired": "2026-11-29T06:00:00"},
    **{"lossy": False, "model": "bact_phase_cp3", "device": "NVIDIA A40"},
    "phases": {"read": 0.101, "load": 0.0, "network": 0.313, "masks": 0.05, "write": 0.03},
    "versions": {"numpy": "2.4.6", "cellpose": "3.1.1", "torch": "2.13.0", "tifffile": "2026.3.3"},
}
_FILES = {"segment": 1, "masks": 1, "measure": 2, "overlay": 3}


@dataclass(eq=False)
class Run:
    """A run at work, of which some images are left."""

    folder: Path
    images: int
    left: list[int] = field(default_factory=list)

    def make(self) -> None:
        """Write what a run with so many images has written by now."""
        (self.folder / "config").mkdir(parents=True)
        config = self.folder / "config" / "config.yaml"
        config.write_text(CONFIG)
        settings = load_config(config, images=False).settings | {
            "results": str(self.folder / "results")
        }
        self.folders = ResultPaths(Path(settings["results"]))
        names = [f"day{number % 7}/position_{number:05d}.nd2" for number in range(self.images)]
        self.batches = {
            f"{number // BATCH + 1:04d}": self._batch(number // BATCH + 1, names[number:][:BATCH])
            for number in range(0, self.images, BATCH)
        }
        pending = {
            name: dict.fromkeys(STEPS, len(batch.tasks["segment"]))
            for name, batch in self.batches.items()
        }
        plan = Plan(
            settings=settings,
            config=str(config),
            command="snakemake --profile slurm",
            started=1_795_930_728.5,
            left_out=0,
            batches=self.batches,
            states=dict.fromkeys(names, "new"),
            to_do={**dict.fromkeys(STEPS, self.images), "batches": len(self.batches)},
            small=[],
            pending=pending,
        )
        write_plan(plan)
        write_overview(overview_of(plan), self.folders.overview)
        with self.folders.lock.open("w") as lock:
            write_lock(lock)
        note_begin(self.folders.runs, plan.name)
        self.left = list(range(max(0, self.images - LOOKS * 3), self.images))
        for number in range(self.images):
            if number not in self.left:
                self._do(number)

    def go_on(self) -> None:
        """Do some more images."""
        for number in self.left[:2]:
            self._do(number)
        del self.left[:2]

    def _batch(self, number: int, names: list[str]) -> Batch:
        tasks = {
            step: [
                self.folders.task(step, name, Path("images", name), 0, 1, "0" * 16, 1, False, False)
                for name in names
            ]
            for step in STEPS
        }
        return Batch(f"{number:04d}", tasks, {step: [1] * len(names) for step in STEPS})

    def _do(self, number: int) -> None:
        batch = self.batches[f"{number // BATCH + 1:04d}"]
        for step in STEPS:
            task = batch.tasks[step][number % BATCH]
            journal = self._journal(self.folders.journal(step, batch.name))
            journal.add(task.image, "started", task.key, 1, run="1795930728.5", host="node1")
            if number % 100 == 50:
                names = {"code": "SM-IMG-002", "where": f"images/{task.image}", "values": {}}
                journal.add(task.image, "failed", task.key, 1, **names)
                return
            outputs = {f"{step}/{task.image}_{n}": _FILE for n in range(_FILES[step])}
            details = _SEGMENTED if step == "segment" else {"seconds": 0.1, "cells_kept": 100}
            journal.add(task.image, "done", task.key, 1, **details, outputs=outputs)

    @cache  # noqa: B019
    def _journal(self, path: Path) -> Journal:
        # Opened anew, it would be read for each image.
        return Journal(path)


@dataclass(frozen=True)
class Cost:
    """What a process took: CPU seconds, the most memory in MB, and system calls where they are known."""

    cpu: float
    memory: float
    calls: int | None = None

    def __str__(self) -> str:
        calls = "" if self.calls is None else f"{self.calls:,}"
        return f"{self.cpu:.2f} s | {self.memory:.0f} MB | {calls}"


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="the clone of an earlier SegMake")
    parser.add_argument("--repeat", type=int, default=5, help="of so many looks, the best counts")
    options = parser.parse_args()
    print("| images | look | CPU | memory | system calls |\n|---|---|---|---|---|")
    for images in SIZES:
        with tempfile.TemporaryDirectory(prefix="segmake-benchmark-") as folder:
            run = Run(Path(folder, "run"), images)
            # What is measured is not how fast this disk is.
            with patch("os.fsync", lambda number: None):
                run.make()
            for name, cost in looks(run, Path(folder, "cache"), options):
                print(f"| {images:,} | {name} | {cost} |", flush=True)


def looks(run: Run, caches: Path, options: argparse.Namespace):
    """Yield what the looks at a run cost."""
    os.environ["XDG_CACHE_HOME"] = str(caches)

    def forget() -> None:
        shutil.rmtree(caches, ignore_errors=True)

    yield "--json, first", best(run, forget, options.repeat, ROOT, "--json")
    for _ in range(LOOKS - 2):
        run.go_on()
        look(run.folder, ROOT, "--json")
    yield "--json, tenth", best(run, run.go_on, options.repeat, ROOT, "--json")
    yield "text", best(run, run.go_on, options.repeat, ROOT)
    if options.before:
        values = json.loads(run.folders.plan.read_text())
        for unknown in ("pending", "journals"):
            del values[unknown]
        run.folders.plan.write_text(json.dumps(values))
        yield "text, before", best(run, lambda: None, options.repeat, options.before)


def best(run: Run, before, repeat: int, clone: Path, *words: str) -> Cost:
    """Return what a look costs at least, with `before` done before each."""
    costs = []
    for _ in range(repeat):
        before()
        costs.append(look(run.folder, clone, *words))
    before()
    calls = system_calls(run.folder, clone, *words)
    return Cost(min(c.cpu for c in costs), min(c.memory for c in costs), calls)


def look(folder: Path, clone: Path, *words: str) -> Cost:
    """Look once."""
    command = [sys.executable, "-I", "-S", "-c", START, sys.executable, *STATUS, *words]
    said = subprocess.check_output(command, cwd=folder, env=environment(clone), text=True)
    code, seconds, kilobytes = said.split()
    assert code == "0"
    return Cost(float(seconds), float(kilobytes) / 1024)


def system_calls(folder: Path, clone: Path, *words: str) -> int | None:
    """Return how many system calls a look makes; None where that can't be counted."""
    if shutil.which("strace") is None:
        return None
    command = ["strace", "-f", "-c", sys.executable, *STATUS, *words]
    traced = subprocess.run(
        command, cwd=folder, env=environment(clone), capture_output=True, text=True, check=False
    )
    total = re.search(r"^100\.00\s+\S+\s+(?:\d+\s+)?(\d+)\s+(?:\d+\s+)?total$", traced.stderr, re.M)
    return int(total[1]) if total else None


def environment(clone: Path) -> dict[str, str]:
    """Return the variables with which the SegMake of a clone is run."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": str(clone / "workflow"), "SEGMAKE_LANG": "en"}


if __name__ == "__main__":
    main()
