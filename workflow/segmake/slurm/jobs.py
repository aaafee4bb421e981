"""The jobs that were sent to Slurm: what they asked for, what became of them, and why.

The main process keeps the record (``results/.segmake/jobs.jsonl``), one line whenever a job's state is found to have
changed. It tells which batches wait and why, lets memory and time grow after a job that had too little of them, and is
what the report's section on the cluster is made from.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Literal, get_args

from segmake.core.files import one_line
from segmake.core.json_lines import add_line, read_lines
from segmake.slurm import commands as slurm
from segmake.slurm import fates
from segmake.slurm.commands import ENDED, Job, SlurmError
from segmake.slurm.heard import Heard, Telling, beside

# Why a job came to its end before its work was done: names of rows in fates.toml.
Cause = Literal[
    "",
    "memory",
    "time",
    "node",
    "cancelled",
    "preempted",
    "launch",
    "nothing",
    "forgotten",
    "failed",
]

# Slurm kills a cancelled job that has not ended by itself after 30 seconds, unless a cluster is set otherwise.
PATIENCE_SECONDS = 60.0

# A job that Slurm has forgotten without having been seen to end.
FORGOTTEN = "FORGOTTEN"

# What a job writes into Slurm's log of it as soon as a command of SegMake runs in it.
BEGAN = "SegMake has begun"

# So much of the end of Slurm's log is shown.
SHOWN_LINES = 8
SHOWN_CHARACTERS = 1200


@dataclass(frozen=True)
class Sent:
    """A job of the record.

    Attributes
    ----------
    run : str
        The name of the run of Snakemake that sent it, which all of its jobs have in Slurm.
    job : Job
    cause : str
        Why it came to its end too soon; empty where it did not.
    """

    run: str
    job: Job
    cause: Cause = ""

    @property
    def over(self) -> bool:
        """Whether it has ended, however."""
        return self.job.state in ENDED or self.job.state == FORGOTTEN


@dataclass
class Jobs:
    """The record of the jobs of a results folder.

    Attributes
    ----------
    path : Path
        The file; a record without one is an empty record.
    run : str
        The name of the last run; empty before the first.
    started : float
        When that run was planned, in seconds since 1970.
    logs : Path or None
        The folder with Slurm's own log of each job, ``JOB.log``.
    keep : bool
        Whether changes are written down, which only the main process may do.
    held : str
        Why Slurm takes no more jobs for now, in its own words; empty where it takes them.
    room : int
        How many jobs of the run were in the queue when it took no more; 0 where their number was not why.
    lost : set of str
        The numbers of jobs whose node failed. Slurm may queue one again, whatever it was told, if its node had failed
        before the job began there.
    """

    path: Path
    run: str = ""
    started: float = 0.0
    logs: Path | None = None
    keep: bool = False
    held: str = ""
    room: int = 0
    lost: set[str] = field(default_factory=set)
    _told: list[str] = field(default_factory=list)
    _unwritten: set[str] = field(default_factory=set)
    _sent: dict[str, Sent] = field(default_factory=dict)
    _of_work: dict[tuple[str, str], dict[str, Sent]] = field(default_factory=dict)
    _asked: float = 0.0
    _answered: float | None = None
    _unanswered: str = ""
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self._telling = Telling(beside(self.path))
        for line in read_lines(self.path):
            # Another version of SegMake may have written other things.
            with suppress(KeyError, TypeError, AttributeError):
                if "held" in line:
                    self.held, self.room = line["held"], line["room"]
                elif "job" not in line:
                    self.run, self.started = line["run"], line["started"]
                    self.held, self.room = "", 0
                else:
                    sent = Sent(line["run"], Job(**line["job"]), line["cause"])
                    self._remember(sent)

    def begin(self, run: str, started: float, logs: Path | None) -> None:
        """Start a run, or go on with the last one: from now on, its jobs are asked for and written down.

        So is what was learned until now of the jobs of the run before.
        """
        self.keep = True
        for id in sorted(self._unwritten):
            self._keep(self._sent[id])
        self._unwritten.clear()
        self.run, self.started, self.logs = run, started, logs
        self._write({"run": run, "started": started})
        self._tell_others(heard=True)

    def of_run(self) -> list[Sent]:
        """Return the jobs of the last run, in the order in which they were sent."""
        return sorted(
            (sent for sent in list(self._sent.values()) if sent.run == self.run),
            # Slurm counts up; the jobs of an array have numbers such as 12_3.
            key=lambda sent: [int(number) for number in re.findall(r"\d+", sent.job.id)],
        )

    def get(self, id: str) -> Sent | None:
        """Return what is known of a job."""
        return self._sent.get(id)

    def live(self) -> list[Sent]:
        """Return the jobs of the last run that have not ended."""
        return [sent for sent in self.of_run() if not sent.over]

    def note_sent(self, id: str, rule: str, batch: str) -> None:
        """Note a job that Slurm has just taken, so that it is known before Slurm is asked about it."""
        known = self._sent.get(id)
        # Slurm's numbers begin anew some day.
        if known is None or known.run != self.run:
            self._note(Job(id, rule, batch, "PENDING", submitted=time.time()))
            self._tell_others()

    def hold(self, words: str, room: int = 0) -> None:
        """Note why Slurm takes no more jobs for now, or that it takes them again (no words)."""
        if (words, room) != (self.held, self.room):
            self.held, self.room = words, room
            with suppress(OSError):
                self._write({"run": self.run, "held": words, "room": room})
            self._tell_others(heard=True)

    def look_again(self, sent: Sent) -> Sent:
        """Return why a job ended by what is in its log now."""
        cause = self._cause(sent.job)
        return self.blame(sent, cause) if cause != sent.cause else sent

    def blame(self, sent: Sent, cause: Cause) -> Sent:
        """Note why a job's work is not done although Slurm has nothing against it."""
        blamed = replace(sent, cause=cause)
        self._keep(blamed)
        return blamed

    def tell(self, words: str) -> None:
        """Have something said on the screen."""
        self._told.append(words)

    def to_tell(self) -> list[str]:
        """Return what is to be said on the screen since this was last asked."""
        told, self._told = self._told, []
        return told

    def log(self, id: str) -> Path | None:
        """Return where Slurm's own log of a job is; it may not be there, or not be seen yet."""
        sent = self._sent.get(id)
        if self.logs is None or sent is None:
            return None
        return self.logs / sent.job.rule / sent.job.batch / f"{id}.log"

    def end_of_log(self, id: str) -> str:
        """Return the last lines of Slurm's own log of a job."""
        said = [line for line in self._said(id).splitlines() if line.strip()]
        return "\n".join(said[-SHOWN_LINES:])[-SHOWN_CHARACTERS:]

    def any_began(self) -> bool:
        """Whether a command of SegMake has run in a job of the last run."""
        return any(
            sent.job.state == "COMPLETED" or BEGAN in self._said(sent.job.id)
            for sent in self.of_run()
        )

    def _said(self, id: str) -> str:
        with suppress(OSError):
            if log := self.log(id):
                return log.read_text(encoding="utf-8", errors="replace")
        return ""

    def refresh(self, older_than: float = 0.0) -> None:
        """Ask Slurm what became of the last run's jobs.

        Parameters
        ----------
        older_than : float
            Ask only if what is known is older, in seconds.

        Raises
        ------
        SlurmError
            If Slurm does not answer.
        """
        with self._lock:
            if not self.run or time.monotonic() - self._asked < older_than:
                return
            asked = time.monotonic()
            # What is sent while Slurm answers is not missing from its answer.
            before = self.live()
            try:
                known = {job.id: job for job in slurm.jobs_of_run(self.run)}
            except SlurmError as error:
                self._unanswered = one_line(error)
                self._tell_others(heard=True)
                raise
            gone = [sent.job for sent in before if sent.job.id not in known]
            # The queue tells how a job ended only after its node is tidied up; the accounts know at once.
            completing = [job for job in known.values() if job.state == "COMPLETING"]
            ended = _ended([*gone, *completing])
            for job in [*known.values(), *gone]:
                forgotten = replace(job, state=FORGOTTEN) if job in gone else job
                self._note(ended.get(job.id, forgotten))
            self._asked, self._answered, self._unanswered = asked, time.time(), ""
            self._tell_others(heard=True)

    def too_little(self, rule: str, batch: str) -> dict[str, int]:
        """Return the most that a batch's jobs asked for and had too little of, since one of them went well.

        Returns
        -------
        dict
            ``memory`` in MB and ``time`` in minutes; 0 where it was never too little.
        """
        most = {"memory": 0, "time": 0}
        for sent in sorted(list(self._of_work.get((rule, batch), {}).values()), key=_when):
            asked = {"memory": sent.job.memory_mb, "time": sent.job.minutes}
            if sent.job.state == "COMPLETED":
                most = dict.fromkeys(most, 0)
            elif sent.cause in most:
                most[sent.cause] = max(most[sent.cause], asked[sent.cause] or 0)
        return most

    def cancel(self, kept: Collection[str] = ()) -> list[Sent]:
        """Cancel what is left in the queue of the last run, wait until it has ended, and return it.

        Parameters
        ----------
        kept : collection of str
            The numbers of jobs that are left alone.

        Raises
        ------
        SlurmError
            If Slurm does not answer.
        """
        self.refresh()
        left = [sent for sent in self.live() if sent.job.id not in kept]
        slurm.cancel(sent.job.id for sent in left)
        # Slurm gives a job time to end. Until its node is tidied up, which the accounts don't wait for, it may be
        # writing what the next one would.
        patience = time.monotonic() + PATIENCE_SECONDS
        ids = {sent.job.id for sent in left}
        while ids and time.monotonic() < patience:
            with suppress(SlurmError):
                ids &= {job.id for job in slurm.jobs_of_run(self.run) if job.state not in ENDED}
            time.sleep(0.5 if ids else 0.0)
        with suppress(SlurmError):
            self.refresh()
        return left

    def _tell_others(self, *, heard: bool = False) -> None:
        """Write down what is known of the jobs for whoever looks where the run is.

        Parameters
        ----------
        heard : bool
            Whether Slurm was asked just now.
        """
        if self.keep and self._telling.is_due(heard=heard):
            answer = self._answered, self._unanswered
            known = Heard(self.started, *answer, self.held, self.room, [])
            self._telling.tell(known, (sent.job for sent in self.live()))

    def _note(self, job: Job) -> None:
        before = self._sent.get(job.id)
        before = before if before and before.run == self.run else None
        if before and (before.job.state, before.job.reason) == (job.state, job.reason):
            return
        if before and job.minutes and before.job.minutes:
            # A limit that somebody lowered while the job ran is not what it asked for.
            job = replace(job, minutes=max(job.minutes, before.job.minutes))
        # Where its log is depends on what it works on.
        self._remember(Sent(self.run, job))
        taken_back = job.id in self.lost and job.state == "CANCELLED"
        self._keep(Sent(self.run, job, "node" if taken_back else self._cause(job)))

    def _remember(self, sent: Sent) -> None:
        self._sent[sent.job.id] = sent
        self._of_work.setdefault((sent.job.rule, sent.job.batch), {})[sent.job.id] = sent

    def _keep(self, sent: Sent) -> None:
        self._remember(sent)
        if not self.keep:
            self._unwritten.add(sent.job.id)
        # A disk that is full fails the jobs themselves, which say so: who looks after them goes on.
        with suppress(OSError):
            self._write({"run": sent.run, "cause": sent.cause, "job": asdict(sent.job)})

    def _cause(self, job: Job) -> Cause:
        if job.state not in ENDED:
            return ""
        said = "" if job.state == "COMPLETED" else self._said(job.id)
        cause = fates.ended(job.state, said, reason=job.reason).name
        if cause in ("failed", "launch") and self.logs:
            return "failed" if BEGAN in said else "launch"
        return next((known for known in get_args(Cause) if known == cause), "")

    def _write(self, line: dict) -> None:
        if self.keep:
            add_line(self.path, line)


def _ended(jobs: list[Job]) -> dict[str, Job]:
    """Return how those of the jobs ended whose end is in the accounts."""
    before = {job.id: job for job in jobs}
    ended: dict[str, Job] = {}
    if before:
        with suppress(SlurmError):
            for job in slurm.ended_jobs(before):
                if job.id in before:
                    ended[job.id] = replace(
                        before[job.id], state=job.state, started=job.started, ended=job.ended
                    )
    return ended


def _when(sent: Sent) -> float:
    return sent.job.ended or sent.job.submitted or 0.0
