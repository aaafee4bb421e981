"""Tables as spreadsheets open them, whatever the language of the computer: numbers are numbers, and text is text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from segmake.core.files import readable, write_atomically

# A sheet has 1,048,576 rows; the first of them names the columns.
ROWS_OF_A_SHEET = 1_048_575
# What one cell of a sheet can hold.
_LONGEST_TEXT = 32_767
# So many rows are values of Python at a time.
_ROWS_AT_ONCE = 10_000
# By so many rows it is decided how wide columns are shown, and so many letters wide they are at most.
_ROWS_SEEN, _NARROWEST, _WIDEST = 100, 6, 40


def write_xlsx(
    table: pd.DataFrame | Iterable[pd.DataFrame],
    path: Path,
    rows_of_a_sheet: int = ROWS_OF_A_SHEET,
) -> None:
    """Write a table as XLSX: of so many rows as a sheet can have to a sheet, and a part of it in memory at a time.

    Parameters
    ----------
    table : DataFrame or iterable of DataFrame
        Or its parts, at least one, with the same columns.
    path : Path
        Its name, without the suffix, is that of the sheet; those that follow have a number.
    rows_of_a_sheet : int
        How many rows below the names of the columns a sheet has at most.

    Raises
    ------
    OSError
    """
    from xlsxwriter import Workbook
    from xlsxwriter.exceptions import FileCreateError

    parts = iter([table]) if isinstance(table, pd.DataFrame) else iter(table)
    with write_atomically(path) as file:
        book = Workbook(str(file), {"constant_memory": True})
        # Needed by sheets of more than 4 GB alone, which are the only ones that it changes.
        book.use_zip64()
        rows, number = _first(next(parts), parts, _ROWS_SEEN), 1
        while number == 1 or len(rows):
            name = path.stem if number == 1 else f"{path.stem} {number}"
            rows = _write_sheet(book, name, rows, parts, rows_of_a_sheet)
            rows, number = _first(rows, parts, _ROWS_SEEN), number + 1
        try:
            book.close()
        except FileCreateError as error:
            raise error.args[0] from None


def _first(rows: pd.DataFrame, parts: Iterator[pd.DataFrame], wanted: int) -> pd.DataFrame:
    """Return rows with those that follow, if they are fewer than wanted and there are more."""
    while len(rows) < wanted and (part := next(parts, None)) is not None:
        rows = pd.concat([rows, part]) if len(rows) else part
    return rows


def _write_sheet(
    book: Any, name: str, rows: pd.DataFrame, parts: Iterator[pd.DataFrame], most: int
) -> pd.DataFrame:
    """Write a sheet of so many rows at most, the first of which are given, and return those that are left of a part."""
    sheet = book.add_worksheet(name)
    bold = book.add_format({"bold": True})
    sheet.freeze_panes(1, 0)
    for column, width in enumerate(_widths(rows.iloc[:most])):
        sheet.set_column(column, column, width)
    for column, title in enumerate(rows.columns):
        sheet.write_string(0, column, _text(title), bold)
    written = 0
    while len(rows) and written < most:
        for row, values in enumerate(_rows(rows.iloc[: most - written]), start=written + 1):
            for column, value in enumerate(values):
                _write(sheet, row, column, value)
        rows, written = rows.iloc[most - written :], written + len(rows.iloc[: most - written])
        rows = _first(rows, parts, 1)
    if written:
        sheet.autofilter(0, 0, written, len(rows.columns) - 1)
    return rows


def _rows(table: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    for start in range(0, len(table), _ROWS_AT_ONCE):
        part = table.iloc[start : start + _ROWS_AT_ONCE]
        yield from zip(*(part[name].astype(object).tolist() for name in part), strict=True)


def _write(sheet: Any, row: int, column: int, value: Any) -> None:
    """Write a value as what it is: nothing is taken for a formula, a number, a date or a link by how it is written."""
    if isinstance(value, bool):
        sheet.write_boolean(row, column, value)
    elif isinstance(value, int | float) and math.isfinite(value):
        sheet.write_number(row, column, value)
    # An infinite number has no place in a sheet.
    elif not pd.isna(value):
        sheet.write_string(row, column, _text(value))


def _text(value: Any) -> str:
    text = readable(str(value))
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 3]}..."


def _widths(table: pd.DataFrame) -> Iterator[int]:
    seen = table.head(_ROWS_SEEN)
    for name in table:
        values = (f"{v:.9g}" if isinstance(v, float) else str(v) for v in seen[name].astype(object))
        # The arrow of the filter takes room, too.
        longest = max(map(len, chain([f"{name}  "], values)))
        yield min(max(longest + 1, _NARROWEST), _WIDEST)
