"""Where a run is, in images: read from the journals, and from Slurm for the batches that wait."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from segmake.core.journal import Entry, Event, Journal
from segmake.messages import say
from segmake.messages.numbers import duration, number
from segmake.outcome.usage import IMAGE_RULES, describe_mishap
from segmake.plan.plan import Batch, Plan
from segmake.runner.step_names import STEPS
from segmake.slurm import fates
from segmake.slurm.commands import SCRIPT, Job
from segmake.slurm.jobs import Jobs, Sent

# The speed is that of the last minutes, since batches start and end.
WINDOW_SECONDS = 600.0

# How often the journals are looked at.
LOOK_SECONDS = 10.0

# In a file there is a line when so much time has passed, or sooner when batches started or ended.
LINE_SECONDS = 60.0
LINE_SECONDS_AT_LEAST = 10.0


@dataclass(frozen=True)
class Waiting:
    """Jobs that wait for the same.

    Attributes
    ----------
    reason : str
        Slurm's words; of some that mean the same, the most frequent.
    jobs : tuple of str
        Their numbers.
    fate : Fate or None
        What the reason means; None where it is not known.
    """

    reason: str
    jobs: tuple[str, ...]
    fate: fates.Fate | None = None

    @property
    def passes(self) -> bool:
        """Whether it ends without anybody's doing, as far as is known."""
        return self.fate is None or self.fate.passes

    @property
    def why(self) -> str:
        """Why they wait, in plain words with Slurm's own behind."""
        return f"{self.fate.says()}: {self.reason}" if self.fate else self.reason

    @property
    def count(self) -> str:
        """How many they are, in words."""
        return say("progress.jobs", number=number(len(self.jobs)))

    def describe(self) -> str:
        """Return in sentences why they wait, and what to do where that does not end by itself."""
        if self.fate is None or self.fate.passes:
            return say("progress.why", count=self.count, why=self.why)
        # Names of jobs as scontrol and scancel take them.
        remedy = self.fate.remedy(jobs=" ".join(self.jobs))
        names = {"says": self.fate.says(), "reason": self.reason, "remedy": remedy}
        return say("progress.stuck", number=number(len(self.jobs)), **names)


def reasons_to_wait(jobs: Iterable[Job]) -> tuple[Waiting, ...]:
    """Return why those of the jobs wait that do, the most frequent reason first."""
    groups: dict[str, list[Job]] = {}
    known: dict[str, fates.Fate | None] = {}
    for job in jobs:
        # Of a job that was put back into the queue, some versions of Slurm say so in its state alone.
        fate = fates.waits(job.reason) or fates.waits(job.state)
        if job.waits and (fate or job.reason):
            name = fate.name if fate else job.reason
            groups.setdefault(name, []).append(job)
            known[name] = fate
    return tuple(
        Waiting(
            Counter(job.reason or job.state for job in group).most_common(1)[0][0],
            tuple(job.id for job in group),
            known[name],
        )
        for name, group in sorted(groups.items(), key=lambda item: -len(item[1]))
    )


