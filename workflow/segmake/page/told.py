"""What a command has told people was wrong, taken apart again."""

from __future__ import annotations

import re

# How each of SegMake's messages begins.
_HEAD = re.compile(r"(SM-[A-Z]{3}-\d{3})(?:  (.*))?")


def problems_told(text: str) -> list[dict[str, str]]:
    """Return the problems that a command has told, as pages show them; none where it told none."""
    problems: list[dict[str, str]] = []
    lines: list[str] = []
    for line in text.splitlines():
        if found := _HEAD.fullmatch(line.rstrip()):
            names = {"code": found[1], "where": found[2] or ""}
            problems.append({**names, "text": "", "remedy": ""})
            lines = []
        elif problems and line.strip():
            lines.append(line.strip())
            problems[-1] |= {"text": lines[0], "remedy": " ".join(lines[1:])}
    return problems
