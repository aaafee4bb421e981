"""What would keep a run of now from beginning, found before one begins: for whoever asks what a run would do."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from segmake.adapter.cluster_fit import fit_problems
from segmake.adapter.config_environments import own_environment_problems
from segmake.adapter.engine_environment import EngineEnvironment
from segmake.adapter.tested_versions import untested
from segmake.cluster.checks import Cluster, ask_cluster, name_partition
from segmake.cluster.memory import memory_notes
from segmake.config.load import load_config
from segmake.core.config import Config
from segmake.core.declared_steps import SEGMENT
from segmake.core.disk import disk_problem
from segmake.core.processes import Process
from segmake.environments.making.own_environments import needed
from segmake.environments.solving.environment_files import faults_of
from segmake.images.inventory import Inventory, take_inventory
from segmake.messages import Problem
from segmake.outcome.run_state import state_of
from segmake.plan.make import make_or_keep_plan
from segmake.plan.plan import Plan
from segmake.runner.run_files import refuse_links
from segmake.slurm import commands as slurm

# That Slurm does not answer keeps nobody from a run on this computer, and may be over soon.
_SILENT = "SM-CLU-001"


@dataclass(frozen=True)
class Foreseen:
    """A run that was not begun.

    Attributes
    ----------
    config : Config
    plan : Plan
    cluster : Cluster, Problem or None
        What `segmake.cluster.checks.ask_cluster` returned; None where there is no Slurm.
    refusals : list of Problem
        Why it could not begin.
    warnings : list of Problem
        What is wrong that it would go on with.
    taken : Inventory or None
        The images, where the plan was made of them.
    """

    config: Config
    plan: Plan
    cluster: Cluster | Problem | None
    refusals: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    taken: Inventory | None = None

    @cached_property
    def inventory(self) -> Inventory:
        """The images; taken once it is asked for where the plan was made without."""
        return self.taken or take_inventory(self.config, self.plan.folders.inventory)


def foresee(path: Path, *, on_cluster: bool = True, before: Sequence[Path] = ()) -> Foreseen:
    """Return what a run would do, and what would keep it from beginning; nothing is written, and no job is sent.

    Parameters
    ----------
    path : Path
        The config.
    on_cluster : bool
        Whether it would be the cluster's, where there is one; else this computer's alone.
    before : sequence of Path
        Other configs, which count where this one says nothing.

    Raises
    ------
    Problem, Problems
        If the config, or an image folder, is such that there is no plan.
    """
    config = load_config(path, before=before)
    cluster = ask_cluster(config) if on_cluster and slurm.is_here() else None
    plan, inventory = make_or_keep_plan(config)
    conda = bool(shutil.which("conda"))
    faults = {name: faults_of(config, name, conda=conda) for name in config.typed.environments}
    hold = needed(plan)
    refusals = [each for name in faults if name in hold for each in faults[name]]
    warnings = [each for name in faults if name not in hold for each in faults[name]]
    if plan.has_work:
        refusals += [*untested(), *_of_results(plan)]
        has_nodes = isinstance(cluster, Cluster)
        refusals += _of_environments(plan, config, on_cluster=has_nodes)
    if isinstance(cluster, Cluster):
        found = fit_problems(plan, config, cluster)
        refusals += [each for each in found if each.code != _SILENT]
        warnings += [each for each in found if each.code == _SILENT]
        name_partition(plan, cluster)
    elif cluster:
        warnings.append(cluster)
    if not isinstance(cluster, Problem):
        warnings += memory_notes(plan, cluster)
    return Foreseen(config, plan, cluster, refusals, warnings, inventory)


def _of_results(plan: Plan) -> Iterator[Problem]:
    """Yield what keeps the results from being written."""
    folders = plan.folders
    found = state_of(folders)
    if found and found.state in ("starting", "running") and found.process:
        yield _at_work(folders.results, found.process)
    if error := _unwritable(folders.state):
        results = folders.results
        names = {"results": results, "error": error.strerror}
        yield disk_problem(error, results) or Problem("SM-RUN-010", where=str(results), **names)
    notes = Path(".snakemake").absolute()
    if error := _unwritable(notes):
        yield Problem("SM-RUN-060", where=str(notes), folder=notes, error=error.strerror)
    try:
        refuse_links(folders.state)
    except Problem as problem:
        yield problem


def _at_work(results: Path, process: Process) -> Problem:
    return Problem("SM-RUN-009", where=str(results), results=results, **process._asdict())


def _unwritable(folder: Path) -> OSError | None:
    """Return what keeps files from being written to a folder, which need not be there yet; nothing is tried."""
    places = (folder, *folder.absolute().parents)
    there = next(place for place in places if place.exists())
    if not there.is_dir():
        number = errno.ENOTDIR
    elif os.access(there, os.W_OK | os.X_OK):
        return None
    else:
        is_readonly = os.statvfs(there).f_flag & os.ST_RDONLY
        number = errno.EROFS if is_readonly else errno.EACCES
    return OSError(number, os.strerror(number))


def _of_environments(plan: Plan, config: Config, *, on_cluster: bool) -> Iterator[Problem]:
    """Yield what is not installed, and would not be by the run."""
    if shutil.which("conda"):
        # Snakemake may be told to make what is missing.
        return
    if plan.to_do[SEGMENT] or plan.looks:
        try:
            engine = EngineEnvironment(plan.settings, conda=False)
            engine.refuse_missing()
            if on_cluster:
                engine.refuse_unfit()
        except Problem as problem:
            yield problem
    yield from own_environment_problems(plan, config)
