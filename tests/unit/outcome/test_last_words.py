from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from segmake.outcome.last_words import NAMED_FAILURES, describe_end


def told(cells: list[int], diameters: Sequence[float] = ()) -> str:
    folders = SimpleNamespace(results=Path("results"), scripts=Path("results/scripts"))
    plan = SimpleNamespace(batches={"0001": None}, folders=folders, contact="")
    rows = [
        {"image": f"field {number}", "state": "done", "cells": count}
        for number, count in enumerate(cells)
    ]
    for row, diameter in zip(rows, diameters, strict=False):
        row["estimated_diameter_px"] = diameter
    return describe_end(plan, rows, ())


def test_images_without_a_cell_are_named() -> None:
    assert "1 image has no cell: field 1" in told([3, 0, 2])
    assert "no cell" not in told([3, 1])
    many = told([0] * (NAMED_FAILURES + 2))
    assert f"{NAMED_FAILURES + 2} images have no cell" in many and many.endswith("(+2)")


def test_diameters_that_were_estimated_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Diameter" not in told([3, 1])
    assert "for 3 images: 16.4 px, from 15.9 to 26." in told([3, 1, 2], [16.4, 26.0, 15.9])
    # In a config, a number has a point in every language.
    monkeypatch.setenv("SEGMAKE_LANG", "fr")
    words = told([3, 1], [16.4, 26.0])
    assert "16,4 px" in words and "`diameter: 16.4`" in words


def test_in_french(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGMAKE_LANG", "fr")
    assert "1 image n'a aucune cellule : field 0" in told([0])
