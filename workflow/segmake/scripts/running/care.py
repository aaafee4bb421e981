"""Takes care of the runs of a script: that they change nothing that is not theirs, and what they took and made.

What a run may not do it is kept from, where the kernel helps; else it is seen afterwards.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

from segmake.core.declared_steps import SEGMENT
from segmake.core.files import readable
from segmake.messages import Problem, enumerated, joined, say
from segmake.messages.numbers import brief
from segmake.plan.plan import Plan
from segmake.plan.written_plan import read_plan
from segmake.runner.pipeline import Task
from segmake.runner.script_products import made_in
from segmake.scripts.definition.script import Script
from segmake.scripts.running.evidence import Opened
from segmake.scripts.running.originals import Originals
from segmake.scripts.running.process import Outcome
from segmake.scripts.running.protection import protection_of

# So many files are named in a message.
NAMED_FILES = 5

# What programs say that may not write somewhere.
_READ_ONLY = ("Read-only file system", "Errno 30", "EROFS", os.strerror(30), "lecture seule")

# And that rename a file onto another disk.
_OTHER_DISK = ("Invalid cross-device link", "Errno 18", "EXDEV", os.strerror(errno.EXDEV))


class Care:
    """The care that is taken of the runs of a script in a job.

    Parameters
    ----------
    plan : Plan
    script : Script
    """

    def __init__(self, plan: Plan, script: Script) -> None:
        self._plan, self._script = plan, script
        self.protection = protection_of(plan, wanted=script.protect)
        self._opened = Opened()
        self._at_work: dict[str, bool] = {}
        self._lock = Lock()

    @cached_property
    def _originals(self) -> Originals:
        """The images as they were; where they can't be written to, those alone that runs work on."""
        images: list[Path] = []
        if not self.protection.works:
            # `number` tells that this plan is that of one batch.
            plan = read_plan(self._plan.folders.plan) if self._plan.number else self._plan
            images = [t.path for batch in plan.batches.values() for t in batch.tasks[SEGMENT]]
        return Originals(images, whole=self._script.alone and bool(images))

    @contextmanager
    def of(self, task: Task, given: dict[str, str]) -> Iterator[Run]:
        """Take care of a run; in the block, it may be made.

        Parameters
        ----------
        task : Task
        given : dict
            What it works on, by the names of the placeholders, and its folder of outputs.
        """
        inputs = {name: path for name, path in given.items() if name != "output_dir"}
        with self._lock:
            self._originals.before(task)
            # A run that is at work beside others is not blamed for all that happens meanwhile.
            beside = dict.fromkeys([*self._at_work, task.image], bool(self._at_work))
            self._at_work.update(beside)
        self._opened.begin(task.image, inputs)
        run = Run(task, self._script, given)
        try:
            yield run
        finally:
            if not run.ended:
                self._opened.end(task.image)
            self._at_work.pop(task.image, None)

    def look(self, run: Run, outcome: Outcome) -> None:
        """Look at what a run that has ended did to the images, and at what it took and made.

        Raises
        ------
        Problem
            ``SM-SCR-041`` if it changed images.
        """
        run.took = self._opened.end(run.task.image)
        run.ended = True
        run.protected = outcome.protected
        if run.task.outputs[0].is_dir():
            own = [self._script.file.name] if self._script.file.suffix == ".ipynb" else []
            run.made = made_in(run.task.outputs[0], own)
        if outcome.protected:
            return
        alone = not self._at_work.get(run.task.image)
        changed, others = self._originals.changed(run.task, alone=alone)
        names = {"script": self._script.file.name}
        if changed and self._script.protect:
            raise Problem("SM-SCR-041", where=run.task.image, files=_named(changed), **names)
        if changed or others:
            files = _named([*changed, *others])
            run.told.append(say("step.images_changed", files=files, **names))


class Run:
    """A run of a script that care is taken of.

    Attributes
    ----------
    given : dict
        What it gets: paths of what it works on, by the names of the placeholders.
    told : list of str
        What is to be said of it on the screen.
    """

    def __init__(self, task: Task, script: Script, given: dict[str, str]) -> None:
        self.task, self.given, self.told = task, given, list[str]()
        self._script = script
        self.took: tuple[list[str], list[str]] | None = None
        self.made: dict[str, Any] = {}
        self.ended = self.protected = False

    @property
    def made_any(self) -> bool:
        """Whether it made a file with anything in it."""
        return bool(self.made.get("files"))

    def named(self) -> list[str]:
        """Return what lies in its folder of outputs, and which of it is empty."""
        inside = sorted(self.task.outputs[0].iterdir())
        return [
            path.name if path.is_dir() or path.stat().st_size else f"{path.name} (0 bytes)"
            for path in inside
            if path.exists()
        ]

    def closed(self) -> list[Path]:
        """Return what it may not write to, wherever it lies."""
        return [Path(path) for name, path in self.given.items() if name != "output_dir"]

    def wrote_elsewhere(self, said: str, log: Path) -> Problem | None:
        """Return the problem of a run that wanted to write to what is not its own, as far as that is known.

        Parameters
        ----------
        said : str
            The last lines of its log.
        log : Path
        """
        names = {"script": self._script.file.name, "log": str(log), "said": said}
        for code, told, known in (
            ("SM-SCR-042", _READ_ONLY, self.protected),
            ("SM-SCR-045", _OTHER_DISK, True),
        ):
            lines = [line for line in said.splitlines() if any(words in line for words in told)]
            if known and lines:
                return Problem(
                    code, where=self.task.image, files=readable(lines[-1].strip()), **names
                )
        return None

    @property
    def opened_nothing(self) -> bool:
        """Whether it is known to have opened nothing of what it was given."""
        return self.took is not None and not self.took[0] and bool(self.took[1])

    def details(self) -> dict[str, Any]:
        """Return what the journal notes of it."""
        opened: dict[str, Any] = {}
        if self.took is not None and any(self.took):
            opened = {"opened": self.took[0], "unopened": self.took[1]}
        told = {"told": self.told} if self.told else {}
        return {**opened, **told, "made": self.made, "protected": self.protected}

    def describe(self) -> str:
        """Return in a sentence what it took and made, for its log."""
        words = []
        if self.took is not None and (self.took[0] or self.took[1]):
            words.append(say("step.evidence.opened", opened=enumerated(self.took[0])))
        if self.made_any:
            words.append(
                say(
                    "step.evidence.made",
                    files=self.made["files"],
                    size=brief(self.made["bytes"] / 1000),
                )
            )
        else:
            words.append(say("step.evidence.nothing"))
        return joined(words)


def _named(paths: list[Path]) -> str:
    names = [readable(str(path)) for path in paths[:NAMED_FILES]]
    return ", ".join([*names, *(["..."] if len(paths) > NAMED_FILES else [])])
