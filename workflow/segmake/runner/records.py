"""What SegMake remembers of the files that it wrote: whether one is still as it was, was changed, or was damaged.

A journal notes size and checksum of each result. A plan compares the sizes, which costs no more than to look whether a
file is there; whoever reads a file compares its checksum. Of results of version 0.1.0 nothing is noted: those that
numbers come from, masks and tables, are looked at for a proper beginning and end. That costs two small reads for each
(a tenth of a millisecond on a local disk), and finds what was cut off, emptied or saved by a spreadsheet; whether
single pixels or digits in them are right can't be known.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from stat import S_ISDIR
from typing import BinaryIO

from segmake.core.files import as_written
from segmake.core.journal import Record
from segmake.formats.tiff_chain import (
    COUNTS,
    DESCRIPTION,
    OFFSETS,
    SOFTWARE,
    Layout,
    Tag,
    layout_of,
    pages_of,
    tags_of,
)

# These are made to be edited where they lie; `segmake.labels.exports` watches over what users save there.
_EDITED = "_seg.npy"

# What desktops and file servers leave in folders.
_STRAY = (".DS_Store", "Thumbs.db", "desktop.ini", "._", ".nfs")

_LONGEST_HEADER = 2**16
# A result that is so many seconds younger than the note that it was made was changed since.
_LATER = 60.0
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# What SegMake wrote into masks, and into raw label files.
_OWN_WORDS = {SOFTWARE: b"SegMake ", DESCRIPTION: b'{"times"'}


def record_of(paths: Iterable[Path], results: Path) -> dict[str, tuple[int, str]]:
    """Return size and checksum of the files that are there; of one that this process wrote, those of what it wrote.

    Parameters
    ----------
    paths : iterable of Path
        Files, or folders: of one all sizes are added up, and the checksum is of the names and sizes in it.
    results : Path
        The results folder.
    """
    found = {}
    for path in paths:
        with suppress(FileNotFoundError, NotADirectoryError):
            about = path.stat()
            found[name_of(path, results)] = as_written(path) or _state(path, about)
    return found


def name_of(path: Path, results: Path) -> str:
    """Return the path below the results folder, as a record has it."""
    # Asked for each result of each image: twice as fast as what Path has for it.
    whole, above = path.as_posix(), f"{results.as_posix()}/"
    if whole.startswith(above):
        return whole[len(above) :]
    return (path.relative_to(results) if path.is_relative_to(results) else path).as_posix()


def is_edited(name: str) -> bool:
    """Whether a result is made to be edited where it lies: whatever is in it, it is as it should be."""
    return name.endswith(_EDITED)


def has_its_size(path: Path, record: Record, results: Path) -> bool:
    """Whether a file is there as it was noted, by its size; one that was not noted has to look whole."""
    noted = record.get(name_of(path, results))
    if noted is None:
        return looks_whole(path)
    # Asked of every result at each start: one look at each.
    try:
        found = path.stat()
    except OSError:
        return False
    if is_edited(path.name):
        return found.st_size > 0
    return _state(path) == noted if S_ISDIR(found.st_mode) else found.st_size == noted[0]


def is_as_noted(path: Path, record: Record, results: Path) -> bool:
    """Whether a file is there as it was noted, byte for byte; True for one that was not noted."""
    noted = record.get(name_of(path, results))
    if noted is None or is_edited(path.name):
        return True
    try:
        about = path.stat()
    except OSError:
        return False
    if stat.S_ISREG(about.st_mode) and about.st_size != noted[0]:
        return False
    return _state(path, about) == noted


def was_changed(
    path: Path, record: Record | None, results: Path, made: float | None = None
) -> bool:
    """Whether a file holds what somebody else than SegMake wrote, or what is left of a damaged one.

    Parameters
    ----------
    path : Path
    record : mapping or None
        None where nothing is known of the file, as in results of version 0.1.0: then it is judged by its form.
    results : Path
        The results folder.
    made : float, optional
        When such a file was made, where its own time still says something: seconds since 1970.
    """
    if _size(path) < 0 or (path.is_file() and _size(path) == 0):
        return False
    if record is not None and name_of(path, results) in record:
        return not is_as_noted(path, record, results)
    if made is not None and path.is_file() and path.stat().st_mtime > made + _LATER:
        return True
    if path.suffix == ".csv":
        return not looks_whole(path)
    return path.suffix == ".tif" and path.is_file() and not _says_segmake(path)


def keep_changed(path: Path, results: Path) -> Path:
    """Move a file or folder that a user changed to ``changed`` in the results folder, and return where it is now.

    What was kept there before stays: the next one of the same name gets a number.
    """
    kept = results / "changed" / path.relative_to(results)
    number = 1
    while os.path.lexists(place := kept if number == 1 else _numbered(kept, number)):
        number += 1
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(path, place)
    return place


def looks_whole(path: Path) -> bool:
    """Whether a result of which nothing was noted is there, and begins and ends as SegMake's own do."""
    size = _size(path)
    if size <= 0:
        return False
    if path.is_dir():
        return any(path.iterdir())
    if path.suffix not in (".csv", ".tif"):
        return True
    try:
        with path.open("rb") as file:
            return _table_is_whole(file) if path.suffix == ".csv" else _tiff_is_whole(file, size)
    except (OSError, struct.error):
        return False


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem} ({number}){path.suffix}")


