"""Files of JSON lines: one object a line, only ever added to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from segmake.core.files import append_line


def read_lines(path: Path, *, strict: bool = False) -> Iterator[dict[str, Any]]:
    """Yield the objects in a file, in the order in which they were written; of a file that can't be read, none.

    Half a line, from a process that was killed while it wrote, is passed over; so is what is left of a damaged file.

    Parameters
    ----------
    path : Path
    strict : bool
        Whether a file that is there and can't be read is an error, instead of an empty one.
    """
    absent = (FileNotFoundError, IsADirectoryError) if strict else (OSError,)
    with suppress(*absent), path.open("rb") as lines:
        yield from objects(lines)


def objects(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the objects in lines, each in one; a line that is none is passed over."""
    for line in lines:
        with suppress(ValueError, RecursionError):
            if isinstance(read := json.loads(line), dict):
                yield read


def add_line(path: Path, values: Mapping[str, Any], *, lasting: bool = True) -> None:
    """Add an object to a file; see `segmake.core.files.append_line`."""
    append_line(path, json.dumps(values), lasting=lasting)
