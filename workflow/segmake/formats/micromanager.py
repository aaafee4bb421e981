"""What Micro-Manager says beside the pixels: in the files of its stacks, and in the index of an NDTiff data set.

NDTiff is what Micro-Manager 2 and Pycro-Manager write: TIFF files, and ``NDTiff.index``, which alone says of each page
which channel, time point, slice and position it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from tifffile import TiffFile, TiffPageSeries, read_ndtiff_index

from segmake.formats.believed import ROUNDING, first_told
from segmake.formats.ome import Document, Facts, positive, told_of
from segmake.messages import Problem

INDEX = "NDTiff.index"
_PLANE = 51123  # the tag with what is said of a plane


def facts_of_stack(file: TiffFile, series: TiffPageSeries, position: int) -> Facts:
    """Return what a stack of Micro-Manager says of one of its positions."""
    summary = _summary(file)
    plane = told_of(series.keyframe.tags.valueof(_PLANE))
    written: Facts | None = None
    try:
        document = Document(file.ome_metadata or "", Path(file.filename))
        written = document.facts(document.images[position])
    except (ParseError, IndexError):
        pass
    return replace(
        _facts(summary, plane),
        acquired=written.acquired if written else None,
        objective=written.objective if written else None,
        position=first_told(
            written.position if written else "", str(plane.get("PositionName") or "")
        ),
    )


def facts_of_ndtiff(file: TiffFile, series: TiffPageSeries, position: int) -> Facts:
    """Return what an NDTiff data set says of one of its positions."""
    summary = _summary(file)
    planes = _planes(*_index_of(file))
    positions, channels = _values(planes, "position"), _values(planes, "channel")
    own = [p for p in planes if not positions or p.axes.get("position") == positions[position]]
    told = told_of(own[0].told(file)) if own else {}
    facts = _facts(summary, {**told_of(series.keyframe.tags.valueof(_PLANE)), **told})
    named = positions[position] if positions else ""
    # Channels are called by their names, or counted, and then named in the summary.
    names = [
        each if isinstance(each, str) else (facts.channels[each : each + 1] or ("",))[0]
        for each in channels
    ]
    return replace(
        facts,
        channels=tuple(names) or facts.channels,
        interval_s=facts.interval_s or _interval_s(file, own),
        position=first_told(
            named if isinstance(named, str) else "", str(told.get("PositionName") or "")
        ),
    )


def missing_index(file: TiffFile, path: Path) -> str:
    """Return the name of the index that would say what the pages of a file are; empty if it is there, or none is.

    Raises
    ------
    Problem
        ``SM-IMG-074`` if it is there, and empty.
    """
    written = file.micromanager_metadata if file.is_micromanager else None
    if not written or int(written.get("MajorVersion", 0)) < 2:
        return ""
    index, changed = _index_of(file)
    if changed is None:
        return INDEX
    if not _planes(index, changed):
        raise Problem("SM-IMG-074", where=str(path), number=len(file.pages), index=INDEX)
    return ""


@dataclass(frozen=True)
class _Plane:
    """A plane of a data set: its place on each axis, by number or name, and where it is said what is known of it."""

    axes: Mapping[str, int | str]
    file: str
    offset: int
    length: int

    def told(self, file: TiffFile) -> Any:
        try:
            with Path(file.filehandle.dirname, self.file).open("rb") as opened:
                opened.seek(self.offset)
                return json.loads(opened.read(self.length))
        except (OSError, ValueError):
            return {}


def _index_of(file: TiffFile) -> tuple[Path, int | None]:
    """Return the path of a data set's index, and when it was changed; None if there is none."""
    path = Path(file.filehandle.dirname, INDEX)
    try:
        return path, path.stat().st_mtime_ns
    except OSError:
        return path, None


# Asked for once for each position.
@lru_cache(maxsize=2)
def _planes(index: Path, _: int | None) -> tuple[_Plane, ...]:
    return tuple(
        _Plane(axes, name, offset, length)
        for axes, name, _, _, _, _, _, offset, length, _ in read_ndtiff_index(index)
    )


def _values(planes: tuple[_Plane, ...], axis: str) -> list[int | str]:
    """Return what stands on an axis, in the order of tifffile: numbers from the lowest on, names as they come."""
    values = list(dict.fromkeys(p.axes[axis] for p in planes if axis in p.axes))
    numbers = [value for value in values if isinstance(value, int)]
    if len(numbers) < len(values) or not numbers:
        return values
    return list(range(min(numbers), max(numbers) + 1))


def _interval_s(file: TiffFile, planes: list[_Plane]) -> float | None:
    """Return the mean time between time points by the clock of the planes, where they have one."""
    first: dict[int, _Plane] = {}
    for plane in planes:
        time = plane.axes.get("time")
        if isinstance(time, int):
            first.setdefault(time, plane)
    if len(first) < 2:
        return None
    start, end = min(first), max(first)
    before, after = (told_of(first[time].told(file)).get("ElapsedTime-ms") for time in (start, end))
    if not isinstance(before, int | float) or not isinstance(after, int | float):
        return None
    return positive((after - before) / (end - start), 1e-3)


def _summary(file: TiffFile) -> Mapping[str, Any]:
    return told_of((file.micromanager_metadata or {}).get("Summary"))


def _facts(summary: Mapping[str, Any], plane: Mapping[str, Any]) -> Facts:
    """Return what the summary and what stands beside a plane say."""
    names = summary.get("ChNames") or ()
    size = _first(plane, summary, "PixelSizeUm", "PixelSize_um")
    doubted: tuple[str, ...] = ()
    # Nothing says whether the size is then that of the width or of the height.
    if size and abs((_first(plane, summary, "PixelAspect") or 1.0) - 1.0) > ROUNDING:
        size, doubted = None, (f"pixel_size_um {size:g}",)
    return Facts(
        channels=tuple(map(str, names)) if isinstance(names, list) else (),
        pixel_size_um=size,
        slice_step_um=_first(summary, plane, "z-step_um"),
        interval_s=positive(summary.get("Interval_ms"), 1e-3),
        doubted=doubted,
    )


def _first(one: Mapping[str, Any], other: Mapping[str, Any], *names: str) -> float | None:
    found = (positive(where.get(name)) for where in (one, other) for name in names)
    return next(filter(None, found), None)
