"""The tables that scripts get about all images, and what is joined of what they made."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from segmake.core.declared_steps import SEGMENT
from segmake.core.files import natural_key, write_atomically
from segmake.core.journal import Entry
from segmake.messages import Problem
from segmake.plan.judged import ignored, took_nothing
from segmake.plan.plan import Plan
from segmake.plan.script_keys import Keys
from segmake.plan.scripts import facts_in_job
from segmake.runner.pipeline import Task
from segmake.runner.records import record_of
from segmake.runner.run_files import keep_all, read_record
from segmake.runner.run_step import is_current, problem_of, told_of_changed
from segmake.runner.script_products import summarise
from segmake.scripts.definition.runs import said_of_each
from segmake.scripts.definition.script import OWN, Script, as_text, image_of
from segmake.scripts.results.joined import join, join_own
from segmake.scripts.results.outcome import Failure, ScriptResults

# What the report shows of what a script made.
PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".tif", ".tiff")
SECTIONS = ("report.md", "report.html")

# A table of all runs begins with this, so that no pattern takes it for one of them.
JOINED = "all_"


def write_tables_for(plan: Plan, script: Script) -> dict[str, Path]:
    """Write the tables about all images that a script gets, and return where they are.

    Returns
    -------
    dict
        ``images``: a row for each image with what the script needs of it; ``cells``: a row for each cell of these.
    """
    if script.per_image or not any(need in OWN for need in script.needs):
        return {}
    # Takes longer to import than most runs of scripts take.
    import pandas as pd

    keys = facts_in_job(plan)
    folder = (plan.folders.state / "scripts" / script.name).absolute()
    tasks = _images_of(plan, script, keys)
    found = {"images": folder / "images.csv"}
    with write_atomically(found["images"]) as part:
        rows = [_image_row(plan, script, keys, task) for task in tasks]
        columns = ("image", "path", "position", "corrected", "mask", "cells")
        others = [need for need in script.scripts_needed if keys.scripts[need].per_image]
        table = pd.DataFrame(rows, columns=[*columns, *others])
        table.to_csv(part, index=False, encoding="utf-8", errors="surrogateescape")
    if "cells" in script.needs:
        found["cells"] = folder / "cells.csv"
        tables = [(task.image, plan.folders.cells(task.image)) for task in tasks]
        join_own([({"image": image}, path) for image, path in tables], found["cells"], print)
    return found


def join_tables(plan: Plan, name: str, tell: Callable[[str], None]) -> list[Path]:
    """Join the tables that the runs of a script made, each with the tables of the same name, and return them.

    A table of all runs begins with the image, the parameters of the sweep, or both. Tables that are no longer made of
    any run are removed.

    Parameters
    ----------
    plan : Plan
    name : str
        Of the script.
    tell : callable
        Takes a line about each table that can't be read, which is left out.
    """
    script = plan.definitions[name]
    folder = plan.folders.scripts / name
    made: list[Path] = []
    if not script.alone:
        keys = facts_in_job(plan)
        tables: dict[str, list[tuple[dict[str, str], Path]]] = {}
        for task, parameters in _done(plan, script, keys):
            swept = {key: as_text(value) for key, value in parameters.items()}
            image = image_of(script, task.image)
            first = {"image": image, **swept} if image else swept
            for path in sorted(task.outputs[0].rglob("*.csv")):
                if path.is_file():
                    relative = path.relative_to(task.outputs[0]).as_posix()
                    tables.setdefault(relative, []).append((first, path))
        note, results = plan.folders.state / "scripts" / name / "joined.json", plan.folders.results
        there = [path for path in folder.glob(f"{JOINED}*.csv") if path.is_file()]
        for table, kept in keep_all(there, read_record(note), results).items():
            tell(told_of_changed(results, table, kept))
        for relative, parts in sorted(tables.items()):
            joined = folder / f"{JOINED}{relative.replace('/', '_')}"
            while joined in made:
                joined = joined.with_stem(f"{joined.stem}_")
            if join(parts, joined, tell):
                made.append(joined)
        for path in set(there) - set(made):
            path.unlink(missing_ok=True)
        with write_atomically(note) as part:
            part.write_text(json.dumps(record_of(made, results)), encoding="ascii")
    return made


def script_results(plan: Plan) -> list[ScriptResults]:
    """Return what became of each script, for the report and the last words of a run."""
    if not plan.scripts:
        return []
    keys = facts_in_job(plan)
    return [_results(plan, keys.scripts[name], keys) for name in plan.scripts]


def _results(plan: Plan, script: Script, keys: Keys) -> ScriptResults:
    entries = keys.journals(script.name)
    runs = keys.runs(script.name)
    done = [task for task, _ in _done(plan, script, keys)]
    noted = {task.image: entries[task.image].details for task in done}
    ended = [entry for run in runs if (entry := _as_now(entries.get(run), script, keys))]
    failures = [failure for entry in ended if (failure := _failure(plan, script, entry))]
    failures.sort(key=lambda failure: natural_key(failure.run))
    gone = sum(entry.event == "done" for entry in ended) - len(done)
    evidence = summarise(noted.values(), gone)
    # One such run alone may be right: it is an image that the script leaves out.
    nothing = done if took_nothing(script, runs, noted) else []
    failures += [_took_nothing(plan, script, entries[task.image], task) for task in nothing]
    folder = plan.folders.scripts / script.name
    section = next(_sections(script, folder, done), None)
    seconds = [s for each in noted.values() if (s := each.get("seconds")) is not None]
    tables = folder.glob("*.csv" if script.alone else f"{JOINED}*.csv")
    return ScriptResults(
        name=script.name,
        file=script.file.name,
        kind="sweep" if script.parameters else script.run,
        runs=len(runs),
        done=len(done) - len(nothing),
        waiting=len(runs) - len(done) + len(nothing) - len(failures) - gone,
        seconds=statistics.median(seconds) if seconds else None,
        failures=failures,
        tables=[path.relative_to(plan.folders.results).as_posix() for path in sorted(tables)],
        folder=f"scripts/{script.name}",
        pictures=list(_pictures(script, done, section)),
        section=section,
        results=plan.folders.results.absolute(),
        inputs=inputs_of(script, keys),
        evidence=evidence,
        environments=sorted({each.get("environment", "") for each in noted.values()} - {""}),
        each=said_of_each(script, len(keys.images), len(runs)),
        ignored=ignored(script, runs, noted),
        strays=_strays(script, folder, done),
    )


def _strays(script: Script, folder: Path, done: list[Task]) -> list[str]:
    """Return the files beside the folders of runs: a run that wrote there was none of SegMake's, or wrote elsewhere."""
    places = set() if script.alone else {task.outputs[0].parent for task in done}
    found: list[str] = []
    for place in places:
        with os.scandir(place) as inside:
            files = [entry.name for entry in inside if entry.is_file()]
        found += [
            (place / name).relative_to(folder).as_posix()
            for name in files
            if not name.startswith((JOINED, "."))
        ]
    return sorted(found, key=natural_key)


