"""What the rules take from SegMake: one reading of the Snakefile, put together of the parts that stand beside this one.

`reading` makes the plan in the main process, and reads it in a job. `resources`, `engine_environment`, `script_rules`
and `shell_commands` say what the rules are made of; `lifecycle` what happens when a run starts and ends. All know
Snakemake by `workflow_object`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from segmake.adapter import conda_environments
from segmake.adapter.engine_environment import EngineEnvironment
from segmake.adapter.handlers import refuse_other_settings, register
from segmake.adapter.lifecycle import Lifecycle
from segmake.adapter.reading import read
from segmake.adapter.refusal import refuse
from segmake.adapter.report_place import ReportPlace
from segmake.adapter.resources import Resources
from segmake.adapter.script_rules import ScriptRule, python_words, script_rules
from segmake.adapter.sending import variables_of_slurm
from segmake.adapter.shell_commands import shell_prefix
from segmake.adapter.shown_jobs import show_jobs_where_asked
from segmake.adapter.workflow_object import WorkflowObject
from segmake.core.declared_steps import SEGMENT
from segmake.core.disk import disk_problem
from segmake.core.site_language import speak_its_language
from segmake.environments.making.own_environments import OwnEnvironments
from segmake.messages import Problem, Problems


class Session:
    """One reading of the Snakefile: in the main process it makes the plan, in a job it reads it.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        Snakemake's own object.
    config : mapping
        What Snakemake has as ``config`` where SegMake's Snakefile is read.
    """

    def __init__(self, workflow: Any, config: Mapping[str, Any]) -> None:
        speak_its_language()
        self._workflow = WorkflowObject(workflow)
        variables = variables_of_slurm()
        with _refusing():
            refuse_other_settings(self._workflow, config)
            self._conda = conda_environments.take_charge(self._workflow, refuse, self._forgive)
            self._reading = read(self._workflow, conda=self._conda)
        self.plan = self._reading.plan
        self._engine = EngineEnvironment(self.plan.settings, conda=self._conda)
        self._report_place = ReportPlace(self.plan)
        self._resources = Resources(self.plan, self._reading.jobs, self._reading.cluster)
        self._run = Lifecycle(self._workflow, self._reading, self._engine, variables)

    def take_part(self) -> None:
        """Have Snakemake call SegMake when a run starts and ends, also where SegMake is a module."""
        with _refusing():
            register(self._workflow, self._run.start, self._run.end)
        if self._workflow.is_main_process:
            self._workflow.send_unless("report", self._report_place.has_few_cells)
        show_jobs_where_asked(self._workflow, self.plan)

    # What the rules run in

    @property
    def shell_prefix(self) -> str:
        """What comes before every rule's shell command."""
        return shell_prefix(self.plan.folders.plan, self._engine.python, conda=self._conda)

    @property
    def engine_file(self) -> str:
        """The engine's environment file."""
        with _refusing():
            return self._engine.file

    @property
    def checked_model(self) -> Path | None:
        """The file that is there once the model was checked; None for an engine without one."""
        return self._engine.checked_model(self.plan.folders.state)

    @property
    def own_environments(self) -> OwnEnvironments:
        """The environments of the config."""
        return OwnEnvironments(self.plan)

    @property
    def environment_records(self) -> list[Path]:
        """The files that are there once the environments of the config were tried."""
        return [self.own_environments.record(name) for name in self.plan.environments]

    def python_of(self, environment: str) -> str:
        """Return the Python of an environment of the config, as a shell takes it."""
        return python_words(self.plan, environment, conda=self._conda)

    # What the jobs ask for

    def resources(self, rule: str) -> dict[str, Any]:
        """Return what a rule's jobs ask of Slurm."""
        return self._resources.of(rule)

    def cores(self, rule: str) -> Callable[[Any], int]:
        """Return what says how many cores a rule's jobs have."""
        return self._resources.cores(rule)

    def group(self, wildcards: Any) -> str | None:
        """Return the group of a small batch whose steps are done in one job, or None for the others."""
        return self._resources.group(wildcards)

    def group_of_segment(self, wildcards: Any) -> str | None:
        """Return the group of the segmentation of a batch, or None where it is a job of its own."""
        return self._resources.group_of_segment(wildcards)

    # What is to be done

    @property
    def batches_to_segment(self) -> list[str]:
        """The batches that are not finished: of the others, Snakemake sees only their files.

        It would send a finished batch again whenever the model that it was segmented with is checked again. A job may
        be told to segment one that is finished: it was ended at a later step, and is sent again with all of them.
        """
        batches = self.plan.batches
        if not self._workflow.is_main_process:
            return list(batches)
        return [batch for batch in batches if not self.plan.outcome(SEGMENT, batch).exists()]

    @property
    def report_is_small(self) -> bool:
        """Whether the report may be so soon written that it needs no job: the number of cells decides, too."""
        return self._report_place.has_few_images

    @property
    def scripts(self) -> list[ScriptRule]:
        """What the rules of the users' scripts are made of; only of those with something to do."""
        return script_rules(
            self.plan,
            cluster=self._reading.cluster,
            jobs=self._reading.jobs,
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

    def _forgive(self, file: str, problem: Problem) -> bool:
        """Return whether the run can do without an environment that Snakemake could not make."""
        return self.own_environments.forgive(file, problem)


@contextmanager
def _refusing() -> Iterator[None]:
    """End Snakemake with what is wrong with the config, the images, the cluster or a disk."""
    try:
        yield
    except (Problem, Problems) as problem:
        refuse(problem)
    except OSError as error:
        if not (failing := disk_problem(error, Path())):
            raise
        refuse(failing)
