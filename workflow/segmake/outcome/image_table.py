"""What became of each image, as a table of pandas."""

from __future__ import annotations

import pandas as pd

from segmake.outcome.image_rows import IMAGE_COLUMNS, PIXEL_SIDES
from segmake.outcome.last_words import judge
from segmake.outcome.timing import PHASES, Segmented
from segmake.plan.plan import Plan


def image_table(plan: Plan, segmented: Segmented | None = None) -> pd.DataFrame:
    """Return what `segmake.outcome.image_rows.image_rows` does, with a type for each column.

    What of it has not changed since the images were last judged is taken from there, and the rest kept.
    """
    rows, _ = judge(plan, segmented)
    table = pd.DataFrame(rows, columns=list(IMAGE_COLUMNS))
    # Names or numbers: pandas would make 1.0 of a number where another image has none.
    table["position"] = pd.Series([row["position"] for row in rows], dtype=object)
    whole = (
        *("cells", "attempt", "width_px", "height_px"),
        *("tracks", "divisions", "left_out"),
    )
    fractions = ("seconds", *PIXEL_SIDES, *(f"{phase}_seconds" for phase in PHASES))
    return table.astype(dict.fromkeys(whole, "Int64") | dict.fromkeys(fractions, "float64"))