@dataclass(frozen=True)
class Progress:
    """Where a run is at one moment.

    Attributes
    ----------
    images, segmented, complete, failed : int
        All images; those whose cells were found; those that are measured and drawn as well; those that failed in a
        step of this run.
    running, waiting, unsent : int
        Jobs in Slurm's hands, and batches with images to segment that are not: the GPUs that are allowed are busy.
    reasons : tuple of Waiting
        Why jobs wait, the most frequent reason first.
    held : str
        Why Slurm takes no more jobs for now, in its own words.
    room : int
        How many it took; 0 where their number is not why.
    scripts : tuple
        Of each of the users' scripts with something to do: its name, how many runs are done, how many there are.
    per_minute, seconds_left : float or None
        Images segmented a minute lately, and the time that the rest will take at that speed; None where unknown.
    """

    images: int
    segmented: int = 0
    complete: int = 0
    failed: int = 0
    running: int = 0
    waiting: int = 0
    unsent: int = 0
    reasons: tuple[Waiting, ...] = ()
    held: str = ""
    room: int = 0
    per_minute: float | None = None
    seconds_left: float | None = None
    scripts: tuple[tuple[str, int, int], ...] = ()

    def describe(self) -> list[str]:
        """Return it in words, for the screen: a line on images, one on jobs if there are any, and what stops some."""
        images = say(
            "progress.images", segmented=number(self.segmented), images=number(self.images)
        )
        if self.complete:
            images += say("progress.complete", number=number(self.complete))
        if self.failed:
            images += say("progress.failed", number=number(self.failed))
        if self.per_minute and self.seconds_left:
            digits = 1 if self.per_minute < 10 else 0
            images += say("progress.speed", number=number(self.per_minute, digits))
            images += say("progress.left", time=duration(self.seconds_left))
        lines = [images] if self.images else []
        for name, done, runs in self.scripts:
            lines.append(say("progress.script", name=name, done=number(done), runs=number(runs)))
        if self.running or self.waiting:
            jobs = say("progress.running", number=number(self.running))
            if self.waiting:
                jobs += say("progress.waiting", number=number(self.waiting))
                jobs += self._why_in_brief()
            if self.unsent:
                jobs += say("progress.unsent", number=number(self.unsent))
            lines.append(jobs)
        lines += [waiting.describe() for waiting in self.reasons if not waiting.passes]
        if self.held:
            lines.append(_describe_refusal(self.held, self.room))
        return lines

    def _why_in_brief(self) -> str:
        """Return why jobs wait that come to their turn; those that do not have lines of their own."""
        passing = [waiting for waiting in self.reasons if waiting.passes][:2]
        why = [
            waiting.why if len(self.reasons) == 1 else f"{waiting.why}, {waiting.count}"
            for waiting in passing
        ]
        return f" ({'; '.join(why)})" if why else ""


class Observer:
    """Looks where a run is.

    Parameters
    ----------
    plan : Plan
        Of the run.
    jobs : Jobs
        The record of the jobs that were sent to Slurm; empty where none were.
    """

    def __init__(self, plan: Plan, jobs: Jobs) -> None:
        self.plan = plan
        self.jobs = jobs
        # What a run that was lost has told of its jobs is not told again.
        self._told = {sent.job.id for sent in jobs.of_run() if sent.over}
        self._read: dict[Path, tuple[int, dict[str, Entry]]] = {}

    def look(self) -> Progress:
        """Return where the run is now; of the jobs, what the main process has written down."""
        live = [sent.job for sent in self.jobs.of_run() if not sent.over]
        at_work = {job.batch for job in live if job.rule == STEPS[0]}
        states: list[list[Event]] = []
        ended: list[float] = []
        unsent = 0
        for batch in self.plan.batches.values():
            of_batch = self._states(batch)
            states += of_batch
            ended += self._times(batch)
            unsent += [] in of_batch and batch.name not in at_work
        speed = _per_minute(ended)
        left = states.count([])
        waiting = [job for job in live if job.waits]
        return Progress(
            images=len(states),
            segmented=sum(ends[:1] == ["done"] for ends in states),
            complete=states.count(["done"] * len(STEPS)),
            failed=sum("failed" in ends for ends in states),
            running=len(live) - len(waiting),
            waiting=len(waiting),
            unsent=unsent,
            reasons=reasons_to_wait(waiting),
            held=self.jobs.held,
            room=self.jobs.room,
            per_minute=speed,
            seconds_left=left / speed * 60 if speed and left else None,
            scripts=tuple(self._scripts()),
        )

    def mishaps(self) -> list[str]:
        """Return in words which jobs have ended too soon since this was last asked."""
        known = [sent for sent in self.jobs.of_run() if sent.cause and self._is_ours(sent)]
        new = [sent for sent in known if sent.job.id not in self._told]
        self._told.update(sent.job.id for sent in new)
        return [*self.jobs.to_tell(), *(describe_mishap(sent) for sent in new)]

    def _is_ours(self, sent: Sent) -> bool:
        return sent.job.rule in IMAGE_RULES or sent.job.rule.startswith(SCRIPT)

    def _scripts(self) -> Iterator[tuple[str, int, int]]:
        for name, script in self.plan.scripts.items():
            if not script.batches:
                continue
            folder = self.plan.folders.state / "scripts" / name
            ends = [self._finished(folder / f"{batch}.jsonl") for batch in script.batches]
            new = {
                run
                for entries in ends
                for run, entry in entries.items()
                if entry.event == "done" and entry.time >= self.plan.started
            }
            runs = script.counts["runs"]
            # Of those that were done, some may be done anew.
            yield name, min(script.counts["done"] + len(new), runs), runs

    def _states(self, batch: Batch) -> list[list[Event]]:
        """Return for each image of a batch how the steps ended that were tried in this run, or are current."""
        finished = [self._finished(self.plan.folders.journal(step, batch.name)) for step in STEPS]
        states = []
        for tasks in zip(*(batch.tasks[step] for step in STEPS), strict=True):
            entries = [ends.get(task.image) for ends, task in zip(finished, tasks, strict=True)]
            states.append(
                [
                    entry.event
                    for entry, task in zip(entries, tasks, strict=True)
                    if entry is not None
                    and entry.key == task.key
                    and (entry.event == "done" or entry.attempt >= task.attempt)
                ]
            )
        return states

    def _times(self, batch: Batch) -> list[float]:
        """Return when the images of a batch were segmented in this run, or failed."""
        finished = self._finished(self.plan.folders.journal(STEPS[0], batch.name))
        return [entry.time for entry in finished.values() if entry.time >= self.plan.started]

    def _finished(self, path: Path) -> dict[str, Entry]:
        """Return how the last attempts at a batch's images ended; a journal that did not grow is not read again."""
        try:
            size = path.stat().st_size
        except OSError:
            return {}
        if self._read.get(path, (-1, {}))[0] != size:
            self._read[path] = size, Journal(path).finished()
        return self._read[path][1]


