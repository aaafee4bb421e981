"""The cells of all images in one table, of which a part is in memory at a time.

Of images that version 0.1.0 measured there is no table of SegMake's own, only the CSV: it is read if it is as SegMake
writes it, and has as many rows as there are cells.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from segmake.core.declared_steps import MASKS, MEASURE
from segmake.core.journal import Journal, as_record
from segmake.images.selection import channel_key
from segmake.labels.cell_tables import ROWS
from segmake.messages import Problem, say
from segmake.plan.plan import Plan
from segmake.runner.records import keep_changed, looks_whole, name_of

if TYPE_CHECKING:
    import pyarrow

# So many tables become rows of pandas together: one of a few cells takes more room than its cells.
TABLES = 500

# Columns that every table of cells has.
_ALWAYS = {"label", "area_px"}


class JoinedCells:
    """The tables of images, one below the other: a row per cell.

    Columns are ``image`` and what `segmake.labels.measurement.measure_cells` gives. Their types are those of all images
    together, whichever part is looked at: they are known before the first row is read.

    Attributes
    ----------
    columns : tuple of str
    rows : int
        The number of cells.
    """

    def __init__(self, tables: Sequence[_Table]) -> None:
        """Join tables in this order."""
        self._tables = _with_same_columns(tables)
        self.rows = sum(table.rows for table in tables)
        self._kinds = _kinds(self._tables)
        self.columns = tuple(self._kinds.columns)

    @property
    def schema(self) -> pyarrow.Schema:
        """The types of the columns as Parquet has them."""
        from pyarrow import Schema

        return Schema.from_pandas(self._kinds, preserve_index=False)

    def parts(self, columns: Iterable[str] | None = None) -> Iterator[pd.DataFrame]:
        """Yield the rows, many at a time, all parts with the same columns and types; one without rows if none has any.

        Parameters
        ----------
        columns : iterable of str, optional
            Those that are wanted: no others are read. Names that no table has are passed over. The order stays that of
            the table.
        """
        wanted = self.columns if columns is None else set(columns)
        kinds = self._kinds[[column for column in self.columns if column in wanted]]
        waiting: list[pd.DataFrame] = []
        filled = (table for table in self._tables if table.rows)
        for _, alike in groupby(filled, lambda table: (table.columns, id(table.plain))):
            for part in _read(list(alike), wanted):
                waiting.append(part)
                if sum(map(len, waiting)) >= ROWS:
                    yield _below(kinds, waiting)
                    waiting = []
        if waiting or not self.rows:
            yield _below(kinds, waiting)


class _Kind(NamedTuple):
    """The columns that tables have, and one row that stands for their types."""

    columns: tuple[str, ...]
    row: pd.DataFrame


class _Table(NamedTuple):
    """The table of an image.

    Attributes
    ----------
    image : str
    path : Path
    rows : int
    columns : tuple of str
        Their names in the joined table, without ``image``.
    kinds : tuple of DataFrame
        Rows that stand for the types of the table's columns, which may differ from part to part.
    plain : _Kind or None
        What it has in common with other tables, if its types are the same whatever is in it.
    """

    image: str
    path: Path
    rows: int
    columns: tuple[str, ...]
    kinds: tuple[pd.DataFrame, ...]
    plain: _Kind | None = None


class _Noted(NamedTuple):
    """What is noted of an image's table.

    Attributes
    ----------
    own : tuple of int and str, or None
        Size and checksum of SegMake's own; None of what version 0.1.0 measured.
    rows : int or None
        How many rows it has there, where that is known.
    """

    own: tuple[int, str] | None
    rows: int | None = None


def join_cells(plan: Plan, images: Iterable[str]) -> tuple[JoinedCells, dict[str, Problem]]:
    """Join the tables of images that are done.

    Parameters
    ----------
    plan : Plan
    images : iterable of str
        In the order in which their cells are to stand.

    Returns
    -------
    JoinedCells
    dict
        The problem of each image whose table is damaged, ``SM-OUT-013``; its cells are left out.
    """
    noted = {image: own for batch in plan.batches for image, own in _noted(plan, batch).items()}
    tables, broken = [], {}
    known: dict[bytes, _Kind] = {}
    for image in images:
        try:
            tables.append(_table(plan, image, noted[image], known))
        except Problem as problem:
            broken[image] = problem
    return JoinedCells(tables), broken


def fail_broken(plan: Plan, broken: dict[str, Problem]) -> None:
    """Note images whose tables are damaged as failed, so that the next run measures them again.

    SegMake's own tables are removed; a CSV, which somebody may have saved, is moved to ``changed``.
    """
    for batch in plan.batches.values():
        tasks = [task for task in batch.tasks[MEASURE] if task.image in broken]
        if not tasks:
            continue
        with Journal(plan.folders.journal(MEASURE, batch.name)).locked() as journal:
            for task in tasks:
                problem, table = broken[task.image], task.outputs[0]
                plan.folders.table(task.image).unlink(missing_ok=True)
                if problem.where == str(table) and table.exists():
                    if table.stat().st_size:
                        keep_changed(table, plan.folders.results)
                    table.unlink(missing_ok=True)
                noted = {"code": problem.code, "where": problem.where, "values": problem.values}
                journal.add(task.image, "failed", task.key, task.attempt, **noted)


def _with_same_columns(tables: Sequence[_Table]) -> list[_Table]:
    """Give the columns of a channel one name, where its name differs in case or stray blanks from image to image."""
    first: dict[str, str] = {}
    renamed: dict[tuple[str, ...], tuple[str, ...]] = {}
    for table in tables:
        if table.columns not in renamed:
            keys = [channel_key(column) for column in table.columns]
            renamed[table.columns] = tuple(
                first.setdefault(key, " ".join(column.split())) if keys.count(key) == 1 else column
                for key, column in zip(keys, table.columns, strict=True)
            )
    return [table._replace(columns=renamed[table.columns]) for table in tables]


def _kinds(tables: Sequence[_Table]) -> pd.DataFrame:
    """Return a few rows that have the types of the columns of all tables together."""
    # A table without rows has no types to speak of, and would turn the joined columns into text.
    filled = [table for table in tables if table.rows] or tables[:1]
    seen: dict[tuple[tuple[str, ...], int], pd.DataFrame] = {}
    for table in filled:
        for kind in table.kinds:
            # Tables of one kind share the row that stands for it.
            if (table.columns, id(kind)) not in seen:
                row = kind.set_axis(list(table.columns), axis="columns")
                row.insert(0, "image", table.image)
                seen[table.columns, id(kind)] = row
    if not seen:
        return pd.DataFrame(columns=["image"])
    kinds = pd.concat(seen.values(), ignore_index=True)
    return kinds if any(table.rows for table in filled) else kinds.iloc[:0].astype(object)


def _below(kinds: pd.DataFrame, parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return rows with the columns and types that they have together with those of these kinds."""
    if len(parts) == 1 and parts[0].dtypes.equals(kinds.dtypes):
        return parts[0]
    return pd.concat([kinds, *parts], ignore_index=True).iloc[len(kinds) :]


