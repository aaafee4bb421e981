"""Asks Slurm what the cluster has, and what became of jobs.

Only commands that every user may run are used: sinfo, scontrol, squeue, sbatch --test-only, scancel; and sacct and
sacctmgr where the cluster keeps an accounting database.
"""

from __future__ import annotations

import getpass
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from segmake.core.declared_steps import SEGMENT
from segmake.core.files import one_line
from segmake.slurm import fates

# The group of Snakemake whose jobs do all steps of a batch, ``batch0003``: where none of them needs a GPU.
TOGETHER = "batch"

# The group whose jobs do what follows the segmentation, ``after0003``; in the record of jobs it stands for a rule.
AFTERWARDS = "after"

# The rules of the users' scripts are called by this and the script's name.
SCRIPT = "step_"

# What a script begins with that is no job of Snakemake's, and what has sbatch print the job's number alone.
SHELL = "#!/bin/bash"
PARSABLE = "--parsable"

# Longer than Slurm's own patience with a busy controller.
TIMEOUT_SECONDS = 60

ENDED = (
    "COMPLETED",
    "FAILED",
    "CANCELLED",
    "TIMEOUT",
    "OUT_OF_MEMORY",
    "NODE_FAIL",
    "BOOT_FAIL",
    "DEADLINE",
    "PREEMPTED",
)


# What a command says when it could not ask the controller: no word on what was asked.
_NO_ANSWER = re.compile(r"unable to contact|timed out|connection refused", re.IGNORECASE)


# So many jobs are named in one question to the accounts: a command line is no longer than the system lets it be.
_ASKED_AT_ONCE = 1000


class SlurmError(Exception):
    """Slurm's own words about a command that it refused or did not answer."""


@dataclass
class Partition:
    """A partition, and the largest job that one of its nodes takes.

    Attributes
    ----------
    name : str
    default : bool
    up : bool
    hidden : bool
        Whether the cluster does not show it; those who may use it can.
    minutes : int or None
        Its time limit; None if it has none.
    memory_mb : int
        The most memory that a job can have on one node.
    cpus : int
        The most cores that a job can have on one node.
    gpus : dict
        The number of GPUs in the partition by model; the model is ``""`` where the cluster gives it no name.
    memory_beside_gpus : dict
        The most memory in MB of a node with such GPUs, by model; other nodes of the partition may have more.
    incomplete : bool
        Whether nodes of it are down, drained or silent now.
    """

    name: str
    default: bool = False
    up: bool = True
    hidden: bool = False
    minutes: int | None = None
    memory_mb: int = 0
    cpus: int = 0
    gpus: dict[str, int] = field(default_factory=dict)
    incomplete: bool = False
    memory_beside_gpus: dict[str, int] = field(default_factory=dict)

    def most_memory_mb(self, *, gpu: bool, model: str | None) -> int | None:
        """Return the most memory that a job can have on one node, which has a GPU (of a model) if it needs one."""
        nodes = self.memory_beside_gpus.items() if gpu else ()
        beside = max((memory for name, memory in nodes if model in (None, name)), default=0)
        # 0 stands for what the cluster does not say.
        return min(filter(None, (beside, self.memory_mb)), default=None)


@dataclass(frozen=True)
class Job:
    """A job that Slurm knows of.

    Attributes
    ----------
    id : str
    rule, batch : str
        Snakemake's rule, and the batch that it works on; empty where there is none.
    state : str
        Slurm's word, such as ``PENDING``, ``RUNNING`` or ``OUT_OF_MEMORY``.
    reason : str
        Why it waits, or how it ended, in Slurm's words.
    submitted, started, ended : float or None
        Seconds since 1970; None where that has not happened.
    memory_mb, minutes : int or None
        What was asked for; None where Slurm does not say.
    """

    id: str
    rule: str
    batch: str
    state: str
    reason: str = ""
    submitted: float | None = None
    started: float | None = None
    ended: float | None = None
    memory_mb: int | None = None
    minutes: int | None = None

    @property
    def waits(self) -> bool:
        """Whether it is in the queue, or was put back there; one whose nodes are being made ready does not."""
        return self.state in _WAITING


# How sinfo calls a node that can work, if not at once; a sign behind it, as in ``idle*``, says that it can't.
STATES_OF_USE = ("idle", "mix", "alloc", "comp", "plnd", "mix-", "n/a")

