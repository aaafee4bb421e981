"""What a look at a run costs: ``segmake status --json``, asked again and again by a page.

    python benchmarks/status.py [--before CHECKOUT]

The results folders are made by SegMake's own functions, as a run with so many images leaves them when it is at work:
batches of 2,000 images, all steps done but for the last images, one in a hundred failed. There are no images and no
results. Between two looks the run goes on by some images. System calls are those of strace where it is there.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from unittest.mock import patch

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]

from benchmarks.house import Cost, Figure, Given, Way, alone, cost, figures, surroundings  # noqa: E402

from segmake.config.load import load_config  # noqa: E402
from segmake.core.declared_steps import STEPS  # noqa: E402
from segmake.core.ended_runs import note_begin  # noqa: E402
from segmake.core.files import write_lock  # noqa: E402
from segmake.core.journal import Journal  # noqa: E402
from segmake.plan.overview import overview_of, write_overview  # noqa: E402
from segmake.plan.plan import Batch, Plan  # noqa: E402
from segmake.plan.result_paths import ResultPaths  # noqa: E402
from segmake.plan.written_plan import write_plan  # noqa: E402

TITLE = "A look at a run at work"
NOTE = (
    "`segmake status --json`, as a page asks it; between two looks the run goes on by two images."
)
UNIT = "images"
SIZES = (12, 10_000)
QUICK = (12, 1_000)

BATCH = 2000
LOOKS = 10
STATUS = (sys.executable, "-m", "segmake", "status", "--json")

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


def measure(sizes: list[int], repeats: int, given: Given = Given()) -> list[Figure]:  # noqa: B008
    """Return what looks at a run with so many images cost."""
    found = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="segmake-benchmark-") as folder:
            run = Run(Path(folder, "run"), size)
            # What is measured is not how fast this disk is.
            with patch("os.fsync", lambda number: None):
                run.make()
            found += figures(size, _ways(run, Path(folder, "caches"), given), repeats)
    return found


def _ways(run: Run, caches: Path, given: Given) -> list[Way]:
    """Return the looks: the first and the later ones of a checkout, each with what it keeps for itself."""

    def first(clone: Path) -> Cost:
        return look(run.folder, clone, lambda: Path(tempfile.mkdtemp(dir=run.folder.parent)))

    def again(title: str, clone: Path) -> Cost:
        own = caches / title
        if not own.exists():
            own.mkdir(parents=True)
            cost(STATUS, run.folder, clone, XDG_CACHE_HOME=str(own))
        return look(run.folder, clone, lambda: run.go_on() or own)

    ways = []
    for title, clone in given.checkouts().items():
        ways += [
            Way(f"{title}, a later look", partial(again, title, clone)),
            Way(f"{title}, the first look", partial(first, clone)),
        ]
    return ways


def look(folder: Path, clone: Path, caches: Callable[[], Path]) -> Cost:
    """Look, as a page does, and once more to count system calls; `caches` says where each look keeps things."""
    taken = cost(STATUS, folder, clone, XDG_CACHE_HOME=str(caches()))
    calls = system_calls(folder, clone, caches())
    return replace(taken, counted={} if calls is None else {"system calls": calls})


def system_calls(folder: Path, clone: Path, caches: Path) -> int | None:
    """Return how many system calls a look makes; None where that can't be counted."""
    if shutil.which("strace") is None:
        return None
    traced = subprocess.run(
        ["strace", "-f", "-c", *STATUS],
        cwd=folder,
        env=surroundings(clone) | {"XDG_CACHE_HOME": str(caches)},
        capture_output=True,
        text=True,
        check=False,
    )
    total = re.search(r"^100\.00\s+\S+\s+(?:\d+\s+)?(\d+)\s+(?:\d+\s+)?total$", traced.stderr, re.M)
    return int(total[1]) if total else None


if __name__ == "__main__":
    alone(sys.modules[__name__])
