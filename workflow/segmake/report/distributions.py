"""The distributions in the report: sizes of cells, cells per image and over time, time per image."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import escape

from segmake.labels.pictures import evenly_spread
from segmake.messages import say
from segmake.messages.numbers import brief, finite, localised, number
from segmake.report.cell_columns import CellColumns

DOTS_LIMIT = 30  # fewer values than this are drawn one by one: a histogram of ten is misleading

LINES_LIMIT = 100  # of movies, in the plot over time

# The columns of each measure in micrometres and in pixels, and the units.
MEASURES = {
    "area": ("area_um2", "µm²", "area_px", "px²"),
    "length": ("length_um", "µm", "length_px", "px"),
    "width": ("width_um", "µm", "width_px", "px"),
    "volume": ("volume_um3", "µm³", "volume_vx", "px³"),
}

_BLUE, _RED = "#2b7a8c", "#b3400b"


def distributions(
    done: list[dict], cells: CellColumns, movies: list[pd.Series]
) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Return the plots, and a row of figures for each measure; one value alone has no plot.

    All cells count in them. One measure of all cells is in memory at a time.

    Parameters
    ----------
    done : list of dict
        The rows of the images that are done, with ``cells``, ``seconds`` and, of tracked movies, ``divisions``.
    cells : CellColumns
        A row per cell, as `segmake.labels.measurement.measure_cells` gives it.
    movies : list of Series
        What `cells_over_time` gave.

    Returns
    -------
    plots : list of dict
        Each with the markup of an inline SVG, and a note.
    summary : list of dict
        Each with ``label``, ``n``, ``median`` and ``range`` (5th to 95th percentile), as text.
    """
    plots: list[dict[str, str]] = []
    summary: list[dict[str, str]] = []

    def add(title: str, values: np.ndarray, unit: str, counted: str, *, whole: bool) -> None:
        known = np.isfinite(values)
        values = values if known.all() else values[known]
        if values.size == 0:
            return
        if values.size > DOTS_LIMIT:
            # In place: what follows needs no other copy.
            values.sort()
        label = f"{title} ({unit})" if unit else title
        if values.size > 1:
            plots.append(_plot(values, label, counted, name=f"plot{len(plots)}", whole=whole))
        low, high = (
            np.percentile(values, (5, 95), method="nearest")
            if whole
            else (_percentile(values, 5), _percentile(values, 95))
        )
        summary.append(
            {
                "label": label,
                "n": number(values.size),
                "median": brief(_percentile(values, 50)),
                "range": f"{brief(low)} – {brief(high)}",
            }
        )

    of_cells, of_images = say("report.plot.of_cells"), say("report.plot.of_images")
    for measure in MEASURES:
        # Not by a name: the values of one measure are gone before those of the next one are read.
        add(say(f"report.plot.{measure}"), *_in_best_unit(cells, measure), of_cells, whole=False)
    for column, unit, whole in (("cells", "", True), ("seconds", "s", False)):
        known = [value for row in done if (value := finite(row.get(column))) is not None]
        add(say(f"report.plot.{column}"), np.array(known, float), unit, of_images, whole=whole)
        if column == "cells" and movies:
            plots.append(_plot_over_time(movies, _minutes(cells), done))
    return plots, summary


def cells_over_time(cells: CellColumns) -> list[pd.Series]:
    """Return the number of cells of each movie, by time point.

    Parameters
    ----------
    cells : CellColumns
        A row per cell of each time point: ``image`` and, if there are movies, ``time``, counted from 1.

    Returns
    -------
    list of Series
        A movie has cells at two time points at least. A time point that it has no cell at, and another movie has, is 0,
        up to the last one with a cell.
    """
    if "image" not in cells or "time" not in cells or not len(cells):
        return []
    counts = cells.counts("image", "time")
    times = np.unique(counts.index.get_level_values("time"))
    movies = [one.droplevel("image") for _, one in counts.groupby(level="image") if len(one) > 1]
    return [one.reindex(times[times <= one.index.max()], fill_value=0) for one in movies]


