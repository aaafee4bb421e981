"""The report: one page, in one file, that opens from disk and loads nothing from a network."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from segmake.core.files import natural_key, write_atomically
from segmake.engines import BUILTIN_MODELS
from segmake.messages import language, say
from segmake.messages.numbers import brief, duration, finite, moment, number
from segmake.outcome.quality import by_flag, label, names_in, remedy
from segmake.outcome.timing import Timing
from segmake.outcome.usage import Usage, describe
from segmake.report.cell_columns import CellColumns
from segmake.report.distributions import cells_over_time, distributions, note_on_cells
from segmake.report.gallery import because, gallery
from segmake.report.parts import href, shown, text_of
from segmake.report.scripts import describe_scripts, script_tiles, verdict_with_scripts
from segmake.scripts.results.outcome import ScriptResults

FAILURES_IN_SIGHT = 20
# So many images are named in a section: the page stays small whatever the number of images.
NAMES_LIMIT = 2000
NOTES_LIMIT = 200
NAMES_IN_A_NOTE = 3
SELECTIONS_LIMIT = 20
# Of the page, at a time in memory.
_PIECES = 200

# What to cite, and the DOI that it links to.
_CELLPOSE = (
    "Stringer, Wang, Michaelos, Pachitariu (2021). Cellpose: a generalist algorithm for cellular "
    "segmentation. Nature Methods 18, 100–106.",
    "10.1038/s41592-020-01018-x",
)
_CELLPOSE3 = (
    "Stringer, Pachitariu (2025). Cellpose3: one-click image restoration for improved cellular "
    "segmentation. Nature Methods 22, 592–599.",
    "10.1038/s41592-025-02595-5",
)
_CELLPOSE_SAM = (
    "Pachitariu, Rariden, Stringer (2025). Cellpose-SAM: superhuman generalization for cellular "
    "segmentation. bioRxiv.",
    "10.1101/2025.04.28.651001",
)
_OMNIPOSE = (
    "Cutler et al. (2022). Omnipose: a high-precision morphology-independent solution for "
    "bacterial cell segmentation. Nature Methods 19, 1438–1448.",
    "10.1038/s41592-022-01639-4",
)
_SCIKIT_IMAGE = (
    "van der Walt et al. (2014). scikit-image: image processing in Python. PeerJ 2, e453.",
    "10.7717/peerj.453",
)
_LAPTRACK = (
    "Fukai, Kawaguchi (2023). LapTrack: linear assignment particle tracking with tunable metrics. "
    "Bioinformatics 39, btac799.",
    "10.1093/bioinformatics/btac799",
)
_SNAKEMAKE = (
    "Mölder et al. (2021). Sustainable data analysis with Snakemake. F1000Research 10, 33.",
    "10.12688/f1000research.29032.2",
)
CITATIONS = {
    "cellpose": [_CELLPOSE_SAM, _CELLPOSE],
    "cellpose3": [_CELLPOSE, _CELLPOSE3],
    "omnipose": [_OMNIPOSE, _CELLPOSE],
    "threshold": [_SCIKIT_IMAGE],
}


# Those that are there of each run.
TABLES = ("cells.csv", "cells.parquet", "images.csv")


@dataclass(frozen=True)
class Run:
    """What was run, as the report tells it.

    Parameters
    ----------
    title : str
        The heading of the page, such as the name of the experiment or of the results folder.
    started, finished : str
        ISO 8601 times; a text that is none is shown as it is.
    settings : mapping
        The whole config as run, nested.
    engine, model, device : str
        ``device`` is ``"CPU"`` or the name of the GPU.
    versions : mapping
        Package name to version.
    command : str
        What the user typed.
    warnings : sequence of str
        Sentences in the user's language.
    files_found, files_left_out : int
        Files that matched, and those among them that are no images.
    batches : int
    tables : sequence of str
        Paths of the tables, relative to the report's folder, that the page links to.
    usage : Usage or None
        What the run asked of the cluster and used of it; None where it sent no jobs.
    timing : Timing or None
        Where the time of the segmentation went; None where nothing was segmented.
    not_selected : sequence of str
        Sentences in the user's language on what the config leaves out of the files, such as positions.
    sources : mapping
        In words, where each of the settings comes from that is no default, by its name: ``cluster.partition``.
    contact : str
        Whom users may ask; empty where nobody is named.
    """

    title: str
    started: str
    finished: str
    settings: Mapping[str, Any]
    engine: str
    model: str
    versions: Mapping[str, str]
    device: str
    command: str
    warnings: Sequence[str] = ()
    files_found: int = 0
    files_left_out: int = 0
    batches: int = 0
    tables: Sequence[str] = TABLES
    usage: Usage | None = None
    timing: Timing | None = None
    not_selected: Sequence[str] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    contact: str = ""


def write_report(
    path: Path,
    *,
    images: pd.DataFrame,
    cells: CellColumns,
    thumbnails: Callable[[str], tuple[Path, Path] | None],
    run: Run,
    scripts: Sequence[ScriptResults] = (),
) -> None:
    """Write the report, in the user's language, as one self-contained HTML file.

    Parameters
    ----------
    path : Path
        Of the page, in the results folder: links to masks and pictures are relative to it.
    images : DataFrame
        A row per image: ``image``, ``state`` (``"done"`` or ``"failed"``), ``cells``, ``seconds``,
        and, where there are any, ``code``, ``message``, ``remedy``, ``attempt``, ``width_px``,
        ``height_px``, ``pixel_size_um``, ``channel``, ``selection`` (which of its channels, time points and slices were
        taken, in words), ``estimated_diameter_px`` (of its cells, where it was estimated), ``position`` (its name),
        ``objective``, ``acquired`` (ISO 8601), ``tracks``, ``divisions``,
        ``corrected`` (True: the mask is the user's), ``left_out`` (cells that filters keep out of `cells`),
        ``warning``, ``flags`` and ``flag_reasons`` (what speaks against it, as names and in words),
        ``left_out_because`` (why it is in no table), ``looked_at_because`` (why it is right), ``mask``,
        ``picture``, ``movie``. NA where unknown.
    cells : CellColumns
        A row per cell: ``image``, ``area_px``, ``length_px``, ``width_px``, and the same in ``_um`` and ``_um2`` where
        the pixel size is known; ``volume_um3``; of movies ``time``. May be empty, and without columns.
    thumbnails : callable
        From the ``image`` of a row to its thumbnails before and after, or None if it has none.
    run : Run
        What was run.
    scripts : sequence of ScriptResults
        What became of the user's own scripts. Where there are no images, the page is about them alone.

    Raises
    ------
    KeyError
        If `images` lacks ``image`` or ``state``, or the catalogue lacks a text.
    OSError
        If the page cannot be written. A thumbnail that cannot be read is left out.
    """
    rows: list[dict[str, Any]] = [
        {str(key): value for key, value in row.items()} for row in images.to_dict("records")
    ]
    rows.sort(key=lambda row: natural_key(str(row["image"])))
    done = [row for row in rows if row["state"] == "done"]
    failed = [row for row in rows if row["state"] != "done"]
    counted = [row for row in done if not text_of(row.get("left_out_because"))]
    movies = cells_over_time(cells)
    plots, summary = distributions(counted, cells, movies)
    failures = _failures(failed)
    pictures = gallery(done, thumbnails)
    ids = {card["image"]: card["id"] for card in pictures.cards}
    # Without scripts the page says that there was no image.
    with_images = bool(rows) or not scripts
    tracked = with_images and run.settings.get("tracking")

    page = _template().stream(
        lang=language(),
        run=run,
        verdict=_whole_verdict(done, failed, scripts),
        tiles=_whole_tiles(done, failed, run, scripts, movies=bool(movies)),
        notes=_notes(run, done),
        failures=[group for group in failures if group["images"]],
        images_not_named=sum(group["number"] for group in failures if not group["images"]),
        images_failed=len(failed),
        failures_in_sight=FAILURES_IN_SIGHT,
        looks=_looks(done, run.engine, ids),
        images_to_look_at=sum(bool(names_in(row)) for row in done),
        cards=pictures.cards,
        gallery_notes=pictures.notes,
        with_images=with_images,
        scripts=describe_scripts(scripts),
        cells_measured=len(cells),
        plots=plots,
        plots_note=note_on_cells(counted, cells, movies),
        all_counted=len(pictures.cards) < len(done),
        summary=summary,
        usage=describe(run.usage) if run.usage else None,
        timing=_timing(run.timing, run.engine) if run.timing else None,
        facts=_facts(run, with_images=with_images),
        selections=_selections(done),
        settings=_settings(run.settings, run.sources),
        versions=sorted(run.versions.items(), key=lambda item: item[0].lower()),
        tables=[(table, href(table)) for table in run.tables],
        citations=[
            *(CITATIONS.get(run.engine, []) if with_images else []),
            *([_LAPTRACK] if tracked else []),
            _SNAKEMAKE,
        ],
    )
    # A file name that is not text on this system must not keep the page from being written.
    with write_atomically(path) as part, part.open("wb") as file:
        page.enable_buffering(_PIECES)
        page.dump(file, encoding="utf-8", errors="replace")


def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(say=say, number=number)
    return environment.get_template("report.html.j2")


# What the page says at its top


def _verdict(done: list[dict], failed: list[dict]) -> dict[str, Any]:
    images = len(done) + len(failed)
    cells = sum(finite(row.get("cells")) or 0 for row in done)
    flagged = sum(bool(names_in(row)) for row in done)
    if not images:
        return {"kind": "bad", "text": say("report.verdict.no_images"), "failed": 0}
    if not done:
        return {"kind": "bad", "text": say("report.verdict.all_failed"), "failed": images}
    if failed:
        numbers = {"done": number(len(done)), "images": number(images), "failed": len(failed)}
        text = say("report.verdict.some_failed", **numbers)
    else:
        text = say("report.verdict.all_done", images=number(images))
        if not cells:
            text += " " + say("report.verdict.no_cells")
    if flagged:
        alone = "report.verdict.look_at.one" if images == 1 else "report.verdict.look_at"
        text += " " + say(alone, number=number(flagged))
    kind = "mixed" if failed or flagged else "good"
    return {"kind": kind, "text": text, "failed": len(failed)}


def _whole_verdict(
    done: list[dict], failed: list[dict], scripts: Sequence[ScriptResults]
) -> dict[str, Any]:
    """Return the verdict on the images and the scripts; without images, on the scripts alone."""
    if not scripts:
        return _verdict(done, failed)
    return verdict_with_scripts(_verdict(done, failed) if done or failed else None, scripts)


def _whole_tiles(
    done: list[dict],
    failed: list[dict],
    run: Run,
    scripts: Sequence[ScriptResults],
    *,
    movies: bool,
) -> list[dict[str, str]]:
    """Return the big numbers on the images; without images, on the runs of scripts."""
    if scripts and not (done or failed):
        return script_tiles(scripts, _elapsed(run))
    tiles = _tiles(done, failed, run, movies=movies)
    if runs := sum(len(script.failures) for script in scripts):
        tiles[1] |= {
            "label": say("report.scripts.tile.images_failed", n=number(len(failed))),
            "remark": say("report.scripts.tile.also", n=number(runs)),
            "kind": "bad",
        }
    return tiles


def _tiles(done: list[dict], failed: list[dict], run: Run, *, movies: bool) -> list[dict[str, str]]:
    """Return the big numbers: what each counts, its value, and a remark below."""
    counted = [row for row in done if not text_of(row.get("left_out_because"))]
    counts = [value for row in counted if (value := finite(row.get("cells"))) is not None]
    flagged = sum(bool(names_in(row)) for row in done)
    seconds = [value for row in done if (value := finite(row.get("seconds"))) is not None]
    total = int(sum(counts))
    without = sum(count == 0 for count in counts)
    remark = say("report.tile.cells.median", n=brief(np.median(counts))) if counts else ""
    if movies:
        remark = say("report.tile.cells.times")
    if suspect := int(sum(finite(row.get("cells")) or 0 for row in counted if names_in(row))):
        remark += say("report.tile.cells.look_at", n=number(suspect))
    if without and total:
        remark += say("report.tile.cells.without", n=number(without))
    elapsed = _elapsed(run)
    return [
        {
            "label": say("report.tile.done", n=number(len(done))),
            "value": number(len(done)),
            "remark": say("report.look_at.tile", n=number(flagged))
            if flagged
            else say("report.tile.done.of", n=number(len(done) + len(failed))),
            "kind": "mixed" if flagged else "good" if done else "",
        },
        {
            "label": say("report.tile.failed"),
            "value": number(len(failed)),
            "remark": say("report.tile.failed.below" if failed else "report.tile.failed.none"),
            "kind": "bad" if failed else "",
        },
        {
            "label": say("report.tile.cells", n=number(total)),
            "value": number(total),
            "remark": remark,
            "kind": "",
        },
        {
            "label": say("report.tile.time"),
            "value": duration(sum(seconds) if elapsed is None else elapsed),
            "remark": say("report.tile.time.median", time=duration(float(np.median(seconds))))
            if seconds
            else "",
            "kind": "",
        },
    ]


def _elapsed(run: Run) -> float | None:
    try:
        started = datetime.fromisoformat(run.started)
        return max(0.0, (datetime.fromisoformat(run.finished) - started).total_seconds())
    except (TypeError, ValueError):
        return None


# Images


def _failures(failed: list[dict]) -> list[dict[str, Any]]:
    """Return the failed images by what is wrong with them, the most frequent first."""
    groups: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for row in failed:
        message = text_of(row.get("message")) or say("report.failed.unknown")
        reason = text_of(row.get("code")), message, text_of(row.get("remedy"))
        attempt = finite(row.get("attempt")) or 1
        again = say("report.failed.attempt", n=int(attempt)) if attempt > 1 else ""
        groups.setdefault(reason, []).append((shown(row["image"]), again))
    return _with_room(
        {"code": code, "message": message, "remedy": remedy, "images": images}
        for (code, message, remedy), images in sorted(groups.items(), key=lambda g: -len(g[1]))
    )


def _looks(done: list[dict], engine: str, ids: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the images to look at by what says most about them, the most frequent first, with the ids of cards."""
    return _with_room(
        {
            "flag": name,
            "label": label(name),
            "remedy": remedy(name, engine),
            "images": [(shown(image), ids.get(image)) for image in images],
        }
        for name, images in by_flag(done).items()
    )


def _with_room(groups: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return groups with their ``number`` of images, as many of which are named as have room in a section."""
    found = [{**group, "number": len(group["images"])} for group in groups]
    room = NAMES_LIMIT
    # Of the rarest first, since a frequent one would leave no room for them.
    rarest = sorted(found, key=lambda group: group["number"])
    for left, group in zip(range(len(found), 0, -1), rarest, strict=True):
        group["images"] = group["images"][: room // left]
        room -= len(group["images"])
    return found


# What was run


def _notes(run: Run, done: list[dict]) -> list[tuple[str, str]]:
    """Return what a reader should know first, each with the names of the images that it is about."""
    images: dict[str, list[str]] = {}
    for row in done:
        if warning := text_of(row.get("warning")):
            images.setdefault(warning, []).append(shown(row["image"]))
        for words in because(row):
            images.setdefault(words, []).append(shown(row["image"]))
    notes = _named(dict(islice(images.items(), NOTES_LIMIT)))
    if (more := len(images) - len(notes)) > 0:
        notes.append((say("report.note.rest", n=number(more)), ""))
    return [*((warning, "") for warning in run.warnings), *notes]


def _named(images: dict[str, list[str]]) -> list[tuple[str, str]]:
    notes = []
    for text, names in images.items():
        named, more = ", ".join(names[:NAMES_IN_A_NOTE]), len(names) - NAMES_IN_A_NOTE
        if more > 0:
            named = say("report.note.more", names=named, n=number(more))
        notes.append((text, named))
    return notes


def _selections(done: list[dict]) -> list[tuple[str, str]]:
    """Return what was taken of the images, the most frequent first, and of how many images."""
    counts = Counter(text for row in done if (text := text_of(row.get("selection"))))
    return [
        (text, say("report.run.selection.images", n=number(count)))
        for text, count in counts.most_common(SELECTIONS_LIMIT)
    ]


def _facts(run: Run, *, with_images: bool) -> list[tuple[str, str]]:
    segmentation = [
        ("report.run.engine", run.engine),
        ("report.run.model" if _has_network(run.engine) else "report.run.method", run.model),
        ("report.run.device", run.device),
    ]
    times = [
        ("report.run.started", moment(run.started)),
        ("report.run.finished", moment(run.finished)),
    ]
    files = [
        ("report.run.files", number(run.files_found)),
        ("report.run.left_out", number(run.files_left_out)),
        ("report.run.batches", number(run.batches)),
    ]
    contact = [("report.run.contact", run.contact)]
    facts = [*segmentation, *times, *files, *contact] if with_images else [*times, *contact]
    return [(say(key), value) for key, value in facts if value]


def _has_network(engine: str) -> bool:
    return engine in BUILTIN_MODELS


def _timing(timing: Timing, engine: str) -> dict[str, Any]:
    """Return a row for each phase (name, time, share of the sum), and a sentence on how busy the network was."""
    total = sum(timing.phases.values())
    place = "report.time" if _has_network(engine) else "report.time.method"
    rows = [
        (say(f"{place}.{phase}"), duration(seconds), f"{100 * seconds / total:.0f} %")
        for phase, seconds in timing.phases.items()
        if seconds
    ]
    share = round(100 * timing.network_share)
    words = say("report.time.network_share", share=share) if _has_network(engine) else ""
    return {"rows": rows, "network": words}


def _settings(
    settings: Mapping[str, Any], sources: Mapping[str, str]
) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Return the settings by section, each as its rows of key, value and where it comes from."""
    sections: list[tuple[str, list[tuple[str, str, str]]]] = []
    alone = []
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            rows = [
                (name, shown, _source(f"{key}.{name}", sources)) for name, shown in _flat(value)
            ]
            sections.append((str(key), rows))
        else:
            alone.append((str(key), _setting(value), _source(str(key), sources)))
    return [("", alone), *sections] if alone else sections


def _flat(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows = []
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", _setting(value)))
    return rows


def _source(name: str, sources: Mapping[str, str]) -> str:
    """Return where a setting comes from, or the section that it is in."""
    section = name.partition(".")[0]
    return sources.get(name) or sources.get(section) or say("source.default")


def _setting(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value) and value:
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False, default=str)
