"""What Slurm says of the cluster at this moment: its partitions, the GPUs that are free, the user's limits and jobs.

All in plain values, which are kept and answered as they are.
"""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Iterable
from typing import Any

from segmake.slurm import fates
from segmake.slurm.commands import (
    STATES_OF_USE,
    Job,
    SlurmError,
    ask,
    gpus_in,
    minutes_of,
    partitions,
    seconds_of,
    work_of,
)

# A face waits for the answer, and others for it.
TIMEOUT_SECONDS = 20.0

# Stands between the fields that squeue prints: names and comments may have any other sign in them.
_BETWEEN = "\x1f"

# What SegMake's runs and their main processes are called in the queue.
_OWN_NAME = re.compile(r"segmake(_.+)?")

_WIDE = 256

Values = dict[str, Any]


def cluster_now() -> Values:
    """Return ``partitions``, the ``gpus`` of all together, and the user's ``jobs``.

    Takes four commands: scontrol, sinfo twice, squeue.

    Raises
    ------
    SlurmError
        If Slurm does not answer.
    """
    known = partitions(TIMEOUT_SECONDS)
    layout = ",".join(
        f"{name}:{_WIDE}" for name in ("Partition", "NodeList", "StateCompact", "Gres", "GresUsed")
    )
    lines = ask(
        "sinfo", "--all", "--noheader", "--Node", f"--Format={layout}", timeout=TIMEOUT_SECONDS
    )
    nodes = [_columns(line) for line in lines]
    found = []
    for name, partition in known.items():
        # The default partition has a star behind its name.
        own = [node for node in nodes if node[0].rstrip("*") == name]
        found.append(
            {
                "name": name,
                "default": partition.default,
                "up": partition.up,
                "hidden": partition.hidden,
                "max_minutes": partition.minutes,
                "nodes": len(own),
                "usable_nodes": sum(node[2] in STATES_OF_USE for node in own),
                "cpus": partition.cpus,
                "memory_mb": partition.memory_mb,
                "gpus": _gpus_of(own),
            }
        )
    # A node may be in several partitions.
    every = {node[1]: node for node in nodes}.values()
    return {"partitions": found, "gpus": _gpus_of(every), "jobs": own_jobs()}


def own_jobs() -> list[Values]:
    """Return the user's jobs that wait or run, those of SegMake with what they work on and where.

    Raises
    ------
    SlurmError
        If Slurm does not answer.
    """
    layout = _BETWEEN.join(("%i", "%T", "%r", "%P", "%V", "%S", "%e", "%m", "%l", "%Z", "%j", "%k"))
    command = ("squeue", "--noheader", f"--user={os.getuid()}", f"--format={layout}")
    rows = [line.split(_BETWEEN) for line in ask(*command, timeout=TIMEOUT_SECONDS)]
    return [_job(*row) for row in rows if len(row) == 12]


def limits() -> list[Values] | None:
    """Return what the accounting database grants the user: by account, and by quality of service.

    Takes two commands, which ask the database and not the controller. None where the cluster keeps no accounts, or
    does not answer.
    """
    command = ("sacctmgr", "--noheader", "--parsable2", "list")
    try:
        user = getpass.getuser()
        fields = "Account,Partition,QOS,MaxJobs,MaxSubmit,MaxTRES,GrpTRES,MaxWall"
        asked = (*command, "associations", f"user={user}", f"format={fields}")
        rows = [line.split("|") for line in ask(*asked, timeout=TIMEOUT_SECONDS)]
        rows = [row for row in rows if len(row) == 8]
        found = [_limits("account", row[0], row[1], *row[3:]) for row in rows]
        if names := sorted({name for row in rows for name in row[2].split(",") if name}):
            fields = "Name,MaxJobsPU,MaxSubmitPU,MaxTRESPU,GrpTRES,MaxWall"
            asked = (*command, "qos", f"name={','.join(names)}", f"format={fields}")
            rows = [line.split("|") for line in ask(*asked, timeout=TIMEOUT_SECONDS)]
            found += [_limits("qos", row[0], "", *row[1:]) for row in rows if len(row) == 6]
    except (SlurmError, KeyError, OSError):
        return None
    return found


def _columns(line: str) -> list[str]:
    """Return what stands in the columns of a line of sinfo, each of one width."""
    return [line[start : start + _WIDE].strip() for start in range(0, 5 * _WIDE, _WIDE)]


def _gpus_of(nodes: Iterable[list[str]]) -> list[Values]:
    """Return for each model of GPU how many there are, and how many of them are free."""
    found: dict[str, Values] = {}
    for _, _, state, devices, used in nodes:
        busy = dict(gpus_in(used))
        for model, number in gpus_in(devices):
            one = found.setdefault(model, {"model": model or None, "total": 0, "free": 0})
            one["total"] += number
            if state in STATES_OF_USE:
                one["free"] += max(0, number - busy.get(model, 0))
    return [found[model] for model in sorted(found)]


def _job(
    id: str,
    state: str,
    reason: str,
    partition: str,
    submitted: str,
    started: str,
    ends: str,
    memory: str,
    limit: str,
    folder: str,
    name: str,
    comment: str,
) -> Values:
    rule, batch = work_of(comment)
    own = bool(_OWN_NAME.fullmatch(name))
    waits = Job(id, rule, batch, state).waits
    word = reason if waits and reason != "None" else None
    fate = fates.waits(word or "") or fates.waits(state) if waits else None
    return {
        "id": id,
        "name": name,
        "partition": partition,
        "state": "waiting" if waits else "running",
        "slurm_state": state,
        "reason": word,
        "fate": fate.name if fate else None,
        "submitted": seconds_of(submitted),
        "started": None if waits else seconds_of(started),
        # Of a job that waits, Slurm's guess.
        "ends": None if waits else seconds_of(ends),
        "starts_about": seconds_of(started) if waits else None,
        "memory": memory or None,
        "max_minutes": minutes_of(limit),
        "folder": folder,
        "of_segmake": own,
        "rule": rule if own and rule else None,
        "batch": batch if own and batch else None,
    }


def _limits(
    of: str, name: str, partition: str, jobs: str, submitted: str, own: str, group: str, wall: str
) -> Values:
    return {
        "of": of,
        "name": name,
        "partition": partition or None,
        "max_jobs": _number(jobs),
        "max_submitted": _number(submitted),
        # Of an association it counts for each job, of a QOS for all of the user's together.
        "max_gpus_per_job": _gpus_granted(own) if of == "account" else None,
        "max_gpus": _gpus_granted(own) if of == "qos" else None,
        "max_gpus_of_group": _gpus_granted(group),
        "max_minutes": minutes_of(wall),
    }


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def _gpus_granted(resources: str) -> int | None:
    """Return the number of GPUs in a limit such as ``cpu=64,gres/gpu=4``; None where it has none."""
    found = re.findall(r"gres/gpu(?::[^=,]+)?=(\d+)", resources)
    return min(map(int, found)) if found else None
