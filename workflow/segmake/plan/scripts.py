"""Plans the runs of the users' scripts: which are to be done, in which batches, at which attempt."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segmake.core.declared_steps import MEASURE, SEGMENT, STEPS
from segmake.core.files import fingerprint, readable
from segmake.core.journal import Entry, Journal, next_attempt
from segmake.core.settings import Environment, Settings
from segmake.images.named_images import reasons
from segmake.messages import say
from segmake.plan.judged import took_nothing
from segmake.plan.plan import ScriptPlan
from segmake.plan.script_keys import ImageFacts, Keys
from segmake.runner.pipeline import Task
from segmake.runner.run_step import is_current
from segmake.runner.same_content import was_carried
from segmake.scripts.checks.command import fill
from segmake.scripts.definition.script import MADE_BY, Script, image_of, scripts_of

if TYPE_CHECKING:
    from segmake.plan.plan import Batch, Plan
    from segmake.plan.result_paths import ResultPaths
    from segmake.scripts.source.meaning import Identity

# The batch of runs that are done, unless what is tried again before them goes well this time.
UNSETTLED = "0000"

# Of these, a job looks through so many more: mostly it has nothing to do.
MANY = 20

# A job is planned to take no more than this part of its time limit, by what runs took before.
PART_OF_LIMIT = 0.5

# Short runs fill a job up to so many seconds: to begin one takes some, and on a cluster a minute.
WORTH_A_JOB = 180.0

# So many runs in a job take about as long together as so many others.
MANY_RUNS = 200

# So many jobs of a cluster get runs of which nothing is known: one that can't do all in its time is sent again.
MOST_UNKNOWN = 100


# So many places in a script are named where code is run that can't be seen, each up to so many letters.
NAMED = 3
LONGEST_PLACE = 100


def image_keys(
    size: int, mtime_ns: int, position: int, labels: str, arranged: str = ""
) -> dict[str, str]:
    """Return the keys of what a script sees of an image before it is measured: the image, and its labels."""
    return {
        "images": fingerprint(size, mtime_ns, position, *filter(None, [arranged])),
        "masks": labels,
    }


def plan_scripts(
    settings: dict[str, Any],
    folders: ResultPaths,
    batches: Mapping[str, Batch],
    images: Mapping[str, dict[str, str]],
    cores: int | None = None,
    images_before: Mapping[str, dict[str, str]] | None = None,
) -> dict[str, ScriptPlan]:
    """Plan the scripts of a config.

    Parameters
    ----------
    settings : dict
        The settings of a checked config.
    folders : ResultPaths
    batches : dict
        The planned batches of images.
    images : dict
        What `image_keys` gives of each image.
    cores : int or None
        Those of this computer, if it does the jobs itself.
    images_before : dict, optional
        What `image_keys` gave of images before the times of their files changed, where that may be all that did.
    """
    scripts = scripts_of(settings)
    if not scripts:
        return {}
    selves = {name: _identity(script, settings, folders) for name, script in scripts.items()}
    codes = {
        name: fingerprint(
            selves[name].code, [f for each in script.texts for f in _named_files(each)]
        )
        for name, script in scripts.items()
    }
    left_out = reasons(Settings.of(settings).leave_out, images)
    keys = _expected_keys(scripts, codes, folders, batches, images, left_out)
    older = None
    if images_before:
        known = {**images, **images_before}
        older = _expected_keys(scripts, codes, folders, batches, known, left_out, before=True)
    plans: dict[str, ScriptPlan] = {}
    for name in _in_order(scripts):
        planned = _plan_script(scripts[name], keys, older, folders, batches, plans, cores)
        own = selves[name]
        plans[name] = replace(
            planned,
            text=own.text,
            files=[str(path) for path in own.files],
            meanings=dict.fromkeys(own.names, own.code),
            remarks=_remarks(scripts[name], own),
        )
    return {name: plans[name] for name in scripts}


def facts_in_job(plan: Plan, *, before: bool = False) -> Keys:
    """Return the keys as they are now: what has gone well so far counts, and nothing else.

    Parameters
    ----------
    plan : Plan
    before : bool
        Whether images whose files a job has looked at, and found the same, have the keys that they had before.
    """
    finished = cache(lambda step, batch: Journal(plan.folders.journal(step, batch)).finished())

    def facts(batch: Batch, number: int) -> ImageFacts:
        image = batch.tasks[SEGMENT][number]

        def state(need: str) -> Any:
            step = MADE_BY[need]
            entry = finished(step, batch.name).get(image.image)
            good = entry and entry.event == "done" and entry.key == batch.tasks[step][number].key
            return "done" if good else ""

        keys = {**plan.images_of_scripts[image.image], "cells": batch.tasks[MEASURE][number].key}
        older = plan.images_before.get(image.image) if before else None
        if older and was_carried(finished(SEGMENT, batch.name).get(image.image)):
            keys = {**older, "cells": batch.tasks[MEASURE][number].before or keys["cells"]}
        without = image.image in plan.left_out_because
        return ImageFacts(keys, image.positions > 0, state, without)

    return Keys(
        plan.definitions,
        {name: script.code for name, script in plan.scripts.items()},
        {
            task.image: facts(batch, number)
            for batch in plan.batches.values()
            for number, task in enumerate(batch.tasks[SEGMENT])
        },
        cache(lambda name: journal_of(plan.folders, name).finished()),
        expected=False,
        before=before,
    )


def journal_of(folders: ResultPaths, name: str, batch: str = "") -> Journal:
    """Return the journal of a script: all of it, to which what happens to a batch is added."""
    folder = folders.state / "scripts" / name
    others = sorted(folder.glob("*.jsonl"))
    return Journal(folder / f"{batch or 'none'}.jsonl", beside=others, overwrites=True)


def code_of(script: Script, settings: dict[str, Any]) -> str:
    """Return the fingerprint of what a script is itself, whatever it works on: its code, arguments, environment."""
    # The environments of the engines have none of what this needs.
    from segmake.scripts.source.static import local_files

    environment = Settings.of(settings).environments.get(script.environment or "")
    return fingerprint(
        [path.read_bytes().hex() for path in local_files(script.file) if path.is_file()],
        [script.run, script.needs],
        script.arguments,
        environment and [environment.python, *_listed(environment)],
        *script.added,
    )


def _listed(environment: Environment) -> list[Any]:
    """Return the packages of an environment of the config; of conda's only if there are any, as in earlier keys."""
    if environment.existing:
        from segmake.environments.solving.existing_environments import listed

        return listed(environment.existing)
    of_conda = [sorted(environment.conda)] if environment.conda else []
    return [sorted(environment.packages), *of_conda]


