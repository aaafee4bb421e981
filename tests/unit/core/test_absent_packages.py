"""Of a package that is missing it is told which part of SegMake brings it."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import numpy as np
import tifffile
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from segmake.core.absent_packages import OF_LOOK, OF_PAGE, absent

ROOT = Path(__file__).parents[3]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def brought(*extras: str) -> set[str]:
    """Return the packages that extras bring themselves."""
    named = [Requirement(each) for extra in extras for each in EXTRAS[extra]]
    return {canonicalize_name(each.name) for each in named} - {"segmake"}


def test_each_package_of_a_laptop_is_known_by_what_is_imported() -> None:
    of = packages_distributions()
    for extras, names in ((("page", "remote"), OF_PAGE), (("look", "images"), OF_LOOK)):
        found = {canonicalize_name(one) for name in names for one in of[name]}
        assert found == brought(*extras)


def test_the_part_that_brings_a_package_is_named() -> None:
    told = {name: absent(name).code for name in ("asyncssh", "PIL.Image", "numpy", "skimage.io")}
    assert list(told.values()) == ["SM-REM-052", "SM-PAG-060", "SM-PAG-060", "SM-RUN-065"]


def test_an_engine_whose_package_is_missing_is_no_mistake_of_the_program(tmp_path: Path) -> None:
    image = tmp_path / "a.tif"
    tifffile.imwrite(image, np.arange(64 * 64, dtype=np.uint16).reshape(64, 64))
    question = {
        "path": str(image),
        "position": 0,
        "labels": str(tmp_path / "labels.tif"),
        "images": {"folder": str(tmp_path), "time": 1},
        "segmentation": {"engine": "threshold"},
    }
    words = "import sys; sys.modules['skimage'] = None; from segmake.look.segmented import main"
    said = subprocess.run(
        [sys.executable, "-c", f"{words}; main()"],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=True,
    )
    (answer,) = map(json.loads, said.stdout.splitlines())
    assert answer["problem"][0] == "SM-RUN-065" and answer["problem"][2] == {"package": "skimage"}
