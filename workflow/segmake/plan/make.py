"""Makes the plan of a run from the config, the images and the journals."""

from __future__ import annotations

import errno
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

from segmake import engines
from segmake.config import small_diameter
from segmake.config.site_settings import settle
from segmake.config.sources import sources_of
from segmake.core import versions
from segmake.core.config import Config
from segmake.core.declared_steps import MASKS, MEASURE, OVERLAY, SEGMENT, STEPS
from segmake.core.files import fingerprint, is_apart
from segmake.core.journal import Entry, Journal, next_attempt
from segmake.core.output_files import kinds_of_images
from segmake.core.settings import Images, Segmentation, Settings
from segmake.formats.reach import seen_from_folder
from segmake.images.batches import megapixels
from segmake.images.calibration import corrected_since_0_1_0
from segmake.images.corrections import correction_fingerprint, find_corrections
from segmake.images.image import ImageFile
from segmake.images.inventory import Inventory, take_inventory
from segmake.images.listing import state_of_folders
from segmake.images.named_images import SECTIONS
from segmake.images.selection import Selector, chosen, interpreted
from segmake.messages import Problem
from segmake.plan.bindings import bind_corrections
from segmake.plan.known_errors import Seen, affected
from segmake.plan.memory import needs
from segmake.plan.newer import refuse_newer
from segmake.plan.overview import journal_sizes
from segmake.plan.plan import Batch, Plan, State
from segmake.plan.result_paths import ResultPaths
from segmake.plan.scripts import image_keys, journal_of, plan_scripts
from segmake.plan.settled import SettledBatches
from segmake.runner.pipeline import Task
from segmake.runner.run_files import round_of
from segmake.runner.run_step import is_current
from segmake.runner.same_content import times_before

# More bytes at once (5000 x 5000 pixels of 16 bits) are worked on alone, so that memory stays bounded.
LARGE_BYTES = 50_000_000

# Masks, measurements and pictures of so much take minutes: three jobs of their own would wait and start for a good part
# of that. They share one, which has no GPU, since it would be idle for as long.
SMALL_MEGAPIXELS = 200.0


def make_plan(
    config: Config, command: str = "", cores: int | None = None
) -> tuple[Plan, Inventory]:
    """Make the plan of a run; nothing is written.

    Parameters
    ----------
    config : Config
    command : str
        What the user typed, for the report.
    cores : int or None
        Those of this computer, if it does the jobs itself.

    Raises
    ------
    Problem
        ``SM-RUN-010`` if the results folder is a file, ``SM-RUN-068`` if a newer SegMake has worked in it
        and something is to be done.
    Problems
        What `take_inventory` raises.
    """
    folders = _results_of(config)
    return _make_plan(config, folders, _settled(config, folders), command, cores)


def make_or_keep_plan(
    config: Config, command: str = "", cores: int | None = None
) -> tuple[Plan, Inventory | None]:
    """Do what `make_plan` does, much sooner where nothing has changed since nothing was to be done.

    There is no inventory then: it would be the one that is written.
    """
    folders = _results_of(config)
    settled = _settled(config, folders)
    if plan := _kept_plan(config, folders, settled, command):
        return plan, None
    return _make_plan(config, folders, settled, command, cores)


def _results_of(config: Config) -> ResultPaths:
    settle(config)
    folders = ResultPaths.of(config.settings)
    if folders.results.exists() and not folders.results.is_dir():
        where = config.where("results")
        reason = os.strerror(errno.ENOTDIR)
        raise Problem("SM-RUN-010", where=where, results=folders.results, error=reason)
    return folders


def _settled(config: Config, folders: ResultPaths) -> SettledBatches:
    # What is looked at before it is worked on is not taken for what it becomes meanwhile.
    images = state_of_folders(config) if folders.inventory.exists() else None
    weights = model_fingerprint(config.typed.segmentation)
    return SettledBatches(folders, [config.settings, weights], images)


