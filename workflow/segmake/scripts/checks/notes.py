"""What is said of a script together with the plan: what is set in its copy, and what probably is not as it is meant."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

from segmake.messages import say
from segmake.scripts.checks.command import known_words
from segmake.scripts.checks.copies import changes_of, filled
from segmake.scripts.checks.intake import takes_something, variables_missing
from segmake.scripts.definition.script import Script, as_text, placeholders
from segmake.scripts.source.constants import Change, SetError, constants_of
from segmake.scripts.source.pitfalls import (
    MOST_PATHS,
    ReadPath,
    leads_nowhere,
    read_paths,
    shell_pitfalls,
    windows_line,
)
from segmake.scripts.source.static import Source, read_source
from segmake.scripts.source.text_paths import text_paths

# What SegMake has a placeholder for, and a sweep may have too.
_OWN = ("name", "position", "seed", "cpus", "project", "input", "image", "output_dir")

# What constants are that are meant to be changed: texts, numbers, lists, paths.
_WRITTEN_OUT = re.compile(
    r"[rf]?[\"']|[-+.\d\[({]|(True|False|None|TRUE|FALSE|NULL)\b|(\w+\.)?Path\(|c\(|[\w./]+$"
)

# How a script finds what lies beside it.
_BESIDE = {
    "python": 'Path(__file__).parent / "{path}"',
    "R": 'file.path(Sys.getenv("SEGMAKE_SCRIPT_FOLDER"), "{path}")',
    "shell": '"$(dirname "$0")/{path}"',
}

# So many lines that `set` changes are shown, and so many constants are named.
_MOST = 8

# So much of a line is shown.
_WIDTH = 60

# Stands for what differs from run to run, and can stand where a number does.
_MARK = 881_000_881_000


def script_notes(script: Script, runs: int) -> list[str]:
    """Return the lines to be said of a script before it is run.

    Parameters
    ----------
    script : Script
    runs : int
        How many runs of it there are.
    """
    source = read_source(script.file)
    lines = [*_set_lines(script), *_swept_lines(script), *_path_lines(script, source)]
    if runs > 1 and not takes_something(script, source):
        remedy = way_of(script, next(iter(read_paths(source, script.constants)), None))
        lines.append(say("notes.nothing", name=script.name, runs=runs, remedy=remedy))
    for name, line in variables_missing(script, source):
        values = {"variable": name, "file": script.file.name, "line": line}
        lines.append(say("notes.variable", name=script.name, **values))
    if source.kind in ("shell", "R") and (line := windows_line(script.file, source.kind)):
        lines.append(say("notes.windows", name=script.name, file=script.file.name, line=line))
    if source.kind == "shell":
        for kind, line in shell_pitfalls(script.file):
            lines.append(say(f"notes.{kind}", name=script.name, file=script.file.name, line=line))
    return lines


def way_of(script: Script, path: ReadPath | None = None) -> str:
    """Return how a script that takes nothing can be given something: by `set`, with the constants at its top.

    Parameters
    ----------
    script : Script
    path : ReadPath or None
        What it reads.
    """
    if script.per_image and path and path.searched:
        return say("notes.way.search", path=path.text)
    name = path.name if path else ""
    there = {n: text for n, text in constants_of(script.file).items() if _WRITTEN_OUT.match(text)}
    texts = [each for each, text in there.items() if re.match(r"[rf]?[\"']|(\w+\.)?Path\(", text)]
    word = "{image}" if script.per_image else f"{{{next(iter(script.parameters), 'input')}}}"
    name = name or next(iter(texts if script.per_image else there), "")
    if not name:
        return say("notes.way.none", word=word)
    shown = ", ".join(list(there)[:_MOST]) + ("..." if len(there) > _MOST else "")
    return say("notes.way", line=f'set: {{{name}: "{word}"}}', known=shown)


def sample_values(script: Script) -> dict[str, str]:
    """Return what placeholders could stand for, without the parameters of a sweep."""
    given = dict.fromkeys(
        ("input", "mask", "cells", "output_dir", *script.scripts_needed), "/a/b.c"
    )
    values = {"name": "b.c", "position": "1", "seed": "1", "cpus": "1", "project": "/a"}
    return known_words(given, values, {})


def _set_lines(script: Script) -> Iterator[str]:
    try:
        changes = _shown_changes(script)
    except (SetError, OSError, ValueError):
        # Checks have told it, or the file is gone meanwhile.
        return
    if changes:
        yield say("notes.set", name=script.name, file=script.file.name)
    for change in changes[:_MOST]:
        place = say("notes.set.cell", cell=change.cell) if change.cell else ""
        values = {"before": _short(change.before), "after": _short(change.after)}
        yield say("notes.set.line", place=place, line=change.line, **values)
    if len(changes) > _MOST:
        yield say("notes.set.more", number=len(changes) - _MOST)


def _shown_changes(script: Script) -> list[Change]:
    """Return the changes with placeholders as they are written, also where the script has numbers."""
    words = sorted(placeholders([script.constants]))
    marks = {word: str(_MARK + number) for number, word in enumerate(words)}
    try:
        changes = changes_of(script, filled(script.constants, marks))
    except SetError:
        first = {name.lstrip("-"): as_text(value) for name, value in script.runs()[0].items()}
        return changes_of(script, filled(script.constants, sample_values(script) | first))
    return [Change(c.line, c.before, _named(c.after, marks), c.cell) for c in changes]


def _named(text: str, marks: dict[str, str]) -> str:
    for word, mark in marks.items():
        text = text.replace(mark, f"{{{word}}}")
    return text


def _short(text: str) -> str:
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."


def _swept_lines(script: Script) -> Iterator[str]:
    used = placeholders(script.texts)
    for name in script.parameters:
        if name.lstrip("-") in used and name.lstrip("-") in _OWN:
            yield say("notes.swept", name=script.name, word=f"{{{name.lstrip('-')}}}")


def _path_lines(script: Script, source: Source) -> Iterator[str]:
    read = [*read_paths(source, script.constants), *text_paths(script.file, source.kind)]
    paths = [path for path in read if leads_nowhere(path)]
    told = list({path.text: path for path in paths}.values())
    for path in told[:MOST_PATHS]:
        kind = "path" if os.path.isabs(path.text) else "relative"
        values: dict[str, Any] = {"name": script.name, "file": script.file.name, "line": path.line}
        if kind == "relative" and (script.file.parent / path.text).exists():
            kind = "beside"
        values["instead"] = _BESIDE.get(source.kind, _BESIDE["python"]).format(path=path.text)
        yield say(f"notes.{kind}", path=path.text, **values)