def _in_best_unit(cells: CellColumns, measure: str) -> tuple[np.ndarray, str]:
    """Return a measure in micrometres if all cells that have it have it so, else in pixels."""
    column, unit, pixel_column, pixel_unit = MEASURES[measure]
    wanted = np.isfinite(cells.floats(pixel_column))
    values = cells.floats(column)
    known = np.isfinite(values)
    if known.any() and known[wanted].all():
        return values, unit
    return cells.floats(pixel_column), pixel_unit


def note_on_cells(done: list[dict], cells: CellColumns, movies: list[pd.Series]) -> str:
    """Say which unit the plots have, where that is not plain, and that movies have each cell many times."""
    words = [_unit_note(done, cells)]
    if movies:
        words.append(say("report.plots.times"))
    return " ".join(word for word in words if word)


def _unit_note(done: list[dict], cells: CellColumns) -> str:
    size = "area" if "area_px" in cells else "volume"
    column, _, pixel_column, _ = MEASURES[size]
    if not len(cells) or pixel_column not in cells:
        return ""
    known = np.isfinite(cells.floats(column))
    if known.all():
        return ""
    if not known.any():
        return say("report.plots.pixels")
    images = sum(finite(row.get("pixel_size_um")) is not None for row in done)
    return say("report.plots.mixed", known=number(images), images=number(len(done)))


def _plot(
    values: np.ndarray, label: str, counted: str, *, name: str, whole: bool
) -> dict[str, str]:
    """Return the distribution of some values: an inline SVG, and a note on what it leaves out.

    Parameters
    ----------
    values : array (N,), float
        Finite; at least one. More than `DOTS_LIMIT` are sorted.
    label, counted : str
        What the values are, and what is counted.
    name : str
        A prefix for the ids inside, which must differ from plot to plot on one page.
    whole : bool
        Whether the values are counts, so that a bin holds whole numbers.
    """
    median = _percentile(values, 50)
    shown, left_out = _without_tail(values)

    def draw(axes: Any) -> None:
        if values.size <= DOTS_LIMIT:
            _draw_dots(axes, shown)
        else:
            bins = _bins(shown, whole)
            # Counted here: the plot would copy all values.
            counts, _ = np.histogram(shown, bins)
            style = {"color": _BLUE, "edgecolor": "white", "lw": 0.4}
            axes.hist(bins[:-1], bins=bins.tolist(), weights=counts, **style)
            _count_upwards(axes, counted)
        axes.axvline(median, color=_RED, lw=1.4, ls=(0, (4, 2)))
        words = say("report.plot.median", n=brief(median))
        axes.set_title(words, color="#9a3508", fontsize=9, loc="right")
        axes.set_xlabel(label)
        _mark(axes.xaxis, 6, whole=whole)

    note = say("report.plot.tail", n=number(left_out)) if left_out else ""
    alt = f"{label}. {say('report.plot.median', n=brief(median))}"
    return {"svg": _svg(draw, name, alt), "note": note}


