"""Takes out of a text what is nobody else's business: passwords, tokens and keys, and who and where the user is."""

from __future__ import annotations

import re
from collections import Counter

HIDDEN = "***"

# Blanks within a line.
_BLANK = r"[^\S\n]"

# What nobody says of anything else, in English, French and German; `pass` only as a word of its own, or behind a `_`.
_PLAIN = (
    r"(?:passw(?:or)?d|passphrase|passwort|kennwort|mots?[ _-]de[ _-]passe|(?<![a-z])mdp"
    r"|(?:api|access|private|secret|client|signing|encryption|auth)[ _.-]?key"
    r"|cl(?:[\u00e9e]|e\u0301)f?[ _-](?:d['\u2019]\s?)?(?:api|acc[\u00e8e]s|secr[\u00e8e]te|priv[\u00e9e]e))"
)
# What may be a word of another thing, too: a blank alone behind it tells nothing.
_WORD = (
    r"(?:token|jeton|pwd|secret(?!ed|ion|o[mr])|credential|authorization|cookie|signature|zugangsdaten"
    r"|(?<![^\W\d_])(?:pass|pw|sig|psk)(?![^\W\d_]|-))"
)
_TELLING = rf"(?:{_PLAIN}|{_WORD})"
_NAME = rf"[\w.-]{{0,60}}{_TELLING}[\w-]{{0,60}}"
_QUOTED = r"\"(?:\\.|[^\"\\\n])*\"|'(?:''|[^'\n])*'"
# It was taken out by its option, or in an address.
_NOT_YET = r"(?!\*\*\*(?![^\s&,\"'\]})]))"
# In quotation marks it has an end; else a password may have any sign in it, and is what is left of the line.
_VALUE = (
    rf"(?P<value>{_NOT_YET}(?:(?:{_QUOTED})[^\s,;)\]}}]*(?=\s*(?:$|[,;)\]}}#&|])|\s+-)|[^\n]+))"
)

_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
# Keys that are one whatever they are called.
_KEYS = re.compile(
    # Of GitHub, GitLab, Hugging Face, npm, Docker, PyPI, Slack, Amazon, Google, OpenAI; and a JSON web token.
    r"\b(?:gh[pousr]_|github_pat_|gl[a-z]{2,4}-|hf_|npm_|dckr_pat_|pypi-|xox[a-z]-|xapp-|AKIA|ASIA|AIza|sk-)"
    r"(?=[\w-]*[A-Z0-9])[\w-]{6,}"
    r"|\beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*"
    r"|(?<=\bhooks\.slack\.com/)[^\s\"'<>]+"
)
# A password may have `@` and `/` in it; behind `.git@` stands a version.
_IN_ADDRESS = re.compile(
    r"(?P<scheme>\b[a-z][a-z0-9+.-]{0,30}://)"
    r"(?P<value>[^\s/@:\"'<>]{0,100}:(?:(?!\.git@)[^\s\"'<>]){1,1000}|[^\s/@\"'<>]{1,1000})@",
    re.I,
)
_IN_QUERY = re.compile(rf"(?P<name>[?&](?:key|{_NAME})=)(?P<value>{_NOT_YET}[^&\s\"'<>]+)", re.I)
_BEARER = re.compile(r"(?P<name>\b(?:bearer|basic)\s+)(?P<value>[\w.~+/-]{8,}=*)", re.I)
# `name: value`, `NAME=value`, `"name": "value"`; the value may stand on the next line, which is no key of its own.
_NAMED = re.compile(
    rf"(?P<name>{_TELLING}[\w-]{{0,60}}[\"']?{_BLANK}*+(?:[:=]+>?|-?>){_BLANK}*+"
    rf"(?:\n{_BLANK}*+#?{_BLANK}++(?![\"']?[\w.-]+[\"']?\s*:))?){_VALUE}",
    re.I | re.M,
)
# The end of a value within `{}`: the next key, or the end of the line.
_NEXT_KEY = re.compile(r"[\]}]*,\s*[\"']?[\w.-]+[\"']?\s*:|[\]}]+\s*(?:#.*)?$")
# `the password is value`, `password value`, `TOKEN 1value`.
_IS = rf"(?:is|was|est|ist|lautet){_BLANK}++"
_SAID = re.compile(
    rf"(?P<name>(?:{_PLAIN}[\"']?{_BLANK}++(?:{_IS})?"
    rf"|{_WORD}{_BLANK}++(?:{_IS}|(?=\S*\d)(?=\S{{6}}))))"
    rf"(?P<value>(?![:=(]){_NOT_YET}[^\n]+)",
    re.I,
)
# What is said of a password that is none.
_HARMLESS = frozenset(
    (
        *("a", "an", "and", "are", "asked", "authentication", "be", "been", "by", "can"),
        *("denied", "empty", "entered", "expired", "failed", "for", "from", "given", "has"),
        *("have", "incorrect", "invalid", "is", "it", "missing", "must", "needed", "no"),
        *("none", "not", "of", "or", "prompt", "refused", "rejected", "required", "set"),
        *("the", "to", "unknown", "unset", "was", "were", "will", "wrong", "your", "est"),
        *("sont", "manque", "manquant", "requis", "vide", "absent", "incorrecte", "pas"),
        *("ist", "fehlt", "falsch"),
    )
)