def _kept_plan(
    config: Config, folders: ResultPaths, settled: SettledBatches, command: str
) -> Plan | None:
    """Return the plan in which nothing is to be done, if nothing has changed since it was so; else None."""
    if (found := settled.all_as_before()) is None:
        return None
    facts, batches = found
    settings = config.settings

    @cache
    def images() -> dict[str, list[ImageFile]]:
        return take_inventory(config, folders.inventory).batches()

    def tasks(name: str) -> tuple[Batch, Before, Any]:
        return _plan_batch(name, images()[name], folders, _KeyMaker(settings, {}))

    named = [image for batch in batches.values() for image in batch.images]
    plan = Plan(
        settings=settings,
        config=str(config.path),
        command=command,
        started=time.time(),
        batches={
            name: Batch(name, _WhenAsked(partial(tasks, name)), batch.attempts, named=batch.images)
            for name, batch in batches.items()
        },
        states=dict.fromkeys(named, "done"),
        to_do=dict.fromkeys((*STEPS, "batches"), 0),
        pending={name: dict.fromkeys(STEPS, 0) for name in batches},
        small=[],
        weights=model_fingerprint(config.typed.segmentation),
        sources=sources_of(config),
        contact=config.site.contact,
        named_at=_named_at(config),
        journals=journal_sizes(folders.state),
        **facts,
    )
    return _with_round(plan)


def _named_at(config: Config) -> dict[tuple[str, str], str]:
    """Return where the config names single images: by section and name; "" for the section itself."""
    return {
        (section, str(name)): config.where(section, *([str(name)] if name else []))
        for section in SECTIONS
        for name in ("", *config.settings[section])
    }


def _make_plan(
    config: Config,
    folders: ResultPaths,
    settled: SettledBatches,
    command: str,
    cores: int | None,
) -> tuple[Plan, Inventory]:
    inventory = take_inventory(config, folders.inventory)
    journals = journal_sizes(folders.state)
    present = [image for image in inventory.images if image.present]
    corrections, stray = find_corrections(
        folders.corrections, [image.result_name for image in present]
    )
    bound = bind_corrections(corrections, present, folders)
    keys = _KeyMaker(config.settings, bound.used)
    planned = _plan_batches(inventory, folders, keys, config.typed.images, settled)
    replaced = inventory.replaced.difference(planned["looks"])
    settings = config.settings
    of_scripts = (
        {image.image: keys.script_keys(image) for image in present} if settings["scripts"] else {}
    )
    known_by = planned["images_before"]
    scripts = plan_scripts(settings, folders, planned["batches"], of_scripts, cores, known_by)
    for name, script in scripts.items():
        if not folders.script_outcome(name, script.outcome).exists():
            refuse_newer(journal_of(folders, name).finished().values(), folders.results)
    plan = Plan(
        settings=config.settings,
        config=str(config.path),
        command=command,
        started=time.time(),
        left_out=inventory.left_out,
        other_kinds=inventory.other_kinds,
        **planned,
        unselected=_unselected(inventory, config.typed.images, keys.selector),
        **_facts(present),
        diameter_um=_diameter_in_um(config.typed, present),
        named_at=_named_at(config),
        memory=needs(config.typed, [i for i in present if planned["states"][i.image] != "done"]),
        hidden=list(inventory.hidden),
        derived=inventory.derived.kinds if inventory.derived else {},
        derived_before=inventory.derived_before,
        system=list(inventory.system),
        sets=_sets(inventory, present),
        replaced=len(replaced),
        all_replaced=inventory.all_replaced and replaced == inventory.replaced,
        weights=keys.weights,
        file_sets={
            image.image: asdict(image.files)
            for image in present
            if image.files
            and (planned["states"][image.image] != "done" or image.image in planned["looks"])
        },
        corrections=_by_image(bound.used, present),
        outdated=_by_image(bound.outdated, present),
        bindings=bound.bindings,
        stray=[str(path) for path in stray],
        scripts=scripts,
        images_of_scripts=of_scripts,
        sources=sources_of(config),
        contact=config.site.contact,
        journals=journals,
    )
    headers = (image.header for image in present if image.header)
    settled.keep(plan, (part for h in headers for part in (*h.parts, h.lacks)))
    return _with_round(plan), inventory


def _with_round(plan: Plan) -> Plan:
    """Return a plan that says whether the tables and the report of the run are to be written once more."""
    number = round_of(
        plan.folders.run_files,
        plan.folders.results,
        plan.spreadsheets,
        lambda number: replace(plan, report_round=number).summary(),
    )
    return replace(plan, report_round=number)


