"""What TIFF files without OME-XML say beside their pixels: ImageJ, MetaMorph, LSM, plain tags.

Micro-Manager's are in `segmake.formats.micromanager`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from xml.etree.ElementTree import ParseError

from tifffile import TiffFile, TiffPage, TiffPageSeries

from segmake.formats import SUFFIXES, micromanager
from segmake.formats.believed import is_printing
from segmake.formats.ome import SECONDS, Facts, length_um, positive, told_of

# Tags by their codes: tifffile would look through all of them for a name.
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 282, 283, 296
_INCH, _CENTIMETRE = 2, 3  # values of the last
_UNIT_UM = {_CENTIMETRE: 10_000.0, _INCH: 25_400.0}
# In tags, 72 or 300 dots per inch are what drawing programs write: about printing, not about a microscope.
_LARGEST_UM = 20.0

_JPEG, _JPEG_2000, _WEBP = (6, 7, 33007, 34892), (33003, 33005, 34712), (34927, 50001)
_JPEG_2000_LOSSY = 33004


def facts_of(file: TiffFile, series: TiffPageSeries, position: int) -> Facts:
    """Return what a file says of one position of a series."""
    if series.kind == "mmstack":
        return micromanager.facts_of_stack(file, series, position)
    if series.kind == "ndtiff":
        return micromanager.facts_of_ndtiff(file, series, position)
    if series.kind == "imagej":
        return _imagej(file, series)
    if series.kind == "stk":
        return _stk(file, series)
    if series.kind == "lsm":
        return _lsm(file)
    if file.is_metaseries:
        return _metamorph(file)
    return _plain(series.keyframe)


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
    labels = metadata.get("Labels", [])
    channels = metadata.get("channels", 1)
    # The label of a single plane is often the name of the file that it was taken from.
    named = isinstance(labels, list) and len(labels) == channels > 1
    # So are those of planes that were joined: channels would have other names in each file.
    stem = file.filename.rpartition(".")[0]
    if named and any(stem in name or name.lower().endswith(SUFFIXES) for name in labels):
        named = False
    seconds = SECONDS.get(str(metadata.get("tunit", "sec")).strip(), 0.0)
    return replace(
        _imagej_lengths(metadata, series.keyframe),
        channels=tuple(labels) if named else (),
        interval_s=positive(metadata.get("finterval"), seconds),
    )


def _imagej_lengths(metadata: Mapping[str, Any], page: TiffPage) -> Facts:
    unit = _unit(metadata, "unit", "")
    across, down = _resolution(page)
    width, height = length_um(across, unit), length_um(down, _unit(metadata, "yunit", unit))
    # ImageJ takes the unit over from the tags of a picture that was scanned or drawn. In a kymograph, rows are seconds.
    printed = width is not None and unit == "cm" and is_printing(width)
    doubted: list[str] = []
    if width and (printed or (height is None and "yunit" in metadata)):
        doubted.append(f"pixel_size_um {width:g}")
        width = None
    step = length_um(metadata.get("spacing"), _unit(metadata, "zunit", unit))
    # 0.1.0 took the unit of x for that of z.
    taken = length_um(metadata.get("spacing"), unit)
    if taken and taken != step:
        doubted.append(f"slice_step_um {taken:g}")
    return Facts(
        pixel_size_um=width,
        pixel_height_um=height,
        slice_step_um=step,
        doubted=tuple(doubted),
    )


def _unit(metadata: Mapping[str, Any], name: str, otherwise: str) -> str:
    """Return a unit of ImageJ; those of y and z are written where they differ from that of x."""
    return str(metadata.get(name, otherwise)).replace("\\u00B5", "µ")


def _metamorph(file: TiffFile) -> Facts:
    try:
        plane = told_of(told_of(file.metaseries_metadata).get("PlaneInfo"))
    except ParseError:
        plane = {}
    acquired: Any = plane.get("acquisition-time-local")
    axes = ("x", "y") if plane.get("spatial-calibration-state") else ()
    unit = str(plane.get("spatial-calibration-units", ""))
    sizes = [length_um(plane.get(f"spatial-calibration-{axis}"), unit) for axis in axes]
    width, height = sizes or (None, None)
    return Facts(
        pixel_size_um=width,
        pixel_height_um=height,
        acquired=acquired.isoformat() if hasattr(acquired, "isoformat") else None,
        objective=str(plane.get("_MagSetting_") or "") or None,
    )


def _stk(file: TiffFile, series: TiffPageSeries) -> Facts:
    """Return what a stack of MetaMorph says of itself; its tags, where it was not calibrated."""
    try:
        told = told_of(file.stk_metadata)
    except (ValueError, TypeError):
        # What tifffile does not understand says nothing.
        told = {}
    facts = _plain(series.keyframe)
    if told.get("SpatialCalibration"):
        unit = str(told.get("CalibrationUnits", "")).strip("\0 ")
        sizes = [length_um(told.get(f"{axis}Calibration"), unit) for axis in "XY"]
        facts = replace(facts, pixel_size_um=sizes[0], pixel_height_um=sizes[1])
    moments = told.get("DatetimeCreated")
    if moments is None or len(moments) < 2:
        return facts
    seconds = (moments[-1] - moments[0]).astype("timedelta64[ms]").astype(float) / 1000
    return replace(facts, interval_s=positive(seconds / (len(moments) - 1)))


def _lsm(file: TiffFile) -> Facts:
    """Return what Zeiss' LSM says of itself, in metres and seconds."""
    told = told_of(file.lsm_metadata)
    width, height, step = (positive(told.get(f"VoxelSize{axis}"), 1e6) for axis in "XYZ")
    names = told_of(told.get("ChannelColors")).get("ColorNames") or ()
    return Facts(
        channels=tuple(map(str, names)),
        pixel_size_um=width,
        pixel_height_um=height,
        slice_step_um=step,
        interval_s=positive(told.get("TimeIntervall")),
    )


def _plain(page: TiffPage) -> Facts:
    unit = page.tags.valueof(_RESOLUTION_UNIT)
    scale = _UNIT_UM.get(unit, 0.0) if isinstance(unit, int) else 0.0
    width, height = (positive(size, scale) for size in _resolution(page))
    if width is None or width >= _LARGEST_UM:
        return Facts()
    if is_printing(width):
        return Facts(doubted=(f"pixel_size_um {width:g}",))
    return Facts(pixel_size_um=width, pixel_height_um=height)


def _resolution(page: TiffPage) -> tuple[float | None, float | None]:
    """Return width and height of a pixel in the unit of the tag, or in ImageJ's."""
    told = [page.tags.valueof(code) for code in (_X_RESOLUTION, _Y_RESOLUTION)]
    # One by one is what tifffile writes where nobody gave a size.
    if told[0] == (1, 1) and told[1] in ((1, 1), None):
        return None, None
    ratios = [size if isinstance(size, tuple) and len(size) == 2 else (0, 0) for size in told]
    width, height = (float(under / over) if over and under else None for over, under in ratios)
    return width, height
