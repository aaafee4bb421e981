"""Makes the plan of a run from the config, the images and the journals."""

from __future__ import annotations

import errno
import os
import time
from collections import Counter
from dataclasses import asdict, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from segmake import __version__
from segmake.config import small_diameter
from segmake.config.site_settings import settle
from segmake.config.sources import sources_of
from segmake.core.collector import no_collecting
from segmake.core.config import Config
from segmake.core.declared_steps import MASKS, SEGMENT, STEPS
from segmake.core.files import is_apart
from segmake.core.journal import Entry, Journal, next_attempt
from segmake.core.settings import Images, Settings
from segmake.formats.reach import seen_from_folder
from segmake.images.batches import megapixels
from segmake.images.corrections import find_corrections
from segmake.images.image import ImageFile
from segmake.images.inventory import Inventory, take_inventory
from segmake.images.listing import state_of_folders
from segmake.images.named_images import SECTIONS
from segmake.images.selection import Selector, interpreted
from segmake.messages import Problem
from segmake.plan.bindings import bind_corrections
from segmake.plan.keys import KeyMaker, arranged, model_fingerprint
from segmake.plan.known_errors import Seen, affected, version_of
from segmake.plan.memory import needs
from segmake.plan.newer import refuse_newer
from segmake.plan.overview import journal_sizes
from segmake.plan.plan import Batch, Plan, State
from segmake.plan.result_paths import ResultPaths
from segmake.plan.scripts import journal_of, plan_scripts
from segmake.plan.settled import Kept, SettledBatches
from segmake.plan.tasks import ATTEMPT, BEFORE, KEY, DoneTasks, Row, Tasks
from segmake.runner.run_files import round_of

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
    with no_collecting():
        folders = _results_of(config)
        return _make_plan(config, folders, _settled(config, folders), command, cores)


