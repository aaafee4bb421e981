"""The tables of the whole run, as pandas has them, and how tables are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from segmake.core.csv_text import MARK, csv_header, csv_rows
from segmake.core.files import write_atomically
from segmake.core.formulas import without_formula

if TYPE_CHECKING:
    import pyarrow


def write_csv(table: pd.DataFrame | Iterable[pd.DataFrame], path: Path) -> None:
    """Write a table as CSV, in UTF-8 with the mark by which Excel knows it; none of its text is a formula.

    Parameters
    ----------
    table : DataFrame or iterable of DataFrame
        Or its parts, at least one, with the same columns and types: one is in memory at a time.
    path : Path
    """
    parts = [table] if isinstance(table, pd.DataFrame) else table
    with write_atomically(path) as file, file.open("wb") as lines:
        lines.write(MARK)
        for number, part in enumerate(parts):
            if number == 0:
                lines.write(csv_header(part))
            lines.writelines(csv_rows(part, without_formulas))


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


def write_csv_and_parquet(
    parts: Iterable[pd.DataFrame], schema: pyarrow.Schema, csv: Path, parquet: Path
) -> None:
    """Write a table as CSV, as `write_csv` does, and as Parquet; each part is read once, and in memory alone."""
    from pyarrow import Table
    from pyarrow.parquet import ParquetWriter

    with write_atomically(parquet) as file, ParquetWriter(file, schema) as writer:

        def written() -> Iterator[pd.DataFrame]:
            for part in parts:
                writer.write_table(Table.from_pandas(part, schema, preserve_index=False))
                yield part

        write_csv(written(), csv)
