"""What happened to each image of a batch, written down line by line as it happens.

A journal is a file of JSON lines. It is only ever added to, and each line is on the disk before the next thing
is done, so a job that is killed at any moment goes on after the last image that it finished.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from segmake.files import lock_file, naming, open_own

Event = Literal["started", "stopped", "done", "failed"]

# How an attempt comes to an end; one that was stopped from outside (Ctrl-C, scancel) is none.
ENDS = ("done", "failed")


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
        What the step has to say: number of cells, seconds, code and values of a problem...
    """

    image: str
    event: Event
    key: str
    attempt: int
    time: float
    details: dict[str, Any] = field(default_factory=dict)


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
        self._entries = self._read_all()
        self._lock = Lock()

    def last(self, image: str) -> Entry | None:
        """Return how the last attempt at an image that came to an end did so."""
        for entry in reversed(self._entries):
            if entry.image == image and entry.event in self._last:
                return entry
        return None

    def begun(self, image: str) -> Entry | None:
        """Return when the last attempt at an image began."""
        for entry in reversed(self._entries):
            if entry.image == image and entry.event == "started":
                return entry
        return None

    def finished(self) -> dict[str, Entry]:
        """Return `last` of every image."""
        return {entry.image: entry for entry in self._entries if entry.event in self._last}

    def is_done(self, image: str, key: str) -> bool:
        """Whether the last attempt at an image ended well, and with this key."""
        entry = self.last(image)
        return entry is not None and entry.event == "done" and entry.key == key

    def deaths(self, image: str, key: str) -> int:
        """Return how many times in a row the process died, or its job ran out of time, while it worked on an image."""
        number = 0
        for entry in reversed(self._entries):
            if entry.image == image and not _is_out_of_time(entry):
                if entry.event != "started" or entry.key != key:
                    break
                number += 1
        return number

    def ran_out_of_time(self, image: str) -> bool:
        """Whether the last thing that happened to an image was that its job ran out of time over it."""
        own = [entry for entry in self._entries if entry.image == image]
        return bool(own) and _is_out_of_time(own[-1])

    def in_work(self) -> list[str]:
        """Return the images that were being worked on when the process ended."""
        latest = {entry.image: entry for entry in self._entries}
        return [
            image
            for image, entry in latest.items()
            if entry.event == "started" or _is_out_of_time(entry)
        ]

    def add(self, image: str, event: Event, key: str, attempt: int, **details: Any) -> None:
        """Write a line, and return once it is on the disk; several threads may write."""
        entry = Entry(image, event, key, attempt, time.time(), details)
        line = json.dumps(vars(entry)) + "\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock, naming(self.path), open_own(self.path, "ab") as file:
            # A process that was killed may have left half a line behind.
            if file.tell() and not _ends_with_newline(self.path):
                file.write(b"\n")
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
            self._entries.append(entry)

    @contextmanager
    def locked(self) -> Iterator[Journal]:
        """Keep other processes from working on the same batch; wait for one that does, then read what it wrote."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open_own(self.path.with_suffix(".lock"), "w") as file:
            lock_file(file, wait=True)
            self._entries = self._read_all()
            yield self

    def _read_all(self) -> list[Entry]:
        entries = [entry for path in (*self._beside, self.path) for entry in _read(path)]
        return sorted(entries, key=lambda entry: entry.time) if self._beside else entries


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
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            yield Entry(**json.loads(line))
        except (ValueError, TypeError):
            continue  # half a line, from a process that was killed while it wrote


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