def _size(path: Path) -> int:
    """Return the size of a file; -1 if there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _state(path: Path, about: os.stat_result | None = None) -> tuple[int, str]:
    about = about or path.stat()
    if stat.S_ISREG(about.st_mode):
        return about.st_size, checksum(path)
    sizes = sorted(_sizes(path, path))
    return sum(size for _, size in sizes), hashlib.sha256(repr(sizes).encode()).hexdigest()


def _sizes(folder: Path, top: Path) -> Iterator[tuple[str, int]]:
    """Yield name and size of each file in a folder and those in it."""
    with os.scandir(folder) as inside:
        for entry in inside:
            if entry.name.startswith(_STRAY):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _sizes(Path(entry.path), top)
            else:
                name = Path(entry.path).relative_to(top).as_posix()
                yield name, entry.stat(follow_symlinks=False).st_size


def _table_is_whole(file: BinaryIO) -> bool:
    """Whether a CSV is in UTF-8 with the mark, has commas between its columns, and a last line that ends."""
    header = file.readline(_LONGEST_HEADER)
    file.seek(-1, os.SEEK_END)
    names = header.removeprefix(_BYTE_ORDER_MARK)
    single = b"," not in names and (b";" in names or b"\t" in names)
    return names != header and not single and file.read(1) == b"\n"


def _says_segmake(path: Path) -> bool:
    """Whether the tags of a TIFF, or the words at its beginning, say that SegMake wrote it."""
    with suppress(OSError, struct.error, ValueError, StopIteration), path.open("rb") as file:
        tags, _ = next(_pages(file))
        said = [
            tags[code].values(file, 64).startswith(words)
            for code, words in _OWN_WORDS.items()
            if code in tags
        ]
        return any(said)
    return False


def _tiff_is_whole(file: BinaryIO, size: int) -> bool:
    """Whether all pages of a TIFF lie within the file, with their pixels and all that is said of them."""
    number = 0
    try:
        for tags, layout in _pages(file):
            number += 1
            if any(tag.place + tag.length > size for tag in tags.values() if tag.place):
                return False
            places, lengths = (tags[code].numbers(file, layout) for code in (OFFSETS, COUNTS))
            if any(sum(strip) > size for strip in zip(places, lengths, strict=True)):
                return False
    except (ValueError, KeyError):
        return False
    return number > 0


def _pages(file: BinaryIO) -> Iterator[tuple[dict[int, Tag], Layout]]:
    """Yield the tags of each page of a TIFF by their codes."""
    start = file.read(16)
    layout = layout_of(start)
    if layout is None or len(start) < 16:
        raise ValueError("no TIFF")
    for page in pages_of(file, start, layout):
        yield {tag.code: tag for tag in tags_of(page, layout)}, layout
