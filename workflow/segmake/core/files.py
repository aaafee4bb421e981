"""Names and writes files: no half-written file is ever seen."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path, PurePosixPath
from threading import get_ident
from typing import IO, Any
from unicodedata import category, normalize

from segmake.core.processes import host_name, this_process
from segmake.messages import Problem, say

# So many files are named in a message.
_NAMED = 10


@contextmanager
def write_atomically(path: Path, *, lasting: bool = True) -> Iterator[Path]:
    """Give a path to write to, which takes the place of `path` when the block ends well, and is on the disk then.

    The folder is made if it is not there. If the block raises, `path` stays as it was.

    Parameters
    ----------
    path : Path
    lasting : bool
        Whether the file is to outlive a power failure; one that is deleted in a moment is not.
    """
    with _taking_its_place(path, lasting=lasting) as part:
        yield part
        # A name is given to a whole file alone: else a power failure may leave one of 0 bytes under it.
        if lasting:
            flush(part)


@contextmanager
def open_atomically(path: Path, *, lasting: bool = True) -> Iterator[IO[bytes]]:
    """Give an open file to write to (and to read from), which takes the place of `path` as in `write_atomically`.

    Of one that lasts, size and checksum are known (`as_written`), and it is opened once for all of that.

    Parameters
    ----------
    path : Path
    lasting : bool
        Whether the file is to outlive a power failure; one that is deleted in a moment is not.
    """
    import hashlib

    with _taking_its_place(path, lasting=lasting) as part, part.open("w+b") as file:
        yield file
        file.flush()
        if lasting:
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            state = file.tell(), digest
            os.fsync(file.fileno())
    if lasting:
        _written[path] = state
        while len(_written) > _REMEMBERED:
            with suppress(KeyError, StopIteration, RuntimeError):
                del _written[next(iter(_written))]


# Size and checksum of what was written last.
_written: dict[Path, tuple[int, str]] = {}
_REMEMBERED = 64


def as_written(path: Path) -> tuple[int, str] | None:
    """Return size and SHA-256 of what this process wrote last to a file, by `open_atomically`; told once.

    By these it is told from whatever is there by now, such as what somebody else saved a moment ago. None if nothing is
    known.
    """
    return _written.pop(path, None)


@contextmanager
def _taking_its_place(path: Path, *, lasting: bool) -> Iterator[Path]:
    """Give the path of a new file, whose name becomes `path` when the block ends well; else it is removed."""
    folder, kept = _open_folder(path.parent)
    # The suffix stays, since libraries choose the format by it. Nodes share folders, and processes on two of them may
    # have the same number; threads of one may write the same file.
    unique = fingerprint(path.name, host_name(), os.getpid(), get_ident())
    part = path.with_name(f".{unique}.part{path.suffix}")
    left = True
    try:
        with naming(path):
            yield part
        os.replace(part, path)
        left = False
        _written.pop(path, None)
        if lasting and folder is not None:
            _flush_names(folder)
    finally:
        if folder is not None and not kept:
            os.close(folder)
        if left:
            part.unlink(missing_ok=True)


# Folders that stay open, and what tells each from one that took its place; while there are such, of so many at most.
_kept: dict[Path, tuple[int, os.stat_result]] | None = None
_KEPT_OPEN = 32


@contextmanager
def folders_stay_open() -> Iterator[None]:
    """Let the folders that files are written to stay open in this process: thousands are written to a few of them.

    If the block raises, they do so until the process ends: threads may still write.
    """
    global _kept
    before, _kept = _kept, {}
    kept = _kept
    try:
        yield
    finally:
        _kept = before
    for number, _ in kept.values():
        os.close(number)


def _open_folder(folder: Path) -> tuple[int | None, bool]:
    """Open a folder to be flushed, which is made if it is not there; None where a system knows no such thing.

    Also return whether it stays open. On a network's file system each look for a folder is asked of the server.
    """
    if not hasattr(os, "O_DIRECTORY"):
        folder.mkdir(parents=True, exist_ok=True)
        return None, False
    kept = _kept
    if kept is not None and (known := kept.get(folder)) is not None:
        with suppress(OSError):
            # Somebody may have moved or removed it; as long as it is open, no other can be taken for it.
            if os.path.samestat(folder.stat(), known[1]):
                return known[0], True
    try:
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        folder.mkdir(parents=True, exist_ok=True)
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    if kept is None or len(kept) >= _KEPT_OPEN:
        return number, False
    # Another thread may have been faster.
    return number, kept.setdefault(folder, (number, os.fstat(number)))[0] == number


def flush(path: Path) -> None:
    """Return once a file, or all that is in a folder, is on the disk and would outlive a power failure.

    Raises
    ------
    OSError
        If the disk did not take it: it is full, or broken.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        for inside in path.iterdir():
            flush(inside)
        flush_folder(path)
    elif stat.S_ISREG(mode):
        # Windows flushes what is open to be written alone.
        number = os.open(path, os.O_RDONLY if hasattr(os, "O_DIRECTORY") else os.O_RDWR)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def flush_folder(folder: Path) -> None:
    """Return once the names in a folder are on the disk; Windows and some file systems know no such thing."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _flush_names(number)
    finally:
        os.close(number)


def _flush_names(folder: int) -> None:
    """Return once the names in an open folder are on the disk; some file systems know no such thing."""
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF):
            raise


def append_line(path: Path, line: str, *, lasting: bool = True) -> None:
    """Add a line to a file, and return once it is on the disk; the file and its folder are made.

    A process that was killed, or had no room, may have left half a line behind: that one ends here.

    Parameters
    ----------
    path : Path
    line : str
    lasting : bool
        Whether the line is to outlive a power failure before the next one that is.
    """
    with naming(path), _opened_to_add(path) as file:
        new = _end_its_line(file)
        _add(file, line, lasting=lasting)
    if new:
        flush_folder(path.parent)


class Appender:
    """Adds lines to a file as `append_line` does; it stays open meanwhile, for one process alone.

    Whoever opens the file sees each line, also on other computers of a network's file system: one that lasts is there
    once it is on the disk, and after another the file is closed.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self._about: os.stat_result | None = None

    def add(self, line: str, *, lasting: bool = True) -> None:
        """Add a line; see `append_line`."""
        with naming(self._path):
            new = False
            if self._file is None or not self._is_there():
                self.close()
                self._file = _opened_to_add(self._path)
                self._about = os.fstat(self._file.fileno())
                new = _end_its_line(self._file)
            try:
                _add(self._file, line, lasting=lasting)
            except BaseException:
                # Half a line may be in it, which ends when it is opened again.
                with suppress(OSError):
                    self.close()
                raise
            if not lasting:
                self.close()
        if new:
            flush_folder(self._path.parent)

    def close(self) -> None:
        """Close the file."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _is_there(self) -> bool:
        """Whether the file has the name still: somebody may have moved or removed it."""
        try:
            there = self._path.lstat()
        except OSError:
            return False
        return self._about is not None and os.path.samestat(there, self._about)


def _end_its_line(file: IO[bytes]) -> bool:
    """End the half of a line that a file ends in; return whether the file is new."""
    if file.tell() == 0:
        return True
    file.seek(-1, os.SEEK_END)
    if file.read(1) != b"\n":
        file.write(b"\n")
    return False


def _add(file: IO[bytes], line: str, *, lasting: bool) -> None:
    file.write(line.encode() + b"\n")
    file.flush()
    if lasting:
        os.fsync(file.fileno())


def _opened_to_add(path: Path) -> IO[bytes]:
    """Open a file to be added to; it and its folder are made."""
    try:
        return open_own(path, "ab+")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return open_own(path, "ab+")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let errors of the system in the block name a file: those of a write to an open one don't."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
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
        # Windows has neither.
        careful = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        return os.open(name, flags | careful, 0o666)

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
    # Windows, where a config can be checked, has no such module.
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP):
            raise


@contextmanager
def alone(folder: Path, waiting: str, **values: object) -> Iterator[None]:
    """Keep other runs, also those of other users, from the same work in a folder, which is made.

    Parameters
    ----------
    folder : Path
    waiting : str
        The sentence of the catalogue that is said while another run is at it: with ``pid``, ``host`` and ``since`` of
        that one, and the folder as ``path``.
    **values
        What else the sentence needs.

    Raises
    ------
    OSError
        If the folder can't be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open_own(folder / ".segmake.lock", "a+") as lock:
        # Whoever may write into the folder may also lock it.
        with suppress(OSError):
            os.fchmod(lock.fileno(), 0o666)
        try:
            lock_file(lock, wait=False)
        except BlockingIOError:
            print(
                say(waiting, path=folder, **read_lock(lock), **values), file=sys.stderr, flush=True
            )
            lock_file(lock, wait=True)
        with suppress(OSError):
            write_lock(lock)
        yield