def _identity(script: Script, settings: dict[str, Any], folders: ResultPaths) -> Identity:
    # The environments of the engines have none of what this needs.
    from segmake.scripts.source.meaning import identity_of, table_of
    from segmake.scripts.source.static import local_files

    files = [path for path in local_files(script.file) if path.is_file()]
    table = table_of(folders.state, script.name)
    return identity_of(script, table, lambda one: code_of(one, settings), files)


def _remarks(script: Script, own: Identity) -> list[tuple[str, dict[str, str]]]:
    """Return what is to be said of a script whose changes are not all seen."""
    found = [("SM-SCR-061", {"script": script.name, "pattern": one}) for one in own.unmatched]
    if own.unseen:
        places = [readable(f"{one.file.name}: {one.words}") for one in own.unseen]
        more = ["..."] if len(places) > NAMED else []
        places = [place[:LONGEST_PLACE] for place in places[:NAMED]]
        named = say("pieces.between").join(places + more)
        found.append(("SM-SCR-060", {"script": script.name, "places": named}))
    return found


def note_meanings(plan: Plan) -> None:
    """Write down what stands for each script in keys, now that its runs begin."""
    from segmake.scripts.source.meaning import note

    for name, script in plan.scripts.items():
        note(plan.folders.state, name, script.meanings)


def note_meanings_of_results(plan: Plan) -> None:
    """Write down what stands in keys for each script that has results, where no run begins: nothing is to be done.

    Results of an earlier version have no such table, and a later edit would be taken for what they were made with.
    """
    from segmake.scripts.source.meaning import note

    for name, script in plan.scripts.items():
        if journal_of(plan.folders, name).finished():
            note(plan.folders.state, name, script.meanings)


