"""What the first ``snakemake -n`` takes, by the number of images, and what a job reads of the plan.

    python benchmarks/planning.py [--before CHECKOUT] [--sizes 1000 10000 100000]

The images are names of a few small files; once, files of their own. Before each dry run, what an
earlier one kept in the user's cache is removed. What a job reads is measured apart: what the Snakefile and one step
read, and the tasks of that step, of a run that begins with these images. What is asked where all is done is for
`start.py`.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)] if str(ROOT) not in sys.path else []

from benchmarks.experiments import WRITTEN_PLAN, dry_run, planned  # noqa: E402
from benchmarks.house import OURS, Cost, Figure, Given, Way, alone, figures, python  # noqa: E402

TITLE = "The first `snakemake -n`, and what a job reads"
NOTE = (
    "Pictures of 16 x 16 pixels, engine `threshold`, profile `local`, nothing done before. What their pages say is the"
    " same, but for those that are described in words of their own. *a job reads* is what the Snakefile and one step"
    " of a batch read of the plan, in seconds; each task is made of it when its turn comes."
)
UNIT = "images"
SIZES = (10_000, 100_000)
QUICK = (200,)
LARGEST = 10_000

# A file system allows no more than some ten thousand names of one file.
NAMES = 10_000
APART = f"{OURS}, each picture described in words of its own"

_IMAGES = """
import os, sys
from pathlib import Path
import numpy as np
import tifffile

folder, number, names = Path(sys.argv[1]), *map(int, sys.argv[2:])
folder.mkdir(parents=True)
for place in range(number):
    path = folder / f"image_{place:06d}.tif"
    if place % names:
        os.link(first, path)
    else:
        first = path
        tifffile.imwrite(path, np.zeros((16, 16), np.uint16), metadata={"place": place})
"""

_HEADERS = """
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
import tifffile

def header(path):
    with tifffile.TiffFile(path) as file:
        return file.series[0].shape, str(file.series[0].dtype), file.series[0].axes

with ProcessPoolExecutor(int(sys.argv[2])) as pool:
    print(len(list(pool.map(header, Path(sys.argv[1]).iterdir(), chunksize=100))))
"""

_JOB = (
    WRITTEN_PLAN
    + """
import json, sys, time
from pathlib import Path

path = Path(sys.argv[1])
before = time.process_time()
if hasattr(written_plan, "read_batch"):
    written_plan.read_outline(path)
    plan = written_plan.read_batch(path, "0001")
else:
    written_plan.read_plan(path)
    plan = written_plan.read_plan(path)
tasks = plan.batches["0001"].tasks["segment"]
print(json.dumps({"counted": {"a job reads, s": time.process_time() - before, "its images": len(tasks)}}))
"""
)


def measure(sizes: list[int], repeats: int, given: Given = Given()) -> list[Figure]:  # noqa: B008
    """Return what the first dry run of so many images takes."""
    found = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="segmake-benchmark-") as name:
            folder, images = Path(name), Path(name, "images")
            python(_IMAGES, folder, ROOT, images, str(size), str(NAMES))
            checkouts = given.checkouts()
            with ThreadPoolExecutor() as pool:
                list(pool.map(partial(_planned, folder, images), checkouts, checkouts.values()))
            ways = [
                Way(title, partial(_first, folder / title, clone))
                for title, clone in checkouts.items()
            ]
            ways.append(Way(APART, partial(_first, _described_apart(folder, size), ROOT)))
            cores = str(len(os.sched_getaffinity(0)))
            plain = partial(python, _HEADERS, folder, ROOT, images, cores)
            lacks = "all but reading the headers"
            ways.append(Way("tifffile, the headers alone", plain, lacks))
            # At so many, one round takes minutes.
            found += figures(size, ways, 1 if size > LARGEST else repeats)
    return found


def _planned(folder: Path, images: Path, title: str, clone: Path) -> None:
    planned(folder / title, images, {"engine": "threshold"}, clone, auto=True)


def _described_apart(folder: Path, size: int) -> Path:
    """Make an experiment whose images each say something else, and return its folder."""
    images = folder / "others"
    python(_IMAGES, folder, ROOT, images, str(size), "1")
    _planned(folder, images, APART, ROOT)
    return folder / APART


def _first(folder: Path, clone: Path) -> Cost:
    """Measure what a job reads of the plan, and the dry run without what was kept."""
    plan = folder / "results" / ".segmake" / "plan.json"
    of_job = python(_JOB, folder, clone, plan).counted
    aside = folder / "aside"
    shutil.rmtree(folder / "cache", ignore_errors=True)
    (folder / "results").rename(aside)
    taken = dry_run(folder, clone)
    shutil.rmtree(folder / "results", ignore_errors=True)
    aside.rename(folder / "results")
    return taken + Cost(0.0, 0.0, of_job)


if __name__ == "__main__":
    alone(sys.modules[__name__])
