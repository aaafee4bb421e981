"""How much memory one large picture takes, for each of its pixels.

    python benchmarks/large_picture.py [--before CHECKOUT]

A picture of bright cells on a dark ground is segmented with the engine threshold, as a job does it. What counts is the
peak memory of the process above that for a picture of 256 x 256 pixels.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)] if str(ROOT) not in sys.path else []

from benchmarks.experiments import STEPS, planned, step  # noqa: E402
from benchmarks.house import PEERS, Cost, Figure, Given, Way, alone, cost, figures, python  # noqa: E402

TITLE = "One large picture"
NOTE = (
    "Engine `threshold`, 16 bits, all four steps one after the other; the CPU is that of all four. The picture and"
    " its labels are 6 bytes per pixel. *Bytes per pixel*: peak memory above that for 256 x 256 pixels, by step."
)
UNIT = "pixels a side"
SIZES = (4096,)
QUICK = (1024,)

LITTLE = 256

_DRAW = """
import sys
from pathlib import Path
import numpy as np
import tifffile
from skimage.draw import ellipse

path, side = Path(sys.argv[1]), int(sys.argv[2])
random = np.random.default_rng(0)
tile = random.normal(200, 10, (256, 256)).astype(np.uint16)
for row in range(24, 256, 52):
    for column in range(30, 256, 64):
        tile[ellipse(row, column, 8, 20)] += 3000
path.parent.mkdir(parents=True)
tifffile.imwrite(path, np.tile(tile, (side // 256, side // 256)), bigtiff=True)
"""


def measure(sizes: list[int], repeats: int, given: Given = Given()) -> list[Figure]:  # noqa: B008
    """Return what a picture of so many pixels a side takes."""
    found = []
    with tempfile.TemporaryDirectory(prefix="segmake-benchmark-") as name:
        folder = Path(name)
        for side in (LITTLE, *sizes):
            python(_DRAW, folder, ROOT, folder / str(side) / "picture.tif", str(side))
        little = {title: _steps(folder, LITTLE, at) for title, at in given.checkouts().items()}
        alone_little = _plainly(folder, LITTLE)

        def ours(title: str, clone: Path, side: int) -> Way:
            return Way(title, lambda: _together(_steps(folder, side, clone), little[title], side))

        def plain(side: int) -> Cost:
            taken = _plainly(folder, side)
            each = (taken.memory - alone_little.memory) * 1024**2 / side**2
            return Cost(taken.seconds, taken.memory, {"bytes per pixel: segment": each})

        lacks = "measurements, pictures, a journal; cells that touch stay one"
        for side in sizes:
            ways = [ours(title, clone, side) for title, clone in given.checkouts().items()]
            ways.append(Way("ten lines with scikit-image", lambda side=side: plain(side), lacks))
            found += figures(side, ways, repeats)
    return found


def _steps(folder: Path, side: int, clone: Path) -> dict[str, Cost]:
    """Run all steps on a picture, and return what each took."""
    place = folder / "experiment"
    planned(place, folder / str(side), {"engine": "threshold", "polarity": "bright"}, clone)
    return {name: step(place, name, clone) for name in STEPS}


def _plainly(folder: Path, side: int) -> Cost:
    program = str(PEERS / "plain_threshold.py")
    return cost([sys.executable, program, folder / "plain", *folder.glob(f"{side}/*.tif")], folder)


def _together(taken: dict[str, Cost], little: dict[str, Cost], side: int) -> Cost:
    each = {
        f"bytes per pixel: {name}": (taken[name].memory - little[name].memory) * 1024**2 / side**2
        for name in taken
    }
    seconds = sum(one.seconds for one in taken.values())
    return Cost(seconds, max(one.memory for one in taken.values()), each)


if __name__ == "__main__":
    alone(sys.modules[__name__])
