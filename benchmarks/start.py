"""What it takes until ``snakemake -n`` has said that nothing is to be done, by the number of images.

    python benchmarks/start.py [--before CHECKOUT] [--sizes 12 10000]

The results folder is made by SegMake's own functions, as a run leaves it in which all images were done; its tables and
pictures are some bytes each. The dry run is asked once before, so that it has what it keeps in the user's cache.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)] if str(ROOT) not in sys.path else []

from benchmarks.experiments import WRITTEN_PLAN, dry_run, make_images, planned  # noqa: E402
from benchmarks.house import (  # noqa: E402
    BEFORE,
    DEMO_MODEL,
    PEERS,
    Cost,
    Figure,
    Given,
    Way,
    alone,
    cost,
    figures,
    python,
)

TITLE = "Nothing to do: `snakemake -n`"
NOTE = (
    "All images done, pictures of 16 x 16 pixels, engine `threshold`, profile `local`. *Bare* has one rule, whose"
    " output is there. *One job per image* is the Snakefile of `benchmarks/peers/one_job_per_image`, all"
    " of whose masks are there."
)
UNIT = "images"
SIZES = (12, 10_000, 100_000)
QUICK = (12,)
# Above, a round takes a minute: there are two, and the checkout that SegMake is compared with is asked once.
LARGEST = 10_000

# As a run in which all was done leaves it.
_DONE = (
    WRITTEN_PLAN
    + """
import hashlib, json, os, sys, time
from pathlib import Path
from segmake import __version__
from segmake.config.load import load_config
from segmake.core.journal import Journal
from segmake.images.inventory import write_inventory
from segmake.plan.make import make_plan
from segmake.plan.overview import overview_of, write_overview
from segmake.runner.run_step import write_outcome

os.fsync = lambda number: None
plan, inventory = make_plan(load_config(Path(sys.argv[1])))
written_plan.write_plan(plan)
write_overview(overview_of(plan), plan.folders.overview)
write_inventory(inventory, plan.folders.inventory)
content = b"x" * 40
noted = [len(content), hashlib.sha256(content).hexdigest()]
segmented = {
    "width_px": 16, "height_px": 16, "seconds": 0.5, "cells": 10, "channel": "1", "channel_number": 1, "channels": 1,
    "times": [1], "all_times": 1, "slices": [1], "all_slices": 1, "projection": None, "position": None,
    "objective": "", "acquired": None, "lossy": False, "device": "cpu",
    "phases": {"read": 0.1, "load": 0.0, "network": 0.3, "masks": 0.05, "write": 0.03},
    "versions": {"numpy": "2.4.6", "tifffile": "2026.3.3"},
}
made = set()
for batch in plan.batches.values():
    for step in batch.tasks:
        journal, lines = plan.folders.journal(step, batch.name), []
        for task in batch.tasks[step]:
            outputs = [*task.outputs, *task.beside, *(task.optional if step == "measure" else ())]
            for path in outputs:
                if path.parent not in made:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    made.add(path.parent)
                path.write_bytes(content)
            names = {path.relative_to(plan.folders.results).as_posix(): noted for path in outputs}
            line = {"image": task.image, "key": task.key, "attempt": 1, "time": time.time(), "version": __version__}
            details = segmented if step == "segment" else {"seconds": 0.1, "cells_kept": 10}
            lines.append(json.dumps({**line, "event": "started", "details": {"run": "1", "host": "n"}}))
            lines.append(json.dumps({**line, "event": "done", "details": {**details, "outputs": names}}))
        journal.parent.mkdir(parents=True, exist_ok=True)
        journal.write_text("".join(f"{line}\\n" for line in lines))
        write_outcome(plan.outcome(step, batch.name), batch.tasks[step], Journal(journal))
"""
)
_STAT = """
import os, sys
sum(entry.stat().st_size for entry in os.scandir(sys.argv[1]))
"""


def measure(sizes: list[int], repeats: int, given: Given = Given()) -> list[Figure]:  # noqa: B008
    """Return what a dry run takes where so many images are done."""
    found = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="segmake-benchmark-") as name:
            folder, images = Path(name), Path(name, "images")
            make_images(images, size)
            checkouts = given.checkouts()
            with ThreadPoolExecutor() as pool:
                list(pool.map(partial(_done, folder, images), checkouts, checkouts.values()))
            ways = [
                Way(
                    title,
                    partial(dry_run, folder / title, clone),
                    once=title == BEFORE and size > LARGEST,
                )
                for title, clone in checkouts.items()
            ]
            each = partial(_one_each, _masks(folder / "each", images), images)
            lacks = "what is seen by more than times of files: settings, failures, corrections"
            ways += [
                Way("bare Snakemake", partial(_bare, _bare_folder(folder)), "anything with images"),
                Way("one job per image", each, lacks),
                Way(
                    "listing the files, and their sizes",
                    partial(python, _STAT, folder, ROOT, images),
                    "all else",
                ),
            ]
            found += figures(size, ways, min(repeats, 2) if size > LARGEST else repeats)
    return found


def _done(folder: Path, images: Path, title: str, clone: Path) -> None:
    """Make an experiment in which all was done, and has been asked for once."""
    place = folder / title
    planned(place, images, {"engine": "threshold"}, clone, auto=True)
    python(_DONE, place, clone, place / "config.yaml")
    dry_run(place, clone)


def _bare_folder(folder: Path) -> Path:
    bare = folder / "bare"
    bare.mkdir()
    (bare / "done.txt").touch()
    return bare


def _bare(folder: Path) -> Cost:
    return _snakemake(folder, PEERS / "bare" / "Snakefile")


def _masks(folder: Path, images: Path) -> Path:
    """Lay a mask for each image where the peer's Snakefile has them."""
    shutil.copytree(images, folder / "masks")
    for mask in (folder / "masks").iterdir():
        mask.touch()
    return folder


def _one_each(folder: Path, images: Path) -> Cost:
    values = {"images": images, "partition": "none", "python": sys.executable}
    values |= {"loop": PEERS / "plain_loop.py", "model": DEMO_MODEL}
    config = [f"{key}={one}" for key, one in values.items()]
    return _snakemake(folder, PEERS / "one_job_per_image" / "Snakefile", "--config", *config)


def _snakemake(folder: Path, snakefile: Path, *words: str) -> Cost:
    usual = ["-n", "--quiet", "--cores", "1", "--snakefile", snakefile]
    return cost([sys.executable, "-m", "snakemake", *usual, *words], folder)


if __name__ == "__main__":
    alone(sys.modules[__name__])
