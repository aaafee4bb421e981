"""The report: one page, in one file, that opens from disk and loads nothing from a network."""

from __future__ import annotations

import base64
import io
import json
import math
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

import matplotlib as mpl
import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import escape
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from segmake.messages import language, say

GALLERY_LIMIT = 300
FAILURES_IN_SIGHT = 20
DOTS_LIMIT = 30  # fewer values than this are drawn one by one: a histogram of ten is misleading

MEASURES = {"area": "µm²", "length": "µm", "width": "µm"}
MIME = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}

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
    tables: Sequence[str] = ("cells.csv", "cells.parquet", "images.csv")


def write_report(
    path: Path,
    *,
    images: pd.DataFrame,
    cells: pd.DataFrame,
    thumbnails: Callable[[str], tuple[Path, Path] | None],
    run: Run,
) -> None:
    """Write the report, in the user's language, as one self-contained HTML file.

    Parameters
    ----------
    path : Path
        Of the page, in the results folder: links to masks and pictures are relative to it.
    images : DataFrame
        A row per image: ``image``, ``state`` (``"done"`` or ``"failed"``), ``cells``, ``seconds``,
        and, where there are any, ``code``, ``message``, ``remedy``, ``attempt``, ``width_px``,
        ``height_px``, ``pixel_size_um``, ``channel``, ``mask``, ``picture``. NA where unknown.
    cells : DataFrame
        A row per cell: ``area_px``, ``length_px``, ``width_px``, and the same in ``_um`` and
        ``_um2`` where the pixel size is known. May be empty, and without columns.
    thumbnails : callable
        From the ``image`` of a row to its thumbnails before and after, or None if it has none.
    run : Run
        What was run.

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
    rows.sort(key=lambda row: _natural(row["image"]))
    done = [row for row in rows if row["state"] == "done"]
    failed = [row for row in rows if row["state"] != "done"]
    shown = _evenly(done, GALLERY_LIMIT)
    plots, summary = _distributions(done, cells)

    page = _template().render(
        lang=language(),
        run=run,
        verdict=_verdict(done, failed),
        tiles=_tiles(done, failed, run),
        failures=_failures(failed),
        images_failed=len(failed),
        failures_in_sight=FAILURES_IN_SIGHT,
        cards=[_card(row, thumbnails) for row in shown],
        images_done=len(done),
        cells_measured=len(cells),
        plots=plots,
        plots_note=_unit_note(done, cells),
        summary=summary,
        facts=_facts(run),
        settings=_settings(run.settings),
        versions=sorted(run.versions.items(), key=lambda item: item[0].lower()),
        tables=[(table, _href(table)) for table in run.tables],
        citations=[*CITATIONS.get(run.engine, []), _SNAKEMAKE],
    )
    # A file name that is not text on this system must not keep the page from being written.
    _write(path, page.encode("utf-8", errors="replace"))


def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(say=say, number=_number, plural=_plural)
    return environment.get_template("report.html.j2")


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


# What the page says at its top


def _verdict(done: list[dict], failed: list[dict]) -> dict[str, str]:
    images = len(done) + len(failed)
    cells = sum(_value(row.get("cells")) or 0 for row in done)
    if not images:
        return {"kind": "bad", "text": say("report.verdict.no_images")}
    if not done:
        return {"kind": "bad", "text": say("report.verdict.all_failed")}
    if failed:
        numbers = {"done": _number(len(done)), "images": _number(images), "failed": len(failed)}
        return {"kind": "mixed", "text": say("report.verdict.some_failed", **numbers)}
    text = say(_plural("report.verdict.all_done", images), images=_number(images))
    if not cells:
        text += " " + say("report.verdict.no_cells")
    return {"kind": "good", "text": text}


def _tiles(done: list[dict], failed: list[dict], run: Run) -> list[dict[str, str]]:
    """Return the big numbers: what each counts, its value, and a remark below."""
    counts = [value for row in done if (value := _value(row.get("cells"))) is not None]
    seconds = [value for row in done if (value := _value(row.get("seconds"))) is not None]
    total = int(sum(counts))
    without = sum(count == 0 for count in counts)
    remark = say("report.tile.cells.median", n=_brief(np.median(counts))) if counts else ""
    if without and total:
        remark += say(_plural("report.tile.cells.without", without), n=_number(without))
    elapsed = _elapsed(run)
    return [
        {
            "label": say("report.tile.done"),
            "value": _number(len(done)),
            "remark": say("report.tile.done.of", n=_number(len(done) + len(failed))),
            "kind": "good" if done else "",
        },
        {
            "label": say("report.tile.failed"),
            "value": _number(len(failed)),
            "remark": say("report.tile.failed.below" if failed else "report.tile.failed.none"),
            "kind": "bad" if failed else "",
        },
        {
            "label": say("report.tile.cells"),
            "value": _number(total),
            "remark": remark,
            "kind": "",
        },
        {
            "label": say("report.tile.time"),
            "value": _duration(sum(seconds) if elapsed is None else elapsed),
            "remark": say("report.tile.time.median", time=_duration(float(np.median(seconds))))
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
        message = _text(row.get("message")) or say("report.failed.unknown")
        reason = _text(row.get("code")), message, _text(row.get("remedy"))
        attempt = _value(row.get("attempt")) or 1
        again = say("report.failed.attempt", n=int(attempt)) if attempt > 1 else ""
        groups.setdefault(reason, []).append((_shown(row["image"]), again))
    return [
        {"code": code, "message": message, "remedy": remedy, "images": images}
        for (code, message, remedy), images in sorted(groups.items(), key=lambda g: -len(g[1]))
    ]


def _card(
    row: Mapping[str, Any], thumbnails: Callable[[str], tuple[Path, Path] | None]
) -> dict[str, Any]:
    name = _shown(row["image"])
    folder, _, file = name.rpartition("/")
    cells = _value(row.get("cells"))
    seconds = _value(row.get("seconds"))
    pair = thumbnails(row["image"])
    return {
        "name": name,
        "folder": folder + "/" if folder else "",
        "file": file,
        "cells": -1 if cells is None else int(cells),
        "cells_text": _cells_text(cells),
        "seconds": -1 if seconds is None else seconds,
        "details": _details(row, seconds),
        "before": _data_uri(pair[0]) if pair else None,
        "after": _data_uri(pair[1]) if pair else None,
        "picture": _href(_text(row.get("picture"))),
        "mask": _href(_text(row.get("mask"))),
    }


def _cells_text(cells: float | None) -> str:
    if cells is None:
        return say("report.card.cells.unknown")
    if cells == 0:
        return say("report.card.cells.none")
    return say(_plural("report.card.cells", cells), n=_number(cells))


def _details(row: Mapping[str, Any], seconds: float | None) -> list[str]:
    details = []
    width, height = _value(row.get("width_px")), _value(row.get("height_px"))
    if width is not None and height is not None:
        details.append(f"{_number(width)} × {_number(height)} px")
    if (size := _value(row.get("pixel_size_um"))) is not None:
        details.append(say("report.card.pixel_size", size=_localised(f"{size:.4g}")))
    if channel := _text(row.get("channel")):
        details.append(say("report.card.channel", channel=channel))
    if seconds is not None:
        details.append(_duration(seconds))
    return details


def _natural(name: object) -> list[tuple[int, int | str]]:
    """Return a key that sorts as people do: t2 before t10."""
    parts = re.split(r"([0-9]+)", str(name).lower())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts]


def _evenly(rows: list[dict], limit: int) -> list[dict]:
    """Return at most `limit` rows, spread evenly over all."""
    if len(rows) <= limit:
        return rows
    return [rows[index] for index in np.linspace(0, len(rows) - 1, limit).round().astype(int)]


def _data_uri(path: Path) -> str | None:
    try:
        content = base64.b64encode(path.read_bytes()).decode("ascii")
    except OSError:
        return None
    return f"data:{MIME[path.suffix.lower()]};base64,{content}"


def _href(path: str) -> str:
    """Return a path, relative to the page, as a link; quoted, so that it can't name a scheme."""
    if not path:
        return ""
    return "./" + quote(PurePath(path).as_posix().encode("utf-8", errors="surrogateescape"))


