"""What a run will do: which images, in which batches, at which attempt.

The main process of Snakemake makes the plan from the config, the images and the journals, each time that it is
started, and writes it down when the run really starts. Jobs read it: whatever the user edits meanwhile, and whatever
other jobs have finished, they do what was planned. `segmake.plan.make` makes plans, `segmake.plan.written_plan`
writes and reads them, and `segmake.plan.described` tells them on the screen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from segmake.core import versions
from segmake.core.declared_steps import SEGMENT, STEPS
from segmake.core.files import fingerprint
from segmake.core.output_files import tables_of_run
from segmake.core.settings import Settings
from segmake.images.named_images import SECTIONS, named_in_vain, reasons
from segmake.messages import LANGUAGES, Problem, language
from segmake.plan.memory import Need
from segmake.plan.result_paths import ResultPaths, mark_of
from segmake.plan.tasks import images_of
from segmake.runner.pipeline import Task
from segmake.scripts.definition.script import Script, scripts_of
from segmake.slurm.commands import SCRIPT

State = Literal["done", "failed", "unfinished", "changed", "new"]


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
    marks : dict
        For each step what stands for them in that name, where the plan was read without them (`read_outline`).
    named : tuple of str
        The images of the tasks, where these are not made before somebody asks for them.
    """

    name: str
    tasks: Mapping[str, Sequence[Task]]
    attempts: dict[str, list[int]]
    marks: dict[str, str] = field(default_factory=dict)
    named: tuple[str, ...] = field(default=(), compare=False)

    @property
    def images(self) -> list[str]:
        """The names of the images that are there."""
        return list(self.named) or images_of(self.tasks)

    def mark(self, step: str) -> str:
        """Return what stands for the attempts at a step, and at those before it, in the name of its file."""
        return (self.marks or self._own_marks)[step]

    @cached_property
    def _own_marks(self) -> dict[str, str]:
        return {step: mark_of(step, self.attempts) for step in self.attempts}


