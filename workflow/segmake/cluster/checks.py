"""Holds what the config asks of the cluster against what the cluster has, before any job is sent."""

from __future__ import annotations

import copy
import math
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

from segmake.config.site_settings import settle
from segmake.core.config import Config
from segmake.core.settings import Cluster as Section
from segmake.core.settings import Settings
from segmake.core.site import Site
from segmake.engines import needs_gpu
from segmake.messages import Problem, Problems, say
from segmake.messages.numbers import hours_setting, whole_minutes
from segmake.plan.plan import Plan
from segmake.scripts.definition.script import Script, scripts_of
from segmake.slurm import commands as slurm
from segmake.slurm.commands import Partition, SlurmError
from segmake.slurm.requests import (
    AFTERWARDS_CORES,
    executor_resources,
    first_request,
    option_words,
    partition_name,
    request_options,
)

# How much a job asks for.
_OF_A_JOB = ("memory_gb", "hours", "cpus")


# Snakemake's executor refuses other names, and there is no way around it.
_ASKABLE_MODEL = re.compile(r"[A-Za-z0-9_.]+")


# Options that are settings of their own, and those that belong to the executor.
_OWN_SETTING = {
    ("-p", "--partition"): "partition",
    ("-A", "--account"): "account",
    ("-q", "--qos"): "qos",
    ("-C", "--constraint"): "constraint",
    ("--mem", "--mem-per-cpu", "--mem-per-gpu"): "memory_gb",
    ("-t", "--time"): "hours",
    ("-c", "--cpus-per-task", "--cpus-per-gpu"): "cpus",
    ("-G", "--gpus", "--gres", "--gpus-per-node", "--gpus-per-task"): "gpu_model",
}
_EXECUTORS_OWN = (
    *("-J", "--job-name", "-o", "--output", "-e", "--error", "--parsable", "--export", "--comment"),
    *("-D", "--chdir", "--workdir", "-n", "--ntasks", "--ntasks-per-gpu", "-N", "--nodes"),
    *("-M", "--clusters", "-a", "--array", "--wrap", "-W", "--wait", "--test-only"),
    *("--requeue", "--no-requeue", "-", "--"),
)

# What sbatch --test-only says where the only nodes that would do are down or drained: a real job would wait for them.
_NODES_AWAY = re.compile(
    r"(allocation failure: )?(Requested node configuration is|Required node) not available[^;]*"
)

# Some clusters have hundreds of partitions.
_NAMED_AT_MOST = 15