def _shown(name: object) -> str:
    """Return a file name with characters that can't be seen, such as a line break, made visible."""
    text = str(name).encode("utf-8", errors="surrogateescape").decode("utf-8", errors="replace")
    return re.sub(
        r"[\x00-\x1f\x7f]",
        lambda match: "␡" if match[0] == "\x7f" else chr(0x2400 + ord(match[0])),
        text,
    )


# Distributions


def _distributions(
    done: list[dict], cells: pd.DataFrame
) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Return the plots, and a row of figures for each measure; one value alone has no plot."""
    plots: list[dict[str, str]] = []
    summary: list[dict[str, str]] = []

    def add(title: str, unit: str, values: np.ndarray, counted: str, *, whole: bool) -> None:
        values = values[np.isfinite(values)]
        if values.size == 0:
            return
        label = f"{title} ({unit})" if unit else title
        if values.size > 1:
            plots.append(_plot(values, label, counted, name=f"plot{len(plots)}", whole=whole))
        low, high = np.percentile(values, (5, 95), method="nearest" if whole else "linear")
        summary.append(
            {
                "label": label,
                "n": _number(values.size),
                "median": _brief(np.median(values)),
                "range": f"{_brief(low)} – {_brief(high)}",
            }
        )

    for measure, unit in MEASURES.items():
        values, unit = _in_best_unit(cells, measure, unit)
        add(say(f"report.plot.{measure}"), unit, values, say("report.plot.of_cells"), whole=False)
    of_images = say("report.plot.of_images")
    for column, unit, whole in (("cells", "", True), ("seconds", "s", False)):
        known = [value for row in done if (value := _value(row.get(column))) is not None]
        add(say(f"report.plot.{column}"), unit, np.array(known, float), of_images, whole=whole)
    return plots, summary


def _in_best_unit(cells: pd.DataFrame, measure: str, unit: str) -> tuple[np.ndarray, str]:
    """Return a measure in micrometres if all cells have it so, else in pixels."""
    column = f"{measure}_um2" if unit == "µm²" else f"{measure}_um"
    if len(cells) and column in cells and cells[column].notna().all():
        return _floats(cells[column]), unit
    pixels = f"{measure}_px"
    return _floats(cells[pixels]) if pixels in cells else np.empty(
        0
    ), "px²" if "²" in unit else "px"


def _unit_note(done: list[dict], cells: pd.DataFrame) -> str:
    """Say which unit the plots have, where that is not plain."""
    if not len(cells) or "area_px" not in cells:
        return ""
    known = cells["area_um2"].notna() if "area_um2" in cells else pd.Series(dtype=bool)
    if len(known) and known.all():
        return ""
    if not known.any():
        return say("report.plots.pixels")
    images = sum(_value(row.get("pixel_size_um")) is not None for row in done)
    return say("report.plots.mixed", known=_number(images), images=_number(len(done)))


def _floats(column: pd.Series) -> np.ndarray:
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)


def _plot(
    values: np.ndarray, label: str, counted: str, *, name: str, whole: bool
) -> dict[str, str]:
    """Return the distribution of some values: an inline SVG, and a note on what it leaves out.

    Parameters
    ----------
    values : array (N,), float
        Finite; at least one.
    label, counted : str
        What the values are, and what is counted.
    name : str
        A prefix for the ids inside, which must differ from plot to plot on one page.
    whole : bool
        Whether the values are counts, so that a bin holds whole numbers.
    """
    median = float(np.median(values))
    shown, left_out = _without_tail(values)
    with mpl.rc_context(
        {
            "font.size": 9,
            "svg.fonttype": "none",
            "svg.hashsalt": name,
            "axes.edgecolor": "#8795a1",
            "axes.labelcolor": "#1c2833",
            "xtick.color": "#3e4c59",
            "ytick.color": "#3e4c59",
        }
    ):
        figure = Figure(figsize=(3.8, 2.5), layout="constrained")
        axes = figure.subplots()
        if values.size <= DOTS_LIMIT:
            _draw_dots(axes, shown)
        else:
            axes.hist(
                shown, bins=_bins(shown, whole).tolist(), color="#2b7a8c", edgecolor="white", lw=0.4
            )
            axes.set_ylabel(counted)
            axes.yaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
            axes.yaxis.set_major_formatter(FuncFormatter(_tick))
        axes.axvline(median, color="#b3400b", lw=1.4, ls=(0, (4, 2)))
        axes.set_title(
            say("report.plot.median", n=_brief(median)), color="#9a3508", fontsize=9, loc="right"
        )
        axes.set_xlabel(label)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=whole, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(FuncFormatter(_tick))
        axes.spines[["top", "right"]].set_visible(False)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    note = say(_plural("report.plot.tail", left_out), n=_number(left_out)) if left_out else ""
    alt = f"{label}. {say('report.plot.median', n=_brief(median))}"
    return {"svg": _inline(buffer.getvalue(), name, alt), "note": note}


def _draw_dots(axes: Any, values: np.ndarray) -> None:
    """Draw each value as a dot, spread upwards a little so that equal ones are seen."""
    heights = np.random.default_rng(0).uniform(0.25, 0.75, values.size)
    axes.scatter(values, heights, s=40, color="#2b7a8c", alpha=0.7, edgecolor="white", zorder=3)
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    if values.min() == values.max():
        room = abs(values[0]) * 0.5 or 1
        axes.set_xlim(values[0] - room / 2, values[0] + room)


def _without_tail(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Leave out the few values so large that all others would share one bar."""
    limit = 1.5 * np.percentile(values, 99) if values.size > DOTS_LIMIT else values.max()
    kept = values[values <= limit] if limit > 0 else values
    return kept, values.size - kept.size


