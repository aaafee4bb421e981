"""A run from its start to its end: what SegMake does before the first job, when it is stopped, and after the last."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Timer
from types import FrameType
from typing import IO, Any, NoReturn

from segmake.adapter import results_folder
from segmake.adapter.config_environments import try_failed_again
from segmake.adapter.engine_environment import EngineEnvironment
from segmake.adapter.reading import Reading
from segmake.adapter.refusal import refuse
from segmake.adapter.sending import Sending, leave_nothing_behind
from segmake.adapter.workflow_object import WorkflowObject
from segmake.core import installation
from segmake.core.disk import disk_problem, probe
from segmake.core.ended_runs import How, note_begin, note_end
from segmake.core.run_marks import keep_showing
from segmake.environments.making.own_environments import OwnEnvironments
from segmake.images.inventory import write_inventory
from segmake.messages import Problem, say
from segmake.outcome.past_runs import keep_config
from segmake.plan.bindings import write_bindings
from segmake.plan.make import make_plan
from segmake.plan.overview import overview_of, write_overview
from segmake.plan.result_paths import ResultPaths
from segmake.plan.scripts import note_meanings
from segmake.plan.settled import WORTH_KEEPING
from segmake.plan.written_plan import write_plan
from segmake.scripts.running.process import end_orphans
from segmake.slurm import commands as slurm

# Who gets back the prompt so late wonders what is still at work.
NOTICED_SECONDS = 2.0


class Lifecycle:
    """A run that Snakemake starts and ends.

    Parameters
    ----------
    workflow : WorkflowObject
    reading : Reading
    engine : EngineEnvironment
    variables : mapping
        As for `Sending`.
    """

    def __init__(
        self,
        workflow: WorkflowObject,
        reading: Reading,
        engine: EngineEnvironment,
        variables: Mapping[str, str],
    ) -> None:
        self._workflow = workflow
        self._plan = reading.plan
        self._reading = reading
        self._engine = engine
        self._variables = variables
        self._lock: IO[str] | None = None
        self._sending: Sending | None = None
        self._stopped = False
        self._begun = False

    def start(self) -> None:
        """Take the results folder for this run, and write down its plan.

        Raises
        ------
        SystemExit
            After a message, if another run works in the folder, it can't be written to, the engine's
            environment is missing, or jobs are to be sent from a machine without Slurm.
        """
        try:
            self._start()
        except BaseException:
            self._note_end()
            raise

    def _start(self) -> None:
        try:
            self._check()
            self._lock = results_folder.take(self._plan.folders)
            keep_showing(self._plan.folders.lock)
            OwnEnvironments(self._plan).make()
            installation.link_package(self._plan.folders.state)
            note_begin(self._plan.folders.runs, self._plan.name, self._keep_config())
            self._begun = True
            self._workflow.judge_failures(lambda: bool(self._failing_disk()), self._is_in_vain)
            if self._plan.scripts:
                end_orphans(self._plan.folders.plan)
            signal.signal(signal.SIGINT, self._stop)
            self._meet_jobs()
            self._prepare_results()
            self._write()
        except Problem as problem:
            refuse(problem)
        except OSError as error:
            results = self._plan.folders.results
            names = {"results": results, "error": error.strerror}
            failing = disk_problem(error, results)
            refuse(failing or Problem("SM-RUN-010", where=str(results), **names))

    def _keep_config(self) -> str:
        """Return what the config is kept under; nothing where it can't be kept, which is no reason not to run."""
        with suppress(OSError):
            return keep_config(self._plan.folders, self._reading.config_text)
        return ""

    def end(self) -> None:
        """Say what became of the run."""
        if self._sending:
            self._sending.stop_screen()
        if self._lock:
            with suppress(OSError):
                try_failed_again(self._plan, self._workflow)
            self._note_end()
        if self._sending and self._sending.handed_over:
            print(f"\n{self._sending.handed_over}", file=sys.stderr)
            return
        jobs = self._reading.jobs
        empty = not jobs.keep or leave_nothing_behind(jobs, "cluster.left")
        for problem in self._sending.problems() if self._sending else []:
            print(f"\n{problem}", file=sys.stderr)
        print(
            f"\n{self._outcome(cancelled=bool(jobs.keep) and empty)}", file=sys.stderr, flush=True
        )
        if self._lock and not self._stopped:
            # Nothing is written in the results any more: the folder is free for others.
            self._lock.close()
            self._keep_what_is_done()

    def _keep_what_is_done(self) -> None:
        """Plan once more, from the journals, while nobody waits for it: the next start knows at once what is done.

        Whoever does wait here is told why, and may stop it: all has been said, and there is nothing to cancel.
        """
        config = self._reading.config
        if config is None or self._plan.number_of_images < WORTH_KEEPING:
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        told = Timer(NOTICED_SECONDS, print, (say("end.noting"),), {"file": sys.stderr})
        told.daemon = True
        # Whatever it is, the run is over as it was, and the next start plans for itself.
        with suppress(Exception, KeyboardInterrupt):
            told.start()
            make_plan(config)
        told.cancel()

    def _note_end(self) -> None:
        """Write down that the run ended, and how: else it would count as one that was killed."""
        how: How = "stopped" if self._stopped else "ended"
        if self._sending and self._sending.handed_over:
            how = "handed_over"
        if self._begun:
            with suppress(OSError, Problem):
                note_end(self._plan.folders.runs, self._plan.name, how)

    def _check(self) -> None:
        if self._plan.batches:
            self._engine.refuse_missing()
        if self._workflow.sends_jobs and not slurm.is_here():
            raise Problem("SM-RUN-011")

    def _meet_jobs(self) -> None:
        """Begin to send jobs, or cancel those that a run on a cluster has left."""
        jobs = self._reading.jobs
        if self._reading.cluster and self._workflow.sends_jobs_to_slurm:
            self._sending = Sending(self._reading, self._variables)
            self._sending.begin(self._workflow.executor)
            # Snakemake would wait for the jobs, which may take hours; as after Ctrl-C, they are cancelled.
            signal.signal(signal.SIGTERM, self._stop)
        elif slurm.is_here() and jobs.live():
            leave_nothing_behind(jobs, "cluster.cancelled")

    def _prepare_results(self) -> None:
        if kept := results_folder.keep_changed(self._plan):
            self._plan = replace(self._plan, kept=kept)
        results_folder.bring_back_from_future(self._plan)

    def _write(self) -> None:
        """Write down what the jobs work by, and what the next run is to know."""
        plan, folders = self._plan, self._plan.folders
        write_plan(plan)
        write_overview(overview_of(plan), folders.overview)
        note_meanings(plan)
        results_folder.forget_past_attempts(plan, self._workflow)
        if plan.environments:
            from segmake.environments.solving.environment_files import copy_to_results

            files = {name: Path(file) for name, file in plan.environments.items()}
            copy_to_results(files, folders.results)
        if self._reading.inventory:
            write_inventory(self._reading.inventory, folders.inventory)
        if plan.bindings:
            write_bindings(plan.bindings, folders.state)

    def _outcome(self, *, cancelled: bool) -> str:
        from segmake.outcome.last_words import last_words

        if self._stopped:
            return say("end.cancelled" if cancelled else "end.stopped")
        if self._plan.has_work and (failing := self._failing_disk()):
            # What was in work then is not to blame.
            return f"{say('end.stopped')}\n{failing}"
        return last_words(self._plan)

    def _failing_disk(self) -> Problem | None:
        """Return what keeps the results, or Snakemake's own files, from being written."""
        return failing_disk(self._plan.folders)

    def _is_in_vain(self, job: Any) -> bool:
        """Whether Slurm will never take such a job, or start it."""
        return self._sending is not None and self._sending.is_in_vain(job)

    def _stop(self, number: int, frame: FrameType | None) -> NoReturn:
        self._stopped = True
        if self._sending and self._sending.has_screen:
            # To be interrupted again would leave jobs behind.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            self._sending.cease()
            print("\n" + say("cluster.stopping"), file=sys.stderr)
        raise KeyboardInterrupt


def failing_disk(folders: ResultPaths) -> Problem | None:
    """Return what keeps the results, or Snakemake's own files, from being written."""
    places = (folders.state, Path(".snakemake"))
    return next(filter(None, map(probe, places)), None)
