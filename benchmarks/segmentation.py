"""Cellpose 3 over a folder of pictures: SegMake's job, a plain loop, and what else a user would take, on the CPU.

    python benchmarks/segmentation.py [--before CHECKOUT] [--cellpose PYTHON] [--sizes 40]

Drawn pictures of 512 x 512 pixels with the demo model, one thread each. The masks of every way are compared, pixel by
pixel, with those of the plain loop.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import tifffile

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)] if str(ROOT) not in sys.path else []

from benchmarks.experiments import STEPS, draw, planned, step  # noqa: E402
from benchmarks.house import (  # noqa: E402
    DEMO_MODEL,
    OURS,
    PEERS,
    Cost,
    Figure,
    Given,
    Way,
    alone,
    cost,
    figures,
)
from benchmarks.peers import environments  # noqa: E402

TITLE = "Cellpose 3 over a folder"
NOTE = (
    "Pictures of 512 x 512 pixels, demo model, one thread of a CPU. *Equal masks*: of so many pictures the masks are"
    " those of the plain loop, pixel by pixel. The first row is SegMake's segmentation job; *all steps* has measured,"
    " drawn and written everything else, too. One job per image is run by Snakemake on this computer, on some of the"
    " pictures, and counted up."
)
UNIT = "pictures"
SIZES = (3,)
QUICK = (1,)

SIDE = 512
# So many pictures have a job each; the others are counted up.
SINGLE = 4
PLAIN = "plain loop: read, `eval`, write"
_NO_JOURNAL = (
    "going on after a crash, only what is new or failed, tables, pictures, a report, a cluster"
)


def measure(sizes: list[int], repeats: int, given: Given = Given()) -> list[Figure]:  # noqa: B008
    """Return what segmenting so many pictures takes."""
    if given.cellpose is None:
        why = "the environment `cellpose3` is not set up: `bash scripts/setup.sh`"
        return [Figure(size, OURS, why_not=why) for size in sizes]
    found = []
    with tempfile.TemporaryDirectory(prefix="segmake-benchmark-") as name:
        folder = Path(name)
        serial, why_not = _serial(folder, given)
        for size in sizes:
            draw(folder / str(size) / "images", size, SIDE)
            run = _Runs(folder / str(size), given.cellpose, serial)
            run.plainly()
            ways = [Way(title, partial(run.ours, at)) for title, at in given.checkouts().items()]
            ways += [
                Way(f"{OURS}, all steps", partial(run.ours_whole, ROOT)),
                Way(PLAIN, run.plainly, _NO_JOURNAL),
                Way(
                    "`python -m cellpose --dir`",
                    run.by_command,
                    "a damaged picture ends it; measurements, " + _NO_JOURNAL,
                ),
                Way(
                    "napari-serialcellpose, its batch function",
                    run.serially,
                    "a damaged picture ends it; length and width along the cell, before/after pictures, a report,"
                    " going on after a crash, only what is new or failed, a cluster",
                    why_not,
                ),
                Way(
                    f"one Snakemake job per image (from {min(SINGLE, size)})",
                    run.singly,
                    "measurements, pictures, a report; the model loaded once",
                ),
            ]
            found += figures(size, ways, repeats)
    return found


def _serial(folder: Path, given: Given) -> tuple[Path | None, str]:
    """Return the Python of napari-serialcellpose, or why there is none."""
    if given.serial or given.cellpose is None:
        return given.serial, ""
    if given.quick:
        return None, "not in a quick round, for its packages are installed first"
    try:
        return environments.make(folder / "serial", given.cellpose), ""
    except subprocess.CalledProcessError as error:
        print(error.stderr, file=sys.stderr)
        return None, "its packages could not be had from a registry"


class _Runs:
    """All ways over one folder of pictures, each of which begins with nothing."""

    def __init__(self, folder: Path, cellpose: Path, serial: Path | None) -> None:
        self.folder, self.cellpose, self.serial = folder, cellpose, serial
        self.images = sorted((folder / "images").iterdir())

    def ours(self, clone: Path) -> Cost:
        """SegMake's segmentation job."""
        self._plan(clone)
        taken = self._step("segment", clone)
        labels = self.folder / "experiment" / "results" / ".segmake" / "labels"
        return self._with_equal(taken, lambda name: labels / f"{Path(name).stem}.tif")

    def ours_whole(self, clone: Path) -> Cost:
        """All of SegMake's steps, one after the other."""
        self._plan(clone)
        segment, masks, measured, drawn = (self._step(name, clone) for name in STEPS)
        return segment + masks + measured + drawn

    def plainly(self) -> Cost:
        """Read, `eval` and write each, with the model loaded once."""
        program = PEERS / "plain_loop.py"
        return self._cost([self.cellpose, program, DEMO_MODEL, self.folder / "plain", *self.images])

    def by_command(self) -> Cost:
        """Cellpose's own command."""
        masks = self.folder / "command"
        masks.mkdir(exist_ok=True)
        model = ["--pretrained_model", DEMO_MODEL, "--diameter", "0", "--chan", "0"]
        saved = ["--save_tif", "--no_npy", "--savedir", masks]
        words = ["-m", "cellpose", "--dir", self.folder / "images", *model, *saved]
        taken = self._cost([self.cellpose, *words])
        return self._with_equal(taken, lambda name: masks / f"{Path(name).stem}_cp_masks.tif")

    def serially(self) -> Cost:
        """The batch function of napari-serialcellpose."""
        assert self.serial
        masks = self.folder / "serial"
        program = PEERS / "serial_cellpose.py"
        taken = self._cost([self.serial, program, DEMO_MODEL, masks, *self.images])
        return self._with_equal(taken, lambda name: masks / f"{Path(name).stem}_mask.tif")

    def singly(self) -> Cost:
        """One job for each of some pictures; the time is counted up to all of them."""
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            some = self.images[:SINGLE]
            place = Path(name, "images")
            place.mkdir()
            for image in some:
                (place / image.name).symlink_to(image)
            values = {"images": place, "partition": "none", "python": self.cellpose}
            values |= {"loop": PEERS / "plain_loop.py", "model": DEMO_MODEL}
            snakefile = PEERS / "one_job_per_image" / "Snakefile"
            config = [f"{key}={one}" for key, one in values.items()]
            words = ["--cores", "1", "--quiet", "--snakefile", snakefile, "--config", *config]
            taken = cost([sys.executable, "-m", "snakemake", *words], Path(name))
        return Cost(taken.seconds * len(self.images) / len(some), taken.memory)

    def _plan(self, clone: Path) -> None:
        segmentation = {"engine": "cellpose3", "model": str(DEMO_MODEL), "allow_cpu": True}
        planned(self.folder / "experiment", self.folder / "images", segmentation, clone)

    def _step(self, name: str, clone: Path) -> Cost:
        interpreter = self.cellpose if name == "segment" else sys.executable
        return step(self.folder / "experiment", name, clone, interpreter)

    def _cost(self, command: list[str | Path]) -> Cost:
        return cost(command, self.folder, QT_QPA_PLATFORM="offscreen")

    def _with_equal(self, taken: Cost, mask_of: Callable[[str], Path]) -> Cost:
        equal = sum(
            np.array_equal(
                tifffile.imread(mask_of(image.name)),
                tifffile.imread(self.folder / "plain" / image.name),
            )
            for image in self.images
        )
        return Cost(taken.seconds, taken.memory, {"equal masks": equal})


if __name__ == "__main__":
    alone(sys.modules[__name__])