class Cluster:
    """The cluster, as the config wants to use it.

    Parameters
    ----------
    settings : dict
        The settings of a checked config.
    site : Site, optional
        What the site file says: its limits hold, too, for jobs that ask for more since they had too little.

    Raises
    ------
    Problem
        ``SM-CLU-001`` if Slurm does not answer.
    """

    def __init__(self, settings: dict[str, Any], site: Site | None = None) -> None:
        self._settings = settings
        self._site = site or Site()
        self._of_script: Section | None = None
        self._gpu = needs_gpu(Settings.of(settings).segmentation)
        self._gpus = 1
        self._place: tuple[str | int, ...] = ("cluster",)
        try:
            there = slurm.partitions()
        except SlurmError as error:
            raise Problem("SM-CLU-001", error=slurm.one_line(error)) from None
        limits = self._site.limits
        self.partitions = {name: _lowered(one, limits) for name, one in there.items()}

    def of_script(self, script: Script) -> Cluster:
        """Return the cluster as the jobs of a user's script want to use it."""
        other = copy.copy(self)
        other._of_script = section_of_script(self._asked, script)
        other._gpu, other._gpus = bool(script.resources.gpu), script.resources.gpu
        names = list(scripts_of(self._settings))
        other._place = ("scripts", names.index(script.name), "resources")
        return other

    @property
    def _asked(self) -> Section:
        """What the config asks for; of now, since a part of it is settled once it is known what is there."""
        return self._of_script or Settings.of(self._settings).cluster

    @cached_property
    def keeps_accounts(self) -> bool:
        """Whether the cluster has an accounting database."""
        return slurm.keeps_accounts()

    def partition(self, *, gpu: bool) -> Partition | None:
        """Return the partition that jobs with or without a GPU go to, if there is one of its name.

        Of a list of partitions, which sbatch takes too, it has the best of each.
        """
        name = partition_name(self._asked, gpu=gpu)
        if name is None:
            return next((found for found in self.partitions.values() if found.default), None)
        several = [self.partitions.get(one) for one in name.split(",")]
        found = [partition for partition in several if partition]
        return _best_of(name, found) if len(found) == len(several) else None

    def allows(self, partition: Partition) -> bool:
        """Whether the site file lets jobs go to a partition."""
        return partition.name in self._site.limits.get("partitions", [partition.name])

    @property
    def gpus(self) -> int:
        """How many GPUs there are for the jobs that find cells; 0 where they need none, or it is not known."""
        found = self.partition(gpu=True) if self._gpu else None
        model = self._asked.gpu_model
        numbers = found.gpus.items() if found else ()
        return sum(number for name, number in numbers if model in (None, name))

    @cached_property
    def cores_afterwards(self) -> int:
        """The cores of a job that does what follows the segmentation of a small batch; 1 where Slurm takes none."""
        wanted = cores_wanted(gpu=self._gpu)
        there = getattr(self.partition(gpu=False), "cpus", 0)
        return min(wanted, there) if there else wanted

    def memory_mb(self, first: int, too_little: int, *, gpu: bool) -> int:
        """Return the memory to ask for: twice what was too little, or what was asked at first; within the limits."""
        return _grown(first, too_little, self._most_memory_mb(gpu=gpu))

    def minutes(self, first: int, too_little: int, *, gpu: bool) -> int:
        """Return the time limit to ask for, likewise."""
        return _grown(first, too_little, getattr(self.partition(gpu=gpu), "minutes", None))

    def _most_memory_mb(self, *, gpu: bool) -> int | None:
        found = self.partition(gpu=gpu)
        model = self._asked.gpu_model
        return found.most_memory_mb(gpu=gpu and self._gpu, model=model) if found else None

    def check(self, config: Config, forbidden: Iterable[str]) -> None:
        """Find out whether Slurm will take the jobs.

        Parameters
        ----------
        config : Config
        forbidden : iterable of str
            Regular expressions for the options of sbatch that Snakemake's executor keeps for itself.

        Raises
        ------
        Problems
            Everything that is wrong with the section ``cluster`` of the config, and with the resources of scripts, in
            the light of this cluster.
        """
        kinds: list[tuple[Cluster, tuple[bool, ...]]] = []
        if Settings.of(self._settings).images.folder is not None:
            kinds.append((self, (True, False)))
        for script in scripts_of(self._settings).values():
            kinds.append((self.of_script(script), (True,)))
        problems = [*_option_problems(config, forbidden), *self._account_problems(config)]
        for jobs, _ in kinds:
            problems += jobs._problems(config)
        if not problems:
            for jobs, segment in kinds:
                problems += jobs._refusals(config, segment)
        # Those of several scripts, with the partition that all share, are told once.
        told = {str(problem): problem for problem in problems}
        if told:
            raise Problems(list(told.values()))

    def _problems(self, config: Config) -> Iterator[Problem]:
        """Yield what is wrong with what one kind of jobs asks for."""
        gpu = self._gpu
        yield from self._partition_problems(config, gpu=gpu)
        if found := self.partition(gpu=gpu):
            yield from self._gpu_problems(config, found) if gpu else ()
            yield from self._size_problems(config, found)
        other = partition_name(self._asked, gpu=False)
        if self._place == ("cluster",) and partition_name(self._asked, gpu=gpu) != other:
            yield from self._partition_problems(config, gpu=False)

    def _partition_problems(self, config: Config, *, gpu: bool) -> Iterator[Problem]:
        """Yield what is wrong with the partition that a kind of job goes to."""
        name = partition_name(self._asked, gpu=gpu)
        own = gpu or self._asked.cpu_partition is None
        key = "partition" if own else "cpu_partition"
        where = self._where(config, key)
        found = self.partition(gpu=gpu)
        if found is None and name is None:
            yield Problem("SM-CLU-003", where=where, there=self._there())
        elif found is None:
            unknown = next(one for one in str(name).split(",") if one not in self.partitions)
            names = {"name": self._name(config, key), "partition": unknown}
            names["there"] = self._there()
            yield Problem("SM-CLU-002", where=where, **names)
        elif not found.up:
            yield Problem("SM-CLU-004", where=where, partition=found.name, there=self._there())
        elif name is None and not self.allows(found):
            yield self._site.partition_problem(where, found.name)

    def _gpu_problems(self, config: Config, found: Partition) -> Iterator[Problem]:
        model = self._asked.gpu_model
        if not found.gpus:
            where = self._where(config, "partition")
            yield Problem("SM-CLU-005", where=where, partition=found.name, there=self._there())
        elif model is not None:
            where = self._where(config, "gpu_model")
            if model not in found.gpus:
                there = ", ".join(sorted(filter(None, found.gpus))) or say("cluster.no_names")
                names = {"model": model, "partition": found.name, "models": there}
                yield Problem("SM-CLU-006", where=where, **names)
            elif not _ASKABLE_MODEL.fullmatch(model):
                yield Problem("SM-CLU-007", where=where, model=model)

    def _size_problems(self, config: Config, found: Partition) -> Iterator[Problem]:
        section = self._asked
        minutes = whole_minutes(section.hours)
        # What is asked for, what there is, and what to type in to ask for as much.
        limits = {
            "memory_gb": (section.memory_gb, *_gigabytes(self._most_memory_mb(gpu=self._gpu) or 0)),
            "hours": (minutes, found.minutes or 0, hours_setting(found.minutes or 0)),
            "cpus": (section.cpus, found.cpus, str(found.cpus)),
        }
        for key, (asked, limit, setting) in limits.items():
            if limit and asked > limit:
                names = {"name": self._name(config, key), "value": self._written(config, key)}
                where = self._where(config, key)
                found_there = {"partition": found.name, "limit": setting}
                yield Problem("SM-CLU-008", where=where, **names, **found_there)

    def _account_problems(self, config: Config) -> Iterator[Problem]:
        account = self._asked.account
        if account is not None and self.keeps_accounts:
            known = slurm.accounts()
            if known and account.lower() not in known:
                names = {"account": account, "accounts": ", ".join(known)}
                yield Problem("SM-CLU-009", where=config.where("cluster", "account"), **names)

    def _where(self, config: Config, key: str) -> str:
        return config.where(*self._keys(config, key))

    def _keys(self, config: Config, key: str) -> tuple[str | int, ...]:
        """Return where a setting stands: among the resources of a script, else in the section of the cluster."""
        own = (*self._place, key)
        # A script asks for as much of these as it says, or by default, whatever the section of the cluster says.
        return own if own in config.lines or key in _OF_A_JOB else ("cluster", key)

    def _name(self, config: Config, key: str) -> str:
        section = self._keys(config, key)[-2]
        return say("config.under", key=f"`{key}`", section=f"`{section}`")

    def _written(self, config: Config, key: str) -> str:
        """Return the value of a setting as the user wrote it, or its default."""
        value: Any = config.written
        for step in self._keys(config, key):
            inside = isinstance(value, list) or (isinstance(value, dict) and step in value)
            value = value[step] if inside else getattr(self._asked, key)
        return f"{value:g}" if isinstance(value, int | float) else str(value)

    def _refusals(self, config: Config, kinds: Iterable[bool]) -> list[Problem]:
        """Ask Slurm itself, which knows of rules that are not to be seen from here."""
        for segment in kinds:
            try:
                answer = self.refusal(segment=segment)
                if answer and not segment and self.cores_afterwards > 1:
                    # A limit that is not to be seen from here: the steps are jobs of their own, with a core each.
                    self.cores_afterwards = 1
                    answer = self.refusal(segment=False)
            except SlurmError as error:
                return [Problem("SM-CLU-001", error=slurm.one_line(error))]
            if answer:
                where = config.where(*self._place)
                return [Problem("SM-CLU-010", where=where, answer=slurm.one_line(answer))]
        return []

    def refusal(self, *, segment: bool) -> str | None:
        """Return why Slurm would refuse a kind of job, save that nodes are away now, which are waited for.

        Raises
        ------
        SlurmError
            If Slurm does not answer.
        """
        answer = slurm.refusal(self._sbatch_options(segment=segment))
        partition = self.partition(gpu=segment and self._gpu)
        away = partition and partition.incomplete and _NODES_AWAY.fullmatch(answer or "")
        return None if away else answer

    def _sbatch_options(self, *, segment: bool) -> list[str]:
        """Return what the executor will give to sbatch for a job."""
        gpu = segment and self._gpu
        resources = executor_resources(
            self._asked, gpu=gpu, accounts=self.keeps_accounts, gpus=self._gpus
        )
        memory, minutes, cpus = first_request(
            self._asked, segment=segment, afterwards=self.cores_afterwards > 1
        )
        cpus = cpus if segment else self.cores_afterwards
        options = request_options(resources)
        options += [f"--mem={self.memory_mb(memory, 0, gpu=gpu)}", f"--cpus-per-task={cpus}"]
        options.append(f"--time={self.minutes(minutes, 0, gpu=gpu)}")
        return [*options, *option_words(self._asked.sbatch_options)]

    def _there(self) -> str:
        """Return the cluster's partitions that are open in words: ``gpu (18 a40), cpu``."""
        words = []
        # Those with GPUs first, which most come for.
        shown = [one for one in self.partitions.values() if one.up and not one.hidden]
        if not shown:
            return say("cluster.none_open")
        for partition in sorted(shown, key=lambda one: not one.gpus)[:_NAMED_AT_MOST]:
            gpus = ", ".join(
                f"{number} {model}".strip() for model, number in sorted(partition.gpus.items())
            )
            words.append(f"{partition.name} ({gpus or say('cluster.no_gpu')})")
        return ", ".join([*words, "…"] if len(shown) > _NAMED_AT_MOST else words)


