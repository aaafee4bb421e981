"""Where everything lies in a results folder: journals, tables, masks, pictures, logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from segmake.core.declared_steps import MASKS, MEASURE, OVERLAY, SEGMENT, STEPS
from segmake.core.files import fingerprint, result_name
from segmake.core.output_files import files, kinds_of_images

# Whoever only looks where a run is loads neither tasks nor scripts.
if TYPE_CHECKING:
    from segmake.runner.pipeline import Task
    from segmake.scripts.definition.script import Script


def mark_of(step: str, attempts: Mapping[str, list[int]]) -> str:
    """Return what stands for the attempts of a batch's images in the name of the file that Snakemake asks for."""
    # A missing file is made again only if the target needs it, so a name tells what went before it too.
    before, chain = step, [attempts[step]]
    while before := STEPS[before].after:
        chain.append(attempts[before])
    return fingerprint(chain)


# Stands for an image where the names of results are asked for; no suffix is cut off it.
_ANY_IMAGE = "any image"


class ResultNames(NamedTuple):
    """How a step calls its results of an image, below the results folder: what stands before and after its own name.

    Attributes
    ----------
    needed, optional : tuple of pair of str
        As `Task` has ``outputs`` with what is ``beside`` them, and what is ``optional``.
    """

    needed: tuple[tuple[str, str], ...]
    optional: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ResultPaths:
    """Where everything lies in a results folder.

    Attributes
    ----------
    results : Path
    kinds : tuple of str
        The kinds of files that are written beside the masks, as ``outputs`` of the config has them.
    """

    results: Path
    kinds: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> ResultPaths:
        """Return those of a checked config's settings."""
        return cls(Path(settings["results"]), tuple(kinds_of_images(settings["outputs"])))

    @property
    def state(self) -> Path:
        """What SegMake needs to know from one run to the next."""
        return self.results / ".segmake"

    @property
    def plan(self) -> Path:
        """The plan of the last run that started."""
        return self.state / "plan.json"

    def plan_of(self, batch: str) -> Path:
        """What of that plan a job has to know that works on one batch of images."""
        return self.state / "plans" / f"{batch}.json"

    @property
    def outline(self) -> Path:
        """What of that plan is to be known to read the Snakefile in a job."""
        return self.state / "plans" / "outline.json"

    @property
    def overview(self) -> Path:
        """What of that plan whoever looks where the run is has to know."""
        return self.state / "overview.json"

    @property
    def inventory(self) -> Path:
        """The inventory of the images."""
        return self.state / "inventory.tsv"

    @property
    def lock(self) -> Path:
        """What a run keeps for itself while it works; in it stands who that is."""
        return self.state / "lock"

    @property
    def runs(self) -> Path:
        """The record of when runs began, and ended."""
        return self.state / "runs.jsonl"

    @property
    def configs(self) -> Path:
        """The folder with the configs of earlier runs, each once, under what `segmake.core.ended_runs` notes."""
        return self.state / "configs"

    @property
    def run_files(self) -> Path:
        """What is noted of the tables and the report of the whole run."""
        return self.state / "report.json"

    @property
    def last_words(self) -> Path:
        """What the last job of a run said of it."""
        return self.state / "last_words.json"

    @property
    def judged(self) -> Path:
        """What became of the images of the last run, as that was last looked at."""
        return self.state / "judged.jsonl"

    @property
    def flags(self) -> Path:
        """Which images the report says to look at, and which are left out of the tables."""
        return self.state / "flags.json"

    @property
    def jobs(self) -> Path:
        """The record of the jobs that were sent to Slurm."""
        return self.state / "jobs.jsonl"

    @property
    def submitted(self) -> Path:
        """How the main process was sent as a job, to send it again."""
        return self.state / "submitted.json"

    def journal(self, step: str, batch: str) -> Path:
        """The journal of one step of one batch."""
        return self.state / step / f"{batch}.jsonl"

    def outcome(self, step: str, batch: str, attempts: Mapping[str, list[int]]) -> Path:
        """The file that Snakemake asks for of one step of one batch, once its images are on these attempts."""
        return self.marked(step, batch, mark_of(step, attempts))

    def marked(self, step: str, batch: str, mark: str) -> Path:
        """The same, by what `mark_of` gave of the attempts."""
        return self.state / step / f"{batch}.{mark}.tsv"

    def labels(self, image: str) -> Path:
        """The labels as the engine gave them, before corrections and tracking."""
        return self._of(image, ".segmake/labels", ".tif")

    def _of(self, image: str, folder: str, ending: str) -> Path:
        # A plan makes these paths for every image: in one go, and not folder by folder.
        return Path(f"{self.results}/{folder}/{result_name(image)}{ending}")

    @property
    def corrections(self) -> Path:
        """Where the user lays corrected masks; SegMake only reads there."""
        return self.results / "corrections"

    def mask(self, image: str) -> Path:
        """The label image."""
        return self._of(image, "masks", "_masks.ome.tif")

    def lineage(self, image: str) -> Path:
        """The table of a movie's tracks: who came of whom, and when."""
        return self._of(image, "lineages", "_lineage.csv")

    def own_lineage(self, image: str) -> Path:
        """The same for SegMake itself, whatever the user does with the other."""
        return self._of(image, ".segmake/lineages", ".csv")

    def cells(self, image: str) -> Path:
        """The table of an image's cells."""
        return self._of(image, "cells", "_cells.csv")

    def table(self, image: str) -> Path:
        """The same for SegMake itself, which all other tables are made from."""
        return self._of(image, ".segmake/tables", ".parquet")

    def picture(self, image: str) -> Path:
        """The before/after picture."""
        return self._of(image, "overlays", "_overlay.png")

    def movie(self, image: str) -> Path:
        """The small moving picture of a movie."""
        return self._of(image, "overlays", "_overlay.webp")

    def thumbnails(self, image: str) -> tuple[Path, Path]:
        """The small pictures before and after, for the report."""
        folder = ".segmake/thumbnails"
        return self._of(image, folder, "_before.jpg"), self._of(image, folder, "_after.jpg")

    @property
    def scripts(self) -> Path:
        """What the users' own scripts made."""
        return self.results / "scripts"

    def script_folder(self, script: Script, run: str) -> Path:
        """The folder that a run of a script writes to."""
        from segmake.scripts.definition.script import run_name

        return self.scripts / script.name / run_name(script, run)

    def script_aside(self, script: Script, run: str) -> Path:
        """Where what a failed run made is kept. No script is called so."""
        from segmake.scripts.definition.script import run_name

        return self.scripts / "_failed" / script.name / run_name(script, run)

    def script_log(self, script: Script, run: str) -> Path:
        """What a run of a script said."""
        from segmake.scripts.definition.script import run_name

        name = run_name(script, run) or script.name
        return self.results / "logs" / "scripts" / script.name / f"{name}.log"

    def script_outcome(self, name: str, outcome: str) -> Path:
        """The file that Snakemake asks for of a script: there once all of its runs were tried."""
        return self.state / "scripts" / name / f"{outcome}.done"

    def script_task(
        self, script: Script, run: str, image: Task | None, key: str, attempt: int
    ) -> Task:
        """Return what is to be done for a run of a script, for an image or for none."""
        from segmake.runner.pipeline import Task

        return Task(
            image=run,
            path=image.path if image else Path(),
            position=image.position if image else 0,
            positions=image.positions if image else 0,
            key=key,
            attempt=attempt,
            outputs=(self.script_folder(script, run),),
            patterns=script.outputs,
            aside=self.script_aside(script, run),
            results=self.results,
        )

    def outputs(self, step: str, image: str) -> tuple[Path, ...]:
        """The files that a step makes of an image."""
        if step == SEGMENT:
            return (self.labels(image),)
        if step == MASKS:
            return (self.mask(image),)
        if step == MEASURE:
            return (self.cells(image),)
        return (self.picture(image), *self.thumbnails(image))

    def optional(self, step: str, image: str) -> tuple[Path, ...]:
        """The files that a step may make of an image besides: SegMake's own table, and the small moving picture."""
        own = {MEASURE: (self.table(image),), OVERLAY: (self.movie(image),)}
        return own.get(step, ())

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
        file: Sequence[Any] = (0, 0, ""),
        before: str = "",
    ) -> Task:
        """Return what a step has to do with an image.

        Parameters
        ----------
        step : str
        image, path, position, positions, key, attempt, large, file, before
            As `Task` has them.
        tracked : bool
            Whether its cells are followed in time.
        """
        from segmake.runner.pipeline import Task

        beside: tuple[Path, ...] = ()
        if step == MASKS:
            beside = tuple(chain(*(files(kind, self.results, image) for kind in self.kinds)))
            beside += (self.lineage(image), self.own_lineage(image)) if tracked else ()
        return Task(
            image,
            path,
            position,
            positions,
            key,
            attempt,
            self.outputs(step, image),
            large,
            beside,
            optional=self.optional(step, image),
            results=self.results,
            file=(file[0], file[1], file[2]),
            before=before,
        )

    def names(self, step: str, *, tracked: bool) -> ResultNames:
        """Return how a step calls what it makes of an image: of 100,000, no paths need be made to look at them."""
        task = self.task(step, _ANY_IMAGE, Path(), 0, 0, "", 1, False, tracked)
        needed, optional = (
            tuple(_around(path.relative_to(self.results).as_posix()) for path in paths)
            for paths in (task.outputs + task.beside, task.optional)
        )
        return ResultNames(needed, optional)


def _around(name: str) -> tuple[str, str]:
    before, _, after = name.partition(_ANY_IMAGE)
    return before, after
