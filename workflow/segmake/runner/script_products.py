"""What a run of a script made: noted in the journal, so that what disappears or changes afterwards is seen."""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# So many files of a run are noted by name, each with its size.
MOST_NAMES = 50

# Contents of more bytes are not compared.
MOST_COMPARED = 32 * 1024**2

TABLES = (".csv", ".tsv")


def made_in(folder: Path, known: Iterable[str] = ()) -> dict[str, Any]:
    """Return what the journal notes of what a run made.

    Parameters
    ----------
    folder : Path
        Of its outputs.
    known : iterable of str
        Names in it that SegMake wrote: a notebook, which is executed where it lies.

    Returns
    -------
    dict
        ``files`` and ``bytes`` in all; ``sizes`` of the first of them by name; ``own``, those of what SegMake wrote,
        which people open and save; ``content``, which is the same for runs that made the same: tables if there are any,
        else all files. Empty files are no content. ``newest`` is when the last of them was written, in nanoseconds.
    """
    own = set(known)
    paths = _files(folder)
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}
    full = [path for path in paths if path.stat().st_size]
    named = {name: size for name, size in sizes.items() if name not in own}
    return {
        "files": len(full),
        "empty": len(paths) - len(full),
        "bytes": sum(sizes.values()),
        "sizes": dict(list(named.items())[:MOST_NAMES]),
        **({"own": {name: sizes[name] for name in own & set(sizes)}} if own else {}),
        "content": _content([path for path in full if path.name not in own]),
        "newest": max((path.stat().st_mtime_ns for path in paths), default=0),
    }


def _content_changed(made: Mapping[str, Any], folder: Path) -> bool:
    """Whether what is in files is not what was noted; False where that was not noted, or not of all."""
    own = made.get("own", {})
    full = [path for path in _files(folder) if path.stat().st_size and path.name not in own]
    return made.get("content") is not None and _content(full) != made["content"]


def _content(paths: list[Path]) -> str | None:
    """Return a checksum of what is in files, whatever they are called; None of none, or of too much."""
    chosen = [path for path in paths if path.suffix.lower() in TABLES] or paths
    if not chosen or sum(path.stat().st_size for path in chosen) > MOST_COMPARED:
        return None
    sums = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in chosen)
    return hashlib.sha256("".join(sums).encode()).hexdigest()[:16]


def is_whole(made: Any, folder: Path, patterns: Iterable[str] = ()) -> bool:
    """Whether what was noted of a run is still there, as far as its results are.

    Parameters
    ----------
    made : mapping
        What `made_in` returned; anything else says nothing.
    folder : Path
    patterns : iterable of str
        The files that are its results; none: all of them.
    """
    sizes = made.get("sizes") if isinstance(made, dict) else None
    if not isinstance(sizes, dict):
        return True
    wanted, newest = list(patterns), 0
    for name, size in sizes.items():
        if wanted and not any(Path(name).match(pattern) for pattern in wanted):
            continue
        try:
            now = os.stat(os.path.join(folder, name))
        except OSError:
            return False
        if now.st_size != size:
            return False
        newest = max(newest, now.st_mtime_ns)
    # One that was only touched, or copied, is what it was.
    return newest <= made.get("newest", newest) or not _content_changed(made, folder)


def changed_in(made: Any, folder: Path) -> list[Path]:
    """Return the files in a folder that are not as they were noted, or were not there then.

    Parameters
    ----------
    made : mapping
        What `made_in` returned. Where it does not name every file, and they are not as many or as large as they were,
        all that is in the folder is returned.
    folder : Path
    """
    sizes = made.get("sizes") if isinstance(made, dict) else None
    if not isinstance(sizes, dict):
        return []
    sizes = sizes | made.get("own", {})
    paths = _files(folder)
    now = {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}
    later = {
        path.relative_to(folder).as_posix()
        for path in paths
        if path.stat().st_mtime_ns > made.get("newest", math.inf)
    }
    later = later if later and _content_changed(made, folder) else set()
    if len(sizes) == made["files"] + made["empty"]:
        return [
            folder / name
            for name, size in now.items()
            if (sizes.get(name) != size or name in later)
            and not any(part.startswith((".", "__")) for part in Path(name).parts)
        ]
    as_noted = all(now.get(name) == size for name, size in sizes.items()) and not later
    as_many = (len(now), sum(now.values())) == (made["files"] + made["empty"], made["bytes"])
    if not now or (as_noted and as_many):
        return []
    # The folder itself may be a link to another disk.
    return sorted(folder.iterdir()) if folder.is_symlink() else [folder]


def _files(folder: Path) -> list[Path]:
    found = (Path(top, name) for top, _, names in os.walk(folder) for name in names)
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def made_any(details: Mapping[str, Any]) -> bool:
    """Whether a run made a file with anything in it, as far as its line of the journal tells."""
    made = details.get("made")
    return not isinstance(made, dict) or bool(made.get("files"))


@dataclass(frozen=True)
class Summary:
    """What is known of the runs of a script that went well.

    Attributes
    ----------
    judged, opened : int
        Of how many runs it is known what they opened, and how many opened something of what they were given.
    files, bytes : int
        What they made in all.
    noted : int
        Of how many runs it is known what they made.
    nothing : int
        How many made no file with anything in it.
    same : int
        How many made the same as all others; 0 if not all did.
    gone : int
        Runs that went well, and whose results have disappeared or were changed since.
    """

    judged: int = 0
    opened: int = 0
    files: int = 0
    bytes: int = 0
    noted: int = 0
    nothing: int = 0
    same: int = 0
    gone: int = 0

    @property
    def took_nothing(self) -> bool:
        """Whether all of several runs opened nothing of what they were given, and made the same, or nothing."""
        return (
            self.judged == self.noted > 1
            and not self.opened
            and self.noted in (self.same, self.nothing)
        )


NOTHING_KNOWN = Summary()


def summarise(details: Iterable[Mapping[str, Any]], gone: int = 0) -> Summary:
    """Return what is known of runs by what the journal notes of each."""
    noted = [each for each in details if isinstance(each.get("made"), dict)]
    made = [each["made"] for each in noted]
    contents = Counter(each.get("content") for each in made)
    same = len(made) if len(made) > 1 and len(contents) == 1 and None not in contents else 0
    judged = [each["opened"] for each in noted if isinstance(each.get("opened"), list)]
    return Summary(
        judged=len(judged),
        opened=sum(bool(each) for each in judged),
        files=sum(each.get("files", 0) for each in made),
        bytes=sum(each.get("bytes", 0) for each in made),
        noted=len(made),
        nothing=sum(not each.get("files") for each in made),
        same=same,
        gone=gone,
    )
