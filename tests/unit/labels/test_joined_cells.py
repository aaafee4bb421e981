"""The cells of all images, a part at a time: what pandas makes of all tables at once, row by row and type by type."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pytest
from pyarrow.parquet import ParquetFile, write_table

from segmake.core.spreadsheets import write_xlsx
from segmake.core.tables import write_csv, write_csv_and_parquet
from segmake.labels import joined_cells
from segmake.labels.joined_cells import JoinedCells, join_cells
from tests.unit.peak_memory import peak_of

# What a column may hold in one table, and the same column in another one.
CONTENTS: list[Any] = [
    lambda n: np.arange(n) + 0.1,
    lambda n: np.full(n, np.nan),
    lambda n: np.arange(n),
    lambda n: np.arange(n) % 2 == 0,
    lambda n: pd.array([True, None, False][:n], dtype=object),
    lambda n: pd.Series([None] * n, dtype=object),
]
TEXTS: list[Any] = [
    lambda n: [f"track {i}" for i in range(n)],
    lambda n: pd.Series([None, *"bc"][:n], dtype="str"),
    lambda n: pd.Series([None] * n, dtype="str"),
]


class Noted:
    """A journal in which all tables were noted as they are."""

    def __init__(self, path: Path) -> None:
        self.folder = path.parent

    def finished(self) -> dict[str, Any]:
        def noted(own: Path) -> list[object]:
            content = own.read_bytes()
            return [len(content), hashlib.sha256(content).hexdigest()]

        return {
            own.stem: SimpleNamespace(details={"outputs": {own.name: noted(own)}})
            for own in self.folder.glob("*.parquet")
        }


@pytest.fixture
def join(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Join tables as those of images that are called by their numbers, each with so many rows in a group."""
    monkeypatch.setattr(joined_cells, "Journal", Noted)
    folders = SimpleNamespace(
        results=tmp_path,
        table=lambda image: tmp_path / f"{image}.parquet",
        journal=lambda step, batch: tmp_path / step,
    )

    def joined(tables: list[pd.DataFrame], rows_of_a_group: int = 2) -> JoinedCells:
        for number, table in enumerate(tables):
            rows = pyarrow.Table.from_pandas(table, preserve_index=False)
            write_table(rows, folders.table(str(number)), row_group_size=rows_of_a_group)
        names = map(str, range(len(tables)))
        cells, broken = join_cells(SimpleNamespace(folders=folders, batches=["1"]), names)
        assert broken == {}
        return cells

    return joined


def at_once(tables: list[pd.DataFrame], folder: Path) -> pd.DataFrame:
    """Return what pandas makes of the same files at once."""
    read = []
    for number in range(len(tables)):
        table = pd.read_parquet(folder / f"{number}.parquet")
        table.insert(0, "image", str(number))
        read.append(table)
    filled = [table for table in read if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else read[0].astype(object)


@pytest.mark.parametrize("seed", range(30))
def test_types_are_those_of_all_tables_together(join, tmp_path, monkeypatch, seed) -> None:
    monkeypatch.setattr(joined_cells, "ROWS", 3)
    rng = np.random.default_rng(seed)
    tables = []
    for _ in range(rng.integers(1, 6)):
        number = int(rng.integers(0, 4))
        columns: dict[str, Any] = {"label": range(1, number + 1)}
        for name, contents in (("a", CONTENTS), ("b", CONTENTS), ("c", TEXTS)):
            if rng.random() < 0.8:
                columns[name] = rng.choice(contents)(number)
        tables.append(pd.DataFrame(columns))
    cells = join(tables)
    whole = at_once(tables, tmp_path)
    parts = list(cells.parts())
    assert cells.rows == len(whole) and cells.columns == tuple(whole.columns)
    assert all(part.dtypes.equals(whole.dtypes) for part in parts)
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole)
    some = [name for name in ("image", "b") if name in whole]
    found = pd.concat(cells.parts(["b", "image", "none"]), ignore_index=True)
    pd.testing.assert_frame_equal(found, whole[some])
    write_csv(cells.parts(), tmp_path / "parts.csv")
    write_csv(whole, tmp_path / "whole.csv")
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    try:
        whole.to_parquet(tmp_path / "of pandas", index=False)
    except pyarrow.ArrowException:
        return
    again = tmp_path / "again.csv"
    write_csv_and_parquet(cells.parts(), cells.schema, again, tmp_path / "of parts")
    assert again.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    found, wanted = (tmp_path / f"of {name}" for name in ("parts", "pandas"))
    schema = ParquetFile(wanted).schema_arrow
    assert ParquetFile(found).schema_arrow.equals(schema, check_metadata=True)
    pd.testing.assert_frame_equal(pd.read_parquet(found), pd.read_parquet(wanted))


def test_memory_does_not_grow_with_rows(join, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(joined_cells, "ROWS", 500)
    monkeypatch.setattr("segmake.core.csv_text._ROWS_AT_ONCE", 500)
    columns = {f"size_{number}": np.arange(250) / 7 for number in range(20)}
    tables = [pd.DataFrame({"label": np.arange(250), **columns}) for _ in range(40)]

    def peaks(number: int) -> dict[str, int]:
        cells = join(tables[:number], 250)
        both = tmp_path / "cells.csv", tmp_path / "cells.parquet"
        ways = {
            "csv": lambda: write_csv_and_parquet(cells.parts(), cells.schema, *both),
            "xlsx": lambda: write_xlsx(cells.parts(["label"]), tmp_path / "cells.xlsx"),
        }
        return {name: peak_of(way) for name, way in ways.items()}

    peaks(4)
    few, many = peaks(10), peaks(40)
    assert all(many[name] < 1.2 * few[name] for name in few), (few, many)


@pytest.mark.parametrize("number", [10, 40])
def test_of_many_images_with_few_cells_few_tables_wait_at_once(join, monkeypatch, number) -> None:
    monkeypatch.setattr(joined_cells, "TABLES", 4)
    together = pyarrow.concat_tables
    waited: list[int] = []

    def noted(tables: list[pyarrow.Table]) -> pyarrow.Table:
        waited.append(len(tables))
        return together(tables)

    monkeypatch.setattr(pyarrow, "concat_tables", noted)
    cells = join([pd.DataFrame({"label": [1], "area_px": [9.5]})] * number)
    assert sum(map(len, cells.parts())) == number == sum(waited)
    assert max(waited) == 4
