"""The runs whose results are kept as golden values: each a user's folder of its own, drawn anew each time.

Most do what the rules of the workflow do, one after the other in this process, which takes a second where Snakemake
takes ten; `scripts` is run by Snakemake.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import warnings
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from segmake.cli import main
from segmake.config.load import load_config
from segmake.core.declared_steps import STEPS
from segmake.images.inventory import write_inventory
from segmake.plan.make import make_plan
from segmake.plan.written_plan import write_plan
from segmake.report.summary import write_summary
from tests.golden import drawing
from tests.golden.drawing import field as draw_field
from tests.projects import ROOT, Project
from tests.unit.identity import python_of

REAL = ROOT.parent / "shared" / "data"


@dataclass(frozen=True)
class Golden:
    """A run whose results are kept as golden values.

    Attributes
    ----------
    settings : dict
        The config, without the folders of images and results.
    make : callable
        Lays the images, and what else there is, into a user's folder.
    later : callable or None
        What the user does after the first run; then there is a second one.
    planned : dict
        Other settings, by a name, under which results are only planned: their keys go to ``planned.json``.
    snakemake : bool
        Whether Snakemake runs.
    engine : str
        The environment that it needs; empty: SegMake's own.
    exact : bool
        Whether the engine's labels are the same on every machine.
    real : bool
        Whether it takes the real images.
    """

    settings: dict[str, Any]
    make: Callable[[Path], None]
    later: Callable[[Path], None] | None = None
    planned: dict[str, dict[str, Any]] = field(default_factory=dict)
    snakemake: bool = False
    engine: str = ""
    exact: bool = True
    real: bool = False

    def lacks(self) -> str:
        """Return what is not on this machine; empty if nothing is."""
        if self.real and not REAL.is_dir():
            return "the real images (../shared/data) are not on this machine"
        if self.engine and not python_of(self.engine).exists():
            return "the engine's environment is missing: bash scripts/setup.sh"
        return ""

    def run(self, folder: Path) -> None:
        """Make the user's folder, and compute."""
        folder.mkdir(parents=True, exist_ok=True)
        self.make(folder)
        project = Project(folder, _whole(self.settings))
        self._compute(project)
        if self.later:
            self.later(folder)
            self._compute(project)
        if self.planned:
            planned = {name: _plan(folder, settings) for name, settings in self.planned.items()}
            (folder / "planned.json").write_text(json.dumps(planned), encoding="ascii")

    def _compute(self, project: Project) -> None:
        project.write_config()
        if self.snakemake:
            run = project.run()
            assert (project.results / "report.html").exists(), run.stderr
        else:
            with _as_a_user(project.folder):
                _compute_here(self.engine)


def _whole(settings: dict[str, Any]) -> dict[str, Any]:
    """Return a config with what most have in common."""
    whole = {"images": {"folder": "images"}, "results": "results"}
    whole["segmentation"] = {"engine": "threshold", "min_size": 30}
    for name, section in json.loads(json.dumps(settings)).items():
        whole[name] = whole[name] | section if name in whole else section
    return whole


