"""The form that all answers share: one JSON object, with what answers, in which version, and what is wrong."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from segmake import __version__
from segmake.core.files import readable
from segmake.messages import Problem, Problems, language

Severity = Literal["error", "warning"]
Answer = dict[str, Any]


def answer(
    name: str, version: int, problems: Iterable[Mapping[str, Any]] = (), /, **contents: Any
) -> Answer:
    """Return an answer.

    Parameters
    ----------
    name : str
        What answers: ``answers/schemas/NAME.schema.json`` describes it.
    version : int
        That of its form, which changes when something is removed or means something else, and not when something is
        added.
    problems : iterable of mapping
        What `problem_values` gave.
    **contents
        What is of this answer alone.
    """
    head = {"answer": name, "version": version, "segmake": __version__, "language": language()}
    return {**head, "problems": list(problems), **contents}


def problem_values(problem: Problem, severity: Severity = "error") -> dict[str, Any]:
    """Return a problem as a program is told: its texts are in the user's language, all else never changes."""
    # Most problems have no place in a file: what knows one has it as a `segmake.messages.locations.Location`.
    file = getattr(problem.where, "file", None)
    return {
        "code": problem.code,
        "severity": severity,
        "file": file and os.path.abspath(file),
        "line": getattr(problem.where, "line", None),
        "key": getattr(problem.where, "key", None) or None,
        "where": str(problem.where),
        "text": problem.what,
        "remedy": problem.remedy,
        "message": str(problem),
        "values": problem.plain_values,
    }


def refusal(error: Problem | Problems) -> Answer:
    """Return the answer of a command that can't give its own."""
    problems = error.problems if isinstance(error, Problems) else [error]
    return answer("error", 1, map(problem_values, problems))


def write(told: Answer) -> int:
    """Write an answer to standard output, and return the exit code: 1 if one of its problems is an error."""
    # In ASCII, so that no terminal and no reader with another encoding stumbles over it.
    written = json.dumps(told, ensure_ascii=True, allow_nan=False)
    # Half a pair of surrogates stops strict readers. Few answers have any, so few are gone through.
    if "\\ud" in written:
        written = json.dumps(_readable(told), ensure_ascii=True, allow_nan=False)
    sys.stdout.write(written + "\n")
    sys.stdout.flush()
    return int(any(problem["severity"] == "error" for problem in told["problems"]))


def _readable(value: Any) -> Any:
    """Return a value whose texts, at any depth, UTF-8 can hold."""
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, Mapping):
        return {_readable(name): _readable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(each) for each in value]
    return value


def time_text(seconds: float | None) -> str | None:
    """Return a time (seconds since 1970) in ISO 8601, with the offset of this computer's clock; None for none."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")


def path_text(path: Path | str) -> str:
    r"""Return a path in full; `write` turns a byte of a name that is no UTF-8 into ``\xff``."""
    return os.path.abspath(path)
