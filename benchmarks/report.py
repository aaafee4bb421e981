"""What the report of a run takes to be written and to be opened, by the number of its images and of its cells.

    python benchmarks/report.py [--images 12 300 2000] [--cells 10000 1000000] [--flagged 40] [--keep FOLDER]

Draws pictures of noisy fields, a table of images and one of cells, and writes the report of each number of images (with
the most cells) and of each number of cells (with the most images) in a process of its own: CPU seconds, and how much
memory was added to what its modules take. Then Chromium opens each from disk, if there is one: when the page is first
painted, when it is loaded, and how much of a core its main thread has used until then.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow.parquet import ParquetWriter

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]

from benchmarks.house import Cost, Figure, Given, Way, figures, python  # noqa: E402
from tests.page.browser import install, why_not  # noqa: E402

from segmake.labels.pictures import write_pictures  # noqa: E402

TITLE = "The report"
NOTE = (
    "300 images, and so many cells: writing the report alone, from a table that is there. The memory is what writing"
    " adds to its modules. *Painted*, *loaded*: from disk, in Chromium, where there is one; *its processor*: what"
    " Chromium's main thread has used until then."
)
UNIT = "cells"
SIZES = (1_000_000,)
QUICK = (1_000,)
IMAGES = 300

SIDE = 512
# So many pictures differ: more than a page shows.
_DRAWN = 400
# So many cells are drawn at a time.
_PART = 100_000

_PROGRAM = """
import json, resource, sys
from pathlib import Path
import matplotlib.figure, pandas as pd
import segmake.report.embedded_pictures
from segmake.report.page import Run, write_report
try:
    from segmake.report.cell_columns import CellColumns
except ImportError:
    CellColumns = pd.read_parquet  # SegMake as it was before takes the whole table.

def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime

folder, images = Path(sys.argv[1]), int(sys.argv[3])
rows = pd.read_pickle(folder / "images.pickle").iloc[:images]
run = Run("drawn", "2026-11-30T10:00:00", "2026-11-30T11:00:00", {}, "threshold", "otsu", {}, "CPU", "snakemake")
before, began = megabytes(), seconds()
write_report(
    Path(sys.argv[4]), images=rows, cells=CellColumns(Path(sys.argv[2])), run=run,
    thumbnails=lambda name: (folder / f"{name}.before.jpg", folder / f"{name}.after.jpg"),
)
print(json.dumps({"counted": {"seconds": seconds() - began, "memory": megabytes() - before}}))
"""

# What a page has to tell of how it was opened, once it is loaded.
_TIMES = """() => {
  const [whole] = performance.getEntriesByType("navigation");
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  return [paint ? paint.startTime / 1000 : null, whole.loadEventEnd / 1000];
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, nargs="+", default=[12, 300, 2000])
    parser.add_argument("--cells", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--flagged", type=int, default=40, help="images to look at among the most")
    parser.add_argument("--keep", type=Path, help="where the reports are to stay")
    parser.add_argument("--json", action="store_true", help="the figures as one line of JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        found = reports(
            Path(options.keep or temporary), options.images, options.cells, options.flagged
        )
    if options.json:
        print(json.dumps(found))
        return
    print("| images | cells | CPU | memory added | file | first paint | loaded | main thread |")
    print("|---|---|---|---|---|---|---|---|")
    for one in found:
        opened = [f"{one[name]:.2f} s" if one[name] else "" for name in ("paint", "load", "busy")]
        print(
            f"| {one['images']:,} | {one['cells']:,} | {one['cpu']:.1f} s | {one['memory']:.0f} MB "
            f"| {one['size']:.1f} MB | {' | '.join(opened)} |"
        )


def measure(sizes: list[int], repeats: int, given: Given = Given()) -> list[Figure]:  # noqa: B008
    """Return what the report of so many cells takes."""
    found = []
    with tempfile.TemporaryDirectory(prefix="segmake-benchmark-") as name:
        folder = Path(name)
        draw_images(folder, IMAGES, 10)
        for size in sizes:
            draw_cells(folder / f"{size}.parquet", size, IMAGES)
            ways = [
                Way(title, partial(_once, folder, size, clone))
                for title, clone in given.checkouts().items()
            ]
            found += figures(size, ways, repeats)
    return found


def _once(folder: Path, cells: int, clone: Path) -> Cost:
    written = _written(folder, IMAGES, cells, clone)
    opened = _opened(folder / _name(IMAGES, cells))
    named = {"painted, s": "paint", "loaded, s": "load", "its processor, s": "busy"}
    counted = {head: opened[name] for head, name in named.items() if opened[name] is not None}
    return Cost(written["cpu"], written["memory"], {"file, MB": written["size"], **counted})


def reports(
    folder: Path, images: list[int], cells: list[int], flagged: int
) -> list[dict[str, Any]]:
    """Return a row for each number of images, and of cells: in seconds and megabytes, None where nothing was opened."""
    folder.mkdir(parents=True, exist_ok=True)
    draw_images(folder, max(images), flagged)
    for number in cells:
        draw_cells(folder / f"{number}.parquet", number, max(images))
    runs = [(number, max(cells)) for number in images]
    runs += [(max(images), number) for number in cells if number != max(cells)]
    return [{**_written(folder, *run), **_opened(folder / _name(*run))} for run in runs]


def draw_images(folder: Path, number: int, flagged: int) -> None:
    """Draw pictures before and after of so many fields with discs, and the table of images."""
    random = np.random.default_rng(0)
    rows, columns = np.indices((SIDE, SIDE))
    inside = (rows % 64 - 32) ** 2 + (columns % 64 - 32) ** 2 < 300
    labels = np.where(inside, 1 + rows // 64 * (SIDE // 64) + columns // 64, 0)
    for place in range(number):
        pair = _pair(folder, f"field_{place:05}.tif")
        if pair[1].exists():
            continue
        if place < _DRAWN:
            plane = random.normal(300, 6, (SIDE, SIDE)) + 250 * inside
            write_pictures(
                plane, labels, picture=folder / "whole.png", before=pair[0], after=pair[1]
            )
        else:
            first = _pair(folder, f"field_{place % _DRAWN:05}.tif")
            for path, same in zip(pair, first, strict=True):
                path.hardlink_to(same)
    table = pd.DataFrame({"image": [f"field_{place:05}.tif" for place in range(number)]})
    table["state"], table["cells"], table["seconds"] = "done", 256, random.uniform(1, 2, number)
    table["mask"], table["picture"] = "masks/" + table.image, "pictures/" + table.image + ".png"
    table["flags"] = table["flag_reasons"] = ""
    places = np.linspace(0, number - 1, min(flagged, number)).astype(int)
    table.loc[places, ["flags", "flag_reasons"]] = ("edge", "Many cells touch the edge.")
    table.to_pickle(folder / "images.pickle")


def _pair(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f"{name}.before.jpg", folder / f"{name}.after.jpg"


def draw_cells(path: Path, number: int, images: int) -> None:
    """Draw a table of so many cells, with the columns that are measured by default."""
    random = np.random.default_rng(0)
    with ParquetWriter(path, _part(random, 0, 0, 1, 1).schema) as writer:
        for start in range(0, number, _PART):
            writer.write_table(_part(random, start, min(start + _PART, number), number, images))


def _part(random: np.random.Generator, start: int, end: int, number: int, images: int) -> pa.Table:
    names = [f"field_{place * images // number:05}.tif" for place in range(start, end)]
    table = pd.DataFrame({"image": pd.Series(names, dtype=str), "label": np.arange(start, end)})
    for column in ("y", "x", "intensity_mean", "intensity_median", "eccentricity", "solidity"):
        table[column] = random.random(end - start)
    for name, usual, power in (("area", 300, 2), ("length", 30, 1), ("width", 12, 1)):
        sizes = random.lognormal(np.log(usual), 0.3, end - start)
        unit = "um2" if power == 2 else "um"
        table[f"{name}_px"], table[f"{name}_{unit}"] = sizes, sizes * 0.065**power
    return pa.Table.from_pandas(table, preserve_index=False)


def _name(images: int, cells: int) -> str:
    return f"report_{images}_{cells}.html"


def _written(folder: Path, images: int, cells: int, clone: Path = ROOT) -> dict[str, Any]:
    report = folder / _name(images, cells)
    words = [folder, folder / f"{cells}.parquet", str(images), report]
    taken = python(_PROGRAM, folder, clone, *words)
    size = report.stat().st_size / 1e6
    told = {"cpu": taken.seconds, "memory": taken.memory, "size": size}
    return {"images": images, "cells": cells, **told}


def _opened(report: Path) -> dict[str, float | None]:
    """Return when the page is first painted and when it is loaded; None where no browser can be started."""
    if why_not():
        return {"paint": None, "load": None, "busy": None}
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=install(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        page.goto(report.resolve().as_uri(), wait_until="load")
        figures = session.send("Performance.getMetrics")["metrics"]
        busy = next(one["value"] for one in figures if one["name"] == "TaskDuration")
        page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
        paint, load = page.evaluate(_TIMES)
        browser.close()
    return {"paint": paint, "load": load, "busy": busy}


if __name__ == "__main__":
    main()
