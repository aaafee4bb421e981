"""The tables of cells: SegMake's own of each image, and what is made of it for users.

What is true is SegMake's own table, ``.segmake/tables/IMAGE.parquet``. The CSV of the image, which users open, edit and
save in many ways, is made from it, and so are ``cells.csv`` and ``cells.parquet`` (`segmake.labels.joined_cells`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pandas as pd

from segmake.core.csv_text import MARK, csv_header, csv_rows
from segmake.core.files import open_atomically
from segmake.runner.pipeline import Task
from segmake.runner.records import name_of

if TYPE_CHECKING:
    import pyarrow

# So many rows lie together in a table, and in memory while it is written.
ROWS = 20_000

# Under this name a table says what it was made of.
_FACTS = b"segmake"


def write_cells(
    tables: Iterable[pd.DataFrame],
    own: Path,
    mask: Path,
    task: Task,
    details: Callable[[], dict[str, Any]],
) -> None:
    """Write the table of an image's cells, once for SegMake itself and once as CSV; a part is in memory at a time.

    Parameters
    ----------
    tables : iterable of DataFrame
        The parts, one below the other: all have the same columns and types.
    own : Path
        SegMake's own table.
    mask : Path
        The label image whose cells these are.
    task : Task
        Its first output is the CSV.
    details : callable
        Called once all parts are written: what the journal is to note.
    """
    from pyarrow.parquet import ParquetWriter

    writer: ParquetWriter | None = None
    with open_atomically(own) as part, open_atomically(task.outputs[0]) as lines:
        lines.write(MARK)
        try:
            for number, table in enumerate(_gathered(_written(tables, lines))):
                rows = _as_arrow(table, writer.schema if writer else None)
                if writer is None:
                    options = {"write_statistics": False, "write_page_checksum": True}
                    writer = ParquetWriter(part, rows.schema, **options)
                if len(rows) or number == 0:
                    writer.write_table(rows)
            if writer:
                facts = {**_made_of(task, mask), "details": details()}
                writer.add_key_value_metadata({_FACTS: json.dumps(facts)})
        finally:
            if writer:
                writer.close()


def restore_cells(own: Path, mask: Path, task: Task) -> dict[str, Any] | None:
    """Write the CSV of an image from SegMake's own table, if that one is of these cells and measured in this way.

    Parameters
    ----------
    own, mask, task
        As `write_cells` has them.

    Returns
    -------
    dict or None
        What the journal noted when the cells were measured; None if they have to be measured again.
    """
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(own, page_checksum_verification=True) as file:
            facts = json.loads((file.metadata.metadata or {})[_FACTS])
            if {name: facts[name] for name in ("key", "mask")} != _made_of(task, mask):
                return None
            with open_atomically(task.outputs[0]) as lines:
                lines.write(MARK)
                for number in range(file.num_row_groups):
                    table = file.read_row_group(number).to_pandas()
                    _write(table, lines, header=number == 0)
            return dict(facts["details"])
    # Whatever is wrong with it, the cells are measured again.
    except (ArrowException, OSError, ValueError, KeyError, TypeError):
        return None


def _write(table: pd.DataFrame, lines: IO[bytes], *, header: bool) -> None:
    """Write the rows of a part of a table."""
    if header:
        lines.write(csv_header(table))
    lines.writelines(csv_rows(table))


def _written(tables: Iterable[pd.DataFrame], lines: IO[bytes]) -> Iterator[pd.DataFrame]:
    """Yield tables, each once its rows are written as CSV."""
    for number, table in enumerate(tables):
        _write(table, lines, header=number == 0)
        yield table


def _gathered(tables: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Yield tables joined to a few larger ones: those of a movie's frames may have a row or two."""
    waiting: list[pd.DataFrame] = []
    for table in tables:
        # Without rows, the first tells the columns.
        if len(table) or not waiting:
            waiting.append(table)
        if sum(map(len, waiting)) >= ROWS:
            yield _joined(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting)


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else tables[0]


def _as_arrow(table: pd.DataFrame, schema: pyarrow.Schema | None) -> pyarrow.Table:
    from pyarrow import Table

    return Table.from_pandas(table, schema=schema, preserve_index=False)


def _made_of(task: Task, mask: Path) -> dict[str, Any]:
    """Return what a table has to be made of to be the one that a task asks for."""
    noted = task.source.get(name_of(mask, task.results))
    return {"key": task.key, "mask": noted and list(noted)}
