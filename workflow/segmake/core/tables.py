"""The tables of the whole run, as pandas has them, and how tables are written."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from segmake.core.csv_text import MARK, csv_header, csv_rows
from segmake.core.files import write_atomically
from segmake.core.formulas import without_formula


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, in UTF-8 with the mark by which Excel knows it; none of its text is a formula."""
    with write_atomically(path) as part, part.open("wb") as lines:
        lines.write(MARK + csv_header(table))
        lines.writelines(csv_rows(table, without_formulas))


def without_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose text no spreadsheet computes: names of others are in it, such as ``=1+2.tif``.

    What begins as a formula does gets an apostrophe in front; so does what begins with an apostrophe, so that whoever
    takes one off everywhere has the text as it was.
    """
    texts = table.select_dtypes(["object", "string", "category"])
    safe = table.copy(deep=False)
    for name, column in texts.items():
        if column.dtype == object:
            # `map` would make 1.0 of a whole number where another one is missing.
            safe[name] = pd.Series([*map(_as_text, column)], column.index, object)
        else:
            safe[name] = column.map(_as_text)
    return safe


def _as_text(value: object) -> object:
    return without_formula(value) if isinstance(value, str) else value


def write_parquet(table: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet."""
    with write_atomically(path) as part:
        table.to_parquet(part, index=False)
