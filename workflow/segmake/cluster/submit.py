"""Sends the main process itself as a job, for login nodes that allow no long processes.

Before the time of that job is up it sends itself again, as often as needed; the next one goes on with the jobs that are
in the queue.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from segmake.cluster.checks import Cluster
from segmake.core.absent_packages import absent
from segmake.core.config import DEFAULT_CONFIG, Config
from segmake.core.files import write_atomically
from segmake.core.installation import can_run
from segmake.messages import Problem, say
from segmake.outcome.status import main_job, who_runs
from segmake.plan.result_paths import ResultPaths
from segmake.slurm import commands as slurm
from segmake.slurm.commands import Partition, SlurmError
from segmake.slurm.requests import option_words, partition_name

# Snakemake plans and waits; the largest thing that it does itself is to load the model once.
MEMORY_MB = 4096

# A job that asks for more waits longer, and this one goes on as another.
LONGEST_MINUTES = 24 * 60

# Slurm sends this signal so long before the time of the job is up; it may come up to a minute sooner.
SIGNAL = signal.SIGUSR1
NOTICE_SECONDS = 300

# A refusal that passes is asked about again after so long, while there is time.
PATIENCE_SECONDS = 10.0

# So many jobs in a row that bring no image and no run of a script to its end are no way to go on.
IDLE_JOBS = 5

# Tells the main process that it is a job that can send itself again.
VARIABLE = "SEGMAKE_SUBMITTED"


def submit(config: Path, options: list[str], before: Sequence[Path] = ()) -> str:
    """Send ``snakemake --profile slurm`` as a job, and return what to tell the user.

    Parameters
    ----------
    config : Path
        The config file, for the partition.
    options : list of str
        Further options of snakemake.
    before : sequence of Path
        Other configs, which count where this one says nothing.

    Raises
    ------
    Problem, Problems
        If there is no Slurm or no Snakemake here, another run works in the results folder, or the config or what it
        asks of the cluster is wrong.
    SystemExit
        If snakemake itself finds something wrong, after it has said so.
    """
    # Jobs, which have this module too, read no config.
    from segmake.config.load import load_config

    if not slurm.is_here():
        raise Problem("SM-RUN-011")
    if not can_run():
        raise absent("snakemake")
    snakemake = main_command(options)
    # What is wrong is better said here than in a log.
    if code := subprocess.run([*snakemake, "--dry-run"], stdout=subprocess.DEVNULL).returncode:
        sys.exit(code)
    loaded = load_config(config, before=before)
    folders = ResultPaths(Path(loaded.typed.results))
    # The job would find it out too, but only its log would tell.
    if runner := who_runs(folders.lock):
        raise Problem("SM-RUN-009", where=str(folders.results), results=folders.results, **runner)
    if waiting := main_job(folders):
        raise Problem("SM-CLU-053", where=str(folders.results), job=waiting[0], state=waiting[1])
    options, script = request(loaded, snakemake)
    (folders.results / "logs").mkdir(parents=True, exist_ok=True)
    try:
        job = slurm.submit(options, script)
    except SlurmError as error:
        raise Problem("SM-CLU-010", where=str(config), answer=slurm.one_line(error)) from None
    _remember(folders, options, script, job)
    status = ["segmake", "status", "--follow"]
    if config != DEFAULT_CONFIG or before:
        status += ["--results", str(folders.results)]
    log = shlex.quote(str((folders.results / "logs" / f"segmake_{job}.log").absolute()))
    return say("submit.sent", job=job, status=shlex.join(status), log=log)


def request(config: Config, command: list[str]) -> tuple[list[str], str]:
    """Return what sbatch is asked for the main process, and the script that it is given; nothing is sent.

    Parameters
    ----------
    config : Config
    command : list of str
        The words of the command that it is to run.
    """
    options = _options(config, Path(config.typed.results))
    script = f"export {VARIABLE}=1\nexec {shlex.join(command)}\n"
    return [*options, *option_words(config.typed.cluster.sbatch_options)], script


def snakemake_options(profile: str, config: Path, before: Sequence[Path] = ()) -> list[str]:
    """Return Snakemake's options for a profile and a config, and others that are named before it."""
    usual = config == DEFAULT_CONFIG and not before
    files = [] if usual else ["--configfile", *map(str, before), str(config)]
    return ["--profile", profile, *files]