@dataclass(frozen=True)
class ScriptPlan:
    """What a run of SegMake will do of one script.

    Attributes
    ----------
    text : str
        Fingerprint of the script's files as they are written.
    code : str
        Fingerprint of the script itself: its code, arguments and environment, and the files that its arguments name.
    outcome : str
        Names the file that is there once all of its runs were tried.
    batches : dict
        The tasks of each job, by the name of its batch.
    names : dict
        For each batch, what names the file that Snakemake asks for.
    counts : dict
        How many runs there are (``runs``), are done (``done``), failed before (``failed``), are to be run (``to_run``),
        are done if files hold what they held (``to_look_at``),
        were done and have lost their results (``gone``), ended well but took nothing of their image (``unread``).
    files : list of str
        All files that the script is made of.
    meanings : dict
        What stands for the script in keys, by what it means and how it is written: `segmake.scripts.source.meaning`.
    remarks : list
        What is to be said of it: the name of a sentence, and its values.
    """

    text: str
    code: str
    outcome: str
    batches: dict[str, list[Task]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    meanings: dict[str, str] = field(default_factory=dict)
    remarks: list[tuple[str, dict[str, str]]] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """What a run will do; see the module.

    Attributes
    ----------
    left_out : int
        Number of files in the images folders that are no images.
    other_kinds : str
        How many files of each kind the config does not choose, in words. Not written.
    diameter_um : float or None
        How many pixels the diameter is, if it was perhaps meant in µm. Not written.
    named_at : dict
        File and line of each name of an image in the config, by its section and the name; those of a section by "".
        Not written.
    small : list of str
        The batches with so little to do that what needs no GPU is done in one job on a cluster.
    cores : int
        How many cores such a job has, if the cells were found on a GPU.
    unselected : dict
        How many positions, time points and slices the config does not select.
    lossy : int
        Number of images that were compressed with loss.
    stopped : int
        Number of images that have fewer time points or slices than were planned.
    copies : int
        Number of pages that are smaller copies of others, and not taken.
    sets : dict
        Of images that lie in several files: how many there are (``images``), in how many ``files``, which are
        ``lacking`` some of these, which files are ``unfit``; the ``proposal`` of a pattern where there is none; and
        which images are told ``apart`` from others by their suffix.
    hidden : list of str
        Images that can't be looked at now, and keep the results that they have.
    derived : dict
        The names of the files of each kind that are no images (`segmake.images.derived`).
    system : list of str
        The folders of servers and systems that were passed over.
    replaced : int
        Number of images that have another file than the one that they were last planned with.
    all_replaced : bool
        Whether these are several, and none of those that were planned has its file still.
    looks : list of str
        Images with results whose files, or whose model's, have another time alone: a job looks at what is in them.
    light : list of str
        Batches in which no image is sure to be segmented: their jobs only look, and need no GPU for it.
    images_before : dict
        As `images_of_scripts`, what it was before the times of these files changed.
    unknown : list of str
        Images whose files have the same size and another time, and of which an earlier version noted no content.
    file_sets : dict
        Of each image to segment that lies in several files, these, as ``dataclasses.asdict`` gives a
        `segmake.images.file_sets.FileSet`: an engine's environment lists no files.
    weights : list of int or None
        Size and time of change of the model's file, where the config names one.
    derived_before : int
        Number of images that an earlier run took these for.
    corrections : dict
        The corrected mask of each image that has one, by the image's name.
    outdated : dict
        The same of corrections that were made for something else than what is in the image's file now.
    bindings : dict
        What each correction was made for (`segmake.plan.bindings`).
    stray : list of str
        Files among the corrections that fit no image.
    imports : dict
        For each environment what scripts import in it, as ``module=script``.
    scripts : dict
        What is to be done of each of the users' scripts, by its name.
    report_round : int
        Raised when the tables and the report of the whole run are to be written again: one is not there as it was.
    kept : dict
        What users changed of these, and where it was moved.
    images_of_scripts : dict
        For each image, what tells whether a script has to see it again; empty where there are no scripts.
    environments : dict
        The environment file of each environment of the config, by its name.
    pythons : dict
        The Python of each of them, where there is no conda to make them.
    known_errors : dict
        By the code of each error of an earlier version that results have, or had until this run: the images.
    sources : dict
        In words, where each setting comes from that is no default, by its name (`segmake.config.sources`).
    contact : str
        Whom users may ask, by the site file; empty where it names nobody.
    pending : dict
        Of each batch and step, the number of images to be done.
    journals : dict
        The size in bytes of each journal before it was read, by its path in the folder for the state: what is added
        from then on happened in this run.
    faults : dict
        Why images that are to be segmented will fail, as far as their headers and the settings tell. Not written.
    number : int
        How many images there are, and ``summaries`` what `summary` is called in each language, where the plan was
        read without its images (`read_outline`), or with those of a batch alone (`read_script_batch`).
    memory : dict
        Of batches with large images, what each step needs (`segmake.plan.memory.needs`).
    written_for : str
        What the run that wrote the plan called the results folder; empty in a plan that was not read. Not written.
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
    pythons: dict[str, str] = field(default_factory=dict)
    unselected: dict[str, int] = field(default_factory=dict)
    lossy: int = 0
    stopped: int = 0
    copies: int = 0
    sets: dict[str, Any] = field(default_factory=dict)
    hidden: list[str] = field(default_factory=list)
    derived: dict[str, list[str]] = field(default_factory=dict)
    derived_before: int = 0
    system: list[str] = field(default_factory=list)
    replaced: int = 0
    all_replaced: bool = False
    looks: list[str] = field(default_factory=list)
    light: list[str] = field(default_factory=list)
    images_before: dict[str, dict[str, str]] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    weights: list[int] | None = None
    file_sets: dict[str, dict[str, Any]] = field(default_factory=dict)
    corrections: dict[str, str] = field(default_factory=dict)
    outdated: dict[str, str] = field(default_factory=dict)
    bindings: dict[str, Any] = field(default_factory=dict)
    stray: list[str] = field(default_factory=list)
    imports: dict[str, list[str]] = field(default_factory=dict)
    scripts: dict[str, ScriptPlan] = field(default_factory=dict)
    images_of_scripts: dict[str, dict[str, str]] = field(default_factory=dict)
    report_round: int = 0
    cores: int = 1
    kept: dict[str, str] = field(default_factory=dict)
    known_errors: dict[str, list[str]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    contact: str = ""
    pending: dict[str, dict[str, int]] = field(default_factory=dict)
    journals: dict[str, int] = field(default_factory=dict)
    faults: dict[str, Problem] = field(default_factory=dict)
    number: int = 0
    summaries: dict[str, str] = field(default_factory=dict)
    memory: dict[str, dict[str, Need]] = field(default_factory=dict)
    written_for: str = ""
    other_kinds: str = ""
    diameter_um: float | None = None
    named_at: dict[tuple[str, str], str] = field(default_factory=dict, compare=False)

    @property
    def typed(self) -> Settings:
        """The settings as a tree whose names and types a type checker knows; `settings` themselves are in keys.

        It is of now: what a plan asks of a cluster is settled after it is made.
        """
        return Settings.of(self.settings)

    @cached_property
    def definitions(self) -> dict[str, Script]:
        """The users' scripts by their names."""
        return scripts_of(self.settings)

    @property
    def folders(self) -> ResultPaths:
        """Where the results go."""
        return ResultPaths.of(self.settings)

    @property
    def spreadsheets(self) -> list[str]:
        """The tables of the whole run that the config asks for besides, below the results folder."""
        return tables_of_run(self.typed.outputs)

    @property
    def name(self) -> str:
        """What the run is called in what it notes of itself."""
        return str(self.started)

    @property
    def number_of_images(self) -> int:
        """How many images are there."""
        return self.number or sum(len(batch.images) for batch in self.batches.values())

    def images(self) -> list[str]:
        """Return the images that are there."""
        return [image for batch in self.batches.values() for image in batch.images]

    @cached_property
    def left_out_because(self) -> dict[str, str]:
        """Of each image that the config leaves out of the tables, the reason."""
        return reasons(self.typed.leave_out, self.images())

    @cached_property
    def looked_at_because(self) -> dict[str, str]:
        """Of each image that the config says is right as it is, the reason."""
        return reasons(self.typed.looked_at, self.images())

    def naming_problems(self) -> list[Problem]:
        """Return what is wrong about how the config names images: names of no image, or all of them left out."""
        images = self.images()
        found = [
            Problem(
                "SM-CFG-053",
                where=self.named_at.get((section, name), ""),
                section=section,
                name=name,
            )
            for section in SECTIONS
            for name in named_in_vain(self.settings.get(section, {}), images)
        ]
        if images and len(self.left_out_because) == len(images):
            found.append(Problem("SM-CFG-054", where=self.named_at.get(("leave_out", ""), "")))
        return found

    @property
    def open_batches(self) -> list[str]:
        """The batches with something to compute."""
        return [
            batch
            for batch in self.batches
            if not all(self.outcome(step, batch).exists() for step in STEPS)
        ]

    @property
    def has_work(self) -> bool:
        """Whether an image has to be computed, or the report to be written."""
        outcomes = [self.outcome(step, batch) for step in STEPS for batch in self.batches]
        scripts = [self.script_outcome(name) for name in self.scripts]
        return not all(path.exists() for path in [self.summary(), *outcomes, *scripts])

    def outcome(self, step: str, batch: str) -> Path:
        """Return the file that Snakemake asks for of one step of one batch: there once all images were tried."""
        return self.folders.marked(step, batch, self.batches[batch].mark(step))

    def script_outcome(self, name: str) -> Path:
        """Return the file that Snakemake asks for of a script: there once all of its runs were tried."""
        return self.folders.script_outcome(name, self.scripts[name].outcome)

    def script_batch(self, name: str, batch: str) -> Path:
        """Return the file that Snakemake asks for of one batch of a script's runs."""
        names = self.scripts[name].names
        return self.folders.state / "scripts" / name / f"{batch}.{names[batch]}.tsv"

    def outcome_of(self, rule: str, batch: str) -> Path | None:
        """Return the file that a rule's job makes; None for jobs that this plan does not have."""
        name = rule.removeprefix(SCRIPT)
        if name != rule:
            known = name in self.scripts and batch in self.scripts[name].names
            return self.script_batch(name, batch) if known else None
        return self.outcome(rule, batch) if rule in STEPS and batch in self.batches else None

    def before_script(self, name: str, batch: str = "") -> list[Path]:
        """Return the files that have to be there before a batch of a script's runs, or all of them: what it needs."""
        script = self.definitions[name]
        # A batch of a script that is run for each image is a batch of images, or a part of one.
        of_batch = script.per_image and batch.partition("-")[0] in self.batches
        images = [batch.partition("-")[0]] if of_batch else list(self.batches)
        steps = list(script.steps_needed)
        if self.images_before and script.works_on_images and not steps:
            # Whether a file holds what it held is for the first step to say.
            steps = [SEGMENT]
        own = [self.outcome(step, each) for step in steps for each in images]
        return [*own, *(self.script_outcome(other) for other in script.scripts_needed)]

    def summary(self, spoken: str | None = None) -> Path:
        """Return the file that Snakemake asks for of the report: there once it was written about these results.

        Parameters
        ----------
        spoken : str, optional
            The language of the report, if not that of this process.
        """
        if self.summaries:
            return self.folders.state / "report" / self.summaries[spoken or language()]
        # It was named by the run, which may have called the results folder otherwise.
        results = Path(self.written_for or self.typed.results)
        named = ResultPaths(results, self.folders.kinds)
        outcomes = [
            str(named.marked(step, batch.name, batch.mark(step)))
            for step in STEPS
            for batch in self.batches.values()
        ]
        outcomes += [script.outcome for script in self.scripts.values()]
        again = [self.report_round] if self.report_round else []
        judged = {"left_out": self.left_out_because, "looked_at": self.looked_at_because}
        # As it was before the config could name images; and where no correction is outdated.
        judgements = [judged] if any(judged.values()) else []
        warned = [{"outdated": self.outdated}] if self.outdated else []
        about = (
            sorted(self.images()),
            versions.REPORT,
            spoken or language(),
            *again,
            *judgements,
            *warned,
        )
        return self.folders.state / "report" / f"{fingerprint(outcomes, *about)}.txt"

    def is_reported(self) -> bool:
        """Whether the report was written about these results, in whatever language."""
        return any(self.summary(spoken).exists() for spoken in LANGUAGES)
