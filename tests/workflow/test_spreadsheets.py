"""Tables are opened by a double-click, in a French and an English LibreOffice: what is in them is what was measured."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest

from tests.office import AS_ASKED_FOR, Cell, opened
from tests.projects import Project, draw_image, settings

# A spreadsheet takes such names for formulas, numbers or dates.
NAMES = ["=1+2.tif", "+control.tif", "-dCas9.tif", "@home.tif", "1e5.tif", "MARCH1.tif", "0012.tif"]
NAMES += ['=HYPERLINK("x").tif', "a;b,c.tif"]


@pytest.fixture
def empty(tmp_path: Path) -> Project:
    project = Project(tmp_path, settings())
    project.images.mkdir()
    return project


def as_table(rows: list[list[Cell]]) -> pd.DataFrame:
    """Return what a spreadsheet has; nothing in it may be a formula, or a date."""
    kinds = {kind for row in rows for kind, _ in row}
    assert kinds <= {"string", "float", "boolean", "empty"}
    header = [value for _, value in rows[0] if value]
    made = {"float": float, "string": str, "boolean": "true".__eq__, "empty": lambda _: None}
    body = [[made[kind](value) for kind, value in row] for row in rows[1:]]
    found = [row[: len(header)] for row in body if any(value is not None for value in row)]
    return pd.DataFrame(found, columns=header, dtype=object)


def same(found: pd.DataFrame, wanted: pd.DataFrame) -> None:
    """Hold what a spreadsheet has against what is in the table, of which it has fifteen digits of each number."""
    assert list(found) == list(wanted)
    for name in wanted:
        if pd.api.types.is_numeric_dtype(wanted[name]):
            numbers = pd.to_numeric(found[name]).astype(float)
            pd.testing.assert_series_equal(
                numbers, wanted[name].astype(float), rtol=1e-14, check_names=False
            )
        else:
            texts = [value if value is not None else "" for value in found[name]]
            assert texts == ["" if pd.isna(value) else value for value in wanted[name]]


def test_tables_open_by_a_double_click_in_two_languages(empty: Project, tmp_path: Path) -> None:
    for number, name in enumerate(NAMES):
        draw_image(empty.images / name, 3, seed=number)
    first = empty.run()
    assert first.returncode == 0, first.stderr
    masks = len(empty.journal("masks"))
    # Somebody's own, saved from the CSV.
    (empty.results / "cells.xlsx").write_bytes(b"mine")
    empty.settings["outputs"] = ["rois", "xlsx"]
    run = empty.run()
    assert run.returncode == 0, run.stderr
    assert len(empty.journal("masks")) == masks
    assert (empty.results / "changed" / "cells.xlsx").read_bytes() == b"mine"
    assert 'href="./cells.xlsx"' in (empty.results / "report.html").read_text(encoding="utf-8")
    assert "nothing to compute" in empty.run("-n").stderr

    cells = pd.read_parquet(empty.results / "cells.parquet")
    images = pd.read_csv(empty.results / "images.csv", keep_default_na=False, na_values=[""])
    images["image"] = images["image"].str.replace("^'", "", regex=True)
    assert len(cells) == 27 and set(cells["image"]) == set(images["image"]) == set(NAMES)
    tables = [empty.results / name for name in ("cells.xlsx", "images.xlsx")]
    for locale in ("fr-FR", "en-US"):
        found = opened(tmp_path, locale, *tables)
        same(as_table(found["cells.xlsx"]), cells)
        of_images = as_table(found["images.xlsx"])
        assert list(of_images["image"]) == list(images["image"])
        assert list(of_images["cells"]) == [3.0] * 9 and set(of_images["state"]) == {"done"}

    # A CSV is for programs: opened as it is, its decimals are text in a French spreadsheet.
    text = empty.results / "cells.csv"
    in_french = as_table(opened(tmp_path, "fr-FR", text)["cells.csv"])
    assert set(map(type, in_french["area_um2"])) == {str}
    # With what the docs say of the window that asks, they are numbers; no text is a formula.
    asked = as_table(opened(tmp_path, "fr-FR", text, form=AS_ASKED_FOR)["cells.csv"])
    safe = cells.assign(image=[f"'{n}" if n[0] in "=+-@" else n for n in cells["image"]])
    same(asked, safe)
    with text.open(encoding="utf-8-sig", newline="") as lines:
        assert {row["image"] for row in csv.DictReader(lines)} == set(safe["image"])

    # Not asked for any more, they are no longer there.
    empty.settings["outputs"] = ["rois"]
    last = empty.run()
    assert last.returncode == 0, last.stderr
    assert not any(table.exists() for table in tables) and len(empty.journal("masks")) == masks
