"""Holds the site file against the cluster, and proposes what it does not say, from what the cluster has."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from segmake.cluster.checks import Cluster
from segmake.config.schema import schema, with_defaults
from segmake.config.site_settings import take_from_site
from segmake.core import site as site_module
from segmake.core.config import Config
from segmake.core.site import Site
from segmake.environments.solving.cuda import ask_a_node
from segmake.messages import Problem, Problems, joined, say
from segmake.messages.numbers import hours_setting
from segmake.slurm import commands as slurm
from segmake.slurm.commands import Partition, SlurmError

# The public half of what a login node proves itself with; everybody may read it.
HOST_KEY = Path("/etc/ssh/ssh_host_ed25519_key.pub")

# Matches no option of sbatch: Snakemake, which has some of its own, is not asked here.
_NO_OPTION = "(?!)"


class Proposal(NamedTuple):
    """A line of a site file: what it says, why, and whether that is for people to decide."""

    section: str
    key: str
    value: Any
    why: str
    open: bool = False


def config_of(site: Site) -> Config:
    """Return what would hold for somebody whose config says nothing of the cluster, with an engine that takes a GPU."""
    written = {"images": {"folder": "."}, "segmentation": {"engine": "cellpose3"}}
    settings = with_defaults(written, schema(), "cellpose3")
    config = Config(settings, site_module.SITE, written=written, site=site)
    take_from_site(config)
    return config


def site_problems(site: Site) -> list[Problem]:
    """Return what this cluster does not have, or would refuse, of what the site file says.

    Raises
    ------
    Problem
        ``SM-CLU-001`` if Slurm does not answer.
    """
    config = config_of(site)
    cluster = Cluster(config.settings, site)
    if not any(partition.gpus for partition in cluster.partitions.values()):
        config.settings["segmentation"]["engine"] = "threshold"
        cluster = Cluster(config.settings, site)
    try:
        cluster.check(config, [_NO_OPTION])
    except Problems as problems:
        return problems.problems
    return []


def proposals(site: Site, *, node: bool = False) -> list[Proposal]:
    """Return what the site file might say besides.

    Parameters
    ----------
    site : Site
    node : bool
        Whether a node is asked for its driver, which takes a job of a second.

    Raises
    ------
    Problem
        ``SM-CLU-001`` if Slurm does not answer.
    """
    config = config_of(site)
    cluster = Cluster(config.settings, site)
    allowed = [one for one in cluster.partitions.values() if one.up and cluster.allows(one)]
    shown = [one for one in allowed if not one.hidden]
    found = list(_of_partitions(config, cluster, shown))
    found += _of_requests(config, site) if cluster.gpus else ()
    found += [*_of_accounts(), *(_of_node(config) if node else ()), *_of_this_machine()]
    found.append(Proposal("", "contact", _example("contact"), say("proposed.contact"), open=True))
    return [one for one in found if not _says(site, one)]


def _says(site: Site, proposal: Proposal) -> bool:
    section = site.settings.get(proposal.section) if proposal.section else site.settings
    return (section or {}).get(proposal.key) is not None


def _of_partitions(config: Config, cluster: Cluster, shown: list[Partition]) -> Iterator[Proposal]:
    with_gpus = sorted((one for one in shown if one.gpus), key=lambda one: -sum(one.gpus.values()))
    without = sorted((one for one in shown if not one.gpus), key=lambda one: -_minutes(one))
    if with_gpus and config.site.cluster.get("partition") is None:
        yield Proposal("cluster", "partition", with_gpus[0].name, _facts(with_gpus))
        # What follows is about that one.
        config.settings["cluster"]["partition"] = with_gpus[0].name
    if with_gpus and without:
        yield Proposal("cluster", "cpu_partition", without[0].name, _facts(without))
    main = cluster.partition(gpu=True)
    if main is None:
        return
    models = sorted(filter(None, main.gpus), key=lambda model: -main.gpus[model])
    if len(models) > 1:
        names = ", ".join(f"{main.gpus[model]} {model}" for model in models)
        yield Proposal("cluster", "gpu_model", models[0], say("proposed.gpu_model", models=names))
        config.settings["cluster"]["gpu_model"] = config.site.cluster.get("gpu_model", models[0])
    if number := cluster.gpus:
        why = say("proposed.max_gpus", number=number)
        yield Proposal("cluster", "max_gpus", number, why, open=True)
    yield from _of_limits(main)


def _of_limits(main: Partition) -> Iterator[Proposal]:
    """Yield limits; what the partition gives to a job holds anyway: people may want less."""
    values = {
        "hours": int(hours) if (hours := hours_setting(_minutes(main))).isdigit() else hours,
        "memory_gb": main.memory_mb // 1024,
        "cpus": main.cpus,
    }
    for key, value in values.items():
        if value:
            yield Proposal("limits", key, value, say("proposed.limit", name=main.name), open=True)


def _of_requests(config: Config, site: Site) -> Iterator[Proposal]:
    """Yield how the cluster takes a request for a GPU, where it does not take the usual one."""
    taken = []
    for kind in ("gpus", "gres"):
        section = {**config.settings["cluster"], "gpu_request": kind}
        cluster = Cluster({**config.settings, "cluster": section}, site)
        with suppress(SlurmError):
            if cluster.refusal(segment=True) is None:
                taken.append(kind)
    if taken == ["gres"]:
        yield Proposal("cluster", "gpu_request", "gres", say("proposed.gpu_request"))


def _of_accounts() -> Iterator[Proposal]:
    if len(accounts := slurm.accounts()) > 1:
        why = say("proposed.account", names=", ".join(accounts))
        yield Proposal("cluster", "account", accounts[0], why, open=True)
    if len(names := slurm.qualities()) > 1:
        why = say("proposed.qos", names=", ".join(names))
        yield Proposal("cluster", "qos", names[0], why, open=True)


def _of_node(config: Config) -> Iterator[Proposal]:
    driver, capability = ask_a_node(config.settings)
    if driver:
        yield Proposal("cluster", "cuda_driver", driver, say("proposed.node"))
    if capability:
        yield Proposal("cluster", "compute_capability", capability, say("proposed.node"))


def _of_this_machine() -> Iterator[Proposal]:
    """Yield what users' own computers would have to know, if this is the login node."""
    host = socket.getfqdn()
    yield Proposal("login", "host", host, say("proposed.login"), open=True)
    with suppress(OSError, ValueError):
        kind, key = HOST_KEY.read_text(encoding="ascii").split()[:2]
        yield Proposal("login", "host_key", f"{host} {kind} {key}", say("proposed.key"), open=True)