def _bins(values: np.ndarray, whole: bool) -> np.ndarray:
    low, high = values.min(), values.max()
    if whole:
        step = max(1, math.ceil((high - low + 1) / 30))
        return np.arange(low, high + step + 1, step) - 0.5
    if low == high:
        return np.array([low - 0.5, low + 0.5])
    # Freedman and Diaconis, whose width is zero if half of the values are equal.
    quarter, three_quarters = np.percentile(values, (25, 75))
    width = 2 * (three_quarters - quarter) / np.cbrt(values.size) or (high - low) / 20
    return np.linspace(low, high, round(np.clip((high - low) / width, 10, 50)) + 1)


def _tick(value: float, _position: int | None = None) -> str:
    return _localised(f"{value:,.10g}")


def _inline(svg: str, name: str, alt: str) -> str:
    """Return an SVG file as an element of the page: no prolog, no metadata, ids of its own."""
    svg = svg[svg.index("<svg ") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(alt)}" ', 1)


# What was run


def _facts(run: Run) -> list[tuple[str, str]]:
    facts = [
        ("report.run.engine", run.engine),
        ("report.run.model", run.model),
        ("report.run.device", run.device),
        ("report.run.started", _moment(run.started)),
        ("report.run.finished", _moment(run.finished)),
        ("report.run.files", _number(run.files_found)),
        ("report.run.left_out", _number(run.files_left_out)),
        ("report.run.batches", _number(run.batches)),
    ]
    return [(say(key), value) for key, value in facts if value]


