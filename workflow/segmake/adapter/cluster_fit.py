"""What is to be sent, held against what the cluster has before any job is sent, and the plan that comes of it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from segmake.cluster.checks import Cluster, name_partition
from segmake.core.config import Config
from segmake.core.declared_steps import STEPS
from segmake.core.files import readable
from segmake.messages import Problem, Problems
from segmake.plan.plan import Plan


def meet_cluster(
    plan: Plan, config: Config, cluster: Cluster | Problem
) -> tuple[Plan, Cluster | None]:
    """Hold what is to be sent against the cluster; a run that sends nothing needs none.

    Parameters
    ----------
    plan : Plan
    config : Config
    cluster : Cluster or Problem
        What `segmake.cluster.checks.ask_cluster` returned.

    Returns
    -------
    tuple
        The plan, with the cores of what follows the segmentation and without groups where there can't be any; and the
        cluster, or None where it does not answer and nothing is to be sent.

    Raises
    ------
    Problem, Problems
        If the cluster will not take the jobs.
    """
    if isinstance(cluster, Problem):
        if plan.has_work:
            raise cluster
        return plan, None
    if plan.has_work:
        _check(plan, config, cluster)
    cores = cluster.cores_afterwards
    places = [cluster.partition(gpu=gpu) for gpu in (True, False)]
    shortest = min((place.minutes for place in places if place and place.minutes), default=60)
    # With one core, nothing can be done beside the measuring; and each step of a group asks for a minute.
    grouped = cores > 1 and shortest >= len(STEPS)
    name_partition(plan, cluster)
    return replace(plan, cores=cores, small=plan.small if grouped else []), cluster


def fit_problems(plan: Plan, config: Config, cluster: Cluster) -> list[Problem]:
    """Return why the cluster would not take the jobs of a plan; nothing is sent."""
    try:
        if plan.has_work:
            _check(plan, config, cluster)
    except Problem as problem:
        return [problem]
    except Problems as found:
        return found.problems
    return []


def _check(plan: Plan, config: Config, cluster: Cluster) -> None:
    # Whoever sends nothing needs no Snakemake.
    from segmake.adapter.executor import forbidden_options

    check_paths(Path.cwd(), plan.folders.results)
    cluster.check(config, forbidden_options())


def check_paths(*folders: Path) -> None:
    """Refuse folders whose names Snakemake does not bring to its jobs as they are.

    It writes them as Python would (``repr``), for a shell to read.

    Raises
    ------
    Problem
        ``SM-CLU-013``
    """
    for folder in map(str, folders):
        if repr(folder)[1:-1] != folder or ("'" in folder and re.search("[$`]", folder)):
            raise Problem("SM-CLU-013", path=readable(folder))