def _minutes(partition: Partition) -> int:
    return partition.minutes or 0


def _hours(partition: Partition) -> str:
    return hours_setting(partition.minutes) if partition.minutes else "∞"


def _facts(partitions: list[Partition]) -> str:
    """Return in words what there is to choose from."""
    words = []
    for one in partitions:
        gpus = ", ".join(f"{number} {model}".strip() for model, number in one.gpus.items())
        values = {"name": one.name, "gpus": f" {gpus}," if gpus else "", "cpus": one.cpus}
        values |= {"memory": one.memory_mb // 1024, "hours": _hours(one)}
        words.append(say("proposed.partition", **values))
    return joined(words)


def _example(key: str) -> Any:
    return site_module.schema()["properties"][key]["examples"][0]


def written_out(found: list[Proposal]) -> str:
    """Return proposals as YAML: what the cluster says as it is, and what people have to decide behind a ``#``."""
    lines: list[str] = []
    for section in dict.fromkeys(one.section for one in found):
        own = [one for one in found if one.section == section]
        indent = "  " if section else ""
        if section:
            lines.append(f"{'#' if all(one.open for one in own) else ''}{section}:")
        for one in own:
            value = json.dumps(one.value, ensure_ascii=False)
            title = site_module.title_of(*filter(None, [section, one.key]))
            lines.append(f"{indent}# {title}. {one.why}")
            lines.append(f"{'#' if one.open else ''}{indent}{one.key}: {value}")
    return "\n".join(lines)
