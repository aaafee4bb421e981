"""Of a large picture, labels are never in memory as a whole; the results are those of any other."""

from __future__ import annotations

import io
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from skimage.draw import ellipse

from segmake.core import strips
from segmake.core.strips import Striped
from segmake.engines import pieces as cells_apart
from segmake.engines import threshold
from segmake.labels import labels as label_files
from segmake.labels import pictures, quality, whole_cells
from segmake.labels.exports import outlines
from segmake.labels.labels import LabelStack
from segmake.labels.quality import LabelFacts, picture_facts
from segmake.plan.make import make_plan
from segmake.runner.pipeline import Task, Work
from segmake.steps.work import work_of
from tests.unit.peak_memory import peak_of


def do(work: Work, task: Task) -> dict[str, Any]:
    return work.finish(task, work.compute(task, work.read(task)))


@pytest.fixture
def done(configure, tmp_path):
    """Do all steps of a picture, and return what was noted of each, the mask and its pictures, and the cells."""
    plane = np.random.default_rng(0).normal(100, 2, (230, 340))
    for row, column, angle in np.random.default_rng(1).uniform((0, 0, 0), (230, 340, 3), (90, 3)):
        plane[ellipse(row, column, 5, 13, plane.shape, angle)] = 4095
    path = tmp_path / "images" / "a.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, plane.clip(0, 4095).astype(np.uint16))

    def run():
        plan, _ = make_plan(configure(images={"pixel_size_um": 0.1}))
        noted, files = {}, {}
        for step, (task,) in plan.batches["0001"].tasks.items():
            noted |= do(work_of(step, plan, lambda line: None), task)
            files[step] = [output.read_bytes() for output in task.outputs]
        del noted["phases"]
        return noted, files["masks"], files["overlay"], pd.read_csv(io.BytesIO(files["measure"][0]))

    return run


def test_the_results_are_those_of_any_other_picture(done, monkeypatch):
    *whole, cells = done()
    noted = whole[0]
    assert noted["cells"] == noted["cells_kept"] == len(cells) > 20
    assert noted["quality"]["saturated"] > 0.9
    monkeypatch.setattr(strips, "LARGE", 1)
    monkeypatch.setattr(strips, "PIXELS", 340 * 9)
    monkeypatch.setattr(threshold, "masks", None)
    monkeypatch.setattr(LabelStack, "plane", None)
    monkeypatch.setattr(whole_cells, "_LEAST_ROWS", 9)
    *parts, cells_of_parts = done()
    assert parts == whole
    pd.testing.assert_frame_equal(cells_of_parts, cells, rtol=1e-12)


# Bytes for a pixel more, of which the picture itself has two; what compiled libraries hold is not seen.
MOST_BYTES = {"segment": 5, "masks": 3, "measure": 4.5, "overlay": 3.8}


def test_a_step_takes_few_bytes_for_a_pixel_more(configure, tmp_path, monkeypatch):
    monkeypatch.setattr(strips, "LARGE", 1)
    # As a large picture has many windows, and more pixels than are looked at or drawn.
    for module, name in (
        *((strips, "PIXELS"), (cells_apart, "WINDOW"), (quality, "_SAMPLE"), (pictures, "_SAMPLE")),
        (label_files, "_READ_AT_ONCE"),
    ):
        monkeypatch.setattr(module, name, 20_000)
    for module, name in (
        *((threshold, "LOOKED_AT"), (quality, "_MIDDLE"), (pictures, "SHORTEST_PANEL")),
        (whole_cells, "_LEAST_ROWS"),
    ):
        monkeypatch.setattr(module, name, 64)
    for name in ("longest_panel", "longest_thumbnail"):
        monkeypatch.setitem(pictures.write_pictures.__kwdefaults__, name, 128)
    plane = np.random.default_rng(0).normal(100, 2, (256, 256))
    for row, column in np.random.default_rng(1).uniform(0, 256, (16, 2)):
        plane[ellipse(row, column, 5, 13, plane.shape)] = 160

    def peaks(times: int) -> dict[str, int]:
        path = tmp_path / "images" / "a.tif"
        path.parent.mkdir(exist_ok=True)
        tifffile.imwrite(path, np.tile(plane.astype(np.uint16), (times, times)))
        plan, _ = make_plan(configure(results=str(tmp_path / f"results_{times}")))
        found = {}
        for step, (task,) in plan.batches["0001"].tasks.items():
            found[step] = peak_of(partial(do, work_of(step, plan, lambda line: None), task))
        return found

    # The first loads libraries.
    _, small, large = (peaks(times) for times in (1, 2, 4))
    more = (4**2 - 2**2) * plane.size
    taken = {step: (large[step] - small[step]) / more for step in large}
    assert {step: each for step, each in taken.items() if each > MOST_BYTES[step]} == {}


