"""Names and writes files: no half-written file is ever seen."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from segmake.messages import Problem


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Give a path to write to, which takes the place of `path` when the block ends well.

    The folder is made if it is not there. If the block raises, `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays, since libraries choose the format by it. Nodes share folders, and processes on two of them may
    # have the same number.
    unique = fingerprint(path.name, socket.gethostname(), os.getpid())
    part = path.with_name(f".{unique}.part{path.suffix}")
    try:
        with naming(path):
            yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let errors of the system in the block name a file: those of a write to an open one don't."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def open_own(path: Path, mode: str, **options: Any) -> IO[Any]:
    """Open a file that SegMake alone writes to; nothing is ever written to what a link in its place leads to.

    Parameters
    ----------
    path : Path
    mode : str
        One that writes.
    **options
        As `open` takes them.

    Raises
    ------
    Problem
        ``SM-RUN-043`` if it is a link, or a thing that is no file, such as a pipe.
    """

    def opener(name: str, flags: int) -> int:
        # Without waiting for whoever reads from a pipe.
        return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)

    if "b" not in mode:
        options.setdefault("encoding", "utf-8")
    try:
        file = open(path, mode, opener=opener, **options)  # noqa: SIM115
    except OSError:
        refuse_link(path)
        raise
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        refuse_link(path)
    return file


def refuse_link(path: Path) -> None:
    """Refuse a link, or a thing that is no file, in the place of a file that SegMake alone writes to.

    Raises
    ------
    Problem
        ``SM-RUN-043``
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        full = path.absolute()
        raise Problem("SM-RUN-043", where=str(full), path=full)


def lock_file(file: IO[str], *, wait: bool) -> None:
    """Keep a file for this process until it is closed, or the process ends.

    On a file system without locks (Lustre often has none) nothing is kept, and all goes on.

    Raises
    ------
    BlockingIOError
        If another process has it and `wait` is False.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP):
            raise


def fingerprint(*values: Any) -> str:
    """Return 16 hexadecimal digits that differ when any of the values (plain ones, nested or not) does."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def readable(text: str) -> str:
    r"""Return text that any file can hold: a byte of a name that is no UTF-8 becomes ``\xff``."""
    escaped = (f"\\x{ord(c) - 0xDC00:02x}" if "\udc80" <= c <= "\udcff" else c for c in text)
    return "".join(escaped).encode("utf-8", "backslashreplace").decode()


# How an image that is one position of a file is called: `day1/pos.nd2 (p3)`.
_POSITION = re.compile(r" \(p(\d+)\)\Z")


def image_name(file: str, position: int, positions: int) -> str:
    """Return what a field of view is called: its file, and its number (from 1) where the file holds several.

    Parameters
    ----------
    file : str
        The name of the file.
    position : int
        From 0.
    positions : int
        How many the file holds.
    """
    return file if positions == 1 else f"{file} (p{position + 1})"


def position_number(image: str) -> int | None:
    """Return which position (from 1) of its file an image is, by its name; None where it is the only one."""
    position = _POSITION.search(image)
    return int(position[2]) if position else None


def result_name(image: str) -> str:
    """Return what an image's results start with: its name without the suffix, ``day1/pos_p3``.

    ``.ome.tif`` and ``.ome.zarr`` count as one suffix.
    """
    position = _POSITION.search(image)
    path = PurePosixPath(image[: position.start()] if position else image)
    stem = path.stem
    if stem.lower().endswith(".ome"):
        stem = stem[:-4]
    name = str(path.with_name(stem)) if stem else str(path)
    return f"{name}_p{position[1]}" if position else name


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts ``img2`` before ``img10``."""
    parts: list[tuple[int, int, str]] = []
    digits = ""
    for character in [*name.casefold(), ""]:
        if character.isdecimal():
            digits += character
            continue
        if digits:
            parts.append((0, int(digits), ""))
            digits = ""
        parts.append((1, 0, character))
    return parts
