"""Numbers, times and plurals as people write them, in the user's language."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import pandas as pd

from segmake.messages import language


def finite(value: Any) -> float | None:
    """Return a number, or None if it is missing or not a number."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def text_of(value: Any) -> str:
    """Return a value as text, empty if it is missing."""
    return "" if value is None or (not isinstance(value, str) and pd.isna(value)) else str(value)


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


def plural(section: str, count: float) -> str:
    """Return the section for one or for many; French counts zero as one."""
    singular = abs(count) < 2 if language() == "fr" else count == 1
    return f"{section}.one" if singular else f"{section}.many"
