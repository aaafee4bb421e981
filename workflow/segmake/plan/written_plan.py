"""How a plan is written down when its run starts, and read by its jobs: whole, as an outline, or a batch's part."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from segmake.core.declared_steps import STEPS
from segmake.core.files import write_atomically
from segmake.messages import LANGUAGES
from segmake.plan.memory import Need
from segmake.plan.plan import Batch, Plan, ScriptPlan
from segmake.plan.result_paths import ResultPaths
from segmake.plan.tasks import Row, Tasks, rows_of, task_of
from segmake.runner.pipeline import Task
from segmake.scripts.definition.script import Script, scripts_of

# Tells the jobs of a run where its plan is, whatever becomes of the config meanwhile.
PLAN_VARIABLE = "SEGMAKE_PLAN"

# When a plan was made is what its file begins with: nothing that users name stands before it.
_MOMENT = re.compile(rb'\{"started": ([0-9.]+), ')
_LONGEST_MOMENT = 64

# What of a plan is no part of what is written, or belongs to no other process.
_UNWRITTEN = frozenset({"written_for", "faults", "other_kinds", "diameter_um", "named_at"})

# What a plan says of single images; a job of a batch needs only `_OF_BATCH` of these, and only of its own images.
_OF_IMAGES = (
    *("states", "looks", "unknown", "images_before", "images_of_scripts", "pending", "journals"),
    *("known_errors", "hidden", "derived", "stray", "sets", "outdated", "bindings", "kept"),
)
_OF_BATCH = ("file_sets", "corrections")


def write_plan(plan: Plan) -> None:
    """Write down the plan of a run that starts.

    Beside the whole of it, each batch gets a plan of its own, and the Snakefile an outline: a job reads no more than
    that, however many images there are.
    """
    folders = plan.folders
    nothing: dict[str, Any] = {name: type(getattr(plan, name))() for name in _OF_IMAGES + _OF_BATCH}
    for name, batch in plan.batches.items():
        own = {
            what: {image: values[image] for image in batch.images if image in values}
            for what in _OF_BATCH
            if (values := getattr(plan, what))
        }
        part = replace(plan, **{**nothing, **own}, batches={name: batch}, scripts={}, memory={})
        _write(folders.plan_of(name), _as_values(part))
    parts = {folders.outline, *map(folders.plan_of, plan.batches)}
    for name, runs, part in _of_script_batches(plan, nothing):
        parts.add(path := folders.plan_of(f"{name}.{runs}"))
        _write(path, _as_values(part))
    _write(folders.outline, _as_values(_outline(plan, nothing)))
    _write(folders.plan, _as_values(plan))
    for path in folders.outline.parent.glob("*.json"):
        if path not in parts:
            path.unlink(missing_ok=True)


def _of_script_batches(plan: Plan, nothing: dict[str, Any]) -> Iterator[tuple[str, str, Plan]]:
    """Yield what of a plan a job has to know that runs a script for each image of a batch, by script and batch.

    Only of scripts that take nothing of other scripts, and of each image alone: others ask what became of all images.
    """
    for name, planned in plan.scripts.items():
        script = plan.definitions[name]
        if not script.per_image or script.scripts_needed or script.parameters:
            continue
        for batch, tasks in planned.batches.items():
            if (of := plan.batches.get(batch.partition("-")[0])) is None:
                continue
            own: dict[str, Any] = {
                what: {image: values[image] for image in of.images if image in values}
                for what in ("images_of_scripts", "images_before")
                if (values := getattr(plan, what))
            }
            parts: dict[str, Any] = {
                "batches": {of.name: of},
                "scripts": {
                    name: replace(
                        planned, batches={batch: tasks}, names={batch: planned.names[batch]}
                    )
                },
                "number": plan.number_of_images,
                "memory": {},
            }
            yield name, batch, replace(plan, **{**nothing, **own, **parts})


def _outline(plan: Plan, nothing: dict[str, Any]) -> Plan:
    """Return what of a plan names the files that Snakemake asks for, and decides what comes before what."""
    return replace(
        plan,
        **{**nothing, "images_before": plan.images_before},
        number=plan.number_of_images,
        summaries={spoken: plan.summary(spoken).name for spoken in LANGUAGES},
        batches={
            name: Batch(name, {}, {}, {step: batch.mark(step) for step in STEPS})
            for name, batch in plan.batches.items()
        },
        scripts={
            name: replace(script, batches={batch: [] for batch in script.batches})
            for name, script in plan.scripts.items()
        },
    )


def _as_values(plan: Plan) -> dict[str, Any]:
    """Return a plan as plain values that JSON can hold."""
    folders = plan.folders
    batches = {
        batch.name: {
            "tasks": rows_of(batch.tasks, folders),
            "attempts": batch.attempts,
            "marks": batch.marks,
        }
        for batch in plan.batches.values()
    }
    scripts = {
        name: {
            **vars(script),
            "batches": {
                batch: [_written_run(task) for task in tasks]
                for batch, tasks in script.batches.items()
            },
        }
        for name, script in plan.scripts.items()
    }
    own = {each.name: getattr(plan, each.name) for each in fields(plan)}
    kept = {name: value for name, value in own.items() if name not in _UNWRITTEN}
    return {"started": plan.started, **kept, "batches": batches, "scripts": scripts}


def _write(path: Path, values: dict[str, Any]) -> None:
    with write_atomically(path) as part:
        part.write_text(json.dumps(values), encoding="ascii")


def _written_run(task: Task) -> list[Any]:
    """Return what a plan has to say of a run of a script for `_read_runs` to make it again."""
    return [task.image, str(task.path), task.position, task.positions, task.key, task.attempt]


def _tasks(folders: ResultPaths, written: dict[str, list[Row]]) -> Tasks:
    """Return the tasks that were written.

    Raises
    ------
    ValueError, TypeError
        If another version wrote them: who reads the plan is to know it, and not who asks for a task later.
    """
    for step, rows in written.items():
        if rows:
            task_of(folders, step, rows[0])
        if any(len(row) != len(rows[0]) for row in rows):
            raise ValueError(f"tasks of several kinds: {step}")
    return Tasks(folders, lambda: written)


def read_batch(path: Path, batch: str) -> Plan:
    """Return what of a plan belongs to a batch of images: all that a job needs which works on it.

    Parameters
    ----------
    path : Path
        The file of the whole plan.
    batch : str
    """
    return _read_part(path, f"{batch}.json")


def read_script_batch(path: Path, name: str, batch: str) -> Plan:
    """Return what of a plan belongs to a batch of a script's runs; the whole of it where a run takes more.

    Parameters
    ----------
    path : Path
        The file of the whole plan.
    name : str
        The script.
    batch : str
    """
    return _read_part(path, f"{name}.{batch}.json")


def read_outline(path: Path, results: Path | None = None) -> Plan:
    """Return a plan without what it says of single images: settings, and the names of what Snakemake asks for.

    Parameters
    ----------
    path : Path
        The file of the whole plan.
    results : Path, optional
        As for `read_plan`.
    """
    return _read_part(path, "outline.json", results)


def _read_part(path: Path, name: str, results: Path | None = None) -> Plan:
    """Return a part of the plan; the whole of it where there is none, or only that of another plan."""
    with suppress(FileNotFoundError):
        text = path.with_name("plans").joinpath(name).read_bytes()
        # A version that writes no parts leaves those of the run before; and one that is writing is not done yet.
        if (planned := _when_planned(text)) and planned == _when_planned(_head(path)):
            return _plan_of(json.loads(text), results)
    return read_plan(path, results)


def _when_planned(text: bytes) -> bytes:
    """Return when a plan was made, as it is written; empty where that is not to be found."""
    found = _MOMENT.match(text)
    return found[1] if found else b""


def _head(path: Path) -> bytes:
    """Return what the file of a plan begins with."""
    with path.open("rb") as file:
        return file.read(_LONGEST_MOMENT)


def read_plan(path: Path, results: Path | None = None) -> Plan:
    """Return the plan that `write_plan` wrote.

    Parameters
    ----------
    path : Path
    results : Path, optional
        The results folder as seen from here, where that is not the folder in which the run was started.
    """
    return _plan_of(json.loads(path.read_text(encoding="ascii")), results)


def _plan_of(values: dict[str, Any], results: Path | None) -> Plan:
    if results:
        values["written_for"] = values["settings"]["results"]
        values["settings"]["results"] = str(results)
    folders = ResultPaths.of(values["settings"])
    batches = {
        name: Batch(
            name,
            _tasks(folders, batch["tasks"]),
            batch["attempts"],
            batch.get("marks", {}),
        )
        for name, batch in values["batches"].items()
    }
    scripts = {
        name: ScriptPlan(
            **{**script, "batches": _read_runs(folders, definition, script["batches"])}
        )
        for name, definition in scripts_of(values["settings"]).items()
        if (script := values["scripts"].get(name))
    }
    memory = {
        batch: {step: Need(*need) for step, need in needs.items()}
        for batch, needs in values.get("memory", {}).items()
    }
    return Plan(**{**values, "batches": batches, "scripts": scripts, "memory": memory})


def _read_runs(
    folders: ResultPaths, script: Script, batches: dict[str, list[list[Any]]]
) -> dict[str, list[Task]]:
    return {
        batch: [
            replace(
                folders.script_task(script, run, None, key, attempt),
                path=Path(path),
                position=position,
                positions=positions,
            )
            for run, path, position, positions, key, attempt in tasks
        ]
        for batch, tasks in batches.items()
    }
