"""The text of tables as CSV, a part at a time and column by column: what pandas writes, byte for byte, and faster."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import pyarrow

# By this mark Excel knows that a file is in UTF-8.
MARK = codecs.BOM_UTF8

# So many rows are text at a time.
_ROWS_AT_ONCE = 20_000

# Of numbers in between, Arrow's shortest text is Python's.
_SMALLEST, _LARGEST = 1e-4, 1e10


def csv_header(table: pd.DataFrame) -> bytes:
    """Return the line that names the columns."""
    return _by_pandas(table.iloc[:0], header=True)


def csv_rows(
    table: pd.DataFrame, safe: Callable[[pd.DataFrame], pd.DataFrame] = lambda table: table
) -> Iterator[bytes]:
    """Yield the lines of a table's rows, many at a time.

    Parameters
    ----------
    table : DataFrame
    safe : callable
        What is done to text before it is written, such as `segmake.core.tables.without_formulas`.
    """
    for start in range(0, len(table), _ROWS_AT_ONCE):
        part = table.iloc[start : start + _ROWS_AT_ONCE]
        yield _by_column(part, safe) or _by_pandas(safe(part))


def _by_pandas(table: pd.DataFrame, *, header: bool = False) -> bytes:
    text: str = table.to_csv(index=False, header=header, lineterminator="\n")
    return text.encode("utf-8", "surrogateescape")


def _by_column(table: pd.DataFrame, safe: Callable[[pd.DataFrame], pd.DataFrame]) -> bytes | None:
    """Return the lines of rows; None if a column is neither of numbers nor of text, or is the only one."""
    from pyarrow import compute, scalar

    columns = [_column(values, safe) for _, values in table.items()]
    # Of one column alone, an empty value has quotes.
    if len(columns) < 2 or any(column is None for column in columns):
        return None
    ends = compute.binary_join_element_wise(columns[-1], scalar(b""), scalar(b"\n"))
    lines = compute.binary_join_element_wise(*columns[:-1], ends, scalar(b","))
    return bytes(lines.buffers()[2])


def _column(
    values: pd.Series, safe: Callable[[pd.DataFrame], pd.DataFrame]
) -> pyarrow.Array | None:
    """Return the text of a column's values; None if it can't be told of them so."""
    import pyarrow

    if values.dtype == np.float64:
        return _floats(values.to_numpy())
    if values.dtype == bool:
        texts = np.array([b"False", b"True"], object)[values.to_numpy().astype(int)]
        return pyarrow.array(texts, pyarrow.binary())
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "iu":
        return pyarrow.array(values.to_numpy()).cast(pyarrow.string()).cast(pyarrow.binary())
    if (
        not isinstance(values.dtype, pd.StringDtype | pd.CategoricalDtype)
        and values.dtype != object
    ):
        return None
    codes, unique = pd.factorize(values)
    texts = list(unique)
    if not all(isinstance(text, str) for text in texts):
        return None
    # Names are many times the same: each is looked at once.
    changed = safe(pd.DataFrame({"text": pd.Series(texts, dtype=object)}))["text"]
    found = pyarrow.array([*map(_quoted, changed), b""], pyarrow.binary())
    return found.take(pyarrow.array(np.where(codes < 0, len(texts), codes)))


def _quoted(text: str) -> bytes:
    """Return text as it stands in a row with others."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([text, ""])
    return line.getvalue()[: -len(",\n")].encode("utf-8", "surrogateescape")


def _floats(values: np.ndarray) -> pyarrow.Array:
    """Return the shortest texts that are read as these numbers, with a point or an exponent in each."""
    import pyarrow
    from pyarrow import compute, scalar

    size = np.abs(values)
    with np.errstate(invalid="ignore"):
        whole = (np.floor(values) == values) & (size < _LARGEST)
        usual = whole | ((size >= _SMALLEST) & (size < _LARGEST))
    texts = pyarrow.array(values).cast(pyarrow.string()).cast(pyarrow.binary())
    if whole.any():
        pointed = compute.binary_join_element_wise(texts, scalar(b".0"), scalar(b""))
        texts = compute.if_else(pyarrow.array(whole), pointed, texts)
    if not usual.all():
        others = [
            b"" if value != value else repr(value).encode() for value in values[~usual].tolist()
        ]
        texts = compute.replace_with_mask(
            texts, pyarrow.array(~usual), pyarrow.array(others, pyarrow.binary())
        )
    return texts
