"""Which images the config leaves out of the tables, and why: ``leave_out``."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase


def left_out(leave_out: Mapping[str, str], images: Iterable[str]) -> dict[str, str]:
    """Return the reason of each image that is left out.

    Parameters
    ----------
    leave_out : mapping
        The section of the config: names of images, in which ``*`` stands for any letters, and reasons. Of several that
        fit, the first counts.
    images : iterable of str
        All images.
    """
    found: dict[str, str] = {}
    names = {image: _plain(image) for image in images} if leave_out else {}
    for wanted, reason in leave_out.items():
        pattern = _plain(str(wanted))
        for image, name in names.items():
            if _fits(name, pattern):
                found.setdefault(image, reason)
    return found


def named_in_vain(leave_out: Mapping[str, str], images: Iterable[str]) -> list[str]:
    """Return the names in ``leave_out`` that fit no image."""
    names = list(map(_plain, images))
    return [
        wanted
        for wanted in map(str, leave_out)
        if not any(_fits(name, _plain(wanted)) for name in names)
    ]


def _fits(name: str, pattern: str) -> bool:
    # A name may have brackets of its own.
    return name == pattern or fnmatchcase(name, pattern.replace("[", "[[]"))


def _plain(name: str) -> str:
    """Return a name as it is compared: what Macs write in two letters is one."""
    return unicodedata.normalize("NFC", name)