def main_command(options: Iterable[str]) -> list[str]:
    """Return the words that start Snakemake as this Python has it, with its options."""
    return [sys.executable, "-P", "-m", "snakemake", *options]


def sends_itself_again() -> bool:
    """Whether this process is a job that `submit` sent."""
    return VARIABLE in os.environ


def send_again(folders: ResultPaths, job: str | None, done: int) -> str:
    """Send the main process again, to begin when this job has ended, and return the number of the next one.

    Parameters
    ----------
    folders : ResultPaths
    job : str or None
        The number of this job.
    done : int
        How many images, and runs of scripts, were done when it began.

    Raises
    ------
    SlurmError
        If Slurm refuses it several times, it is not known any more what was sent, or several jobs in a row brought
        nothing to its end.
    """
    try:
        sent = json.loads(folders.submitted.read_text(encoding="ascii"))
        options, script = sent["options"], sent["script"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SlurmError(str(error)) from None
    idle = sent.get("idle", 0) + 1 if sent.get("done") == done else 0
    if idle >= IDLE_JOBS:
        raise SlurmError(say("submit.idle", number=idle))
    after = [f"--dependency=afterany:{job}"] if job else []
    for last in (False, False, True):
        try:
            number = slurm.submit([*options, *after], script)
            break
        except SlurmError:
            if last:
                raise
            time.sleep(PATIENCE_SECONDS)
    _remember(folders, options, script, number, done=done, idle=idle)
    return number


def _remember(
    folders: ResultPaths, options: list[str], script: str, job: str, **progress: int
) -> None:
    folders.state.mkdir(parents=True, exist_ok=True)
    with write_atomically(folders.submitted) as part:
        part.write_text(json.dumps({"options": options, "script": script, "job": job, **progress}))


def _options(config: Config, results: Path) -> list[str]:
    """Return the options of sbatch for the main process."""
    section = config.typed.cluster
    logs = (results / "logs").absolute()
    asked = {
        "--job-name": "segmake",
        "--account": section.account,
        "--qos": section.qos,
        "--mem": MEMORY_MB,
        "--cpus-per-task": 1,
        # Slurm puts the job's number for %j, and one percent sign for two.
        "--output": f"{str(logs).replace('%', '%%')}/segmake_%j.log",
    }
    words = [f"{name}={value}" for name, value in asked.items() if value is not None]
    if slurm.is_here():
        partition = _partition(Cluster(config.settings, config.site), words)
    else:
        named = partition_name(section, gpu=False)
        partition = Partition(named) if named else None
    minutes = min((partition and partition.minutes) or LONGEST_MINUTES, LONGEST_MINUTES)
    notice = max(min(NOTICE_SECONDS, minutes * 60 // 4), 1)
    where = [f"--partition={partition.name}"] if partition else []
    return [*words, *where, f"--time={minutes}", f"--signal=B:{SIGNAL.name[3:]}@{notice}"]


def _partition(cluster: Cluster, options: list[str]) -> Partition | None:
    """Return where the main process goes: the config's partition for CPUs; else one without GPUs that takes it."""
    own = cluster.partition(gpu=False)
    if own is None or not own.gpus:
        return own
    others = [
        one
        for one in cluster.partitions.values()
        if one.up and not one.hidden and not one.gpus and cluster.allows(one)
    ]
    for other in sorted(others, key=lambda one: -(one.minutes or LONGEST_MINUTES)):
        minutes = min(other.minutes or LONGEST_MINUTES, LONGEST_MINUTES)
        asked = [*options, f"--partition={other.name}", f"--time={minutes}"]
        try:
            if slurm.refusal(asked) is None:
                return other
        except SlurmError:
            break
    return own
