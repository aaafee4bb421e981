"""Finds the constants at the top level of scripts in R and for bash, by their quotes and brackets alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_R_NAME = re.compile(r"[ \t]*((?:[A-Za-z]|\.(?!\d))[\w.]*)[ \t]*(<-|=(?!=))[ \t]*")
_SHELL_NAME = re.compile(r"(?:(?:export|readonly)[ \t]+)?([A-Za-z_]\w*)=")
_HEREDOC = re.compile(r"<<-?[ \t]*(['\"]?)([A-Za-z_]\w*)\1")

# An expression of R that ends so goes on in the next line.
_R_GOES_ON = re.compile(r"([-+*/^,&|~<>=!%(\[{]|\\|\bin)\s*$")

_PAIRS = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class Piece:
    """Where a value stands in a text.

    Attributes
    ----------
    start, end : int
    text : str
    """

    start: int
    end: int
    text: str


def r_constants(text: str) -> Iterator[tuple[str, Piece]]:
    """Yield the names that a script in R gives values to at its top level, with these values."""
    place = 0
    while place < len(text):
        found = _R_NAME.match(text, place)
        if found:
            end = _end_of_r(text, found.end())
            value = text[found.end() : end].rstrip()
            if value and not _R_GOES_ON.search(value) and not value.startswith("function"):
                yield found[1], Piece(found.end(), found.end() + len(value), value)
            place = end
        place = _end_of_r(text, place)
        # Past what ends a statement, and a comment.
        if place < len(text) and text[place] == "#":
            place = _line_end(text, place)
        place += 1


def _end_of_r(text: str, place: int) -> int:
    """Return where a statement ends: at a line's end, a `;` or a comment that is in no bracket."""
    depth = 0
    while place < len(text):
        sign = text[place]
        if raw := re.compile(r"""[rR](["'])(-*)([(\[{])""").match(text, place):
            close = f"{_PAIRS[raw[3]]}{raw[2]}{raw[1]}"
            end = text.find(close, raw.end())
            place = len(text) if end < 0 else end + len(close)
            continue
        if sign in "\"'`":
            place = _end_of_quote(text, place)
            continue
        if sign == "#" and depth:
            place = _line_end(text, place)
            continue
        if not depth and sign in "\n;#":
            return place
        depth += (sign in "([{") - (sign in ")]}")
        depth = max(depth, 0)
        place += 1
    return place


def shell_constants(text: str) -> Iterator[tuple[str, Piece]]:
    """Yield the names that a script for bash gives values to in lines that begin with them, with these values."""
    place = 0
    while place < len(text):
        found = _SHELL_NAME.match(text, place)
        if found:
            end = _end_of_word(text, found.end())
            after = text[end : _line_end(text, end)].strip()
            # `NAME=value command` is for this command alone.
            if not after or after[0] in "#;&|":
                yield found[1], Piece(found.end(), end, text[found.end() : end])
        place = _end_of_shell_line(text, place) + 1


def _end_of_word(text: str, place: int) -> int:
    """Return where a word of bash ends."""
    start = place
    while place < len(text):
        sign = text[place]
        if sign == "\\":
            place += 2
        elif sign in "\"'`":
            place = _end_of_quote(text, place, plain=sign == "'")
        elif sign == "$" and text[place + 1 : place + 2] in ("(", "{"):
            place = _end_of_brackets(text, place + 1)
        elif sign == "(" and place == start:
            place = _end_of_brackets(text, place)
        elif sign in " \t\n;&|<>()":
            return place
        else:
            place += 1
    return min(place, len(text))


def _end_of_shell_line(text: str, place: int) -> int:
    """Return where a line ends, with the lines of texts in quotes and of `<<` that belong to it."""
    inner = []
    while place < len(text) and text[place] != "\n":
        sign = text[place]
        if sign == "\\":
            place += 2
        elif sign in "\"'`":
            place = _end_of_quote(text, place, plain=sign == "'")
        elif sign == "#" and text[place - 1 : place] in ("", " ", "\t", "\n", ";"):
            place = _line_end(text, place)
        elif found := _HEREDOC.match(text, place):
            inner.append(found[2])
            place = found.end()
        else:
            place += 1
    for word in inner:
        end = re.compile(rf"\n\t*{word}(?=\n|\Z)").search(text, place)
        place = end.end() if end else len(text)
    return place


def _end_of_quote(text: str, place: int, *, plain: bool = False) -> int:
    """Return the place after a text in quotes; in a plain one a backslash means nothing."""
    quote = text[place]
    place += 1
    while place < len(text) and text[place] != quote:
        place += 1 if plain or text[place] != "\\" else 2
    return min(place + 1, len(text))


def _end_of_brackets(text: str, place: int) -> int:
    """Return the place after a bracket that closes the one that stands here."""
    depth = 0
    while place < len(text):
        sign = text[place]
        if sign == "\\":
            place += 2
            continue
        if sign in "\"'":
            place = _end_of_quote(text, place, plain=sign == "'")
            continue
        depth += (sign in "({") - (sign in ")}")
        place += 1
        if not depth:
            break
    return min(place, len(text))


def _line_end(text: str, place: int) -> int:
    end = text.find("\n", place)
    return len(text) if end < 0 else end
