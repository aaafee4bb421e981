"""TIFF files of all kinds, read with the library tifffile."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile

from segmake.readers import SUFFIXES, Header, unreadable

# What it has to say of a damaged file is said by SegMake, in the user's words.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)

_CENTIMETRE_UM, _INCH_UM = 10_000.0, 25_400.0
_UM = {"µm": 1.0, "μm": 1.0, "um": 1.0, "micron": 1.0, "micrometer": 1.0, "micrometre": 1.0}
_UM |= {
    "nm": 1e-3,
    "nanometer": 1e-3,
    "mm": 1e3,
    "millimeter": 1e3,
    "cm": 1e4,
    "m": 1e6,
    "pm": 1e-6,
}


class TiffImage:
    """An open TIFF file; see `segmake.readers.Image`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = tifffile.TiffFile(path)
        except Exception as error:
            raise unreadable(path, error) from error
        try:
            # The levels of a pyramid are not series of their own in tifffile.
            self._series = self._file.series[0]
            self.header = self._read_header()
        except Exception as error:
            self._file.close()
            raise unreadable(path, error) from error

    def __enter__(self) -> TiffImage:
        return self

    def __exit__(self, *_: Any) -> None:
        self._file.close()

    def plane(self, channel: int) -> np.ndarray:
        """Return one channel of the first field of view, time point and slice: YX."""
        try:
            pixels = self._series.asarray()
        except Exception as error:
            raise unreadable(self._path, error) from error
        axes = self._series.axes
        index = tuple(
            slice(None) if axis in "YX" else channel if axis == self._channel_axis else 0
            for axis in axes
        )
        plane = pixels[index]
        if axes.index("X") < axes.index("Y"):
            plane = plane.T
        # Networks and libraries want the machine's own byte order; bits become 0 and 1.
        native = np.uint8 if plane.dtype == bool else plane.dtype.newbyteorder("=")
        return np.ascontiguousarray(plane, dtype=native)

    @property
    def _channel_axis(self) -> str:
        return "C" if "C" in self._series.axes else "S"

    def _read_header(self) -> Header:
        sizes = dict(zip(self._series.axes, self._series.shape, strict=True))
        if 0 in sizes.values():
            raise ValueError(f"no pixels: {sizes}")
        color = "S" in sizes and "C" not in sizes
        known = {"Y", "X", "T", "Z", self._channel_axis}
        # Pages that no metadata explains may be anything: they count as time points, and are refused as such.
        unknown = math.prod(size for axis, size in sizes.items() if axis not in known)
        return Header(
            width=sizes["X"],
            height=sizes["Y"],
            positions=len(self._file.series),
            times=sizes.get("T", 1) * unknown,
            slices=sizes.get("Z", 1),
            channels=self._channel_names(sizes.get(self._channel_axis, 1), color),
            color=color,
            dtype=str(self._series.dtype),
            pixel_size_um=self._pixel_size(),
        )

    def _channel_names(self, number: int, color: bool) -> tuple[str, ...]:
        names: list[str] = []
        if color:
            names = ["red", "green", "blue", "alpha"]
        elif self._file.is_ome:
            names = [
                channel.get("Name", "") for channel in self._ome_pixels().iterfind("{*}Channel")
            ]
        elif self._file.is_imagej and number > 1:
            # The label of a single plane is often the name of the file that it was taken from.
            labels = (self._file.imagej_metadata or {}).get("Labels", [])
            names = list(labels) if len(labels) == number else []
            # So are those of planes that were joined: channels would have other names in each file.
            if any(self._path.stem in name or name.lower().endswith(SUFFIXES) for name in names):
                names = []
        names = names[:number] + [""] * (number - len(names))
        return tuple(name or str(index) for index, name in enumerate(names, start=1))

    def _ome_pixels(self) -> ElementTree.Element:
        nothing = ElementTree.Element("Pixels")
        try:
            # Expat itself refuses entities that grow without end.
            document = ElementTree.fromstring(self._file.ome_metadata or "<OME/>")  # noqa: S314
        except ElementTree.ParseError:
            return nothing
        found = document.find("{*}Image/{*}Pixels")
        return nothing if found is None else found

    def _pixel_size(self) -> float | None:
        if self._file.is_ome:
            pixels = self._ome_pixels()
            try:
                written = float(pixels.get("PhysicalSizeX", "nan"))
            except ValueError:
                return None
            # A unit such as "pixel" says nothing about micrometres.
            physical_um = written * _UM.get(pixels.get("PhysicalSizeXUnit", "µm"), math.nan)
            return physical_um if math.isfinite(physical_um) and physical_um > 0 else None
        page = self._series.keyframe
        resolution = page.tags.valueof("XResolution")
        if not resolution or not resolution[0] or not resolution[1]:
            return None
        size = resolution[1] / resolution[0]
        if self._file.is_imagej:
            unit = str((self._file.imagej_metadata or {}).get("unit", ""))
            unit = unit.replace("\\u00B5", "µ")
            one_um = _UM.get(unit) or _UM.get(unit.lower().removesuffix("s"))
            return size * one_um if one_um else None
        unit_code = page.tags.valueof("ResolutionUnit")
        per_unit = {3: _CENTIMETRE_UM, 2: _INCH_UM}.get(int(unit_code)) if unit_code else None
        # 72 or 300 dots per inch is what drawing programs write: about printing, not about a microscope.
        size_um = size * per_unit if per_unit else None
        return size_um if size_um is not None and size_um < 20 else None
