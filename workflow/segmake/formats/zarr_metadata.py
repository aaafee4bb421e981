"""What the descriptions in a folder of OME-Zarr say: JSON, in one place for Zarr 2 and in another for Zarr 3.

A description that can't be understood raises what Python raises: a `ValueError`, `KeyError`...
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from segmake.core.files import readable
from segmake.formats.axes import size_of
from segmake.formats.believed import Header, first_told
from segmake.formats.ome import Facts, positive
from segmake.messages import Problem

_MICROMETRES = {
    "angstrom": 1e-4,
    "picometer": 1e-6,
    "nanometer": 1e-3,
    "micrometer": 1.0,
    "millimeter": 1e3,
    "centimeter": 1e4,
    "meter": 1e6,
}
_SECONDS = {"microsecond": 1e-6, "millisecond": 1e-3, "second": 1.0, "minute": 60.0, "hour": 3600.0}
# What describes groups and arrays; any other file holds pixels.
_DESCRIPTIONS = {"zarr.json", ".zattrs", ".zgroup", ".zarray", ".zmetadata"}
# What the axes count. The values of any other one are channels of their own.
_ROLES = {"t": "time", "c": "channel", "z": "slice", "y": "y", "x": "x"}
_NAMES = {"time": "t", "channel": "c"}
# The first two versions do not name their axes, which are always these.
_FIRST, _FIRST_AXES = ("0.1", "0.2"), tuple("tczyx")
# The compressions that tensorstore undoes, and what else Zarr 3 calls a codec.
_CODECS = {"blosc", "zlib", "gzip", "bz2", "zstd"}
_CODECS |= {"bytes", "transpose", "crc32c", "sharding_indexed"}


@dataclass(frozen=True)
class Stored:
    """An array of pixels.

    Attributes
    ----------
    folder : Path
    driver : str
        What tensorstore calls its version of Zarr.
    shape : tuple of int
    dtype : numpy.dtype
    chunk : tuple of int
        The shape of what one file holds of it.
    unknown : str
        The compression, if tensorstore does not know it.
    """

    folder: Path
    driver: str
    shape: tuple[int, ...]
    dtype: np.dtype
    chunk: tuple[int, ...]
    unknown: str = ""


@dataclass(frozen=True)
class Axis:
    """An axis of an image: its name, what it counts, its unit (empty if it is not told), and the step in this unit."""

    name: str
    role: str
    unit: str
    step: float


def refuse_outside(place: Path, root: Path) -> None:
    """Refuse a file or folder that is not in the folder of the image, or is nothing that can be read to its end.

    A file in it may be a link to one elsewhere; a folder may not.

    Parameters
    ----------
    place : Path
        What is not there passes.
    root : Path
        The folder of the image.

    Raises
    ------
    Problem
        ``SM-IMG-055`` if it lies elsewhere, ``SM-IMG-054`` if it is a pipe or a device.
    """
    inside, real = os.path.realpath(root), os.path.realpath(place)
    if os.path.isfile(place):
        # Data sets that are kept elsewhere (DataLad, git-annex) have links in the place of files.
        real = os.path.join(os.path.realpath(place.parent), place.name)
    part = os.path.relpath(place, root)
    if os.path.commonpath([inside, real]) != inside:
        raise Problem("SM-IMG-055", where=str(root), part=readable(part))
    try:
        mode = place.stat().st_mode
    except OSError:
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise Problem("SM-IMG-054", where=str(root), file=readable(part))


def chunks(folder: Path, root: Path) -> int:
    """Return how many files with pixels are in the folder of an array.

    Raises
    ------
    Problem
        What `refuse_outside` raises, for any file or folder in there.
    """
    number, folders = 0, [folder]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                # Links are rare, and so are pipes: all others need not be asked for one by one.
                if not entry.is_dir(follow_symlinks=False) and not entry.is_file(
                    follow_symlinks=False
                ):
                    refuse_outside(Path(entry.path), root)
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                elif entry.name not in _DESCRIPTIONS:
                    number += 1
    return number


def attributes(folder: Path, root: Path) -> dict[str, Any] | None:
    """Return what a group says of its images; None if the folder is no group.

    Raises
    ------
    Problem
        What `refuse_outside` raises.
    """
    group = _json(folder / "zarr.json", root)
    if group is not None:
        told = group.get("attributes", {}) if group.get("node_type") == "group" else None
        return told if told is None else told.get("ome", told)
    told = _json(folder / ".zattrs", root)
    # An array has attributes too.
    if (folder / ".zarray").exists():
        return None
    return {} if told is None and (folder / ".zgroup").exists() else told


def stored(folder: Path, root: Path) -> Stored | None:
    """Return the array in a folder; None if there is none. Raises what `attributes` does."""
    array = _json(folder / "zarr.json", root)
    if array is not None:
        shape, dtype = _shape(array["shape"]), np.dtype(array["data_type"])
        chunk = tuple(array["chunk_grid"]["configuration"]["chunk_shape"])
        return Stored(folder, "zarr3", shape, dtype, chunk, _unknown(array["codecs"], "name"))
    array = _json(folder / ".zarray", root)
    if array is None:
        return None
    shape, dtype = _shape(array["shape"]), np.dtype(array["dtype"])
    steps = [*(array.get("filters") or []), array.get("compressor")]
    return Stored(folder, "zarr", shape, dtype, tuple(array["chunks"]), _unknown(steps, "id"))


def _shape(told: Sequence[Any]) -> tuple[int, ...]:
    """Return the shape of an array; JSON may say 3.0, -3 or true."""
    if any(type(size) is not int or size < 1 for size in told):
        raise ValueError(f"shape {told}")
    return tuple(told)


def labels_of(about: Mapping[str, Any]) -> list[str]:
    """Return the names of the channels that a group tells, as far as it does."""
    omero = about.get("omero")
    channels = omero.get("channels") if isinstance(omero, dict) else None
    if not isinstance(channels, list):
        return []
    told = [channel.get("label") if isinstance(channel, dict) else None for channel in channels]
    return ["" if label is None else str(label) for label in told]


def axes_of(image: Mapping[str, Any], number: int) -> list[Axis]:
    """Return the axes of an image, outermost first.

    Parameters
    ----------
    image : mapping
        One of a group's ``multiscales``.
    number : int
        How many axes the pixels have.
    """
    told = _FIRST_AXES if str(image.get("version")) in _FIRST else image["axes"]
    scales = _scales(image, number)
    axes = [_axis(axis, scale) for axis, scale in zip(told, scales, strict=True)]
    names = {axis.name for axis in axes}
    if len(names) < len(axes) or not {"x", "y"} <= names:
        raise ValueError(f"axes {' '.join(axis.name for axis in axes)}")
    return axes


def _scales(image: Mapping[str, Any], number: int) -> list[float]:
    """Return the step of each axis of the full resolution; NaN where it is not told, or makes no sense."""
    scales, told = [1.0] * number, False
    try:
        for told_by in (image["datasets"][0], image):
            for change in told_by.get("coordinateTransformations") or []:
                if change["type"] == "scale":
                    told = True
                    pairs = zip(scales, change["scale"], strict=True)
                    scales = [scale * float(factor) for scale, factor in pairs]
    except (AttributeError, KeyError, TypeError, ValueError):
        told = False
    return scales if told else [math.nan] * number


def _axis(told: str | Mapping[str, Any], step: float) -> Axis:
    if isinstance(told, str):
        told = {"name": told}
    name = str(told["name"])
    name = _NAMES.get(told.get("type", ""), name.lower() if name.lower() in _ROLES else name)
    return Axis(name, _ROLES.get(name, "channel"), str(told.get("unit") or ""), step)


def header(
    array: Stored, axes: Sequence[Axis], labels: Sequence[str], position: str, facts: Facts
) -> Header:
    """Return the header of an image.

    Parameters
    ----------
    labels : sequence of str
        The names of its channels, as far as they are told.
    facts : Facts
        What else the microscope told of it.
    """
    roles = [axis.role for axis in axes]
    sizes = {role: size_of(role, roles, array.shape) for role in _ROLES.values()}
    if 0 in array.shape:
        raise ValueError(f"no pixels: {' x '.join(map(str, array.shape))}")
    width, height = (_step(axes, role, _MICROMETRES) for role in ("x", "y"))
    # 0.1.0 took a step of one for what nobody told.
    untold = any(axis.role == "x" and math.isnan(axis.step) and axis.unit for axis in axes)
    if width is None:
        width, height = facts.pixel_size_um, facts.pixel_height_um
    slice_step = _step(axes, "slice", _MICROMETRES) or facts.slice_step_um
    interval = _step(axes, "time", _SECONDS) or facts.interval_s
    return Header(
        width=sizes["x"],
        height=sizes["y"],
        times=sizes["time"],
        slices=sizes["slice"],
        channels=tuple(_channel_names(axes, array.shape, labels or facts.channels)),
        color=False,
        dtype="uint8" if array.dtype == bool else array.dtype.name,
        pixel_size_um=width,
        pixel_height_um=height,
        slice_step_um=slice_step if sizes["slice"] > 1 else None,
        interval_s=interval if sizes["time"] > 1 else None,
        acquired=facts.acquired,
        objective=facts.objective,
        position=first_told(facts.position, position),
        doubted=("pixel_size_um 1",) if untold else (),
    )


def _channel_names(
    axes: Sequence[Axis], shape: Sequence[int], labels: Sequence[str]
) -> Iterator[str]:
    """Yield the name of each channel; the values of other axes are counted behind it."""
    sizes = {
        axis.name: size for axis, size in zip(axes, shape, strict=True) if axis.role == "channel"
    }
    for places in product(*map(range, sizes.values())):
        others = dict(zip(sizes, places, strict=True))
        index = others.pop("c", 0)
        label = labels[index] if index < len(labels) else ""
        words = [f"{axis} {place + 1}" for axis, place in others.items() if sizes[axis] > 1]
        yield " ".join([label or str(index + 1), *words])


def _step(axes: Sequence[Axis], role: str, units: Mapping[str, float]) -> float | None:
    """Return the distance of neighbours on an axis; None where its unit is not told."""
    for axis in axes:
        if axis.role == role:
            return positive(axis.step, units.get(axis.unit, 0.0))
    return None


def _unknown(steps: Sequence[Mapping[str, Any] | None], key: str) -> str:
    """Return the first compression that tensorstore does not know; empty if it knows all."""
    for step in steps:
        if step is not None and step[key] not in _CODECS:
            return str(step[key])
    return ""


def _json(file: Path, root: Path) -> dict[str, Any] | None:
    """Return a description; None if there is no such file."""
    refuse_outside(file, root)
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise ValueError(f"{file.name}: {error}") from None
    if not isinstance(told, dict):
        raise ValueError(f"{file.name}: {told!r:.20}")
    return told
