"""What the rules ask for each job: memory, time, cores, and which steps of a batch share one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from segmake.cluster.checks import Cluster
from segmake.cluster.memory import first_memory_mb
from segmake.core.declared_steps import MASKS, MEASURE, ON_MASKS, SEGMENT
from segmake.engines import needs_gpu
from segmake.plan.plan import Plan
from segmake.slurm import commands as slurm
from segmake.slurm.commands import SlurmError
from segmake.slurm.jobs import Jobs
from segmake.slurm.requests import executor_resources, first_request


class Resources:
    """What the jobs of the steps ask for; on one computer it has no effect.

    Parameters
    ----------
    plan : Plan
    jobs : Jobs
        The record of the jobs, which says what had too little.
    cluster : Cluster or None
        The cluster that jobs are sent to, if any.
    """

    def __init__(self, plan: Plan, jobs: Jobs, cluster: Cluster | None) -> None:
        self._plan = plan
        self._jobs = jobs
        self._cluster = cluster
        self._gpu = needs_gpu(plan.typed.segmentation)

    def of(self, rule: str) -> dict[str, Any]:
        """Return what a rule's jobs ask of Slurm.

        Memory and time are functions, which Snakemake calls for each job and attempt: they grow when the jobs of the
        batch had too little of them.
        """
        accounts = self._cluster is not None and self._cluster.keeps_accounts
        gpu = rule == SEGMENT and self._gpu
        asked = executor_resources(self._plan.typed.cluster, gpu=gpu, accounts=accounts)
        if gpu and self._plan.light:
            less = executor_resources(self._plan.typed.cluster, gpu=False, accounts=accounts)
            choose = partial(self._of_light, less, dict(asked))
            asked = {name: partial(choose, name) for name in {**asked, **less}}
        if rule == SEGMENT:
            asked["without_gpu"] = self.without_gpu
        return {
            **asked,
            "mem_mb": lambda wildcards, attempt: self._request(rule, wildcards, attempt)[0],
            "runtime": lambda wildcards, attempt: self._request(rule, wildcards, attempt)[1],
        }

    def without_gpu(self, wildcards: Any, attempt: int) -> int:
        """Return 1 for a job that finds no cells as long as files hold what they held, else 0.

        One that finds something else ends, and is sent again with a GPU.
        """
        batch = getattr(wildcards, "batch", "")
        return int(self._gpu and attempt == 1 and batch in self._plan.light)

    def _of_light(
        self,
        less: dict[str, Any],
        asked: dict[str, Any],
        name: str,
        wildcards: Any,
        attempt: int,
    ) -> Any:
        """Return what a job asks for of one kind, or None: `less` where it has no GPU."""
        return (less if self.without_gpu(wildcards, attempt) else asked).get(name)

    def group(self, wildcards: Any) -> str | None:
        """Return the group of a small batch whose steps are done in one job, or None for the others.

        The GPU is for the network: where one is asked for, the segmentation is not among these steps.
        """
        name = slurm.AFTERWARDS if self._gpu else slurm.TOGETHER
        batch = getattr(wildcards, "batch", "")
        return f"{name}{batch}" if batch in self._plan.small else None

    def group_of_segment(self, wildcards: Any) -> str | None:
        """Return the group of the segmentation of a batch, or None where it is a job of its own."""
        return None if self._gpu else self.group(wildcards)

    def cores(self, rule: str) -> Callable[[Any], int]:
        """Return what says how many cores a rule's jobs have; of those that are done side by side, their parts."""
        own = {MEASURE: self._plan.cores - 1, MASKS: self._plan.cores}.get(rule, 1)

        def of_job(wildcards: Any) -> int:
            afterwards = self.group(wildcards) and self._gpu
            return max(1, own) if afterwards else 1

        return of_job

    def _request(self, rule: str, wildcards: Any, attempt: int) -> tuple[int, int]:
        """Return memory in MB and minutes for a job; of one in a group, its part of what the group asks for."""
        batch = getattr(wildcards, "batch", "")
        group = self.group_of_segment(wildcards) if rule == SEGMENT else self.group(wildcards)
        together = bool(group) and not self._gpu
        segment = together or rule == SEGMENT
        section = self._plan.typed.cluster
        _, minutes, _ = first_request(section, segment=segment, afterwards=bool(group))
        memory = first_memory_mb(self._plan, rule, batch, grouped=bool(group), together=together)
        if self._cluster:
            if attempt > 1:
                with suppress(SlurmError, OSError):
                    self._jobs.refresh(older_than=1.0)
            names = (slurm.AFTERWARDS, SEGMENT) if together else (slurm.AFTERWARDS,)
            less = [
                self._jobs.too_little(name, batch)
                for name in ((rule, *names) if group else (rule,))
            ]
            gpu = segment and self._gpu and not self.without_gpu(wildcards, attempt)
            memory = self._cluster.memory_mb(memory, max(one["memory"] for one in less), gpu=gpu)
            minutes = self._cluster.minutes(minutes, max(one["time"] for one in less), gpu=gpu)
        if not group:
            return memory, minutes
        # Once its masks are there, Snakemake does not join what measures a batch and what draws it.
        alone = rule in ON_MASKS and self._plan.outcome(MASKS, batch).exists()
        part = part_of_group(rule, memory, minutes, together=together)
        return (memory, minutes) if alone else part


def part_of_group(rule: str, memory: int, minutes: int, *, together: bool) -> tuple[int, int]:
    """Return what a job asks for so that its group has so much memory and time, whichever of its jobs are left to do.

    Snakemake adds up the time of steps that follow each other, and the memory of those side by side.

    Parameters
    ----------
    rule : str
    memory, minutes : int
        What the group is to have.
    together : bool
        Whether the segmentation is one of its steps.
    """
    share = max(1, minutes // (4 if together else 3))
    if rule == SEGMENT:
        return memory, max(1, minutes - 2 * share)
    if rule == MASKS:
        return memory, share
    return memory // 2, share if together else max(1, minutes - share)
