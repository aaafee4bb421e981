"""What a run of a script opened of what it was given.

The kernel tells which files were opened. Where it tells nothing, nothing is said.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from segmake.scripts.running.kernel import OPENED, OVERFLOW, Watch
from segmake.scripts.running.originals import named_for

# Of a folder that a run is given, so many folders are watched; of one with more, nothing is said.
MOST_FOLDERS = 300


@dataclass
class _Given:
    """What a run was given and has opened of it; and the names of which nothing can be said."""

    watches: dict[int, str] = field(default_factory=dict)
    opened: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)


class Opened:
    """Tells what each of several runs at the same time opened of what it was given."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._runs: dict[str, _Given] = {}
        self._watch: Watch | None = None
        # Where the kernel tells nothing, nothing is judged.
        with suppress(OSError, AttributeError):
            self._watch = Watch()

    def begin(self, run: str, given: Mapping[str, str]) -> None:
        """Watch what a run is given."""
        with self._lock:
            found = self._runs[run] = _Given()
            for name, path in given.items():
                self._add(found, name, Path(path))

    def _add(self, found: _Given, name: str, path: Path) -> None:
        if self._watch is None:
            found.unknown.add(name)
            return
        try:
            for number, each in enumerate([*_to_watch(path), *_beside(path, name)]):
                if number == MOST_FOLDERS:
                    found.unknown.add(name)
                    return
                found.watches[self._watch.add(each)] = name
        except OSError:
            found.unknown.add(name)

    def end(self, run: str) -> tuple[list[str], list[str]] | None:
        """Return what a run opened of what it was given, and what it did not; None where that can't be said."""
        with self._lock:
            self._take()
            found = self._runs.pop(run)
            others = {number for each in self._runs.values() for number in each.watches}
            for number in set(found.watches) - others:
                if self._watch is not None:
                    self._watch.remove(number)
            if found.unknown - found.opened:
                return None
            names = set(found.watches.values())
            return sorted(found.opened), sorted(names - found.opened)

    def _take(self) -> None:
        for number, kind in self._watch.events() if self._watch else ():
            for found in self._runs.values():
                if kind & OVERFLOW:
                    found.unknown |= set(found.watches.values())
                elif kind & OPENED and number in found.watches:
                    found.opened.add(found.watches[number])


def _beside(path: Path, name: str) -> Iterator[Path]:
    """Yield what lies beside an image and is named for it: a script may read only that."""
    if name == "input":
        for each in os.scandir(path.parent):
            # Another image is not.
            if Path(each.name).suffix != path.suffix and named_for(each.name, path.stem):
                yield path.parent / each.name


def _to_watch(path: Path) -> Iterator[Path]:
    """Yield a file; or a folder, and those in it."""
    yield path
    if path.is_dir():
        for folder, names, _ in os.walk(path):
            yield from (Path(folder, name) for name in names)
