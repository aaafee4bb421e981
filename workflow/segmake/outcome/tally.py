"""How far a run is, counted in its journals: only what is new since the last look is read.

What was counted is kept in the reader's own cache (``$XDG_CACHE_HOME/segmake/status``), so that whoever may only read
an experiment can look, too, and nothing is written there. A cache that is damaged, of another run or another version is
passed over, and a journal that is not the one that was read before is read anew.
"""

from __future__ import annotations

import json
import os
import time
from binascii import crc32
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from segmake.core.caches import own_cache
from segmake.core.declared_steps import MEASURE, OVERLAY, SEGMENT
from segmake.plan.overview import Overview, Work

_FORMAT = 1

# How the lines of an attempt's end begin (`segmake.core.journal.Entry`): within a name, quotes are escaped.
_FAILED, _DONE = b'", "event": "failed", ', b'", "event": "done", '
# Between two whole lines.
_BETWEEN = b'}\n{"image": "'
_TIME = b', "time": '

# So much of a journal is in memory at once; a line is shorter.
_BLOCK = 1 << 17

# By so much before its end a journal is known again.
_KNOWN_BY = 256

# The speed is that of the last minutes, since batches start and end; times are kept as roughly as that.
WINDOW_SECONDS = 600.0
_BIN_SECONDS = 5

# What is kept of each failure is enough to tell why, of so many.
MOST_FAILURES = 1000


@dataclass
class Seen:
    """What was counted in a journal.

    Attributes
    ----------
    file, size, mtime_ns, known_by : int
        By which it is known again: number of the file, bytes that were read, time of change, checksum of the last ones.
    done : int
        How many attempts ended well.
    failures : dict
        Of each image that failed, or run of a script: code, place and values of the problem; empty for those that are
        only counted.
    recent : dict
        When attempts ended lately, in steps of `_BIN_SECONDS`, and how many did.
    """

    file: int = 0
    size: int = -1
    mtime_ns: int = 0
    known_by: int = 0
    done: int = 0
    failures: dict[str, list[Any]] = field(default_factory=dict)
    recent: dict[str, int] = field(default_factory=dict)


