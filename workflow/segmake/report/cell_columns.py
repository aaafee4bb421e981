"""The joined table of all cells, a column at a time: there may be ten million, with thirty columns each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import pyarrow

# So many rows are in memory at a time, besides the column that is asked for.
_ROWS = 1 << 16


class CellColumns:
    """What the report takes of ``cells.parquet``.

    Parameters
    ----------
    path : Path
        Of a Parquet file with a row per cell. It has to stay while it is read.

    Raises
    ------
    OSError
        If it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        from pyarrow.parquet import ParquetFile

        self._path = path
        with ParquetFile(path) as file:
            self._rows = int(file.metadata.num_rows)
            self._names = frozenset(file.schema_arrow.names)

    def __len__(self) -> int:
        return self._rows

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def floats(self, name: str) -> np.ndarray:
        """Return a column as numbers: (N,), float64, NaN where there is none; all NaN if there is no such column."""
        values = np.full(self._rows, np.nan)
        if name in self:
            start = 0
            for part in self._parts([name]):
                values[start : start + part.num_rows] = _floats(part.column(0))
                start += part.num_rows
        return values

    def counts(self, *names: str) -> pd.Series:
        """Return how many cells there are of each combination of values that is there, sorted; missing ones are none.

        Only the combinations are in memory: cells of one lie together, or in a few places.
        """
        found = [
            part.drop_null()
            .group_by(list(names), use_threads=False)
            .aggregate([([], "count_all")])
            .to_pandas()
            for part in self._parts(list(names))
        ]
        if not found:
            return pd.Series(dtype=np.int64)
        return pd.concat(found).groupby(list(names), sort=True)["count_all"].sum()

    def _parts(self, names: list[str]) -> Iterator[pyarrow.Table]:
        """Yield some columns, so many rows at a time."""
        from pyarrow import Table
        from pyarrow.parquet import ParquetFile

        with ParquetFile(self._path) as file:
            for part in file.iter_batches(_ROWS, columns=names, use_threads=False):
                yield Table.from_batches([part]).select(names)


def _floats(column: pyarrow.ChunkedArray) -> np.ndarray:
    from pyarrow import types

    kind = column.type
    if types.is_floating(kind) or types.is_integer(kind) or types.is_null(kind):
        return column.cast("float64", safe=False).to_numpy()
    values = pd.to_numeric(column.to_pandas(), errors="coerce")
    return values.to_numpy(dtype=float, na_value=np.nan)
