"""Writes and reads label images, one plane at a time: 0 is the background, every other number a cell.

A raw label file is what an engine leaves for the next step: `LabelWriter` writes it. A mask is the OME-TIFF that users
open in Fiji, napari or QuPath: `write_masks` writes it. `LabelStack` reads both.
"""

from __future__ import annotations

import hashlib
import json
import math
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from segmake import __version__
from segmake.core.disk import disk_problem
from segmake.core.files import write_atomically
from segmake.core.strips import strips
from segmake.formats import unreadable
from segmake.messages import Problem

if TYPE_CHECKING:
    from segmake.images.field_of_view import FieldOfView

# What offsets of 32 bits can reach, less some room for what is written about the file.
_CLASSIC_BYTES = 2**32 - 2**25
_BYTES_ABOUT_A_PAGE = 1024

# One plane is compressed at a time: tifffile would otherwise gather many of them.
_COMPRESSION: dict[str, Any] = {"compression": "zlib", "maxworkers": 1}


class LabelWriter:
    """Writes a raw label file, which appears when it is complete.

    Each page is uint16, or uint32 where it has a label above 65,535. Nothing is written before the first plane.

    Parameters
    ----------
    path : Path
        Its folder is made.
    times, depth : int
        Number of time points and of slices.
    lasting : bool
        As `write_atomically` has it.

    Attributes
    ----------
    largest : int
        The largest label so far.
    """

    def __init__(self, path: Path, *, times: int, depth: int, lasting: bool = True) -> None:
        self.largest = 0
        self._lasting = lasting
        self._path, self._times, self._depth = path, times, depth
        self._opened = ExitStack()
        self._file: tifffile.TiffWriter | None = None
        self._added = 0
        self._shape: tuple[int, ...] | None = None

    def __enter__(self) -> LabelWriter:
        return self

    def __exit__(self, kind: object, error: object, where: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def add(self, plane: np.ndarray) -> None:
        """Write the next plane: the slices of the first time point, then those of the second...

        Parameters
        ----------
        plane : array (Y, X), integers

        Raises
        ------
        ValueError
            If it is no label image, or of another size than the planes before it.
        """
        largest = _largest(plane)
        if self._shape not in (None, plane.shape):
            raise ValueError(f"planes of {self._shape} and of {plane.shape} pixels")
        description = None
        if self._file is None:
            part = self._opened.enter_context(write_atomically(self._path, lasting=self._lasting))
            # By its path, tifffile would look at each folder above it.
            file = self._opened.enter_context(part.open("wb"))
            self._file = self._opened.enter_context(tifffile.TiffWriter(file, bigtiff=True))
            description = json.dumps({"times": self._times, "depth": self._depth})
        self._file.write(
            np.ascontiguousarray(plane, _type_for(largest)),
            description=description,
            metadata=None,
            contiguous=False,
            **_COMPRESSION,
        )
        self._shape = plane.shape
        self._added += 1
        self.largest = max(self.largest, largest)

    def close(self) -> None:
        """Let the file appear.

        Raises
        ------
        ValueError
            If more or fewer planes than `times` x `depth` were added.
        """
        if self._added != self._times * self._depth:
            self.abandon()
            raise ValueError(f"{self._added} planes, not {self._times} x {self._depth}")
        self._opened.close()

    def abandon(self) -> None:
        """Leave nothing behind, unless the file is complete already."""
        error = InterruptedError()
        self._opened.__exit__(type(error), error, None)


class LabelStack:
    """An open raw label file or mask, read one plane at a time.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    axes : str
        ``YX``, ``TYX``, ``ZYX`` or ``TZYX``.
    shape : tuple of int
        As `axes`.
    times, depth, height, width : int
        1 where there is no such axis.
    pixel_size_um, pixel_height_um, slice_step_um, interval_s : float or None
        Of a mask: width and height of a pixel and distance of slices in micrometres, seconds between time points.

    Raises
    ------
    Problem
        ``SM-OUT-001`` if the file is not there, damaged, or was saved by another program.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._closed = ExitStack()
        try:
            file = self._closed.enter_context(path.open("rb"))
            self._file = self._closed.enter_context(tifffile.TiffFile(file))
            self._read_header()
        except Exception as error:
            self.close()
            raise self._problem(error) from error

    def __enter__(self) -> LabelStack:
        return self

    def __exit__(self, kind: object, error: object, where: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._closed.close()

    @property
    def axes(self) -> str:
        """The axes: those of more than one plane, and YX."""
        return "T" * (self.times > 1) + "Z" * (self.depth > 1) + "YX"

    @property
    def shape(self) -> tuple[int, ...]:
        """The size along each of the `axes`."""
        sizes = {"T": self.times, "Z": self.depth, "Y": self.height, "X": self.width}
        return tuple(sizes[axis] for axis in self.axes)

    @property
    def dtype(self) -> np.dtype:
        """The type that holds all planes: uint16 or uint32."""
        return np.result_type(*{page.dtype for page in self._file.pages})

    def plane(self, time: int = 0, depth: int = 0) -> np.ndarray:
        """Return the labels of one time point and slice: (Y, X), uint16 or uint32."""
        if not (0 <= time < self.times and 0 <= depth < self.depth):
            raise IndexError(f"no plane ({time}, {depth}) in {self.times} x {self.depth}")
        try:
            return self._file.pages[time * self.depth + depth].asarray()
        except Exception as error:
            raise self._problem(error) from error

    def volume(self, time: int = 0) -> np.ndarray:
        """Return the labels of all slices of one time point: (Z, Y, X), uint16 or uint32."""
        return np.stack([self.plane(time, depth) for depth in range(self.depth)])

    def planes(self) -> Iterator[np.ndarray]:
        """Yield every plane: the slices of the first time point, then those of the second..."""
        for time in range(self.times):
            for depth in range(self.depth):
                yield self.plane(time, depth)

    def _read_header(self) -> None:
        self.pixel_size_um = self.pixel_height_um = self.slice_step_um = self.interval_s = None
        if self._file.is_ome:
            series = self._file.series[0]
            sizes = dict(zip(series.axes, series.shape, strict=True))
            self.times, self.depth = sizes.pop("T", 1), sizes.pop("Z", 1)
            self.height, self.width = sizes.pop("Y"), sizes.pop("X")
            pixels = tifffile.xml2dict(self._file.ome_metadata or "")["OME"]["Image"]["Pixels"]
            self.pixel_size_um = pixels.get("PhysicalSizeX")
            self.pixel_height_um = pixels.get("PhysicalSizeY")
            self.slice_step_um = pixels.get("PhysicalSizeZ")
            self.interval_s = pixels.get("TimeIncrement")
        else:
            numbers = json.loads(self._file.pages.first.description)
            self.times, self.depth, sizes = int(numbers["times"]), int(numbers["depth"]), {}
            self.height, self.width = self._file.pages.first.shape
        if sizes or len(self._file.pages) != self.times * self.depth:
            raise ValueError("other pages than a label image has")
        if self._file.pages.first.dtype not in (np.uint16, np.uint32):
            raise ValueError("no label image")

    def _problem(self, error: Exception) -> Problem:
        if failing := disk_problem(error, self._path.parent):
            return failing
        problem = unreadable(self._path, error)
        if problem.code.startswith("SM-IMG-"):
            reason = problem.values.get("error", problem.what)
            names = {"path": self._path.absolute(), "error": reason}
            return Problem("SM-OUT-001", where=str(self._path), **names)
        return problem


def write_masks(
    path: Path,
    planes: Iterable[np.ndarray],
    *,
    axes: str,
    shape: tuple[int, ...],
    name: str,
    pixel_size_um: float | None = None,
    slice_step_um: float | None = None,
    interval_s: float | None = None,
    pixel_height_um: float | None = None,
    notes: Mapping[str, object] | None = None,
) -> None:
    """Write a mask as OME-TIFF, which Fiji, napari and QuPath open; the same labels give the same bytes.

    Parameters
    ----------
    path : Path
        Ends in ``.ome.tif``; its folder is made.
    planes : iterable of array (Y, X), integers
        0 is the background. The slices of the first time point, then those of the second... Written as uint16, or
        uint32 where any label is above 65,535.
    axes : {"YX", "TYX", "ZYX", "TZYX"}
    shape : tuple of int
        As `axes`.
    name : str
        The image's name in the metadata.
    pixel_size_um, slice_step_um, interval_s : float or None
        Kept in the metadata where they are known: micrometres, and seconds.
    pixel_height_um : float, optional
        Where pixels are not square.
    notes : mapping, optional
        What else to keep there, such as `selection_notes`.

    Raises
    ------
    ValueError
        If the planes are not those of `shape`, or no label images.
    """
    number = math.prod(shape[:-2])
    content = hashlib.sha256(repr((axes, shape, name)).encode())
    sizes = {"X": pixel_size_um, "Y": pixel_height_um or pixel_size_um, "Z": slice_step_um}
    metadata = _ome_metadata(name, sizes, interval_s, notes or {}) | {"axes": axes}

    def seen() -> Iterator[np.ndarray]:
        for plane in planes:
            if plane.shape != shape[-2:]:
                raise ValueError(f"a plane of {plane.shape} pixels, not {shape[-2:]}")
            yield plane
            for rows in strips(*plane.shape):
                content.update(np.ascontiguousarray(plane[rows], np.uint32).data)

    def write(part: Path, found: Iterable[np.ndarray], largest: int) -> None:
        dtype = _type_for(largest)
        # By its path, tifffile would look at each folder above it.
        with part.open("wb") as file:
            tifffile.imwrite(
                file,
                (plane.astype(dtype, copy=False) for plane in found),
                shape=shape,
                dtype=dtype,
                ome=True,
                bigtiff=needs_bigtiff(shape, dtype),
                photometric="minisblack",
                software=f"SegMake {__version__}",
                metadata=metadata | {"UUID": _identifier(content.hexdigest())},
                **_COMPRESSION,
            )

    with write_atomically(path) as part:
        # The type of the pixels and the file's identifier depend on all planes, which can be had only once.
        if number == 1:
            (plane,) = seen()
            write(part, [plane], _largest(plane))
            return
        draft = part.with_name(f"{part.name}.draft.tif")
        try:
            with LabelWriter(draft, times=number, depth=1, lasting=False) as writer:
                for plane in seen():
                    writer.add(plane)
            with LabelStack(draft) as stack:
                write(part, stack.planes(), writer.largest)
        finally:
            draft.unlink(missing_ok=True)


def needs_bigtiff(shape: tuple[int, ...], dtype: np.dtype) -> bool:
    """Whether a TIFF of this shape (..., Y, X) may be too large for the classic format."""
    pages = math.prod(shape[:-2])
    return math.prod(shape) * dtype.itemsize + pages * _BYTES_ABOUT_A_PAGE > _CLASSIC_BYTES


def selection_notes(view: FieldOfView) -> dict[str, str]:
    """Return what the config selected of a field of view, for a mask's metadata; numbers count from 1."""
    header, selection = view.header, view.selection

    def channel(index: int) -> str:
        return f"{index + 1} of {len(header.channels)} ({header.channels[index]})"

    def listed(chosen: tuple[int, ...], number: int) -> str:
        if len(chosen) == number:
            return f"all {number}"
        if len(chosen) == 1:
            return f"{chosen[0] + 1} of {number}"
        return f"{chosen[0] + 1} to {chosen[-1] + 1} of {number}, step {chosen[1] - chosen[0]}"

    notes = {"Channel": channel(selection.channel)}
    if selection.second_channel is not None:
        notes["Second channel"] = channel(selection.second_channel)
    if header.times > 1:
        notes["Time points"] = listed(selection.times, header.times)
    if header.slices > 1:
        notes["Slices"] = listed(selection.slices, header.slices)
    if selection.projection:
        notes["Projection"] = selection.projection
    return notes


def _ome_metadata(
    name: str,
    sizes: Mapping[str, float | None],
    interval_s: float | None,
    notes: Mapping[str, object],
) -> dict[str, Any]:
    """Return tifffile's words for what OME-XML holds."""
    lengths = {f"PhysicalSize{axis}": float(size) for axis, size in sizes.items() if size}
    metadata: dict[str, Any] = {
        "Creator": f"SegMake {__version__}",
        "Name": _plain(name),
        "Channel": {"Name": ["labels"]},
        **lengths,
        **{f"{key}Unit": "µm" for key in lengths},
    }
    if interval_s:
        metadata |= {"TimeIncrement": float(interval_s), "TimeIncrementUnit": "s"}
    if notes:
        told = {_plain(key): _plain(str(value)) for key, value in notes.items()}
        metadata["MapAnnotation"] = {"Namespace": "segmake", "Value": told}
    return metadata


def _plain(text: str) -> str:
    """Return text without the characters that XML can't hold, which would make the whole file unreadable."""
    return "".join(c if c.isprintable() else "_" for c in text)


def _identifier(content: str) -> str:
    """Return the identifier that OME wants in each file."""
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, content)}"


def _largest(plane: np.ndarray) -> int:
    """Return the largest label of a plane, which must be one."""
    if plane.ndim != 2 or plane.size == 0 or plane.dtype.kind not in "iub":
        raise ValueError(f"no label image: {plane.dtype}, {plane.shape}")
    if plane.min() < 0:
        raise ValueError("a label below 0")
    return int(plane.max())


def _type_for(largest: int) -> np.dtype:
    """Return the smallest type that holds the labels: uint16 or uint32."""
    if largest > np.iinfo(np.uint32).max:
        raise ValueError(f"no place for the label {largest}")
    return np.dtype(np.uint16 if largest <= np.iinfo(np.uint16).max else np.uint32)
