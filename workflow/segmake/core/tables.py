"""The tables of the whole run, as pandas has them, and how tables are written."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from segmake.core.files import write_atomically


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, in UTF-8 with the mark by which Excel knows it."""
    with write_atomically(path) as part:
        table.to_csv(part, index=False, encoding="utf-8-sig", errors="surrogateescape")


def write_parquet(table: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet."""
    with write_atomically(path) as part:
        table.to_parquet(part, index=False)
