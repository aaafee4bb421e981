"""What it takes until ``snakemake -n`` has said that there is nothing to do, or what there is.

    python benchmarks/start.py [--before CHECKOUT]

A dozen pictures, of which all have been done. What more images add is in planning.py.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)] if str(ROOT) not in sys.path else []

from benchmarks.experiments import draw, dry_run, planned  # noqa: E402
from benchmarks.house import PEERS, Cost, Figure, Given, Way, alone, cost, figures  # noqa: E402

TITLE = "The start of `snakemake -n`"
NOTE = "Pictures that are new, engine `threshold`, profile `local`. *Bare* has one rule, whose output is there."
UNIT = "images"
SIZES = (12,)
QUICK = (12,)


def measure(sizes: list[int], repeats: int, given: Given = Given()) -> list[Figure]:  # noqa: B008
    """Return what a dry run with so many pictures takes."""
    found = []
    with tempfile.TemporaryDirectory(prefix="segmake-benchmark-") as name:
        folder = Path(name)
        bare = folder / "bare"
        bare.mkdir()
        (bare / "done.txt").touch()
        for size in sizes:
            images = folder / str(size)
            draw(images, size, 64, "fluorescence")
            ways = []
            for title, clone in given.checkouts().items():
                place = folder / f"{title}{size}"
                planned(place, images, {"engine": "threshold"}, clone)
                ways.append(Way(title, partial(dry_run, place, clone)))
            ways.append(Way("bare Snakemake", partial(_bare, bare), "anything with images"))
            found += figures(size, ways, repeats)
    return found


def _bare(folder: Path) -> Cost:
    words = ["-n", "--quiet", "--cores", "1", "--snakefile", PEERS / "bare" / "Snakefile"]
    return cost([sys.executable, "-m", "snakemake", *words], folder)


if __name__ == "__main__":
    alone(sys.modules[__name__])