def make_or_keep_plan(
    config: Config, command: str = "", cores: int | None = None
) -> tuple[Plan, Inventory | None]:
    """Do what `make_plan` does, much sooner where nothing has changed since nothing was to be done.

    There is no inventory then: it would be the one that is written.
    """
    with no_collecting():
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

    def rows(batch: Kept, name: str) -> dict[str, list[Row]]:
        return _rows_when_done(images()[name], batch.attempts, KeyMaker(settings, {}))

    named = [image for batch in batches.values() for image in batch.images]
    plan = Plan(
        settings=settings,
        config=str(config.path),
        command=command,
        started=time.time(),
        batches={
            name: Batch(
                name, Tasks(folders, partial(rows, batch, name)), batch.attempts, named=batch.images
            )
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
    keys = KeyMaker(config.settings, bound.used)
    planned = _plan_batches(inventory, folders, keys, config.typed.images, settled)
    replaced = inventory.replaced.difference(planned["looks"])
    settings = config.settings
    of_scripts = (
        {image.image: keys.script_keys(image) for image in present} if config.typed.scripts else {}
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
    keys: KeyMaker,
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
    pending: dict[str, dict[str, int]] = {}
    to_do: Counter[str] = Counter(dict.fromkeys((*STEPS, "batches"), 0))
    small: list[str] = []
    light: list[str] = []
    images_before: dict[str, dict[str, str]] = {}
    said = _OfImages({}, {}, [], [], [])
    for name, images in inventory.batches().items():
        present = [image for image in images if image.present]
        if not present:
            continue
        if attempts := settled.attempts(name, images, keys.correction):
            batches[name] = _batch_when_done(name, images, attempts, folders, keys)
            said.states.update(dict.fromkeys(batches[name].images, "done"))
            pending[name] = dict.fromkeys(STEPS, 0)
            continue
        batches[name], known, known_by = _plan_batch(name, images, folders, keys)
        images_before |= known_by
        of_batch: Counter[str] = Counter(dict.fromkeys(STEPS, 0))
        looked: Counter[str] = Counter()
        for image in present:
            known_of = known[image.image]
            said.add(image, known_of, folders, keys, touched=image.image in inventory.touched)
            for step in STEPS:
                of_batch[step] += not known_of.current[step]
                looked[step] += known_of.same[step]
        pending[name] = dict(of_batch)
        sure = of_batch - looked
        to_do.update(sure)
        to_do["batches"] += sure[SEGMENT] > 0
        if looked[SEGMENT] and not sure[SEGMENT]:
            light.append(name)
        new = [image for image in present if not all(known[image.image].current.values())]
        if new and sum(megapixels(new, section)) < SMALL_MEGAPIXELS:
            small.append(name)
        all_entries = {image: each.entries for image, each in known.items()}
        if not (new or known_by) and settled.note(batches[name], all_entries):
            attempts = batches[name].attempts
            batches[name] = _batch_when_done(name, images, attempts, folders, keys)
    if any(to_do.values()):
        refuse_newer(
            (entry for each in said.seen for entry in each.entries.values() if entry),
            folders.results,
        )
    return {
        "batches": batches,
        "states": said.states,
        "to_do": dict(to_do),
        "small": small,
        "pending": pending,
        "known_errors": affected(said.seen, section),
        "faults": said.faults,
        "looks": said.looks,
        "unknown": said.unknown,
        "light": light,
        "images_before": images_before,
    }


class _OfImages(NamedTuple):
    """What a `Plan` says of single images, as they are planned; ``seen`` are those that another version knew."""

    states: dict[str, State]
    faults: dict[str, Problem]
    looks: list[str]
    unknown: list[str]
    seen: list[Seen]

    def add(
        self,
        image: ImageFile,
        known: _Known,
        folders: ResultPaths,
        keys: KeyMaker,
        *,
        touched: bool,
    ) -> None:
        """Take in an image; ``touched`` if its file has another time alone."""
        entries, current, same = known
        expected = {step: current[step] or same[step] for step in STEPS}
        self.states[image.image] = _state(entries, expected)
        if same[SEGMENT]:
            self.looks.append(image.image)
        # All that is said of them is of other versions.
        if any(entry and version_of(entry) != __version__ for entry in entries.values()):
            results = folders.mask(image.image), folders.cells(image.image)
            self.seen.append(Seen(image, entries, keys.correction(image), *results))
        if expected[SEGMENT]:
            return
        last = entries[SEGMENT]
        if touched and last and last.event == "done" and "source" not in last.details:
            self.unknown.append(image.image)
        if fault := _known_fault(image, keys.images, keys.selector):
            self.faults[image.image] = fault


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


class _Known(NamedTuple):
    """What the journals say of an image, by step.

    Attributes
    ----------
    entries : dict
        How it ended last.
    current : dict
        Whether that is of now.
    same : dict
        Whether it is once its file was looked at.
    """

    entries: dict[str, Entry | None]
    current: dict[str, bool]
    same: dict[str, bool]


# Of most images of a run that is planned for the first time.
_NOTHING_KNOWN = _Known(
    dict.fromkeys(STEPS), dict.fromkeys(STEPS, False), dict.fromkeys(STEPS, False)
)

# What a batch is planned as: itself, what is known of each image, and the keys that scripts knew images by whose files,
# or whose model's, have another time alone.
_PlannedBatch = tuple[Batch, dict[str, _Known], dict[str, dict[str, str]]]


def _plan_batch(
    name: str, images: list[ImageFile], folders: ResultPaths, keys: KeyMaker
) -> _PlannedBatch:
    """Plan one batch."""
    finished = {step: Journal(folders.journal(step, name)).finished() for step in STEPS}
    rows: dict[str, list[Row]] = {step: [] for step in STEPS}
    attempts: dict[str, list[int]] = {step: [] for step in STEPS}
    known: dict[str, _Known] = {}
    of_scripts: dict[str, dict[str, str]] = {}
    done = {step: DoneTasks(folders, step) for step in STEPS}
    for image in images:
        entries = {step: finished[step].get(image.image) for step in STEPS}
        of_image, known[image.image], scripts = _plan_image(image, entries, done, keys)
        if scripts:
            of_scripts[image.image] = scripts
        for step, current in known[image.image].current.items():
            attempt = next_attempt(entries[step], current=current, present=image.present)
            attempts[step].append(attempt)
            if image.present:
                rows[step].append(of_image[step])
    for step in STEPS:
        to_do = [image.present and not known[image.image].current[step] for image in images]
        # Where a journal was lost, its images count from 1 again, and Snakemake would take them for done.
        while any(to_do) and folders.outcome(step, name, attempts).exists():
            attempts[step] = [a + new for a, new in zip(attempts[step], to_do, strict=True)]
        of_present = (a for a, i in zip(attempts[step], images, strict=True) if i.present)
        for row, attempt in zip(rows[step], of_present, strict=True):
            row[ATTEMPT] = attempt
    return Batch(name, Tasks(folders, lambda: rows), attempts), known, of_scripts


def _batch_when_done(
    name: str,
    images: list[ImageFile],
    attempts: dict[str, list[int]],
    folders: ResultPaths,
    keys: KeyMaker,
) -> Batch:
    """Return a batch in which nothing is to be done: mostly nobody asks for its tasks."""
    tasks = Tasks(folders, partial(_rows_when_done, images, attempts, keys))
    return Batch(name, tasks, attempts, named=tuple(i.image for i in images if i.present))


def _rows_when_done(
    images: list[ImageFile], attempts: dict[str, list[int]], keys: KeyMaker
) -> dict[str, list[Row]]:
    """Return what is to be said of the tasks of a batch in which nothing is to be done: no journal is read for it.

    Parameters
    ----------
    images : list of ImageFile
        All of the batch, as ``attempts`` has them by step.
    """
    rows: dict[str, list[Row]] = {step: [] for step in STEPS}
    for number, image in enumerate(images):
        for step, row in _rows_of(image, keys).items() if image.present else ():
            row[ATTEMPT] = attempts[step][number]
            rows[step].append(row)
    return rows


def _rows_of(image: ImageFile, keys: KeyMaker) -> dict[str, Row]:
    """Return what is to be said of the tasks of an image, by step, as long as nothing is known of earlier attempts."""
    wanted = keys.keys(image)
    large, tracked = keys.is_large(image), keys.is_tracked(image)
    place = (image.image, str(image.path), image.position, image.positions if image.header else 0)
    file = (image.size, image.mtime_ns, arranged(image))
    return {
        step: [*place, wanted[step], 1, large, tracked and step == MASKS, file, ""]
        for step in STEPS
    }


def _plan_image(
    image: ImageFile,
    entries: dict[str, Entry | None],
    done: dict[str, DoneTasks],
    keys: KeyMaker,
) -> tuple[dict[str, Row], _Known, dict[str, str]]:
    """Return what is to be said of the tasks of an image, by step, what is known of it, and what scripts knew it by."""
    rows = _rows_of(image, keys)
    if not any(entries.values()):
        return rows, _NOTHING_KNOWN, {}
    before, scripts = keys.keys_before(image, entries[SEGMENT]) if image.present else ({}, {})
    current: dict[str, bool] = {}
    same: dict[str, bool] = {}
    for step, entry in entries.items():
        key, older = rows[step][KEY], before.get(step, "")
        rows[step][BEFORE] = older
        current[step] = done[step].has(rows[step], entry, key)
        known_again = bool(older) and done[step].has(rows[step], entry, older)
        same[step] = known_again and not current[step]
        if step == SEGMENT and not (known_again or current[step]):
            before, scripts = {}, {}
            rows[step][BEFORE] = ""
    return rows, _Known(entries, current, same), scripts


def _state(entries: dict[str, Entry | None], current: dict[str, bool]) -> State:
    if all(current.values()):
        return "done"
    if any(entry and entry.event == "failed" for entry in entries.values()):
        return "failed"
    if current[SEGMENT] and None in entries.values():
        return "unfinished"
    return "changed" if entries[SEGMENT] else "new"
