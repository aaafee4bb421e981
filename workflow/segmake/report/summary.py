"""The tables and the report of the whole run."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import pandas as pd

from segmake import __version__
from segmake.core.files import readable
from segmake.core.settings import Segmentation
from segmake.core.spreadsheets import write_xlsx
from segmake.core.tables import write_csv, write_csv_and_parquet
from segmake.engines import is_demo, licences
from segmake.labels.joined_cells import fail_broken, join_cells
from segmake.messages import say
from segmake.outcome.image_table import image_table
from segmake.outcome.quality import write_flags
from segmake.outcome.timing import Segmented
from segmake.outcome.usage import usage_of_runs
from segmake.plan import known_errors
from segmake.plan.described import describe_derived
from segmake.plan.plan import Plan
from segmake.report.cell_columns import CellColumns
from segmake.report.page import TABLES, Run, write_report
from segmake.runner.run_files import note_files
from segmake.scripts.results.results import script_results


def write_summary(plan: Plan) -> None:
    """Write ``images.csv``, ``cells.csv``, ``cells.parquet`` and ``report.html`` into the results folder.

    Beside them, the spreadsheets that the config asks for.
    """
    folders = plan.folders
    segmented = Segmented()
    images = image_table(plan, segmented)
    counted = (images["state"] == "done") & (images["left_out_because"] == "")
    cells, broken = join_cells(plan, images.loc[counted, "image"])
    if broken:
        fail_broken(plan, broken)
        images = image_table(plan)
    write_csv(images, folders.results / "images.csv")
    both = (folders.results / name for name in ("cells.csv", "cells.parquet"))
    write_csv_and_parquet(cells.parts(), cells.schema, *both)
    for name in plan.spreadsheets:
        table = [images] if name.startswith("images") else cells.parts()
        write_xlsx(table, folders.results / name)

    def thumbnails(image: str) -> tuple[Path, Path] | None:
        pair = folders.thumbnails(image)
        return pair if all(path.is_file() for path in pair) else None

    write_report(
        folders.results / "report.html",
        images=images,
        cells=CellColumns(folders.results / "cells.parquet"),
        thumbnails=thumbnails,
        run=_describe_run(plan, images, segmented),
        scripts=script_results(plan),
    )
    flags = dict(zip(images["image"], images["flags"], strict=True))
    write_flags(flags, plan.left_out_because, folders.flags)
    note_files(folders.run_files, folders.results, plan.spreadsheets, plan.report_round)


def _describe_run(plan: Plan, images: pd.DataFrame, segmented: Segmented) -> Run:
    segmentation = plan.typed.segmentation
    devices = sorted(set(images["device"].dropna()))
    return Run(
        title=_title(plan.folders.results),
        started=_iso(plan.started),
        finished=_iso(time.time()),
        settings=plan.settings,
        engine=segmentation.engine,
        model=segmentation.model or segmentation.method or "",
        versions=_versions() | segmented.versions,
        device=", ".join(devices),
        command=plan.command,
        files_found=len(images),
        files_left_out=plan.left_out,
        batches=len(plan.batches),
        tables=(*plan.spreadsheets, *TABLES),
        warnings=[
            *_warnings(segmentation, devices, plan.kept),
            *filter(None, [licences.warning(segmentation)]),
            *known_errors.describe(plan.known_errors, "warning.known_error"),
            *(f"{one.what} {one.remedy}" for one in plan.naming_problems()),
        ],
        not_selected=[
            say(f"report.not_selected.{what}", number=number)
            for what, number in plan.unselected.items()
            if number
        ]
        + describe_derived(plan, "report"),
        usage=usage_of_runs(plan, segmented),
        timing=segmented.timing,
        sources=plan.sources,
        contact=plan.contact,
    )


def _title(results: Path) -> str:
    """Return what tells this report from those of other experiments: each has its results in a folder of one name."""
    folder = results.absolute()
    names = folder.parent.name, folder.name
    return readable(names[0] if folder.name == "results" else "/".join(names))


def _warnings(segmentation: Segmentation, devices: list[str], kept: Mapping[str, str]) -> list[str]:
    """Return what a reader of the report should know before trusting it, or the time it took."""
    warnings = []
    if is_demo(segmentation):
        warnings.append(say("warning.demo_model"))
    if segmentation.gpu == "auto" and "CPU" in devices:
        warnings.append(say("warning.cpu"))
    if kept:
        files = ", ".join(readable(place) for place in kept.values())
        warnings.append(say("warning.changed", files=files))
    return warnings


def _versions() -> dict[str, str]:
    """Return the versions of SegMake and Snakemake."""
    versions = {"SegMake": __version__, "Python": sys.version.split()[0]}
    with suppress(metadata.PackageNotFoundError):
        versions["Snakemake"] = metadata.version("snakemake")
    return versions


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(seconds))
