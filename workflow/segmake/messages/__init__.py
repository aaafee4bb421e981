"""Everything that SegMake says to a user, in English and French.

The texts lie beside this file in TOML, one file per subject. A section whose name is a code, such as
``[SM-CFG-012]``, is a problem: ``what`` is wrong, ``why`` (for the FAQ), and what to ``do``. Every other
section, such as ``[plan.found]``, is a plain sentence: ``say``. Codes are stable: once published, a code
keeps its meaning and is never given to another problem. `numbers` writes numbers and times.

A text has names in braces for values. ``{number:image|images}`` is the word for one or for more, by the rules of
CLDR: French counts 0 as one. The words may have names in braces themselves.

The lowest layer: it imports nothing of SegMake.

>>> import os
>>> from segmake.messages import Problem, say
>>> from segmake.messages.numbers import duration
>>> problem = Problem("SM-IMG-002", where="day1/pos3.nd2")
>>> print(problem)
SM-IMG-002  day1/pos3.nd2
  The file is empty (0 bytes).
  Copy the file again from the microscope.
>>> os.environ["SEGMAKE_LANG"] = "fr"
>>> problem.what
'Le fichier est vide (0 octet).'
>>> print(duration(5000))
1 h 23 min
>>> print(say("progress.jobs", number=1), say("progress.jobs", number=4), sep=", ")
1 tâche, 4 tâches
>>> os.environ["SEGMAKE_LANG"] = "en"
"""

from __future__ import annotations

import errno
import os
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from math import isfinite
from pathlib import Path
from string import Formatter
from typing import Any

from segmake.messages.library_words import meaning_of

LANGUAGES = ("en", "fr")

# How a number stands in a text, with what it is written with in both languages (`numbers.localised`).
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")

# Behind the language of a locale: its country, its encoding, its variant.
_REGION = re.compile(r"[_.@-]")

# What one reader of several asked for: a page in the browser has its own language, whatever the server's.
_ASKED: ContextVar[str] = ContextVar("language", default="")

_HEAD = re.compile(r'^\["?([\w.-]+)"?\]$', re.MULTILINE)


def language() -> str:
    """Return the language to speak: that of `speaking`, of ``SEGMAKE_LANG``, that of gettext, else English.

    gettext takes ``LC_ALL``, ``LC_MESSAGES`` or ``LANG``, the first that is set; and if that is not ``C`` or ``POSIX``,
    the first language of the list in ``LANGUAGE`` before it. ``language`` in scripts/_common.sh does the same. Windows,
    which sets none of them, is asked for the language that it speaks itself.
    """
    wanted = _ASKED.get() or os.environ.get("SEGMAKE_LANG")
    if not wanted:
        locales = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
        found = next(filter(None, locales), None) or _of_windows()
        listed = "" if found in ("C", "POSIX") else os.environ.get("LANGUAGE")
        wanted = listed or found
    for each in wanted.split(":"):
        short = _REGION.split(each, maxsplit=1)[0].lower()
        if short in LANGUAGES:
            return short
        if short in ("c", "posix"):
            break
    return "en"


def _of_windows() -> str:
    """Return the locale of Windows' own menus, such as ``fr_FR``; ``C`` where it is unknown, or no Windows."""
    if sys.platform != "win32":
        return "C"
    import ctypes
    import locale

    return locale.windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage(), "C")


@contextmanager
def speaking(wanted: str) -> Iterator[None]:
    """Speak a language for as long as this lasts, in this thread or task alone."""
    token = _ASKED.set(wanted)
    try:
        yield
    finally:
        _ASKED.reset(token)


def catalogue() -> dict[str, dict[str, dict[str, str]]]:
    """Return every text: ``{section: {"what" | "why" | "do" | "say": {"en": ..., "fr": ...}}}``."""
    return {section: _entry(section) for section in _sections()}


@cache
def _sections() -> dict[str, str]:
    """Return what is written in each section: to parse them all takes longer than all else that a small step does."""
    found: dict[str, str] = {}
    for path in sorted(Path(__file__).parent.glob("*.toml")):
        pieces = _HEAD.split(path.read_text(encoding="utf-8"))[1:]
        for section, text in zip(pieces[::2], pieces[1::2], strict=True):
            if section in found:
                raise ValueError(
                    f"{section} is in {path.name} and in another file of the catalogue"
                )
            found[section] = text
    return found


@cache
def _entry(section: str) -> dict[str, dict[str, str]]:
    return tomllib.loads(_sections()[section])


def say(section: str, part: str = "say", /, **values: object) -> str:
    """Return one text in the user's language, with ``{names}`` filled in from `values`.

    Raises
    ------
    KeyError
        If the catalogue has no such text, or a value that the text needs is missing.
    """
    return filled(_entry(section)[part][language()], values)


def joined(phrases: Iterable[str]) -> str:
    """Return several phrases as one, with semicolons between them as the user's language writes them."""
    return say("phrases.between").join(phrases)


