"""What happened to each image of a batch, written down line by line as it happens.

A journal is a file of JSON lines. It is only ever added to, and each line is on the disk before the next thing
is done, so a job that is killed at any moment goes on after the last image that it finished.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from segmake import __version__
from segmake.core.files import Appender, append_line, lock_file, open_own
from segmake.core.json_lines import read_lines

Event = Literal["started", "stopped", "done", "failed"]

# How an attempt comes to an end; one that was stopped from outside (Ctrl-C, scancel) is none.
ENDS = ("done", "failed")

# A journal that is so many seconds younger than its last line was copied.
_COPIED = 30.0


@dataclass(frozen=True)
class Entry:
    """One line of a journal.

    Attributes
    ----------
    image : str
    event : {"started", "stopped", "done", "failed"}
    key : str
        Fingerprint of the source, the settings, the model and the code.
    attempt : int
        Which attempt at the image this is, from 1.
    time : float
        Seconds since 1970.
    details : dict
        What the step has to say: number of cells, seconds, code and values of a problem...; of one that is done,
        ``outputs`` has size and checksum of each file that it made (`segmake.runner.records`).
    version : str
        The version of SegMake that wrote the line; 0.1.0 did not say so.
    """

    image: str
    event: Event
    key: str
    attempt: int
    time: float
    details: dict[str, Any] = field(default_factory=dict)
    version: str = "0.1.0"


_FIELDS = {each.name for each in fields(Entry)}


class Journal:
    """The journal of one step of one batch.

    Parameters
    ----------
    path : Path
        The file; a journal without one is an empty journal.
    beside : iterable of Path
        Other journals whose lines count as well, in which the same images may have been in another batch.
    overwrites : bool
        Whether an attempt takes away what the one before it made as soon as it begins: then an attempt that was begun
        and has no end counts in its place, as one that made nothing.
    """

    def __init__(
        self, path: Path, beside: Iterable[Path] = (), *, overwrites: bool = False
    ) -> None:
        self.path = path
        self._last = (*ENDS, "started") if overwrites else ENDS
        self._beside = [other for other in beside if other != path]
        # Of a batch of thousands, each image is looked up many times: its entries lie together.
        self._entries = self._read_all()
        self._lock = Lock()
        # While this process alone works on the batch, the file stays open.
        self._lines: Appender | None = None

    def last(self, image: str) -> Entry | None:
        """Return how the last attempt at an image that came to an end did so."""
        return _latest(self._entries.get(image, ()), self._last)

    def begun(self, image: str) -> Entry | None:
        """Return when the last attempt at an image began."""
        return _latest(self._entries.get(image, ()), ("started",))

    def record(self, image: str) -> Record | None:
        """Return what is noted of the files that the last attempt at an image made.

        None where nothing is known of them: version 0.1.0 made them, or an attempt began since and did not end.
        """
        own = self._entries.get(image, [])
        entry = _latest(own, ENDS)
        if entry is None or entry.event != "done" or own[-1].event not in ENDS:
            return None
        return as_record(entry.details.get("outputs"))

    def made_at(self, image: str) -> float | None:
        """Return when version 0.1.0, which noted no more of them, made the results of an image: seconds since 1970.

        None where the times of files say nothing: another attempt began since, or the journal itself is younger than
        what it notes, since the results were copied without their times.
        """
        entry = next(reversed(self._entries.get(image, [])), None)
        if entry is None or entry.event != "done" or "outputs" in entry.details:
            return None
        with suppress(OSError):
            newest = max(own[-1].time for own in self._entries.values())
            if self.path.stat().st_mtime <= newest + _COPIED:
                return entry.time
        return None

    def finished(self) -> dict[str, Entry]:
        """Return `last` of every image."""
        ends = {image: _latest(entries, self._last) for image, entries in self._entries.items()}
        return {image: entry for image, entry in ends.items() if entry}

    def ends(self) -> list[Entry]:
        """Return how each attempt at each image ended, not the last ones alone."""
        return [entry for own in self._entries.values() for entry in own if entry.event in ENDS]

    def is_done(self, image: str, key: str) -> bool:
        """Whether the last attempt at an image ended well, and with this key."""
        entry = self.last(image)
        return entry is not None and entry.event == "done" and entry.key == key

    def deaths(
        self, image: str, key: str, counts: Callable[[Entry], bool] = lambda started: True
    ) -> int:
        """Return how many times in a row the process died, or its job ran out of time, while it worked on an image.

        Parameters
        ----------
        image, key : str
        counts : callable
            Whether a death, given as the beginning that has no end, is one to count.
        """
        number, late = 0, False
        for entry in reversed(self._entries.get(image, ())):
            if _is_out_of_time(entry):
                late = True
                continue
            if entry.event != "started" or entry.key != key:
                break
            number += late or counts(entry)
            late = False
        return number

    def ran_out_of_time(self, image: str) -> bool:
        """Whether the last thing that happened to an image was that its job ran out of time over it."""
        own = self._entries.get(image, [])
        return bool(own) and _is_out_of_time(own[-1])

    def in_work(self) -> list[str]:
        """Return the images that were being worked on when the process ended."""
        return [
            image
            for image, own in self._entries.items()
            if own[-1].event == "started" or _is_out_of_time(own[-1])
        ]

    def add(self, image: str, event: Event, key: str, attempt: int, **details: Any) -> None:
        """Write a line, and return once it is on the disk; several threads may write.

        That a script is at work on what it never did before need not outlive a power failure: the next line does.
        """
        entry = Entry(image, event, key, attempt, time.time(), details, __version__)
        with self._lock:
            first = event == "started" and "started" in self._last and image not in self._entries
            add = self._lines.add if self._lines else partial(append_line, self.path)
            add(json.dumps(vars(entry)), lasting=not first)
            self._entries.setdefault(image, []).append(entry)

    @contextmanager
    def locked(self) -> Iterator[Journal]:
        """Keep other processes from working on the same batch; wait for one that does, then read what it wrote."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open_own(self.path.with_suffix(".lock"), "w") as file:
            lock_file(file, wait=True)
            self._entries = self._read_all()
            self._lines = Appender(self.path)
            try:
                yield self
            finally:
                with self._lock:
                    lines, self._lines = self._lines, None
                    lines.close()

    def _read_all(self) -> dict[str, list[Entry]]:
        entries = [entry for path in (*self._beside, self.path) for entry in _read(path)]
        if self._beside:
            # Attempts are counted; times are those of a clock, which may have been wrong.
            entries.sort(key=lambda entry: (entry.attempt, entry.time))
        found: dict[str, list[Entry]] = {}
        for entry in entries:
            found.setdefault(entry.image, []).append(entry)
        return found