def write_lock(file: IO[str]) -> None:
    """Note in a file that was locked who keeps it."""
    file.truncate(0)
    file.write(this_process().written())
    file.flush()


def read_lock(file: IO[str]) -> dict[str, str]:
    """Return process (``pid``), computer (``host``) and time (``since``) of the run that keeps a file."""
    file.seek(0)
    words = (file.read().split("\t") + ["?"] * 3)[:3]
    return dict(zip(("pid", "host", "since"), words, strict=True))


def fingerprint(*values: Any) -> str:
    """Return 16 hexadecimal digits that differ when any of the values (plain ones, nested or not) does."""
    return fingerprint_of(as_json(value) for value in values)


def fingerprint_of(texts: Iterable[str]) -> str:
    """Return `fingerprint` of values that `as_json` gave: of what many have in common, it is asked once."""
    # The library behind it takes as long to load as all else that a small command does.
    import hashlib

    return hashlib.sha256(f"[{', '.join(texts)}]".encode()).hexdigest()[:16]


def as_json(value: Any) -> str:
    """Return a plain value, nested or not, as a fingerprint takes it."""
    return _PLAIN.encode(value)


# What `json.dumps` makes anew each time that it is told anything.
_PLAIN = json.JSONEncoder(sort_keys=True, ensure_ascii=True, default=str)


