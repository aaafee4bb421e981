"""Sends the main process itself as a job, for login nodes that allow no long processes."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from segmake import slurm
from segmake.cluster import Cluster
from segmake.config import load_config
from segmake.messages import Problem, say
from segmake.slurm import SlurmError

# Snakemake plans and waits; the largest thing that it does itself is to load the model once.
MEMORY_MB = 4096

# Where a partition has no limit of its own.
LONGEST_MINUTES = 7 * 24 * 60


def submit(config: Path, options: list[str]) -> str:
    """Send ``snakemake --profile slurm`` as a job, and return what to tell the user.

    Parameters
    ----------
    config : Path
        The config file, for the partition.
    options : list of str
        Further options of snakemake.

    Raises
    ------
    Problem, Problems
        If there is no Slurm here, or the config or what it asks of the cluster is wrong.
    SystemExit
        If snakemake itself finds something wrong, after it has said so.
    """
    if not slurm.is_here():
        raise Problem("SM-RUN-011")
    snakemake = [sys.executable, "-m", "snakemake", *options]
    # What is wrong is better said here than in a log.
    if code := subprocess.run([*snakemake, "--dry-run"], stdout=subprocess.DEVNULL).returncode:
        sys.exit(code)
    settings = load_config(config).settings
    partition = Cluster(settings).partition(gpu=False)
    logs = Path(settings["results"], "logs").absolute()
    logs.mkdir(parents=True, exist_ok=True)
    minutes = min((partition and partition.minutes) or LONGEST_MINUTES, LONGEST_MINUTES)
    section = settings["cluster"]
    asked = {
        "--job-name": "segmake",
        "--partition": partition and partition.name,
        "--account": section["account"],
        "--qos": section["qos"],
        "--mem": MEMORY_MB,
        "--cpus-per-task": 1,
        "--time": minutes,
        # Slurm puts the job's number for %j, and one percent sign for two.
        "--output": f"{str(logs).replace('%', '%%')}/segmake_%j.log",
    }
    words = [f"{name}={value}" for name, value in asked.items() if value is not None]
    try:
        job = slurm.submit([*words, *section["sbatch_options"]], f"exec {shlex.join(snakemake)}\n")
    except SlurmError as error:
        answer = " ".join(str(error).split())
        raise Problem("SM-CLU-010", where=str(config), answer=answer) from None
    return say("submit.sent", job=job, log=logs / f"segmake_{job}.log")