def enumerated(names: Iterable[object]) -> str:
    """Return names one after the other, and a word for it where there are none."""
    return ", ".join(map(str, names)) or say("phrases.none")


def filled(text: str, values: Mapping[str, object]) -> str:
    """Return a text with its ``{names}`` filled in, and ``{number:one|more}`` by the number."""
    return _FORMATTER.vformat(text, (), values)


def names(text: str) -> set[str]:
    """Return the names of all values that a text needs."""
    found = set()
    for _, name, form, _ in _FORMATTER.parse(text):
        if name is not None:
            found |= {name} | names(form or "")
    return found


class _Texts(Formatter):
    def format_field(self, value: Any, spec: str) -> str:
        one, either, more = spec.partition("|")
        if not either:
            return super().format_field(value, spec)
        return one if _is_singular(value) else more


_FORMATTER = _Texts()


def _is_singular(value: object) -> bool:
    """Return whether a number, or one that is written in the user's language, takes the singular."""
    written = str(value).replace(" ", "").replace("\u202f", "")
    if not _NUMBER.fullmatch(written):
        return False
    if language() == "fr":
        return float(written.replace(",", ".")) < 2
    # A comma stands between thousands.
    return "," not in written and float(written) == 1


def _spoken(values: dict[str, Any]) -> dict[str, Any]:
    """Return values in the user's language where they are English words: the system's for an error, or of a detail."""
    if language() == "en":
        return values
    return {
        name: _told(value) if isinstance(value, str) else value for name, value in values.items()
    }


def _told_of(code: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a problem in the user's language; what a library says has its meaning before it."""
    spoken = _spoken(values)
    said = spoken.get("error")
    if isinstance(said, str) and said == values["error"] and (meaning := meaning_of(code, said)):
        return {**spoken, "error": say(meaning, said=said)}
    return spoken


def _told(value: str) -> str:
    words, colon, rest = value.partition(": ")
    if section := _system_words().get(words):
        return f"{say(section)}{' ' if colon else ''}{colon}{rest}"
    for section, pattern in _details().items():
        if found := pattern.fullmatch(value):
            return say(section, **found.groupdict())
    return value


@cache
def _system_words() -> dict[str, str]:
    """Return the section of each of the system's words for an error."""
    sections = [section for section in _sections() if section.startswith("system.")]
    numbers = {section: getattr(errno, section.partition(".")[2], None) for section in sections}
    return {os.strerror(number): name for name, number in numbers.items() if number is not None}


@cache
def _details() -> dict[str, re.Pattern[str]]:
    """Return what finds each detail in the words in which it is written down."""
    found = {}
    for section in _sections():
        if section.startswith("detail."):
            pieces = _FORMATTER.parse(_entry(section)["say"]["en"])
            plain = (
                re.escape(text) + (f"(?P<{name}>.+)" if name else "") for text, name, _, _ in pieces
            )
            found[section] = re.compile("".join(plain))
    return found


class Problem(Exception):
    """Something that a user can put right, told in the user's words.

    Parameters
    ----------
    code : str
        The section of the catalogue, such as ``"SM-CFG-012"``.
    where : str
        The file, key or line where the problem is; empty when there is no such place.
    **values
        What the texts of the catalogue name in braces.
    """

    def __init__(self, code: str, *, where: str = "", **values: object) -> None:
        self.code = code
        self.where = where
        self.values = values
        super().__init__(code, where, values)

    def __reduce__(self) -> tuple:
        return (_rebuild, (self.code, self.where, self.values))

    @property
    def what(self) -> str:
        """What is wrong, in one sentence."""
        return say(self.code, "what", **_told_of(self.code, self.values))

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return say(self.code, "do", **_told_of(self.code, self.values))

    @property
    def plain_values(self) -> dict[str, Any]:
        """The values as JSON can hold them, of which `remembered` makes the same problem."""
        return {name: _plain(value) for name, value in self.values.items()}

    def __str__(self) -> str:
        head = f"{self.code}  {self.where}" if self.where else self.code
        return f"{head}\n  {self.what}\n  {self.remedy}"


def remembered(code: str, where: str, values: dict[str, object]) -> Problem:
    """Return a problem that was written down, perhaps by a version of SegMake whose texts needed other values."""
    texts = [_entry(code)[part][language()] for part in ("what", "do")]
    needed = {name for text in texts for name in names(text)}
    return Problem(code, where=where, **{**dict.fromkeys(needed, where or "-"), **values})


def _plain(value: object) -> object:
    is_plain = isinstance(value, str | int | bool | None)
    # There is no other number in JSON.
    is_finite = isinstance(value, float) and isfinite(value)
    return value if is_plain or is_finite else str(value)


def _rebuild(code: str, where: str, values: dict[str, object]) -> Problem:
    return Problem(code, where=where, **values)


class Problems(Exception):
    """Several problems that were found together."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__(problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)
