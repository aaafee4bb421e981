"""How folders of the cluster are called on users' own computers, and what a path that is written so means here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

# Z:\me, Z:/me, Z: alone, and with what Windows puts before long paths.
_DRIVE = re.compile(r"(?:\\\\\?\\)?([A-Za-z]:)(?:[\\/]+(.*))?", re.DOTALL)
# \\server\share\me, as some write it with //, and long.
_SERVER = re.compile(
    r"(?:\\\\\?\\UNC\\|[\\/]{2})([^\\/?]+)(?:[\\/]+(.*))?", re.DOTALL | re.IGNORECASE
)
# As the Finder has it, perhaps with the name of a user.
_ADDRESS = re.compile(r"(?:smb|cifs)://(?:[^@/]*@)?([^/:]+)(?::\d+)?(?:/+(.*))?", re.I | re.DOTALL)


@dataclass(frozen=True)
class Spelling:
    """A path in parts that can be compared.

    Attributes
    ----------
    root : str
        What it begins with: a drive (``z:``), a server (``//server``), or ``/``.
    folders : tuple of str
        As they are written.
    """

    root: str
    folders: tuple[str, ...]

    def below(self, other: Spelling) -> tuple[str, ...] | None:
        """Return the folders that lead from another path to this one; None if it lies elsewhere."""
        length = len(other.folders)
        own, others = self.folders[:length], other.folders
        if self.root != "/":
            # Windows and its servers know no upper and lower case.
            own, others = (tuple(map(str.casefold, each)) for each in (own, others))
        return self.folders[length:] if (self.root, own) == (other.root, others) else None


@dataclass(frozen=True)
class Share:
    """A folder of the cluster that users' computers see too.

    Attributes
    ----------
    there : str
        Its path on the cluster.
    here : tuple of str
        What it is called on users' computers.
    """

    there: str
    here: tuple[str, ...]


def spelling_of(text: str) -> Spelling | None:
    """Return the parts of a path; None if it begins neither with a drive, nor with a server, nor with ``/``."""
    if found := _ADDRESS.fullmatch(text):
        folders = unquote(found[2] or "").split("/")
        return Spelling(f"//{found[1].casefold()}", _named(folders))
    for kind in (_DRIVE, _SERVER):
        if found := kind.fullmatch(text):
            root = found[1].casefold()
            folders = re.split(r"[\\/]", found[2] or "")
            return Spelling(root if kind is _DRIVE else f"//{root}", _named(folders))
    return Spelling("/", _named(text.split("/"))) if text.startswith("/") else None


def is_foreign(text: str) -> bool:
    """Return whether a text can only be a path of Windows, or the address of a file server."""
    found = spelling_of(text)
    # What begins with two slashes is a path here, too.
    return found is not None and found.root != "/" and not text.startswith("/")


def translated(text: str, shares: Iterable[Share]) -> str | None:
    r"""Return the path on the cluster that a path of a user's computer stands for; None if it is none of a share.

    Parameters
    ----------
    text : str
        Such as ``Z:\me\day1``.
    shares : iterable of Share
        Of several that it lies in, the innermost counts.
    """
    path = spelling_of(text)
    if path is None:
        return None
    found = []
    for there, spelling in _spellings(shares):
        rest = path.below(spelling)
        if rest is not None:
            found.append((len(spelling.folders), "/".join([there.rstrip("/"), *rest]) or "/"))
    return max(found, key=lambda each: each[0])[1] if found else None


def shares_of(written: Any) -> list[Share]:
    """Return what the section ``paths`` of a site file says, which the schema has found to be sound."""
    return [
        Share(each["there"], (here,) if isinstance(here := each["here"], str) else tuple(here))
        for each in written or ()
    ]


def _spellings(shares: Iterable[Share]) -> Iterator[tuple[str, Spelling]]:
    for share in shares:
        for here in share.here:
            if spelling := spelling_of(here):
                yield share.there, spelling


def _named(folders: Iterable[str]) -> tuple[str, ...]:
    return tuple(each for each in folders if each not in ("", "."))
