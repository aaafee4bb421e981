"""Zeiss's CZI files, read with Zeiss's own library pylibCZIrw.

A scene is a field of view, laid together from its tiles. What it holds is told by its tiles, not by the metadata, which
says what was planned. Where there are more axes than time, z and channel (the phases of an Airyscan, the views of a
light sheet), each of their values is a channel of its own.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from pylibCZIrw import czi

from segmake.formats import unreadable
from segmake.formats.axes import leading
from segmake.formats.believed import Header
from segmake.formats.claims import refuse_number, refuse_size
from segmake.formats.ome import positive
from segmake.messages import Problem

_COLORS = ("red", "green", "blue")
_METRE_UM = 1e6
# NumPy's name of each type of pixels that the library reads; a colour has three such numbers.
_DTYPES = {
    "Gray8": "uint8",
    "Gray16": "uint16",
    "Gray32Float": "float32",
    "Bgr24": "uint8",
    "Bgr48": "uint16",
    "Bgr96Float": "float32",
}
# What the axes are called that SegMake has no other place for.
_AXES = {
    "R": "rotation",
    "I": "illumination",
    "H": "phase",
    "V": "view",
    "B": "block",
}


@dataclass(frozen=True, order=True)
class _Source:
    """Where a channel lies: its index in the file, and the places on the axes of `_AXES`."""

    index: int
    place: tuple[tuple[str, int], ...]


@dataclass
class _Scene:
    """What the tiles of a scene say of it.

    Attributes
    ----------
    planes : set of (time, slice, source)
        The planes that are there, by the numbers of the file.
    pixel_types : dict
        The type of the pixels of each source.
    corners : list of int
        Left, top, right and bottom in the file's coordinates.
    """

    number: int | None
    planes: set[tuple[int, int, _Source]] = field(default_factory=set)
    pixel_types: dict[_Source, str] = field(default_factory=dict)
    corners: list[int] = field(default_factory=list)

    def add(self, place: dict[str, int], tile: Any) -> None:
        """Take a tile into account."""
        others = tuple(sorted((axis, at) for axis, at in place.items() if axis in _AXES))
        source = _Source(place.get("C", 0), others)
        self.planes.add((place.get("T", 0), place.get("Z", 0), source))
        self.pixel_types[source] = tile.pixelType.name
        area = tile.logicalRect
        corners = [area.x, area.y, area.x + area.w, area.y + area.h]
        old = self.corners or corners
        self.corners = [*map(min, old[:2], corners[:2]), *map(max, old[2:], corners[2:])]

    @cached_property
    def times(self) -> list[int]:
        """The numbers of the time points in the file."""
        return sorted({time for time, _, _ in self.planes})

    @cached_property
    def slices(self) -> list[int]:
        """The numbers of the slices in the file."""
        return sorted({at for _, at, _ in self.planes})

    @cached_property
    def channels(self) -> list[tuple[_Source, int]]:
        """The source of each channel, and which of its colours it is."""
        return [
            (source, sample)
            for source in sorted(self.pixel_types)
            for sample in range(3 if self.pixel_types[source].startswith("Bgr") else 1)
        ]

    @cached_property
    def saved(self) -> tuple[int, int]:
        """How many time points and slices were saved, from the first, with all that belongs to them."""
        axes: list[list[Any]] = [self.times, self.slices, sorted(self.pixel_types)]
        places = [{value: place for place, value in enumerate(values)} for values in axes]
        there = np.zeros([len(values) for values in axes], bool)
        for plane in self.planes:
            there[tuple(place[value] for place, value in zip(places, plane, strict=True))] = True
        return leading(there, ("time", "slice", "channel"), 0)

    @property
    def rectangle(self) -> tuple[int, int, int, int]:
        """Left, top, width and height."""
        left, top, right, bottom = self.corners
        return left, top, right - left, bottom - top

    @property
    def color(self) -> bool:
        """Whether the channels are the samples of one colour picture."""
        return len(self.channels) == 3 and len(self.pixel_types) == 1


class CziImage:
    """An open CZI file; see `segmake.formats.Image`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened = ExitStack()
        try:
            self._file = self._opened.enter_context(czi.open_czi(str(path)))
            self._scenes, lossy = _scenes(self._file)
            if not self._scenes:
                raise Problem("SM-IMG-035", where=str(path))
            kinds = {kind for scene in self._scenes for kind in scene.pixel_types.values()}
            for kind in sorted(kinds.difference(_DTYPES)):
                raise Problem("SM-IMG-036", where=str(path), kind=kind)
            for scene in self._scenes:
                pixel = 12 if scene.color else 4
                refuse_size(path, *scene.rectangle[2:], pixel, path.stat().st_size, "other")
                planned = len(scene.times) * len(scene.slices) * len(scene.pixel_types)
                refuse_number(path, planned, len(scene.planes))
            about = _About(self._file.raw_metadata)
            self.fields = tuple(about.header(scene, lossy) for scene in self._scenes)
        except Exception as error:
            self._opened.close()
            raise unreadable(path, error) from error

    def __enter__(self) -> CziImage:
        return self

    def __exit__(self, *_: Any) -> None:
        self._opened.close()

    def refuse_unwritten(self) -> None:
        """Do nothing: the directory of the tiles stands at the end of most files, and each tile has a mark."""

    def plane(
        self, channel: int, *, position: int = 0, time: int = 0, slice: int = 0, page: int = 0
    ) -> np.ndarray:
        """Return one plane; see `segmake.formats.Image`.

        Raises
        ------
        Problem
            ``SM-IMG-008`` if nothing was saved for the plane, ``SM-IMG-003`` if it can't be read.
        """
        scene = self._scenes[position]
        source, sample = scene.channels[channel]
        place = (scene.times[time], scene.slices[slice], source)
        # The library would return a black plane.
        if place not in scene.planes:
            numbers = {"channel": channel + 1, "time": time + 1, "slice": slice + 1}
            raise Problem("SM-IMG-008", where=str(self._path), **numbers)
        axes = {"T": place[0], "Z": place[1], "C": source.index, **dict(source.place)}
        kind = scene.pixel_types[source]
        try:
            pixels = self._file.read(
                roi=scene.rectangle, plane=axes, scene=scene.number, pixel_type=kind
            )
        except Exception as error:
            raise unreadable(self._path, error) from error
        # Colours are blue, green, red in the file.
        return np.ascontiguousarray(pixels[..., 2 - sample if kind.startswith("Bgr") else 0])


