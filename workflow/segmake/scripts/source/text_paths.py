"""Finds the files that shell and R scripts read by paths that are written out in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from segmake.scripts.source.comments import lines_that_run
from segmake.scripts.source.pitfalls import ReadPath

_READS = {
    "R": re.compile(
        r"(?<![\w.$@])(?P<by>read\.\w+|read_\w+|readRDS|readLines|fread|scan|load|source|list\.files|file)\s*\(\s*"
        r"(?:(?:file|path|con|input)\s*=\s*)?([\"'])(?P<path>[^\"'\n]+)\2(?P<rest>[^)\n]*)"
    ),
    "shell": re.compile(
        r"(?:^|[;&|(]\s*|\b(?:then|do)\s+)(?P<by>source|\.|python[\d.]*|Rscript|bash|sh|julia|perl)\s+"
        r"(?:-\w+\s+)*(?P<path>(?!/)[\w./-]+\.\w+)(?P<rest>)(?=[\s;&|)]|$)"
    ),
}

# Where a script goes elsewhere, nothing is known.
_MOVES = {
    "R": re.compile(r"\bsetwd\s*\("),
    "shell": re.compile(r"(?:^|[;&|(]\s*)(?:cd|pushd)\b", re.MULTILINE),
}

_TO_WRITE = re.compile(r"[\"'][wa]")


def text_paths(script: Path, kind: str) -> Iterator[ReadPath]:
    """Yield the paths that a script reads in any case: in lines that are no part of anything else.

    What a script names twice it may have made itself, and `source` in R finds what lies beside the script. What a shell
    script takes from elsewhere on a computer may be on the nodes alone.

    Parameters
    ----------
    script : Path
    kind : str
        ``"shell"`` or ``"R"``; of any other there are none.
    """
    if kind not in _READS:
        return
    try:
        lines = lines_that_run(script.read_text(encoding="utf-8", errors="replace"), kind)
    except OSError:
        return
    text = "\n".join(lines)
    if _MOVES[kind].search(text):
        return
    for number, line in enumerate(lines, start=1):
        for found in _READS[kind].finditer(line) if line[:1].strip() else ():
            path = found["path"].removeprefix("./")
            sourced = kind == "R" and found["by"] == "source" and (script.parent / path).exists()
            if not (sourced or text.count(path) > 1 or _TO_WRITE.search(found["rest"])):
                yield ReadPath(path, number)