def cores_wanted(*, gpu: bool) -> int:
    """Return the cores of a job that does what follows the segmentation of a small batch, where nodes have them."""
    # Without a GPU it is the job of the segmentation, which measures and draws at the same time.
    return AFTERWARDS_CORES if gpu else 2


def ask_cluster(config: Config) -> Cluster | Problem:
    """Return the cluster, or why it does not answer; with it, how many GPUs may work at once is settled."""
    try:
        cluster = Cluster(config.settings, config.site)
    except Problem as problem:
        return problem
    found = cluster.partition(gpu=True)
    origin = say("source.cluster", partition=found.name) if found else ""
    settle(config, cluster.gpus, origin)
    return cluster


def name_partition(plan: Plan, cluster: Cluster) -> None:
    """Put the name of the cluster's default partition into a plan that leaves it open."""
    if plan.typed.cluster.partition is None and (default := cluster.partition(gpu=True)):
        plan.settings["cluster"]["partition"] = default.name
        plan.sources["cluster.partition"] = say("source.default_partition")


def section_of_script(shared: Section, script: Script) -> Section:
    """Return the section ``cluster`` as it is for the jobs of a user's script."""
    own = script.resources
    section = replace(
        shared,
        **{key: getattr(own, key) for key in _OF_A_JOB},
        gpu_model=own.gpu_model or shared.gpu_model,
    )
    if own.partition:
        section = replace(section, partition=own.partition, cpu_partition=None)
    return section


