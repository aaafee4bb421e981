"""Writing ``cells.csv``: a row for each cell of all images.

    python benchmarks/cell_table.py [--before CHECKOUT]

24 columns, as the default measurements of one channel have; only joining and writing are timed, in their own process.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)] if str(ROOT) not in sys.path else []

from benchmarks.house import OURS, Cost, Figure, Given, Way, alone, figures, python  # noqa: E402

TITLE = "The table of all cells, written as CSV"
NOTE = (
    "24 columns, in parts of 20,000 rows, as the tables of images come; whoever can't take parts has them joined first."
    " The memory is what joining and writing add."
)
UNIT = "rows"
SIZES = (1_000_000, 10_000_000)
QUICK = (100_000,)
# Above, the others hold gigabytes and take minutes: only SegMake is run, and once.
LARGEST = 1_000_000

_TABLE = """
import json, sys, time
from pathlib import Path
import numpy as np
import pandas as pd

def peak():
    return int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]) / 1024

PART = 20_000
path, rows = Path(sys.argv[1]), int(sys.argv[2])
random = np.random.default_rng(0)
names = pd.Series(np.repeat([f"day 1/field_{number}.tif" for number in range(PART // 1000)], 1000))
columns = {"image": names, "label": np.tile(np.arange(1, 1001), PART // 1000)}
columns["area_px"] = random.integers(50, 900, PART).astype(float)
columns |= {f"measure_{n}": random.normal(size=PART) * 10.0 ** (n % 5) for n in range(20)}
columns["touches_edge"] = random.random(PART) < 0.1
part = pd.DataFrame(columns)

def told(write):
    write([part[:10]])
    open("/proc/self/clear_refs", "w").write("5")
    before, began = peak(), time.process_time()
    write([part.copy(deep=False) for _ in range(rows // PART)])
    seconds = time.process_time() - began
    counted = {"seconds": seconds, "memory": peak() - before, "MB written": path.stat().st_size / 1e6}
    print(json.dumps({"counted": counted}))
"""
_OURS = (
    _TABLE
    + """
import importlib.util
from segmake.core.tables import write_csv

# Before cells were joined in parts, the whole table was written at once.
if importlib.util.find_spec("segmake.labels.joined_cells"):
    told(lambda parts: write_csv(iter(parts), path))
else:
    told(lambda parts: write_csv(pd.concat(parts, ignore_index=True), path))
"""
)
_PANDAS = _TABLE + "told(lambda parts: pd.concat(parts).to_csv(path, index=False))\n"
_ARROW = (
    _TABLE
    + """
import pyarrow
from pyarrow import csv

told(lambda parts: csv.write_csv(pyarrow.Table.from_pandas(pd.concat(parts), preserve_index=False), path))
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
            if size > LARGEST:
                ways = [way(OURS, _OURS, ROOT, size)]
            found += figures(size, ways, 1 if size > LARGEST else repeats)
    return found


if __name__ == "__main__":
    alone(sys.modules[__name__])