def _by_image(corrections: dict[str, Path], images: list[ImageFile]) -> dict[str, str]:
    """Return corrections by the names of their images."""
    if not corrections:
        return {}
    return {
        image.image: str(corrections[image.result_name])
        for image in images
        if image.result_name in corrections
    }


def _plan_batches(
    inventory: Inventory,
    folders: ResultPaths,
    keys: _KeyMaker,
    section: Images,
    settled: SettledBatches,
) -> dict[str, Any]:
    """Return what a `Plan` says of the batches: the batches, the states of the images, what is to do, the small ones.

    Parameters
    ----------
    section : Images
        The section ``images`` of the config.
    settled : SettledBatches
        Those in which nothing was to be done the last time.
    """
    batches: dict[str, Batch] = {}
    states: dict[str, State] = {}
    seen: list[Seen] = []
    pending: dict[str, dict[str, int]] = {}
    to_do: Counter[str] = Counter(dict.fromkeys((*STEPS, "batches"), 0))
    small: list[str] = []
    faults: dict[str, Problem] = {}
    looks: list[str] = []
    unknown: list[str] = []
    light: list[str] = []
    images_before: dict[str, dict[str, str]] = {}
    for name, images in inventory.batches().items():
        if not any(image.present for image in images):
            continue
        if attempts := settled.attempts(name, images, keys.correction):
            named = tuple(image.image for image in images if image.present)
            tasks = _WhenAsked(partial(_plan_batch, name, images, folders, keys))
            batches[name] = Batch(name, tasks, attempts, named=named)
            states |= dict.fromkeys(named, "done")
            pending[name] = dict.fromkeys(STEPS, 0)
            continue
        batch, before, known_by = _plan_batch(name, images, folders, keys)
        images_before |= known_by
        batches[name] = batch
        of_batch: Counter[str] = Counter(dict.fromkeys(STEPS, 0))
        looked: Counter[str] = Counter()
        results = zip(batch.tasks[MASKS], batch.tasks[MEASURE], strict=True)
        for image in images:
            if image.present:
                masks, measure = next(results)
                entries, current, same = before[image.image]
                expected = {step: current[step] or same[step] for step in STEPS}
                states[image.image] = _state(entries, expected)
                looks += [image.image] if same[SEGMENT] else []
                looked.update(step for step in STEPS if same[step])
                if not expected[SEGMENT] and image.image in inventory.touched:
                    last = entries[SEGMENT]
                    known = last is None or last.event != "done" or "source" in last.details
                    unknown += [] if known else [image.image]
                seen.append(
                    Seen(
                        image,
                        entries,
                        keys.correction(image),
                        *(masks.outputs[0], measure.outputs[0]),
                    )
                )
                of_batch.update(step for step in STEPS if not current[step])
                fault = None if expected[SEGMENT] else _known_fault(image, section, keys.selector)
                faults |= {image.image: fault} if fault else {}
        pending[name] = dict(of_batch)
        sure = of_batch - looked
        to_do.update(sure)
        to_do["batches"] += sure[SEGMENT] > 0
        if looked[SEGMENT] and not sure[SEGMENT]:
            light.append(name)
        new = [i for i in images if i.present and not all(before[i.image][1].values())]
        if new and sum(megapixels(new, section)) < SMALL_MEGAPIXELS:
            small.append(name)
        if not (new or known_by):
            settled.note(batch, {image: entries for image, (entries, _, _) in before.items()})
    if any(to_do.values()):
        noted = [entry for each in seen for entry in each.entries.values() if entry]
        refuse_newer(noted, folders.results)
    return {
        "batches": batches,
        "states": states,
        "to_do": dict(to_do),
        "small": small,
        "pending": pending,
        "known_errors": affected(seen, section),
        "faults": faults,
        "looks": looks,
        "unknown": unknown,
        "light": light,
        "images_before": images_before,
    }


def _known_fault(image: ImageFile, section: Images, selector: Selector) -> Problem | None:
    """Return why an image will fail, as far as its header tells; None where nothing is known against it."""
    if image.problem:
        return seen_from_folder(image.problem, image.path, section)
    if image.header is None:
        return None
    try:
        selector.select(image.header, image.path)
    except Problem as problem:
        return problem
    return None


