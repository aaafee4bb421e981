"""What SegMake asks of Snakemake's own object of a run, ``workflow``, and what it changes of it.

The other modules know Snakemake's workflow by this one alone; `segmake.adapter.touch_points` says what each touch
needs it for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from snakemake.cli import parse_args
from snakemake.io import IOFile
from snakemake.settings.enums import Quietness
from snakemake.settings.types import DeploymentMethod
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

from segmake.core.config import DEFAULT_CONFIG


class WorkflowObject:
    """Snakemake's workflow, as SegMake sees it.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
    """

    def __init__(self, workflow: Any) -> None:
        self._workflow = workflow

    @property
    def is_main_process(self) -> bool:
        """Whether this is the process that the user started, and no job of it."""
        return bool(self._workflow.is_main_process)

    @property
    def config_files(self) -> tuple[Path, ...]:
        """The config files, of which the later ones count; the usual one, if none is named.

        They are what ``configfile:`` of the Snakefile names last, if anything, and then all of ``--configfile``.
        """
        typed = list(map(Path, self._workflow.config_settings.configfiles))
        # Snakemake notes those of the Snakefile behind them.
        own = list(map(Path, self._workflow.configfiles))[len(typed) :]
        return (*own[-1:], *typed) or (DEFAULT_CONFIG,)

    @property
    def config_file(self) -> Path:
        """The config file; of several, the last one."""
        return self.config_files[-1]

    @property
    def overrides(self) -> dict[str, Any]:
        """What ``--config`` says."""
        return dict(self._workflow.config_settings.config)

    @property
    def cores(self) -> int | None:
        """How many cores this computer gives; None where jobs are sent to a cluster."""
        return None if self.sends_jobs else self._workflow.resource_settings.cores

    @property
    def sends_jobs(self) -> bool:
        """Whether jobs are sent to a cluster; in a dry run: would be."""
        return self._workflow.resource_settings.nodes is not None

    @property
    def sends_jobs_to_slurm(self) -> bool:
        """Whether jobs are sent by the executor for Slurm; known once a run begins."""
        return bool(self._workflow.executor_plugin.name == "slurm")

    @property
    def is_dry_run(self) -> bool:
        """Whether nothing is to be done."""
        return bool(self._workflow.output_settings.dryrun)

    @property
    def is_quiet(self) -> bool:
        """Whether Snakemake is not to tell of its rules."""
        return Quietness.RULES in (self._workflow.output_settings.quiet or ())

    @property
    def uses_conda(self) -> bool:
        """Whether Snakemake is to make the environments of the rules (``--sdm conda``)."""
        return DeploymentMethod.CONDA in self._workflow.deployment_settings.deployment_method

    def do_without_conda(self) -> None:
        """Have Snakemake make no environments, in the jobs as well."""
        settings = self._workflow.deployment_settings
        settings.deployment_method = set(settings.deployment_method) - {DeploymentMethod.CONDA}

    @property
    def conda_prefix(self) -> Path | None:
        """Where ``--conda-prefix`` has environments made."""
        return self._workflow.deployment_settings.conda_prefix

    def make_environments_in(self, folder: Path | None) -> None:
        """Have Snakemake make environments in a folder, as with ``--conda-prefix``; None: in its usual one."""
        self._workflow.deployment_settings.conda_prefix = folder

    @property
    def modifier(self) -> Any:
        """How the Snakefile that is read changes rules, if it is a module of another one."""
        return self._workflow.modifier

    @property
    def executor(self) -> Any:
        """What sends the jobs; known once a run begins."""
        return self._workflow.scheduler._executor

    def send_unless(self, rule: str, small: Callable[[], bool]) -> None:
        """Have Snakemake send a local rule's job to the cluster like others, where it is not small.

        Parameters
        ----------
        rule : str
            Its name.
        small : callable
            Asked whenever Snakemake asks where the job is done; on one computer it makes no difference.
        """
        is_local = self._workflow.is_local

        def is_local_and_small(asked: Any) -> bool:
            here = bool(is_local(asked))
            return here and (asked.name != rule or not self.sends_jobs or small())

        self._workflow.is_local = is_local_and_small

    def show_jobs(self, executor: type) -> None:
        """Have a dry run make an executor for Slurm by the settings of the command line, where it would make none.

        Parameters
        ----------
        executor : type
            Its class. It has to end the process: what makes it would do the work of local rules next.
        """
        workflow, execute = self._workflow, self._workflow.execute
        registered = ExecutorPluginRegistry().get_plugin("slurm")
        _, arguments = parse_args(sys.argv[1:])
        # A dry run takes one core where the command line says nothing, and jobs of a group would follow each other.
        workflow.resource_settings.cores = arguments.cores
        workflow.global_resources["_cores"] = arguments.cores
        common = replace(registered.common_settings, dryrun_exec=True)
        shown = {
            "executor_plugin": replace(registered, executor=executor, common_settings=common),
            "executor_settings": registered.get_settings(arguments),
        }
        workflow.execute = lambda **settings: execute(**{**settings, **shown})

    def forget(self, file: Path) -> None:
        """Forget what Snakemake has noted of how a file was made."""
        self._workflow.persistence.cleanup_metadata(IOFile(str(file)))

    def judge_failures(self, stop: Callable[[], bool], in_vain: Callable[[Any], bool]) -> None:
        """Let Snakemake start no more jobs, nor a failed one again, once that is of no use.

        Parameters
        ----------
        stop : callable
            Whether no job can be done any more; asked when one has failed.
        in_vain : callable
            From a job that failed to whether it would fail again.
        """
        scheduler = self._workflow.scheduler
        handle = scheduler._handle_error

        def handle_error(job: Any, *arguments: Any, **options: Any) -> None:
            stopped = stop()
            if stopped:
                scheduler.keepgoing = False
            if stopped or in_vain(job):
                job.attempt = job.restart_times + 1
            handle(job, *arguments, **options)

        scheduler._handle_error = handle_error

    def on(self, event: str, own: Callable[[], None]) -> None:
        """Have Snakemake call a function, and then what the Snakefile that SegMake is a part of has for the same.

        Snakemake 9.27 passes over ``onstart``, ``onsuccess`` and ``onerror`` of modules.

        Parameters
        ----------
        event : str
            ``"onstart"``, ``"onsuccess"`` or ``"onerror"``.
        own : callable
        """
        workflow = self._workflow

        def with_own(log: Any, then: Callable[[Any], None]) -> None:
            own()
            then(log)

        def add(then: Callable[[Any], None]) -> Callable[[Any], None]:
            if workflow.modifier.is_main_snakefile():
                setattr(workflow, f"_{event}", lambda log: with_own(log, then))
            return then

        # One may stand in the Snakefile before SegMake, or behind it.
        before = getattr(workflow, f"_{event}")
        setattr(workflow, f"_{event}", lambda log: with_own(log, before))
        setattr(workflow, event, add)