def _read(tables: Sequence[_Table], columns: Iterable[str]) -> Iterator[pd.DataFrame]:
    """Yield the rows of tables that have the same columns, with their images: those of some columns.

    Where the types do not depend on what is in them, many tables become rows of pandas together, which is much faster.
    """
    from pyarrow import concat_tables

    names, plain = tables[0].columns, tables[0].plain
    wanted = [number for number, name in enumerate(names) if name in columns]
    waiting: list[Any] = []
    images: list[str] = []
    rows = 0
    for table in tables:
        for part in _parts(table.path, wanted):
            waiting.append(part)
            images.append(table.image)
            rows += len(part)
            full = rows >= ROWS or len(waiting) >= TABLES
            if plain and not full and table is not tables[-1]:
                continue
            lengths = list(map(len, waiting))
            joined = _as_pandas(concat_tables(waiting) if plain else part)
            joined = joined.set_axis([names[number] for number in wanted], axis="columns")
            if "image" in columns:
                joined.insert(0, "image", np.repeat(np.array(images, object), lengths))
            waiting, images, rows = [], [], 0
            yield joined


def _as_pandas(rows: pyarrow.Table | pd.DataFrame) -> pd.DataFrame:
    if isinstance(rows, pd.DataFrame):
        return rows
    table = rows.to_pandas(use_threads=False, split_blocks=True)
    # What was noted of one part is not true of all.
    table.attrs.clear()
    return table


def _parts(
    path: Path, columns: Sequence[int] | None = None
) -> Iterator[pyarrow.Table | pd.DataFrame]:
    """Yield the rows of an image's table: all columns, or those with these numbers."""
    from pyarrow.parquet import ParquetFile

    if path.suffix == ".csv":
        table = pd.read_csv(path)
        yield table if columns is None else table.iloc[:, list(columns)]
        return
    with ParquetFile(path) as file:
        names = file.schema_arrow.names
        chosen = names if columns is None else [names[number] for number in columns]
        for number in range(file.num_row_groups):
            yield file.read_row_group(number, columns=chosen, use_threads=False)


