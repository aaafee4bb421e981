"""Tables of names that others gave: no spreadsheet computes them, and programs read them as they were."""

from __future__ import annotations

import csv
import re

import numpy as np
import pandas as pd
import pytest

from segmake.core import csv_text
from segmake.core.csv_text import csv_header, csv_rows
from segmake.core.tables import without_formulas, write_csv

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


def as_pandas_writes(table):
    text = without_formulas(table).to_csv(index=False, lineterminator="\n")
    return text.encode("utf-8", "surrogateescape")


NUMBERS = [0.0, -0.0, 1.0, -12.0, 0.1, 1e-4, 9.9e-5, 1e-5, -1.5e-7, 5e-324, 1e9, 9999999999.5, 1e10, 1e15, 1e16,
           123456789012345680.0, 126542147104.60526, 1.5e300, np.inf, -np.inf, np.nan, 1 / 3]  # fmt: skip
OTHERS = {
    "text": [
        "a",
        "=1+2",
        "b;c",
        "d,e",
        'f"g',
        "h\ni",
        "j\rk",
        " l ",
        "",
        None,
        "é\u2028",
        "'m",
    ],
    "undecodable": pd.Series(["a", "caf\udce9", "=\udce9", None], dtype=object),
    "mixed": [1, None, 2.5, "=x", True],
    "small": np.array([0.1, 1e-7, np.nan], np.float32),
    "whole": np.array([0, 255], np.uint8),
    "large": [2**63 - 1, -(2**63)],
    "truth": [True, False],
    "missing": pd.array([1, None], "Int64"),
    "kind": pd.Categorical(["-", "b", None]),
    "numbered": pd.Categorical([3, 1, 3]),
    "times": pd.to_datetime(["2026-01-01", None]),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("rows", [1, 4, 20_000])
def test_the_text_of_a_table_is_that_of_pandas(name, rows, monkeypatch, tmp_path):
    monkeypatch.setattr(csv_text, "_ROWS_AT_ONCE", rows)
    values = pd.Series(OTHERS[name])
    values = values.take(np.arange(len(NUMBERS)) % len(values)).reset_index(drop=True)
    for table in (
        pd.DataFrame({"one": NUMBERS, name: values}),
        pd.DataFrame({name: values, "=one": NUMBERS}),
        pd.DataFrame({name: values}),
    ):
        write_csv(table, tmp_path / "cells.csv")
        assert (tmp_path / "cells.csv").read_bytes()[3:] == as_pandas_writes(table)
        plain = b"".join([csv_header(table), *csv_rows(table)])
        wanted = table.to_csv(index=False, lineterminator="\n")
        assert plain == wanted.encode("utf-8", "surrogateescape")


def test_random_numbers_are_written_as_pandas_writes_them():
    random = np.random.default_rng(0)
    sizes = 10.0 ** random.uniform(-12, 20, 5000)
    values = np.concatenate([random.normal(size=5000) * sizes, np.round(sizes), sizes.round(3)])
    table = pd.DataFrame({"a": values, "b": values[::-1]})
    assert b"".join(csv_rows(table)) == as_pandas_writes(table).partition(b"\n")[2]


@pytest.mark.parametrize("rows", [2_000, 20_000])
def test_names_are_looked_at_once_and_rows_by_columns(rows, monkeypatch):
    looked, by_pandas = [], []
    quoted = csv_text._quoted
    monkeypatch.setattr(csv_text, "_quoted", lambda text: looked.append(text) or quoted(text))
    monkeypatch.setattr(csv_text, "_by_pandas", lambda *_: by_pandas.append(1) or b"")
    images = pd.Series(np.repeat(["a.tif", "b.tif"], rows // 2))
    table = pd.DataFrame({"image": images, "label": range(rows), "area": np.sqrt(range(rows))})
    text = b"".join(csv_rows(table, without_formulas))
    assert text.count(b"\n") == rows and looked == ["a.tif", "b.tif"] and not by_pandas
