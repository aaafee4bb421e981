"""The first ``snakemake -n`` on a folder of pictures: their headers have to be read.

    python benchmarks/first_look.py [--before CHECKOUT] [--sizes 1000 10000]

Nothing is known of the pictures, neither in a results folder nor in the user's cache; *the second* follows on the
first, without a run between them.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)] if str(ROOT) not in sys.path else []

from benchmarks.experiments import configured, dry_run, make_images  # noqa: E402
from benchmarks.house import Cost, Figure, Given, Way, alone, cost, figures  # noqa: E402

TITLE = "The first `snakemake -n`: headers to read"
NOTE = (
    "Pictures of 16 x 16 pixels (TIFF), engine `threshold`, profile `local`. *Plainly* opens each with tifffile and"
    " asks for its shape, in as many processes as there are cores."
)
UNIT = "images"
SIZES = (1_000, 10_000)
QUICK = (200,)

_PLAINLY = """
import os, sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
import tifffile

def shape(path):
    with tifffile.TiffFile(path) as file:
        return file.series[0].shape, file.series[0].dtype

if __name__ == "__main__":
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        assert list(pool.map(shape, sorted(Path(sys.argv[1]).iterdir()), chunksize=100))
"""


def measure(sizes: list[int], repeats: int, given: Given = Given()) -> list[Figure]:  # noqa: B008
    """Return what the first look at so many pictures takes, and the second."""
    found = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="segmake-benchmark-") as name:
            folder, images = Path(name), Path(name, "images")
            make_images(images, size)
            ways = []
            for title, clone in given.checkouts().items():
                place = folder / title
                configured(place, images, {"engine": "threshold"}, auto=True)
                ways += [
                    Way(title, partial(_first, place, clone)),
                    Way(f"{title}, the second", partial(_second, place, clone)),
                ]
            lacks = "settings, channels and times, batches, results; damaged files"
            plainly = Way("headers read plainly", partial(_plainly, folder, images), lacks)
            found += figures(size, [*ways, plainly], repeats)
    return found


def _first(place: Path, clone: Path) -> Cost:
    shutil.rmtree(place / "cache", ignore_errors=True)
    return dry_run(place, clone)


def _second(place: Path, clone: Path) -> Cost:
    _first(place, clone)
    return dry_run(place, clone)


def _plainly(folder: Path, images: Path) -> Cost:
    program = folder / "plainly.py"
    program.write_text(_PLAINLY)
    return cost([sys.executable, program, images], folder)


if __name__ == "__main__":
    alone(sys.modules[__name__])
