"""Numbers and words as people write them where a setting takes a number, or true or false: with a comma or a unit."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from segmake.messages import Problem

Allowed = Callable[[Any], bool]

# A number, the blanks that people put between its thousands included, and what stands behind it.
_WRITTEN = re.compile(r"([+-]?\d[\d\s.,]*(?:(?<=\d)e[+-]?\d+)?|[+-]?[.,]\d+)\s*(.*)", re.IGNORECASE)
# One that needs no more than to lose its quotes.
_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
# Dashes that editors make of a minus.
_DASHES = str.maketrans("\u2212\u2013", "--")

# How units are written, and how many of the setting's own unit one of them is.
_PIXELS = dict.fromkeys(("px", "pix", "pixel", "pixels"), 1.0)
_MICROMETRES = dict.fromkeys(
    ("um", "µm", "μm", "µ", "micron", "microns", "micrometre", "micromètre", "micromètres"), 1.0
) | {"nm": 0.001, "mm": 1000.0}
_GIGABYTES = dict.fromkeys(("g", "gb", "go", "gib", "gio"), 1.0) | dict.fromkeys(
    ("m", "mb", "mo", "mib", "mio"), 0.001
)
_UNITS: dict[str, Mapping[str, float]] = {
    "px": _PIXELS,
    "µm": _MICROMETRES,
    "GB": _GIGABYTES,
    "%": {"%": 1.0, "percent": 1.0},
}

# From one number to another, as people and other programs write it.
_RANGE = re.compile(r"(\d+)\s*(?:-|\.\.|to|à)\s*(\d+)", re.ASCII | re.IGNORECASE)

_WORDS = {
    **dict.fromkeys(("yes", "y", "on", "oui", "o", "vrai", "1"), "true"),
    **dict.fromkeys(("no", "n", "off", "non", "faux", "0"), "false"),
}


def problem_of_number(
    given: Any,
    allowed: Allowed,
    unit: str,
    words: Mapping[str, str],
    pixel_um: float | None = None,
) -> Problem | None:
    """Return the problem of a value that is a number, or true or false, in other words; None if it is nothing such.

    Parameters
    ----------
    given
        What the config says, and the rule does not allow.
    allowed : callable
        Whether the setting takes a value.
    unit : str
        That of the setting, if it has one.
    words : mapping
        What every message of a value tells.
    pixel_um : float or None
        The size of a pixel, if the config says it.
    """
    for text in _truths(given):
        if allowed(text == "true"):
            return Problem("SM-CFG-063", meant=text, **words)
    if not isinstance(given, str):
        return None
    text = given.strip().translate(_DASHES)
    found = _WRITTEN.fullmatch(text)
    number = _number(found[1]) if found else None
    if found is None or number is None:
        return None
    behind = found[2].strip().rstrip(".").casefold()
    if behind and unit:
        per_unit = _UNITS.get(unit, {}).get(behind)
        if per_unit is None and unit == "px" and (size := _MICROMETRES.get(behind)):
            if not pixel_um:
                return Problem("SM-CFG-064", unit=behind, **words)
            per_unit = size / pixel_um
        meant = _times(number, per_unit, allowed) if per_unit else None
        return Problem("SM-CFG-061", number=meant, unit=unit, **words) if meant else None
    if behind or not allowed(_value(number)):
        return None
    if "," in found[1]:
        return Problem("SM-CFG-046", point=number, **words)
    code = "SM-CFG-060" if _PLAIN.fullmatch(given.strip()) else "SM-CFG-062"
    return Problem(code, number=number, **words)


def range_in(given: Any) -> list[int] | None:
    """Return the first and the last number of a range such as ``1-20``; None for anything else."""
    found = _RANGE.fullmatch(given.strip().translate(_DASHES)) if isinstance(given, str) else None
    return sorted(map(int, found.groups())) if found else None


def _times(number: str, factor: float, allowed: Allowed) -> str | None:
    """Return a number in the unit of its setting, rounded where whole numbers alone are taken; None if it is none."""
    if factor != 1:
        number = f"{float(number) * factor:.4g}"
    if not allowed(_value(number)):
        number = str(round(float(number)))
    return number if allowed(_value(number)) else None


def _truths(given: Any) -> Iterator[str]:
    """Yield true or false, if a value is another word for it."""
    if not isinstance(given, bool) and (word := str(given).strip().casefold()) in _WORDS:
        yield _WORDS[word]
    elif isinstance(given, str) and word in ("true", "false"):
        yield word


def _number(written: str) -> str | None:
    """Return a number as YAML has it; None where it may be another one."""
    text = "".join(written.split())
    # 1,234.5 and 1.234,5 may mean one or the other.
    if text.count(",") + text.count(".") > 1:
        return None
    text = text.replace(",", ".").lstrip("+").rstrip(".")
    text = re.sub(r"^(-?)\.", r"\g<1>0.", text)
    try:
        return text if math.isfinite(float(text)) else None
    except ValueError:
        return None


def _value(number: str) -> float:
    value = float(number)
    return int(value) if re.fullmatch(r"-?\d+", number) else value
