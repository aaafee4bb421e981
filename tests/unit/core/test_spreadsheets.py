"""What is in an XLSX is what is in the table: numbers as numbers, text as text."""

from __future__ import annotations

import resource
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from segmake.core.spreadsheets import write_xlsx

SPACE = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
NAMES = [
    "=1+2.tif",
    "+a.tif",
    "-b.tif",
    "@c.tif",
    "1e5",
    "0012",
    "'d.tif",
    "https://e.f/g",
    "_x0041_",
]


def cells(path: Path) -> Iterator[list[list[tuple[str, str]]]]:
    """Yield the rows of each sheet: of each cell its type and its value."""
    with zipfile.ZipFile(path) as file:
        for name in sorted(n for n in file.namelist() if n.startswith("xl/worksheets/sheet")):
            rows = ElementTree.fromstring(file.read(name)).iter(f"{SPACE}row")
            yield [[(c.get("t", "n"), "".join(c.itertext())) for c in row] for row in rows]


def test_text_is_text_and_a_number_is_a_number(tmp_path: Path) -> None:
    numbers = [1.5, 1e-9, -3.0, 1e300, 0.1 + 0.2, float("nan"), float("inf"), 2**40, 0.0]
    table = pd.DataFrame({
        "image": NAMES,
        "length_um": numbers,
        "cells": pd.array([1, 2, None, *range(6)], dtype="Int64"),
        "corrected": pd.array([True, None, False] * 3, dtype=object),
        "kind": pd.Categorical(["=a", "b", None] * 3),
    })  # fmt: skip
    write_xlsx(table, tmp_path / "cells.xlsx")
    (sheet,) = cells(tmp_path / "cells.xlsx")
    assert [text for _, text in sheet[0]] == list(table.columns)
    # XLSX writes an underscore of what would be a code for a letter as one.
    assert [row[0] for row in sheet[1:]] == [
        ("inlineStr", name.replace("_x0041_", "_x005F_x0041_")) for name in NAMES
    ]
    (first, empty, last) = (sheet[1], sheet[6], sheet[9])
    assert first[1:] == [("n", "1.5"), ("n", "1"), ("b", "1"), ("inlineStr", "=a")]
    assert float(sheet[5][1][1]) == pytest.approx(0.1 + 0.2, rel=1e-15) and float(last[1][1]) == 0
    assert empty[1:] == [("n", "2"), ("b", "0")]
    assert sheet[7][1] == ("inlineStr", "inf")
    with zipfile.ZipFile(tmp_path / "cells.xlsx") as file:
        assert b"<f>" not in file.read("xl/worksheets/sheet1.xml")
        assert b'<sheet name="cells"' in file.read("xl/workbook.xml")


def test_what_no_sheet_can_hold_is_in_several_or_said_to_be_cut(tmp_path: Path) -> None:
    names = pd.Series(["a\udcff.tif", "b" * 40_000, *"cdefg"], dtype=object)
    table = pd.DataFrame({"image": names, "label": range(7)})
    write_xlsx(table, tmp_path / "cells.xlsx", rows_of_a_sheet=3)
    sheets = list(cells(tmp_path / "cells.xlsx"))
    assert [len(sheet) for sheet in sheets] == [4, 4, 2]
    assert [sheet[0] for sheet in sheets] == [[("inlineStr", "image"), ("inlineStr", "label")]] * 3
    assert [row[1][1] for sheet in sheets for row in sheet[1:]] == [str(n) for n in range(7)]
    assert sheets[0][1][0] == ("inlineStr", "a\\xff.tif")
    assert sheets[0][2][0][1].endswith("b...") and len(sheets[0][2][0][1]) == 32_767
    with zipfile.ZipFile(tmp_path / "cells.xlsx") as file:
        book = file.read("xl/workbook.xml").decode()
    assert all(f'<sheet name="{name}"' in book for name in ("cells", "cells 2", "cells 3"))


def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    write_xlsx(pd.DataFrame(columns=["image", "area_px"]), tmp_path / "cells.xlsx")
    assert list(cells(tmp_path / "cells.xlsx")) == [
        [[("inlineStr", "image"), ("inlineStr", "area_px")]]
    ]


def test_what_can_not_be_written_is_an_error_of_the_system(tmp_path: Path) -> None:
    table, least = pd.DataFrame({"a": [1]}), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, least[1]))
    try:
        with pytest.raises(OSError, match="large"):
            write_xlsx(table, tmp_path / "cells.xlsx")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, least)
    assert list(tmp_path.iterdir()) == []
