"""Writes values as YAML that reads back equal, whether YAML 1.1 (PyYAML, Snakemake) or 1.2 (ruamel.yaml) reads it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Keys = tuple[str | int, ...]

# A text that needs no quotes wherever it stands, if it is not one of the words that YAML takes for another thing.
_PLAIN = re.compile(r"[A-Za-z/][\w/.+-]*", re.ASCII)
_TAKEN = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


@dataclass(frozen=True)
class Number:
    """A number as it is written: 007 and 1e-3 are not what Python would make of them."""

    text: str


def in_one_line(value: Any, numbers: Mapping[Keys, str] | None = None, keys: Keys = ()) -> str:
    """Return a value as one writes it in one line of YAML.

    Parameters
    ----------
    value
        In Python's own types; a number may be a `Number`.
    numbers : mapping, optional
        How numbers are written, by the keys that lead to them: 007 and 1e-3 are not what Python would make of them.
    keys : tuple
        Those that lead to this value.
    """
    if isinstance(value, dict):
        pairs = (
            f"{_text(key)}: {in_one_line(inner, numbers, (*keys, key))}"
            for key, inner in value.items()
        )
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        items = (in_one_line(inner, numbers, (*keys, index)) for index, inner in enumerate(value))
        return f"[{', '.join(items)}]"
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, Number):
        return value.text
    if isinstance(value, int | float):
        return (numbers or {}).get(keys) or number_text(value)
    return _text(str(value))


def entry(
    name: str,
    value: Any,
    width: int,
    numbers: Mapping[Keys, str] | None = None,
    keys: Keys = (),
    *,
    spread: bool = False,
) -> list[str]:
    """Return the lines of ``name: value``: one if it is not too long, else a line for each item.

    Parameters
    ----------
    name : str
        As it is written, such as ``folder`` or ``"--k"``.
    value
        In Python's own types.
    width : int
        The longest that a line of a list or a section may be.
    numbers : mapping, optional
        How numbers are written, by the keys that lead to them.
    keys : tuple
        Those that lead to this value.
    spread : bool
        Whether a list or a section is to have a line for each item, however short it is.
    """
    short = f"{name}: {in_one_line(value, numbers, keys)}"
    if not isinstance(value, dict | list) or not value or (len(short) <= width and not spread):
        return [short]
    return [f"{name}:", *(f"  {line}" for line in item_lines(value, width - 2, numbers, keys))]


def item_lines(
    value: Any, width: int, numbers: Mapping[Keys, str] | None = None, keys: Keys = ()
) -> list[str]:
    """Return a line or more for each item of a list or section."""
    lines: list[str] = []
    if isinstance(value, dict):
        for key, inner in value.items():
            lines += entry(_text(key), inner, width, numbers, (*keys, key))
        return lines
    for index, inner in enumerate(value):
        path = (*keys, index)
        short = in_one_line(inner, numbers, path)
        if isinstance(inner, dict) and inner:
            first, *rest = item_lines(inner, width - 2, numbers, path)
        elif isinstance(inner, list) and len(short) > width - 2:
            first, *rest = "", *item_lines(inner, width - 2, numbers, path)
        else:
            first, rest = short, []
        lines += [f"- {first}".rstrip(), *(f"  {line}" for line in rest)]
    return lines


def number_text(value: float) -> str:
    """Return a number as YAML has it; of what is none (infinity), a text in quotes."""
    written = repr(value)
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(str(value))
    # Without a point, YAML 1.1 takes 1e-05 for a text.
    return re.sub(r"^(-?\d+)e", r"\1.0e", written)


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _TAKEN:
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    number = ord(character)
    return f"\\x{number:02x}" if number < 1 << 8 else f"\\U{number:08x}"