@pytest.mark.parametrize("top", [1, 300, 70000])
def test_facts_are_those_of_the_whole(top):
    random = np.random.default_rng(top)
    labels = random.integers(0, top + 1, (40, 30)).repeat(7, axis=0).repeat(9, axis=1)
    labels[random.random(labels.shape) < 0.2] = 0
    picture = random.integers(250, 256, labels.shape).astype(np.uint8)
    striped = Striped(labels.shape, lambda: iter(np.array_split(labels, 17)))
    whole, parts = LabelFacts(), LabelFacts()
    assert np.array_equal(whole.add(labels), parts.add(striped))
    assert whole.facts() == parts.facts()
    assert picture_facts(picture, labels) == picture_facts(picture, striped)


@pytest.mark.parametrize("rows", [1, 4, 60])
def test_outlines_are_those_of_the_whole(monkeypatch, rows):
    random = np.random.default_rng(rows)
    # In no order, in pieces, and with numbers that nothing has.
    labels = random.permutation(np.arange(0, 80, 2)).reshape(5, 8).repeat(12, 0).repeat(9, 1)
    labels[random.random(labels.shape) < 0.3] = 0
    labels[3, 3] = labels[50, 60] = 77
    labels[20:40, 30] = 4_000_000_000
    striped = Striped(labels.shape, lambda: iter(np.split(labels, range(rows, 60, rows))))
    whole = list(outlines(labels))
    monkeypatch.setattr(whole_cells, "_LEAST_ROWS", rows)
    monkeypatch.setattr(strips, "PIXELS", 1)
    parts = list(outlines(striped))
    assert [number for number, _ in whole] == [number for number, _ in parts]
    for (_, some), (_, others) in zip(whole, parts, strict=True):
        assert all(map(np.array_equal, some, others))
    assert len(whole) > 38
    nothing = Striped((6, 5), lambda: iter([np.zeros((6, 5), np.uint16)]))
    assert not list(outlines(nothing))


def test_rows_of_a_cell_from_the_top_to_the_bottom_are_not_looked_at_for_each_window(monkeypatch):
    labels = np.zeros((640, 20), np.uint16)
    labels[:, 3], labels[5::20, 9], labels[300:500, 15] = 1, range(2, 34), 40
    striped = Striped(labels.shape, lambda: iter(np.split(labels, 64)))
    whole = list(outlines(labels))
    monkeypatch.setattr(whole_cells, "_LEAST_ROWS", 10)
    monkeypatch.setattr(strips, "PIXELS", 1)
    rows, numbered = [], whole_cells._numbered
    monkeypatch.setattr(
        whole_cells, "_numbered", lambda seen: (rows.append(len(seen)), numbered(seen))[1]
    )
    parts = list(outlines(striped))
    assert [number for number, _ in parts] == [number for number, _ in whole]
    for (_, some), (_, others) in zip(whole, parts, strict=True):
        assert all(map(np.array_equal, some, others))
    assert sum(rows) <= 4 * len(labels)


def test_rows_are_gathered_and_divided():
    rows = np.arange(23)[:, None]
    for pieces in ([5, 1, 9, 8], [23], [1] * 23, [0, 11, 12]):
        parts = np.split(rows, np.cumsum(pieces)[:-1])
        for number in (1, 4, 23, 40):
            found = list(strips.in_rows(parts, number))
            assert np.array_equal(np.concatenate(found), rows)
            assert all(len(part) == number for part in found[:-1])