def _arranged(image: ImageFile) -> str:
    """Return what differs when one of the several files does that an image lies in; empty for one file."""
    return image.header.arranged if image.header else ""


class _KeyMaker:
    """Makes the fingerprints of what decides a result of each step, from the settings."""

    def __init__(self, settings: dict[str, Any], corrections: dict[str, Path]) -> None:
        typed = Settings.of(settings)
        segmentation = typed.segmentation
        decisive = {
            k: v for k, v in settings["segmentation"].items() if k not in engines.NOT_DECISIVE
        }
        if segmentation.diameter == engines.ESTIMATE:
            decisive["diameter"] = [engines.ESTIMATE, versions.DIAMETERS]
        engine = segmentation.engine
        self._images = images = typed.images
        self.selector = Selector(images)
        self._whole = engines.keeps_volume(segmentation)
        self._in_3d = segmentation.do_3D and segmentation.anisotropy is None
        self._has_distances = self._whole and typed.measurements.neighbour_distance is not None
        self._corrections = corrections
        self.weights = model_fingerprint(segmentation)
        self._segment = lambda weights: fingerprint(
            decisive,
            weights,
            [versions.ENGINES[engine], *STEPS[SEGMENT].versions],
            # In 3D the distance of the slices decides the cells; else the size of a pixel decides none.
            images.pixel_size_um if self._whole else None,
        )
        self._of_model = self._segment(self.weights)
        self._tracking = [settings["tracking"], versions.TRACKING] if settings["tracking"] else None
        self._masks = fingerprint(
            kinds_of_images(settings["outputs"]),
            images.pixel_size_um,
            *STEPS[MASKS].versions,
        )
        self._measure = fingerprint(
            settings["measurements"], images.pixel_size_um, *STEPS[MEASURE].versions
        )
        self._overlay = fingerprint(settings["overlays"], *STEPS[OVERLAY].versions)

    def keys(self, image: ImageFile, of_model: str = "") -> dict[str, str]:
        """Return the key of each step for an image.

        Parameters
        ----------
        image : ImageFile
        of_model : str
            The part that the settings and the model have in it, if not those of now.
        """
        segment, cells = self._segment_and_cells(image, of_model or self._of_model)
        corrected = corrected_since_0_1_0(image.header, self._images)
        return {
            SEGMENT: segment,
            MASKS: fingerprint(cells, self._masks, *corrected),
            MEASURE: fingerprint(cells, self._measure, *corrected, *self._distances(image)),
            OVERLAY: fingerprint(cells, self._overlay),
        }

    def keys_before(
        self, image: ImageFile, entry: Entry | None
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Return `keys` and `script_keys` of the results that are there, where times of files alone are others since.

        Else none.
        """
        now = (image.size, image.mtime_ns, _arranged(image))
        before = times_before(entry, now, self.weights)
        if before is None or entry is None:
            return {}, {}
        older, of_model = replace(image, mtime_ns=before[0]), self._segment(before[1])
        if older.header and before[2]:
            older = replace(older, header=replace(older.header, arranged=before[2]))
        keys = self.keys(older, of_model)
        # Once its labels are carried over, what was made of them is still to be.
        known = keys[SEGMENT] in (entry.key, entry.details.get("carried"))
        return (keys, self.script_keys(older, of_model)) if known else ({}, {})

    def correction(self, image: ImageFile) -> Path | None:
        """Return the corrected mask of an image, if it has one."""
        return self._corrections.get(image.result_name) if self._corrections else None

    def script_keys(self, image: ImageFile, of_model: str = "") -> dict[str, str]:
        """Return what decides what the users' scripts see of an image, and of its mask; parameters as of `keys`."""
        cells = self._segment_and_cells(image, of_model or self._of_model)[1]
        corrected = corrected_since_0_1_0(image.header, self._images)
        labels = fingerprint(cells, self._images.pixel_size_um, *corrected)
        file = (image.size, image.mtime_ns, image.position)
        return image_keys(*file, labels, _arranged(image))

    def _segment_and_cells(self, image: ImageFile, of_model: str) -> tuple[str, str]:
        """Return what decides the labels that the engine finds, and those that are kept in the end."""
        file = (image.size, image.mtime_ns, image.position)
        # Only in 3D do the sizes of pixels decide the cells.
        others: list[Any] = corrected_since_0_1_0(image.header, self._images) if self._in_3d else []
        # A position that comes after pages which counted as positions once is another one now.
        if image.header and image.header.copies_before:
            others = [*others, image.header.copies_before]
        # Another file of a set changes neither sum nor latest time for sure.
        if _arranged(image):
            others = [*others, _arranged(image)]
        if (
            image.header
            and self._images.axes
            and interpreted(image.header, self._images)
            != (interpreted(image.header, replace(self._images, axes=None)))
        ):
            others = [*others, ["axes", self._images.axes]]
        segment = fingerprint(of_model, *file, self._selection(image), *others)
        correction = self.correction(image)
        corrected = correction_fingerprint(correction) if correction else None
        return segment, fingerprint(segment, corrected, self._tracking)

    def _distances(self, image: ImageFile) -> list[Any]:
        """Return what is in the key besides where 0.1.0 took slices of an unknown distance for one pixel apart."""
        if image.header is None or not self._has_distances:
            return []
        header = interpreted(image.header, self._images)
        unknown = header.slices > 1 and not header.slice_step_um
        return [["slice_step_um", None]] if unknown else []

    def is_large(self, image: ImageFile) -> bool:
        """Whether what is read of an image at once, a plane or a whole stack, is worked on alone."""
        if image.header is None:
            return False
        header = interpreted(image.header, self._images)
        planes = header.slices if self._whole else 1
        planes *= 1 if self._images.second_channel is None else 2
        return header.width * header.height * planes * header.pixel_bytes > LARGE_BYTES

    def is_tracked(self, image: ImageFile) -> bool:
        """Whether the cells of an image are followed in time."""
        if image.header is None or self._tracking is None:
            return False
        header = interpreted(image.header, self._images)
        return len(chosen(self._images.time, header.times)) > 1

    def _selection(self, image: ImageFile) -> Sequence[Any]:
        """Return the planes that the config selects; what it says, where they can't be known."""
        if image.header:
            try:
                return self.selector.select(image.header, image.path).values
            except Problem:
                pass
        keys = ("channel", "second_channel", "z", "time", "pages")
        return [getattr(self._images, key) for key in keys]


def _facts(present: list[ImageFile]) -> dict[str, Any]:
    """Return what is to be said of the images as a whole, in numbers."""
    headers = [image.header for image in present if image.header]
    return {
        "lossy": sum(header.lossy for header in headers),
        "stopped": sum(bool(h.planned_times or h.planned_slices) for h in headers),
        "copies": sum(header.copies for header in headers),
    }


def _diameter_in_um(settings: Settings, present: list[ImageFile]) -> float | None:
    """Return how many pixels the diameter is if it was perhaps meant in µm; None if it can be what it is."""
    sizes = [image.header.pixel_size_um for image in present if image.header]
    size = settings.images.pixel_size_um or next(filter(None, sizes), None)
    return small_diameter.in_pixels(settings.segmentation.diameter, size)


def _sets(inventory: Inventory, present: list[ImageFile]) -> dict[str, Any]:
    """Return what is to be said of images that lie in several files, or look like it."""
    found: dict[str, Any] = {}
    sets = [image for image in present if image.header and image.header.arranged]
    if sets:
        found["images"] = len(sets)
        found["files"] = sum(1 + len(image.header.parts) for image in sets if image.header)
        found["lacking"] = [image.image for image in sets if image.header and image.header.gaps]
    if apart := [image.image for image in present if is_apart(image.file)]:
        found["apart"] = apart
    if inventory.unfit:
        found["unfit"] = list(inventory.unfit)
    if proposal := inventory.proposal:
        first, second = proposal.files[:2]
        found["proposal"] = {
            "number": len(proposal.files),
            "images": proposal.images,
            "pattern": proposal.pattern,
            "first": first,
            "second": second,
        }
    return found


def _unselected(inventory: Inventory, images: Images, selector: Selector) -> dict[str, int]:
    """Return how many positions, time points and slices of the images the config does not select."""
    number = Counter({"positions": len(inventory.unselected), "times": 0, "slices": 0})
    for image in inventory.images:
        if not image.present or image.header is None:
            continue
        try:
            selection = selector.select(image.header, image.path)
        except Problem:
            continue
        header = interpreted(image.header, images)
        number["times"] += header.times - len(selection.times)
        number["slices"] += header.slices - len(selection.slices)
    return dict(number)


def model_fingerprint(segmentation: Segmentation) -> list[int] | None:
    """Return size and time of change of a model's file; None for a model that the engine knows by its name.

    Parameters
    ----------
    segmentation : Segmentation
        The section ``segmentation`` of the config.
    """
    model = segmentation.model
    if model is None or model in engines.BUILTIN_MODELS.get(segmentation.engine, ()):
        return None
    stat = Path(model).expanduser().stat()
    return [stat.st_size, stat.st_mtime_ns]


# Of each image, by step: how it ended last, whether that is of now, and whether it is once its file was looked at.
Before = dict[str, tuple[dict[str, Entry | None], dict[str, bool], dict[str, bool]]]


def _plan_batch(
    name: str, images: list[ImageFile], folders: ResultPaths, keys: _KeyMaker
) -> tuple[Batch, Before, dict[str, dict[str, str]]]:
    """Plan one batch, and return beside it what its journals say of each image.

    Last, the keys that scripts knew images by whose files, or whose model's, have another time alone.
    """
    tasks: dict[str, list[Task]] = {step: [] for step in STEPS}
    attempts: dict[str, list[int]] = {step: [] for step in STEPS}
    before: Before = {image.image: ({}, {}, {}) for image in images}
    wanted = {image.image: keys.keys(image) for image in images}
    sizes = {image.image: (keys.is_large(image), keys.is_tracked(image)) for image in images}
    noted: dict[str, tuple[dict[str, str], dict[str, str]]] = {}
    for step in STEPS:
        finished = Journal(folders.journal(step, name)).finished()
        for image in images:
            entry = finished.get(image.image)
            if step == SEGMENT and image.present:
                noted[image.image] = keys.keys_before(image, entry)
            key = wanted[image.image][step]
            positions = image.positions if image.header else 0
            place = (image.image, image.path, image.position, positions)
            task = folders.task(
                step,
                *place,
                key,
                1,
                *sizes[image.image],
                (image.size, image.mtime_ns, _arranged(image)),
                noted[image.image][0].get(step, "") if image.image in noted else "",
            )
            current = is_current(entry, task)
            same = bool(task.before) and is_current(entry, replace(task, key=task.before))
            if step == SEGMENT and not (same or current):
                noted.pop(image.image, None)
                if task.before:
                    task = replace(task, before="")
            attempt = next_attempt(entry, current=current, present=image.present)
            attempts[step].append(attempt)
            before[image.image][0][step] = entry
            before[image.image][1][step] = current
            before[image.image][2][step] = same and not current
            if image.present:
                tasks[step].append(task)
        to_do = [image.present and not before[image.image][1][step] for image in images]
        # Where a journal was lost, its images count from 1 again, and Snakemake would take them for done.
        while any(to_do) and folders.outcome(step, name, attempts).exists():
            attempts[step] = [a + new for a, new in zip(attempts[step], to_do, strict=True)]
        of_present = [a for a, i in zip(attempts[step], images, strict=True) if i.present]
        numbered = zip(tasks[step], of_present, strict=True)
        tasks[step] = [
            task if task.attempt == attempt else replace(task, attempt=attempt)
            for task, attempt in numbered
        ]
    of_scripts = {image: scripts for image, (_, scripts) in noted.items() if scripts}
    return Batch(name, tasks, attempts), before, of_scripts


class _WhenAsked(Mapping[str, Sequence[Task]]):
    """The tasks of a batch in which nothing is to be done: mostly nobody asks for them."""

    def __init__(self, make: Callable[[], tuple[Batch, Before, Any]]) -> None:
        self._make = make

    @cached_property
    def _tasks(self) -> Mapping[str, Sequence[Task]]:
        return self._make()[0].tasks

    def __getitem__(self, step: str) -> Sequence[Task]:
        return self._tasks[step]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)


def _state(entries: dict[str, Entry | None], current: dict[str, bool]) -> State:
    if all(current.values()):
        return "done"
    if any(entry and entry.event == "failed" for entry in entries.values()):
        return "failed"
    if current[SEGMENT] and None in entries.values():
        return "unfinished"
    return "changed" if entries[SEGMENT] else "new"
