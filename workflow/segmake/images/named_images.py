"""Which images the config names with a reason: those that are left out of the tables, and those that are right."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

# The sections of the config that name images.
SECTIONS = ("leave_out", "looked_at")


def reasons(named: Mapping[str, str], images: Iterable[str]) -> dict[str, str]:
    """Return the reason of each image that is named.

    Parameters
    ----------
    named : mapping
        A section of the config: names of images, in which ``*`` stands for any letters, and reasons. Of several that
        fit, the first counts.
    images : iterable of str
        All images.
    """
    found: dict[str, str] = {}
    names = {image: _plain(image) for image in images} if named else {}
    for wanted, reason in named.items():
        pattern = _plain(str(wanted))
        for image, name in names.items():
            if _fits(name, pattern):
                found.setdefault(image, reason)
    return found


def named_in_vain(named: Mapping[str, str], images: Iterable[str]) -> list[str]:
    """Return the names in a section of the config that fit no image."""
    names = list(map(_plain, images)) if named else []
    return [
        wanted
        for wanted in map(str, named)
        if not any(_fits(name, _plain(wanted)) for name in names)
    ]


def _fits(name: str, pattern: str) -> bool:
    # A name may have brackets of its own.
    return name == pattern or fnmatchcase(name, pattern.replace("[", "[[]"))


def _plain(name: str) -> str:
    """Return a name as it is compared: what Macs write in two letters is one."""
    return unicodedata.normalize("NFC", name)
