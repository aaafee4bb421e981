"""Between Snakemake and the library: what happens when the Snakefile is read, and when a run starts and ends."""

from __future__ import annotations

import logging
import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import IO, Any, NoReturn

from snakemake.io import IOFile
from snakemake.logging import logger
from snakemake.settings.enums import Quietness
from snakemake.settings.types import DeploymentMethod

from segmake.adapter.executor import Executor, name_of_jobs, take_over
from segmake.adapter.handlers import register
from segmake.adapter.script_rules import ScriptRule, python_words, script_rules
from segmake.cluster import submit
from segmake.cluster.adoption import Adopted, adopt
from segmake.cluster.checks import Cluster
from segmake.core import installation
from segmake.core.config import Config
from segmake.core.disk import disk_problem, probe
from segmake.core.ended_runs import note_begin, note_end
from segmake.core.files import (
    fingerprint,
    lock_file,
    open_own,
    read_lock,
    readable,
    refuse_link,
    write_atomically,
    write_lock,
)
from segmake.engines import BUILTIN_MODELS, needs_gpu
from segmake.environments.making import conda as environments
from segmake.environments.making.own_environments import (
    OwnEnvironments,
    find_files,
    forget_failed,
    pythons_of,
)
from segmake.images.inventory import Inventory, write_inventory
from segmake.messages import Problem, Problems, say
from segmake.outcome.progress import Observer, Screen
from segmake.outcome.status import who_runs
from segmake.plan.bindings import write_bindings
from segmake.plan.make import make_plan, model_fingerprint
from segmake.plan.past import past_files
from segmake.plan.plan import PLAN_VARIABLE, Folders, read_plan, write_plan
from segmake.plan.scripts import note_meanings, note_meanings_of_results
from segmake.runner.run_files import NAMES, keep_changed_files
from segmake.runner.run_step import STEPS, told_of_changed
from segmake.scripts.running.process import end_orphans
from segmake.slurm import commands as slurm
from segmake.slurm.commands import SlurmError
from segmake.slurm.history import shorten
from segmake.slurm.jobs import Jobs, Sent
from segmake.slurm.requests import executor_resources, first_request
from segmake.steps.checked_model import is_current

# The report on so many images takes a minute at most, and little memory: no work for a job.
SMALL_REPORT = 2000

# How many threads libraries start that do not heed what Snakemake sets to a rule's cores (OMP_NUM_THREADS...): else as
# many as the node has cores.
_THREADS = ("TIFFFILE_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")

# The clocks of a cluster's computers, and of the server that dates files, differ by so much at most.
CLOCK_SECONDS = 60.0

# Where Slurm's configuration is, and the number of the job that the main process is, if it is one.
_OF_SLURM = ("SLURM_CONF", "SLURM_JOB_ID")

DEFAULT_CONFIG = "config/config.yaml"

# What Snakemake says of a command that ended with a message of its own, and of the run's end: both are said already.
_SAID_BETTER = re.compile(
    r"segmake(_engine)? .*(returned non-zero exit status (1|130|143)\.|died with)"
    r"|At least one job did not|Exiting because a job execution",
    re.DOTALL,
)


# What the executor says of things that are in order, or that were checked already.
_NO_NEWS = re.compile(
    r"No SLURM account given|No account was given|Unable to guess SLURM account|^MinJobAge "
    # The files of SegMake's environments name one channel: there is no priority among channels.
    r"|Your conda installation is not configured to use strict channel priorities"
    r"|You are running snakemake in a SLURM job context"
    r"|--keep-incomplete mode is set"
)


