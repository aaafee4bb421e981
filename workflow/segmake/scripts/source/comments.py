"""Leaves out of the text of a shell or R script what is not run: comments, empty lines, blanks at the ends of lines."""

from __future__ import annotations

import re

# What the few rules below can't read: a text that has it is left as it is.
_UNCLEAR = {
    "shell": re.compile(
        # Here-documents, quotes of a third kind, a line that goes on.
        r"<<|\$['\"]|\\\n[ \t]*(#|\n)"
        # What stands for a missing value may have blanks and quotes of its own: "${a:-"b #c"}".
        r"|\$\{(?![\w@*#?!$:.%/+\-=,^~\[\]]*\})"
        # Patterns: [[ $a =~ #b ]], @(#a|#b). A parenthesis that ends a word of `case`, and no command.
        r"|=~[^\n]*#|[@?*+!]\([^\n]*#|\$\([^)]*\bcase\b"
    ),
    # Raw strings; operators that users name: %#%.
    "R": re.compile(r"\b[rR]['\"]-*[\[({]|%[^%\n]*#[^%\n]*%"),
}

_LIKE_A_COMMENT = re.compile(r"(^|\s)#.*")


def without_comments(text: str, kind: str) -> str:
    """Return the text of a script as it is run; all of it where that can't be told for sure.

    Parameters
    ----------
    text : str
    kind : str
        ``"shell"``, ``"R"``, or any other, of which nothing is left out.
    """
    found = _run(text, kind, empty=False)
    return text if found is None else found


def lines_that_run(text: str, kind: str) -> list[str]:
    """Return the lines of a script for a shell or in R as they are run, each in its place: empty where nothing is.

    Where that can't be told for sure, whatever looks like a comment is left out.

    Parameters
    ----------
    text, kind
        As for `without_comments`.
    """
    found = _run(text, kind, empty=True)
    return (_LIKE_A_COMMENT.sub(r"\1", text) if found is None else found).split("\n")


def _run(text: str, kind: str, *, empty: bool) -> str | None:
    """Return what of a text is run, with its empty lines or without; None where that can't be told for sure."""
    if kind not in _UNCLEAR or _UNCLEAR[kind].search(text):
        return None
    kept: list[str] = []
    # The quotes and the commands within quotes that are open: `"$(dirname "$0")"`.
    inside, place = [""], 0
    while place < len(text):
        # A command within a text, with quotes of its own.
        if kind == "shell" and inside[-1] == '"' and text[place] == "`":
            return None
        code = inside[-1] in ("", "(")
        if code and text[place] == "#" and (kind == "R" or _is_between(kept)):
            place = text.find("\n", place) % (len(text) + 1)
        elif code and text[place] == "\n":
            _end_line(kept, empty=empty)
            place += 1
        else:
            length = _step(text, place, kind, inside)
            kept.append(text[place : place + length])
            place += length
    if inside != [""]:
        return None
    _end_line(kept, empty=False)
    return "".join(kept)


def _step(text: str, place: int, kind: str, inside: list[str]) -> int:
    """Note which quote a sign opens or ends, and return how many signs belong together."""
    sign, within = text[place], inside[-1]
    if sign == "\\" and ((kind == "shell" and within != "'") or (kind == "R" and within)):
        return 2
    if kind == "shell" and within in ("", "(", '"') and text.startswith("$(", place):
        inside.append("(")
        return 2
    if within in ("", "("):
        if sign in "'\"`" or (within and sign == "("):
            inside.append(sign)
        elif within and sign == ")":
            inside.pop()
    elif sign == within:
        inside.pop()
    return 1


def _is_between(kept: list[str]) -> bool:
    """Whether a word of a shell may begin here: an escaped blank is none."""
    return not kept or kept[-1] in tuple(" \t\n;&|(")


def _end_line(kept: list[str], *, empty: bool) -> None:
    """End a line outside of quotes: without blanks at its end, and not at all if it is empty, unless these count."""
    while kept and kept[-1] in (" ", "\t", "\r"):
        kept.pop()
    if empty or (kept and kept[-1] != "\n"):
        kept.append("\n")
