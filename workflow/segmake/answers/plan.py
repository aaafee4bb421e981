"""What ``segmake plan --json`` answers: what a run would do with each image, and why; nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from segmake.adapter.foreseen import foresee
from segmake.answers.answer import Answer, answer, path_text, problem_values, time_text
from segmake.cluster.checks import Cluster
from segmake.config.sources import changed, origin_of
from segmake.core.config import Config, name_in_full
from segmake.core.declared_steps import STEPS
from segmake.core.journal import Entry, Journal
from segmake.images.inventory import Inventory
from segmake.messages import Problem, say
from segmake.plan.described import describe
from segmake.plan.plan import Batch, Plan, State
from segmake.runner.pipeline import Task
from segmake.runner.run_step import is_current, problem_of


def plan_answer(path: Path, *, on_cluster: bool = True, before: Sequence[Path] = ()) -> Answer:
    """Return what a run would do.

    Parameters
    ----------
    path : Path
        The config.
    on_cluster : bool
        Whether the cluster is asked too, where there is one.
    before : sequence of Path
        Other configs, which count where this one says nothing.

    Raises
    ------
    Problem, Problems
        If the config, or an image folder, is such that none can begin.
    """
    found = foresee(path, on_cluster=on_cluster, before=before)
    plan, inventory = found.plan, found.inventory
    images = list(_images(plan, inventory))
    warnings = [*found.warnings, *_warnings(plan)]
    return answer(
        "plan",
        1,
        [
            *map(problem_values, found.refusals),
            *(problem_values(problem, "warning") for problem in warnings),
        ],
        config=path_text(path),
        results=path_text(plan.folders.results),
        made=time_text(plan.started),
        text=describe(plan).splitlines(),
        has_work=plan.has_work,
        counts=_counts(plan, images),
        images=images,
        left_out=list(_left_out(plan, inventory)),
        other_files=plan.left_out - sum(map(len, plan.derived.values())),
        hidden=plan.hidden,
        batches=list(_batches(plan)),
        scripts=list(_scripts(plan)),
        settings=list(_settings(plan, found.config)),
        cluster=_cluster(plan, found.cluster),
    )


def _warnings(plan: Plan) -> Iterator[Problem]:
    for file in plan.outdated.values():
        yield Problem("SM-OUT-020", file=file)
    yield from plan.naming_problems()
    for script in plan.scripts.values():
        for code, values in script.remarks:
            yield Problem(code, **values)


_OF_SCRIPTS = ("runs", "done", "failed", "to_run", "to_look_at")


def _counts(plan: Plan, images: list[dict[str, Any]]) -> dict[str, int]:
    states = Counter(plan.states.values())
    return {
        "found": len(plan.states),
        **{state: states[state] for state in get_args(State)},
        "to_do": sum(bool(image["to_do"]) for image in images),
        "to_look_at": len(plan.looks),
        "will_fail": sum(image["will_fail"] is not None for image in images),
        "batches": len(plan.batches),
        "batches_to_do": len(plan.open_batches),
    }


def _images(plan: Plan, inventory: Inventory) -> Iterator[dict[str, Any]]:
    """Yield each image that is there, with what is to be done of it, and why."""
    there = {image.image: image for image in inventory.images if image.present}
    for batch in plan.batches.values():
        for name, to_do, entries in _steps_to_do(plan, batch):
            if name not in there:
                # It was there when the plan was made.
                continue
            state, fault = plan.states[name], plan.faults.get(name)
            yield {
                "image": name,
                "file": path_text(there[name].path),
                "batch": batch.name,
                "state": state,
                "reason": say(f"state.image.{state}"),
                "to_do": to_do,
                "failed_before": _failure(entries) if state == "failed" else None,
                "will_fail": fault and problem_values(fault),
                "correction": plan.corrections.get(name),
            }


def _steps_to_do(
    plan: Plan, batch: Batch
) -> Iterator[tuple[str, list[str], Sequence[Entry | None]]]:
    """Yield each image of a batch, the steps that are to be done of it, and how each step ended last."""
    if not any(plan.pending[batch.name].values()):
        # Its journals tell no more, and its tasks need not be made.
        yield from ((image, [], ()) for image in batch.images)
        return
    journals = [Journal(plan.folders.journal(step, batch.name)) for step in STEPS]
    for tasks in zip(*(batch.tasks[step] for step in STEPS), strict=True):
        entries = [journal.last(tasks[0].image) for journal in journals]
        to_do = [
            step
            for step, entry, task in zip(STEPS, entries, tasks, strict=True)
            if not is_current(entry, task) and not _waits_for_a_look(entry, task)
        ]
        yield tasks[0].image, to_do, entries


def _waits_for_a_look(entry: Entry | None, task: Task) -> bool:
    """Whether a result is there that counts if the file holds what it held."""
    return bool(task.before) and is_current(entry, replace(task, key=task.before))


def _failure(entries: Sequence[Entry | None]) -> dict[str, Any] | None:
    """Return why an image failed when it was last tried."""
    for entry in entries:
        try:
            if entry and (problem := problem_of(entry)):
                return problem_values(problem)
        except (KeyError, TypeError):
            # A newer version of SegMake has written it down.
            continue
    return None


def _left_out(plan: Plan, inventory: Inventory) -> Iterator[dict[str, str]]:
    """Yield each file, folder and position that is taken for no image, or not asked for, and why."""
    named = {
        **plan.derived,
        "system": plan.system,
        "position": [image.image for image in inventory.unselected],
    }
    for kind, names in named.items():
        for name in names:
            yield {"name": name, "kind": kind, "reason": say(f"left_out.{kind}")}


def _batches(plan: Plan) -> Iterator[dict[str, Any]]:
    to_do = set(plan.open_batches)
    for name, batch in plan.batches.items():
        yield {
            "batch": name,
            "images": len(batch.images),
            "to_do": plan.pending[name],
            "open": name in to_do,
        }


def _scripts(plan: Plan) -> Iterator[dict[str, Any]]:
    for name, script in plan.scripts.items():
        counts = {key: script.counts.get(key, 0) for key in _OF_SCRIPTS}
        yield {"script": name, "jobs": len(script.batches), **counts}


def _settings(plan: Plan, config: Config) -> Iterator[dict[str, Any]]:
    """Yield each setting of the cluster, and each other one that is not as by default, with where it comes from."""
    for keys, value in changed(plan.settings):
        name = name_in_full(keys)
        source = plan.sources.get(name, "")
        origin = origin_of(config, keys)
        if origin == "default" and source:
            # What was left open, until the cluster was asked.
            origin = "cluster"
        file = getattr(source, "file", None)
        yield {
            "name": name,
            "value": value,
            "origin": origin,
            "source": source or say("source.default"),
            "file": file and path_text(file),
            "line": getattr(source, "line", None),
        }


def _cluster(plan: Plan, cluster: Cluster | Problem | None) -> dict[str, Any] | None:
    if cluster is None:
        return None
    partition = plan.typed.cluster.partition
    return {"answered": isinstance(cluster, Cluster), "partition": partition}
