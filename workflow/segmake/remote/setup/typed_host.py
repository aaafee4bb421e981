"""The name of a computer as people type or paste it: with blanks, as an SSH command, as an address of the web.

>>> typed_host(" ssh -p 2222 marie@login.example.org ")
'marie@login.example.org:2222'
>>> typed_host("ssh://marie@login.example.org/")
'marie@login.example.org'
"""

from __future__ import annotations

import re

from segmake.messages import Problem
from segmake.places.login import in_parts

# Before a name, in an address.
_SCHEME = re.compile(r"(?:ssh|sftp|scp|https?)://", re.IGNORECASE)

# Options of `ssh` that a word follows; of the others nothing is needed here.
_WITH_WORD = tuple(f"-{letter}" for letter in "bcDEeFIiJLmOoQRSWw")

# What follows a name where a folder is named too: as `scp` has it, or as an address of the web.
_FOLDER = re.compile(r":?/.*")


def typed_host(typed: str) -> str:
    """Return ``USER@HOST:PORT`` of what was typed; empty for nothing.

    Raises
    ------
    Problem
        ``SM-REM-080`` if it is no name of one computer; that of `port_of`.
    """
    # Pages put in what nobody sees.
    words = re.sub("[\u200b\u200e\u200f\ufeff]", "", typed).strip("\"'`").split()
    if words[:1] == ["ssh"]:
        words = words[1:]
    user, port, names = "", 0, []
    pending = iter(words)
    for word in pending:
        if word[:2] in ("-p", "-l"):
            value = word[2:] or next(pending, "")
            port, user = (port_of(value), user) if word[1] == "p" else (port, value)
        elif word in _WITH_WORD:
            next(pending, "")
        elif not word.startswith("-"):
            names.append(word)
    if not words:
        return ""
    if len(names) != 1:
        raise Problem("SM-REM-080", where=typed.strip(), name=typed.strip())
    return _with(names[0], user, port, typed.strip())


def _with(name: str, user: str, port: int, typed: str) -> str:
    """Return a name with what options say besides; what stands in the name itself comes first, as for SSH."""
    plain = _FOLDER.sub("", _SCHEME.sub("", name)).rstrip(":")
    own_user, host, own_port = in_parts(plain)
    if not host or plain.startswith("@"):
        raise Problem("SM-REM-080", where=typed, name=typed)
    if own_port:
        port_of(str(own_port))
    found = f"{user}@{plain}" if user and not own_user else plain
    return found if own_port else with_port(found, port)


def with_port(host: str, port: int) -> str:
    """Return ``USER@HOST:PORT`` with another port; 0 for the one that it has."""
    if not port:
        return host
    user, name, _ = in_parts(host)
    in_brackets = f"[{name}]" if ":" in name else name
    return f"{user}@{in_brackets}:{port}" if user else f"{in_brackets}:{port}"


def port_of(typed: str) -> int:
    """Return the port that was typed.

    Raises
    ------
    Problem
        ``SM-REM-090`` if it is none.
    """
    # There are signs that count as digits, and are no numbers.
    if not (typed.isascii() and typed.isdecimal() and 0 < int(typed[:6]) < 1 << 16):
        raise Problem("SM-REM-090", where=typed, port=typed)
    return int(typed)
