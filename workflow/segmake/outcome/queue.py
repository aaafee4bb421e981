"""The jobs of a run in Slurm's hands, in words: what each works on, and why some wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from segmake.core.declared_steps import ON_LABELS, SEGMENT
from segmake.messages import say
from segmake.messages.numbers import number
from segmake.slurm import fates
from segmake.slurm.commands import AFTERWARDS, SCRIPT, Job

# What the jobs of images are called in their record, in the order in which they work; `AFTERWARDS` are those of all
# steps without a GPU.
IMAGE_RULES = (SEGMENT, AFTERWARDS, *ON_LABELS)


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
        if self.fate is None:
            return self.reason
        return say("phrases.of", what=self.fate.says(), said=self.reason)

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


def work_of(job: Job) -> str:
    """Return what a job does, in words: a step, or the name of a script."""
    return say(f"step.{job.rule}") if job.rule in IMAGE_RULES else job.rule.removeprefix(SCRIPT)


def job_lines(live: Collection[Job], *, reasons: bool = True) -> list[str]:
    """Return a line for each job that waits or runs, and one for each of the reasons to wait."""
    lines = []
    for job in live:
        # Slurm's own word, which some versions follow up with the names of nodes.
        word = job.reason.split(",")[0] if job.waits else ""
        state = say("status.waits" if job.waits else "status.works")
        batch = say("status.batch", batch=job.batch) if job.batch else ""
        line = say("status.job", state=state, id=job.id, work=work_of(job), batch=batch)
        lines.append(f"{line}  ({word})" if word else line)
    if reasons:
        lines += [f"  {waiting.describe()}" for waiting in reasons_to_wait(live)]
    return lines
