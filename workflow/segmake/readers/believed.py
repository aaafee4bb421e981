"""Which facts of a file are believed: what can't be true counts as not told, whichever format says it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segmake.readers import Header

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