def _plot_over_time(
    movies: list[pd.Series], minutes: float | None, done: list[dict]
) -> dict[str, str]:
    """Return a line for each movie, and their median: an inline SVG, and a note on divisions.

    Parameters
    ----------
    movies : list of Series
        What `cells_over_time` gave.
    minutes : float or None
        From one time point to the next, if that is known and the same in all movies.
    done : list of dict
        The rows of the images.
    """
    label = say("report.plot.minutes" if minutes else "report.plot.time_points")
    shown = [movies[place] for place in evenly_spread(len(movies), LINES_LIMIT)]
    alone = len(movies) == 1

    def line(axes: Any, movie: pd.Series, **style: Any) -> None:
        times = movie.index.to_numpy(dtype=float)
        axes.plot((times - 1) * minutes if minutes else times, movie, **style)

    def draw(axes: Any) -> None:
        for movie in shown:
            line(axes, movie, color=_BLUE, lw=1.8 if alone else 0.9, alpha=1 if alone else 0.5)
        if not alone:
            line(axes, pd.concat(movies, axis=1).median(axis=1), color=_RED, lw=1.8, ls=(0, (4, 2)))
            words = say("report.plot.movies_median", n=number(len(movies)))
            axes.set_title(words, color="#9a3508", fontsize=9, loc="right")
        axes.set_ylim(bottom=0)
        _count_upwards(axes, say("report.plot.of_cells"))
        axes.set_xlabel(label)
        _mark(axes.xaxis, 6, whole=not minutes)

    tracked = [value for row in done if (value := finite(row.get("divisions"))) is not None]
    notes = [say("report.plot.divisions", n=number(int(sum(tracked))))] if tracked else []
    if len(shown) < len(movies):
        numbers = {"shown": number(len(shown)), "movies": number(len(movies))}
        notes.append(say("report.plot.movies_drawn", **numbers))
    note = " ".join(notes)
    return {"svg": _svg(draw, "over-time", f"{say('report.plot.of_cells')}, {label}"), "note": note}


def _minutes(cells: CellColumns) -> float | None:
    """Return the time from one time point to the next, if it is known and the same in all movies."""
    if "time_s" not in cells:
        return None
    times = cells.floats("time")
    later = times > 1
    steps = cells.floats("time_s")[later] / (times[later] - 1)
    known = steps.size > 0 and bool(np.isfinite(steps).all()) and steps.min() > 0
    return float(np.median(steps)) / 60 if known and np.ptp(steps) < 0.01 * steps.min() else None


def _svg(draw: Callable[[Any], None], name: str, alt: str) -> str:
    """Return a small plot as an element of the page; `name` differs from plot to plot."""
    # Takes half a second to import; a report on scripts alone has no plots.
    import matplotlib as mpl
    from matplotlib.figure import Figure

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
        draw(axes)
        axes.spines[["top", "right"]].set_visible(False)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _inline(buffer.getvalue(), name, alt)


def _count_upwards(axes: Any, counted: str) -> None:
    axes.set_ylabel(counted)
    _mark(axes.yaxis, 5, whole=True)


def _mark(axis: Any, number: int, *, whole: bool) -> None:
    """Give an axis its numbers, at most so many."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(number, integer=whole, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(_tick))


def _draw_dots(axes: Any, values: np.ndarray) -> None:
    """Draw each value as a dot, spread upwards a little so that equal ones are seen."""
    heights = np.random.default_rng(0).uniform(0.25, 0.75, values.size)
    axes.scatter(values, heights, s=40, color=_BLUE, alpha=0.7, edgecolor="white", zorder=3)
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    if values.min() == values.max():
        room = abs(values[0]) * 0.5 or 1
        axes.set_xlim(values[0] - room / 2, values[0] + room)


def _without_tail(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Leave out the few values so large that all others would share one bar."""
    if values.size <= DOTS_LIMIT:
        return values, 0
    limit = 1.5 * _percentile(values, 99)
    kept = values[: np.searchsorted(values, limit, side="right")] if limit > 0 else values
    return kept, values.size - kept.size


def _percentile(values: np.ndarray, percent: float) -> float:
    """Return a percentile; of many values, which are sorted, without a copy of them."""
    if values.size <= DOTS_LIMIT:
        return float(np.percentile(values, percent))
    place = percent / 100 * (values.size - 1)
    below = int(place)
    low, high = values[below], values[min(below + 1, values.size - 1)]
    return float(low + (high - low) * (place - below))


def _bins(values: np.ndarray, whole: bool) -> np.ndarray:
    low, high = values.min(), values.max()
    if whole:
        step = max(1, math.ceil((high - low + 1) / 30))
        return np.arange(low, high + step + 1, step) - 0.5
    if low == high:
        return np.array([low - 0.5, low + 0.5])
    # Freedman and Diaconis, whose width is zero if half of the values are equal.
    quarter, three_quarters = _percentile(values, 25), _percentile(values, 75)
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