def _scenes(file: czi.CziReader) -> tuple[list[_Scene], bool]:
    """Return the scenes in the order of their numbers, and whether any pixel was compressed as JPEG."""
    scenes: dict[int | None, _Scene] = {}
    compressions = set()

    def look(_: int, tile: Any) -> bool:
        place = tile.coordinate.to_dict()
        number = place.pop("S", None)
        scenes.setdefault(number, _Scene(number)).add(place, tile)
        compressions.add(tile.get_compression_mode().name)
        return True

    file.enumerate_subblocks_subset(look, only_layer0=True)
    found = sorted(scenes.values(), key=lambda scene: scene.number or 0)
    return found, not compressions.isdisjoint({"Jpg", "JpgXr"})


class _About:
    """The metadata of a file, which may lack anything."""

    def __init__(self, metadata: str) -> None:
        try:
            # Expat itself refuses entities that grow without end.
            self._root = ElementTree.fromstring(metadata)  # noqa: S314
        except ElementTree.ParseError:
            self._root = ElementTree.Element("ImageDocument")
        image = self._root.find("Metadata/Information/Image")
        self._image = ElementTree.Element("Image") if image is None else image

    def header(self, scene: _Scene, lossy: bool) -> Header:
        """Return the header of a scene."""
        _, _, width, height = scene.rectangle
        types = {_DTYPES[kind] for kind in scene.pixel_types.values()}
        times, slices = scene.saved
        planned_times, planned_slices = len(scene.times), len(scene.slices)
        return Header(
            width=width,
            height=height,
            times=times,
            slices=slices,
            planned_times=planned_times if times < planned_times else None,
            planned_slices=planned_slices if slices < planned_slices else None,
            channels=_COLORS if scene.color else self._channel_names(scene),
            color=scene.color,
            dtype=str(np.result_type(*types)),
            pixel_size_um=self._distance_um("X"),
            pixel_height_um=self._distance_um("Y"),
            slice_step_um=self._distance_um("Z") if slices > 1 else None,
            interval_s=self._interval() if times > 1 else None,
            acquired=self._acquired(),
            objective=self._objective(),
            position=self._scene_name(scene.number),
            lossy=lossy and not self._says_lossless(),
        )

    def _channel_names(self, scene: _Scene) -> tuple[str, ...]:
        found = self._image.findall("Dimensions/Channels/Channel")
        indices = sorted({source.index for source in scene.pixel_types})
        several = [
            axis
            for axis in _AXES
            if len({dict(source.place).get(axis) for source in scene.pixel_types}) > 1
        ]
        names = []
        for source, sample in scene.channels:
            name = found[source.index].get("Name", "") if source.index < len(found) else ""
            words = [name or str(indices.index(source.index) + 1)]
            place = dict(source.place)
            words += [f"{_AXES[axis]} {place.get(axis, 0) + 1}" for axis in several]
            if scene.pixel_types[source].startswith("Bgr"):
                words.append(_COLORS[sample])
            names.append(" ".join(words))
        return tuple(names)

    def _distance_um(self, axis: str) -> float | None:
        metres = self._root.findtext(f"Metadata/Scaling/Items/Distance[@Id='{axis}']/Value")
        return positive(metres, _METRE_UM)

    def _interval(self) -> float | None:
        return positive(self._image.findtext("Dimensions/T/Positions/Interval/Increment"))

    def _acquired(self) -> str | None:
        written = self._image.findtext("AcquisitionDateAndTime", "")
        try:
            return datetime.fromisoformat(written).isoformat()
        except ValueError:
            return None

    def _objective(self) -> str | None:
        reference = self._image.find("ObjectiveSettings/ObjectiveRef")
        wanted = None if reference is None else reference.get("Id")
        for objective in self._root.iterfind(
            "Metadata/Information/Instrument/Objectives/Objective"
        ):
            if objective.get("Id") == wanted and objective.get("Name"):
                return objective.get("Name")
        return self._root.findtext("Metadata/Scaling/AutoScaling/ObjectiveName") or None

    def _scene_name(self, number: int | None) -> str:
        scene = self._image.find(f"Dimensions/S/Scenes/Scene[@Index='{number}']")
        if scene is None:
            return ""
        # Positions of the same name lie in different wells.
        shape = scene.find("Shape")
        well = "" if shape is None else shape.get("Name", "")
        name = scene.get("Name", "")
        return name if well in ("", name) else f"{well} {name}".strip()

    def _says_lossless(self) -> bool:
        return "lossless: true" in self._image.findtext("CurrentCompressionParameters", "").lower()