def _named_files(arguments: Any) -> list[tuple[str, int, int]]:
    """Return size and time of change of the files that arguments name, such as a model."""
    values = list(arguments.values()) if isinstance(arguments, dict) else arguments
    if not isinstance(values, list):
        values = [values]
    found = []
    for value in values:
        if isinstance(value, list | dict):
            found += _named_files(value)
        elif isinstance(value, str) and "/" in value:
            # Anything may stand there, such as a sentence that is too long for a path.
            with suppress(OSError, ValueError):
                path = Path(fill(value, {"project": str(Path.cwd())}))
                if path.is_file():
                    found.append((value, path.stat().st_size, path.stat().st_mtime_ns))
    return found


def _in_order(scripts: Mapping[str, Script]) -> list[str]:
    """Return the names of scripts, each after those that it needs."""
    from graphlib import TopologicalSorter

    graph = {name: script.scripts_needed for name, script in scripts.items()}
    return list(TopologicalSorter(graph).static_order())


def _expected_keys(
    scripts: dict[str, Script],
    codes: dict[str, str],
    folders: ResultPaths,
    batches: Mapping[str, Batch],
    images: Mapping[str, dict[str, str]],
    left_out: Mapping[str, str],
    *,
    before: bool = False,
) -> Keys:
    """Return the keys that runs will have; with `before`, if all files that jobs look at hold what they held."""
    facts = {}
    for batch in batches.values():
        finished = {
            step: Journal(folders.journal(step, batch.name)).finished()
            for step in (SEGMENT, *MADE_BY.values())
        }
        for number, task in enumerate(batch.tasks[SEGMENT]):
            of_image = {step: batch.tasks[step][number] for step in finished}
            if before:
                of_image = {step: replace(t, key=t.before or t.key) for step, t in of_image.items()}
            ends = {step: finished[step].get(task.image) for step in finished}
            needs = {**images[task.image], "cells": of_image[MEASURE].key}
            state, without = _state(of_image, ends), task.image in left_out
            facts[task.image] = ImageFacts(needs, task.positions > 0, state, without)
    journals = {name: journal_of(folders, name).finished() for name in scripts}
    return Keys(scripts, codes, facts, journals.__getitem__, expected=True, before=before)


def _state(tasks: Mapping[str, Task], ends: Mapping[str, Entry | None]) -> Any:
    """Return what says how the steps before a need ended that are to be tried again."""

    def state(need: str) -> str:
        step = MADE_BY.get(need, "")
        while step:
            entry = ends[step]
            if entry and entry.event == "failed" and entry.key == tasks[step].key:
                return "failed"
            step = STEPS[step].after
        return ""

    return state


def _plan_script(
    script: Script,
    keys: Keys,
    older: Keys | None,
    folders: ResultPaths,
    batches: Mapping[str, Batch],
    plans: Mapping[str, ScriptPlan],
    cores: int | None,
) -> ScriptPlan:
    finished = keys.journals(script.name)
    settled = keys.is_settled(script.name)
    places = {t.image: (b.name, t) for b in batches.values() for t in b.tasks[SEGMENT]}
    pending: dict[str, list[Task]] = {}
    attempts: dict[str, int] = {}
    counts = dict.fromkeys(("runs", "done", "failed", "to_run", "to_look_at", "gone"), 0)
    noted: dict[str, dict[str, Any]] = {}
    for run in keys.runs(script.name):
        entry, key = finished.get(run), keys.key(script.name, run)
        batch, image = places.get(image_of(script, run), ("", None))
        task = folders.script_task(script, run, image, key or "", 1)
        current = is_current(entry, task)
        attempts[run] = next_attempt(entry, current=current, present=True)
        counts["runs"] += 1
        if current and entry:
            noted[run] = entry.details
        elif entry and entry.event == "failed":
            counts["failed"] += 1
        # It went well with the same key: what it made is not as it was.
        counts["gone"] += bool(not current and entry and (entry.event, entry.key) == ("done", key))
        if (current and settled) or (image and not image.positions):
            continue
        before = older.key(script.name, run) if older and not current else None
        same = bool(before) and is_current(entry, replace(task, key=before or ""))
        counts["to_look_at"] += same
        counts["to_run"] += not (current or same)
        batch = UNSETTLED if current else batch
        task = folders.script_task(script, run, image, key or "", attempts[run])
        pending.setdefault(batch, []).append(task)
    # As the report has it.
    counts["unread"] = len(noted) if took_nothing(script, keys.runs(script.name), noted) else 0
    counts["failed"] += counts["unread"]
    counts["done"] = len(noted) - counts["unread"]
    earlier = {batch: _before(script, batches, plans, batch) for batch in {*pending, ""}}
    earlier[UNSETTLED] = earlier[""]
    code = keys.codes[script.name]
    outcome = fingerprint(code, attempts, earlier[""])
    made: dict[str, list[Task]] = {}
    names: dict[str, str] = {}
    if not folders.script_outcome(script.name, outcome).exists():
        for batch, tasks in pending.items():
            others = len(pending) if script.parameters else 1
            for name, part in _parts(script, batch, tasks, finished.values(), cores, others):
                made[name] = part
                runs = [(task.image, task.key, task.attempt) for task in part]
                names[name] = fingerprint(code, runs, earlier[batch])
    return ScriptPlan("", code, outcome, made, names, counts)


