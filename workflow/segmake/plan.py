"""What a run will do: which images, in which batches, at which attempt.

The main process of Snakemake makes the plan from the config, the images and the journals, each time that it is
started, and writes it down when the run really starts. Jobs read it: whatever the user edits meanwhile, and whatever
other jobs have finished, they do what was planned. `segmake.planning` makes plans; this module is all that
a job needs.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Literal, get_args

from segmake.files import fingerprint, result_name, write_atomically
from segmake.messages import language, say
from segmake.outputs import files
from segmake.pipeline import Task
from segmake.steps import AFTER, STEPS

# Raised when the report or the tables of the run change, so that they are written again.
REPORT_VERSION = 3

# Tells the jobs of a run where its plan is, whatever becomes of the config meanwhile.
PLAN_VARIABLE = "SEGMAKE_PLAN"

State = Literal["done", "failed", "unfinished", "changed", "new"]


@dataclass(frozen=True)
class Folders:
    """Where everything lies in a results folder.

    Attributes
    ----------
    results : Path
    kinds : tuple of str
        The kinds of files that are written beside the masks: ``outputs`` of the config.
    """

    results: Path
    kinds: tuple[str, ...] = ()

    @property
    def state(self) -> Path:
        """What SegMake needs to know from one run to the next."""
        return self.results / ".segmake"

    @property
    def plan(self) -> Path:
        """The plan of the last run that started."""
        return self.state / "plan.json"

    @property
    def inventory(self) -> Path:
        """The inventory of the images."""
        return self.state / "inventory.tsv"

    @property
    def lock(self) -> Path:
        """What a run keeps for itself while it works; in it stands who that is."""
        return self.state / "lock"

    @property
    def jobs(self) -> Path:
        """The record of the jobs that were sent to Slurm."""
        return self.state / "jobs.jsonl"

    def journal(self, step: str, batch: str) -> Path:
        """The journal of one step of one batch."""
        return self.state / step / f"{batch}.jsonl"

    def labels(self, image: str) -> Path:
        """The labels as the engine gave them, before corrections and tracking."""
        return self.state / "labels" / f"{result_name(image)}.tif"

    @property
    def corrections(self) -> Path:
        """Where the user lays corrected masks; SegMake only reads there."""
        return self.results / "corrections"

    def mask(self, image: str) -> Path:
        """The label image."""
        return self.results / "masks" / f"{result_name(image)}_masks.ome.tif"

    def lineage(self, image: str) -> Path:
        """The table of a movie's tracks: who came of whom, and when."""
        return self.results / "lineages" / f"{result_name(image)}_lineage.csv"

    def own_lineage(self, image: str) -> Path:
        """The same for SegMake itself, whatever the user does with the other."""
        return self.state / "lineages" / f"{result_name(image)}.csv"

    def cells(self, image: str) -> Path:
        """The table of an image's cells."""
        return self.results / "cells" / f"{result_name(image)}_cells.csv"

    def picture(self, image: str) -> Path:
        """The before/after picture."""
        return self.results / "overlays" / f"{result_name(image)}_overlay.png"

    def movie(self, image: str) -> Path:
        """The small moving picture of a movie."""
        return self.picture(image).with_suffix(".webp")

    def thumbnails(self, image: str) -> tuple[Path, Path]:
        """The small pictures before and after, for the report."""
        base = self.state / "thumbnails" / result_name(image)
        return base.with_name(base.name + "_before.jpg"), base.with_name(base.name + "_after.jpg")

    def outputs(self, step: str, image: str) -> tuple[Path, ...]:
        """The files that a step makes of an image."""
        if step == "segment":
            return (self.labels(image),)
        if step == "masks":
            return (self.mask(image),)
        if step == "measure":
            return (self.cells(image),)
        return (self.picture(image), *self.thumbnails(image))

    def task(
        self,
        step: str,
        image: str,
        path: Path,
        position: int,
        positions: int,
        key: str,
        attempt: int,
        large: bool,
        tracked: bool,
    ) -> Task:
        """Return what a step has to do with an image.

        Parameters
        ----------
        step : str
        image, path, position, positions, key, attempt, large
            As `Task` has them.
        tracked : bool
            Whether its cells are followed in time.
        """
        beside: tuple[Path, ...] = ()
        if step == "masks":
            beside = tuple(chain(*(files(kind, self.results, image) for kind in self.kinds)))
            beside += (self.lineage(image),) if tracked else ()
        outputs = self.outputs(step, image)
        return Task(image, path, position, positions, key, attempt, outputs, large, beside)


@dataclass(frozen=True)
class Batch:
    """A batch of the plan.

    Attributes
    ----------
    name : str
    tasks : dict
        For each step, a `Task` for each image that is there.
    attempts : dict
        For each step, the attempt that each image is on, those that are gone included. They are in the name of the
        file that Snakemake asks for, so a batch with an image to compute is one whose file is not there.
    """

    name: str
    tasks: dict[str, list[Task]]
    attempts: dict[str, list[int]]