class Session:
    """One reading of the Snakefile: in the main process it makes the plan, in a job it reads it.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        Snakemake's own object.
    """

    def __init__(self, workflow: Any) -> None:
        self._workflow = workflow
        self._inventory: Inventory | None = None
        self._lock: IO[str] | None = None
        self._cluster: Cluster | None = None
        self._executor: Executor | None = None
        self._screen: Screen | None = None
        self._adopted: Adopted = {}
        self._stopped = False
        self._next_job = ""
        # The plugin takes these away, and with them where Slurm is, and which job this is.
        self._slurm = {name: os.environ[name] for name in _OF_SLURM if name in os.environ}
        self._driver_asked = False
        self._conda = self._use_conda()
        written = os.environ.get(PLAN_VARIABLE)
        if workflow.is_main_process or not written:
            try:
                self._make_plan()
            except (Problem, Problems) as problem:
                _refuse(problem)
            except OSError as error:
                if not (failing := disk_problem(error, Path())):
                    raise
                _refuse(failing)
        else:
            self.plan = read_plan(Path(written))
            self._jobs = Jobs(self.plan.folders.jobs)

    def take_part(self) -> None:
        """Have Snakemake call `start` and `end`, also where SegMake is a module."""
        try:
            register(self._workflow, self.start, self.end)
        except Problem as problem:
            _refuse(problem)

    @property
    def engine(self) -> str:
        """The engine that finds the cells."""
        return self.plan.settings["segmentation"]["engine"]

    @property
    def engine_environment(self) -> str:
        """The name of the engine's environment: a file in ``workflow/envs``."""
        return "imaging" if self.engine == "threshold" else self.engine

    @cached_property
    def engine_file(self) -> str:
        """The engine's environment file; one with another PyTorch where GPUs or their driver are too old for it."""
        from segmake.environments.solving.cuda import fitted
        from segmake.environments.solving.environment_files import KEPT

        file = self._plain_engine_file
        cluster = self.plan.settings["cluster"]
        if not self._conda or not needs_gpu(self.plan.settings):
            return str(file)
        try:
            text = fitted(file, cluster["cuda_driver"], cluster["compute_capability"])
        except Problem as problem:
            _refuse(problem)
        if text == file.read_text(encoding="utf-8"):
            return str(file)
        other = KEPT.absolute() / f"{file.stem}.{fingerprint(text)}.yaml"
        if not other.exists() or other.read_bytes() != text.encode():
            with write_atomically(other) as part:
                part.write_bytes(text.encode())
        return str(other)

    @property
    def checked_model(self) -> Path | None:
        """The file that is there once the model was checked, another for each model; None for an engine without one."""
        if self.engine not in BUILTIN_MODELS:
            return None
        segmentation = self.plan.settings["segmentation"]
        name = fingerprint(self.engine, segmentation["model"], model_fingerprint(segmentation))
        return self.plan.folders.state / "model" / f"{name}.txt"

    def resources(self, rule: str) -> dict[str, Any]:
        """Return what a rule's jobs ask of Slurm; on one computer it has no effect.

        Memory and time are functions, which Snakemake calls for each job and attempt: they grow when the jobs of the
        batch had too little of them.
        """
        settings = self.plan.settings
        segment = rule == STEPS[0]
        gpu = segment and needs_gpu(settings)
        accounts = self._cluster is not None and self._cluster.keeps_accounts
        asked = executor_resources(settings, gpu=gpu, accounts=accounts)
        return {
            **asked,
            "mem_mb": lambda wildcards, attempt: self._request(rule, wildcards, attempt)[0],
            "runtime": lambda wildcards, attempt: self._request(rule, wildcards, attempt)[1],
        }

    def group(self, wildcards: Any) -> str | None:
        """Return the group of a small batch whose steps are done in one job, or None for the others.

        The GPU is for the network: where one is asked for, the segmentation is not among these steps.
        """
        name = slurm.AFTERWARDS if needs_gpu(self.plan.settings) else slurm.TOGETHER
        batch = getattr(wildcards, "batch", "")
        return f"{name}{batch}" if batch in self.plan.small else None

    def group_of_segment(self, wildcards: Any) -> str | None:
        """Return the group of the segmentation of a batch, or None where it is a job of its own."""
        return None if needs_gpu(self.plan.settings) else self.group(wildcards)

    def cores(self, rule: str) -> Callable[[Any], int]:
        """Return what says how many cores a rule's jobs have; of those that are done side by side, their parts."""
        own = {"measure": self.plan.cores - 1, "masks": self.plan.cores}.get(rule, 1)

        def of_job(wildcards: Any) -> int:
            afterwards = self.group(wildcards) and needs_gpu(self.plan.settings)
            return max(1, own) if afterwards else 1

        return of_job

    @property
    def report_is_small(self) -> bool:
        """Whether the report is so soon written that it needs no job."""
        return len(self.plan.images()) <= SMALL_REPORT

    def _request(self, rule: str, wildcards: Any, attempt: int) -> tuple[int, int]:
        """Return memory in MB and minutes for a job; of one in a group, its part of what the group asks for."""
        settings = self.plan.settings
        batch = getattr(wildcards, "batch", "")
        group = self.group_of_segment(wildcards) if rule == STEPS[0] else self.group(wildcards)
        together = bool(group) and not needs_gpu(settings)
        segment = together or rule == STEPS[0]
        gpu = segment and needs_gpu(settings)
        memory, minutes, _ = first_request(settings, segment=segment, afterwards=bool(group))
        if self._cluster:
            if attempt > 1:
                with suppress(SlurmError, OSError):
                    self._jobs.refresh(older_than=1.0)
            names = (slurm.AFTERWARDS, STEPS[0]) if together else (slurm.AFTERWARDS,)
            less = [
                self._jobs.too_little(name, batch)
                for name in ((rule, *names) if group else (rule,))
            ]
            memory = self._cluster.memory_mb(memory, max(one["memory"] for one in less), gpu=gpu)
            minutes = self._cluster.minutes(minutes, max(one["time"] for one in less), gpu=gpu)
        if not group:
            return memory, minutes
        # Once its masks are there, Snakemake does not join what measures a batch and what draws it.
        alone = rule in STEPS[2:] and self.plan.outcome("masks", batch).exists()
        part = _part_of_group(rule, memory, minutes, together=together)
        return (memory, minutes) if alone else part

    @property
    def shell_prefix(self) -> str:
        """What comes before every rule's shell command: ``segmake``, ``segmake_engine`` and ``segmake_here``.

        Where Snakemake makes the environments (``--sdm conda``) the first two are run by the Python of the rule's
        environment, which is active then; else by those that the set-up made. The third is run by Snakemake's own
        Python whatever environment is active: that of a user's script need not have anything of SegMake.
        """
        if self._conda:
            python = engine_python = '"$CONDA_PREFIX/bin/python"'
        else:
            python, engine_python = shlex.quote(sys.executable), shlex.quote(self._engine_python)
        prefix = (
            "set -euo pipefail; "
            f"export PYTHONNOUSERSITE=1 MPLBACKEND=Agg PYTHONPATH={shlex.quote(str(installation.python_path()))} "
            f"{PLAN_VARIABLE}={shlex.quote(str(self.plan.folders.plan.absolute()))}; "
            f"export {' '.join(f'{name}=${{OMP_NUM_THREADS:-1}}' for name in _THREADS)}; "
            f'segmake() {{ {python} -m segmake "$@"; }}; '
            f'segmake_engine() {{ {engine_python} -m segmake "$@"; }}; '
            f'segmake_here() {{ {shlex.quote(sys.executable)} -m segmake "$@"; }}; '
        )
        # Snakemake fills in what stands in single braces.
        return prefix.replace("{", "{{").replace("}", "}}")

    @property
    def _engine_python(self) -> str:
        if self.engine_environment == "imaging":
            return sys.executable
        return str(installation.environments() / self.engine / "bin" / "python")

    def _refuse_missing_engine(self) -> None:
        """Refuse to work without the engine's environment, where Snakemake does not make it."""
        if not self._conda and not Path(self._engine_python).exists():
            raise Problem("SM-ENV-001", engine=self.engine)

    @property
    def _plain_engine_file(self) -> Path:
        return installation.environment_file(self.engine_environment)

    def _fit_engine(self) -> None:
        """Have the engine's environment made for the driver of the GPUs, or tell that the one here does not fit."""
        from segmake.environments.making import engine_fit
        from segmake.environments.solving.cuda import capability_of_nodes
        from segmake.environments.solving.environment_files import KEPT

        settings = self.plan.settings
        if not needs_gpu(settings):
            return
        if self._conda:
            place = Path(
                self._workflow.deployment_settings.conda_prefix or environments.DEFAULT_PLACE
            )
            made = engine_fit.was_made(self._plain_engine_file, place)
            # The jobs look for the same environment.
            settings["cluster"]["cuda_driver"] = self._driver(ask=not made)
            settings["cluster"]["compute_capability"] = capability_of_nodes(settings, KEPT)
            return
        refuse = self._on_cluster and not settings["segmentation"]["allow_cpu"]
        prefix = Path(self._engine_python).parents[1]
        driver, capability = self._driver(ask=False), capability_of_nodes(settings, KEPT)
        engine_fit.check(self.engine, prefix, driver, capability, refuse=refuse)

    def start(self) -> None:
        """Take the results folder for this run, and write down its plan.

        Raises
        ------
        SystemExit
            After a message, if another run works in the folder, it can't be written to, the engine's
            environment is missing, or jobs are to be sent from a machine without Slurm.
        """
        try:
            if self.plan.batches:
                self._refuse_missing_engine()
            if self._on_cluster and not slurm.is_here():
                raise Problem("SM-RUN-011")
            self._take_folder()
            self.own_environments.make()
            note_begin(self.plan.folders.runs, self.plan.name)
            self._give_up_on_failing_disk()
            if self.plan.scripts:
                end_orphans(self.plan.folders.plan)
            signal.signal(signal.SIGINT, self._stop)
            if self._cluster and self._workflow.executor_plugin.name == "slurm":
                self._start_on_cluster()
            elif slurm.is_here() and self._jobs.live():
                self._leave_nothing_behind("cluster.cancelled")
            self._keep_changed_files()
            self._bring_back_from_future()
            write_plan(self.plan)
            note_meanings(self.plan)
            self._forget_past_attempts()
            if self.plan.environments:
                from segmake.environments.solving.environment_files import copy_to_results

                files = {name: Path(file) for name, file in self.plan.environments.items()}
                copy_to_results(files, self.plan.folders.results)
            if self._inventory:
                write_inventory(self._inventory, self.plan.folders.inventory)
            if self.plan.bindings:
                write_bindings(self.plan.bindings, self.plan.folders.state)
        except Problem as problem:
            _refuse(problem)
        except OSError as error:
            results = self.plan.folders.results
            names = {"results": results, "error": error.strerror}
            failing = disk_problem(error, results)
            _refuse(failing or Problem("SM-RUN-010", where=str(results), **names))

    def end(self) -> None:
        """Say what became of the run."""
        from segmake.outcome.last_words import describe_outcome

        if self._screen:
            self._screen.stop()
        if self._lock:
            with suppress(OSError):
                self._forget_failed_environments()
                note_end(self.plan.folders.runs, self.plan.name)
        if self._executor and self._executor.leaves_jobs:
            print(f"\n{self._next_job}", file=sys.stderr)
            return
        empty = not self._jobs.keep or self._leave_nothing_behind("cluster.left")
        if self._executor:
            for problem in self._executor.problems():
                print(f"\n{problem}", file=sys.stderr)
        if self._stopped:
            words = say("end.cancelled" if self._jobs.keep and empty else "end.stopped")
        elif self.plan.has_work and (failing := self._failing_disk()):
            # What was in work then is not to blame.
            words = f"{say('end.stopped')}\n{failing}"
        else:
            words = describe_outcome(self.plan)
        print(f"\n{words}", file=sys.stderr)

    def _failing_disk(self) -> Problem | None:
        """Return what keeps the results, or Snakemake's own files, from being written."""
        folders = (self.plan.folders.state, Path(".snakemake"))
        return next(filter(None, (probe(folder) for folder in folders)), None)

    def _give_up_on_failing_disk(self) -> None:
        """Let Snakemake start no more jobs, nor a failed one again, once that is of no use.

        That is where nothing can be written any more, or Slurm will never take such a job or start it.
        """
        scheduler = self._workflow.scheduler
        handle = scheduler._handle_error

        def handle_error(job: Any, *arguments: Any, **options: Any) -> None:
            if self._failing_disk():
                scheduler.keepgoing = False
                job.attempt = job.restart_times + 1
            elif self._executor and self._executor.is_in_vain(job):
                job.attempt = job.restart_times + 1
            handle(job, *arguments, **options)

        scheduler._handle_error = handle_error

    @property
    def _on_cluster(self) -> bool:
        """Whether jobs are sent to a cluster; in a dry run: would be."""
        return self._workflow.resource_settings.nodes is not None

    def _make_plan(self) -> None:
        # A job reads the plan, and no config.
        from segmake.config.load import load_config

        workflow = self._workflow
        files = [Path(file) for file in workflow.configfiles] or [Path(DEFAULT_CONFIG)]
        overrides = dict(workflow.config_settings.config)
        command = shlex.join(["snakemake", *sys.argv[1:]])
        config = load_config(files[-1], overrides)
        # Slurm is asked before the journals are read: what ends in between is known by its files.
        self._jobs = Jobs(Folders(Path(config.settings["results"])).jobs)
        left = self._ask_what_is_left() if workflow.is_main_process else []
        cores = None if self._on_cluster else workflow.resource_settings.cores
        self.plan, self._inventory = make_plan(config, command, cores)
        if left and self._on_cluster:
            self._adopt(left)
        if workflow.is_main_process:
            os.environ[PLAN_VARIABLE] = str(self.plan.folders.plan.absolute())
            _speak_plainly(workflow.output_settings.quiet)
            print(self.plan.describe(), file=sys.stderr)
            if numbers := set(self._adopted.values()):
                print(say("cluster.adopted", number=len(numbers)), file=sys.stderr)
            if self.plan.to_do["segment"]:
                self._refuse_missing_engine()
                self._fit_engine()
            self._forget_another_model()
        if config.settings["environments"]:
            self._make_environments(config)
        if not self._conda:
            self._check_own_environment(config)
        if workflow.is_main_process and self._on_cluster and slurm.is_here():
            self._meet_cluster(config)
        if self._cluster is None:
            # On one computer the steps of a batch are no more together than those of others.
            self.plan = replace(self.plan, small=[])
        idle = workflow.is_main_process and not self.plan.has_work
        if idle and not workflow.output_settings.dryrun and not who_runs(self.plan.folders.lock):
            # Snakemake begins no run then; whoever may not write here can read the results all the same.
            with suppress(OSError, Problem):
                note_meanings_of_results(self.plan)

    def _ask_what_is_left(self) -> list[Sent]:
        """Return the jobs that the last run left in the queue, if it is lost."""
        if (
            not self._jobs.live()
            or not slurm.is_here()
            or who_runs(self._jobs.path.parent / "lock")
        ):
            return []
        with suppress(SlurmError):
            self._jobs.refresh()
        return self._jobs.live()

    def _adopt(self, left: list[Sent]) -> None:
        """Plan as the lost run did whose jobs are left, as far as the same is wanted."""
        try:
            before = read_plan(self.plan.folders.plan, self.plan.folders.results)
        # A plan of another version of SegMake may lack what this one looks for.
        except (OSError, ValueError, KeyError, TypeError):
            return
        self.plan, self._adopted = adopt(self.plan, before, left)

    @property
    def batches_to_segment(self) -> list[str]:
        """The batches that are not finished: of the others, Snakemake sees only their files.

        It would send a finished batch again whenever the model that it was segmented with is checked again.
        """
        batches = self.plan.batches
        return [batch for batch in batches if not self.plan.outcome(STEPS[0], batch).exists()]

    def _forget_another_model(self) -> None:
        """Have the model checked again before the next image, where a file or a setting is another than it was."""
        record = self.checked_model
        idle = self._workflow.output_settings.dryrun or not self.plan.to_do.get(STEPS[0])
        # A run that is under way has jobs that look for it.
        if record is None or idle or who_runs(self.plan.folders.lock):
            return
        if not is_current(record, self.plan.settings["segmentation"]):
            # A folder that can't be written to is told when the run starts.
            with suppress(OSError):
                record.unlink(missing_ok=True)

    def _forget_past_attempts(self) -> None:
        """Remove what attempts that are over have left, with what Snakemake has noted of it."""
        for path in past_files(self.plan):
            path.unlink(missing_ok=True)
            self._workflow.persistence.cleanup_metadata(IOFile(str(path)))

    def _use_conda(self) -> bool:
        """Return whether Snakemake makes the environments of the rules.

        Where it is asked to and can't, those of the set-up are used, in the jobs as well.
        """
        settings = self._workflow.deployment_settings
        if DeploymentMethod.CONDA not in settings.deployment_method:
            return False
        if self._workflow.is_main_process:
            if not environments.conda_is_usable():
                settings.deployment_method = set(settings.deployment_method) - {
                    DeploymentMethod.CONDA
                }
                return False
            try:
                environments.check_place(settings.conda_prefix)
            except Problem as problem:
                _refuse(problem)
        environments.tend(_refuse, lambda *words: self.own_environments.forgive(*words))
        return True

    def _make_environments(self, config: Config) -> None:
        """Find the file of each environment of the config; only what is new or has changed takes time."""
        conda, prefix = self._conda, self._workflow.deployment_settings.conda_prefix
        dry = self._workflow.output_settings.dryrun
        tell = self._workflow.is_main_process
        files = find_files(config, self.plan, conda=conda, ask_driver=self._driver, tell=tell)
        self.plan = replace(
            self.plan,
            environments={name: str(file) for name, file in files.items()},
            imports={name: self._imports_of_scripts(name) for name in files},
            pythons=pythons_of(files, config.settings, prefix, conda=conda),
        )
        if dry:
            self.own_environments.say_what_would_be_made()
        elif not who_runs(self.plan.folders.lock):
            self._forget_failed_environments()

    def _driver(self, *, ask: bool = True) -> str | None:
        """Return the newest CUDA that the nodes' driver supports, as far as the config or a node says."""
        from segmake.environments.solving.cuda import driver_of_nodes
        from segmake.environments.solving.environment_files import KEPT

        settings = self.plan.settings
        if settings["cluster"]["cuda_driver"] is None and self._on_cluster and slurm.is_here():
            # A dry run asks nothing of the cluster, and a node that did not answer is not asked twice.
            ask = ask and not self._workflow.output_settings.dryrun and not self._driver_asked
            self._driver_asked |= ask
            return driver_of_nodes(settings, KEPT, ask=ask)
        return settings["cluster"]["cuda_driver"]

    @property
    def own_environments(self) -> OwnEnvironments:
        """The environments of the config."""
        return OwnEnvironments(self.plan)

    def _forget_failed_environments(self) -> None:
        for record in forget_failed(self.plan.folders.state):
            self._workflow.persistence.cleanup_metadata(IOFile(str(record)))

    def _check_own_environment(self, config: Config) -> None:
        """Refuse scripts that import what they will not find in SegMake's own environment, in which this runs."""
        from segmake.scripts.source.static import modules_of

        problems = []
        for index, script in enumerate(self.plan.definitions.values()):
            if script.environment is None:
                missing = [name for name in modules_of(script.file) if find_spec(name) is None]
                if missing:
                    where = config.where("scripts", index, "script")
                    names = {"script": script.file.name, "modules": ", ".join(missing)}
                    problems.append(Problem("SM-SCR-040", where=where, **names))
        if problems:
            raise Problems(problems)

    @property
    def environment_records(self) -> list[Path]:
        """The files that are there once the environments of the config were tried."""
        return [self.own_environments.record(name) for name in self.plan.environments]

    def python_of(self, environment: str) -> str:
        """Return the Python of an environment of the config, as a shell takes it."""
        return python_words(self.plan, environment, conda=self._conda)

    def _imports_of_scripts(self, environment: str) -> list[str]:
        """Return the modules that scripts import in an environment: ``module=script``."""
        from segmake.scripts.source.static import modules_of

        return [
            f"{module}={script.file.name}"
            for script in self.plan.definitions.values()
            if script.environment == environment
            for module in modules_of(script.file)
        ]

    @property
    def scripts(self) -> list[ScriptRule]:
        """What the rules of the users' scripts are made of; only of those with something to do."""
        return script_rules(
            self.plan,
            cluster=self._cluster,
            jobs=self._jobs,
            records={name: self.own_environments.record(name) for name in self.plan.environments},
            conda=self._conda,
            in_job=not self._workflow.is_main_process,
        )

    @property
    def unfinished_scripts(self) -> list[str]:
        """The scripts not all of whose runs were tried: of the others, Snakemake sees only their files."""
        return [name for name in self.plan.scripts if not self.plan.script_outcome(name).exists()]

    def batches_of(self, script: str) -> list[Path]:
        """Return the files that are there once all runs of a script were tried."""
        plan = self.plan
        own = [plan.script_batch(script, batch) for batch in plan.scripts[script].batches]
        return [*own, *plan.before_script(script)]

    def _meet_cluster(self, config: Config) -> None:
        """Hold what is to be sent against what the cluster has; a run that sends nothing needs no cluster."""
        try:
            self._cluster = Cluster(config.settings)
            if self.plan.has_work:
                _check_paths(Path.cwd(), self.plan.folders.results)
                self._cluster.check(config)
        except Problem:
            if self.plan.has_work:
                raise
            return
        cores = self._cluster.cores_afterwards
        places = [self._cluster.partition(gpu=gpu) for gpu in (True, False)]
        shortest = min((place.minutes for place in places if place and place.minutes), default=60)
        # With one core, nothing can be done beside the measuring; and each step of a group asks for a minute.
        grouped = cores > 1 and shortest >= len(STEPS)
        self.plan = replace(self.plan, cores=cores, small=self.plan.small if grouped else [])
        section = self.plan.settings["cluster"]
        if section["partition"] is None and (default := self._cluster.partition(gpu=True)):
            section["partition"] = default.name

    def _start_on_cluster(self) -> None:
        """Take over, or clear away, what the last run left in the queue; name this one's jobs; show where it is."""
        if configuration := self._slurm.get("SLURM_CONF"):
            os.environ["SLURM_CONF"] = configuration
        self._cancel_what_is_not_adopted()
        plugin = self._workflow.scheduler._executor
        new = name_of_jobs(plugin.run_uuid, Path.cwd())
        plugin.run_uuid = self._jobs.run if self._adopted else new
        logs = self.plan.folders.results / "logs" / "slurm"
        shorten(self.plan.folders.jobs)
        self._jobs.begin(plugin.run_uuid, self.plan.started, logs)
        self._executor = take_over(
            plugin,
            self._jobs,
            self._adopted,
            logs=logs,
            words=logs.parent / "sbatch.log",
            room=self._room(),
        )
        # Snakemake would wait for the jobs, which may take hours; as after Ctrl-C, they are cancelled.
        signal.signal(signal.SIGTERM, self._stop)
        if submit.sends_itself_again():
            signal.signal(submit.SIGNAL, self._hand_over)
        self._screen = Screen(Observer(self.plan, self._jobs), sys.stderr)
        self._screen.start()

    def _room(self) -> tuple[int, str] | None:
        """Return how many jobs Slurm takes at once, if that is known, and its word for it."""
        section = self.plan.settings["cluster"]
        if self._cluster is None or not self._cluster.keeps_accounts:
            return None
        known = slurm.room(section["account"], section["qos"])
        # One place is for the main process, where it is a job itself and is to send itself again.
        return (max(1, known[0] - submit.sends_itself_again()), known[1]) if known else None

    def _cancel_what_is_not_adopted(self) -> None:
        """Cancel the jobs of the last run that this one has no use for."""
        with suppress(SlurmError):
            # One may have reached the queue after its run was lost.
            self._jobs.refresh()
        adopted = self._adopted.values()
        others = any(sent.job.id not in adopted for sent in self._jobs.live())
        # Beside jobs that nobody follows, the same images would be computed twice.
        if others and not self._leave_nothing_behind("cluster.cancelled", adopted):
            sys.exit(1)

    def _hand_over(self, number: int, frame: FrameType | None) -> None:
        """Send the main process again, which is a job whose time is nearly up, and leave the other jobs to it."""
        signal.signal(submit.SIGNAL, signal.SIG_IGN)
        done = sum(state == "done" for state in self.plan.states.values())
        done += sum(script.counts["done"] for script in self.plan.scripts.values())
        try:
            job = submit.send_again(self.plan.folders, self._slurm.get("SLURM_JOB_ID"), done)
            self._next_job = say("submit.sent_again", job=job)
        except SlurmError as error:
            # The jobs work on all the same, and whoever starts the run again goes on with them.
            self._next_job = str(Problem("SM-CLU-052", error=slurm.one_line(error)))
        if self._executor:
            self._executor.leave()
        if self._screen:
            self._screen.cease()
        raise KeyboardInterrupt

    def _stop(self, number: int, frame: FrameType | None) -> NoReturn:
        self._stopped = True
        if self._screen:
            # To be interrupted again would leave jobs behind.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            self._screen.cease()
            print("\n" + say("cluster.stopping"), file=sys.stderr)
        raise KeyboardInterrupt

    def _leave_nothing_behind(self, words: str, kept: Collection[str] = ()) -> bool:
        """Cancel what is left of the last run in the queue, and return whether that could be done.

        Two runs at once would compute the same images.
        """
        try:
            if left := self._jobs.cancel(kept):
                print(say(words, number=len(left)), file=sys.stderr)
        except SlurmError as error:
            print(Problem("SM-CLU-001", error=slurm.one_line(error)), file=sys.stderr)
            return False
        return True

    def _keep_changed_files(self) -> None:
        """Move what users changed of the tables and the report: Snakemake removes them before it runs a rule."""
        if self.plan.summary().exists():
            return
        folders = self.plan.folders
        kept = keep_changed_files(folders.run_files, folders.results)
        for name, place in kept.items():
            print(told_of_changed(folders.results, name, place), file=sys.stderr)
        self.plan = replace(self.plan, kept=kept)

    def _bring_back_from_future(self) -> None:
        """Date files that Snakemake compares with others today, if a clock that was wrong dated them later.

        It refuses a result that is older than what it was made of, for as long as the later date has not come.
        """
        folders = self.plan.folders
        files = [folders.results / name for name in NAMES]
        files += [Path(file) for file in self.plan.environments.values()]
        places = ("*/*.t*", "report/*", "scripts/*/*.*")
        files += [path for place in places for path in folders.state.glob(place)]
        late = [path for path in files if _is_of_future(path)]
        now = time.time()
        for path in late:
            os.utime(path, (now, now))
        if late:
            where = str(folders.results)
            print(Problem("SM-RUN-020", where=where, number=len(late)), file=sys.stderr)

    def _take_folder(self) -> None:
        folders = self.plan.folders
        folders.state.mkdir(parents=True, exist_ok=True)
        # Else each job that writes to one would tell, as often as it is tried again.
        for folder in (".", *STEPS, "scripts/*"):
            for path in folders.state.glob(f"{folder}/*.jsonl"):
                refuse_link(path)
        self._lock = lock = open_own(folders.lock, "a+")
        try:
            # The system lets go of it when this process ends, however it ends.
            lock_file(lock, wait=False)
        except BlockingIOError:
            names = {"results": folders.results, **read_lock(lock)}
            raise Problem("SM-RUN-009", where=str(folders.results), **names) from None
        write_lock(lock)


