"""Results folders that SegMake 0.1.0 made, each with its config, images, scripts and corrections.

They are archives in ``results_0_1_0/``, made once by `tests.golden.make_old_results` and never made anew: what is in them is
what users have. `tests.golden.test_old_results` unpacks them and runs the present code there.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import yaml

from segmake.core.declared_steps import STEPS
from tests.golden import drawing
from tests.golden.configs import SCRIPTS, write_scripts
from tests.projects import Project

ARCHIVES = Path(__file__).parent / "results_0_1_0"


# Noise would make the archives several times larger.
NOISE = 1


BROKEN = "day 1/pos_4.tif"


@dataclass(frozen=True)
class Old:
    """A user's folder in which 0.1.0 ran.

    Attributes
    ----------
    settings : dict
        The config.
    make : callable
        Lays the images, and what else there is, into the folder.
    later : callable or None
        What the user did after the first run of 0.1.0; then there was a second one.
    then : callable or None
        What the user does before the present version runs.
    again : dict
        For each step, the images that the present version has to compute: those that failed, and those that 0.1.0 got
        wrong. ``scripts/NAME`` is a step too.
    remade : tuple of str
        What the paths begin with of the results that are made again, below the results folder.
    """

    settings: dict[str, Any]
    make: Callable[[Path], None]
    later: Callable[[Path], None] | None = None
    then: Callable[[Path], None] | None = None
    again: dict[str, list[str]] = field(default_factory=dict)
    remade: tuple[str, ...] = ()

    def project(self, folder: Path) -> Project:
        """Return the user's folder, before or after it is unpacked."""
        return Project(folder, self.settings)


def unpack(name: str, folder: Path) -> Project:
    """Unpack one of the archives, with the times of change of all files, and return the user's folder."""
    with tarfile.open(ARCHIVES / f"{name}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    config = folder / name / "config" / "config.yaml"
    # Its bytes stay as they are unless a test changes the settings.
    return Project(folder / name, yaml.safe_load(config.read_text(encoding="utf-8")))


def _put_right(folder: Path) -> None:
    """Copy the broken image again."""
    drawing.imagej(folder / "images" / BROKEN, drawing.field(6, 4, NOISE))


def _colony(folder: Path) -> None:
    images = folder / "images"
    for number in (1, 2, 3):
        path = images / "day 1" / f"pos_{number}.tif"
        drawing.imagej(path, drawing.field(number + 2, number, NOISE))
    _put_right(folder)
    drawing.cut_short(images / BROKEN)
    drawing.imagej(
        images / "day 2" / "growth.tif", drawing.growing(4, 5, NOISE), "TYX", interval=60.0
    )
    fields = [drawing.field(number, number, NOISE) for number in (5, 6)]
    drawing.ome(images / "day 2" / "slide.ome.tif", fields, "YX")
    write_scripts(folder)


def _correct_colony(folder: Path) -> None:
    results = folder / "results"
    found = tifffile.imread(results / "masks" / "day 1" / "pos_2_masks.ome.tif")
    drawing.write(
        results / "corrections" / "day 1" / "pos_2_masks.tif", np.where(found == 2, 0, found)
    )


def _channels(folder: Path) -> None:
    for number in (1, 2, 3):
        phase, bright = (drawing.field(6, seed, NOISE) for seed in (number, number + 20))
        path = folder / "images" / f"two_{number}.ome.tif"
        drawing.ome(path, [np.stack([3000 - phase, bright])], "CYX", ["Phase", "GFP"])
    slices = [[drawing.field(number, seed, NOISE) for seed in (2, 11)] for number in (2, 4)]
    drawing.ome(folder / "images" / "stack.ome.tif", [np.array(slices)], "ZCYX", ["Phase", "GFP"])


OLD = {
    "colony": Old(
        {
            "images": {"folder": "images"},
            "segmentation": {"engine": "threshold", "min_size": 30},
            "tracking": True,
            "outputs": ["rois", "cellpose"],
            "scripts": SCRIPTS,
            "results": "results",
        },
        _colony,
        later=_correct_colony,
        then=_put_right,
        again={
            **{step: [BROKEN] for step in (*STEPS, "scripts/bright")},
            "scripts/whole": ["whole"],
        },
        remade=("scripts/whole/", "scripts/bright/all_"),
    ),
    "channels": Old(
        {
            "images": {"folder": "images", "channel": "GFP", "z": "max"},
            "segmentation": {"engine": "threshold", "min_size": 30, "polarity": "bright"},
            "measurements": {"background": 50, "neighbour_distance": 12},
            "outputs": ["ome_zarr"],
            "cluster": {"batch_size": 2},
            "results": "results",
        },
        _channels,
    ),
}
