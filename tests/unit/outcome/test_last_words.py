from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from segmake.outcome.last_words import NAMED_LOOKS, describe_end, told_of


def told(flags: list[str], diameters: Sequence[float] = (), **more: str) -> str:
    folders = SimpleNamespace(results=Path("results"), scripts=Path("results/scripts"))
    plan = SimpleNamespace(batches={"0001": None}, folders=folders, contact="", looks=[])
    rows = [
        {"image": f"field {number}", "state": "done", "cells": 3, "flags": each, **more}
        for number, each in enumerate(flags)
    ]
    for row, diameter in zip(rows, diameters, strict=False):
        row["estimated_diameter_px"] = diameter
    return describe_end(plan, told_of(plan, rows), ())


def test_images_to_look_at_are_named_by_what_is_unusual() -> None:
    words = told(["", "no_cell", "no_cell, saturated", "dim, count"])
    assert (
        "3 images to look at, with 9 cells (" in words and "2 × no cell: field 1, field 2" in words
    )
    # What says most, and each image once.
    assert "1 × little contrast: field 3" in words and words.count(" × ") == 2
    assert "to look at" not in told(["", ""])
    many = told(["no_cell"] * (NAMED_LOOKS + 2))
    assert f"{NAMED_LOOKS + 2} × no cell" in many and many.endswith("(+2)")


def test_cells_of_images_that_are_left_out_do_not_count() -> None:
    words = told(["", ""], left_out_because="blurred")
    assert " 0 cells" in words and "2 images are left out of the tables" in words


def test_diameters_that_were_estimated_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Diameter" not in told(["", ""])
    assert "for 3 images: 16.4 px, from 15.9 to 26." in told([""] * 3, [16.4, 26.0, 15.9])
    # In a config, a number has a point in every language.
    monkeypatch.setenv("SEGMAKE_LANG", "fr")
    words = told(["", ""], [16.4, 26.0])
    assert "16,4 px" in words and "`diameter: 16.4`" in words


def test_in_french(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGMAKE_LANG", "fr")
    words = told(["no_cell"])
    assert "1 image à regarder" in words and "1 × aucune cellule : field 0" in words
