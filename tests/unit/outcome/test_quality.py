"""Which images are to be looked at: all of a folder that went wrong, and none of those that went well."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pytest

from segmake.labels.quality import LabelFacts, joined_facts, picture_facts
from segmake.messages import LANGUAGES
from segmake.outcome.quality import (
    CODES,
    THRESHOLDS,
    flags_of,
    in_sentences,
    label,
    read_flags,
    write_flags,
)
from tests.projects import ROOT
from tests.unit.rods import SHAPE, rods


def facts(picture: np.ndarray, labels: np.ndarray, **more):
    gathered = LabelFacts()
    cells = len(gathered.add(labels))
    known = {**gathered.facts(), **joined_facts([picture_facts(picture, labels)])}
    return {**known, "cells": cells, "found": cells, "dropped": 0, **more}


def folder(number: int = 20) -> dict:
    return {f"a/good {seed}": facts(*rods(8 + seed % 6, seed)) for seed in range(number)}


def flags(name: str, images: dict) -> set[str]:
    return {flag.name for flag in flags_of(images).get(name, ())}


def flagged(images: dict, names: Iterable[str]) -> list[str]:
    found = flags_of(images)
    return [name for name in names if name in found]


def test_all_that_went_wrong_in_a_folder_is_flagged_and_nothing_else():
    images = folder()
    rows, columns = np.indices(SHAPE)
    for number in range(8):
        images[f"a/empty {number}"] = facts(*rods(0, 100 + number))
    for number in range(2):
        picture, labels = rods(20, 200 + number)
        images[f"a/full {number}"] = facts(picture, labels * 0)
    for number in range(10):
        colony = np.hypot(rows - 80, columns - 70 - number) < 25 + number
        images[f"a/colony {number}"] = facts(rods(20, 300)[0], colony.astype(np.uint16))
    bad = [name for name in images if "good" not in name]
    assert flagged(images, bad) == bad and len(bad) == 20
    assert not flagged(images, folder())
    assert {"size", "large_object"} <= flags("a/colony 3", images)
    told = in_sentences(flags_of(images)["a/colony 3"])
    assert "larger than a cell" in told and "of another size" not in told
    # What is missing can't be bright: one reason is enough.
    assert flags("a/full 1", images) == flags("a/empty 1", images) == {"no_cell"}


@pytest.mark.parametrize(
    "name", ["count", "size", "edge", "specks", "saturated", "dim", "out_of_focus"]
)
def test_each_thing_that_is_unusual_has_its_flag(name):
    picture, labels = rods(10, 99)
    if name == "count":
        # Each cell in many pieces of its size.
        picture, labels = rods(2, 99)
    elif name == "size":
        picture, labels = rods(10, 99, long=1, thick=2)
    elif name == "edge":
        labels[:, 0] = np.arange(160) // 10 + 50
    elif name == "specks":
        labels[2:155:20, 2] = np.arange(8) + 50
    elif name == "saturated":
        picture[labels > 0] = 4095
    elif name == "dim":
        picture = rods(10, 99, amplitude=60)[0]
    else:
        wide = np.ones(9) / 9
        for axis in (0, 1):
            for _ in range(2):
                picture = np.apply_along_axis(np.convolve, axis, picture, wide, "same")
    assert name in flags("a/odd", {**folder(), "a/odd": facts(picture, labels)})


def test_what_was_left_out_for_its_size_is_told():
    picture, labels = rods(2, 99)
    images = {"tiny": facts(picture, labels * 0, found=40, dropped=40)}
    assert flags("tiny", images) == {"no_cell", "dropped"}
    [told] = [flag for flag in flags_of(images)["tiny"] if flag.name == "dropped"]
    assert "40 of 40" in told.problem.what
    assert not flags("few", {"few": facts(*rods(10, 99), found=12, dropped=2)})


def test_a_long_cell_is_no_colony():
    picture, labels = rods(10, 99)
    labels[140:149, 5:155] = 50
    assert "large_object" not in flags("a/odd", {**folder(), "a/odd": facts(picture, labels)})


def test_growing_colonies_and_other_folders_are_not_held_against_each_other():
    growing = {f"t/{n}": facts(*rods(2**n, n)) for n in range(5)}
    growing |= {f"t/{n} again": facts(*rods(2**n, n + 50)) for n in range(5)}
    few = {f"b/{n}": facts(*rods(8, n)) for n in range(3)} | {"b/odd": facts(*rods(1, 7))}
    assert not flags_of({**folder(), **growing, **few})


def test_what_an_earlier_version_noted_is_judged_by_its_cells():
    old = {f"{n}": {"objects": 9 + n % 3, "cells": 9, "found": 9, "dropped": 0} for n in range(9)}
    old["none"] = {"objects": 0, "cells": 0, "found": 0, "dropped": 0}
    old["many"] = {"objects": 90, "cells": 90, "found": 90, "dropped": 0}
    assert {name: [flag.name for flag in found] for name, found in flags_of(old).items()} == {
        "none": ["no_cell"],
        "many": ["count"],
    }


def test_numbers_of_tracks_need_not_be_in_a_row():
    labels = np.zeros((40, 40), np.uint32)
    labels[5:10, 5:10], labels[20:30, 20:30] = 7, 4_000_000_000
    gathered = LabelFacts()
    assert gathered.add(labels).tolist() == [7, 4_000_000_000]
    found = gathered.facts()
    assert (found["objects"], found["largest_area"], found["area"]) == (2, 100, 62.5)
    assert found["largest"] == 100 / 1600 and found["largest_width"] == 5


def test_what_is_written_down_is_read_again(tmp_path):
    path = tmp_path / "flags.json"
    assert read_flags(path) == ({}, {})
    write_flags({"a": "no_cell, dim", "b": ""}, {"c": "blurred é"}, path)
    assert read_flags(path) == ({"a": ["no_cell", "dim"]}, {"c": "blurred é"})


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_flag_and_threshold_is_explained(language, monkeypatch):
    monkeypatch.setenv("SEGMAKE_LANG", language)
    page = ROOT / "docs" / "reference" / ("quality.md" if language == "en" else "quality.fr.md")
    text = page.read_text(encoding="utf-8")
    assert all(f"`{name}`" in text and code in text for name, code in CODES.items())
    assert all(label(name) for name in CODES)
    shown = {
        name: float(value.replace(",", "."))
        for name, value in re.findall(r"^\| `(\w+)` \| ([\d.,]+)", text, re.MULTILINE)
    }
    assert shown == THRESHOLDS


def test_what_an_engine_doubts_is_a_flag():
    images = {"a/phase": facts(*rods(8, 1), doubts=[["SM-OUT-046", {}]])}
    assert flags("a/phase", images) == {"unclear"}
