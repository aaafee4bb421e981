"""Writes and reads label images, one plane at a time: 0 is the background, every other number a cell.

A raw label file is what an engine leaves for the next step: `LabelWriter` writes it. A mask is the OME-TIFF that users
open in Fiji, napari or QuPath: `write_masks` writes it. `LabelStack` reads both.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from io import BufferedReader
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import tifffile

from segmake import __version__
from segmake.core import strips
from segmake.core.disk import disk_problem
from segmake.core.files import open_atomically
from segmake.core.strips import Striped
from segmake.formats import unreadable
from segmake.messages import Problem

if TYPE_CHECKING:
    from segmake.images.field_of_view import FieldOfView

# What offsets of 32 bits can reach, less some room for what is written about the file.
_CLASSIC_BYTES = 2**32 - 2**25
_BYTES_ABOUT_A_PAGE = 1024

# What the metadata of a mask says of lengths and times.
_LENGTHS = ("PhysicalSizeX", "PhysicalSizeY", "PhysicalSizeZ", "TimeIncrement")

# One plane is compressed at a time: tifffile would otherwise gather many of them.
_COMPRESSION: dict[str, Any] = {"compression": "zlib", "maxworkers": 1}

# What tifffile calls this compression, and how many bytes it puts into a strip.
_ZLIB, _BYTES_OF_A_STRIP = 8, 2**18

# So many compressed bytes of a large plane are read at a time.
_READ_AT_ONCE = 2**24


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
        As `open_atomically` has it.

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

    def add(self, plane: np.ndarray | Striped) -> None:
        """Write the next plane: the slices of the first time point, then those of the second...

        Parameters
        ----------
        plane : array (Y, X), integers, or Striped
            One that is nowhere as a whole is read once, and its page is uint32.

        Raises
        ------
        ValueError
            If it is no label image, or of another size than the planes before it.
        """
        striped = isinstance(plane, Striped)
        largest = 0 if striped else _largest(plane)
        if self._shape not in (None, plane.shape):
            raise ValueError(f"planes of {self._shape} and of {plane.shape} pixels")
        description = None
        if self._file is None:
            written = open_atomically(self._path, lasting=self._lasting)
            # By its path, tifffile would look at each folder above it.
            file = self._opened.enter_context(written)
            self._file = self._opened.enter_context(tifffile.TiffWriter(file, bigtiff=True))
            description = json.dumps({"times": self._times, "depth": self._depth})
        told = {"description": description, "metadata": None, "contiguous": False, **_COMPRESSION}
        if isinstance(plane, Striped):

            def seen(parts: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
                nonlocal largest
                for part in parts:
                    largest = max(largest, _largest(part))
                    yield part

            shape, dtype = plane.shape, np.dtype(np.uint32)
            packed = _packed([Striped(shape, lambda: seen(plane.parts()))], dtype)
            self._file.write(packed, shape=shape, dtype=dtype, **told)
        else:
            self._file.write(np.ascontiguousarray(plane, _type_for(largest)), **told)
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
    noted : tuple, optional
        Size and checksum that it has to have.

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
        ``SM-OUT-001`` if the file is not there, damaged, other than `noted`, or was saved by another program.
    """

    def __init__(self, path: Path, noted: tuple[int, str] | None = None) -> None:
        self._path = path
        self._closed = ExitStack()
        try:
            file = self._closed.enter_context(path.open("rb"))
            if noted:
                _refuse_other(file, noted)
            # By its path, tifffile would look at each folder above it.
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

    def striped(self, time: int = 0, depth: int = 0) -> np.ndarray | Striped:
        """Return what `plane` does, of a large one as what is read some rows at a time."""
        if self.height * self.width <= strips.LARGE:
            return self.plane(time, depth)
        page = self._file.pages[time * self.depth + depth]

        def parts() -> Iterator[np.ndarray]:
            try:
                for part, _, _ in page.aspage().segments(maxworkers=1, buffersize=_READ_AT_ONCE):
                    if part is None:
                        raise ValueError("a strip that was never written")
                    yield part.reshape(-1, self.width)
            except Exception as error:
                raise self._problem(error) from error

        return Striped((self.height, self.width), parts)

    def volume(self, time: int = 0) -> np.ndarray:
        """Return the labels of all slices of one time point: (Z, Y, X), uint16 or uint32."""
        return np.stack([self.plane(time, depth) for depth in range(self.depth)])

    def planes(self) -> Iterator[np.ndarray]:
        """Yield every plane: the slices of the first time point, then those of the second..."""
        for time in range(self.times):
            for depth in range(self.depth):
                yield self.plane(time, depth)

    def striped_planes(self) -> Iterator[np.ndarray | Striped]:
        """Yield every plane as `striped` returns it."""
        for time in range(self.times):
            for depth in range(self.depth):
                yield self.striped(time, depth)

    def _read_header(self) -> None:
        self.pixel_size_um = self.pixel_height_um = self.slice_step_um = self.interval_s = None
        if self._file.is_ome:
            series = self._file.series[0]
            sizes = dict(zip(series.axes, series.shape, strict=True))
            self.times, self.depth = sizes.pop("T", 1), sizes.pop("Z", 1)
            self.height, self.width = sizes.pop("Y"), sizes.pop("X")
            # tifffile's xml2dict looks for a library that is not there, for each file in each folder of modules.
            root = ElementTree.fromstring(self._file.ome_metadata or "")  # noqa: S314
            (pixels,) = root.iterfind("{*}Image/{*}Pixels")
            known = {name: float(value) for name, value in pixels.items() if name in _LENGTHS}
            self.pixel_size_um = known.get("PhysicalSizeX")
            self.pixel_height_um = known.get("PhysicalSizeY")
            self.slice_step_um = known.get("PhysicalSizeZ")
            self.interval_s = known.get("TimeIncrement")
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