def _as_now(entry: Entry | None, script: Script, keys: Keys) -> Entry | None:
    """Return how a run came to its end, if that was with what it works on now."""
    return entry if entry and entry.key == keys.key(script.name, entry.image) else None


def _failure(plan: Plan, script: Script, entry: Entry) -> Failure | None:
    if (failed := problem_of(entry)) is None:
        return None
    return _failed_of(plan, script, entry, failed)


def _took_nothing(plan: Plan, script: Script, entry: Entry, task: Task) -> Failure:
    names = {"script": script.file.name, "files": image_of(script, task.image)}
    names["log"] = str(plan.folders.script_log(script, task.image))
    return _failed_of(plan, script, entry, Problem("SM-SCR-043", where=task.image, **names))


def _failed_of(plan: Plan, script: Script, entry: Entry, failed: Problem) -> Failure:
    log = plan.folders.script_log(script, entry.image).relative_to(plan.folders.results)
    return Failure(
        run="" if script.alone else entry.image,
        code=failed.code,
        message=failed.what,
        remedy=failed.remedy,
        said=str(failed.values.get("said", "")),
        log=log.as_posix(),
        attempt=entry.attempt,
    )


def _pictures(script: Script, done: list[Task], section: Path | None) -> Iterator[tuple[str, Path]]:
    """Yield the pictures that runs made, each with the name of its run; without those that the section shows."""
    text = section.read_text(encoding="utf-8", errors="replace") if section else ""
    for task in done:
        name = "" if task.image == script.name else task.image
        for path in sorted(task.outputs[0].rglob("*")):
            if path.suffix.lower() in PICTURES and path.is_file() and path.name not in text:
                yield name, path.absolute()