def _settings(settings: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the settings by section, each as its rows of key and value."""
    sections: list[tuple[str, list[tuple[str, str]]]] = []
    alone = []
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            sections.append((str(key), _flat(value)))
        else:
            alone.append((str(key), _setting(value)))
    return [("", alone), *sections] if alone else sections


def _flat(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows = []
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", _setting(value)))
    return rows


def _setting(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value) and value:
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False, default=str)


# Numbers, times and words


def _value(value: Any) -> float | None:
    """Return a number, or None if it is missing or not a number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _text(value: Any) -> str:
    return "" if value is None or (not isinstance(value, str) and pd.isna(value)) else str(value)


def _localised(number: str) -> str:
    """Turn a number as Python writes it, ``1,234.5``, into the user's language."""
    if language() == "fr":
        return number.replace(",", "\u202f").replace(".", ",").replace("-", "\u2212")
    return number.replace("-", "\u2212")


def _number(value: float, digits: int = 0) -> str:
    return _localised(f"{value:,.{digits}f}")


def _brief(value: float) -> str:
    """Return a number with about three digits that matter."""
    if float(value).is_integer() or abs(value) >= 100:
        return _number(value)
    return _number(value, 1 if abs(value) >= 10 else 2)


def _duration(seconds: float) -> str:
    if seconds < 10:
        return f"{_number(seconds, 1)}\u00a0s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}\u00a0s"
    if whole < 3600:
        return f"{whole // 60}\u00a0min {whole % 60:02d}\u00a0s"
    return f"{_number(whole // 3600)}\u00a0h {whole % 3600 // 60:02d}\u00a0min"


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return text
    zone = f" {moment.tzname()}" if moment.tzinfo else ""
    return f"{moment:%Y-%m-%d %H:%M}{zone}"


def _plural(section: str, count: float) -> str:
    """Return the section for one or for many; French counts zero as one."""
    singular = abs(count) < 2 if language() == "fr" else count == 1
    return f"{section}.one" if singular else f"{section}.many"
