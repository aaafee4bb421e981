"""Tables of names that others gave: no spreadsheet computes them, and programs read them as they were."""

from __future__ import annotations

import csv
import re

import pandas as pd

from segmake.core.tables import write_csv

NAMES = ["=1+2.tif", "+control.tif", "-dCas9.tif", "@home.tif", '=HYPERLINK("x").tif', "\t=1.tif",
         "'90s.tif", "1e5.tif", "a;b,c.tif", "-3", "+4.5e2", "sub/=1.tif"]  # fmt: skip


def test_no_text_is_a_formula_and_all_is_read_back(tmp_path):
    numbers = [float(-number) for number in range(len(NAMES))]
    columns = {"image": NAMES, "channel": pd.Categorical(["-", *NAMES[1:]]), "area": numbers}
    table = pd.DataFrame({**columns, "note": [None, *["x"] * (len(NAMES) - 1)]})
    file = tmp_path / "cells.csv"
    write_csv(table, file)
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.reader(lines))
    number = re.compile(r"[+-]?[0-9.]+(e[0-9]+)?")
    risky = [cell for row in rows for cell in row if re.match(r"[=+\-@\t]", cell)]
    assert [cell for cell in risky if not number.fullmatch(cell)] == []
    assert rows[1][:2] == ["'=1+2.tif", "'-"]
    # As the documentation says; R's `sub` does the same.
    read = pd.read_csv(file)
    assert read["image"].str.replace("^'", "", regex=True).tolist() == NAMES
    assert read["area"].tolist() == numbers and table["image"].tolist() == NAMES
