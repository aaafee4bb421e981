"""Which parameters of a sweep are texts, though they look like numbers: of these, ``"1.10"`` is not ``"1.1"``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from segmake.scripts.checks.argument_checks import word_of
from segmake.scripts.definition.script import is_number, script_file
from segmake.scripts.source.options import parser_of
from segmake.scripts.source.static import read_source


def note_texts(settings: dict[str, Any], written: Mapping[str, Any]) -> None:
    """Put the names of such parameters into the section of each script, as `quoted`, if there are any.

    Parameters
    ----------
    settings : dict
        The settings of a checked config, in which numbers are texts, too.
    written : mapping
        The same as they stand in the file.
    """
    for section, raw in zip(settings["scripts"], written.get("scripts") or (), strict=False):
        if texts := list(_texts(section, raw.get("sweep") or {})):
            section["quoted"] = texts


def _texts(section: Mapping[str, Any], sweep: Mapping[str, Any]) -> Iterator[str]:
    """Yield the parameters with a number in quotes, or in a table, that the script's argparse makes no numbers of."""
    rows = section["sweep"].get("file")
    design = rows if isinstance(rows, list) and isinstance(rows[0], dict) else []
    columns = {name: [row[name] for row in design] for row in design[:1] for name in row}
    quoted = [
        name
        for name, values in {**sweep, **columns}.items()
        if isinstance(values, list) and any(isinstance(v, str) and is_number(v) for v in values)
    ]
    trees = read_source(script_file(section["script"])).trees if quoted else ()
    parser = parser_of(trees[0]) if trees else None
    for name in quoted:
        found = parser.find(word_of(name)) if parser else None
        if found is None or found.kind not in (int, float):
            yield name
