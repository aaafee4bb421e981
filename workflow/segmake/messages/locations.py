"""Where in a file something is wrong: in words for people, and in parts for programs."""

from __future__ import annotations

from pathlib import Path

from segmake.messages import say


class Location(str):
    """The words that name a place, such as ``config.yaml, line 2``; they are all that most readers take from it.

    Attributes
    ----------
    file : str
        The file, as it was named.
    line : int or None
        Its line, from 1; None where that is not known.
    key : str
        The setting that is wrong there, in full, such as ``cluster.partition`` or ``scripts.growth.run``; empty where
        it is none.
    """

    file: str
    line: int | None
    key: str


def location(file: Path | str, line: int | None = None, key: str = "") -> Location:
    """Return a place in a file, told in the user's language."""
    found = Location(say("config.line", file=file, line=line) if line else str(file))
    found.file, found.line, found.key = str(file), line, key
    return found
