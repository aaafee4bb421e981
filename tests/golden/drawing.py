"""Draws images whose bytes are the same on every machine: whole numbers alone, and no date or version in the files.

Size and time of change of a file are in the keys of its results; so `write` sets the time, too.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile

# Half a second, which a floating-point number holds exactly: archives keep times so.
TIME_NS = 1_760_000_000_500_000_000

# Directions with whole numbers for cosine and sine, times five.
_TURNS = {0: (5, 0), 37: (4, 3), 53: (3, 4), 90: (0, 5), -37: (4, -3)}

Cell = tuple[int, int, int, int, int]
"""Middle (row, column), half length, half width, and one of the turns in degrees."""


def plane(*cells: Cell, seed: int, noise: int = 16) -> np.ndarray:
    """Return a field (Y, X), uint16, with bright ellipses on an uneven background of so many grey values."""
    shape = (96, 128)
    pixels = np.random.default_rng(seed).integers(200, 200 + noise, shape)
    rows, columns = np.indices(shape)
    pixels += columns // 16
    for number, (row, column, length, width, turn) in enumerate(cells):
        cosine, sine = _TURNS[turn]
        down, right = rows - row, columns - column
        along, across = right * cosine + down * sine, down * cosine - right * sine
        inside = (along * width) ** 2 + (across * length) ** 2 <= (5 * length * width) ** 2
        pixels[inside] += 1500 + 100 * number + 3 * (down + right)[inside]
    return pixels.astype(np.uint16)


def field(number: int, seed: int, noise: int = 16) -> np.ndarray:
    """Return a field (Y, X) with so many cells (at most 12) of different sizes and directions."""
    turns = tuple(_TURNS)
    cells = [
        (18 + 30 * (i // 4), 18 + 30 * (i % 4), 9 + (i + seed) % 4, 5, turns[(i + seed) % 5])
        for i in range(number)
    ]
    return plane(*cells, seed=seed, noise=noise)


def growing(frames: int, seed: int, noise: int = 16) -> np.ndarray:
    """Return a movie (T, Y, X) of a cell that divides halfway, one that drifts, and one that leaves."""
    found = []
    for time in range(frames):
        if time < frames // 2:
            cells: list[Cell] = [(40, 60, 16 + time, 6, 0)]
        else:
            apart = 12 + time - frames // 2
            cells = [(40, 60 - apart, 9, 6, 0), (40, 60 + apart, 9, 6, 0)]
        cells.append((76, 24 + 2 * time, 11, 5, 37))
        if time < frames - 1:
            cells.append((16, 100, 10, 5, 90))
        found.append(plane(*cells, seed=seed + time, noise=noise))
    return np.stack(found)


def balls() -> np.ndarray:
    """Return the labels (Z, Y, X), uint16, of three balls in slices that are twice as far apart as their pixels."""
    depth, rows, columns = np.indices((7, 48, 50))
    labels = np.zeros(depth.shape, np.uint16)
    for number, (z, y, x) in enumerate(((3, 15, 15), (4, 34, 36), (3, 14, 38)), start=1):
        labels[4 * (depth - z) ** 2 + (rows - y) ** 2 + (columns - x) ** 2 < 81] = number
    return labels


def stack(seed: int) -> np.ndarray:
    """Return a z-stack (Z, Y, X), uint16, of `balls`."""
    labels = balls()
    noise = np.random.default_rng(seed).integers(92, 108, labels.shape)
    return (noise + 200 * (labels > 0)).astype(np.uint16)


def write(path: Path, pixels: np.ndarray, description: str = "", resolution: int = 0) -> None:
    """Write the pages of a TIFF with what its description says, and set its time of change.

    Parameters
    ----------
    path : Path
    pixels : array (..., Y, X)
    description : str
        ImageJ's or OME's, of the first page.
    resolution : int
        Pixels per unit.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"resolution": (resolution, resolution), "resolutionunit": 1} if resolution else {}
    with tifffile.TiffWriter(path, byteorder="<") as file:
        for number, page in enumerate(pixels.reshape(-1, *pixels.shape[-2:])):
            file.write(
                page,
                photometric="minisblack",
                description=description if number == 0 and description else None,
                metadata=None,
                software=False,
                contiguous=False,
                **options,
            )
    set_time(path)


def set_time(path: Path) -> None:
    """Set the time of change of a file to one that depends on its name alone."""
    seconds = sum(path.name.encode()) % 1000
    time_ns = TIME_NS + seconds * 1_000_000_000
    os.utime(path, ns=(time_ns, time_ns))


def imagej(path: Path, pixels: np.ndarray, axes: str = "YX", interval: float = 0) -> None:
    """Write a TIFF as ImageJ does: 0.1 um per pixel, slices 0.3 um apart.

    Parameters
    ----------
    path : Path
    pixels : array
        As `axes`.
    axes : str
        Of T, Z, C, Y and X, in this order.
    interval : float
        Seconds between time points.
    """
    sizes = dict(zip(axes, pixels.shape, strict=True))
    words = {"images": np.prod(pixels.shape[:-2], dtype=int)}
    named = {"channels": "C", "slices": "Z", "frames": "T"}
    words |= {name: sizes[axis] for name, axis in named.items() if axis in sizes}
    lines = ["ImageJ=1.54f", *(f"{name}={number}" for name, number in words.items())]
    lines += ["hyperstack=true"] * (len(axes) > 2) + ["unit=um"]
    lines += ["spacing=0.3"] * ("Z" in axes) + [f"finterval={interval}"] * bool(interval)
    write(path, pixels, "\n".join([*lines, ""]), resolution=10)


def ome(
    path: Path, positions: Sequence[np.ndarray], axes: str, channels: Sequence[str] = ()
) -> None:
    """Write an OME-TIFF with named positions and channels: 0.2 um per pixel, slices 0.5 um apart, every 30 s.

    Parameters
    ----------
    path : Path
    positions : sequence of array
        As `axes`.
    axes : str
        Of T, Z, C, Y and X, in this order.
    channels : sequence of str
        Their names.
    """
    images = []
    for number, pixels in enumerate(positions):
        sizes = {"T": 1, "Z": 1, "C": 1} | dict(zip(axes, pixels.shape, strict=True))
        numbers = " ".join(f'Size{axis}="{size}"' for axis, size in sizes.items())
        pages = int(np.prod(pixels.shape[:-2]))
        names = "".join(
            f'<Channel ID="Channel:{number}:{index}" Name="{name}" SamplesPerPixel="1"/>'
            for index, name in enumerate(channels or [""] * sizes["C"])
        )
        images.append(
            f'<Image ID="Image:{number}" Name="field {number + 1}">'
            f'<Pixels ID="Pixels:{number}" DimensionOrder="XYCZT" Type="{pixels.dtype}" {numbers}'
            ' PhysicalSizeX="0.2" PhysicalSizeXUnit="um" PhysicalSizeY="0.2" PhysicalSizeYUnit="um"'
            ' PhysicalSizeZ="0.5" PhysicalSizeZUnit="um" TimeIncrement="30" TimeIncrementUnit="s">'
            f'{names}<TiffData IFD="{number * pages}" PlaneCount="{pages}"/></Pixels></Image>'
        )
    schema = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
    text = f'<?xml version="1.0"?><OME xmlns="{schema}">{"".join(images)}</OME>'
    write(path, np.concatenate([p.reshape(-1, *p.shape[-2:]) for p in positions]), text)


def cut_short(path: Path) -> None:
    """Take away the second half of a file, as an interrupted copy does."""
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    set_time(path)