_WAITING = (
    *("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED"),
    *("SPECIAL_EXIT", "RESV_DEL_HOLD"),
)

# In these, Slurm's start is only a guess.
_NOT_BEGUN = (*_WAITING, "CONFIGURING")


def is_here() -> bool:
    """Whether jobs can be sent from this machine."""
    return shutil.which("sbatch") is not None


def partitions(timeout: float | None = None) -> dict[str, Partition]:
    """Return the partitions of the cluster by name.

    Parameters
    ----------
    timeout : float, optional
        How many seconds each of its two questions may take.

    Raises
    ------
    SlurmError
        If Slurm does not answer.
    """
    found: dict[str, Partition] = {}
    limits: dict[str, dict[str, str]] = {}
    command = ("scontrol", "--all", "show", "partition", "--oneliner")
    for line in ask(*command, timeout=timeout):
        facts = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if name := facts.get("PartitionName"):
            limits[name] = facts
            found[name] = Partition(
                name=name,
                default=facts.get("Default") == "YES",
                up=facts.get("State", "UP") == "UP",
                hidden=facts.get("Hidden") == "YES",
                minutes=minutes_of(facts.get("MaxTime", "")),
            )
    command = ("sinfo", "--all", "--noheader", "--exact", "--format=%R|%D|%c|%m|%t|%G")
    for line in ask(*command, timeout=timeout):
        if line.count("|") < 5:
            continue
        name, nodes, cpus, memory, state, devices = line.split("|", 5)
        partition = found.setdefault(name, Partition(name))
        partition.cpus = max(partition.cpus, _number(cpus))
        partition.memory_mb = max(partition.memory_mb, _number(memory))
        partition.incomplete |= state not in STATES_OF_USE
        for model, number in gpus_in(devices):
            if total := number * _number(nodes):
                partition.gpus[model] = partition.gpus.get(model, 0) + total
                most = partition.memory_beside_gpus.get(model, 0)
                partition.memory_beside_gpus[model] = max(most, _number(memory))
    for name, facts in limits.items():
        _limit(found[name], facts)
    return found


