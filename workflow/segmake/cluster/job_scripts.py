"""The jobs of a run as the scripts that an administrator knows: what ``sbatch`` would be handed for each kind of them.

A dry run of Snakemake's, started for this, writes the jobs down (`segmake.adapter.shown_jobs`) with the code that sends
them; here they are put together by what they ask for, and written as scripts. Nothing is sent.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from segmake.cluster.submit import main_command, request
from segmake.core.config import Config
from segmake.messages import say
from segmake.outcome.queue import IMAGE_RULES
from segmake.slurm import commands as slurm

# Tells a dry run in which file to write down the jobs.
VARIABLE = "SEGMAKE_JOB_SCRIPTS"

# Stands for what is another word in the names of each run's jobs.
RUN = "RUN"

# What differs from batch to batch, and is nothing that is asked for.
_OF_ONE_JOB = ("--output", "--comment")


@dataclass(frozen=True)
class JobScript:
    """A job as it would be sent.

    Attributes
    ----------
    rule, batch : str
        As in the record of jobs; of the main process, `rule` is ``main``.
    options : list of list of str
        The options of sbatch, each with its value if that is a word of its own.
    script : str
        What the job runs.
    images : int
        The number of images that it works on, 0 where it does not.
    """

    rule: str
    batch: str
    options: list[list[str]]
    script: str
    images: int = 0

    @classmethod
    def of_call(cls, rule: str, batch: str, call: str, script: str, images: int) -> JobScript:
        """Return a job by its call of sbatch as a shell would be given it."""
        return cls(rule, batch, grouped(shlex.split(call)[1:]), script, images)

    @property
    def asked(self) -> str:
        """What is asked of Slurm, and is the same for jobs of a kind."""
        return str([option for option in self.options if option[0] not in _OF_ONE_JOB])


def grouped(words: Iterable[str]) -> list[list[str]]:
    """Return the words of a command line as its options, each with its value if that is a word of its own."""
    options: list[list[str]] = []
    for word in words:
        if word.startswith("-") or not options:
            options.append([word])
        else:
            options[-1].append(word)
    return options


# In the dry run


def are_asked() -> bool:
    """Whether this process was started to write down its jobs."""
    return VARIABLE in os.environ


def write(jobs: Iterable[JobScript], here: list[str]) -> None:
    """Write down jobs for who asked for them, and the rules that are done without a job."""
    found = {"jobs": [asdict(job) for job in jobs], "here": here}
    Path(os.environ[VARIABLE]).write_text(json.dumps(found), encoding="ascii")


# For whoever wants to see them


def job_scripts(config: Config, options: list[str]) -> dict[str, str]:
    """Return a script for each kind of job that a run would send, by the name of its file; nothing is sent.

    Parameters
    ----------
    config : Config
    options : list of str
        Options of snakemake: the profile, and which config.

    Raises
    ------
    SystemExit
        If snakemake finds something wrong, after it has said so.
    """
    command = main_command(options)
    jobs, here = _ask(command)
    words, script = request(config, command)
    main = JobScript("main", "", grouped([slurm.PARSABLE, *words]), f"{slurm.SHELL}\n{script}")
    about = [say("jobs.main")]
    if here:
        about.append(say("jobs.here", rules=", ".join(here)))
    return {**dict(_scripts(jobs)), "main.slurm": _text(main, about)}


def head(config: Path, scripts: Mapping[str, str]) -> str:
    """Return what is to be known of all scripts, as a comment."""
    lines = [say("jobs.head", config=config), say("jobs.run", word=RUN)]
    if not slurm.is_here():
        lines.append(say("jobs.no_slurm"))
    if len(scripts) == 1:
        lines.append(say("jobs.nothing"))
    return "\n".join(f"# {line}" for line in lines)


def _ask(command: list[str]) -> tuple[list[JobScript], list[str]]:
    """Return the jobs that a dry run would send, and the rules that are done without one."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "jobs.json")
        run = subprocess.run(
            [*command, "--dry-run"],
            # Sets have an order of their own in each process, and Snakemake writes words from them.
            env={**os.environ, VARIABLE: str(file), "PYTHONHASHSEED": "0"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        if run.returncode or not file.exists():
            sys.stderr.write(run.stderr.decode(errors="replace").lstrip("\n"))
            sys.exit(run.returncode or 1)
        found = json.loads(file.read_text(encoding="ascii"))
    return [JobScript(**job) for job in found["jobs"]], found["here"]


def _scripts(jobs: list[JobScript]) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of a script for all jobs that ask for the same."""
    kinds: dict[str, dict[str, list[JobScript]]] = {}
    for job in sorted(jobs, key=lambda job: (_place(job.rule), job.rule, job.batch)):
        kinds.setdefault(job.rule, {}).setdefault(job.asked, []).append(job)
    for rule, alike in kinds.items():
        for number, same in enumerate(alike.values(), 1):
            name = f"{rule}-{number}" if len(alike) > 1 else rule
            yield f"{name}.slurm", _text(same[0], [_about(rule, same)])


def _place(rule: str) -> int:
    order = IMAGE_RULES
    return order.index(rule) if rule in order else len(order) + (rule == "report")


def _about(rule: str, jobs: list[JobScript]) -> str:
    """Return which jobs a script stands for."""
    batches = [job.batch for job in jobs if job.batch]
    where = f"{batches[0]}-{batches[-1]}" if len(batches) > 1 else "".join(batches)
    images = sum(job.images for job in jobs)
    words = [say("jobs.kind", rule=rule, number=len(jobs))]
    if where:
        words.append(say("jobs.batches", number=len(batches), batches=where))
    if images:
        words.append(say("jobs.images", number=images))
    return ", ".join(words) + (say("jobs.first") if len(jobs) > 1 else ".")


def _text(job: JobScript, about: list[str]) -> str:
    """Return a job as a script that says itself what it asks for."""
    shell, _, body = job.script.partition("\n")
    notes = [f"# {line}" for line in about if line]
    options = [f"#SBATCH {shlex.join(option)}" for option in job.options]
    return "\n".join([shell, *notes, *options, "", body])
