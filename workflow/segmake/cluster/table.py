"""What the cluster is like now, as text for people."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from segmake.core.columns import columns
from segmake.core.files import readable
from segmake.messages import say
from segmake.messages.numbers import duration, number
from segmake.slurm.fates import fates

_LIMITS = (
    *("max_jobs", "max_submitted", "max_gpus", "max_gpus_per_job", "max_gpus_of_group"),
    "max_minutes",
)


def describe(known: dict[str, Any]) -> str:
    """Return in words what `segmake.cluster.watched.watched` returned."""
    shown = [one for one in known["partitions"] if not one["hidden"]]
    lines = list(columns([say("cluster.head").split("|"), *map(_partition, shown)]))
    lines += ["", *_limits(known["limits"])]
    states = Counter(job["state"] for job in known["jobs"])
    counts = {name: states[name] for name in ("running", "waiting")}
    lines += ["", say("cluster.jobs", **counts), *columns(map(_job, known["jobs"]))]
    age = duration(max(0, round(time.time() - known["asked"])))
    return "\n".join([*lines, "", say("cluster.asked", age=age)])


def _partition(one: dict[str, Any]) -> list[str]:
    opened = "cluster.up_default" if one["default"] else "cluster.up"
    minutes = one["max_minutes"]
    gpus = (
        f"{say('cluster.of', some=gpu['free'], all=gpu['total'])} {gpu['model'] or ''}".strip()
        for gpu in one["gpus"]
    )
    return [
        one["name"],
        say(opened if one["up"] else "cluster.down"),
        duration(minutes * 60) if minutes else say("cluster.no_limit"),
        say("cluster.of", some=one["usable_nodes"], all=one["nodes"]),
        str(one["cpus"]),
        say("space.GB", number=number(one["memory_mb"] / 1024)),
        ", ".join(gpus) or "-",
    ]


def _limits(limits: list[dict[str, Any]] | None) -> Iterator[str]:
    if limits is None:
        yield say("cluster.no_accounts")
        return
    yield say("cluster.limits")
    for one in limits:
        told = [say(f"cluster.{name}", number=one[name]) for name in _LIMITS if one[name]]
        name = say(f"cluster.{one['of']}", name=one["name"])
        where = f" ({one['partition']})" if one["partition"] else ""
        granted = ", ".join(told) or say("cluster.unlimited")
        yield f"  {say('phrases.of', what=f'{name}{where}', said=granted)}"


def _job(job: dict[str, Any]) -> list[str]:
    fate = fates("waiting").get(job["fate"] or "")
    state = say("status.waits" if job["state"] == "waiting" else "status.works")
    why = job["reason"] or ""
    if fate and why:
        why = say("phrases.of", what=fate.says(), said=why)
    work = " ".join(filter(None, (job["rule"], job["batch"])))
    folder = job["folder"] if job["of_segmake"] else ""
    return [f"  {job['id']}", state, readable(job["name"]), work, readable(folder), why]
