"""Memory and time that grow: jobs that really take more than they asked for, and are sent again with more."""

from __future__ import annotations

import shutil

from segmake.firstday import runs
from segmake.firstday.day import Day
from segmake.firstday.jobs import PROBES
from segmake.firstday.step import Figures, Skipped
from segmake.messages import Problem, say

# Twice what the job asks for at first is enough for this.
ASKED_GB = 1
TAKEN_MB = 1300

# Slurm looks twice a minute for jobs that are out of time.
LOOK_SECONDS = 40


def memory(day: Day, figures: Figures) -> None:
    """Do a run of a script that takes more memory than was asked for."""
    _grow(day, figures, "memory", f"--megabytes={TAKEN_MB}", minutes=10)


def time(day: Day, figures: Figures) -> None:
    """Do a run of a script that takes more time than was asked for."""
    seconds = 60 * (1 + day.minutes_over) + LOOK_SECONDS
    if seconds > 1800:
        raise Skipped(Problem("SM-DAY-016", what=say("firstday.unproved.time")))
    _grow(day, figures, "time", f"--seconds={seconds}", minutes=1)


def _grow(day: Day, figures: Figures, cause: str, argument: str, *, minutes: int) -> None:
    """Do a run whose only job has too little at first.

    Raises
    ------
    Problem
        ``SM-DAY-014`` if the run failed.
    Skipped
        With ``SM-DAY-016`` if Slurm did not end the job, though it took more than it asked for.
    """
    folder = day.fresh("run")
    folder.joinpath("scripts").mkdir()
    shutil.copyfile(PROBES / "hungry.py", folder / "scripts" / "hungry.py")
    name, _, value = argument.removeprefix("--").partition("=")
    script = {
        "name": "hungry",
        "script": "scripts/hungry.py",
        "run": "once",
        "arguments": {name: int(value)},
        "resources": {"memory_gb": ASKED_GB, "hours": minutes / 60, "cpus": 1},
        "outputs": ["taken.csv"],
    }
    cluster = runs.cluster_section(day, minutes=10, memory_gb=2, cpus=1)
    # No GPU is asked for.
    cluster["partition"] = cluster.get("cpu_partition") or cluster.get("partition")
    wanted = {"images": {"folder": None}, "scripts": [script], "cluster": cluster}
    runs.prepare(folder, wanted)
    run = runs.run(day, folder, *runs.NO_CONDA)
    own = [one for one in run.jobs if one.job.rule.endswith("hungry")]
    figures["jobs"] = [
        {
            "state": one.job.state,
            "cause": one.cause,
            "memory_mb": one.job.memory_mb,
            "minutes": one.job.minutes,
        }
        for one in own
    ]
    run.refuse_failed()
    if cause not in [one.cause for one in own]:
        raise Skipped(Problem("SM-DAY-016", what=say(f"firstday.unproved.{cause}")))
