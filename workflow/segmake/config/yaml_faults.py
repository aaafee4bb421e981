"""Where a file is no YAML, and why, in the user's words: the reader of YAML often notices it some lines later."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import yaml
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from segmake.messages import say

# What the reader of YAML says of the faults that people make, and our own words for it.
_FAULTS = {
    r"found character '\t'": "yaml.tab",
    "could not find expected ':'": "yaml.colon",
    "mapping values are not allowed": "yaml.another_colon",
    "expected <block end>": "yaml.column",
    "expected '<document start>'": "yaml.column",
    "found undefined alias": "yaml.star",
    "found character '": "yaml.start",
    "expected alphabetic or numeric character": "yaml.star",
    "expected URI": "yaml.start",
    "expected a digit": "yaml.start",
    "expected chomping": "yaml.block",
    "expected the node content": "yaml.content",
    "found unknown escape": "yaml.escape",
    "but found another document": "yaml.document",
    "special characters are not allowed": "yaml.character",
    "found duplicate": "yaml.twice",
    "found unexpected end of stream": "yaml.quote",
}
# Of these it says where what has no end begins.
_BEGUN = ("could not find expected ':'", "found unexpected end of stream")
# After these, what is wrong may stand above.
_LATE = ("expected <block end>", "expected '<document start>'", "mapping values are not allowed")

# A dash that stands too near to what it begins, other than that of a negative number.
_DASH = re.compile(r" *-[^\s\d.-]")
# What a line needs that is more than the rest of the one above it.
_KEY = re.compile(r":(\s|$)|^ *-\s|[\]}]")


def fault_of(error: MarkedYAMLError, text: str) -> tuple[int | None, str]:
    """Return the line (from 1) that is to be put right, if it is known, and what is wrong with it.

    Parameters
    ----------
    error : MarkedYAMLError
        What the reader of YAML says.
    text : str
        What it read.
    """
    problem = error.problem or ""
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return None, in_words(problem)
    begun = error.context_mark or mark
    if problem.startswith("expected ',' or") and "<scalar>" in problem:
        return line_of(text, mark), say("yaml.comma")
    if problem.startswith("expected ',' or"):
        return line_of(text, begun), say("yaml.bracket")
    if problem.startswith(_BEGUN):
        return line_of(text, begun), in_words(problem)
    if problem.startswith(_LATE) and (above := _above(text, mark)):
        line, words = above
        return line, say(words)
    before = text[text.rfind("\n", 0, mark.index) + 1 : mark.index]
    if problem.startswith("expected <block end>") and before.strip():
        return line_of(text, mark), say("yaml.behind")
    return line_of(text, mark), in_words(problem)


def in_words(problem: str) -> str:
    """Return what the reader of YAML found wrong, in the user's language where it is a usual fault."""
    known = (say(key) for start, key in _FAULTS.items() if problem.startswith(start))
    return next(known, None) or say("yaml.other", said=problem)


def fault_of_value(error: YAMLError, text: str) -> str:
    """Return what is wrong with a value that stands for itself, in the user's language."""
    if isinstance(error, ReaderError):
        return in_words(error.reason)
    if not isinstance(error, MarkedYAMLError):
        return in_words(str(error))
    if text.startswith("%"):
        return say("yaml.start")
    words = fault_of(error, text)[1]
    # It is no line among others.
    return say("yaml.behind") if words == say("yaml.column") else words


def line_of(text: str, mark: Any) -> int:
    """Return the line of a place (from 1), as editors count: the reader takes rarer characters for line ends, too."""
    return text.count("\n", 0, mark.index) + 1


def _above(text: str, mark: Any) -> tuple[int, str] | None:
    """Return the line (from 1) above a place that makes it wrong, and the words for it, if there is one."""
    last = _scalar_before(text, mark)
    if last is None:
        return None
    first, end = (line_of(text, each) for each in (last.start_mark, last.end_mark))
    if last.style in ("'", '"'):
        return (first, "yaml.quote") if first < end == line_of(text, mark) else None
    if first == line_of(text, mark):
        return None
    line = text.split("\n")[first - 1]
    if line[: len(line) - len(line.lstrip())].strip(" \t"):
        return first, "yaml.space"
    if _DASH.match(line):
        return first, "yaml.dash"
    return (first, "yaml.colon") if first == end and not _KEY.search(line) else None


def _scalar_before(text: str, mark: Any) -> Any:
    """Return the last text or number that begins before a place, as PyYAML sees it."""
    last = None
    with suppress(yaml.YAMLError):
        for token in yaml.scan(text, Loader=getattr(yaml, "CLoader", yaml.SafeLoader)):
            if token.start_mark.index >= mark.index:
                break
            if isinstance(token, yaml.ScalarToken):
                last = token
    return last
