"""In how many real pictures two checkouts of SegMake give the same masks and the same tables.

    python benchmarks/equal.py FOLDER... --before CHECKOUT [--cellpose PYTHON] [--only otsu local]

All pictures of the folders, but for those called ``NAME_masks.tif``, are segmented, measured and drawn by SegMake's own
steps in both checkouts: by the engine threshold with each of its methods, and by Cellpose 3 with the demo model where
its environment is there. Of several channels one is taken, of slices the brightest, and pages that the file does not
name are time points; every other setting is the default. Masks are compared pixel by pixel, tables number by number to
1e-9. Ends with 1 and the names of those that differ. A quarter of an hour on one core.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)] if str(ROOT) not in sys.path else []

from benchmarks.experiments import STEPS, planned, step  # noqa: E402
from benchmarks.house import BEFORE, DEMO_MODEL, OURS, Given, add_options, given  # noqa: E402

METHODS = ("otsu", "li", "triangle", "yen", "local")
CELLPOSE = "Cellpose 3"
# Of several channels, the first of these that a picture has.
CHANNELS = ["1", "red", "DIC", "Mono", "GFP 488 nm", "FITC BP", "5-FAM/pH 9.0"]
READING = {"include": ["**/*"], "channel": CHANNELS, "z": "max", "pages": "time"}
TOLERANCE = 1e-9


def main() -> None:
    """Compare, print a row for each way, and end with 1 where something differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+")
    add_options(parser)
    parser.add_argument("--only", nargs="+", choices=[*METHODS, CELLPOSE], help="these ways")
    options = parser.parse_args()
    around = given(options)
    if around.before is None:
        parser.error("--before: the checkout to compare with")
    print("| way | pictures | masks | cells | masks equal | tables equal |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory(prefix="segmake-benchmark-") as name:
        images = Path(name, "images")
        gather(options.folders, images)
        other = [
            f"{way}: {path}"
            for way, segmentation in ways(around).items()
            if way in (options.only or [way])
            for path in compared(Path(name), images, way, segmentation, around)
        ]
    if other:
        sys.exit("differ: " + "\n        ".join(other))


def gather(folders: list[Path], images: Path) -> None:
    """Lay links to the pictures of all folders into one for each."""
    for folder in folders:
        own = images / folder.name
        own.mkdir(parents=True)
        for path in sorted(folder.iterdir()):
            picture = path.suffix in (".tif", ".tiff", ".png", ".nd2")
            if picture and not path.stem.endswith("_masks"):
                (own / path.name).symlink_to(path.absolute())


def ways(around: Given) -> dict[str, dict[str, Any]]:
    """Return the settings to compare, by their name."""
    found = {name: {"engine": "threshold", "method": name} for name in METHODS}
    if around.cellpose:
        demo = {"engine": "cellpose3", "model": str(DEMO_MODEL), "allow_cpu": True}
        found[CELLPOSE] = demo
    return found


def compared(
    folder: Path, images: Path, way: str, segmentation: dict[str, Any], around: Given
) -> list[str]:
    """Print what is equal of one way, and return the files that differ."""
    results = {}
    for title, clone in around.checkouts().items():
        place = folder / way / title
        planned(place, images, segmentation, clone, **READING)
        for name in STEPS:
            network = name == "segment" and segmentation["engine"] != "threshold"
            step(place, name, clone, around.cellpose if network else sys.executable)
        results[title] = place / "results"
    now, before = results[OURS], results[BEFORE]
    masks, other_masks = _differing(now, before, "masks/**/*.tif", _same_pixels)
    tables, other_tables = _differing(now, before, ".segmake/tables/**/*.parquet", _same_numbers)
    _, other_csv = _differing(now, before, "cells/**/*.csv", _same_csv)
    other_tables |= other_csv
    cells = sum(len(pd.read_parquet(path)) for path in now.glob(".segmake/tables/**/*.parquet"))
    pictures = sum(path.is_symlink() for path in images.rglob("*"))
    equal = f"{masks - len(other_masks)} | {tables - len(other_tables)}"
    print(f"| {way} | {pictures} | {masks} | {cells:,} | {equal} |", flush=True)
    return sorted(other_masks | other_tables)


def _differing(
    now: Path, before: Path, pattern: str, same: Callable[[Path, Path], bool]
) -> tuple[int, set[str]]:
    """Return how many files there are, and those that differ or that only one of both has."""
    names = {str(path.relative_to(at)) for at in (now, before) for path in at.glob(pattern)}
    other = {
        name
        for name in names
        if not ((now / name).exists() and (before / name).exists())
        or not same(now / name, before / name)
    }
    return len(names), other


def _same_pixels(one: Path, other: Path) -> bool:
    ours, its = tifffile.imread(one), tifffile.imread(other)
    return ours.dtype == its.dtype and np.array_equal(ours, its)


def _same_numbers(one: Path, other: Path) -> bool:
    return _equal(pd.read_parquet(one), pd.read_parquet(other))


def _same_csv(one: Path, other: Path) -> bool:
    return _equal(pd.read_csv(one), pd.read_csv(other))


def _equal(ours: pd.DataFrame, its: pd.DataFrame) -> bool:
    try:
        pd.testing.assert_frame_equal(ours, its, rtol=TOLERANCE, atol=TOLERANCE)
    except AssertionError as error:
        print(error, file=sys.stderr)
        return False
    return True


if __name__ == "__main__":
    main()
