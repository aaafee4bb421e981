"""The sizes of a batch's results, as they were once looked at: the same sizes are known again without any journal."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from stat import S_ISREG
from typing import Any, NamedTuple

from segmake.core.files import result_name
from segmake.core.journal import Record
from segmake.core.looks import looks
from segmake.plan.result_paths import ResultPaths
from segmake.plan.tasks import IMAGE, TRACKED, Row
from segmake.runner.records import is_edited

# Where the name of an image's results stands in that of a file; no file has it in its name.
_NAME = "\0"

# Of each kind of result, by its name without the image's, the size for each image in bytes; -1 where it has none.
Sizes = dict[str, list[int]]


class _Results(NamedTuple):
    """Results of one kind of a batch: their folder, what stands before and after an image's name in theirs, sizes."""

    folder: str
    before: str
    after: str
    names: list[str]
    sizes: list[int]


def sizes_of(
    folders: ResultPaths,
    planned: Mapping[str, list[Row]],
    noted: Mapping[str, Sequence[Record | None]],
) -> Sizes | None:
    """Return the sizes of a batch's results; None where sizes alone do not tell whether one is as it was.

    Parameters
    ----------
    folders : ResultPaths
    planned : mapping
        What there is to say of each image's task, by step.
    noted : mapping
        What was noted of the results of each of these; None for those whose results are not looked at.
    """
    found: Sizes = {}
    for step, rows in planned.items():
        for tracked in (False, True):
            of_kind = [
                (number, result_name(row[IMAGE]), record)
                for number, (row, record) in enumerate(zip(rows, noted[step], strict=True))
                if record is not None and bool(row[TRACKED]) is tracked
            ]
            needed, optional = folders.names(step, tracked=tracked)
            for before, after in (*needed, *optional) if of_kind else ():
                sizes = found.setdefault(f"{before}{_NAME}{after}", [-1] * len(rows))
                for number, name, record in of_kind:
                    if pair := record.get(f"{before}{name}{after}"):
                        # Users save in these. A folder never is there again as it was (`are_there`).
                        if is_edited(after):
                            return None
                        sizes[number] = pair[0]
                    elif (before, after) in needed:
                        return None
    return {kind: sizes for kind, sizes in found.items() if max(sizes) >= 0}


def are_there(results: Path, batches: Iterable[Mapping[str, Any]]) -> bool:
    """Whether all results of some batches have the sizes that they had.

    Parameters
    ----------
    results : Path
        The results folder.
    batches : iterable of mapping
        Of each, ``names``: what the results of its images are called; and ``sizes``: what `sizes_of` gave.
    """
    return all(looks(_have_their_sizes, _results_of(results, batches)))


def _results_of(results: Path, batches: Iterable[Mapping[str, Any]]) -> Iterator[_Results]:
    for batch in batches:
        for kind, sizes in batch["sizes"].items():
            way, after = kind.split(_NAME)
            folder, _, before = f"{results}/{way}".rpartition("/")
            yield _Results(folder, before, after, batch["names"], sizes)


def _have_their_sizes(results: _Results) -> bool:
    """Whether some results are files, and have the sizes that they had; each is looked at once, and none is opened."""
    try:
        # The way there is gone once, and not for each file.
        folder = os.open(results.folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        for name, size in zip(results.names, results.sizes, strict=True):
            if size < 0:
                continue
            found = os.stat(f"{results.before}{name}{results.after}", dir_fd=folder)
            if found.st_size != size or not S_ISREG(found.st_mode):
                return False
    except OSError:
        return False
    finally:
        os.close(folder)
    return True


def state_of(path: Path) -> list[int]:
    """Return what differs once a file is written to, or is another one; nothing of one that is not there."""
    try:
        found = path.stat()
    except OSError:
        return []
    return [found.st_ino, found.st_size, found.st_mtime_ns]
