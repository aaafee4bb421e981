"""The tables of the whole run, as pandas has them, and how tables are written."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from segmake.files import write_atomically
from segmake.image_rows import IMAGE_COLUMNS, PIXEL_SIDES, image_rows
from segmake.plan import Plan
from segmake.timing import PHASES


def image_table(plan: Plan) -> pd.DataFrame:
    """Return what `segmake.image_rows.image_rows` does, with a type for each column."""
    table = pd.DataFrame(image_rows(plan), columns=list(IMAGE_COLUMNS))
    whole = (
        *("cells", "attempt", "width_px", "height_px"),
        *("tracks", "divisions", "left_out"),
    )
    fractions = ("seconds", *PIXEL_SIDES, *(f"{phase}_seconds" for phase in PHASES))
    return table.astype(dict.fromkeys(whole, "Int64") | dict.fromkeys(fractions, "float64"))


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, in UTF-8 with the mark by which Excel knows it."""
    with write_atomically(path) as part:
        table.to_csv(part, index=False, encoding="utf-8-sig", errors="surrogateescape")


def write_parquet(table: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet."""
    with write_atomically(path) as part:
        table.to_parquet(part, index=False)
