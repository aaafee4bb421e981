"""Keeps what headers say until a run notes it: a dry run of many files is not all read again by the next one.

It lies in the user's own cache (``$XDG_CACHE_HOME/segmake/headers``), a file for each results folder, since a dry run
writes nothing beside images and results. Once the inventory has it all, the file is removed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from segmake.core import versions
from segmake.core.caches import own_cache
from segmake.core.files import write_atomically
from segmake.core.json_lines import read_lines
from segmake.formats.believed import Header, header_of_text, text_of_header
from segmake.images.image import ImageFile
from segmake.messages import Problem

Headers = tuple[Header, ...]

# Fewer are read in a moment.
WORTH_KEEPING = 100


def read_once(
    files: Sequence[ImageFile],
    state: Path,
    read: Callable[[list[Path]], list[Headers | Problem]],
) -> list[Headers | Problem]:
    """Return what each field of view of each file holds, or why a file could not be read.

    Parameters
    ----------
    files : sequence of ImageFile
        Those of which the inventory does not have it.
    state : Path
        The results folder's own folder, ``.segmake``.
    read : callable
        Reads files by their paths, in the same order.
    """
    place = own_cache("headers", str(state.absolute())).with_suffix(".jsonl")
    if len(files) < WORTH_KEEPING:
        with suppress(OSError):
            place.unlink()
        return read([file.path for file in files])
    known, signs = _kept(place), _signs(files)
    found: dict[int, Headers | Problem] = {
        number: known[sign] for number, sign in enumerate(signs) if sign in known
    }
    left = [number for number in range(len(files)) if number not in found]
    if left:
        answers = read([files[number].path for number in left])
        found |= dict(zip(left, answers, strict=True))
        _keep(place, [(files[number], signs[number], each) for number, each in found.items()])
    return [found[number] for number in range(len(files))]


# By its path, size and time of change a file is known again.
_Sign = tuple[str, int, int]


def _signs(files: Sequence[ImageFile]) -> list[_Sign]:
    here = os.getcwd()
    return [(os.path.join(here, file.path), file.size, file.mtime_ns) for file in files]


def _kept(place: Path) -> dict[_Sign, Headers]:
    found = {}
    for line in read_lines(place):
        # A line that is damaged is a file to read.
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            if line["by"] == versions.HEADERS:
                path, size, mtime_ns = line["file"]
                found[path, size, mtime_ns] = tuple(map(header_of_text, line["headers"]))
    return found


def _keep(place: Path, read: Sequence[tuple[ImageFile, _Sign, Headers | Problem]]) -> None:
    # Whoever has no room at home reads them again.
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with write_atomically(place, lasting=False) as part, part.open("w", encoding="ascii") as to:
            known: dict[int, str] = {}
            for file, sign, headers in read:
                if not isinstance(headers, Problem) and _is_all_in_it(file, headers):
                    # Equal ones are mostly the same object (`header_of_text`).
                    new = {id(each): each for each in headers if id(each) not in known}
                    known |= {number: text_of_header(each) for number, each in new.items()}
                    texts = [known[id(each)] for each in headers]
                    line = {"by": versions.HEADERS, "file": sign, "headers": texts}
                    to.write(json.dumps(line) + "\n")


def _is_all_in_it(file: ImageFile, headers: Headers) -> bool:
    """Whether nothing but the file itself decides what was read of it: neither others beside it, nor their absence."""
    # A file without a size can't be looked at now.
    alone = file.files is None and file.size > 0
    return alone and not any(h.parts or h.lacks or h.gaps or h.arranged for h in headers)
