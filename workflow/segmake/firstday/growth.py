"""Memory and time that grow: jobs that really take more than they asked for, and are sent again with more."""

from __future__ import annotations

import math
import os
import shutil
import time as clock
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from segmake.engines import engine
from segmake.firstday import runs
from segmake.firstday.day import Day
from segmake.firstday.jobs import PROBES
from segmake.firstday.queue import PLAIN
from segmake.firstday.step import Figures, Skipped
from segmake.messages import Problem, say

# Twice what the job asks for at first is enough for this.
ASKED_GB = 1
TAKEN_MB = 1300

# Slurm looks twice a minute for jobs that are out of time.
LOOK_SECONDS = 40

# More than this is not waited for.
MOST_SECONDS = 1800

# Pictures of so many times 512 pixels a side, as many as this computer is fast: of fewer, all steps would be one job.
TIMES = 6
FEWEST, MOST = 50, 500

# A node may be so many times as fast.
FASTER = 2


def memory(day: Day, figures: Figures) -> None:
    """Do a run of a script that takes more memory than was asked for."""
    folder = day.fresh("run")
    folder.joinpath("scripts").mkdir()
    shutil.copyfile(PROBES / "hungry.py", folder / "scripts" / "hungry.py")
    script = {
        "name": "hungry",
        "script": "scripts/hungry.py",
        "run": "once",
        "arguments": {"megabytes": TAKEN_MB},
        "resources": {"memory_gb": ASKED_GB, "hours": 10 / 60, "cpus": 1},
        "outputs": ["taken.csv"],
    }
    wanted = {"images": {"folder": None}, "scripts": [script]}
    _grow(day, figures, folder, wanted, "memory", minutes=10)


def time(day: Day, figures: Figures) -> None:
    """Do a run of so many pictures that their job takes more time than was asked for."""
    seconds = 60 * (1 + day.minutes_over) + LOOK_SECONDS
    if seconds > MOST_SECONDS:
        raise Skipped(Problem("SM-DAY-016", what=say("firstday.unproved.time")))
    folder = day.fresh("run")
    number = _draw_many(folder / "images", seconds)
    figures["pictures"] = number
    wanted = {"images": {"folder": "images"}, "segmentation": PLAIN}
    _grow(day, figures, folder, wanted, "time", minutes=1, batch_size=number)


def _draw_many(folder: Path, seconds: float) -> int:
    """Draw pictures whose cells take so many seconds at least to be found, and return their number."""
    [first] = runs.draw(folder, size=512)
    picture = np.tile(tifffile.imread(first), (TIMES, TIMES))
    tifffile.imwrite(first, picture)
    threshold = engine("threshold")
    settings = {"polarity": "dark", "method": "otsu", "smoothing": 1.0, "diameter": 10, **PLAIN}
    loaded = threshold.load(settings)
    began = clock.perf_counter()
    threshold.masks(loaded, threshold.predict(loaded, [picture]))
    took = clock.perf_counter() - began
    number = min(max(math.ceil(FASTER * seconds / took), FEWEST), MOST)
    for place in range(1, number):
        # They take no room on the disk.
        os.link(first, folder / f"field_{place:03d}.tif")
    return number


def _grow(
    day: Day,
    figures: Figures,
    folder: Path,
    wanted: dict[str, Any],
    cause: str,
    *,
    minutes: int,
    batch_size: int = 1,
) -> None:
    """Do a run whose only job has too little at first.

    Raises
    ------
    Problem
        ``SM-DAY-014`` if the run failed.
    Skipped
        With ``SM-DAY-016`` if Slurm did not end the job, though it took more than it asked for.
    """
    cluster = runs.cluster_section(day, minutes=minutes, memory_gb=4, cpus=1)
    # No GPU is asked for.
    cluster["partition"] = cluster.get("cpu_partition") or cluster.get("partition")
    runs.prepare(folder, {**wanted, "cluster": {**cluster, "batch_size": batch_size}})
    run = runs.run(day, folder, *runs.NO_CONDA)
    figures["jobs"] = [
        {
            "rule": one.job.rule,
            "state": one.job.state,
            "cause": one.cause,
            "memory_mb": one.job.memory_mb,
            "minutes": one.job.minutes,
        }
        for one in run.jobs
    ]
    run.refuse_failed()
    if cause not in [one.cause for one in run.jobs]:
        raise Skipped(Problem("SM-DAY-016", what=say(f"firstday.unproved.{cause}")))
