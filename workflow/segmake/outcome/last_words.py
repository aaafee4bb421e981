"""The last words of a run on the screen, and what ``segmake status`` says of one that is over."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median_low
from textwrap import indent
from typing import Any, NamedTuple

from segmake.core.declared_steps import SEGMENT
from segmake.core.files import readable, write_atomically
from segmake.core.journal import Journal
from segmake.messages import say
from segmake.messages.numbers import brief
from segmake.outcome.image_rows import IMAGE_COLUMNS, judged_images
from segmake.outcome.last_judged import LastJudged
from segmake.outcome.quality import by_flag, label, names_in
from segmake.outcome.timing import Segmented
from segmake.plan.plan import Plan
from segmake.plan.written_plan import read_outline, read_plan
from segmake.runner.same_content import was_carried
from segmake.runner.script_products import Summary
from segmake.scripts.results.outcome import (
    Failure,
    ScriptResults,
    listed,
    said_of_inputs,
    same_words,
)
from segmake.scripts.results.results import script_results

# What `image_rows` gives.
Images = Sequence[dict[str, Any]]

# So many failed images are named on the screen; the report names all.
NAMED_FAILURES = 10

# Of the images to look at, for each reason.
NAMED_LOOKS = 5

# Runs of a script fail with its last lines, and often of the same mistake.
NAMED_RUNS = 3


class Told(NamedTuple):
    """What there is to say of the images of a run.

    Attributes
    ----------
    done, failed, cells : int
    looks, failures : list of str
        In words: which images are to be looked at, and which failed, and why.
    tried : bool
        Whether each of them was tried.
    in_work : list of str
        The images whose cells were being looked for when the last process that did so ended.
    """

    done: int
    failed: int
    cells: int
    looks: list[str]
    failures: list[str]
    tried: bool
    in_work: list[str]


def told_of(plan: Plan, images: Images, in_work: Iterable[str] = ()) -> Told:
    """Return what there is to say of the images of a run.

    Parameters
    ----------
    plan : Plan
    images : list of dict
        What `segmake.outcome.image_rows.image_rows` gave.
    in_work : iterable of str
    """
    failed = [row for row in images if row["state"] != "done"]
    looks = [*_describe_looks(images), *_describe_diameters(images), *_describe_compared(plan)]
    failures = []
    for row in failed[:NAMED_FAILURES]:
        names = {name: row[name] for name in ("image", "code", "message", "remedy")}
        failures.append(say("end.failed_image", **names))
    if len(failed) > NAMED_FAILURES:
        failures.append(say("end.more", number=len(failed) - NAMED_FAILURES))
    return Told(
        done=len(images) - len(failed),
        failed=len(failed),
        cells=sum(row["cells"] or 0 for row in images if not row.get("left_out_because")),
        looks=looks,
        failures=failures,
        tried=all(row["code"] for row in failed),
        in_work=[*in_work][:NAMED_FAILURES],
    )


def describe_end(plan: Plan, images: Told, scripts: Sequence[ScriptResults]) -> str:
    """Return the last words of a run: how many images are done, which failed and why, where the report is."""
    told = _describe_images(plan, images)
    for script in scripts:
        inputs = said_of_inputs(script)
        section = "end.script.one" if inputs and script.runs == 1 else "end.script"
        words = say(section, name=script.name, done=script.done, runs=script.runs)
        words += f" ({script.each})" if script.each else ""
        words += "".join(f", {each}" for each in inputs)
        if script.failures:
            words += say("end.script.failed", number=len(script.failures))
        if script.waiting:
            words += say("end.script.waiting", number=script.waiting)
        if script.evidence.gone:
            words += say("end.script.gone", number=script.evidence.gone)
        told += [words, *_describe_evidence(script.evidence)]
        told += [f"  {say(f'script.ignored.{script.ignored}')}"] if script.ignored else []
        told += _describe_strays(script)
        told += _describe_failures(script)
    told += _describe_failed_kept(plan)
    if any(script.failures for script in scripts):
        told += [say("end.again_runs"), *_describe_contact(plan)]
    elif images.failed:
        told += [say("end.again"), *_describe_contact(plan)]
    return "\n".join(told)


def _describe_contact(plan: Plan) -> list[str]:
    """Return whom to ask about what failed, where the site file names somebody."""
    return [say("site.contact", contact=plan.contact)] if plan.contact else []


def _describe_evidence(found: Summary) -> list[str]:
    """Return what speaks against runs that ended well."""
    lines = []
    if unopened := found.judged - found.opened:
        lines.append(say("end.script.unopened", number=unopened, judged=found.judged))
    if found.nothing:
        lines.append(say("end.script.nothing", number=found.nothing, done=found.noted))
    if found.same:
        lines.append(say("end.script.same", number=found.same))
    return lines


def _describe_strays(script: ScriptResults) -> list[str]:
    """Return the line on files that runs wrote beside their folders."""
    if not script.strays:
        return []
    files = listed([readable(name) for name in script.strays], NAMED_RUNS)
    return [f"  {say('script.strays', number=len(script.strays), files=files)}"]


def _describe_failures(script: ScriptResults) -> list[str]:
    """Return why runs failed, each reason once, and how many more there are."""
    groups = same_words(script.failures)
    lines = []
    for failures in groups[:NAMED_RUNS]:
        lines.append(_describe_failure(script, failures[0]))
        if more := failures[1:]:
            runs = ", ".join(failure.run for failure in more[:NAMED_RUNS])
            runs += ", ..." if len(more) > NAMED_RUNS else ""
            lines.append(say("end.same_words", number=len(more), runs=runs))
    if left := sum(map(len, groups[NAMED_RUNS:])):
        lines.append("  " + say("end.more", number=left))
    return lines


def _describe_failed_kept(plan: Plan) -> list[str]:
    """Return where what failed runs of scripts made is kept, and how much it is."""
    folder = plan.folders.scripts / "_failed"
    files = [Path(top, name) for top, _, names in os.walk(folder) for name in names]
    size = sum(path.lstat().st_size for path in files)
    return [say("end.failed_kept", size=brief(size / 1e6), folder=folder)] if size else []


def _describe_failure(script: ScriptResults, failure: Failure) -> str:
    said = "".join(f"\n    | {line}" for line in failure.said.splitlines())
    names = {"image": failure.run or script.name, "code": failure.code}
    words = say("end.failed_image", message=failure.message, remedy=failure.remedy, **names)
    return indent(words + said, "  ")


def _describe_images(plan: Plan, images: Told) -> list[str]:
    report = plan.folders.results / "report.html"
    if not plan.batches:
        return [say("end.scripts_alone", report=report)]
    numbers = {"done": images.done, "failed": images.failed, "cells": images.cells}
    section = "end.failed" if images.failed else "end.good"
    return [say(section, **numbers, report=report), *images.looks, *images.failures]


def _describe_looks(images: Images) -> list[str]:
    """Return which images that are done are to be looked at, and why; and how many are left out of the tables."""
    flagged = [row for row in images if names_in(row)]
    cells = sum(row["cells"] or 0 for row in flagged)
    lines = [f"  {say('end.look_at', number=len(flagged), cells=cells)}"] if flagged else []
    for name, of_flag in by_flag(flagged).items():
        more = f" (+{len(of_flag) - NAMED_LOOKS})" if len(of_flag) > NAMED_LOOKS else ""
        named = readable(", ".join(of_flag[:NAMED_LOOKS])) + more
        words = say("end.look_at.why", number=len(of_flag), flag=label(name), images=named)
        lines.append(f"  {words}")
    if number := sum(bool(row.get("left_out_because")) for row in images):
        lines.append(f"  {say('end.left_out', number=number)}")
    return lines


def _describe_diameters(images: Images) -> list[str]:
    """Return which diameters were estimated: a value for all images can be taken from it."""
    found = sorted(filter(None, (row.get("estimated_diameter_px") for row in images)))
    if not found:
        return []
    low, high, middle = brief(found[0]), brief(found[-1]), median_low(found)
    # What is typed into a config has a point in every language.
    numbers = {"low": low, "high": high, "middle": brief(middle), "setting": f"{middle:g}"}
    return [f"  {say('end.diameters', number=len(found), **numbers)}"]


def _describe_compared(plan: Plan) -> list[str]:
    """Return what came of comparing the content of files that had another date."""
    same, changed, looks = 0, [], set(plan.looks)
    for name, batch in plan.batches.items() if looks else ():
        journal = Journal(plan.folders.journal(SEGMENT, name))
        for task in batch.tasks[SEGMENT]:
            entry = journal.last(task.image) if task.image in looks else None
            if entry is None or entry.key != task.key:
                continue
            if was_carried(entry):
                same += 1
            else:
                changed.append(task.image)
    lines = [f"  {say('end.compared.same', number=same)}"] if same else []
    if changed:
        names = listed([readable(image) for image in changed], NAMED_LOOKS)
        lines.append(f"  {say('end.compared.changed', number=len(changed), names=names)}")
    return lines


def last_words(plan: Plan) -> str:
    """Return the last words of a run that ends now.

    Its last job has judged every image, a moment ago: what it said is not found out once more.
    """
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(plan.folders.last_words.read_text("utf-8"))
        if kept["run"] == plan.name:
            return str(kept["words"])
    return describe_outcome(plan)


def keep_last_words(plan: Plan, words: str) -> None:
    """Write down what the last job of a run said of it."""
    with write_atomically(plan.folders.last_words, lasting=False) as part:
        part.write_text(json.dumps({"run": plan.name, "words": words}), "utf-8")


def describe_outcome(plan: Plan) -> str:
    """Return the last words of a run, whether every image was tried or not."""
    images = told_before(plan) or judge(plan)[1]
    return describe_judged(plan, images, script_results(plan))


def judge(plan: Plan, segmented: Segmented | None = None) -> tuple[list[dict[str, Any]], Told]:
    """Return what became of the images of a run and what there is to say of them, and keep both for whoever asks again.

    Only batches are judged of which something has changed since.

    Parameters
    ----------
    plan : Plan
    segmented : Segmented, optional
        Takes in each batch.

    Returns
    -------
    list of dict
        As `segmake.outcome.image_rows.judged_images` has them.
    Told
    """
    last = LastJudged(plan.folders, plan.name, IMAGE_COLUMNS)
    rows, in_work = judged_images(plan, segmented, last)
    told = told_of(plan, rows, in_work)
    last.keep(told._asdict(), [*plan.batches])
    return rows, told


def told_before(outline: Plan) -> Told | None:
    """Return what `judge` says of the images, if nothing has changed since it did; else None.

    Parameters
    ----------
    outline : Plan
        No more is needed of a plan than what `segmake.plan.written_plan.read_outline` gives.
    """
    # What is kept may be damaged.
    with suppress(TypeError):
        return Told(**(LastJudged(outline.folders, outline.name, IMAGE_COLUMNS).told() or {}))
    return None


def read_told(path: Path, results: Path | None = None) -> tuple[Plan, Told | None]:
    """Return a plan that was written, and what `told_before` does; no more is read of the plan than what is needed.

    Parameters
    ----------
    path, results : Path
        As for `segmake.plan.written_plan.read_plan`.
    """
    plan = read_outline(path, results)
    images = told_before(plan)
    # What scripts make is theirs alone, and is looked at each time.
    if images is None or plan.scripts:
        plan = read_plan(path, results)
    return plan, images


def describe_judged(plan: Plan, images: Told, scripts: Sequence[ScriptResults]) -> str:
    """Return the last words of a run from what became of the images and the scripts; see `describe_end`."""
    scripts_tried = all(plan.script_outcome(name).exists() for name in plan.scripts)
    if images.tried and scripts_tried and plan.is_reported():
        return describe_end(plan, images, scripts)
    return _describe_unfinished(plan, images)


def _describe_unfinished(plan: Plan, images: Told) -> str:
    """Return the last words of a run that did not come to its end: what it was working on, where the logs are."""
    words = say("end.broken", logs=plan.folders.results / "logs")
    if images.in_work:
        words += "\n" + say("end.in_work", images=", ".join(images.in_work))
    return "\n".join([words, *_describe_contact(plan)])
