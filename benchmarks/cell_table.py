"""Writing ``cells.csv``: a row for each cell of all images.

    python benchmarks/cell_table.py [--before CHECKOUT]

24 columns, as the default measurements of one channel have; only the writing function is timed, in its own process.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)] if str(ROOT) not in sys.path else []

from benchmarks.house import Cost, Figure, Given, Way, alone, figures, python  # noqa: E402

TITLE = "The table of all cells, written as CSV"
NOTE = (
    "24 columns. The memory is what writing adds to the table itself. `pyarrow.csv` is its writer alone, which knows no"
    " mark for Excel and keeps no cell from being taken for a formula."
)
UNIT = "rows"
SIZES = (100_000, 1_000_000)
QUICK = (100_000,)

_TABLE = """
import json, sys, time
from pathlib import Path
import numpy as np
import pandas as pd

def peak():
    return int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]) / 1024

path, rows = Path(sys.argv[1]), int(sys.argv[2])
random = np.random.default_rng(0)
names = pd.Series(np.repeat([f"day 1/field_{number}.tif" for number in range(rows // 1000)], 1000))
columns = {"image": names, "label": np.tile(np.arange(1, 1001), rows // 1000)}
columns["area_px"] = random.integers(50, 900, rows).astype(float)
columns |= {f"measure_{n}": random.normal(size=rows) * 10.0 ** (n % 5) for n in range(20)}
columns["touches_edge"] = random.random(rows) < 0.1
table = pd.DataFrame(columns)

def told(write):
    write(table[:10], path)
    open("/proc/self/clear_refs", "w").write("5")
    before, began = peak(), time.process_time()
    write(table, path)
    seconds = time.process_time() - began
    counted = {"seconds": seconds, "memory": peak() - before, "MB written": path.stat().st_size / 1e6}
    print(json.dumps({"counted": counted}))
"""
_OURS = _TABLE + "from segmake.core.tables import write_csv\ntold(write_csv)\n"
_PANDAS = _TABLE + "told(lambda table, path: table.to_csv(path, index=False))\n"
_ARROW = (
    _TABLE
    + """
import pyarrow
from pyarrow import csv

told(lambda table, path: csv.write_csv(pyarrow.Table.from_pandas(table, preserve_index=False), path))
"""
)


def measure(sizes: list[int], repeats: int, given: Given = Given()) -> list[Figure]:  # noqa: B008
    """Return what writing so many rows takes."""
    found = []
    with tempfile.TemporaryDirectory(prefix="segmake-benchmark-") as name:
        folder = Path(name)

        def way(title: str, program: str, clone: Path, size: int, lacks: str = "") -> Way:
            def run() -> Cost:
                return python(program, folder, clone, folder / "cells.csv", str(size))

            return Way(title, run, lacks)

        safe = "cells that a spreadsheet would take for formulas; the mark that tells Excel UTF-8"
        for size in sizes:
            ways = [way(title, _OURS, clone, size) for title, clone in given.checkouts().items()]
            ways += [
                way("pandas' `to_csv`", _PANDAS, ROOT, size, safe),
                way("`pyarrow.csv`", _ARROW, ROOT, size, safe),
            ]
            found += figures(size, ways, repeats)
    return found


if __name__ == "__main__":
    alone(sys.modules[__name__])