def _latest(entries: Sequence[Entry], events: Collection[str]) -> Entry | None:
    """Return the last of some events.

    Where an attempt with another key began since, nobody knows whose results are there: checksums have to tell
    (``overwritten`` in the details). Version 0.1.0 noted none: what it noted has no key then.
    """
    others: set[str] = set()
    for entry in reversed(entries):
        if entry.event in events:
            if entry.event != "done" or not others - {entry.key}:
                return entry
            if "outputs" not in entry.details:
                return replace(entry, key="")
            return replace(entry, details={**entry.details, "overwritten": True})
        if entry.event == "started":
            others.add(entry.key)
    return None


def _is_out_of_time(entry: Entry) -> bool:
    return entry.event == "stopped" and bool(entry.details.get("out_of_time"))


def next_attempt(last: Entry | None, *, current: bool, present: bool) -> int:
    """Return the attempt that an image is on.

    Snakemake is given this number for each image of a batch, and computes the batch again when one differs from
    that of the last run: the same number means that there is nothing to do.

    Parameters
    ----------
    last : Entry or None
        How the last attempt ended.
    current : bool
        Whether it ended well, for the present source and settings, and its results are there.
    present : bool
        Whether the image is there; one that is gone asks for nothing.
    """
    before = last.attempt if last else 0
    return max(before, 1) if current or not present else before + 1


def _read(path: Path) -> Iterator[Entry]:
    for line in read_lines(path, strict=True):
        # Versions to come may write what this one does not know; what is left of a damaged file may lack something.
        with suppress(TypeError):
            # Most lines are of this version, and there are hundreds of thousands.
            if not line.keys() <= _FIELDS:
                line = {name: value for name, value in line.items() if name in _FIELDS}
            if _is_sound(entry := Entry(**line)):
                yield entry


def _is_sound(entry: Entry) -> bool:
    return (
        isinstance(entry.image, str)
        and isinstance(entry.event, str)
        and isinstance(entry.key, str)
        and isinstance(entry.version, str)
        and isinstance(entry.attempt, (int, float))
        and isinstance(entry.time, (int, float))
        and isinstance(entry.details, dict)
    )


# Size in bytes and checksum (SHA-256) by the path below the results folder, with forward slashes.
Record = Mapping[str, tuple[int, str]]


def as_record(noted: Any) -> Record | None:
    """Return what a journal noted of files as a record; None where it noted nothing, or nothing of sense."""
    if not isinstance(noted, dict):
        return None
    pairs = {name: value for name, value in noted.items() if isinstance(value, list | tuple)}
    return {name: (pair[0], pair[1]) for name, pair in pairs.items() if len(pair) == 2}