def _refuse_other(file: BufferedReader, noted: tuple[int, str]) -> None:
    """Refuse an open file whose size or checksum is another."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size != noted[0] or hashlib.file_digest(file, "sha256").hexdigest() != noted[1]:
        raise ValueError("other bytes than were noted of it")
    file.seek(0)


def write_masks(
    path: Path,
    planes: Iterable[np.ndarray | Striped],
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
    planes : iterable of array (Y, X), integers, or Striped
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

    def seen() -> Iterator[np.ndarray | Striped]:
        for plane in planes:
            if plane.shape != shape[-2:]:
                raise ValueError(f"a plane of {plane.shape} pixels, not {shape[-2:]}")
            yield plane
            for rows in strips.parts(plane):
                content.update(np.ascontiguousarray(rows, np.uint32).data)

    def write(file: IO[bytes], found: Iterable[np.ndarray | Striped], largest: int) -> None:
        dtype = _type_for(largest)
        tifffile.imwrite(
            file,
            _packed(found, dtype),
            shape=shape,
            dtype=dtype,
            ome=True,
            bigtiff=needs_bigtiff(shape, dtype),
            photometric="minisblack",
            software=f"SegMake {__version__}",
            metadata=metadata | {"UUID": _identifier(content.hexdigest())},
            **_COMPRESSION,
        )

    # By its path, tifffile would look at each folder above it.
    with open_atomically(path) as file:
        # The type of the pixels and the file's identifier depend on all planes, which can be had only once.
        if number == 1:
            (plane,) = seen()
            write(file, [plane], _largest(plane))
            return
        draft = Path(f"{file.name}.draft.tif")
        try:
            with LabelWriter(draft, times=number, depth=1, lasting=False) as writer:
                for plane in seen():
                    writer.add(plane)
            with LabelStack(draft) as stack:
                write(file, stack.striped_planes(), writer.largest)
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


def _packed(planes: Iterable[np.ndarray | Striped], dtype: np.dtype) -> Iterator[bytes]:
    """Yield the strips of planes as tifffile compresses and divides them, which it does only of whole planes."""
    for plane in planes:
        rows = max(1, _BYTES_OF_A_STRIP // (plane.shape[1] * dtype.itemsize))
        for part in strips.in_rows(strips.parts(plane), rows):
            yield tifffile.TIFF.COMPRESSORS[_ZLIB](np.ascontiguousarray(part, dtype))


def _largest(plane: np.ndarray | Striped) -> int:
    """Return the largest label of a plane, which must be one."""
    if isinstance(plane, Striped):
        return max(map(_largest, plane.parts()))
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
