"""Numbers and times as people write them, in the user's language."""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Any

from segmake.messages import language, say


def finite(value: Any) -> float | None:
    """Return a number, or None if it is missing or not a number."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def localised(written: str) -> str:
    """Turn a number as Python writes it, ``1,234.5``, into the user's language."""
    if language() == "fr":
        return written.replace(",", "\u202f").replace(".", ",").replace("-", "\u2212")
    return written.replace("-", "\u2212")


def number(value: float, digits: int = 0) -> str:
    """Return a number in the user's language, with so many digits behind the point."""
    return localised(f"{value:,.{digits}f}")


def brief(value: float) -> str:
    """Return a number with about three digits that matter."""
    if float(value).is_integer() or abs(value) >= 100:
        return number(value)
    return number(value, 1 if abs(value) >= 10 else 2)


def significant(value: float, digits: int = 4) -> str:
    """Return a number with so many digits that matter, without zeros at the end: 0.065, 0.1083, 12.5."""
    magnitude = math.floor(math.log10(abs(value))) if value else 0
    written = f"{value:,.{max(0, digits - 1 - magnitude)}f}"
    return localised(written.rstrip("0").rstrip(".") if "." in written else written)


# How people and Slurm write a time limit: 1-12:00:00 and the like, 0:10 (hours and minutes), 1 h 30 min, in English and
# French.
_CLOCK = re.compile(r"(?:(\d+)-)?(\d+)(?::([0-5]?\d)(?::([0-5]?\d))?)?")
_UNITS = re.compile(
    r"(?:(\d+(?:\.\d+)?)(?:d|days?|j|jours?))?"
    r"(?:(\d+(?:\.\d+)?)(?:h|hrs?|hours?|heures?)(?:([0-5]\d)$)?)?"
    r"(?:(\d+(?:\.\d+)?)(?:m|mn|mins?|minutes?))?"
    r"(?:(\d+(?:\.\d+)?)(?:s|secs?|seconds?|secondes?))?"
)


def shown_bytes(size: int) -> str:
    """Return the size of files as people read it."""
    for unit, power in (("GB", 9), ("MB", 6)):
        if size >= 10**power:
            return say(f"space.{unit}", number=brief(size / 10**power))
    return say("space.kB", number=number(size / 1000))


def hours_of(written: str) -> float | None:
    """Return a time limit in hours, or None where the text is none.

    Parameters
    ----------
    written : str
        Hours as a number (``0.5``), hours and minutes (``0:10``, ``1h30``, ``1 h 30 min``), minutes (``10min``), or as
        Slurm writes them: ``2:30:00``, ``1-12:00`` (days-hours:minutes).
    """
    text = "".join(written.split()).lower().replace(",", ".")
    if not text.isascii() or re.search(r"\d\s+\d", written):
        return None
    if re.fullmatch(r"\d+(\.\d+)?", text):
        hours = float(text)
    elif clock := _CLOCK.fullmatch(text):
        parts = [int(part or 0) for part in clock.groups()]
        hours = parts[0] * 24 + parts[1] + parts[2] / 60 + parts[3] / 3600
        if clock[1] and parts[1] > 23:
            return None
    elif units := _UNITS.fullmatch(text):
        days, whole, *minutes, seconds = (float(part or 0) for part in units.groups())
        hours = days * 24 + whole + sum(minutes) / 60 + seconds / 3600
    else:
        return None
    return hours if 0 < hours < math.inf else None


def whole_minutes(hours: float) -> int:
    """Return a time limit in the minutes that Slurm counts in: rounded down, but one at least."""
    # 0.35 hours are 21 minutes, whatever is lost behind the point; 0.166667 are 10.
    return max(1, math.floor(hours * 60 + 1e-6))


def hours_setting(minutes: int) -> str:
    """Return what to put into the setting ``hours`` for a time limit in minutes, as it is typed in every language."""
    whole, rest = divmod(minutes, 60)
    return f"{whole}:{rest:02d}" if rest else str(whole)


def duration(seconds: float) -> str:
    """Return a time in seconds as people say it."""
    if seconds < 10:
        return f"{number(seconds, 1)}\u00a0s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}\u00a0s"
    if whole < 3600:
        return f"{whole // 60}\u00a0min {whole % 60:02d}\u00a0s"
    return f"{number(whole // 3600)}\u00a0h {whole % 3600 // 60:02d}\u00a0min"


def moment(text: str) -> str:
    """Return an ISO 8601 time as people write it, or the text as it is if it is none."""
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return text
    zone = f" {time.tzname()}" if time.tzinfo else ""
    return f"{time:%Y-%m-%d %H:%M}{zone}"
