"""Which facts of a file are believed: what can't be true counts as not told, whichever format says it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

# Lengths in micrometres: from less than an atom to a centimetre. Seconds between time points: up to three years.
_SIZES_UM = (1e-5, 1e4)
_INTERVALS_S = (0.0, 1e8)
# Clocks that were never set say 1601, 1970 or 0001.
_YEARS = range(1980, 2100)

# Sides of a pixel that differ by less are the same but for rounding; of those that differ by more, one is wrong.
ROUNDING = 1e-3
_MOST_OBLONG = 20.0

# Dots per inch of scanners and printers: whole hundreds up to the last, and these. No size of a pixel that is a round
# number of micrometres is among them.
_HUNDREDS = 10_000
_PRINTED = (1350, 1440, 2820, 2880, 5760, 12_000, 12_800, 14_400, 19_200)
_INCH_UM = 25_400.0

# Made once: `json.dumps` would make it for each header.
_AS_JSON = json.JSONEncoder(default=str).encode


def believed(header: Header) -> dict[str, Any]:
    """Return what a header should say in place of facts that can't be true, by the names of its attributes.

    Sides of a pixel that are equal but for rounding become one. A length or a time that can't be true is named in
    `Header.doubted`, since numbers would have been measured with it.
    """
    doubted = list(header.doubted)

    def checked(name: str, limits: tuple[float, float]) -> float | None:
        value = getattr(header, name)
        if value is None or limits[0] <= value <= limits[1]:
            return value
        doubted.append(f"{name} {value:g}")
        return None

    size = checked("pixel_size_um", _SIZES_UM)
    height = header.pixel_height_um if size else None
    if size and height:
        ratio = height / size
        if not 1 / _MOST_OBLONG <= ratio <= _MOST_OBLONG:
            doubted.append(f"pixel_size_um {size:g} x {height:g}")
            size = height = None
        elif abs(ratio - 1) <= ROUNDING:
            height = None
    return {
        "pixel_size_um": size,
        "pixel_height_um": height,
        "slice_step_um": checked("slice_step_um", _SIZES_UM),
        "interval_s": checked("interval_s", _INTERVALS_S),
        "acquired": _date(header.acquired),
        "objective": first_told(header.objective) or None,
        "position": first_told(header.position),
        "channels": tuple(
            first_told(name, str(number)) for number, name in enumerate(header.channels, start=1)
        ),
        "doubted": tuple(doubted),
    }


def first_told(*names: str | None) -> str:
    """Return the first of some names that is more than blanks; empty if none is."""
    return next((name for name in names if name and name.strip()), "")


def is_printing(size_um: float) -> bool:
    """Whether the side of a pixel in micrometres is that of a dot of a printer or a scanner: of 2400 dots per inch."""
    dots = _INCH_UM / size_um
    hundreds = 100 * round(dots / 100)
    usual = (*_PRINTED, hundreds) if hundreds <= _HUNDREDS else _PRINTED
    # In centimetres they are rounded.
    return any(abs(dots - number) < 0.05 for number in usual)


def _date(text: str | None) -> str | None:
    try:
        return text if text and datetime.fromisoformat(text).year in _YEARS else None
    except ValueError:
        return None


@dataclass(frozen=True)
class Header:
    """What one field of view of an image file holds, read without its pixels.

    Attributes
    ----------
    width, height : int
        Size of a plane in pixels.
    times, slices : int
        Number of time points and of z slices.
    channels : tuple of str
        Name of each channel; ``"1"``, ``"2"``... where the file names none.
    color : bool
        Whether the channels are the samples (red, green, blue) of a colour picture.
    dtype : str
        NumPy's name of the pixels' type.
    pixel_size_um : float or None
        Width of a pixel in micrometres; None where the file does not say.
    unnamed : int
        Number of pages that nothing in the file explains: they may be time points, slices or channels.
    slice_step_um : float or None
        Distance of neighbouring slices in micrometres.
    interval_s : float or None
        Mean time between time points in seconds; some files say it that call their time points slices.
    acquired : str or None
        When the microscope took it: ISO 8601.
    objective : str or None
        The objective, as the microscope calls it.
    position : str
        Name of the position, as the microscope calls it; empty where it has none.
    lossy : bool
        Whether the pixels were compressed with loss (JPEG).
    parts : tuple of str
        The names of the other files beside this one in which a part of its pixels lies (OME-TIFF of several files).
    pixel_height_um : float or None
        Height of a pixel in micrometres, where it differs from the width.
    doubted : tuple of str
        The lengths and times that the file says and that can't be true: ``pixel_size_um 10.58``. They are None.
    planned_times, planned_slices : int or None
        How many time points or slices were to be taken, where the acquisition was stopped before; None if all are
        there.
    gaps : tuple of tuple
        Channel, time point and slice (each from 0) of each plane that no file holds, where the image lies in several
        files that are put together by their names.
    lacks : str
        The name of the file that would say what its pages are, and is not beside it.
    arranged : str
        What differs when one of these files does.
    copies, copies_before : int
        Number of pages of the file that are smaller copies of others, and no fields of view, told of its first one; and
        of the series of such pages that stand before this field of view.

    What is given for a fact and can't be true is replaced when the header is made; see `segmake.formats.believed`.
    """

    width: int
    height: int
    times: int
    slices: int
    channels: tuple[str, ...]
    color: bool
    dtype: str
    pixel_size_um: float | None
    unnamed: int = 1
    slice_step_um: float | None = None
    interval_s: float | None = None
    acquired: str | None = None
    objective: str | None = None
    position: str = ""
    lossy: bool = False
    parts: tuple[str, ...] = ()
    pixel_height_um: float | None = None
    doubted: tuple[str, ...] = ()
    planned_times: int | None = None
    planned_slices: int | None = None
    copies: int = 0
    copies_before: int = 0
    gaps: tuple[tuple[int, int, int], ...] = ()
    arranged: str = ""
    lacks: str = ""

    def __post_init__(self) -> None:
        """Keep what can be true only."""
        # Made for each image of an experiment: what is frozen is set once, and in one go.
        vars(self).update(believed(self))

    @property
    def pixel_bytes(self) -> int:
        """Bytes of a pixel: of ``uint16``, or ``>u2``, two."""
        return _bytes_of(self.dtype)

    def as_dict(self) -> dict[str, Any]:
        """Return the header as plain values that JSON can hold."""
        # `dataclasses.asdict` would copy what is plain already.
        return dict(vars(self))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Header:
        """Return the header that `as_dict` gave, of this version or an earlier one."""
        tuples = {key: tuple(values.get(key, ())) for key in ("channels", "parts", "doubted")}
        gaps = tuple((one, two, three) for one, two, three in values.get("gaps", ()))
        return cls(**{**values, **tuples, "gaps": gaps})


# The images of an experiment mostly have the same: then there is one of each, however many images there are.
@lru_cache(maxsize=4096)
def header_of_text(text: str) -> Header:
    """Return the header that `text_of_header` wrote, of this version or an earlier one.

    Raises
    ------
    ValueError, TypeError, KeyError, AttributeError
        If it is none.
    """
    return Header.from_dict(json.loads(text))


def text_of_header(header: Header) -> str:
    """Return a header as JSON."""
    return _AS_JSON(header.as_dict())


@lru_cache(maxsize=64)
def _bytes_of(dtype: str) -> int:
    kind = re.fullmatch(r"[<>=|]?(?:[a-z](?P<bytes>\d+)|[a-z]+(?P<bits>\d+))", dtype)
    if kind is None:
        return 1
    return int(kind["bytes"] or int(kind["bits"]) // 8)
