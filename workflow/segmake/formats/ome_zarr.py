"""ResultPaths in the format OME-Zarr, 0.1 to 0.5, whose pixels are read with the library tensorstore.

The fields of view are the image itself, the fields of a plate's wells, or the series that bioformats2raw wrote; groups
of labels are none. Of a pyramid, the full resolution is read. The values of an axis that is none of t, c, z, y, x are
channels of their own.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore

from segmake.core.files import readable
from segmake.core.threads import tensorstore_limits
from segmake.formats import unreadable
from segmake.formats.axes import index_of, size_of
from segmake.formats.believed import Header
from segmake.formats.broken import Broken, Headers
from segmake.formats.claims import LARGEST_PLANE, PLANNED, refuse_number, refuse_size
from segmake.formats.ome import Document, Facts
from segmake.formats.zarr_metadata import (
    Stored,
    attributes,
    axes_of,
    chunks,
    header,
    labels_of,
    refuse_outside,
    stored,
)
from segmake.messages import Problem

# No file of an array has more pixels than that.
_LARGEST_CHUNK = 2**35
# A plane of fewer bytes does no harm, whatever the size of the folder.
_HARMLESS = 2**30
# Chunks that hold several planes are kept for the next plane, up to so many bytes.
_KEPT = tensorstore.Context(
    {"cache_pool": {"total_bytes_limit": 100_000_000}, **tensorstore_limits()}
)


@dataclass(frozen=True)
class _Place:
    """Where a field of view lies: its name, the folder of its group, and what the microscope told of it."""

    name: str
    folder: Path
    facts: Facts = field(default_factory=Facts)


@dataclass(frozen=True)
class _Field:
    """A field of view: its pixels, and what their axes count."""

    header: Header
    array: Stored
    roles: tuple[str, ...]


class ZarrImage:
    """An open folder of OME-Zarr; see `segmake.formats.Image`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.is_dir():
            raise Problem("SM-IMG-030", where=str(path))
        self._opened: dict[int, tensorstore.TensorStore] = {}
        self._read: dict[int, _Field | Broken] = {}
        try:
            self._places = list(self._find())
        except Exception as error:
            raise self._problem(path, error) from error
        nothing = Problem("SM-IMG-031", where=str(path))
        self.fields = Headers(len(self._places), self._field, nothing)

    def __enter__(self) -> ZarrImage:
        return self

    def __exit__(self, *_: Any) -> None:
        self._opened.clear()

    def refuse_unwritten(self) -> None:
        """Do nothing: a chunk that was never written is not there, or can't be decompressed."""

    def plane(
        self, channel: int, *, position: int = 0, time: int = 0, slice: int = 0, page: int = 0
    ) -> np.ndarray:
        """Return one plane; see `segmake.formats.Image`. False and true become 0 and 1 of uint8.

        Raises
        ------
        Problem
            ``SM-IMG-034`` if no pixel of the image is there, or why its description can't be understood.
        """
        field = self._field(position)
        if isinstance(field, Broken):
            raise field.problem
        wanted = {"time": time, "slice": slice, "channel": channel}
        try:
            if position not in self._opened:
                self._opened[position] = self._open(field.array)
            index = index_of(wanted, field.roles, field.array.shape)
            pixels = self._opened[position][tuple(index)].read().result()
        except Exception as error:
            raise self._unreadable(error) from error
        if field.roles.index("x") < field.roles.index("y"):
            pixels = pixels.T
        native = np.uint8 if pixels.dtype == bool else pixels.dtype.newbyteorder("=")
        return np.ascontiguousarray(pixels, dtype=native)

    def _open(self, array: Stored) -> tensorstore.TensorStore:
        # A chunk that is not there counts as zero: a copy of the descriptions alone would be black.
        if not chunks(array.folder, self._path):
            raise Problem("SM-IMG-034", where=str(self._path), part=self._part(array.folder))
        store = {"driver": "file", "path": f"{array.folder}/"}
        specification = {"driver": array.driver, "kvstore": store}
        return tensorstore.open(specification, read=True, open=True, context=_KEPT).result()

    def _find(self) -> Iterator[_Place | Broken]:
        """Yield where the fields of view of the folder are."""
        about = attributes(self._path, self._path)
        if about is None:
            raise Problem("SM-IMG-031", where=str(self._path))
        if "multiscales" in about:
            yield _Place("", self._path)
        elif "plate" in about:
            for well in about["plate"]["wells"]:
                yield from self._well(str(well["path"]))
        else:
            facts = self._facts()
            for number, name in enumerate(self._series()):
                yield _Place(name, self._path / name, facts.get(number, Facts()))

    def _well(self, name: str) -> Iterator[_Place | Broken]:
        """Yield where the fields of view of a plate's well are."""
        folder = self._path / name
        try:
            about = attributes(folder, self._path)
            if about is None:
                raise Problem("SM-IMG-033", where=str(self._path), part=name)
            for image in about["well"]["images"]:
                yield _Place(f"{name}/{image['path']}", folder / str(image["path"]))
        except Exception as error:
            yield Broken(name, self._problem(folder, error))

    def _field(self, position: int) -> _Field | Broken:
        """Return a field of view; its description is read once."""
        if position not in self._read:
            place = self._places[position]
            if isinstance(place, _Place):
                self._read[position] = self._describe(place)
            else:
                self._read[position] = place
        return self._read[position]

    def _describe(self, place: _Place) -> _Field | Broken:
        try:
            about = attributes(place.folder, self._path)
            if about is None or "multiscales" not in about:
                raise Problem("SM-IMG-033", where=str(self._path), part=place.name)
            labels = labels_of(about)
            # Others, which are rare, are the same image made smaller in another way.
            image = about["multiscales"][0]
            array = self._array(place.folder / str(image["datasets"][0]["path"]))
            axes = axes_of(image, len(array.shape))
            self._refuse_claim(array, [axis.role for axis in axes])
            told = header(array, axes, labels, place.name, place.facts)
            return _Field(told, array, tuple(axis.role for axis in axes))
        except Exception as error:
            return Broken(place.name, self._problem(place.folder, error))

    def _array(self, folder: Path) -> Stored:
        array = stored(folder, self._path)
        if array is None:
            raise Problem("SM-IMG-033", where=str(self._path), part=self._part(folder))
        # Not complex numbers, nor several in a pixel.
        unknown = array.unknown or (array.dtype.name if array.dtype.kind not in "buif" else "")
        if unknown:
            raise Problem("SM-IMG-036", where=str(self._path), kind=unknown)
        return array

    def _refuse_claim(self, array: Stored, roles: list[str]) -> None:
        """Refuse pixels that are more than the folder can hold, or a file of it."""
        pixel = array.dtype.itemsize
        chunk = math.prod(array.chunk) * pixel
        if chunk > _LARGEST_CHUNK:
            raise Problem("SM-IMG-051", where=str(self._path), claim=f"chunk {array.chunk}")
        width, height = (size_of(role, roles, array.shape) for role in "xy")
        plane, held = max(1, width * height * pixel), LARGEST_PLANE
        planes = math.prod(array.shape) // max(1, width * height)
        if planes > PLANNED or plane > _HARMLESS:
            # As if no chunk were compressed: where many are missing, they are black on purpose.
            held = chunks(array.folder, self._path) * chunk
            refuse_number(self._path, planes, max(1, held // plane))
        refuse_size(self._path, width, height, pixel, held, "other")

    def _series(self) -> list[str]:
        """Return the names of the groups that are images, if the folder itself is none."""
        told = attributes(self._path / "OME", self._path) or {}
        if "series" in told:
            return [str(name) for name in told["series"]]
        names = [entry.name for entry in os.scandir(self._path) if entry.is_dir()]
        images = [name for name in names if "multiscales" in (self._attributes(name) or {})]
        # 10 comes after 9.
        return sorted(images, key=lambda name: (len(name) if name.isdecimal() else 99, name))

    def _attributes(self, name: str) -> dict[str, Any] | None:
        return attributes(self._path / name, self._path)

    def _facts(self) -> dict[int, Facts]:
        """Return what the microscope told of each series, where bioformats2raw kept it."""
        kept = self._path / "OME" / "METADATA.ome.xml"
        refuse_outside(kept, self._path)
        try:
            document = Document(kept.read_text(encoding="utf-8"), self._path)
            return dict(enumerate(map(document.facts, document.images)))
        except (OSError, ValueError, SyntaxError):
            return {}

    def _part(self, folder: Path) -> str:
        part = Path(os.path.relpath(folder, self._path))
        return part.as_posix() if part.parts else self._path.name

    def _problem(self, folder: Path, error: Exception) -> Problem:
        """Return the problem of a description that could not be understood."""
        if isinstance(error, Problem | OSError | MemoryError):
            return unreadable(self._path, error)
        detail = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        return Problem(
            "SM-IMG-032",
            where=str(self._path),
            part=self._part(folder),
            error=readable(detail[:200]),
        )

    def _unreadable(self, error: Exception) -> Problem:
        # The library's messages are several lines long; what is wrong stands at the end of the first.
        if type(error) is ValueError:
            error = ValueError(str(error).partition(" [")[0].rpartition('": ')[2])
        return unreadable(self._path, error)