def _before(
    script: Script,
    batches: Mapping[str, Batch],
    plans: Mapping[str, ScriptPlan],
    batch: str,
) -> list[Any]:
    """Return the attempts that everything before a script is on, of one batch of images or of all.

    They are in the names of files, so that a script is asked for again after what it needs was tried again.
    """
    found: list[Any] = [plans[name].outcome for name in script.scripts_needed]
    asked = batches if batch == "" else {batch: batches[batch]} if batch in batches else {}
    for step in script.steps_needed:
        while step:
            found += [[step, name, each.attempts[step]] for name, each in asked.items()]
            step = STEPS[step].after
    if not script.per_image and "images" in script.needs:
        found.append(sorted(t.image for b in batches.values() for t in b.tasks[SEGMENT]))
    return found


def _parts(
    script: Script,
    batch: str,
    tasks: Sequence[Task],
    finished: Iterable[Entry],
    cores: int | None,
    batches: int,
) -> list[tuple[str, list[Task]]]:
    """Divide the runs of a batch, one of several, into jobs."""
    seconds = [entry.details["seconds"] for entry in finished if "seconds" in entry.details]
    size = runs_per_job(script, seconds, len(tasks), cores, batches)
    size *= MANY if batch == UNSETTLED else 1
    number = ceil(len(tasks) / size)
    if batch and number == 1:
        return [(batch, list(tasks))]
    # Each gets every so-manieth run: those that take long are often neighbours.
    parts = [list(tasks[start::number]) for start in range(number)]
    return [
        (f"{batch}-{place}" if batch else f"{place:04d}", part)
        for place, part in enumerate(parts, start=1)
    ]


def runs_per_job(
    script: Script,
    seconds: Sequence[float],
    number: int,
    cores: int | None = None,
    batches: int = 1,
) -> int:
    """Return how many runs a job gets.

    Parameters
    ----------
    script : Script
    seconds : sequence of float
        What runs took before.
    number : int
        How many there are to be done.
    cores : int or None
        Those of this computer, if it does the jobs itself: then their time is not limited.
    batches : int
        Among how many such numbers of runs a cluster's jobs are divided.
    """
    if script.batch_size:
        return script.batch_size
    usual = script.runs_per_job
    at_once = max(1, cores // script.resources.cpus if cores else MOST_UNKNOWN // batches)
    if not seconds:
        # With two for each place, none waits long for the last one; of many, each gets short and long ones.
        few = cores and number < MANY_RUNS * at_once
        return max(usual, ceil(number / (2 * at_once if few else at_once)))
    limit = script.resources.hours * 3600 * PART_OF_LIMIT
    one = max(statistics.median(seconds), 0.001) / script.parallel
    most = int(min(WORTH_A_JOB, limit) / one)
    if cores:
        most = min(most, ceil(number / at_once))
    return max(script.parallel, min(max(usual, most), int(limit / one)))
