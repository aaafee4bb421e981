"""Tells what is wrong with a disk that is written to from what is wrong with an image, and finds it out."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import takewhile
from pathlib import Path

from segmake.messages import Problem

# A disk without room, a used-up quota; one that was mounted to be read alone; one that fails, or whose server does.
_CODES = {
    errno.ENOSPC: "SM-RUN-040",
    errno.EDQUOT: "SM-RUN-040",
    errno.EROFS: "SM-RUN-041",
    errno.EIO: "SM-RUN-042",
}

# A disk that a script has filled.
FILLED_BY_SCRIPT = "SM-SCR-049"

# Libraries of C++ tell the system's error in words alone; NumPy tells that fewer values were written than were to be.
_WORDS = {os.strerror(number): number for number in _CODES}
_CUT_SHORT = re.compile(r"\d+ requested and \d+ written")

# More than what the blocks of a small file that was just removed leave.
_PROBE_BYTES = 1 << 18


def disk_problem(
    error: BaseException, folder: Path, *, image: Path | None = None
) -> Problem | None:
    """Return what is wrong with the disk, or None if an error says nothing of it.

    Parameters
    ----------
    error : exception
        Of something that wrote. What can't be read of an image is a `Problem` of its own (`segmake.formats`).
    folder : Path
        Where it wrote to, if the error does not name a file.
    image : Path, optional
        The file that it read from: what is wrong with its disk is wrong with this image alone.

    Returns
    -------
    Problem or None
        ``SM-RUN-040`` if the disk is full or the quota used up, ``SM-RUN-041`` if it can only be read, or
        ``SM-RUN-042`` if it fails.
    """
    if isinstance(error, Problem):
        return error if error.code in (*_CODES.values(), FILLED_BY_SCRIPT) else None
    for each in _chain(error):
        if number := _number(each):
            file = getattr(each, "filename", None)
            if image is not None and file == str(image):
                return None
            place = Path(os.fsdecode(file)).parent if isinstance(file, str | bytes) else folder
            # A relative path would be another one on another computer.
            full = _known_to_users(place.absolute())
            return Problem(_CODES[number], where=str(full), folder=full)
    return None


def probe(folder: Path) -> Problem | None:
    """Return what keeps a file from being written to a folder's disk; None if nothing does.

    Parameters
    ----------
    folder : Path
        One that is there.
    """
    try:
        try_to_write(folder)
    except OSError as error:
        return disk_problem(error, folder)
    return None


def try_to_write(folder: Path) -> None:
    """Write a small file to a folder's disk, and remove it again.

    Raises
    ------
    OSError
        If that is not possible, for whatever reason.
    """
    file = folder / f".probe.{os.getpid()}.part"
    try:
        with file.open("wb") as opened:
            opened.write(bytes(_PROBE_BYTES))
            opened.flush()
            os.fsync(opened.fileno())
    finally:
        with suppress(OSError):
            file.unlink(missing_ok=True)


def _known_to_users(place: Path) -> Path:
    """Return the folder that users know, of which one within ``.segmake`` is a part."""
    outside = takewhile(lambda part: part != ".segmake", place.parts)
    return Path(*outside)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it was raised from."""
    seen: list[BaseException] = []
    left: BaseException | None = error
    while left is not None and left not in seen:
        yield left
        seen.append(left)
        left = left.__cause__ or left.__context__


def _number(error: BaseException) -> int | None:
    """Return the number of the system's error if it is one of a disk."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno if error.errno in _CODES else None
    # Not its text, in which a file's name hides the words of an error without a number.
    words = " ".join(map(str, error.args))
    if isinstance(error, OSError) and _CUT_SHORT.search(words):
        return errno.ENOSPC
    return next((number for text, number in _WORDS.items() if text in words), None)
