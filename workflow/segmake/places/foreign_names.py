"""Names that another system does not take: Windows and macOS refuse some, and take others for the same."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

System = Literal["linux", "macos", "windows"]

_REFUSED = {
    "linux": re.compile(r"(?!)"),
    "macos": re.compile("[\udc80-\udcff]|%(?=[0-9A-F]{2})"),
    "windows": re.compile('[\x00-\x1f<>:"\\\\|?*\udc80-\udcff]|[. ]$|%(?=[0-9A-F]{2})'),
}

# With any ending, such as `nul.csv`.
_DEVICES = re.compile(
    r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?=\s*(\.|$))", re.I
)


def names_for(system: System, names: Iterable[str]) -> dict[str, str]:
    """Return what each file is called on a system.

    What the system refuses is written as in addresses of the web: ``a:b.csv`` becomes ``a%3Ab.csv``. Of names that it
    takes for the same, all capital letters are: ``A.csv`` beside ``a.csv`` becomes ``%41.csv``. A name depends on those
    beside it alone, so that it is the same each time, and no two files get the same one.

    Parameters
    ----------
    system : str
    names : iterable of str
        Paths of files, with ``/``.
    """
    if system == "linux":
        return {name: name for name in names}
    paths = [tuple(name.split("/")) for name in names]
    alike: dict[tuple[tuple[str, ...], str], set[str]] = defaultdict(set)
    for path in paths:
        for depth, word in enumerate(path):
            alike[path[:depth], _alike(word)].add(word)
    found = {}
    for path in paths:
        words = (
            _written(word, system, capitals=_only_capitals(alike[path[:depth], _alike(word)]))
            for depth, word in enumerate(path)
        )
        found["/".join(path)] = "/".join(words)
    return found


def _written(word: str, system: System, *, capitals: bool) -> str:
    word = _REFUSED[system].sub(lambda found: _escaped(found[0]), word)
    if system == "windows" and _DEVICES.match(word):
        word = _escaped(word[0]) + word[1:]
    if capitals:
        word = "".join(_escaped(letter) if letter != letter.lower() else letter for letter in word)
    return word


def _only_capitals(words: set[str]) -> bool:
    """Return whether names differ in capital letters; those that differ in how accents are spelled are one file."""
    return len({unicodedata.normalize("NFC", word) for word in words}) > 1


def _alike(word: str) -> str:
    return unicodedata.normalize("NFC", word).casefold()


def _escaped(letter: str) -> str:
    return "".join(f"%{byte:02X}" for byte in letter.encode(errors="surrogateescape"))
