"""What jobs ask of Slurm, as the config has it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from segmake.core.settings import Cluster
from segmake.messages.numbers import whole_minutes

# What a job without a GPU asks for at first: measurements and pictures work on one image at a time.
CPU_MEMORY_MB = 4096

CPU_MINUTES = 60

# What follows the segmentation of a small batch is one job of so many cores and so much memory: measuring takes most of
# the time, and drawing has a core beside it.
AFTERWARDS_CORES = 4

AFTERWARDS_MEMORY_MB = 8192

# What the executor makes of its resources.
_OPTIONS = {
    "slurm_partition": "partition",
    "slurm_account": "account",
    "qos": "qos",
    "constraint": "constraint",
    "gres": "gres",
}


def executor_resources(
    section: Cluster, *, gpu: bool, accounts: bool, gpus: int = 1
) -> dict[str, Any]:
    """Return what Snakemake's executor is to ask of Slurm, save for memory and time, in its own words.

    Parameters
    ----------
    section : Cluster
        What the config asks for.
    gpu : bool
        Whether the job needs a GPU.
    gpus : int
        How many of them, then.
    accounts : bool
        Whether the cluster has an accounting database; without one an account means nothing, and the executor would
        refuse it.
    """
    resources: dict[str, Any] = {
        "slurm_partition": partition_name(section, gpu=gpu),
        "slurm_account": section.account if accounts else None,
        "qos": section.qos,
        "slurm_extra": shlex.join(option_words(section.sbatch_options)) or None,
    }
    if gpu:
        model, number = section.gpu_model, gpus
        resources |= {"constraint": section.constraint, "gpus_at_once": number}
        if section.gpu_request == "gres":
            resources["gres"] = f"gpu:{model}:{number}" if model else f"gpu:{number}"
        else:
            resources |= {"gpu": number, "gpu_model": model}
    return {name: value for name, value in resources.items() if value is not None}


def request_options(resources: dict[str, Any]) -> list[str]:
    """Return what the executor makes of `executor_resources` for sbatch, save for ``sbatch_options``."""
    options = [f"--{word}={resources[key]}" for key, word in _OPTIONS.items() if key in resources]
    if "gpu" in resources:
        model = resources.get("gpu_model")
        number = resources["gpu"]
        options.append(f"--gpus={model}:{number}" if model else f"--gpus={number}")
    return options


def first_request(
    section: Cluster, *, segment: bool, afterwards: bool = False
) -> tuple[int, int, int]:
    """Return what a job asks for at first: memory in MB, time in minutes, cores.

    Parameters
    ----------
    section : Cluster
        What the config asks for.
    segment : bool
        Whether it finds cells.
    afterwards : bool
        Whether it does all that follows.
    """
    if segment:
        # Slurm takes 0 for all of a node's memory.
        memory = max(1, int(section.memory_gb * 1024))
        return memory, whole_minutes(section.hours), section.cpus
    if afterwards:
        return AFTERWARDS_MEMORY_MB, CPU_MINUTES, AFTERWARDS_CORES
    return CPU_MEMORY_MB, CPU_MINUTES, 1


def partition_name(section: Cluster, *, gpu: bool) -> str | None:
    """Return the partition that jobs with or without a GPU are to go to; None for the cluster's default."""
    return section.partition if gpu else section.cpu_partition or section.partition


def option_words(options: Iterable[str]) -> list[str]:
    """Return options as a shell would take them apart: ``--exclude node7`` is two words to sbatch.

    One that a shell would not take, with a quotation mark that lacks its other half, is left out.
    """
    words = []
    for option in options:
        with suppress(ValueError):
            words += shlex.split(option)
    return words
