"""Draws the images of the examples, small enough to be found within seconds, and of which every cell is known.

Cells lie apart from each other, so that the engine ``threshold`` finds them too. The same images are drawn each time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from scipy import ndimage

from segmake.demo import synthetic
from segmake.demo.growing_colony import Movie, colony

PIXEL_SIZE_UM = synthetic.PIXEL_SIZE_UM
SECONDS_A_FRAME = 300.0
FRAMES_A_GENERATION = 8
SLICE_STEP_UM = 0.5

_WIDTH = 13.0  # of a cell, pixels
_NO_IDENTITY = "urn:uuid:00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Drawn:
    """An image of an example.

    Attributes
    ----------
    name : str
        Its path in the folder of images, with ``/``.
    pixels : ndarray of uint16
        Its grey values.
    axes : str
        What its axes are, such as ``"CYX"``.
    labels : ndarray
        0 is background, each cell has a number; (Y, X), or (T, Y, X) of a movie.
    metadata : dict
        What its OME-XML says besides the size of a pixel.
    files : str
        Where each plane is a file that says nothing: their names, such as ``"a_w{channel}_t{time}.tif"``.
    channels : tuple of str
        What stands there for the channels; time points count from 1.
    """

    name: str
    pixels: np.ndarray
    axes: str
    labels: np.ndarray
    metadata: dict[str, Any] = field(default_factory=dict)
    files: str = ""
    channels: tuple[str, ...] = ()


def draw(example: str) -> list[Drawn]:
    """Return the images of an example, drawn.

    Parameters
    ----------
    example : str
        Its name.
    """
    return _IMAGES[example]()


def write_images(example: str, folder: Path) -> list[Path]:
    """Draw the images of an example into a folder, and return the paths of their files, which are OME-TIFF mostly.

    Parameters
    ----------
    example : str
        Its name.
    folder : Path
        Made if it is not there.
    """
    paths = []
    for image in draw(example):
        path = folder / image.name
        path.parent.mkdir(parents=True, exist_ok=True)
        if image.files:
            paths += _write_planes(folder, image)
        else:
            _write(path, image)
            paths.append(path)
    return paths


def _write_planes(folder: Path, image: Drawn) -> list[Path]:
    """Write each plane of (T, C, Y, X) as a file that says nothing but its pixels, and return their paths."""
    paths = []
    for time, channel in np.ndindex(image.pixels.shape[:2]):
        names = {"channel": image.channels[channel], "time": time + 1}
        path = folder / image.files.format(**names)
        plane = image.pixels[time, channel]
        tifffile.imwrite(path, plane, photometric="minisblack", compression="zlib", metadata=None)
        paths.append(path)
    return paths


def movie() -> Movie:
    """Return the cells of the movie, and which cell each of them was or came of."""
    shape, rate = (256, 256), FRAMES_A_GENERATION
    return colony(6, 12, founders=4, frames_a_generation=rate, shape=shape, spread=0.3, gap=0.4)


def _write(path: Path, image: Drawn) -> None:
    size = {"PhysicalSizeX": PIXEL_SIZE_UM, "PhysicalSizeY": PIXEL_SIZE_UM}
    units = {"PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "µm"}
    known = {"axes": image.axes, "Name": path.name, "UUID": _NO_IDENTITY}
    tifffile.imwrite(
        path,
        image.pixels,
        ome=True,
        photometric="minisblack",
        compression="zlib",
        metadata={**known, **size, **units, **image.metadata},
    )


# ---------------------------------------------------------------------------
# Cells and what is seen of them
# ---------------------------------------------------------------------------


def _field(
    seed: int, shape: tuple[int, int], number: int, gap: float, longer: float = 1.0
) -> synthetic._Geometry:
    """Draw rods that keep apart from each other."""
    rng = np.random.default_rng([seed, 1])
    cells = synthetic._first_cells(number, shape, 1.0, _WIDTH, "rod", rng)
    cells.length *= longer
    synthetic._settle(cells, 300, gap, 0.4)
    return synthetic._rasterise(cells, shape, rng)


def _photograph(
    light: np.ndarray, seed: int, *, photons: float = 300, dark: float = 0.1
) -> np.ndarray:
    """Return what a camera sees of light, about 0 to 1: with the noise of light and its own."""
    rng = np.random.default_rng([seed, 2])
    seen = rng.poisson(photons * (light + dark)) * 4 + rng.normal(100, 6, light.shape)
    return np.clip(np.round(seen), 0, 65535).astype(np.uint16)


def _phase(seed: int, field: synthetic._Geometry) -> np.ndarray:
    """Draw phase contrast: dark cells within a bright halo."""
    rng = np.random.default_rng([seed, 3])
    body = synthetic._thickness(field, 0.8) * synthetic._per_cell(
        field, np.clip(rng.normal(1, 0.08, len(field.length)), 0.7, 1.3)
    )
    sharp, near = synthetic._blur(body, 1.5), synthetic._blur(body, 5)
    picture = 1 - 0.55 * (sharp - 0.45 * near)
    picture += 0.008 * synthetic._texture(field.labels.shape, 8, rng)
    return picture


def _stained(
    seed: int, field: synthetic._Geometry, staining: str, spread: float = 0.15
) -> np.ndarray:
    rng = np.random.default_rng([seed, 4])
    bright = np.clip(rng.normal(1, spread, len(field.length)), 0.4, 2)
    return synthetic._blur(
        synthetic._stain(field, staining, rng) * synthetic._per_cell(field, bright), 1.3
    )


# ---------------------------------------------------------------------------
# The examples
# ---------------------------------------------------------------------------


def _phase_contrast() -> list[Drawn]:
    images = []
    for number, seed in enumerate((9, 17, 18, 22), start=1):
        field = _field(seed, (280, 280), 28, 0.2)
        pixels = np.round(20000 * _phase(seed, field)).astype(np.uint16)
        rng = np.random.default_rng([seed, 5])
        pixels = np.round(pixels + rng.normal(0, 250, pixels.shape)).astype(np.uint16)
        images.append(Drawn(f"ecoli_pos{number}.ome.tif", pixels, "YX", field.labels))
    return images


def _two_channels() -> list[Drawn]:
    images = []
    for condition, much, seeds in (
        ("control", 1.0, (42, 43, 55, 58)),
        ("treated", 1.6, (66, 74, 81, 91)),
    ):
        for number, seed in enumerate(seeds, start=1):
            field = _field(seed, (256, 256), 15, 0.5)
            membrane = _photograph(_stained(seed, field, "membrane"), seed)
            dna = _photograph(0.5 * much * _stained(seed, field, "nucleoid"), seed + 100)
            pixels = np.stack([membrane, dna])
            channels = {"Channel": {"Name": ["Membrane", "DNA"]}}
            images.append(
                Drawn(f"{condition}/pos{number}.ome.tif", pixels, "CYX", field.labels, channels)
            )
    return images


def _movie() -> list[Drawn]:
    frames = np.stack(movie().frames)
    pictures = []
    for number, labels in enumerate(frames):
        depth = ndimage.distance_transform_edt(labels > 0)
        light = synthetic._blur(np.sqrt(np.clip(depth / 5, 0, 1)), 1.2)
        pictures.append(_photograph(light, 1000 + number))
    every = {"TimeIncrement": SECONDS_A_FRAME, "TimeIncrementUnit": "s"}
    return [Drawn("colony.ome.tif", np.stack(pictures), "TYX", frames, every)]


def _stack() -> list[Drawn]:
    images = []
    for number, (seed, focus) in enumerate(((62, 3), (70, 5), (71, 4)), start=1):
        field = _field(seed, (256, 256), 15, 0.5)
        sharp = _phase(seed, field)
        slices = []
        for slice_number in range(7):
            away = abs(slice_number + 1 - focus)
            blurred = synthetic._blur(sharp, 0.01 + 1.6 * away)
            rng = np.random.default_rng([seed, 6, slice_number])
            slices.append(np.round(20000 * blurred + rng.normal(0, 250, blurred.shape)))
        step = {"PhysicalSizeZ": SLICE_STEP_UM, "PhysicalSizeZUnit": "µm"}
        pixels = np.stack(slices).astype(np.uint16)
        images.append(Drawn(f"pos{number}.ome.tif", pixels, "ZYX", field.labels, step))
    return images


def _several_files() -> list[Drawn]:
    """Two positions with a file for each channel and time point; in the second channel, cells get brighter."""
    images = []
    for position, seed in enumerate((3, 4), start=1):
        shape, rate = (224, 224), 6
        grown = colony(
            seed, 4, founders=5, frames_a_generation=rate, shape=shape, spread=0.3, gap=0.4
        )
        frames = np.stack(grown.frames)
        planes = []
        for time, labels in enumerate(frames):
            depth = ndimage.distance_transform_edt(labels > 0)
            light = synthetic._blur(np.sqrt(np.clip(depth / 5, 0, 1)), 1.2)
            seeds = 2000 + 100 * position + 2 * time
            green = _photograph((0.15 + 0.2 * time) * light, seeds + 1)
            planes.append([_photograph(light, seeds), green])
        names = f"colony_w{{channel}}_s{position}_t{{time}}.tif"
        images.append(
            Drawn(
                f"colony_s{position}.tif",
                np.array(planes),
                "TCYX",
                frames,
                files=names,
                channels=("1RFP", "2GFP"),
            )
        )
    return images


def _protein() -> list[Drawn]:
    """In the middle of each cell, or at the ends of longer cells."""
    images = []
    for condition, longer, seeds in (
        ("control", 1.0, (94, 41, 48)),
        ("treated", 1.5, (127, 121, 131)),
    ):
        for day, seed in enumerate(seeds, start=1):
            field = _field(seed, (256, 256), 15, 0.5, longer)
            half = synthetic._per_cell(field, field.length / 2 - field.radius)
            middle = np.abs(field.along) * half
            place = middle if condition == "control" else half - middle
            protein = np.exp(-((place / 2.5) ** 2)) * (field.labels > 0)
            light = 0.6 * _stained(seed, field, "cytoplasm")
            light += 0.4 * synthetic._blur(protein, 1.3)
            name = f"{condition}/day{day}_pos1.ome.tif"
            images.append(Drawn(name, _photograph(light, seed), "YX", field.labels))
    return images


_IMAGES: dict[str, Callable[[], list[Drawn]]] = {
    "phase": _phase_contrast,
    "two-channels": _two_channels,
    "movie": _movie,
    "stack": _stack,
    "several-files": _several_files,
    "script": _protein,
}
