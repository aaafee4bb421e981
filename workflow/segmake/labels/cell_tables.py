"""The tables of cells: SegMake's own of each image, and what is made of it for users.

What is true is SegMake's own table, ``.segmake/tables/IMAGE.parquet``. The CSV of the image, which users open, edit and
save in many ways, is made from it, and so are ``cells.csv`` and ``cells.parquet``. Of images that version 0.1.0
measured there is only the CSV: it is read if it is as SegMake writes it, and has as many rows as there are cells.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TextIO

import pandas as pd

from segmake.core.files import open_atomically
from segmake.core.journal import Entry, Journal, as_record
from segmake.images.selection import channel_key
from segmake.messages import Problem, say
from segmake.plan.plan import Plan
from segmake.runner.pipeline import Task
from segmake.runner.records import keep_changed, looks_whole, name_of

if TYPE_CHECKING:
    import pyarrow

# So many rows lie together in a table, and in memory while it is written.
ROWS = 20_000

# Under this name a table says what it was made of.
_FACTS = b"segmake"

# Columns that every table of cells has.
_ALWAYS = {"label", "area_px"}


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
    with open_atomically(own) as part, open_atomically(task.outputs[0]) as text:
        with _as_text(text) as lines:
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
            with open_atomically(task.outputs[0]) as text:
                with _as_text(text) as lines:
                    for number in range(file.num_row_groups):
                        table = file.read_row_group(number).to_pandas()
                        table.to_csv(lines, index=False, header=number == 0)
            return dict(facts["details"])
    # Whatever is wrong with it, the cells are measured again.
    except (ArrowException, OSError, ValueError, KeyError, TypeError):
        return None


def join_cells(plan: Plan, images: Iterable[str]) -> tuple[pd.DataFrame, dict[str, Problem]]:
    """Join the tables of images that are done.

    Parameters
    ----------
    plan : Plan
    images : iterable of str
        In the order in which their cells are to stand.

    Returns
    -------
    DataFrame
        A row per cell: ``image``, then what `segmake.labels.measurement.measure_cells` gives.
    dict
        The problem of each image whose table is damaged, ``SM-OUT-013``; its cells are left out.
    """
    ends = {
        step: {
            image: entry
            for batch in plan.batches
            for image, entry in Journal(plan.folders.journal(step, batch)).finished().items()
        }
        for step in ("masks", "measure")
    }
    tables, broken = [], {}
    for image in images:
        try:
            table = _read(plan, image, ends["measure"][image], ends["masks"].get(image))
        except Problem as problem:
            broken[image] = problem
            continue
        table.insert(0, "image", image)
        tables.append(table)
    tables = _with_same_columns(tables)
    # A table without rows has no types to speak of, and would turn the joined columns into text.
    filled = [table for table in tables if len(table)]
    if filled:
        return pd.concat(filled, ignore_index=True), broken
    return (tables[0].astype(object) if tables else pd.DataFrame(columns=["image"])), broken


def fail_broken(plan: Plan, broken: dict[str, Problem]) -> None:
    """Note images whose tables are damaged as failed, so that the next run measures them again.

    SegMake's own tables are removed; a CSV, which somebody may have saved, is moved to ``changed``.
    """
    for batch in plan.batches.values():
        tasks = [task for task in batch.tasks["measure"] if task.image in broken]
        if not tasks:
            continue
        with Journal(plan.folders.journal("measure", batch.name)).locked() as journal:
            for task in tasks:
                problem, table = broken[task.image], task.outputs[0]
                plan.folders.table(task.image).unlink(missing_ok=True)
                if problem.where == str(table) and table.exists():
                    if table.stat().st_size:
                        keep_changed(table, plan.folders.results)
                    table.unlink(missing_ok=True)
                noted = {"code": problem.code, "where": problem.where, "values": problem.values}
                journal.add(task.image, "failed", task.key, task.attempt, **noted)


def _with_same_columns(tables: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """Give the columns of a channel one name, where its name differs in case or stray blanks from image to image."""
    first: dict[str, str] = {}
    renamed = []
    for table in tables:
        keys = [channel_key(column) for column in table.columns]
        names = [
            first.setdefault(key, " ".join(column.split())) if keys.count(key) == 1 else column
            for key, column in zip(keys, table.columns, strict=True)
        ]
        renamed.append(table.set_axis(names, axis="columns"))
    return renamed


@contextmanager
def _as_text(file: IO[bytes]) -> Iterator[TextIO]:
    """Let a table be written to an open file in the form that Excel knows: UTF-8 with the mark; it stays open."""
    lines = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
    try:
        yield lines
    finally:
        lines.detach()


def _written(tables: Iterable[pd.DataFrame], lines: TextIO) -> Iterator[pd.DataFrame]:
    """Yield tables, each once its rows are written as CSV."""
    for number, table in enumerate(tables):
        table.to_csv(lines, index=False, header=number == 0)
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


def _read(plan: Plan, image: str, measured: Entry, masked: Entry | None) -> pd.DataFrame:
    """Return the table of an image."""
    own, results = plan.folders.table(image), plan.folders.results
    noted = (as_record(measured.details.get("outputs")) or {}).get(name_of(own, results))
    if noted is None:
        kept = masked.details.get("cells_kept") if masked else None
        left_out = measured.details.get("left_out")
        wanted = None if kept is None or left_out is None else kept - left_out
        return _read_csv(plan.folders.cells(image), wanted)
    try:
        content = own.read_bytes()
    except OSError:
        content = b""
    if (len(content), hashlib.sha256(content).hexdigest()) != noted:
        raise Problem("SM-OUT-013", where=str(own), reason=say("table.checksum"))
    table = pd.read_parquet(io.BytesIO(content))
    # What was noted of one part is not true of all.
    table.attrs.clear()
    return table


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