# `--name value`, up to the next option; and the same two as items of a list, on one line or on two.
_BEHIND = rf"(?:[\"']?\s*,\s*|[\"']?{_BLANK}*\n\s*-\s+|{_BLANK}+(?:\\\n\s*)?|=)"
_ARGUMENT = rf"(?P<value>(?!-){_NOT_YET}(?:(?:{_QUOTED})|(?:(?!(?:\s|,\s*)[\"']?--?[a-z])[^\n])+))"
_OPTION = re.compile(rf"(?P<name>(?<![\w-])--?{_NAME}{_BEHIND}){_ARGUMENT}", re.I)
# Programs whose `-p`, `-w` or `-u` is a password; it may stand without a blank there.
_OF_PROGRAM = re.compile(
    r"(?P<name>\b(?:(?:omero|sshpass|mysql\w*|mariadb[\w-]*|docker|podman|ldap\w+)\b[^\n;|]{0,500}?[\s,\"']-[pw]"
    rf"|curl\b[^\n;|]{{0,500}}?[\s,\"'](?:-u|--user))(?:{_BEHIND})?){_ARGUMENT}",
    re.I,
)
# `-p value` of a script; but of these it is a partition, a port, a folder.
_SHORT = re.compile(rf"(?P<name>(?<![\w-])-p(?:{_BEHIND}|(?=[\"']))){_ARGUMENT}")
_NO_PASSWORD = re.compile(
    r"\b(?:mkdir|sbatch|srun|salloc|squeue|sinfo|sacct|conda|mamba|micromamba|ssh|cp|ps)\b", re.I
)
# A line of YAML whose key is secret: all that is below it is, too.
_LINE = re.compile(rf"(?P<head>(?P<before>\s*(?:-\s+)?)[\"']?{_NAME}[\"']?\s*:)(?P<value>.*)", re.I)

_ADDRESS_OF_MAIL = re.compile(r"(?!git@)\b[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}\b")

_PLAIN_WORD = re.compile(r"\W*\w?[^\W\dA-Z_]*\W*")

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
        text = _PRIVATE_KEY.sub(lambda found: self._taken(found[0]), text)
        text = _IN_ADDRESS.sub(lambda it: f"{it['scheme']}{self._taken(it['value'])}@", text)
        for pattern in (_IN_QUERY, _OPTION, _OF_PROGRAM, _SHORT, _NAMED, _SAID, _BEARER):
            text = pattern.sub(self._without_value, text)
        # Last: a key may be a part of a password.
        text = _KEYS.sub(lambda found: self._taken(found[0]), text)
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

    def _without_value(self, found: re.Match[str]) -> str:
        """Return the name of something secret alone, and what stands behind its value in the same braces."""
        name, value = found["name"], found["value"]
        before = found.string[found.string.rfind("\n", 0, found.start()) + 1 : found.start()]
        if found.re is _SHORT and _NO_PASSWORD.search(before):
            return found[0]
        if found.re is _SAID and _HARMLESS.issuperset(
            re.findall(r"[^\s.,!?()\"']+", value.lower())
        ):
            return found[0]
        rest = ""
        if found.re is _NAMED and before.count("{") > before.count("}"):
            end = _NEXT_KEY.search(value)
            value, rest = (value[: end.start()], value[end.start() :]) if end else (value, "")
        return f"{name}{self._taken(value)}{rest}"

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
        # Behind it may stand what is none: of several words, those are known again that are no plain words.
        parts = [
            part
            for part in re.split(r"[\s,;:&\"'`(){}\[\]]+", bare)
            if not _PLAIN_WORD.fullmatch(part)
        ]
        for known in (bare, *parts):
            if len(known) >= _KNOWN_AGAIN and not known.isdigit() and HIDDEN not in known:
                self._known.add(known)
        return HIDDEN


def _word(name: str, more: str = "") -> re.Pattern[str] | None:
    """Return what finds a name where it is a word of its own."""
    return re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}{more}(?![A-Za-z0-9])") if name else None
