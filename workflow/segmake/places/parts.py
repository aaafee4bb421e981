"""What files that are not whole yet are called: by whom they are written, so that nobody takes another's for their own.

A copy that was cut goes on with what it left, and removes what is of no more use; what another computer, another
program or another copy of this one is writing is left alone.
"""

from __future__ import annotations

import getpass
import itertools
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from segmake.core.files import fingerprint
from segmake.core.processes import host_name
from segmake.places.place import PART, File

_NUMBERS = itertools.count(1)
_AT_WORK: set[int] = set()

_NAME = re.compile(
    r"\.(?:(?P<sign>[0-9a-f]{16})\.)?(?P<owner>[0-9a-f]{8})-(?P<pid>\d+)-(?P<began>\d+)-(?P<number>\d+)(?:-\d+)?"
    + re.escape(PART)
)


@dataclass(frozen=True)
class Part:
    """What a copy has begun.

    Attributes
    ----------
    path : str
        Below the folder that is copied to.
    sign : str
        Of one file, what differs when its name, size or time does; empty for a stream of small ones.
    """

    path: str
    sign: str


@dataclass(frozen=True)
class Writer:
    """One attempt of one copy.

    Attributes
    ----------
    owner : str
        The computer, the user, and what is copied where: whoever has the same may go on with what this one leaves.
    number : int
        Which attempt of this process it is.
    """

    owner: str
    number: int

    def part(self, name: str, file: File) -> str:
        """Return what a file is called, beside where it is to be, until it is whole."""
        return f".{sign_of(name, file)}.{self._token()}{PART}"

    def stream(self, number: int) -> str:
        """Return what a stream of small files is called until all of them are whole."""
        return f".{self._token()}-{number}{PART}"

    def left(self, paths: Iterator[str]) -> Iterator[Part]:
        """Yield what earlier attempts have left behind, each once."""
        seen = set()
        for path in paths:
            words = path.split("/")
            for number, word in enumerate(words):
                found = _NAME.fullmatch(word)
                if found and found["owner"] == self.owner and not _is_alive(found):
                    part = Part("/".join(words[: number + 1]), found["sign"] or "")
                    if part not in seen:
                        seen.add(part)
                        yield part

    def _token(self) -> str:
        return f"{self.owner}-{os.getpid()}-{_began(os.getpid())}-{self.number}"


@contextmanager
def writer(*what: str) -> Iterator[Writer]:
    """Yield the names of one attempt, whose parts no other takes for its own before the block ends."""
    number = next(_NUMBERS)
    _AT_WORK.add(number)
    try:
        yield Writer(fingerprint(host_name(), _user(), *what)[:8], number)
    finally:
        _AT_WORK.discard(number)


def sign_of(name: str, file: File) -> str:
    """Return what differs when a file's name, size or time does."""
    return fingerprint(name, file.size, file.time)


def _is_alive(found: re.Match[str]) -> bool:
    """Return whether whoever began a part of this computer's is still at it."""
    pid = int(found["pid"])
    if _began(pid) != int(found["began"]):
        return False
    return pid != os.getpid() or int(found["number"]) in _AT_WORK


def _began(pid: int) -> int:
    """Return when a process began, in seconds since 1970; 0 if there is none."""
    # Only copying needs it, and it takes a while to load.
    import psutil

    try:
        return int(psutil.Process(pid).create_time())
    except (psutil.Error, OSError, OverflowError, ValueError):
        return 0


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
