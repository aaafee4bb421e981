"""Blocks of bash taken apart into commands, as far as the docs use it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

_HEREDOC = re.compile(r"<<-?\s*(['\"]?)(\w+)\1")
_ENDS = {";", "&&", "||", "|", "&", ";;", "(", ")"}
# They are followed by a command.
_KEYWORDS = {"if", "then", "else", "elif", "while", "until", "do", "time", "!", "{"}
_CLOSING = {"done", "fi", "esac", "}"}
_ASSIGNMENT = re.compile(r"\w+=")
_REDIRECTION = re.compile(r"[<>&]*[<>][<>&]*")


def commands(text: str) -> list[list[str]]:
    """Return the commands of a block, each as its words; comments, redirections and variables are left out.

    Raises
    ------
    ValueError
        If a quotation mark is not closed.
    """
    return [command for line in lines(text) for command in _commands_of(_tokens(line))]


def lines(text: str) -> list[str]:
    """Return the lines of a block as the shell sees them: joined where they go on, without what it hands to a program."""
    found: list[str] = []
    waiting = ""
    ending: str | None = None
    for line in text.splitlines():
        if ending is not None:
            ending = None if line.strip() == ending else ending
            continue
        waiting = _without_comment(waiting + line)
        if waiting.endswith("\\"):
            waiting = waiting[:-1] + " "
            continue
        try:
            _tokens(waiting)
        except ValueError:
            waiting += "\n"
            continue
        if heredoc := _HEREDOC.search(waiting):
            ending = heredoc[2]
            waiting = _HEREDOC.sub("", waiting)
        if waiting.strip():
            found.append(waiting)
        waiting = ""
    if waiting.strip():
        raise ValueError(f"no end: {waiting}")
    return found


def _tokens(line: str) -> list[str]:
    reader = shlex.shlex(line, posix=True, punctuation_chars=True)
    reader.whitespace_split = True
    # Else a sign within a word is a comment.
    reader.commenters = ""
    return list(reader)


def _without_comment(line: str) -> str:
    quote = ""
    for place, sign in enumerate(line):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign == "#" and (place == 0 or line[place - 1].isspace()):
            return line[:place]
    return line


def _commands_of(tokens: list[str]) -> Iterator[list[str]]:
    command: list[str] = []
    following = iter(tokens)
    for token in following:
        if token in _ENDS:
            if command:
                yield command
            command = []
        elif _REDIRECTION.fullmatch(token):
            next(following, None)
            if command and command[-1] in {"1", "2"}:
                command.pop()
        elif not command and (token in _KEYWORDS or token in _CLOSING or _ASSIGNMENT.match(token)):
            continue
        elif not command and token == "for":
            # The name, `in` and the values, up to the end of the line.
            command = ["for"]
        else:
            command.append(token)
    if command:
        yield command