def configuration() -> dict[str, str]:
    """Return the cluster's configuration, such as ``SelectType``, by the names that Slurm has for it.

    Raises
    ------
    SlurmError
        If Slurm does not answer.
    """
    pairs = (line.split("=", 1) for line in ask("scontrol", "show", "config") if "=" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def keeps_accounts() -> bool:
    """Whether the cluster keeps accounts in a database, as its configuration says."""
    try:
        return "slurmdbd" in configuration().get("AccountingStorageType", "")
    except SlurmError:
        return False


def node_names() -> list[str]:
    """Return the names of the cluster's nodes.

    Raises
    ------
    SlurmError
        If Slurm does not answer.
    """
    return sorted(set(ask("sinfo", "--all", "--noheader", "--Node", "--format=%N")))


def accounts() -> list[str]:
    """Return the accounts that the user may charge, in lower case; empty where the cluster does not say."""
    try:
        user = getpass.getuser()
        command = ("sacctmgr", "--noheader", "--parsable2", "list", "associations")
        lines = ask(*command, f"user={user}", "format=account")
        return sorted({line.lower() for line in lines if line})
    except SlurmError:
        return []


def qualities() -> list[str]:
    """Return the qualities of service that the user may ask for; empty where the cluster does not say."""
    try:
        user = getpass.getuser()
        command = ("sacctmgr", "--noheader", "--parsable2", "list", "associations")
        lines = ask(*command, f"user={user}", "format=qos")
        return sorted({name for line in lines for name in line.split(",") if name})
    except SlurmError:
        return []


def room(account: str | None = None, qos: str | None = None) -> tuple[int, str] | None:
    """Return how many jobs Slurm takes at once of the user, and its word for that limit; None where it is unknown.

    What the accounting database says counts. Limits of an account, which its users share, and of a partition's QOS are
    only learned from refusals.

    Parameters
    ----------
    account, qos : str or None
        Those of the jobs; without, a limit is known only where the user has no other.
    """
    command = ("sacctmgr", "--noheader", "--parsable2", "list")
    limits: list[tuple[str, str]] = []
    try:
        user = getpass.getuser()
        lines = ask(*command, "associations", f"user={user}", "format=Account,MaxSubmit,QOS")
        rows = [line.split("|") for line in lines if line.count("|") == 2]
        rows = [row for row in rows if account is None or row[0].lower() == account.lower()]
        if len(rows) == 1:
            limits.append((rows[0][1], "AssocMaxSubmitJobLimit"))
        names = {qos} if qos else {name for row in rows for name in row[2].split(",")}
        if len(names) == 1:
            lines = ask(*command, "qos", f"name={names.pop()}", "format=MaxSubmitPU")
            limits += [(limit, "QOSMaxSubmitJobPerUserLimit") for limit in lines]
    except SlurmError:
        return None
    return min(((int(limit), word) for limit, word in limits if limit.isdigit()), default=None)


def reason(words: str) -> str:
    """Return the reason in what sbatch said: ``QOSMaxSubmitJobPerUserLimit``, or all of it in one line."""
    lines = [re.sub(r"^(sbatch: )?(error: )?", "", line.strip()) for line in words.splitlines()]
    short = [line for line in lines if re.fullmatch(r"\w+", line)]
    return short[0] if short else one_line("; ".join(dict.fromkeys(lines)))


def submit(options: Iterable[str], script: str) -> str:
    """Send a shell script as a job, and return the job's number.

    Raises
    ------
    SlurmError
        If Slurm refuses it.
    """
    said = ask("sbatch", PARSABLE, *options, script=f"{SHELL}\n{script}")
    if number := number_of_job(said):
        return number
    raise SlurmError("\n".join(said))


def number_of_job(said: Iterable[str]) -> str:
    """Return the number of a job from what sbatch printed: ``17`` or ``17;cluster``; empty if there is none.

    Parameters
    ----------
    said : iterable of str
        Lines. A site may have sbatch print its own before the number.
    """
    found = [re.fullmatch(r"(?:Submitted batch job )?(\d+)(?:;\S+)?", one.strip()) for one in said]
    return next((match[1] for match in reversed(found) if match), "")


def state_of(job: str) -> str:
    """Return the state of a job of the user that has not ended; empty where there is none of this number.

    Raises
    ------
    SlurmError
        If Slurm does not answer.
    """
    command = ("squeue", "--noheader", f"--user={os.getuid()}", "--format=%i|%T")
    return dict(line.split("|", 1) for line in ask(*command)).get(job, "")


def node_of(job: str) -> str:
    """Return the node that a job of the user runs on; empty where it runs on none.

    Raises
    ------
    SlurmError
        If Slurm does not answer.
    """
    command = ("squeue", "--noheader", f"--user={os.getuid()}", "--format=%i|%N")
    return dict(line.split("|", 1) for line in ask(*command)).get(job, "")


def refusal(options: Iterable[str]) -> str | None:
    """Return why Slurm would refuse a job with these options of sbatch, or None if it would not; nothing is sent.

    A refusal that passes by itself, such as of one job too many for now, is none.

    Raises
    ------
    SlurmError
        If Slurm does not answer.
    """
    try:
        ask("sbatch", "--test-only", *options, "--wrap", "true")
    except SlurmError as error:
        if _NO_ANSWER.search(str(error)):
            raise
        words = [line.split("error: ")[-1] for line in str(error).splitlines() if line.strip()]
        # Limits on what is in the queue count here too, and are no word on the job.
        return None if fates.refused("\n".join(words)).passes else "; ".join(dict.fromkeys(words))
    return None


def jobs_of_run(run: str) -> list[Job]:
    """Return the jobs of a run of Snakemake that Slurm still knows of: all that wait or run, and some that ended.

    Parameters
    ----------
    run : str
        The name that the run gave to all of its jobs.

    Raises
    ------
    SlurmError
        If Slurm does not answer.
    """
    layout = "%i|%T|%V|%S|%e|%m|%l|%r|%k"
    command = ("squeue", "--noheader", "--states=all", f"--user={os.getuid()}")
    lines = ask(*command, f"--name={run}", f"--format={layout}")
    return [_job(*line.split("|", 8)) for line in lines if line.count("|") >= 8]


def ended_jobs(ids: Iterable[str]) -> list[Job]:
    """Return what the accounting database has of jobs that ended; their ``rule`` and ``batch`` are empty.

    Raises
    ------
    SlurmError
        If the database does not answer.
    """
    layout = "JobID,State,Submit,Start,End"
    command = ("sacct", "--noheader", "--parsable2", "--allocations", f"--format={layout}")
    lines = ask(*command, f"--jobs={','.join(ids)}")
    jobs = [_job(*line.split("|")) for line in lines if line.count("|") == 4]
    return [job for job in jobs if job.state in ENDED]


def memory_of(ids: Iterable[str]) -> dict[str, tuple[float, float]]:
    """Return what the accounting database has of jobs: when they were sent, and the most memory of their steps in MB.

    Slurm's steps of a job are at work at the same time, one within the other: what they used is added up. Nothing is
    returned for jobs that it does not know, and 0 MB where it did not see a step at work.

    Raises
    ------
    SlurmError
        If the database does not answer, or there is none.
    """
    found: dict[str, tuple[float, float]] = {}
    asked = sorted(set(ids))
    command = ("sacct", "--noheader", "--parsable2", "--format=JobID,Submit,MaxRSS")
    for first in range(0, len(asked), _ASKED_AT_ONCE):
        some = asked[first : first + _ASKED_AT_ONCE]
        for line in ask(*command, f"--jobs={','.join(some)}"):
            step, submitted, memory = [*line.split("|"), "", ""][:3]
            job, _, of_job = step.partition(".")
            sent, used = found.get(job, (0.0, 0.0))
            sent = sent if of_job else seconds_of(submitted) or 0.0
            found[job] = sent, used + _bytes(memory) / 1024**2
    return found


def accounted(job: str) -> list[dict[str, str]]:
    """Return what the accounting database has of a job and of each of its steps, by the names that sacct has for it.

    Raises
    ------
    SlurmError
        If the database does not answer, or there is none.
    """
    names = ("JobID", "State", "ElapsedRaw", "MaxRSS", "TotalCPU", "AllocTRES")
    command = ("sacct", "--noheader", "--parsable2", f"--format={','.join(names)}")
    lines = ask(*command, f"--jobs={job}")
    return [dict(zip(names, line.split("|"), strict=False)) for line in lines]


def times_of_this_job() -> tuple[float, float] | None:
    """Return how long the job that this process belongs to has run, and how long it still may, in seconds.

    None where this is no job, or Slurm does not say. What is left may be negative, while the job is being stopped.
    """
    try:
        job = os.environ["SLURM_JOB_ID"]
        command = ("squeue", "--noheader", f"--jobs={job}", "--format=%S|%e")
        # A job that is being stopped has 30 seconds (Slurm's KillWait), and must write its journal in them.
        line = ask(*command, timeout=5)
        started, ends = (float(moment) for moment in line[0].split("|"))
    except (KeyError, SlurmError, ValueError, IndexError):
        return None
    return time.time() - started, ends - time.time()


def cancel(ids: Iterable[str]) -> None:
    """Cancel jobs; one that has ended already is left alone.

    Raises
    ------
    SlurmError
        If Slurm does not answer.
    """
    if ids := list(ids):
        ask("scancel", "--quiet", *ids)


def tell_to_end(job: str) -> None:
    """Send SIGTERM to the script of a job that runs, and to no other of its processes: it ends them as it should.

    Raises
    ------
    SlurmError
        If Slurm does not answer.
    """
    ask("scancel", "--quiet", "--batch", "--signal=TERM", job)


def ask(*command: str, script: str = "", timeout: float | None = None) -> list[str]:
    """Return the lines that a command of Slurm printed, which was given a script to read.

    Raises
    ------
    SlurmError
        If it refuses, or does not answer in time.
    """
    # The user's own formats and filters (SQUEUE_FORMAT...) must not change what is read here. Those of sbatch
    # (SBATCH_ACCOUNT...) stay: the executor's own sbatch obeys them too.
    environment = {
        key: value
        for key, value in os.environ.items()
        if not re.match(r"(SQUEUE|SINFO|SACCT|SCANCEL|SCONTROL)_", key)
    }
    environment |= {"SLURM_TIME_FORMAT": "%s", "LC_ALL": "C"}
    try:
        answer = subprocess.run(
            command,
            env=environment,
            input=script,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout or TIMEOUT_SECONDS,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        raise SlurmError(error.stderr.strip() or shlex.join(command[:3])) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SlurmError(str(error)) from None
    return answer.stdout.splitlines()


def _job(
    id: str,
    state: str,
    submitted: str,
    started: str,
    ended: str,
    memory: str = "",
    limit: str = "",
    reason: str = "",
    comment: str = "",
) -> Job:
    rule, batch = work_of(comment)
    # Slurm says "CANCELLED by 1000".
    word = (state.split() or [""])[0]
    begun = word not in _NOT_BEGUN
    return Job(
        id=id,
        rule=rule,
        batch=batch,
        state=word,
        reason=reason if reason != "None" else "",
        submitted=seconds_of(submitted),
        started=seconds_of(started) if begun else None,
        ended=seconds_of(ended) if word in ENDED else None,
        memory_mb=_megabytes(memory),
        minutes=minutes_of(limit),
    )


def work_of(comment: str) -> tuple[str, str]:
    """Return the rule and the batch that a job's comment names; empty where it names none.

    Parameters
    ----------
    comment : str
        As the executor writes it: ``rule_segment_wildcards_0003_5f3a``, or of a group its name and its rules,
        ``rule_after0003_masks_measure_overlay``.
    """
    if group := re.match(rf"rule_({TOGETHER}|{AFTERWARDS})(\d+)_(\w+)", comment):
        rules = group[3].split("_")
        # A job that does all steps of a batch is one of segmentation, which asks for most and takes longest.
        first = SEGMENT if SEGMENT in rules else AFTERWARDS
        return rules[0] if len(rules) == 1 else first, group[2]
    named = re.match(rf"rule_({SCRIPT}.+?)_wildcards_(\d+(?:-\d+)?)", comment) or re.match(
        r"rule_([A-Za-z]+)(?:_wildcards_)?(\d*)", comment
    )
    return (named[1], named[2]) if named else ("", "")


def gpus_in(devices: str) -> Iterator[tuple[str, int]]:
    """Yield model and number of the GPUs in a node's list of devices, such as ``gpu:a40:9(S:0-1),tmpdisk:100``."""
    for device in re.sub(r"\([^)]*\)", "", devices).split(","):
        kind, *rest = device.split(":")
        if kind == "gpu":
            number = int(rest[-1]) if rest and rest[-1].isdigit() else 1
            names = rest[:-1] if rest and rest[-1].isdigit() else rest
            yield ":".join(name for name in names if name != "no_consume"), number


def _limit(partition: Partition, facts: dict[str, str]) -> None:
    """Lower what a partition's largest node has to what the partition gives of it to a job."""
    cores = facts.get("MaxCPUsPerNode", "")
    if cores.isdigit():
        partition.cpus = min(partition.cpus, int(cores))
    memory = _megabytes(facts.get("MaxMemPerNode", ""))
    # A job that asks for more memory than goes with its cores is given more cores.
    if per_core := _megabytes(facts.get("MaxMemPerCPU", "")):
        memory = per_core * partition.cpus
    if memory:
        partition.memory_mb = min(partition.memory_mb, memory) or memory


def minutes_of(limit: str) -> int | None:
    """Return a limit such as ``1-12:00:00`` or ``30:00`` in minutes, or None for one that is none."""
    days, _, clock = limit.rpartition("-")
    parts = clock.split(":")
    if not all(part.isdigit() for part in parts):
        return None
    numbers = [int(part) for part in parts]
    if days:
        hours, minutes, _ = [*numbers, 0, 0][:3]
    elif len(numbers) == 3:
        hours, minutes = numbers[:2]
    else:
        hours, minutes = 0, numbers[0]
    return (int(days or 0) * 24 + hours) * 60 + minutes


def _megabytes(memory: str) -> int | None:
    found = re.match(r"(\d+(?:\.\d+)?)([KMGT]?)", memory)
    if not found:
        return None
    return int(float(found[1]) * {"K": 1 / 1024, "": 1, "M": 1, "G": 1024, "T": 1024**2}[found[2]])


def _bytes(memory: str) -> float:
    """Return a number of bytes such as ``861320K``, as ``sacct`` has it; 0 where it says nothing."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGTP]?)", memory)
    return float(found[1]) * 1024 ** " KMGTP".index(found[2] or " ") if found else 0.0


def _number(text: str) -> int:
    """Return the number in ``36`` or ``36+``."""
    digits = re.match(r"\d+", text)
    return int(digits[0]) if digits else 0


def seconds_of(text: str) -> float | None:
    """Return a time as `ask` has Slurm write it, in seconds since 1970; None where it has none."""
    return float(text) if text.replace(".", "", 1).isdigit() else None
