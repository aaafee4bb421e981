"""How a value of the config is written in the languages of scripts, in the place of another one and with its type."""

from __future__ import annotations

import re
import shlex
from typing import Any

# What stands there, and the value, do not go together.
MISFIT = object()

_NUMBER = re.compile(r"\s*([+-]?)((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf|nan)\s*", re.IGNORECASE)
_TRUTHS = {"true": True, "false": False}

_R_NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?L?|-?Inf|NaN|NA")
_R_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def as_number(value: Any) -> str | None:
    """Return a number as programs write it, without zeros in front; None if a value is none.

    Parameters
    ----------
    value : object
        A number, or the text of one: ``"007"``.
    """
    if isinstance(value, bool) or value is None or isinstance(value, list | dict):
        return None
    found = _NUMBER.fullmatch(str(value))
    if not found:
        return None
    digits = found[2].lower()
    if digits[0].isdigit():
        digits = re.sub(r"^0+(?=\d)", "", digits)
    elif digits[0] == ".":
        digits = f"0{digits}"
    return ("-" if found[1] == "-" else "") + digits


def as_truth(value: Any) -> bool | None:
    """Return true or false, written out or not; None for any other value."""
    return value if isinstance(value, bool) else _TRUTHS.get(str(value).strip().lower())


def r_value(value: Any, there: str) -> Any:
    """Return a value as R has it, or `MISFIT`.

    Parameters
    ----------
    value : object
    there : str
        What it replaces: its type is kept.
    """
    vector = re.match(r"(c|list)\s*\(", there)
    if isinstance(value, list):
        model = re.match(r"""(?:c|list)\s*\(\s*("|')""", there)
        items = [r_value(each, '""' if model else "") for each in value]
        scalar = not vector and (_is_r_text(there) or _R_NUMBER.fullmatch(there))
        call = vector[1] if vector else "c"
        return MISFIT if scalar or MISFIT in items else f"{call}({', '.join(map(str, items))})"
    if value is None:
        return "NULL"
    if vector or isinstance(value, dict):
        return MISFIT
    if _is_r_text(there):
        return _r_text(value)
    truth, number = as_truth(value), as_number(value)
    if truth is not None and not _R_NUMBER.fullmatch(there):
        return "TRUE" if truth else "FALSE"
    if number is not None:
        number = number.replace("inf", "Inf").replace("nan", "NaN")
        whole = there.endswith("L") and re.fullmatch(r"-?\d+", number)
        return f"{number}L" if whole else number
    typed = _R_NUMBER.fullmatch(there) or there in ("TRUE", "FALSE", "T", "F")
    return MISFIT if typed and there != "NA" else _r_text(value)


def _is_r_text(there: str) -> bool:
    return bool(re.match(r"""["']|[rR]["']""", there))


def _r_text(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return '"' + "".join(_R_ESCAPES.get(each, each) for each in text) + '"'


def shell_value(value: Any, there: str) -> Any:
    """Return a value as bash has it, or `MISFIT`.

    Parameters
    ----------
    value : object
    there : str
        What it replaces.
    """
    array = there.startswith("(")
    if isinstance(value, list):
        return f"({' '.join(_word(each) for each in value)})" if array else MISFIT
    if array or isinstance(value, dict):
        return MISFIT
    if re.fullmatch(r"[-+]?\d+(\.\d+)?", there) and not isinstance(value, bool):
        return MISFIT if as_number(value) is None and value is not None else _word(value)
    return _word(value)


def _word(value: Any) -> str:
    """Return a word that bash takes as it is, in one line."""
    if value is None:
        return "''"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if "\n" in text or "\r" in text:
        escaped = text.replace("\\", "\\\\").replace("'", "\\'")
        return "$'" + escaped.replace("\n", "\\n").replace("\r", "\\r") + "'"
    return shlex.quote(text)
