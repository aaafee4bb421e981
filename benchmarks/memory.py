"""How much memory a long movie takes: the same small and large movie through every step.

    python benchmarks/memory.py [--small 100] [--large 4000] [--tracking]

Draws two movies of so many megabytes, 16 bits, a few cells in each frame, and runs each step of the workflow on them in
a process of its own. Prints the peak memory of each process, and the ratio of the two.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
from skimage.draw import ellipse

from segmake.config.load import load_config
from segmake.core.declared_steps import STEPS
from segmake.images.inventory import write_inventory
from segmake.plan.make import make_plan
from segmake.plan.written_plan import write_plan

ROOT = Path(__file__).parents[1]
SIDE = 1024

# The peak that the kernel counts for a process's children begins with that of their parent; this is the process's own.
PROGRAM = """
import sys
from segmake.cli import main
main(sys.argv[1:])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=100, help="megabytes of the small movie")
    parser.add_argument("--large", type=int, default=4000, help="megabytes of the large movie")
    parser.add_argument("--tracking", action="store_true", help="link the cells in time too")
    parser.add_argument("--folder", type=Path, help="where to draw them; default: a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        peaks = {
            size: measure(Path(folder) / str(size), size, options.tracking)
            for size in (options.small, options.large)
        }
    print(f"\n{'step':10} {options.small:>8} MB {options.large:>8} MB   ratio")
    for step in STEPS:
        small, large = (peaks[size][step] for size in (options.small, options.large))
        print(f"{step:10} {small:8.0f} MB {large:8.0f} MB   {large / small:.2f}")


def measure(folder: Path, megabytes: int, tracking: bool) -> dict[str, float]:
    """Return the peak memory of each step in MB."""
    write_movie(folder / "images" / "movie.tif", megabytes)
    config = folder / "config.yaml"
    settings = {
        "images": {"folder": str(folder / "images")},
        "segmentation": {"engine": "threshold", "polarity": "bright"},
        "tracking": tracking,
        "results": str(folder / "results"),
    }
    config.write_text(json.dumps(settings), encoding="utf-8")
    plan, inventory = make_plan(load_config(config))
    write_plan(plan)
    write_inventory(inventory, plan.folders.inventory)
    return {step: run(step, plan.folders.plan, folder) for step in STEPS}


def write_movie(path: Path, megabytes: int) -> None:
    """Write an OME-TIFF movie, frame by frame: ten cells in each, uncompressed."""
    path.parent.mkdir(parents=True)
    random = np.random.default_rng(0)
    noise = random.normal(200, 10, (SIDE, SIDE)).astype(np.uint16)
    number = max(2, round(megabytes * 1e6 / noise.nbytes))

    def frames():
        for moment in range(number):
            frame = np.roll(noise, moment, axis=0)
            for cell in range(10):
                rows, columns = ellipse(60 + 90 * cell, 100 + 80 * cell + moment % 20, 8, 20)
                frame[rows, columns] += 3000
            yield frame

    tifffile.imwrite(
        path,
        frames(),
        shape=(number, SIDE, SIDE),
        dtype=np.uint16,
        ome=True,
        bigtiff=True,
        metadata={"axes": "TYX", "PhysicalSizeX": 0.1},
    )


def run(step: str, plan: Path, folder: Path) -> float:
    """Run a step as a job does, and return the peak memory of its process in MB."""
    arguments = [step, "--batch", "0001", "--plan", str(plan), "--out", str(folder / f"{step}.tsv")]
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    megabytes = int(done.stdout.split()[-2]) / 1024
    print(f"{step}: {megabytes:.0f} MB, {time.monotonic() - started:.0f} s", flush=True)
    return megabytes


if __name__ == "__main__":
    main()