def _noted(plan: Plan, batch: str) -> dict[str, _Noted]:
    """Return what is noted of the tables of a batch's images; nothing else of its journals stays in memory."""
    measured = Journal(plan.folders.journal(MEASURE, batch)).finished()
    results, found, unknown = plan.folders.results, {}, []
    for image, entry in measured.items():
        name = name_of(plan.folders.table(image), results)
        found[image] = _Noted((as_record(entry.details.get("outputs")) or {}).get(name))
        unknown += [] if found[image].own else [image]
    masked = Journal(plan.folders.journal(MASKS, batch)).finished() if unknown else {}
    for image in unknown:
        kept = masked[image].details.get("cells_kept") if image in masked else None
        left_out = measured[image].details.get("left_out")
        if kept is not None and left_out is not None:
            found[image] = _Noted(None, kept - left_out)
    return found


def _table(plan: Plan, image: str, noted: _Noted, known: dict[bytes, _Kind]) -> _Table:
    """Return the table of an image, once it is known to be whole.

    Parameters
    ----------
    known : dict
        The kinds of tables that were seen, by what these say of their columns.
    """
    from pyarrow.parquet import ParquetFile

    own = plan.folders.table(image)
    if noted.own is None:
        path = plan.folders.cells(image)
        table = _read_csv(path, noted.rows)
        return _Table(image, path, len(table), tuple(table.columns), (_row(table),))
    try:
        with own.open("rb") as content:
            found = own.stat().st_size, hashlib.file_digest(content, "sha256").hexdigest()
            if found == noted.own:
                file = ParquetFile(content)
                schema, rows = file.schema_arrow, file.metadata.num_rows
    except OSError:
        found = 0, ""
    if found != noted.own:
        raise Problem("SM-OUT-013", where=str(own), reason=say("table.checksum"))
    if rows == 0:
        row = schema.empty_table().to_pandas()
        return _Table(image, own, 0, tuple(schema.names), (row,))
    said = schema.remove_metadata().serialize().to_pybytes() + schema.metadata[b"pandas"]
    if said not in known:
        if not _types_are_plain(schema):
            kinds = tuple(_row(_as_pandas(part)) for part in _parts(own))
            return _Table(image, own, rows, tuple(schema.names), kinds)
        filled = next(part for part in _parts(own) if len(part))
        known[said] = _Kind(tuple(schema.names), _row(_as_pandas(filled)))
    kind = known[said]
    return _Table(image, own, rows, kind.columns, (kind.row,), kind)


def _types_are_plain(schema: pyarrow.Schema) -> bool:
    """Return whether the types of a table's columns are the same whatever is in them."""
    from pyarrow import types

    said = {
        column["field_name"]: column["numpy_type"]
        for column in (schema.pandas_metadata or {"columns": []})["columns"]
    }
    return bool(said) and all(
        said.get(field.name) == str(field.type)
        for field in schema
        if types.is_integer(field.type) or types.is_boolean(field.type)
    )


def _row(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row with the types of a table, with something in each column that is not empty."""
    first = []
    for number in range(len(table.columns)):
        values = table.iloc[:, number]
        there = values.dropna()
        first.append((there if len(there) else values).iloc[:1].reset_index(drop=True))
    return pd.concat(first, axis="columns")


def _read_csv(path: Path, wanted: int | None) -> pd.DataFrame:
    """Return a table that version 0.1.0 wrote.

    Parameters
    ----------
    wanted : int or None
        How many rows it has, where that is known.
    """
    if not path.exists() or path.stat().st_size == 0:
        raise Problem("SM-OUT-013", where=str(path), reason=say("table.empty"))
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
            rows = csv.reader(lines)
            header = next(rows)
            widths = [len(row) for row in rows]
        if not looks_whole(path) or not set(header) >= _ALWAYS or set(widths) - {len(header)}:
            raise ValueError
        if wanted is not None and len(widths) != wanted:
            reason = say("table.cut", found=len(widths), wanted=wanted)
            raise Problem("SM-OUT-013", where=str(path), reason=reason)
        return pd.read_csv(path)
    except (OSError, ValueError, csv.Error, StopIteration):
        raise Problem("SM-OUT-013", where=str(path), reason=say("table.form")) from None
