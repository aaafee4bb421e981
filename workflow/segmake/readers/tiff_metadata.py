"""What TIFF files without OME-XML say beside their pixels: ImageJ, Micro-Manager, MetaMorph, plain tags."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from tifffile import TiffFile, TiffPage, TiffPageSeries

from segmake.readers import SUFFIXES
from segmake.readers.ome import SECONDS, Document, Facts, length_um, positive

_UNIT_UM = {3: 10_000.0, 2: 25_400.0}  # values of the tag ResolutionUnit: centimetre, inch
_MICROMANAGER = 51123  # the tag with what Micro-Manager says of a plane

_JPEG, _JPEG_2000, _WEBP = (6, 7, 33007, 34892), (33003, 33005, 34712), (34927, 50001)
_JPEG_2000_LOSSY = 33004


def facts_of(file: TiffFile, series: TiffPageSeries, position: int) -> Facts:
    """Return what a file says of one position of a series."""
    if series.kind == "mmstack":
        return _micromanager(file, series, position)
    if series.kind == "imagej":
        return _imagej(file, series)
    if file.is_metaseries:
        return _metamorph(file)
    return Facts(pixel_size_um=_resolution_um(series.keyframe))


def is_lossy(page: TiffPage) -> bool:
    """Whether the compression changed the values of pixels, as far as the first strip or tile says it."""
    kind = int(page.compression)
    if kind == _JPEG_2000_LOSSY:
        return True
    if kind not in (*_JPEG, *_JPEG_2000, *_WEBP):
        return False
    handle = page.parent.filehandle
    closed = handle.closed
    if closed:
        handle.open()
    handle.seek(next(filter(None, page.dataoffsets), 0))
    start = handle.read(65_536)
    if closed:
        handle.close()
    if kind in _JPEG:
        return b"\xff\xc3" not in start  # the marker of the lossless kind of JPEG
    if kind in _WEBP:
        return b"VP8L" not in start[:32]
    # In the marker segment COD the last byte says which wavelet: 1 can be undone, 0 can't.
    place = start.find(b"\xff\x52\x00")
    return place >= 0 and start[place + 13 : place + 14] == b"\0"


def _imagej(file: TiffFile, series: TiffPageSeries) -> Facts:
    metadata = file.imagej_metadata or {}
    unit = str(metadata.get("unit", "")).replace("\\u00B5", "µ")
    labels = metadata.get("Labels", [])
    channels = metadata.get("channels", 1)
    # The label of a single plane is often the name of the file that it was taken from.
    named = isinstance(labels, list) and len(labels) == channels > 1
    # So are those of planes that were joined: channels would have other names in each file.
    stem = file.filename.rpartition(".")[0]
    if named and any(stem in name or name.lower().endswith(SUFFIXES) for name in labels):
        named = False
    seconds = SECONDS.get(str(metadata.get("tunit", "sec")).strip(), 0.0)
    return Facts(
        channels=tuple(labels) if named else (),
        pixel_size_um=length_um(_resolution(series.keyframe), unit),
        slice_step_um=length_um(metadata.get("spacing"), unit),
        interval_s=positive(metadata.get("finterval"), seconds),
    )


def _micromanager(file: TiffFile, series: TiffPageSeries, position: int) -> Facts:
    summary = (file.micromanager_metadata or {})["Summary"]
    plane = series.keyframe.tags.valueof(_MICROMANAGER) or {}
    names = summary.get("ChNames") or ()
    written: Facts | None = None
    try:
        document = Document(file.ome_metadata or "", Path(file.filename))
        written = document.facts(document.images[position])
    except (ParseError, IndexError):
        pass
    return Facts(
        channels=tuple(map(str, names)) if isinstance(names, list) else (),
        pixel_size_um=_first(plane, summary, "PixelSizeUm", "PixelSize_um"),
        slice_step_um=_first(summary, plane, "z-step_um"),
        interval_s=positive(summary.get("Interval_ms"), 1e-3),
        acquired=written.acquired if written else None,
        objective=written.objective if written else None,
        position=(written.position if written else "") or str(plane.get("PositionName") or ""),
    )


def _first(one: Mapping[str, Any], other: Mapping[str, Any], *names: str) -> float | None:
    found = (positive(where.get(name)) for where in (one, other) for name in names)
    return next(filter(None, found), None)


def _metamorph(file: TiffFile) -> Facts:
    plane = (file.metaseries_metadata or {}).get("PlaneInfo", {})
    acquired = plane.get("acquisition-time-local")
    size = plane.get("spatial-calibration-x") if plane.get("spatial-calibration-state") else None
    return Facts(
        pixel_size_um=length_um(size, str(plane.get("spatial-calibration-units", ""))),
        acquired=acquired.isoformat() if hasattr(acquired, "isoformat") else None,
        objective=str(plane.get("_MagSetting_") or "") or None,
    )


def _resolution(page: TiffPage) -> float | None:
    """Return the side of a pixel in the unit of the tag, or in ImageJ's."""
    resolution = page.tags.valueof("XResolution")
    # One by one is what tifffile writes where nobody gave a size.
    if not resolution or not all(resolution) or tuple(resolution) == (1, 1):
        return None
    return float(resolution[1] / resolution[0])


def _resolution_um(page: TiffPage) -> float | None:
    size, unit = _resolution(page), page.tags.valueof("ResolutionUnit")
    size_um = size * _UNIT_UM.get(int(unit), 0.0) if size and unit else None
    # 72 or 300 dots per inch is what drawing programs write: about printing, not about a microscope.
    return size_um if size_um and size_um < 20 else None
