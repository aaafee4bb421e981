"""Reads a design: a table in which each row has the parameters of a run of a sweep."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path
from typing import Any

# What no list of runs that is meant comes near to.
MOST_BYTES = 20_000_000

_SEPARATORS = ",;\t|"
_NAME = re.compile(r"[^\s=][^\s=]*")
_DECIMAL_COMMA = re.compile(r"([+-]?\d+),(\d+(?:[eE][+-]?\d+)?)")


class DesignError(Exception):
    """A file can't be read as a design.

    Attributes
    ----------
    kind : {"missing", "closed", "large", "empty", "name", "twice", "ragged", "blank", "same"}
    line : int
        From 1; 0: no line in particular.
    value : str
        What is wrong there.
    """

    def __init__(self, kind: str, line: int = 0, value: str = "") -> None:
        super().__init__(kind)
        self.kind, self.line, self.value = kind, line, value


def read_designs(settings: dict[str, Any]) -> None:
    """Put the rows of each design in the place of its file, so that jobs work by what was planned.

    Raises
    ------
    DesignError
        If a file was changed since it was checked.
    """
    for section in settings["scripts"]:
        if isinstance(file := section["sweep"].get("file"), str):
            rows = read_design(Path(file).expanduser())
            section["sweep"] = {**section["sweep"], "file": rows}


def read_design(path: Path) -> list[dict[str, str]]:
    """Return the parameters of each row.

    Parameters
    ----------
    path : Path
        A table with a heading; its columns are separated by commas, semicolons, tabs or bars. Where they are not by
        commas, numbers with a decimal comma get a point.

    Raises
    ------
    DesignError
    """
    text = _text_of(path)
    lines = text.splitlines()
    heading = next((line for line in lines if line.strip()), "")
    separator = max(_SEPARATORS, key=heading.count)
    rows = []
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    for row in reader:
        cells = [cell.strip() for cell in row]
        if any(cells):
            rows.append((reader.line_num, cells))
    if len(rows) < 2:
        raise DesignError("empty")
    names = _names(*rows[0])
    seen: dict[tuple[str, ...], int] = {}
    for line, cells in rows[1:]:
        if len(cells) != len(names):
            raise DesignError("ragged", line, str(len(cells)))
        if "" in cells:
            raise DesignError("blank", line, names[cells.index("")])
        if separator != ",":
            cells[:] = [_DECIMAL_COMMA.sub(_with_point, cell) for cell in cells]
        if tuple(cells) in seen:
            raise DesignError("same", line, str(seen[tuple(cells)]))
        seen[tuple(cells)] = line
    return [dict(zip(names, cells, strict=True)) for cells in seen]


def _with_point(match: re.Match[str]) -> str:
    whole = match.start() == 0 and match.end() == len(match.string)
    return f"{match[1]}.{match[2]}" if whole else match[0]


def _names(line: int, cells: list[str]) -> list[str]:
    for index, name in enumerate(cells):
        if not _NAME.fullmatch(name):
            raise DesignError("name", line, name)
        if name in cells[:index]:
            raise DesignError("twice", line, name)
    return cells


def _text_of(path: Path) -> str:
    try:
        # Unlike Path's methods, these take any text for a path.
        if not os.path.isfile(path):
            raise DesignError("missing")
        if path.stat().st_size > MOST_BYTES:
            raise DesignError("large")
        data = path.read_bytes()
    except OSError as error:
        raise DesignError("closed", value=error.strerror or "") from None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # What spreadsheets on Windows write.
        return data.decode("cp1252", "replace")
