"""The side of a run that a cluster sees: its jobs and those of the run before, what the screen says, and the hand-over.

A run whose main process is a job itself sends itself again before its time is up, and leaves its jobs to the next.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from segmake.adapter.executor import Executor, name_of_jobs, take_over
from segmake.adapter.reading import Reading
from segmake.cluster import submit
from segmake.messages import Problem, say
from segmake.outcome.screen import Observer, Screen
from segmake.slurm import commands as slurm
from segmake.slurm.commands import SlurmError
from segmake.slurm.history import shorten
from segmake.slurm.jobs import Jobs

# Where Slurm's configuration is, and the number of the job that the main process is, if it is one.
_OF_SLURM = ("SLURM_CONF", "SLURM_JOB_ID")


def variables_of_slurm() -> dict[str, str]:
    """Return where Slurm is, and which job this is: the executor takes these variables away."""
    return {name: os.environ[name] for name in _OF_SLURM if name in os.environ}


class Sending:
    """The jobs of a run on a cluster.

    Parameters
    ----------
    reading : Reading
    variables : mapping
        What `variables_of_slurm` returned before there was an executor.
    """

    def __init__(self, reading: Reading, variables: Mapping[str, str]) -> None:
        self._reading = reading
        self._variables = variables
        self._executor: Executor | None = None
        self._screen: Screen | None = None
        self._next_job = ""

    def begin(self, plugin: Any) -> None:
        """Take over, or clear away, what the last run left in the queue; name this one's jobs; show where it is.

        Parameters
        ----------
        plugin : snakemake_executor_plugin_slurm.Executor
            The executor of the run, which becomes SegMake's own.
        """
        plan, jobs, adopted = self._reading.plan, self._reading.jobs, self._reading.adopted
        if configuration := self._variables.get("SLURM_CONF"):
            os.environ["SLURM_CONF"] = configuration
        self._cancel_what_is_not_adopted()
        plugin.run_uuid = jobs.run if adopted else name_of_jobs(plugin.run_uuid, Path.cwd())
        logs = plan.folders.results / "logs" / "slurm"
        shorten(plan.folders.jobs)
        jobs.begin(plugin.run_uuid, plan.started, logs)
        words = logs.parent / "sbatch.log"
        self._executor = take_over(plugin, jobs, adopted, logs=logs, words=words, room=self._room())
        if submit.sends_itself_again():
            signal.signal(submit.SIGNAL, self._hand_over)
        self._screen = Screen(Observer(plan, jobs), sys.stderr)
        self._screen.start()

    @property
    def has_screen(self) -> bool:
        """Whether it is shown where the run is."""
        return self._screen is not None

    def cease(self) -> None:
        """Say no more of where the run is: it is stopped."""
        if self._screen:
            self._screen.cease()

    def stop_screen(self) -> None:
        """Say for the last time where the run is."""
        if self._screen:
            self._screen.stop()

    def is_in_vain(self, job: Any) -> bool:
        """Whether it is no use to try a job that failed again."""
        return self._executor is not None and self._executor.is_in_vain(job)

    def problems(self) -> list[Problem]:
        """Return why jobs were not sent."""
        return self._executor.problems() if self._executor else []

    @property
    def handed_over(self) -> str:
        """What to say of the job that goes on with this run; empty where none does."""
        leaves = self._executor is not None and self._executor.leaves_jobs
        return self._next_job if leaves else ""

    def _room(self) -> tuple[int, str] | None:
        """Return how many jobs Slurm takes at once, if that is known, and its word for it."""
        section, cluster = self._reading.plan.typed.cluster, self._reading.cluster
        if cluster is None or not cluster.keeps_accounts:
            return None
        known = slurm.room(section.account, section.qos)
        # One place is for the main process, where it is a job itself and is to send itself again.
        return (max(1, known[0] - submit.sends_itself_again()), known[1]) if known else None

    def _cancel_what_is_not_adopted(self) -> None:
        """Cancel the jobs of the last run that this one has no use for."""
        jobs, adopted = self._reading.jobs, self._reading.adopted.values()
        with suppress(SlurmError):
            # One may have reached the queue after its run was lost.
            jobs.refresh()
        others = any(sent.job.id not in adopted for sent in jobs.live())
        # Beside jobs that nobody follows, the same images would be computed twice.
        if others and not leave_nothing_behind(jobs, "cluster.cancelled", adopted):
            sys.exit(1)

    def _hand_over(self, number: int, frame: FrameType | None) -> None:
        """Send the main process again, which is a job whose time is nearly up, and leave the other jobs to it."""
        signal.signal(submit.SIGNAL, signal.SIG_IGN)
        plan = self._reading.plan
        done = sum(state == "done" for state in plan.states.values())
        done += sum(script.counts["done"] for script in plan.scripts.values())
        try:
            job = submit.send_again(plan.folders, self._variables.get("SLURM_JOB_ID"), done)
            self._next_job = say("submit.sent_again", job=job)
        except SlurmError as error:
            # The jobs work on all the same, and whoever starts the run again goes on with them.
            self._next_job = str(Problem("SM-CLU-052", error=slurm.one_line(error)))
        if self._executor:
            self._executor.leave()
        self.cease()
        raise KeyboardInterrupt


def leave_nothing_behind(jobs: Jobs, words: str, kept: Collection[str] = ()) -> bool:
    """Cancel what is left of the last run in the queue, and return whether that could be done.

    Two runs at once would compute the same images.

    Parameters
    ----------
    jobs : Jobs
    words : str
        The name of what to say when there was something left.
    kept : collection of str
        The numbers of jobs that are left alone.
    """
    try:
        if left := jobs.cancel(kept):
            print(say(words, number=len(left)), file=sys.stderr)
    except SlurmError as error:
        print(Problem("SM-CLU-001", error=slurm.one_line(error)), file=sys.stderr)
        return False
    return True
