"""Takes out of a text what is nobody else's business: passwords, tokens and keys, and who and where the user is."""

from __future__ import annotations

import re
from collections import Counter

HIDDEN = "***"

# What the name of something secret has in it.
_TELLING = (
    r"(?:token|passw(?:or)?d|passphrase|passwort|pwd|secret|credential|authorization"
    r"|(?:api|access|private|client|signing|encryption|auth)[_.-]?key)"
)
_NAME = rf"[\w.-]{{0,60}}{_TELLING}[\w-]{{0,60}}"
_QUOTED = r"\"(?:\\.|[^\"\\\n])*\"|'(?:''|[^'\n])*'"
_VALUE = rf"(?P<value>{_QUOTED}|[^\s,;&\]}})\"'#]+)"

# Keys that are one whatever they are called.
_KEYS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    # Of GitHub, GitLab, Hugging Face, Slack, Amazon, OpenAI; and a JSON web token.
    r"|\b(?:gh[pousr]_|github_pat_|glpat-|hf_|xox[a-z]-|AKIA|sk-)[A-Za-z0-9_-]{10,}"
    r"|\beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*",
    re.DOTALL,
)
_IN_ADDRESS = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)(?P<value>[^\s/@\"'<>]+)@", re.I)
_BEARER = re.compile(r"(?P<name>\b(?:bearer|basic)\s+)(?P<value>[\w.~+/-]{8,}=*)", re.I)
# `name: value`, `NAME=value`, `"name": "value"`.
_NAMED = re.compile(rf"(?P<name>\b{_NAME}[\"']?\s*[:=]\s*){_VALUE}", re.I)
# `--name value`, and the same two as items of a list, on one line or on two.
_OPTION = re.compile(
    rf"(?P<name>(?<![\w-])--?{_NAME}(?:[\"']?\s*,\s*|[\"']?[ \t]*\n\s*-\s+|\s+)){_VALUE}", re.I
)
# A line of YAML whose key is secret: all that is below it is, too.
_LINE = re.compile(rf"(?P<head>(?P<before>\s*(?:-\s+)?)[\"']?{_NAME}[\"']?\s*:)(?P<value>.*)", re.I)

_ADDRESS_OF_MAIL = re.compile(r"(?!git@)\b[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}\b")

# Shorter, it may be a part of any word.
_KNOWN_AGAIN = 6


class Masks:
    """What is taken out of all texts of a file, so that what is secret in one is in none.

    Parameters
    ----------
    user : str
        The user's name on this computer.
    home : str
        Their home.
    host : str
        The computer's name.

    Attributes
    ----------
    found : Counter
        How often something was taken out, by its kind: ``secret``, ``mail``, ``home``, ``user``, ``host``.
    """

    def __init__(self, *, user: str, home: str, host: str) -> None:
        self.found: Counter[str] = Counter()
        self._known: set[str] = set()
        self._places = [
            ("home", re.compile(rf"{re.escape(home)}(?![\w.-])") if len(home) > 1 else None, "~"),
            ("user", _word(user), "USER"),
            ("host", _word(host.partition(".")[0], r"(?:\.[\w-]+)*"), "HOST"),
        ]

    def hide(self, text: str, *, yaml: bool = False) -> str:
        """Return a text without what is secret.

        Parameters
        ----------
        text : str
        yaml : bool
            Whether what stands below a secret key belongs to it.
        """
        if yaml:
            text = "".join(self._without_values(text.splitlines(keepends=True)))
        text = _KEYS.sub(lambda found: self._taken(found[0]), text)
        text = _IN_ADDRESS.sub(lambda it: f"{it['scheme']}{self._taken(it['value'])}@", text)
        for pattern in (_BEARER, _NAMED, _OPTION):
            text = pattern.sub(lambda it: f"{it['name']}{self._taken(it['value'])}", text)
        text = self.hide_known(text)
        text, mails = _ADDRESS_OF_MAIL.subn("MAIL", text)
        self.found["mail"] += mails
        for kind, place, word in self._places:
            if place:
                text, times = place.subn(word, text)
                self.found[kind] += times
        return text

    def hide_known(self, text: str) -> str:
        """Return a text without the secrets that were found in any."""
        for secret in sorted(self._known, key=len, reverse=True):
            if secret in text:
                self.found["secret"] += text.count(secret)
                text = text.replace(secret, HIDDEN)
        return text

    def _without_values(self, lines: list[str]) -> list[str]:
        """Return the lines of a YAML file without what belongs to secret keys."""
        shown = []
        column: int | None = None
        for line in lines:
            words = line.strip()
            indent = len(line) - len(line.lstrip())
            deeper = column is not None and (
                indent > column or (indent == column and words.startswith("- "))
            )
            if words and deeper:
                shown.append(f"{line[:indent]}{self._taken(words.removeprefix('- '))}\n")
                continue
            column = column if not words else None
            if found := _LINE.fullmatch(line.rstrip("\r\n")):
                column = len(found["before"])
                value = found["value"].strip()
                line = f"{found['head']} {self._taken(value)}\n" if value else line
            shown.append(line)
        return shown

    def _taken(self, secret: str) -> str:
        self.found["secret"] += 1
        bare = secret.strip("\"' ")
        if len(bare) >= _KNOWN_AGAIN and not bare.isdigit() and bare != HIDDEN:
            self._known.add(bare)
        return HIDDEN


def _word(name: str, more: str = "") -> re.Pattern[str] | None:
    """Return what finds a name where it is a word of its own."""
    return re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}{more}(?![A-Za-z0-9])") if name else None
