"""Where a run is, in images: by what its journals have, and what is known of its jobs."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass

from segmake.core.declared_steps import SEGMENT
from segmake.messages import say
from segmake.messages.numbers import duration, number
from segmake.outcome.queue import Waiting, reasons_to_wait
from segmake.outcome.tally import WINDOW_SECONDS, Tally
from segmake.slurm import fates
from segmake.slurm.commands import Job

# How often the journals are looked at.
LOOK_SECONDS = 10.0


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


def progress_of(
    tally: Tally, jobs: Collection[Job] = (), *, held: str = "", room: int = 0
) -> Progress:
    """Return where a run is.

    Parameters
    ----------
    tally : Tally
        What its journals have.
    jobs : collection of Job
        Its jobs in Slurm's hands.
    held, room
        As in `Progress`.
    """
    waiting = [job for job in jobs if job.waits]
    speed = _per_minute(tally.times())
    left = sum(map(tally.left, tally.of(SEGMENT)))
    return Progress(
        images=tally.overview.images,
        segmented=sum(map(tally.done, tally.of(SEGMENT))),
        complete=tally.complete(),
        failed=tally.failed_images(),
        running=len(jobs) - len(waiting),
        waiting=len(waiting),
        unsent=tally.unsent({job.batch for job in jobs if job.rule == SEGMENT}),
        reasons=reasons_to_wait(waiting),
        held=held,
        room=room,
        per_minute=speed,
        seconds_left=left / speed * 60 if speed and left else None,
        scripts=tuple(tally.scripts()),
    )


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
