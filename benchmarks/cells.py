"""Measuring the cells of one picture, length and width included.

    python benchmarks/cells.py [--before CHECKOUT]

Rods of 18 to 50 pixels, straight and bent, drawn at random, in a picture without any other cost: only the measuring
function is timed, in a process of its own.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)] if str(ROOT) not in sys.path else []

from benchmarks.house import Cost, Figure, Given, Way, alone, figures, python  # noqa: E402

TITLE = "Cells measured"
NOTE = (
    "One picture, one channel, the properties that are measured by default. 1,250 drawn rods in 2048 x 2048 pixels, and"
    " that field two and four times across and down."
)
UNIT = "cells"
SIZES = (5_000, 20_000)
QUICK = (1_250,)

_DRAW = """
import sys
sys.path.insert(0, sys.argv[2])
import numpy as np
from tests.unit.drawn_cells import draw_rod

random = np.random.default_rng(0)
across, side = 36, 2048
pitch = side // across
labels = np.zeros((side, side), np.uint16)
for number in range(1250):
    row, column = divmod(number, across)
    length, width = random.uniform(18, 50), random.uniform(7, 12)
    bend = random.choice([0, 0, random.uniform(0, 60)])
    cell = draw_rod(length, width, random.uniform(-90, 90), tuple(random.uniform(0, 1, 2)), bend)
    cell = cell[:pitch, :pitch]
    place = labels[row * pitch :, column * pitch :][: cell.shape[0], : cell.shape[1]]
    place[cell[: place.shape[0], : place.shape[1]]] = number + 1
np.save(sys.argv[1], labels)
"""

_FIELD = """
import json, sys, time
import numpy as np

def field(path, cells):
    one = np.load(path)
    times = round((cells / 1250) ** 0.5)
    side, kind = len(one), np.uint16 if cells < 65536 else np.uint32
    labels = np.zeros((side * times, side * times), kind)
    for number in range(times * times):
        row, column = divmod(number, times)
        part = labels[row * side :, column * side :][:side, :side]
        part[...] = np.where(one, one.astype(kind) + 1250 * number, 0)
    plane = np.random.default_rng(1).integers(0, 60000, labels.shape).astype(np.uint16)
    return labels, plane

def peak():
    return int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]) / 1024

labels, plane = field(sys.argv[1], int(sys.argv[2]))
small = labels[:300, :300], plane[:300, :300]

def told(measure):
    measure(*small)
    open("/proc/self/clear_refs", "w").write("5")
    before, began = peak(), time.process_time()
    number = measure(labels, plane)
    seconds = time.process_time() - began
    print(json.dumps({"counted": {"seconds": seconds, "memory": peak() - before, "cells told": number}}))
"""
_OURS = (
    _FIELD
    + """
from segmake.config.schema import schema
from segmake.labels.measurement import measure_cells

wanted = schema()["properties"]["measurements"]["properties"]
defaults = {name: setting["default"] for name, setting in wanted.items()}
try:
    from segmake.core.settings import Measurements
    defaults = Measurements.of(defaults)
except ImportError:
    pass  # SegMake as it was before takes what the config says as it stands there.
told(lambda labels, plane: len(measure_cells(labels, {"GFP": plane}, 0.1, defaults)))
"""
)
_REGIONPROPS = (
    _FIELD
    + """
from skimage.measure import regionprops_table

names = ("label", "area", "centroid", "bbox", "perimeter", "eccentricity", "orientation", "solidity")
names += ("axis_major_length", "axis_minor_length", "intensity_mean", "intensity_max", "intensity_min")
told(lambda labels, plane: len(regionprops_table(labels, plane, properties=names)["label"]))
"""
)
_NUMPY = (
    _FIELD
    + """
def sums(labels, plane):
    flat = labels.ravel()
    area = np.bincount(flat)[1:]
    np.bincount(flat, plane.ravel())[1:] / np.maximum(area, 1)
    return int((area > 0).sum())

told(sums)
"""
)


def measure(sizes: list[int], repeats: int, given: Given = Given()) -> list[Figure]:  # noqa: B008
    """Return what measuring so many cells takes."""
    found = []
    with tempfile.TemporaryDirectory(prefix="segmake-benchmark-") as name:
        folder, labels = Path(name), Path(name, "labels.npy")
        python(_DRAW, folder, ROOT, labels, ROOT)

        def way(title: str, program: str, clone: Path, size: int, lacks: str = "") -> Way:
            def run() -> Cost:
                return python(program, folder, clone, labels, str(size))

            return Way(title, run, lacks)

        for size in sizes:
            ways = [way(title, _OURS, clone, size) for title, clone in given.checkouts().items()]
            ways += [
                way(
                    "scikit-image's `regionprops_table`",
                    _REGIONPROPS,
                    ROOT,
                    size,
                    "length and width along the cell, volume, curvature, background",
                ),
                way("numpy alone", _NUMPY, ROOT, size, "anything but area and mean intensity"),
            ]
            found += figures(size, ways, repeats)
    return found


if __name__ == "__main__":
    alone(sys.modules[__name__])
