"""Writing ``cells.csv``: a row for each cell of all images.

    python benchmarks/cell_table.py [--before CHECKOUT] [--sizes 10000000]

24 columns, as the default measurements of one channel have; only joining and writing are timed, in their own process.
Ten million rows write 6 GB; they are in no memory as a whole, so that only what takes them in parts is run.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)] if str(ROOT) not in sys.path else []

from benchmarks.house import OURS, Cost, Figure, Given, Way, alone, figures, python  # noqa: E402

TITLE = "The table of all cells, written as CSV"
NOTE = (
    "24 columns, in parts of 20,000 rows, as the tables of images come; whoever can't take parts has them joined first."
    " *Read, and Parquet*: what the report does, from the tables of images with 1,000 cells each to both tables of all"
    " cells. The memory is what joining and writing add."
)
UNIT = "rows"
SIZES = (1_000_000, 10_000_000)
QUICK = (100_000,)
# More are not held in memory to be written at once, and take minutes: by SegMake alone, and once.
MOST_AT_ONCE = 2_000_000

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

def told(write, few=[part[:10]], all=[part.copy(deep=False) for _ in range(rows // PART)]):
    write(few)
    open("/proc/self/clear_refs", "w").write("5")
    before, began = peak(), time.process_time()
    write(all)
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
# A table for each image: of twenty that differ, the others are the same files under other names.
_JOINED = (
    _TABLE
    + """
import hashlib
from types import SimpleNamespace
import pyarrow
from pyarrow.parquet import write_table
from segmake.core.tables import write_csv_and_parquet
from segmake.labels.joined_cells import join_cells
from segmake.plan.result_paths import ResultPaths

folders = ResultPaths(path.parent / f"results of {rows}")
images = [f"day 1/field_{number:05}.tif" for number in range(rows // 1000)]
files = [folders.table(image) for image in images]
files[0].parent.mkdir(parents=True)
for number, file in enumerate(files):
    if number < 20:
        own = part.iloc[1000 * number : 1000 * (number + 1), 1:].reset_index(drop=True)
        write_table(pyarrow.Table.from_pandas(own, preserve_index=False), file)
    else:
        file.hardlink_to(files[number % 20])
contents = [file.read_bytes() for file in files[:20]]
noted = [[len(content), hashlib.sha256(content).hexdigest()] for content in contents]
journal = folders.journal("measure", "all")
journal.parent.mkdir(parents=True)
with journal.open("w") as lines:
    for number, (image, file) in enumerate(zip(images, files)):
        outputs = {file.relative_to(folders.results).as_posix(): noted[number % 20]}
        told_of = {"image": image, "event": "done", "key": "", "attempt": 1, "time": 0.0}
        lines.write(json.dumps({**told_of, "details": {"outputs": outputs}}) + "\\n")

def write(images):
    cells, broken = join_cells(SimpleNamespace(folders=folders, batches=["all"]), images)
    assert not broken
    write_csv_and_parquet(cells.parts(), cells.schema, path, path.with_suffix(".parquet"))

told(write, images[:1], images)
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
                try:
                    return python(program, folder, clone, folder / "cells.csv", str(size))
                finally:
                    shutil.rmtree(folder / f"results of {size}", ignore_errors=True)

            return Way(title, run, lacks)

        safe = "cells that a spreadsheet would take for formulas; the mark that tells Excel UTF-8"
        for size in sizes:
            whole = way("SegMake, read, and Parquet, too", _JOINED, ROOT, size)
            if size > MOST_AT_ONCE:
                found += figures(size, [way(OURS, _OURS, ROOT, size), whole], 1)
                continue
            ways = [way(title, _OURS, clone, size) for title, clone in given.checkouts().items()]
            ways += [
                whole,
                way("pandas' `to_csv`", _PANDAS, ROOT, size, safe),
                way("`pyarrow.csv`", _ARROW, ROOT, size, safe),
            ]
            found += figures(size, ways, repeats)
    return found


if __name__ == "__main__":
    alone(sys.modules[__name__])