def _plan(folder: Path, settings: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Return the key of each step of each image, with settings under which nothing is computed."""
    Project(folder, _whole(settings)).write_config()
    with _as_a_user(folder):
        plan, _ = make_plan(load_config(Path("config/config.yaml")))
    return {
        step: {
            task.image: task.key for batch in plan.batches.values() for task in batch.tasks[step]
        }
        for step in STEPS
    }


@contextmanager
def _as_a_user(folder: Path) -> Iterator[None]:
    """Work in a folder, in English; the commands of SegMake leave no traces in this process."""
    before, language = signal.getsignal(signal.SIGTERM), os.environ.get("SEGMAKE_LANG")
    os.environ["SEGMAKE_LANG"] = "en"
    try:
        with chdir(folder):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if language is None:
            del os.environ["SEGMAKE_LANG"]
        else:
            os.environ["SEGMAKE_LANG"] = language


def _compute_here(engine: str) -> None:
    """Do what Snakemake would have done, in the present folder."""
    plan, inventory = make_plan(load_config(Path("config/config.yaml")))
    write_plan(plan)
    write_inventory(inventory, plan.folders.inventory)
    for step in STEPS:
        for batch in plan.batches:
            out = str(plan.outcome(step, batch))
            command = [step, "--batch", batch, "--out", out, "--plan", str(plan.folders.plan)]
            if step == "segment" and engine:
                python = [str(python_of(engine)), "-m", "segmake"]
                variables = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
                subprocess.run([*python, *command], check=True, env=variables)
            else:
                # The command sends warnings to a log that is closed when it ends.
                with warnings.catch_warnings():
                    assert main(command) == 0
    with warnings.catch_warnings(action="ignore"):
        write_summary(plan)


def _plain(folder: Path) -> None:
    """Fields of several types in folders, one of them cut short, and one with nothing in it."""
    images = folder / "images"
    for number in (1, 2, 3, 10):
        drawing.imagej(images / "day 1" / f"pos_{number}.tif", draw_field(number + 2, number))
    drawing.imagej(images / "day 2" / "été.tif", draw_field(5, 5))
    drawing.write(images / "day 2" / "float.tif", draw_field(6, 6).astype(np.float32))
    drawing.write(images / "day 2" / "8 bits.tif", (draw_field(7, 7) // 16).astype(np.uint8))
    drawing.imagej(images / "day 2" / "broken.tif", draw_field(8, 8))
    drawing.cut_short(images / "day 2" / "broken.tif")
    drawing.imagej(images / "empty.tif", draw_field(0, 9))


def _correct_plain(folder: Path) -> None:
    """Lay corrections as a label image, a ``_seg.npy`` and ROIs; one of them is of another size and fails its image."""
    results = folder / "results"
    corrections = results / "corrections" / "day 1"
    masks = {
        number: tifffile.imread(results / "masks" / "day 1" / f"pos_{number}_masks.ome.tif")
        for number in (1, 2, 10)
    }
    drawing.write(corrections / "pos_1_masks.tif", np.where(masks[1] == 2, 0, masks[1]))
    seg = {"masks": np.where(masks[2] == 1, 7, masks[2]), "filename": "pos_2.tif"}
    # The protocol is that of numpy's own, whatever Python's newest is.
    np.save(corrections / "pos_2_seg.npy", np.array(seg, dtype=object), allow_pickle=True)
    shutil.copyfile(results / "rois/day 1/pos_3_rois.zip", corrections / "pos_3_rois.zip")
    drawing.write(corrections / "pos_10_masks.tif", masks[10][:50])
    for name in ("pos_2_seg.npy", "pos_3_rois.zip"):
        drawing.set_time(corrections / name)


def _channels(folder: Path) -> None:
    images = folder / "images"
    for number in (1, 2):
        phase, bright = 3000 - draw_field(6, number), draw_field(6, number + 20)
        drawing.ome(
            images / f"two_{number}.ome.tif", [np.stack([phase, bright])], "CYX", ["Phase", "GFP"]
        )
    several = [np.stack([draw_field(4, n), draw_field(n, n + 30)]) for n in (3, 4, 5)]
    drawing.ome(images / "slide.ome.tif", several, "CYX", ["Phase", "GFP"])
    drawing.ome(images / "other.ome.tif", several[:1], "CYX", ["Phase", "DAPI"])


def _movies(folder: Path) -> None:
    images = folder / "images"
    drawing.imagej(images / "colony.tif", drawing.growing(6, 1), "TYX", interval=60.0)
    fields = [drawing.growing(4, 2), drawing.growing(4, 3)[:, ::-1]]
    drawing.ome(images / "fields.ome.tif", fields, "TYX")
    drawing.imagej(images / "single.tif", draw_field(3, 4))


def _correct_movie(folder: Path) -> None:
    results = folder / "results"
    movie = tifffile.imread(results / "masks" / "colony_masks.ome.tif")
    movie[1][movie[1] == movie[1][40, 60]] = 0
    drawing.write(results / "corrections" / "colony_masks.tif", movie)


def _outputs(folder: Path) -> None:
    images = folder / "images"
    drawing.imagej(images / "field.tif", draw_field(7, 1))
    planes = [draw_field(number, 2) for number in (2, 4, 3)]
    drawing.imagej(images / "stack.tif", np.stack(planes), "ZYX")
    both = np.stack([np.stack(planes), np.stack(planes[::-1])])
    drawing.imagej(images / "both.tif", both, "TZYX", interval=30.0)


def _stack(folder: Path) -> None:
    """A stack for a network, whose cells are corrected, so that volumes are measured that are known."""
    drawing.imagej(folder / "images" / "balls.tif", drawing.stack(1), "ZYX")
    drawing.write(folder / "results" / "corrections" / "balls_masks.tif", drawing.balls())
    drawing.imagej(folder / "images" / "flat.tif", drawing.stack(2)[3])
    model = folder / "models" / "demo"
    model.parent.mkdir()
    shutil.copyfile(ROOT / "resources" / "models" / "segmake_demo_cp3", model)
    drawing.set_time(model)


_BRIGHT = """
import argparse
from pathlib import Path
import tifffile

parser = argparse.ArgumentParser()
parser.add_argument("--input", required=True)
parser.add_argument("--mask", required=True)
parser.add_argument("--output-dir", type=Path, required=True)
parser.add_argument("--threshold", type=int, default=1)
options = parser.parse_args()
image, mask = tifffile.imread(options.input), tifffile.imread(options.mask)
if "img_2" in options.input:
    raise SystemExit("this picture is not for me")
bright = int((image[mask > 0] > options.threshold).sum())
(options.output_dir / "bright.csv").write_text(f"bright\\n{bright}\\n")
"""

_WHOLE = """
import csv
import os
from pathlib import Path

with open(os.environ["SEGMAKE_CELLS"], encoding="utf-8-sig") as lines:
    cells = sorted((row["image"], int(row["label"])) for row in csv.DictReader(lines))
Path("labels.csv").write_text("image,label\\n" + "".join(f"{i},{n}\\n" for i, n in cells))
Path("report.md").write_text(f"There are **{len(cells)} cells**.")
"""

_SWEPT = """
import argparse
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int)
parser.add_argument("--rate", type=float)
parser.add_argument("--constants", type=Path)
parser.add_argument("--output-dir", type=Path)
options = parser.parse_args()
first = int(options.constants.read_text())
(options.output_dir / "sum.csv").write_text(f"sum\\n{first + options.seed * options.rate}\\n")
"""

SCRIPTS = [
    {"name": "bright", "script": "scripts/bright.py", "needs": ["images", "masks"]}
    | {"arguments": {"threshold": 200}, "outputs": ["*.csv"]},
    {"name": "whole", "script": "scripts/whole.py", "run": "dataset"}
    | {"needs": ["images", "cells", "bright"]},
    {"name": "swept", "script": "scripts/swept.py", "run": "sweep"}
    | {"sweep": {"seed": {"from": 1, "to": 3}, "rate": [0, 0.5]}}
    | {"arguments": {"constants": "{project}/scripts/constants.txt"}},
]


def write_scripts(folder: Path) -> None:
    """Write the scripts of `SCRIPTS`, and a file that one of them is told of."""
    scripts = folder / "scripts"
    scripts.mkdir()
    texts = {"bright.py": _BRIGHT, "whole.py": _WHOLE, "swept.py": _SWEPT, "constants.txt": "10"}
    for name, text in texts.items():
        (scripts / name).write_text(text, encoding="utf-8")
        drawing.set_time(scripts / name)


def _scripts(folder: Path) -> None:
    for number in (1, 2, 3):
        path = folder / "images" / f"img_{number}.tif"
        drawing.imagej(path, draw_field(number + 1, number))
    drawing.imagej(folder / "images" / "broken.tif", draw_field(3, 4))
    drawing.cut_short(folder / "images" / "broken.tif")
    write_scripts(folder)


REAL_FILES = (
    "bacteria/coli_ds1_00001_fl.tif",
    "bacteria/ecoli_sent_dapi_r0c0.tif",
    "bacteria/omni_Sample000306.tiff",
    "nd2/cluster.nd2",
    "nd2/example-cerevisiae.nd2",
    "nd2/example-timelapse.nd2",
    "tiff/derived_coli_3positions_CYX.ome.tif",
    "tiff/psf_float32_nan.tif",
)


def _real(folder: Path) -> None:
    for name in REAL_FILES:
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REAL / name, path)
        drawing.set_time(path)


_DEMO = {"engine": "cellpose3", "model": "models/demo", "gpu": False}

CONFIGS = {
    "plain": Golden(
        {"measurements": {"smallest_area": 40, "exclude_edge_cells": True}},
        _plain,
        later=_correct_plain,
    ),
    "channels": Golden(
        {
            "images": {"channel": "GFP", "positions": [1, 3, 2]},
            "segmentation": {"diameter": 14, "method": "li"},
            "measurements": {"background": "local", "neighbour_distance": 12}
            | {"properties": ["feret_diameter_max", "area_convex", "intensity_std"]},
            "cluster": {"batch_size": 2},
        },
        _channels,
    ),
    "movie": Golden({"tracking": True}, _movies, later=_correct_movie),
    "outputs": Golden(
        {"images": {"z": "all"}, "outputs": ["rois", "cellpose", "ome_zarr"]}, _outputs
    ),
    "stack": Golden(
        {
            "images": {"z": "all"},
            "segmentation": _DEMO | {"stitch_threshold": 0.25, "diameter": 26, "min_size": 60},
            "outputs": [],
        },
        _stack,
        planned={
            "do_3D": {"images": {"z": "all"}, "segmentation": _DEMO | {"do_3D": True}},
            "do_3D, pixel size": {
                "images": {"z": "all", "pixel_size_um": 0.065},
                "segmentation": _DEMO | {"do_3D": True, "anisotropy": 2.5},
            },
            "all slices": {"images": {"z": "all"}, "segmentation": _DEMO | {"niter": 200}},
            "best focus": {"images": {"z": "best_focus"}, "segmentation": _DEMO},
            "a slice": {"images": {"z": 3, "pixel_size_um": 0.065}, "segmentation": _DEMO},
            "cellpose": {"images": {"z": "max"}, "segmentation": {"engine": "cellpose"}},
            "cellpose, 3D": {
                "images": {"z": "all"},
                "segmentation": {"engine": "cellpose", "model": "cpsam", "do_3D": True},
            },
            "omnipose": {
                "images": {"z": "mean"},
                "segmentation": {"engine": "omnipose", "mask_threshold": -1},
                "overlays": {"color": "#00ff00"},
            },
        },
        engine="cellpose3",
        exact=False,
    ),
    "scripts": Golden({"scripts": SCRIPTS, "outputs": []}, _scripts, snakemake=True),
    "real": Golden(
        {
            # Under one number these files have channels of other names: 0.1.0 took number 1.
            "images": {"channel": ["5-FAM/pH 9.0", "DIC", "GFP 488 nm", "red", "1"]}
            | {"z": "max", "pages": "time"}
        },
        _real,
        real=True,
    ),
}
