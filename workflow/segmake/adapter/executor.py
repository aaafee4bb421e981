"""How jobs are sent to Slurm, followed, and left: Snakemake's Slurm executor, with what SegMake's users need of it.

The executor (snakemake-executor-plugin-slurm 2.8) knows how to ask Slurm for what a rule wants. The rest is SegMake's
own. A submission that Slurm refuses for now waits, and is no attempt; one that it will always refuse is not tried
again. Jobs that a lost run left are adopted. Slurm is asked about all jobs at once, seldom while nothing changes. A job
runs one Snakemake, and not one in a job step of another. One whose files are not there has not done its work, whatever
Slurm says. Where jobs fail before anything of SegMake runs in them, no more are sent.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import shlex
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path
from textwrap import indent
from typing import Any

import snakemake_executor_plugin_slurm as plugin
from snakemake_executor_plugin_slurm.submit_string import get_submit_command
from snakemake_executor_plugin_slurm.utils import get_job_wildcards, set_gres_string
from snakemake_executor_plugin_slurm.validation import get_forbidden_slurm_options
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.utils import format_cli_arg

from segmake.adapter.installed import OF_ANOTHER_PYTHON
from segmake.core.files import append_line
from segmake.messages import Problem, say
from segmake.slurm import commands as slurm
from segmake.slurm import fates
from segmake.slurm.commands import SlurmError, number_of_job, reason, work_of
from segmake.slurm.jobs import FORGOTTEN, Jobs, Sent

# Slurm is asked so often while nothing changes, a little later at random, so that many runs don't ask together.
LOOK_SECONDS = 15.0
LOOK_JITTER_SECONDS = 2.0

# Whether a job has left its files is looked up so often, on the disk; then Slurm is asked sooner.
GLANCE_SECONDS = 2.0

# A job whose files are there is asked for so often in a row before it is left to the next look.
LOOKS_AT_END = 5

# How long a refused submission waits before it is tried again, if no job of the run ends before.
PATIENCE_SECONDS = (15.0, 30.0, 60.0, 120.0)

# Refusals of jobs that would be one too many.
LIMITS = ("submit_limit", "full")

# A job that ended through no fault of its own is sent again so often, without counting as an attempt.
SENT_AGAIN = 20

# Jobs that fail like each other before SegMake starts in them: so many, and no more are sent.
LAUNCHES = 2

# Others that started so lately may be about to do better.
YOUNG_SECONDS = 120.0

# Words of sbatch that nobody knows are heard so often before they are taken for its last.
UNKNOWN_REFUSALS = 3

# So many files are named in a job's command.
WAITED_FOR = 20

# sbatch itself asks again for a while.
SBATCH_SECONDS = 300.0


# What is asked of Slurm for a job: its rule, memory and minutes.
Request = tuple[str, Any, Any]


class Executor(plugin.Executor):
    """The executor of a run; `take_over` makes one of the plugin's.

    Attributes
    ----------
    jobs : Jobs
        The record of its jobs.
    leaves_jobs : bool
        Whether jobs stay in the queue when this run ends, for the one that goes on after it.
    hopeless : Problem or None
        Why no job of the run can be done.
    """

    jobs: Jobs
    leaves_jobs: bool
    hopeless: Problem | None

    def _begin(
        self,
        jobs: Jobs,
        adopted: Mapping[tuple[str, str], str],
        words: Path,
        room: tuple[int, str] | None,
    ) -> None:
        self.jobs = jobs
        self.leaves_jobs = False
        self.hopeless = None
        self._adopted = dict(adopted)
        self._words = words
        self._stopped = threading.Event()
        self._refused: dict[Request, Problem] = {}
        self._accepted: set[Request] = set()
        self._again: Counter[tuple[str, str]] = Counter()
        self._launches: dict[str, list[str]] = {}
        self._known = set(adopted.values())
        self._seen: set[str] = set()
        self._missing: dict[str, float] = {}
        self._look_at = 0.0
        self._looks: Counter[str] = Counter()
        self._room, self._room_word = room or (0, "")
        self._try_at = 0.0
        self._sending: dict[str, threading.Lock] = {}

    # How often the queue is looked at

    @property
    def next_seconds_between_status_checks(self) -> float:
        """The time to the next look at the disk; whether Slurm is asked is decided then."""
        return GLANCE_SECONDS

    @next_seconds_between_status_checks.setter
    def next_seconds_between_status_checks(self, wanted: float) -> None:
        pass

    # What a job runs

    def additional_general_args(self) -> str:
        """No other executor within the job: the Snakemake that Slurm starts does the work itself."""
        return ""

    def get_python_executable(self) -> str:
        """Return this Python, as a shell is to read it; for -P see `segmake.adapter.shell_commands`."""
        return f"{shlex.quote(sys.executable)} -P"

    def get_job_args(self, job: Any) -> str:
        """Return which work a job is to do, and which files it waits for.

        The interface adds a folder that is gone once this run has left its jobs to the next, and puts long lists of
        files there; the Snakemake of the job waits for its input by itself.
        """
        words = str(RealExecutor.get_job_args(self, job))
        files = job.get_wait_for_files()[:WAITED_FOR]
        return f"{words} {format_cli_arg('--wait-for-files', files, skip=not files)}"

    def _script(self, job: Any) -> str:
        """Return the shell script of a job, which fails if the job's files are not there in the end."""
        configuration = os.environ.get("SLURM_CONF")
        lines = [
            "#!/bin/sh",
            # A shell that ends at once would leave its Snakemake no time to write down where it was.
            "trap : TERM INT",
            f"unset {' '.join(OF_ANOTHER_PYTHON)}",
            f"export SLURM_CONF={shlex.quote(configuration)}" if configuration else "",
            f"{self.format_job_exec(job)} || exit $?",
            *(f"test -e {shlex.quote(str(file))} || exit 3" for file in sorted(job.output)),
        ]
        return "\n".join(filter(None, lines)) + "\n"

    # Sending

    def _submit_job(self, job: Any) -> None:
        """Adopt a job that is in the queue for the same work, or have a thread of its own send one."""
        if adopted := self._adoptable(work_of(comment_of(job))):
            self.run_job_pre(job)
            self._report(job, adopted)
        else:
            super()._submit_job(job)

    def run_job(self, job: Any) -> None:
        """Send a job; a thread of its own waits here as long as Slurm takes none."""
        identifier: str | None = None
        try:
            if not self._stopped.is_set() and not self.is_in_vain(job):
                identifier = self._send(job)
        except Exception as error:
            # What is not told here is never heard of again, and the run would wait for ever.
            self._fail(SubmittedJobInfo(job), f"SegMake could not send the job: {error!r}")
            return
        if identifier:
            self.jobs.note_sent(identifier, *work_of(comment_of(job)))
            self._report(job, identifier)
        else:
            self._fail(SubmittedJobInfo(job))

    def _adoptable(self, work: tuple[str, str]) -> str | None:
        """Return the job in the queue that does the work already, unless it has failed."""
        identifier = self._adopted.pop(work, None)
        sent = self.jobs.get(identifier) if identifier else None
        return None if sent is None or sent.cause else identifier

    def _report(self, job: Any, identifier: str) -> None:
        self._known.add(identifier)
        log = _log_folder(self.slurm_logdir, job) / f"{identifier}.log"
        info = SubmittedJobInfo(job, external_jobid=identifier, aux={"slurm_logfile": log})
        self._report_job_submission_threadsafe(info)
        self._look_at = min(self._look_at, time.monotonic() + self._first_look)

    @property
    def _first_look(self) -> float:
        return self.workflow.executor_settings.init_seconds_before_status_checks

    def _send(self, job: Any) -> str | None:
        """Return the number that Slurm gave a job; None if it won't take it, or the run stops."""
        _log_folder(self.slurm_logdir, job).mkdir(parents=True, exist_ok=True)
        call, script = self.order(job)
        place = f"{job.resources.get('slurm_partition')} {job.resources.get('qos')}"
        tries = 0
        while True:
            # One after the other: what is refused for one is refused for the next.
            with self._sending.setdefault(place, threading.Lock()):
                self._wait_for_room()
                if self._stopped.is_set() or self.is_in_vain(job):
                    return None
                identifier, words = self._sbatch(call, script)
                if not identifier and not self._stopped.is_set():
                    identifier = self._after_refusal(job, words, tries)
                if identifier:
                    self.jobs.hold("")
                    self._accepted.add(_request(job))
                    return identifier
            tries += 1

    def _after_refusal(self, job: Any, words: str, tries: int) -> str:
        """Wait until it may be tried again, or refuse all that asks for as much.

        Returns
        -------
        str
            The number of the job, if Slurm took it all the same.
        """
        live = bool(self.jobs.live())
        fate = fates.refused(words, accepted_before=live and _request(job) in self._accepted)
        if not fate.passes and not (fate.counts and tries < UNKNOWN_REFUSALS):
            self._refuse(job, fate, words)
            return ""
        if fate.name == "unanswered":
            # The answer may have been lost, and the job be in the queue.
            self._stopped.wait(GLANCE_SECONDS)
            if found := self._taken_all_the_same(job):
                return found
        self._wait_after(fate, words, tries)
        while fate.name == "unanswered" and not self._stopped.is_set():
            if (found := self._taken_all_the_same(job)) is not None:
                return found
            self._stopped.wait(PATIENCE_SECONDS[0])
        return ""

    def _taken_all_the_same(self, job: Any) -> str | None:
        """Return the job that Slurm took although sbatch did not hear of it, empty if none; None if it is unknown."""
        try:
            self.jobs.refresh()
        except SlurmError:
            return None
        work = work_of(comment_of(job))
        of_work = (sent.job for sent in self.jobs.live() if (sent.job.rule, sent.job.batch) == work)
        return next((one.id for one in of_work if one.id not in self._known), "")

    def order(self, job: Any) -> tuple[str, str]:
        """Return the command that asks Slurm for what a job wants, and the script that it is given; nothing is sent."""
        folder = _log_folder(self.slurm_logdir, job)
        # Slurm puts the job's number for %j, and one percent sign for two.
        return self._call(job, Path(str(folder).replace("%", "%%"), "%j.log")), self._script(job)

    def _call(self, job: Any, log: Path) -> str:
        """Return the command that asks Slurm for what a job wants."""
        parameters = {
            "run_uuid": self.run_uuid,
            "slurm_logfile": log,
            "comment_str": comment_of(job),
            "account": _option("--account", job.resources.get("slurm_account")),
            "partition": _option("--partition", job.resources.get("slurm_partition")),
            "workdir": self.workflow.workdir_init,
        }
        settings = self.workflow.executor_settings
        return get_submit_command(job, parameters, settings=settings) + set_gres_string(job)

    def _sbatch(self, call: str, script: str) -> tuple[str, str]:
        """Give a job to Slurm; return its number, empty if it was refused, and all that sbatch said."""
        try:
            answer = subprocess.run(
                [*shlex.split(call), "/dev/stdin"],
                input=script,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=SBATCH_SECONDS,
                # Ctrl-C is not for sbatch: whether it has sent the job has to be known.
                start_new_session=True,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            self._note_words(call, str(error))
            return "", str(error)
        words = answer.stderr.strip()
        if answer.returncode < 0:
            words = f"{words}\nsbatch: killed by signal {-answer.returncode}".strip()
        if words or answer.returncode:
            words = words or f"sbatch: exit code {answer.returncode}"
            self._note_words(call, words)
        number = "" if answer.returncode else number_of_job(answer.stdout.splitlines())
        return number, words or answer.stdout.strip()

    def _note_words(self, call: str, words: str) -> None:
        with suppress(OSError):
            now = time.strftime("%Y-%m-%d %H:%M:%S")
            append_line(self._words, f"{now}  {call}\n{indent(words, '    ')}")

    def _wait_for_room(self) -> None:
        """Wait while as many jobs are in the queue as Slurm takes; now and then it may take more, and is asked."""
        while self._room and not self._stopped.is_set():
            if len(self.jobs.live()) < self._room:
                self._try_at = 0.0
                return
            if not self._try_at:
                self._try_at = time.monotonic() + PATIENCE_SECONDS[-1]
                self._note_words("not sent", self._room_word)
                self.jobs.hold(self._room_word, self._room)
            if time.monotonic() >= self._try_at:
                return
            self._stopped.wait(GLANCE_SECONDS)

    def _wait_after(self, fate: fates.Fate, words: str, tries: int) -> None:
        """Say why nothing is sent, and wait until it may be tried again."""
        live = len(self.jobs.live())
        end = time.monotonic() + PATIENCE_SECONDS[min(tries, len(PATIENCE_SECONDS) - 1)]
        if fate.name in LIMITS and live:
            # Other jobs of the user count as well, and end: so later more may be taken.
            self._room, self._room_word, self._try_at = live, reason(words), end
        self.jobs.hold(reason(words), self._room if fate.name in LIMITS else 0)
        while time.monotonic() < end and not self._stopped.wait(0.5):
            if len(self.jobs.live()) < live:
                return

    def _refuse(self, job: Any, fate: fates.Fate, words: str) -> None:
        self._refused[_request(job)] = problem = Problem(
            "SM-CLU-050", says=fate.says(), remedy=fate.remedy(), answer=reason(words)
        )
        self.jobs.tell(str(problem))

    # Following

    async def check_active_jobs(
        self, active_jobs: list[SubmittedJobInfo]
    ) -> AsyncIterator[SubmittedJobInfo]:
        """Give back the jobs that have not ended; report the others."""
        # Jobs that are not scheduled yet, of a run before, count for the room as well.
        if (active_jobs or self.jobs.live()) and self._is_due(active_jobs):
            await asyncio.to_thread(self._look)
        for info in active_jobs:
            sent = self.jobs.get(info.external_jobid)
            if sent is None or not sent.over:
                self._missing.pop(info.external_jobid, None)
                yield info
            elif not self._has_ended(info, sent):
                yield info

    def _is_due(self, active_jobs: list[SubmittedJobInfo]) -> bool:
        """Whether Slurm is to be asked: some time has passed, or a job has left its files."""
        new = {
            info.external_jobid
            for info in active_jobs
            if info.external_jobid not in self._seen
            and not self._waits(info.external_jobid)
            and _has_its_files(info.job)
        }
        self._seen |= new
        return bool(new) or time.monotonic() >= self._look_at

    def _waits(self, identifier: str) -> bool:
        sent = self.jobs.get(identifier)
        return sent is not None and sent.job.waits

    def _look(self) -> None:
        with suppress(SlurmError):
            self.jobs.refresh()
            # Another one does the work, and both would hold a GPU.
            slurm.cancel(sent.job.id for sent in self.jobs.live() if sent.job.id in self.jobs.lost)
        later = LOOK_SECONDS + random.uniform(0.0, LOOK_JITTER_SECONDS)
        # A job's files are there some moments before Slurm calls it ended.
        for sent in self.jobs.live():
            if sent.job.id in self._seen and self._looks[sent.job.id] < LOOKS_AT_END:
                self._looks[sent.job.id] += 1
                later = GLANCE_SECONDS
        self._look_at = time.monotonic() + later

    def _has_ended(self, info: SubmittedJobInfo, sent: Sent) -> bool:
        """Report a job that Slurm calls ended, or send it again; whether that could be done by now."""
        since = self._missing.setdefault(sent.job.id, time.monotonic())
        # A shared file system may show files some time after they were written, logs too.
        early = time.monotonic() - since < self.workflow.execution_settings.latency_wait
        if not sent.cause:
            if _has_its_files(info.job):
                self._forget_log(info)
                self.report_job_success(info)
                return True
            if early:
                return False
            forgotten = sent.job.state == FORGOTTEN
            sent = self.jobs.blame(sent, "forgotten" if forgotten else "nothing")
        elif sent.cause == "launch":
            log = self.jobs.log(sent.job.id)
            if early and not (log and log.exists()):
                return False
            sent = self.jobs.look_again(sent)
            if sent.cause == "launch":
                self._count_launch(sent)
        work = sent.job.rule, sent.job.batch
        counts = fates.fates("ended")[sent.cause].counts or self._again[work] >= SENT_AGAIN
        if sent.cause == "node":
            self.jobs.lost.add(sent.job.id)
        if not counts and not self._stopped.is_set():
            self._again[work] += 1
            self._job_submission_executor.submit(self.run_job, info.job)
        else:
            log = self.jobs.log(sent.job.id)
            self.report_job_error(info, msg="", aux_logs=[str(log)] if log else [])
        return True

    def _forget_log(self, info: SubmittedJobInfo) -> None:
        """Remove what Slurm wrote of a job that went well."""
        if not self.workflow.executor_settings.keep_successful_logs:
            with suppress(OSError):
                info.aux["slurm_logfile"].unlink(missing_ok=True)

    def _count_launch(self, sent: Sent) -> None:
        """Give up once jobs fail the same way before anything of SegMake runs in them, and none of the run did."""
        said = self.jobs.end_of_log(sent.job.id)
        alike = re.sub(r"\d+", "", f"{sent.job.reason} {said.splitlines()[-1:]}")
        batches = self._launches.setdefault(alike, [])
        batches.append(f"{sent.job.rule} {sent.job.batch}")
        # One batch may have met one bad node twice.
        enough = len(set(batches)) >= LAUNCHES or len(batches) > LAUNCHES
        if not enough or self.hopeless or self.jobs.any_began() or self._any_hope(batches):
            return
        log = self.jobs.log(sent.job.id) or self.slurm_logdir
        names = {"number": len(batches), "reason": sent.job.reason or sent.job.state}
        self.hopeless = Problem(
            "SM-CLU-051", where=str(log), said=said or say("phrases.silent"), **names
        )
        with suppress(SlurmError):
            self.jobs.cancel()

    def _any_hope(self, failed: list[str]) -> bool:
        """Whether a job of another batch than those that failed has started a moment ago, and may do better."""
        others = (s.job for s in self.jobs.live() if f"{s.job.rule} {s.job.batch}" not in failed)
        return any(time.time() - (job.started or 0.0) < YOUNG_SECONDS for job in others)

    # The end

    def is_in_vain(self, job: Any) -> bool:
        """Whether it is no use to try a job that failed again."""
        return self.hopeless is not None or _request(job) in self._refused

    def print_job_error(
        self, job_info: SubmittedJobInfo, msg: str | None = None, **details: Any
    ) -> None:
        """Say nothing of each single job where one message says why none of them can be done."""
        if not self.is_in_vain(job_info.job):
            super().print_job_error(job_info, msg, **details)

    def problems(self) -> list[Problem]:
        """Return why jobs were not sent."""
        refused = {str(problem): problem for problem in self._refused.values()}
        return [*([self.hopeless] if self.hopeless else []), *refused.values()]

    def leave(self) -> None:
        """Let the jobs stay where they are when this run ends."""
        self.leaves_jobs = True
        # The plugin removes empty folders in the end, and jobs that wait are to write there.
        self.workflow.executor_settings.delete_logfiles_older_than = 0

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Cancel all jobs of the run, also those that were sent a moment ago."""
        self._stopped.set()
        if not self.leaves_jobs:
            with suppress(SlurmError):
                self.jobs.cancel()

    def shutdown(self) -> None:
        """Wait for what is being sent, and clear away."""
        self._stopped.set()
        super().shutdown()

    def _fail(self, info: SubmittedJobInfo, words: str = "") -> None:
        self._report_job_error_threadsafe(info, words)


def take_over(
    executor: Any,
    jobs: Jobs,
    adopted: Mapping[tuple[str, str], str],
    *,
    logs: Path,
    words: Path,
    room: tuple[int, str] | None = None,
) -> Executor:
    """Make the plugin's executor one of SegMake's, before it has sent anything.

    Parameters
    ----------
    executor : snakemake_executor_plugin_slurm.Executor
    jobs : Jobs
        The record of its jobs.
    adopted : mapping
        The numbers of jobs in the queue that do the work of a rule and a batch already.
    logs : Path
        Where Slurm's own log of each job goes.
    words : Path
        The file in which it is noted what sbatch said.
    room : tuple, optional
        How many jobs Slurm takes at once of this user, where that is known, and its word for the limit.
    """
    executor.__class__ = Executor
    executor.slurm_logdir = logs.absolute()
    executor._begin(jobs, adopted, words, room)
    return executor


def forbidden_options() -> list[str]:
    """Return regular expressions for the options of sbatch that the plugin keeps for itself."""
    return list(get_forbidden_slurm_options())


def name_of_jobs(run: str, folder: Path) -> str:
    """Return the name of a run's jobs, by which their owner knows them in the queue.

    Parameters
    ----------
    run : str
        The plugin's name for the run, whose last part no other run has.
    folder : Path
        Where the run was started.
    """
    words = re.sub(r"[^A-Za-z0-9]+", "-", folder.name).strip("-")[:20]
    return "_".join(filter(None, ("segmake", words, run.rpartition("_")[2][:8])))


def comment_of(job: Any) -> str:
    """Return what the plugin writes into a job's comment, from which the record knows it again."""
    wildcards = get_job_wildcards(job)
    return f"rule_{job.name}_wildcards_{wildcards}" if wildcards else f"rule_{job.name}"


def _request(job: Any) -> Request:
    """Return what decides whether Slurm takes a job: another batch, or a larger request, is another question."""
    resources = job.resources
    return work_of(comment_of(job))[0], resources.get("mem_mb"), resources.get("runtime")


def _option(name: str, value: Any) -> str:
    """Return an option of sbatch; without a value, Slurm takes the user's own default."""
    return f"{name}={shlex.quote(str(value))}" if value else ""


def _log_folder(logs: Path, job: Any) -> Path:
    rule, batch = work_of(comment_of(job))
    return logs / rule / batch


def _has_its_files(job: Any) -> bool:
    return all(os.path.exists(file) for file in job.output)