@dataclass(frozen=True)
class Plan:
    """What a run will do; see the module.

    Attributes
    ----------
    left_out : int
        Number of files in the images folders that are no images.
    small : list of str
        The batches with so little to segment that all of their steps are done in one job on a cluster.
    unselected : dict
        How many positions, time points and slices the config does not select.
    lossy : int
        Number of images that were compressed with loss.
    corrections : dict
        The corrected mask of each image that has one, by the image's name.
    stray : list of str
        Files among the corrections that fit no image.
    environments : dict
        The environment file of each environment of the config, by its name.
    """

    settings: dict[str, Any]
    config: str
    command: str
    started: float
    left_out: int
    batches: dict[str, Batch]
    states: dict[str, State]
    to_do: dict[str, int]
    small: list[str]
    environments: dict[str, str] = field(default_factory=dict)
    unselected: dict[str, int] = field(default_factory=dict)
    lossy: int = 0
    corrections: dict[str, str] = field(default_factory=dict)
    stray: list[str] = field(default_factory=list)

    @property
    def folders(self) -> Folders:
        """Where the results go."""
        return Folders(Path(self.settings["results"]), tuple(self.settings["outputs"]))

    def images(self) -> list[str]:
        """Return the images that are there."""
        return [task.image for batch in self.batches.values() for task in batch.tasks["segment"]]

    @property
    def has_work(self) -> bool:
        """Whether an image has to be computed, or the report to be written."""
        outcomes = [self.outcome(step, batch) for step in STEPS for batch in self.batches]
        return not all(path.exists() for path in [self.summary(), *outcomes])

    def outcome(self, step: str, batch: str) -> Path:
        """Return the file that Snakemake asks for of one step of one batch: there once all images were tried."""
        attempts = self.batches[batch].attempts
        # A missing file is made again only if the target needs it, so a name tells what went before it too.
        before, chain = step, [attempts[step]]
        while before := AFTER.get(before, ""):
            chain.append(attempts[before])
        name = fingerprint(chain)
        return self.folders.state / step / f"{batch}.{name}.tsv"

    def summary(self) -> Path:
        """Return the file that Snakemake asks for of the report: there once it was written about these results."""
        outcomes = [str(self.outcome(step, batch)) for step in STEPS for batch in self.batches]
        name = fingerprint(outcomes, sorted(self.images()), REPORT_VERSION, language())
        return self.folders.state / "report" / f"{name}.txt"

    def describe(self) -> str:
        """Return the plan in plain words, for the screen."""
        section = self.settings["images"]
        segmentation = self.settings["segmentation"]
        folder = section["folder"]
        model = segmentation.get("model")
        counts = Counter(self.states.values())
        lines = [
            say(
                "plan.head",
                folder=folder if isinstance(folder, str) else ", ".join(folder),
                engine=segmentation["engine"],
                model=f", {model}" if model else "",
            ),
            say("plan.found", number=len(self.states), left_out=self.left_out),
        ]
        lines += [
            say(f"plan.{state}", number=counts[state])
            for state in get_args(State)
            if counts[state] or state == "done"
        ]
        lines += [
            say(f"plan.unselected.{what}", number=number)
            for what, number in self.unselected.items()
            if number
        ]
        if self.lossy:
            lines.append(say("plan.lossy", number=self.lossy))
        if self.corrections:
            lines.append(say("plan.corrected", number=len(self.corrections)))
        lines += [say("plan.stray", file=file) for file in self.stray]
        if self.to_do["segment"]:
            batches = self.to_do["batches"]
            lines.append(say("plan.to_do", images=self.to_do["segment"], batches=batches))
        elif any(self.to_do[step] for step in STEPS):
            lines.append(say("plan.after", **self.to_do))
        else:
            lines.append(say("plan.nothing"))
        return "\n".join(lines)


def write_plan(plan: Plan) -> None:
    """Write down the plan of a run that starts."""
    batches = {
        batch.name: {
            "tasks": {
                step: [
                    _written(task, tracked=plan.folders.lineage(task.image) in task.beside)
                    for task in batch.tasks[step]
                ]
                for step in STEPS
            },
            "attempts": batch.attempts,
        }
        for batch in plan.batches.values()
    }
    values = {**vars(plan), "batches": batches}
    with write_atomically(plan.folders.plan) as part:
        part.write_text(json.dumps(values), encoding="ascii")


def _written(task: Task, *, tracked: bool) -> list[Any]:
    """Return what a plan has to say of a task for `Folders.task` to make it again."""
    place = [task.image, str(task.path), task.position, task.positions]
    return [*place, task.key, task.attempt, task.large, tracked]


def read_plan(path: Path, results: Path | None = None) -> Plan:
    """Return the plan that `write_plan` wrote.

    Parameters
    ----------
    path : Path
    results : Path, optional
        The results folder as seen from here, where that is not the folder in which the run was started.
    """
    values = json.loads(path.read_text(encoding="ascii"))
    if results:
        values["settings"]["results"] = str(results)
    folders = Folders(Path(values["settings"]["results"]), tuple(values["settings"]["outputs"]))
    batches = {
        name: Batch(
            name,
            {
                step: [folders.task(step, image, Path(file), *rest) for image, file, *rest in tasks]
                for step, tasks in batch["tasks"].items()
            },
            batch["attempts"],
        )
        for name, batch in values["batches"].items()
    }
    return Plan(**{**values, "batches": batches})
