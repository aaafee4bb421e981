from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from segmake.outcome.last_words import NAMED_FAILURES, describe_end


def told(cells: list[int]) -> str:
    folders = SimpleNamespace(results=Path("results"), scripts=Path("results/scripts"))
    plan = SimpleNamespace(batches={"0001": None}, folders=folders, contact="")
    rows = [
        {"image": f"field {number}", "state": "done", "cells": count}
        for number, count in enumerate(cells)
    ]
    return describe_end(plan, rows, ())


def test_images_without_a_cell_are_named() -> None:
    assert "1 image has no cell: field 1" in told([3, 0, 2])
    assert "no cell" not in told([3, 1])
    many = told([0] * (NAMED_FAILURES + 2))
    assert f"{NAMED_FAILURES + 2} images have no cell" in many and many.endswith("(+2)")


def test_in_french(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGMAKE_LANG", "fr")
    assert "1 image n'a aucune cellule : field 0" in told([0])
