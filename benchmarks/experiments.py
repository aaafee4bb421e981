"""Experiments for the benchmarks: pictures, a config, a plan, and the four steps run as a job runs them."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.house import ROOT, Cost, cost, python

STEPS = ("segment", "masks", "measure", "overlay")

# The room where a plan is written and read, in this checkout and in those before it had one of its own.
WRITTEN_PLAN = """
try:
    from segmake.plan import written_plan
except ImportError:
    from segmake.plan import plan as written_plan
"""
_PLAN = (
    WRITTEN_PLAN
    + """
import sys
from pathlib import Path
from segmake.config.load import load_config
from segmake.images.inventory import write_inventory
from segmake.plan.make import make_plan

plan, inventory = make_plan(load_config(Path(sys.argv[1])))
written_plan.write_plan(plan)
write_inventory(inventory, plan.folders.inventory)
"""
)
_FIELDS = """
import sys
from pathlib import Path
import tifffile
from segmake.demo.synthetic import draw_field

folder, number, side = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
folder.mkdir(parents=True)
for seed in range(number):
    field, _ = draw_field(seed, shape=(side, side), cells="rod", arrangement="colony", modality=sys.argv[4])
    tifffile.imwrite(folder / f"field_{seed:05d}.tif", field)
"""

_IMAGES = """
import sys
from pathlib import Path
import numpy as np
import tifffile

folder, number = Path(sys.argv[1]), int(sys.argv[2])
folder.mkdir(parents=True)
tifffile.imwrite(folder / "image_000000.tif", np.zeros((16, 16), np.uint16))
content = (folder / "image_000000.tif").read_bytes()
for place in range(1, number):
    (folder / f"image_{place:06d}.tif").write_bytes(content)
"""


def make_images(folder: Path, number: int) -> None:
    """Write so many pictures of 16 x 16 pixels, all alike."""
    python(_IMAGES, ROOT, ROOT, folder, str(number))


def draw(folder: Path, number: int, side: int, modality: str = "phase") -> None:
    """Draw so many pictures of bacteria into a folder."""
    python(_FIELDS, ROOT, ROOT, folder, str(number), str(side), modality)


def planned(
    folder: Path,
    images: Path,
    segmentation: Mapping[str, Any],
    clone: Path,
    *,
    auto: bool = False,
    **reading: Any,
) -> None:
    """Make an experiment anew, with the plan of a run that begins: all in one batch, or as SegMake divides them."""
    config = configured(folder, images, segmentation, auto=auto, **reading)
    python(_PLAN, folder, clone, config)


def configured(
    folder: Path,
    images: Path,
    segmentation: Mapping[str, Any],
    *,
    auto: bool = False,
    **reading: Any,
) -> Path:
    """Make the folder of an experiment anew, with nothing in it but a config, and return that.

    `reading` is what the config says of the images besides where they are.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    settings = {
        "images": {"folder": str(images), **reading},
        "segmentation": dict(segmentation),
        "cluster": {"batch_size": "auto" if auto else 100_000},
        "results": str(folder / "results"),
    }
    config = folder / "config.yaml"
    config.write_text(json.dumps(settings), encoding="utf-8")
    return config


def step_command(folder: Path, step: str, interpreter: str | Path = sys.executable) -> list[str]:
    """Return the command by which a job does a step of the batch."""
    plan, table = folder / "results" / ".segmake" / "plan.json", folder / f"{step}.tsv"
    words = ["-m", "segmake", step, "--batch", "0001", "--plan", str(plan), "--out", str(table)]
    return [str(interpreter), *words]


def step(
    folder: Path, name: str, clone: Path, interpreter: str | Path = sys.executable, **variables: str
) -> Cost:
    """Do a step of the batch, and return what it took."""
    return cost(step_command(folder, name, interpreter), folder, clone, **variables)


def dry_run(folder: Path, clone: Path) -> Cost:
    """Ask what there is to do, as a user does, and return what that took."""
    words = ["-n", "--profile", clone / "profiles" / "local", "--configfile", "config.yaml"]
    snakefile = ["--snakefile", clone / "workflow" / "Snakefile"]
    command = [sys.executable, "-m", "snakemake", *snakefile, *words]
    # What a user's cache has been given, stays outside of the user's own.
    return cost(command, folder, clone, XDG_CACHE_HOME=str(folder / "cache"))