@dataclass
class Tally:
    """How far the works of a run are.

    Attributes
    ----------
    overview : Overview
        Of the run.
    seen : dict
        What was counted of each work, by its journal.
    """

    overview: Overview
    seen: dict[str, Seen]

    def done(self, work: Work) -> int:
        """Return how many images of a work are done, those before the run included; of a script, runs in this run."""
        seen = self.seen[work.journal]
        return work.total - work.to_do + min(seen.done, work.to_do)

    def failed(self, work: Work) -> int:
        """Return how many failed in this run."""
        return len(self.seen[work.journal].failures)

    def of(self, step: str, *, is_script: bool = False) -> Iterator[Work]:
        """Yield the works of a step, or of a script."""
        for work in self.overview.works:
            if work.step == step and work.is_script == is_script:
                yield work

    def left(self, work: Work) -> int:
        """Return how many have not been tried yet in this run."""
        return max(0, work.to_do - self.seen[work.journal].done - self.failed(work))

    def failed_images(self) -> int:
        """Return how many images failed, in whichever step."""
        return sum(len(names) for names in self._failed_by_batch().values())

    def complete(self) -> int:
        """Return how many images are measured and drawn as well: where both are at work, those that both have done."""
        number = 0
        measured, drawn = (
            {work.batch: work for work in self.of(step)} for step in (MEASURE, OVERLAY)
        )
        for batch, one in measured.items():
            other = drawn[batch]
            lost, missed = (set(self.seen[work.journal].failures) for work in (one, other))
            number += max(
                0, min(self.done(one) - len(missed - lost), self.done(other) - len(lost - missed))
            )
        return number

    def unsent(self, at_work: set[str]) -> int:
        """Return how many batches have images to segment, and no job of those named."""
        waiting = {work.batch for work in self.of(SEGMENT) if self.left(work)}
        return len(waiting - at_work)

    def times(self) -> list[float]:
        """Return when images were segmented lately, or failed: seconds since 1970."""
        bins: Counter[float] = Counter()
        for work in self.of(SEGMENT):
            for start, number in self.seen[work.journal].recent.items():
                bins[float(start)] += number
        return list(bins.elements())

    def scripts(self) -> Iterator[tuple[str, int, int]]:
        """Yield of each script with something to do its name, how many runs are done, and how many there are."""
        for name, (runs, done) in self.overview.scripts.items():
            if works := list(self.of(name, is_script=True)):
                new = sum(self.seen[work.journal].done for work in works)
                # Of those that were done, some may be done anew.
                yield name, min(done + new, runs), runs

    def _failed_by_batch(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for work in self.overview.works:
            if not work.is_script:
                found.setdefault(work.batch, set()).update(self.seen[work.journal].failures)
        return found


def tally(overview: Overview, state: Path) -> Tally:
    """Count how far a run is.

    Parameters
    ----------
    overview : Overview
        Of the run.
    state : Path
        The folder with the journals.
    """
    cache = own_cache("status", str(state.resolve()))
    before = _kept(cache, overview)
    seen = counted(overview, state, before)
    if seen != before:
        _keep(cache, overview, seen)
    return Tally(overview, seen)


def counted(overview: Overview, state: Path, before: dict[str, Seen]) -> dict[str, Seen]:
    """Return what is in the journals of a run, by their paths, from what an earlier look counted there."""
    return {
        work.journal: _count(state / work.journal, work, before.get(work.journal))
        for work in overview.works
    }


def _count(path: Path, work: Work, before: Seen | None) -> Seen:
    """Return what is in a journal now, from what was in it before."""
    try:
        status = path.stat()
        known = before and (before.file, before.size, before.mtime_ns)
        if before and known == (status.st_ino, status.st_size, status.st_mtime_ns):
            return before
        with path.open("rb") as journal:
            seen = before if before and _is_known(journal, before, status) else None
            if seen is None:
                # One that is shorter than the run found it is another one.
                seen = Seen(size=work.read if work.read <= status.st_size else 0)
            # How fast images pass is told by the first step.
            return _read_on(journal, seen, status, timed=work.step == SEGMENT)
    except OSError:
        return before or Seen(size=0)


def _is_known(journal: BinaryIO, before: Seen, status: os.stat_result) -> bool:
    """Whether a journal that has changed is the one that was read before, mostly with more in it."""
    return (
        before.file == status.st_ino
        and before.size <= status.st_size
        and before.known_by == _checksum(journal, before.size)
    )


def _checksum(journal: BinaryIO, end: int) -> int:
    journal.seek(max(0, end - _KNOWN_BY))
    return crc32(journal.read(min(end, _KNOWN_BY)))


def _read_on(journal: BinaryIO, before: Seen, status: os.stat_result, *, timed: bool) -> Seen:
    """Count what follows what was read, up to the last whole line."""
    seen = Seen(
        status.st_ino,
        before.size,
        status.st_mtime_ns,
        0,
        before.done,
        dict(before.failures),
        dict(before.recent),
    )
    journal.seek(seen.size)
    rest = b""
    while block := journal.read(_BLOCK):
        lines, end, rest = (rest + block).rpartition(b"\n")
        if end:
            _count_lines(lines + end, seen, timed=timed)
    seen.size = journal.tell() - len(rest)
    if rest:
        # It goes on some day, even if its time does not change.
        seen.mtime_ns = 0
    seen.known_by = _checksum(journal, seen.size)
    oldest = time.time() - WINDOW_SECONDS
    seen.recent = {start: n for start, n in seen.recent.items() if float(start) > oldest}
    return seen


def _count_lines(lines: bytes, seen: Seen, *, timed: bool) -> None:
    """Count the attempts that ended in whole lines; the others are not even taken apart: there may be megabytes."""
    timed = timed and _is_recent(lines)
    whole = lines.count(_BETWEEN) + lines.endswith(b"}\n")
    if whole == lines.count(b"\n") and not (timed or seen.failures or _FAILED in lines):
        # Nothing but their number is to be known.
        seen.done += lines.count(_DONE)
        return
    failed = {_beginning(name): name for name in seen.failures}
    seconds: list[bytes] = []
    before, *rest = lines.split(_DONE)
    _note_failures(before, seen, failed, seconds)
    for after in rest:
        # Half a line, from a process that was killed while it wrote, tells nothing.
        if after.endswith(b"}", 0, after.find(b"\n")):
            seen.done += 1
            begin = before[before.rfind(b"\n") + 1 :] if failed else b""
            if (name := failed.pop(begin + b'"', None)) is not None:
                # It was tried again.
                del seen.failures[name]
            if timed:
                seconds.append(_second(after))
        _note_failures(after, seen, failed, seconds)
        before = after
    if timed:
        _note_times(seconds, seen)


def _note_failures(text: bytes, seen: Seen, failed: dict[bytes, str], seconds: list[bytes]) -> None:
    """Note what failed between two attempts that ended well, by how the lines on it begin, and in which seconds."""
    for line in text.split(b"\n") if _FAILED in text else ():
        if _FAILED in line and line.endswith(b"}"):
            seconds.append(_second(line))
            if (name := _note_failure(line, seen)) is not None:
                failed[_beginning(name)] = name


def _is_recent(lines: bytes) -> bool:
    """Whether an attempt may have ended within the window: of these lines, the last one is the youngest."""
    with suppress(ValueError):
        last = lines[lines.rfind(b"\n", 0, -1) + 1 :]
        is_old = int(_second(last)) < time.time() - WINDOW_SECONDS
        return not (is_old and last.endswith(b"}\n"))
    return True


def _second(text: bytes) -> bytes:
    """Return the second in which an attempt ended, as it is written."""
    place = text.find(_TIME) + len(_TIME)
    return text[place : text.find(b",", place)].partition(b".")[0]


@cache
def _beginning(image: str) -> bytes:
    """Return how the lines on an image begin."""
    return json.dumps({"image": image}).removesuffix("}").encode("ascii")


def _note_times(seconds: list[bytes], seen: Seen) -> None:
    for written, number in Counter(seconds).items():
        with suppress(ValueError):
            start = str(int(written) // _BIN_SECONDS * _BIN_SECONDS)
            seen.recent[start] = seen.recent.get(start, 0) + number


def _note_failure(text: bytes, seen: Seen) -> str | None:
    """Note why an image failed, and return its name; None of a line that says other things than it should."""
    with suppress(ValueError, KeyError, TypeError):
        line = json.loads(text)
        name, details = str(line["image"]), line["details"]
        why = [details["code"], details["where"], details["values"]]
        seen.failures[name] = why if len(seen.failures) < MOST_FAILURES else []
        return name
    return None


def _kept(cache: Path, overview: Overview) -> dict[str, Seen]:
    """Return what an earlier look counted of the same run; nothing where that is not known."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        with cache.open("rb") as file:
            # What others laid there is none of ours.
            if os.fstat(file.fileno()).st_uid != os.geteuid():
                return {}
            checksum, _, text = file.read().partition(b"\n")
        if int(checksum) != crc32(text):
            return {}
        values = json.loads(text)
        if [values["format"], values["run"]] == [_FORMAT, overview.run]:
            return {journal: Seen(*parts) for journal, parts in values["seen"].items()}
    return {}


def _keep(cache: Path, overview: Overview, seen: dict[str, Seen]) -> None:
    """Write down what was counted; of two looks at once, the later one is kept whole."""
    values = {
        "format": _FORMAT,
        "run": overview.run,
        "seen": {journal: list(vars(one).values()) for journal, one in seen.items()},
    }
    text = json.dumps(values).encode("ascii")
    part = cache.with_name(f".{cache.name}.{os.getpid()}")
    # Without a cache, each look is a first one.
    with suppress(OSError):
        cache.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            part.write_bytes(b"%d\n%b" % (crc32(text), text))
            os.replace(part, cache)
        finally:
            part.unlink(missing_ok=True)