def _gigabytes(memory_mb: int) -> tuple[float, str]:
    """Return memory in gigabytes, rounded down, and how it is typed in."""
    # Of less than one, two digits matter.
    digits = 10 if memory_mb >= 1024 else 100
    gigabytes = math.floor(memory_mb / 1024 * digits) / digits
    return gigabytes, f"{gigabytes:g}"


def _grown(first: int, too_little: int, limit: int | None) -> int:
    wanted = max(first, 2 * too_little)
    return min(wanted, limit) if limit else wanted


def _lowered(partition: Partition, limits: dict[str, Any]) -> Partition:
    """Return a partition that gives no more to a job than the limits of the site file allow."""
    most: dict[str, int] = {}
    if "memory_gb" in limits:
        most["memory_mb"] = int(limits["memory_gb"] * 1024)
    if "cpus" in limits:
        most["cpus"] = limits["cpus"]
    if "hours" in limits:
        most["minutes"] = whole_minutes(limits["hours"])
    # Nothing, or 0, stands for what the cluster does not limit, or does not say.
    lower = {key: min(getattr(partition, key) or limit, limit) for key, limit in most.items()}
    return replace(partition, **lower)  # type: ignore[arg-type]


def _option_problems(config: Config, forbidden: Iterable[str]) -> Iterator[Problem]:
    # The executor looks for them anywhere in the options, joined: the end of one and the space behind it may match.
    executors = re.compile("|".join(f"(?:{one})" for one in forbidden))
    options = config.typed.cluster.sbatch_options
    for index, option in enumerate(options, start=1):
        where = config.where("cluster", "sbatch_options", index - 1)
        words = option_words([option])
        joined = shlex.join(words) + (" " if index < len(options) else "")
        names = [_option_name(word) for word in words if word.startswith("-")]
        keys = [key for own, key in _OWN_SETTING.items() if set(own) & set(names)]
        if keys:
            yield Problem("SM-CLU-011", where=where, option=option, name=f"`{keys[0]}`")
        elif (
            not words
            or not words[0].startswith("-")
            or set(_EXECUTORS_OWN) & set(names)
            or executors.search(joined)
        ):
            yield Problem("SM-CLU-012", where=where, option=option)


def _option_name(word: str) -> str:
    """Return ``--exclude`` for ``--exclude=node7``, and ``-x`` for ``-xnode7``."""
    return word.split("=")[0] if word.startswith("--") else word[:2]


def _best_of(name: str, partitions: list[Partition]) -> Partition:
    minutes = [partition.minutes for partition in partitions]
    limits = [limit for limit in minutes if limit is not None]
    gpus: dict[str, int] = {}
    beside: dict[str, int] = {}
    for partition in partitions:
        # The nodes of one may be those of another as well: numbers can't be added up.
        for model, number in partition.gpus.items():
            gpus[model] = max(number, gpus.get(model, 0))
        for model, memory in partition.memory_beside_gpus.items():
            beside[model] = max(memory, beside.get(model, 0))
    return Partition(
        name=name,
        up=any(partition.up for partition in partitions),
        minutes=max(limits) if len(limits) == len(minutes) else None,
        memory_mb=max(partition.memory_mb for partition in partitions),
        cpus=max(partition.cpus for partition in partitions),
        gpus=gpus,
        incomplete=any(partition.incomplete for partition in partitions),
        memory_beside_gpus=beside,
    )
