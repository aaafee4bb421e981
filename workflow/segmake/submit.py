"""Sends the main process itself as a job, for login nodes that allow no long processes."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from segmake import slurm
from segmake.cluster import Cluster, option_words
from segmake.config import load_config
from segmake.messages import Problem, say
from segmake.plan import Folders
from segmake.slurm import SlurmError
from segmake.status import DEFAULT_CONFIG, who_runs

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
        If there is no Slurm here, another run works in the results folder, or the config or what it asks of the
        cluster is wrong.
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
    folders = Folders(Path(settings["results"]))
    # The job would find it out too, but only its log would tell.
    if runner := who_runs(folders.lock):
        raise Problem("SM-RUN-009", where=str(folders.results), results=folders.results, **runner)
    partition = Cluster(settings).partition(gpu=False)
    logs = (folders.results / "logs").absolute()
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
    words += option_words(section["sbatch_options"])
    try:
        job = slurm.submit(words, f"exec {shlex.join(snakemake)}\n")
    except SlurmError as error:
        answer = " ".join(str(error).split())
        raise Problem("SM-CLU-010", where=str(config), answer=answer) from None
    status = ["python", "-m", "segmake", "status", "--follow"]
    if config != DEFAULT_CONFIG:
        status += ["--results", str(folders.results)]
    log = shlex.quote(str(logs / f"segmake_{job}.log"))
    return say("submit.sent", job=job, status=shlex.join(status), log=log)