# Of a large file so many pieces of so many bytes are looked at, from the first to the last.
_PIECES, _PIECE = 16, 1 << 16


def sampled_hash(paths: Iterable[Path], whole: int = _PIECES * _PIECE) -> str | None:
    """Return what differs when the content of files or folders does: of small files all of it, of large ones a sample.

    None if one can't be read.

    Parameters
    ----------
    paths : iterable of Path
    whole : int
        Files of up to so many bytes are small.
    """
    import hashlib

    digest = hashlib.sha256()
    try:
        for path in paths:
            about = path.stat()
            is_folder = stat.S_ISDIR(about.st_mode)
            inside = sorted(p for p in path.rglob("*") if p.is_file()) if is_folder else []
            every = max(1, len(inside) // (4 * _PIECES))
            for number, file in enumerate(inside or [path]):
                size = file.stat().st_size if inside else about.st_size
                name = f"{file.relative_to(path)} {size}\0"
                digest.update(name.encode("utf-8", "surrogateescape"))
                if number % every == 0:
                    for piece in _sample(file, size, whole):
                        digest.update(piece)
    except OSError:
        return None
    return digest.hexdigest()


def _sample(file: Path, size: int, whole: int) -> Iterator[bytes]:
    with file.open("rb") as content:
        if size <= whole:
            yield content.read(size)
            return
        for number in range(_PIECES):
            content.seek(number * (size - _PIECE) // (_PIECES - 1))
            yield content.read(_PIECE)


def same_letters(text: str) -> str:
    """Return what two texts have in common that look the same: a Mac writes é as two characters, others as one."""
    return normalize("NFC", text)


def readable(text: str) -> str:
    r"""Return text that any file can hold: a byte of a name that is no UTF-8 becomes ``\xff``."""
    # Most names are, and a plan asks for all of them.
    if text.isascii():
        return text
    escaped = (f"\\x{ord(c) - 0xDC00:02x}" if "\udc80" <= c <= "\udcff" else c for c in text)
    return "".join(escaped).encode("utf-8", "backslashreplace").decode()


def listed(names: Sequence[str]) -> str:
    """Return some files, the first of them by name."""
    rest = ["..."] if len(names) > _NAMED else []
    return ", ".join([*map(readable, names[:_NAMED]), *rest])


def on_screen(text: str) -> str:
    r"""Return `readable` text whose control characters, which a terminal would obey, are escaped: ``\n``, ``\x1b``."""
    shown = (c.encode("unicode_escape").decode() if category(c) == "Cc" else c for c in text)
    return readable("".join(shown))


def one_line(words: object) -> str:
    """Return words in one line that is short enough for a message."""
    return " ".join(str(words).split())[:300]


def error_line(error: BaseException) -> str:
    """Return kind and words of an error in one line that is short enough for a message."""
    return one_line(f"{type(error).__name__}: {error}")


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
    return int(position[1]) if position else None


def file_and_position(image: str) -> tuple[str, int | None]:
    """Return the file of an image by its name, and which position of it (from 0) it is; None for the only one."""
    position = _POSITION.search(image)
    return (image[: position.start()], int(position[1]) - 1) if position else (image, None)


# How a file is called whose results would have the names of those of another file: `day1/pos.png (png)`.
_APART = re.compile(
    r"(?P<stem>.+)\.(?P<suffix>(?:ome\.)?[^./\s()]+) \((?P=suffix)\)\Z", re.IGNORECASE
)
_SUFFIX = re.compile(r"\.((?:ome\.)?[^./\s()]+)\Z", re.IGNORECASE)

# A file system takes so many bytes in a name, of which the longest ending of a result needs some.
LONGEST_NAME = 255
_LONGEST_RESULT = LONGEST_NAME - len("_masks.ome.tif")


def name_apart(file: str) -> str:
    """Return what a file is called to have results of other names than one of the same name with another suffix."""
    suffix = _SUFFIX.search(file)
    return f"{file} ({suffix[1]})" if suffix else f"{file} (2)"


def is_apart(file: str) -> bool:
    """Whether a file is called as `name_apart` says."""
    return file.endswith(")") and _APART.search(file) is not None


def name_before(file: str) -> str:
    """Return the name of a file that is called as `name_apart` says; of any other, its own."""
    found = _APART.search(file) if file.endswith(")") else None
    return f"{found['stem']}.{found['suffix']}" if found else file


def shortened(name: str, longest: int) -> str:
    """Return a name of so many bytes at most: a longer one is cut, and ends in what tells it from others like it."""
    # No letter takes more than four bytes.
    if (
        4 * len(name) <= longest
        or len(written := name.encode("utf-8", "surrogateescape")) <= longest
    ):
        return name
    return f"{written[: longest - 9].decode(errors='ignore')}-{fingerprint(name)[:8]}"


# A plan asks for the names of all images, again and again.
@lru_cache(maxsize=1 << 17)
def result_name(image: str) -> str:
    """Return what an image's results start with: its name without the suffix, ``day1/pos_p3``.

    ``.ome.tif`` and ``.ome.zarr`` count as one suffix. A name that leaves no room for the endings of results is cut.
    """
    # Both end so, and most names do not.
    position = _POSITION.search(image) if image.endswith(")") else None
    folder, slash, last = _plain_path(image[: position.start()] if position else image)
    if apart := _APART.search(last) if last.endswith(")") else None:
        stem = f"{apart['stem']}_{apart['suffix'].replace('.', '_')}"
    else:
        stem = without_suffix(last)
        if stem.lower().endswith(".ome"):
            stem = stem[:-4]
    name = f"{stem or last}_p{position[1]}" if position else stem or last
    return f"{folder}{slash}{shortened(name, _LONGEST_RESULT)}" if last else "."


def _plain_path(path: str) -> tuple[str, str, str]:
    """Return the folder of a path, the slash behind it and the last name, without what means nothing in a path."""
    if "//" in path or "/./" in path or path.startswith("./") or path.endswith(("/", "/.")):
        path = str(PurePosixPath(path))
    folder, slash, last = path.rpartition("/")
    return folder, slash, "" if last == "." else last


def without_suffix(name: str) -> str:
    """Return the last name of a path without its suffix, as `PurePath.stem` does, and much sooner."""
    dot = name.rfind(".")
    return name[:dot] if 0 < dot < len(name) - 1 else name


class _Letters(dict[str, tuple[int, int, str]]):
    """What a letter is in a natural key: the same for every key of it, of which there may be 100,000 at once."""

    def __missing__(self, letter: str) -> tuple[int, int, str]:
        self[letter] = made = (1, 0, letter)
        return made


_LETTERS = _Letters()
_DIGITS_OR_NOT = re.compile(r"(\d+)|(\D+)")


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts ``img2`` before ``img10``."""
    parts: list[tuple[int, int, str]] = []
    for digits, letters in _DIGITS_OR_NOT.findall(name.casefold()):
        if digits:
            parts.append((0, int(digits), ""))
        else:
            parts += map(_LETTERS.__getitem__, letters)
    parts.append(_LETTERS[""])
    return parts
