"""Leica's LIF files, read with the library liffile.

An image of the file (LAS calls it a series) is a field of view; so is each tile of a mosaic that LAS has not merged.
The values of an axis that is neither time nor z (bands of a spectrum, loops) are channels of their own. Photon data
(FLIM) are no images.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import liffile
import numpy as np

from segmake.formats import CutShort, unreadable
from segmake.formats.believed import Header, first_told
from segmake.formats.broken import Broken, Headers
from segmake.formats.claims import refuse_number, refuse_size
from segmake.formats.ome import positive
from segmake.formats.zeros import never_written, start_of_zeros
from segmake.messages import Problem

# What it has to say of a damaged file is said by SegMake, in the user's words.
logging.getLogger("liffile").setLevel(logging.CRITICAL)

_COLORS = ("red", "green", "blue")
# The tags of a colour camera's channels: red, green, blue. Those of other channels are 0.
_COLOR_TAGS = {"1", "2", "3"}
_UM = {"m": 1e6, "mm": 1e3, "µm": 1.0, "um": 1.0, "nm": 1e-3}
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
# The numbers of axes in the file's description.
_X, _Y, _Z, _T = "1", "2", "3", "4"
# What the axes are called that SegMake has no other place for.
_AXES = {
    "λ": "emission",
    "Λ": "excitation",
    "A": "rotation",
    "N": "line",
    "Q": "slice in time",
    "L": "loop",
}


@dataclass(frozen=True)
class _Field:
    """A field of view.

    Attributes
    ----------
    tile : int
        Which place on the axis M, if the image is a mosaic.
    channels : list of (dict, int)
        For each channel, its place on the axes of the file, and which of the samples that lie side by side.
    """

    header: Header
    image: liffile.LifImage
    tile: int
    channels: list[tuple[dict[str, int], int]]


class LifImage:
    """An open LIF file; see `segmake.formats.Image`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = liffile.LifFile(path)
        except Exception as error:
            raise unreadable(path, error) from error
        try:
            self._fields = [part for image in self._images() for part in self._parts(image)]
            nothing = Problem("SM-IMG-035", where=str(path))
            self.fields = tuple(Headers(len(self._fields), self._fields.__getitem__, nothing))
        except Exception as error:
            self._file.close()
            raise unreadable(path, error) from error

    def __enter__(self) -> LifImage:
        return self

    def __exit__(self, *_: Any) -> None:
        self._file.close()

    def refuse_unwritten(self) -> None:
        """Refuse a file whose last pixels were never written; see `segmake.formats.Image`."""
        try:
            file = self._file.filehandle
            size = file.seek(0, 2)
            tail = start_of_zeros(file, size)
            planes = sorted(self._planes(), key=lambda plane: plane[0])
            for number, (start, shape, dtype) in enumerate(planes):
                end = start + math.prod(shape) * dtype.itemsize
                if end <= tail:
                    continue
                places = np.arange(start, end, dtype.itemsize).reshape(shape)
                inside = np.any((places >= tail).reshape(*shape[:2], -1), axis=-1)
                earlier = self._raw(*planes[number - 1]) if number else None
                if never_written(self._raw(start, shape, dtype), inside, earlier):
                    raise CutShort(f"its last {size - tail} of {size} bytes are zeros")
                if start >= tail:
                    return
        except Exception as error:
            raise unreadable(self._path, error) from error

    def _planes(self) -> Iterator[tuple[int, tuple[int, ...], np.dtype]]:
        """Yield the place in the file of each plane, with its shape (YX or YXS) and type."""
        fields = [part for part in self._fields if isinstance(part, _Field)]
        for image in {id(part.image): part.image for part in fields}.values():
            axes, block = image.frames.frame_dims, image.memory_block
            shape = (
                image.sizes["Y"],
                image.sizes["X"],
                *(image.sizes[a] for a in axes if a not in "XY"),
            )
            size = math.prod(shape) * image.dtype.itemsize
            for start in range(block.offset, block.offset + block.size - size + 1, size):
                yield start, shape, image.dtype

    def _raw(self, start: int, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        self._file.filehandle.seek(start)
        data = self._file.filehandle.read(math.prod(shape) * dtype.itemsize)
        return np.frombuffer(data, dtype).reshape(shape)

    def plane(
        self, channel: int, *, position: int = 0, time: int = 0, slice: int = 0, page: int = 0
    ) -> np.ndarray:
        """Return one plane; see `segmake.formats.Image`.

        Raises
        ------
        Problem
            ``SM-IMG-003`` if it can't be read, ``SM-IMG-036`` if this image is no picture.
        """
        chosen = self._fields[position]
        if isinstance(chosen, Broken):
            raise chosen.problem
        axes = chosen.image.frames.frame_dims
        place, sample = chosen.channels[channel]
        place = {**place, "M": chosen.tile, "T": time, "Z": slice}
        outer = {
            axis: at for axis, at in place.items() if axis in set(chosen.image.dims) - set(axes)
        }
        try:
            pixels = chosen.image.frame(out=None, **outer)
        except Exception as error:
            raise unreadable(self._path, error) from error
        if "S" in axes:
            pixels = np.take(pixels, sample, axis=axes.index("S"))
        if axes.index("X") < axes.index("Y"):
            pixels = pixels.T
        return np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))

    def _images(self) -> list[liffile.LifImage]:
        found = [image for image in self._file.images if isinstance(image, liffile.LifImage)]
        # The library keeps the last of several images of one name.
        number = len(self._file.xml_element.findall(".//Element/Data/Image"))
        if len(found) != number:
            raise ValueError(f"{number} images, {len(found)} names")
        return found

    def _parts(self, image: liffile.LifImage) -> Iterator[_Field | Broken]:
        """Yield the fields of view of an image: its tiles, if it is a mosaic."""
        try:
            if not {"X", "Y"} <= set(image.frames.frame_dims) or "C1" in image.dims:
                raise Problem("SM-IMG-036", where=str(self._path), kind=" ".join(image.dims))
            self._refuse_claim(image)
            channels = _channels(image)
            places = [(place, sample) for _, place, sample in channels]
            header = _header(image, tuple(name for name, _, _ in channels))
            tiles = image.sizes.get("M", 1)
            for tile in range(tiles):
                name = f"{image.path} tile {tile + 1}" if tiles > 1 else image.path
                yield _Field(replace(header, position=name), image, tile, places)
        except Exception as error:
            yield Broken(image.path, unreadable(self._path, error))

    def _refuse_claim(self, image: liffile.LifImage) -> None:
        """Refuse an image that has more pixels than its block of the file, or whose block is not all there."""
        block, size = image.memory_block, self._path.stat().st_size
        width, height, pixel = image.sizes["X"], image.sizes["Y"], image.dtype.itemsize
        refuse_size(self._path, width, height, pixel, block.size, "none")
        planes = math.prod(image.sizes.values()) // (width * height)
        refuse_number(self._path, planes, block.size // (width * height * pixel))
        if block.offset + block.size > size:
            raise CutShort("it ends before its pixels do")


def _header(image: liffile.LifImage, channels: tuple[str, ...]) -> Header:
    sizes = image.sizes
    return Header(
        width=sizes["X"],
        height=sizes["Y"],
        times=sizes.get("T", 1),
        slices=sizes.get("Z", 1),
        channels=channels,
        color=_is_color(image),
        dtype=image.dtype.name,
        pixel_size_um=_step(image, _X, _UM),
        pixel_height_um=_step(image, _Y, _UM),
        slice_step_um=_step(image, _Z, _UM),
        interval_s=_step(image, _T, {"s": 1.0}),
        acquired=_acquired(image),
        objective=_objective(image),
    )


def _channels(image: liffile.LifImage) -> list[tuple[str, dict[str, int], int]]:
    """Return for each channel its name, its place on the axes of the file, and its sample."""
    if _is_color(image):
        return [(name, {}, sample) for sample, name in enumerate(_COLORS)]
    samples = image.sizes.get("S", 1)
    others = [axis for axis in image.dims if axis not in "TZMYXSC"]
    found = []
    for index, name in enumerate(_names(image)):
        for values in product(*(range(image.sizes[axis]) for axis in others)):
            places = dict(zip(others, values, strict=True))
            words = [name, *(f"{_AXES.get(axis, axis)} {at + 1}" for axis, at in places.items())]
            found.append((" ".join(words), {"C": index // samples, **places}, index % samples))
    return found


def _is_color(image: liffile.LifImage) -> bool:
    """Whether the image comes from a colour camera: red, green and blue lie side by side."""
    tags = {channel.get("ChannelTag") for channel in _descriptions(image, "Channel")}
    return image.sizes.get("S") == 3 and "C" not in image.dims and tags == _COLOR_TAGS


def _names(image: liffile.LifImage) -> list[str]:
    """Return the dye of each channel, else the name of its colour on the screen, else its number."""
    names = []
    for number, channel in enumerate(_descriptions(image, "Channel"), start=1):
        told = {part.findtext("Key"): part.findtext("Value") for part in channel}
        names.append(first_told(told.get("DyeName"), channel.get("LUTName"), str(number)))
    return names


def _step(image: liffile.LifImage, axis: str, units: Mapping[str, float]) -> float | None:
    """Return the distance of neighbours on an axis, or None where the file does not tell."""
    for dimension in _descriptions(image, "Dimension"):
        steps = int(dimension.get("NumberOfElements", 1)) - 1
        if dimension.get("DimID") == axis and steps > 0:
            # The length is that from the first to the last.
            scale = units.get(dimension.get("Unit", ""), 0.0) / steps
            return positive(dimension.get("Length", "").lstrip("-"), scale)
    return None


def _descriptions(image: liffile.LifImage, kind: str) -> list[Element]:
    """Return what the file says of each ``Channel`` or ``Dimension``, in the order of their places in the file."""
    found = image.xml_element.findall(f"./Data/Image/ImageDescription/{kind}s/{kind}Description")
    return sorted(found, key=lambda element: int(element.get("BytesInc", 0)))


def _acquired(image: liffile.LifImage) -> str | None:
    """Return when the first plane was taken; the file counts tenths of microseconds since 1601, in universal time."""
    listed = image.xml_element.find("./Data/Image/TimeStampList")
    if listed is None:
        return None
    first = listed.find("TimeStamp")
    try:
        if first is not None:
            count = (int(first.get("HighInteger", 0)) << 32) + int(first.get("LowInteger", 0))
        else:
            count = int((listed.text or "0").split(maxsplit=1)[0], 16)
        return (_EPOCH + timedelta(microseconds=count // 10)).isoformat()
    except (ValueError, IndexError, OverflowError):
        return None


def _objective(image: liffile.LifImage) -> str | None:
    told = (part.get("ObjectiveName") for part in image.xml_element.iterfind("./Data//*"))
    return next((name for name in told if name), None)
