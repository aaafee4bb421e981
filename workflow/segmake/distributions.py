"""The distributions in the report: sizes of cells, cells per image, time per image."""

from __future__ import annotations

import io
import math
import re
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from markupsafe import escape
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from segmake.messages import say
from segmake.wording import brief, finite, localised, number, plural

DOTS_LIMIT = 30  # fewer values than this are drawn one by one: a histogram of ten is misleading

MEASURES = {"area": "µm²", "length": "µm", "width": "µm"}


def distributions(
    done: list[dict], cells: pd.DataFrame
) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Return the plots, and a row of figures for each measure; one value alone has no plot.

    Parameters
    ----------
    done : list of dict
        The rows of the images that are done, with ``cells`` and ``seconds``.
    cells : DataFrame
        A row per cell, as `segmake.measurement.measure_cells` gives it.

    Returns
    -------
    plots : list of dict
        Each with the markup of an inline SVG, and a note.
    summary : list of dict
        Each with ``label``, ``n``, ``median`` and ``range`` (5th to 95th percentile), as text.
    """
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
                "n": number(values.size),
                "median": brief(np.median(values)),
                "range": f"{brief(low)} – {brief(high)}",
            }
        )

    for measure, unit in MEASURES.items():
        values, unit = _in_best_unit(cells, measure, unit)
        add(say(f"report.plot.{measure}"), unit, values, say("report.plot.of_cells"), whole=False)
    of_images = say("report.plot.of_images")
    for column, unit, whole in (("cells", "", True), ("seconds", "s", False)):
        known = [value for row in done if (value := finite(row.get(column))) is not None]
        add(say(f"report.plot.{column}"), unit, np.array(known, float), of_images, whole=whole)
    return plots, summary


def _in_best_unit(cells: pd.DataFrame, measure: str, unit: str) -> tuple[np.ndarray, str]:
    """Return a measure in micrometres if all cells have it so, else in pixels."""
    column = f"{measure}_um2" if unit == "µm²" else f"{measure}_um"
    if len(cells) and column in cells and cells[column].notna().all():
        return _floats(cells[column]), unit
    pixels = f"{measure}_px"
    values = _floats(cells[pixels]) if pixels in cells else np.empty(0)
    return values, "px²" if "²" in unit else "px"


def unit_note(done: list[dict], cells: pd.DataFrame) -> str:
    """Say which unit the plots have, where that is not plain."""
    if not len(cells) or "area_px" not in cells:
        return ""
    known = cells["area_um2"].notna() if "area_um2" in cells else pd.Series(dtype=bool)
    if len(known) and known.all():
        return ""
    if not known.any():
        return say("report.plots.pixels")
    images = sum(finite(row.get("pixel_size_um")) is not None for row in done)
    return say("report.plots.mixed", known=number(images), images=number(len(done)))


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
            say("report.plot.median", n=brief(median)), color="#9a3508", fontsize=9, loc="right"
        )
        axes.set_xlabel(label)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=whole, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(FuncFormatter(_tick))
        axes.spines[["top", "right"]].set_visible(False)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    note = say(plural("report.plot.tail", left_out), n=number(left_out)) if left_out else ""
    alt = f"{label}. {say('report.plot.median', n=brief(median))}"
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
    return localised(f"{value:,.10g}")


def _inline(svg: str, name: str, alt: str) -> str:
    """Return an SVG file as an element of the page: no prolog, no metadata, ids of its own."""
    svg = svg[svg.index("<svg ") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(alt)}" ', 1)