def _part_of_group(rule: str, memory: int, minutes: int, *, together: bool) -> tuple[int, int]:
    """Return what a job asks for so that its group has so much memory and time, whichever of its jobs are left to do.

    Snakemake adds up the time of steps that follow each other, and the memory of those side by side.
    """
    share = max(1, minutes // (4 if together else 3))
    if rule == STEPS[0]:
        return memory, max(1, minutes - 2 * share)
    if rule == "masks":
        return memory, share
    return memory // 2, share if together else max(1, minutes - share)


def _is_of_future(path: Path) -> bool:
    with suppress(OSError):
        return path.stat().st_mtime > time.time() + CLOCK_SECONDS
    return False


def _refuse(problem: Problem | Problems) -> NoReturn:
    """End Snakemake with a message of our own: an exception would bring a traceback with it."""
    print(f"\n{problem}", file=sys.stderr)
    sys.exit(1)


def _check_paths(*folders: Path) -> None:
    """Refuse folders whose names Snakemake does not bring to its jobs as they are.

    It writes them as Python would (``repr``), for a shell to read.
    """
    for folder in map(str, folders):
        if repr(folder)[1:-1] != folder or ("'" in folder and re.search("[$`]", folder)):
            raise Problem("SM-CLU-013", path=readable(folder))


def _speak_plainly(quiet: Collection[Quietness] | None) -> None:
    """Keep Snakemake's own words about its doings off the screen, where the profile asks for quiet.

    Its warnings and errors stay, save those about a command that said itself what was wrong. A log of its own that
    can't be written it would tell with a traceback for each line.
    """
    logging.raiseExceptions = False
    if not quiet or Quietness.RULES not in quiet:
        return

    def is_news(record: logging.LogRecord) -> bool:
        words = record.getMessage()
        # Of its own files alone: a failed job's log may tell of other disks.
        own = record.levelno >= logging.ERROR and ".snakemake" in words
        if own and (failing := disk_problem(OSError(words), Path(".snakemake"))):
            record.msg, record.args = str(failing), ()
        known = _SAID_BETTER.search(words) or _NO_NEWS.search(words)
        return record.levelno >= logging.WARNING and not known

    for handler in logger.handlers:
        if handler.name == "DefaultStreamHandler":
            handler.addFilter(is_news)