def inputs_of(script: Script, keys: Keys) -> list[tuple[str, int, int]]:
    """Return of which images, and runs of other scripts, it did not get all, if it takes all at once.

    Returns
    -------
    list
        For each: the script whose runs they are, or empty for images; how many there were; of how many.
    """
    if script.per_image:
        return []
    several = [need for need in script.scripts_needed if keys.scripts[need].parameters]
    of_images = [
        need
        for need in script.needs
        if need in OWN or (keys.scripts[need].per_image and need not in several)
    ]
    there = [all(keys.is_there(need, image) for need in of_images) for image in keys.images]
    found = [("", sum(there), len(there))] if of_images else []
    for need in several:
        runs = keys.runs(need)
        found.append((need, sum(keys.is_done(need, run) for run in runs), len(runs)))
    return [each for each in found if each[1] < each[2]]


def _sections(script: Script, folder: Path, done: list[Task]) -> Iterator[Path]:
    if script.alone and done:
        yield from (path for name in SECTIONS if (path := folder / name).is_file())


def _done(plan: Plan, script: Script, keys: Keys) -> list[tuple[Task, dict[str, str | bool]]]:
    """Return the runs that went well, as things are now, with their parameters, in natural order."""
    entries = keys.journals(script.name)
    found = []
    for run, parameters in keys.runs(script.name).items():
        key = keys.key(script.name, run)
        task = plan.folders.script_task(script, run, None, key or "", 1)
        if key and is_current(entries.get(run), task):
            found.append((task, parameters))
    return sorted(found, key=lambda pair: natural_key(pair[0].image))


def _images_of(plan: Plan, script: Script, keys: Keys) -> list[Task]:
    """Return the images of which everything is there that a script needs."""
    own = [need for need in script.needs if need in OWN]

    def is_there(task: Task) -> bool:
        facts = keys.images[task.image]
        if facts.left_out:
            return False
        return facts.readable and all(n == "images" or facts.state(n) == "done" for n in own)

    tasks = [task for batch in plan.batches.values() for task in batch.tasks[SEGMENT]]
    return sorted(filter(is_there, tasks), key=lambda task: natural_key(task.image))


def _image_row(plan: Plan, script: Script, keys: Keys, task: Task) -> dict[str, Any]:
    folders = plan.folders
    row: dict[str, Any] = {
        "image": task.image,
        "path": task.path.absolute(),
        "position": task.position + 1,
    }
    # What is not needed may be there or not, and is nothing that the script is run again for.
    if "masks" in script.needs:
        row["mask"] = folders.mask(task.image).absolute()
        row["corrected"] = "true" if task.image in plan.corrections else "false"
    if "cells" in script.needs:
        row["cells"] = folders.cells(task.image).absolute()
    for need in script.scripts_needed:
        other = keys.scripts[need]
        if other.per_image and keys.is_there(need, task.image):
            row[need] = folders.script_folder(other, task.image).absolute()
    return row
