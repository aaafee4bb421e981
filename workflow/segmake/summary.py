"""The tables and the report of the whole run, and its last words on the screen."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from textwrap import indent
from typing import Any

import pandas as pd

from segmake import __version__, known_errors, licences
from segmake.cell_tables import fail_broken, join_cells
from segmake.files import readable
from segmake.journal import Journal
from segmake.messages import say
from segmake.plan import Plan
from segmake.report import Run, write_report
from segmake.report_scripts import Failure, ScriptResults, said_of_inputs, same_words
from segmake.run_files import note_files
from segmake.steps import STEPS
from segmake.tables import image_table, write_csv, write_parquet
from segmake.timing import timing_of
from segmake.usage import usage_of_runs
from segmake.user_scripts.made import Summary
from segmake.user_scripts.results import script_results
from segmake.wording import brief

# So many failed images are named on the screen; the report names all.
NAMED_FAILURES = 10

# Runs of a script fail with its last lines, and often of the same mistake.
NAMED_RUNS = 3

DEMO_MODEL = "segmake_demo_cp3"


def write_summary(plan: Plan) -> None:
    """Write ``images.csv``, ``cells.csv``, ``cells.parquet`` and ``report.html`` into the results folder."""
    folders = plan.folders
    images = image_table(plan)
    cells, broken = join_cells(plan, images.loc[images["state"] == "done", "image"])
    if broken:
        fail_broken(plan, broken)
        images = image_table(plan)
    write_csv(images, folders.results / "images.csv")
    write_csv(cells, folders.results / "cells.csv")
    write_parquet(cells, folders.results / "cells.parquet")

    def thumbnails(image: str) -> tuple[Path, Path] | None:
        pair = folders.thumbnails(image)
        return pair if all(path.is_file() for path in pair) else None

    write_report(
        folders.results / "report.html",
        images=images,
        cells=cells,
        thumbnails=thumbnails,
        run=_describe_run(plan, images),
        scripts=script_results(plan),
    )
    note_files(folders.run_files, folders.results, plan.report_round)


def describe_end(plan: Plan, images: pd.DataFrame, scripts: Sequence[ScriptResults]) -> str:
    """Return the last words of a run: how many images are done, which failed and why, where the report is.

    Parameters
    ----------
    images : DataFrame
        What `image_table` gave.
    scripts : sequence of ScriptResults
    """
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
        told += _describe_failures(script)
    told += _describe_failed_kept(plan)
    if any(script.failures for script in scripts):
        told.append(say("end.again_runs"))
    elif (images["state"] != "done").any():
        told.append(say("end.again"))
    return "\n".join(told)


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


def _describe_images(plan: Plan, images: pd.DataFrame) -> list[str]:
    failed = images[images["state"] != "done"]
    numbers = {
        "done": len(images) - len(failed),
        "failed": len(failed),
        "cells": int(images["cells"].sum()),
        "report": plan.folders.results / "report.html",
    }
    if not plan.batches:
        return [say("end.scripts_alone", report=numbers["report"])]
    if failed.empty:
        return [say("end.good", **numbers)]
    lines = [say("end.failed", **numbers)]
    columns = ["image", "code", "message", "remedy"]
    for image, code, message, remedy in (
        failed[columns].head(NAMED_FAILURES).itertuples(index=False)
    ):
        names = {"image": image, "code": code, "message": message, "remedy": remedy}
        lines.append(say("end.failed_image", **names))
    if len(failed) > NAMED_FAILURES:
        lines.append(say("end.more", number=len(failed) - NAMED_FAILURES))
    return lines


def describe_outcome(plan: Plan) -> str:
    """Return the last words of a run, whether every image was tried or not."""
    images = image_table(plan)
    tried = (images["state"] == "done") | (images["code"] != "")
    scripts_tried = all(plan.script_outcome(name).exists() for name in plan.scripts)
    if tried.all() and scripts_tried and plan.is_reported():
        return describe_end(plan, images, script_results(plan))
    return describe_unfinished(plan, images)


def describe_unfinished(plan: Plan, images: pd.DataFrame) -> str:
    """Return the last words of a run that did not come to its end: what it was working on, where the logs are.

    Parameters
    ----------
    images : DataFrame
        What `image_table` gave.
    """
    words = say("end.broken", logs=plan.folders.results / "logs")
    there = set(images["image"])
    in_work = [
        image
        for batch in plan.batches
        for image in Journal(plan.folders.journal(STEPS[0], batch)).in_work()
        if image in there
    ]
    if in_work:
        words += "\n" + say("end.in_work", images=", ".join(in_work[:NAMED_FAILURES]))
    return words


def _describe_run(plan: Plan, images: pd.DataFrame) -> Run:
    segmentation = plan.settings["segmentation"]
    devices = sorted(set(images["device"].dropna()))
    return Run(
        title=str(plan.folders.results),
        started=_iso(plan.started),
        finished=_iso(time.time()),
        settings=plan.settings,
        engine=segmentation["engine"],
        model=segmentation.get("model") or segmentation.get("method", ""),
        versions=_versions(plan),
        device=", ".join(devices),
        command=plan.command,
        files_found=len(images),
        files_left_out=plan.left_out,
        batches=len(plan.batches),
        warnings=[
            *_warnings(segmentation, devices, plan.kept),
            *filter(None, [licences.warning(segmentation)]),
            *known_errors.describe(plan.known_errors, "warning.known_error"),
        ],
        not_selected=[
            say(f"report.not_selected.{what}", number=number)
            for what, number in plan.unselected.items()
            if number
        ]
        + plan.describe_derived("report"),
        usage=usage_of_runs(plan),
        timing=timing_of(plan),
    )


def _warnings(
    segmentation: dict[str, Any], devices: list[str], kept: Mapping[str, str]
) -> list[str]:
    """Return what a reader of the report should know before trusting it, or the time it took."""
    warnings = []
    if Path(segmentation.get("model") or "").name == DEMO_MODEL:
        warnings.append(say("warning.demo_model"))
    if segmentation.get("gpu") == "auto" and "CPU" in devices:
        warnings.append(say("warning.cpu"))
    if kept:
        files = ", ".join(readable(place) for place in kept.values())
        warnings.append(say("warning.changed", files=files))
    return warnings


def _versions(plan: Plan) -> dict[str, str]:
    """Return the versions of SegMake, of Snakemake, and of what the engine's environment had."""
    versions = {"SegMake": __version__, "Python": sys.version.split()[0]}
    try:
        versions["Snakemake"] = metadata.version("snakemake")
    except metadata.PackageNotFoundError:
        pass
    for batch in plan.batches.values():
        journal = Journal(plan.folders.journal(STEPS[0], batch.name))
        for task in batch.tasks[STEPS[0]]:
            if journal.is_done(task.image, task.key) and (entry := journal.last(task.image)):
                versions |= entry.details.get("versions", {})
    return versions


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(seconds))