def _per_minute(times: list[float]) -> float | None:
    """Return the speed of the last minutes, from the times at which images were finished."""
    recent = sorted(moment for moment in times if moment > time.time() - WINDOW_SECONDS)
    # What is being worked on now counts as time too, so that a run that hangs is seen to slow down.
    if not recent or (seconds := time.time() - recent[0]) < LOOK_SECONDS:
        return None
    return (len(recent) - 1) / seconds * 60


def _describe_refusal(words: str, room: int) -> str:
    """Return why nothing is sent now, and what a user may do about it."""
    fate = fates.refused(words, accepted_before=True)
    told = say("progress.held", why=fate.says(), words=words)
    return f"{told} {say('progress.room', number=room) if room else fate.remedy()}"


@dataclass
class Screen:
    """Shows where a run is until it is stopped: in place on a terminal, with a line now and then in a file.

    Attributes
    ----------
    observer : Observer
    stream : file
        Where to, a terminal or a file.
    """

    observer: Observer
    stream: TextIO
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to show; a problem of the display never touches the run."""
        show = self._show_in_place if self.stream.isatty() else self._write_lines
        self._thread = threading.Thread(target=show, name="segmake-progress", daemon=True)
        self._thread.start()

    def cease(self) -> None:
        """Show no more, without waiting for what is being shown."""
        self._stop.set()

    def stop(self) -> None:
        """Cease to show, and leave what was shown last on the terminal."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=LOOK_SECONDS)

    def _show_in_place(self) -> None:
        # Only what shows a run has need of it, and no dry run, and no job.
        from rich.console import Console
        from rich.live import Live
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        console = Console(file=self.stream)
        with Live(console=console, auto_refresh=False, redirect_stdout=False) as live:
            for progress in self._looks():
                total = progress.images + sum(runs for _, _, runs in progress.scripts)
                done = progress.segmented + sum(done for _, done, _ in progress.scripts)
                bar = ProgressBar(total=max(total, 1), completed=done)
                bar.width = min(60, console.width)
                table = Table.grid()
                table.add_row(bar)
                for line in progress.describe():
                    table.add_row(Text(line))
                for line in self.observer.mishaps():
                    live.console.print(Text(line))
                live.update(table, refresh=True)

    def _write_lines(self) -> None:
        last, jobs, written = "", (0, 0), time.monotonic() - LINE_SECONDS
        for progress in self._looks():
            for line in self.observer.mishaps():
                print(f"{time.strftime('%H:%M')}  {line}", file=self.stream, flush=True)
            text = "; ".join(progress.describe())
            changed = jobs != (progress.running, progress.waiting)
            patience = LINE_SECONDS_AT_LEAST if changed else LINE_SECONDS
            if text != last and time.monotonic() - written >= patience:
                last, written, jobs = text, time.monotonic(), (progress.running, progress.waiting)
                print(f"{time.strftime('%H:%M')}  {text}", file=self.stream, flush=True)

    def _looks(self) -> Iterator[Progress]:
        while True:
            # The run is worth more than what is said about it.
            with suppress(Exception):
                yield self.observer.look()
            if self._stop.wait(LOOK_SECONDS):
                return
