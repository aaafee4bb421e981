"""Tries the settings of a config on one picture: the picture itself, then its cells, found as a run finds them.

What is made lies in the user's cache; results of a run are neither read nor written.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from segmake.core import installation
from segmake.core.caches import own_cache_folder
from segmake.core.files import fingerprint
from segmake.core.settings import Images
from segmake.engines import BUILTIN_MODELS
from segmake.formats import FOLDER_SUFFIX
from segmake.images.inventory import size_and_time
from segmake.messages import Problem, remembered

State = Literal["picture", "begun", "model", "done"]

# Trials of so many pictures stay in the cache.
_MOST_KEPT = 40


@dataclass(frozen=True)
class Trial:
    """How far a trial is.

    Attributes
    ----------
    state : {"picture", "begun", "model", "done"}
        The picture is drawn; the engine was started; it has its model; its cells are found.
    file : Path
    position, time, slice : int
        The plane, each number from 1; of slices that become one plane, the first.
    channel : str
        The name of the channel.
    width, height : int
        Of the plane, in pixels.
    pixel_um : float or None
        The width of a pixel in micrometres.
    picture : Path
        A PNG of the plane, its grey values stretched.
    reduced : int
        How many pixels of the plane a pixel of the picture is wide.
    seconds : float
        Since the engine was started.
    model, device : str
        What the engine says of itself.
    outlines : Path or None
        A PNG as large as the picture, transparent but for the outlines of the cells.
    cells : int or None
        How many were found.
    diameter : float or None
        The median of their diameters: of discs with their areas, in pixels.
    estimated : float or None
        The diameter that the network was given, where the config has it estimated from the image.
    """

    state: State
    file: Path
    position: int
    time: int
    slice: int
    channel: str
    width: int
    height: int
    pixel_um: float | None
    picture: Path
    reduced: int
    seconds: float = 0.0
    model: str = ""
    device: str = ""
    outlines: Path | None = None
    cells: int | None = None
    diameter: float | None = None
    estimated: float | None = None


def seen(path: Path, images: dict[str, Any], position: int, moment: int) -> Trial:
    """Draw a picture of one plane.

    Parameters
    ----------
    path : Path
        The image.
    images : dict
        The section ``images`` of a checked config. What it leaves open, the first channel and the middle slice answer.
    position, moment : int
        The field of view and the time point, from 1.

    Raises
    ------
    Problem
        ``SM-LOK-008`` for a folder of images; if the image can't be read, or the picture not be written.
    """
    from segmake.look.plane import draw_plane

    if path.is_dir() and path.suffix.lower() != FOLDER_SUFFIX:
        raise Problem("SM-LOK-008", where=str(path), folder=path)
    folder = folder_of(path)
    drawn = draw_plane(path, Images.of(images), position, moment, folder)
    return Trial("picture", path, position, moment, **drawn)


def tried(drawn: Trial, images: dict[str, Any], segmentation: dict[str, Any]) -> Iterator[Trial]:
    """Find the cells of the plane that a picture shows, and say how far that is.

    Parameters
    ----------
    drawn : Trial
        What `seen` returned.
    images, segmentation : dict
        These sections of a checked config.

    Raises
    ------
    Problem
        ``SM-ENV-001`` if the engine is not there, ``SM-LOK-007`` if it died; else as in a run.
    """
    from segmake.images.set_image import set_of
    from segmake.look.plane import draw_cells

    engine = segmentation["engine"]
    python = engine_python(engine)
    if not python.exists():
        raise Problem("SM-ENV-001", engine=engine)
    labels = drawn.picture.with_name(f"{fingerprint(drawn.picture.name, segmentation)}.tif")
    # Which cells there are does not depend on where they are looked for; here there may be no GPU.
    here = {"gpu": "auto", "allow_cpu": True} if engine in BUILTIN_MODELS else {}
    question = {
        "path": str(drawn.file),
        "position": drawn.position - 1,
        "images": images | {"time": drawn.time},
        "segmentation": segmentation | here,
        "labels": str(labels),
        "files": asdict(files) if (files := set_of(drawn.file, Images.of(images))) else None,
    }
    began = time.monotonic()
    yield replace(drawn, state="begun")
    told: dict[str, Any] = {}
    for line in _answers(python, question, drawn.picture.parent):
        if problem := line.get("problem"):
            raise remembered(*problem)
        told |= line
        if "done" not in told:
            yield replace(drawn, state="model", seconds=time.monotonic() - began, **_said(told))
    if "done" not in told:
        raise Problem("SM-LOK-007", where=str(drawn.file), engine=engine)
    found = draw_cells(labels, labels.with_suffix(".png"), drawn.reduced)
    found["estimated"] = told.get("estimated")
    yield replace(drawn, state="done", seconds=time.monotonic() - began, **_said(told), **found)


def folder_of(path: Path) -> Path:
    """Return where what is made of an image lies; what was made of images that were not looked at lately is removed."""
    place = own_cache_folder() / "try"
    folder = place / fingerprint(str(path), *size_and_time(path))
    folder.mkdir(parents=True, exist_ok=True)
    os.utime(folder)
    with suppress(OSError):
        for old in sorted(place.iterdir(), key=lambda each: -each.stat().st_mtime)[_MOST_KEPT:]:
            for file in old.iterdir():
                file.unlink()
            old.rmdir()
    return folder


def engine_python(engine: str) -> Path:
    """Return the Python of an engine's environment, as the set-up made it; it may not be there."""
    if engine not in BUILTIN_MODELS:
        return Path(sys.executable)
    return installation.environments() / engine / "bin" / "python"


def _said(told: dict[str, Any]) -> dict[str, Any]:
    return {name: str(told.get(name, "")) for name in ("model", "device")}


def _answers(python: Path, question: dict[str, Any], state: Path) -> Iterator[dict[str, Any]]:
    """Yield what a process of an engine's environment says, line by line."""
    installation.link_package(state)
    package = str(installation.python_path(state))
    process = subprocess.Popen(
        [str(python), "-P", "-m", "segmake.look.segmented"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": package, "PYTHONNOUSERSITE": "1"},
    )
    assert process.stdin and process.stdout  # noqa: S101
    with process:
        try:
            with suppress(BrokenPipeError):
                process.stdin.write(json.dumps(question).encode())
                process.stdin.close()
            for line in process.stdout:
                yield json.loads(line)
        finally:
            process.kill()
