"""A pipeline: the next images are read while one is computed, and the one before it is finished."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from segmake.core.journal import Record
from segmake.messages import Problem
from segmake.runner.records import has_its_size, is_as_noted, name_of

# Images that are read before their turn, and that are being finished after it: what memory has to hold besides. A fast
# network is done with an image sooner than its labels are on a disk that all share: several are written at a time.
AHEAD = 2
BEHIND = 3


@dataclass(frozen=True)
class Task:
    """One image that a step has to work on.

    Attributes
    ----------
    image : str
        The image's name.
    path : Path
        Its file.
    position : int
        Which field of view of the file it is, from 0.
    positions : int
        How many the file held when the run was planned; 0 if it could not be read then.
    key : str
        Fingerprint of everything that decides the result.
    attempt : int
        The attempt that this run makes at it.
    outputs : tuple of Path
        The files that the step makes of it.
    large : bool
        Whether what is read of it at once is so much that nothing else should be in memory.
    beside : tuple of Path
        Files and folders that it makes besides, and removes itself, since users may have changed them.
    patterns : tuple of str
        Files that have to be in the first of its outputs, a folder.
    aside : Path or None
        Where a folder of outputs is kept that is none of its results any more.
    optional : tuple of Path
        Files that it may make besides. What is noted of them in the journal is looked at, and nothing where there is
        no note, as of those that older versions did not make.
    results : Path
        The results folder, below which all of these lie.
    source : mapping
        What the step before noted of the files that this one reads.
    file : tuple
        Size and time of change of the image's file, as they are in the key; of several files what differs when one of
        them does, too (`segmake.images.file_sets.arrangement`).
    before : str
        The key of the result that is there, where the times of files alone are others since: if what is in them is the
        same, it counts for this key (`segmake.runner.same_content`). Else empty.
    """

    image: str
    path: Path
    position: int
    positions: int
    key: str
    attempt: int
    outputs: tuple[Path, ...]
    large: bool = False
    beside: tuple[Path, ...] = ()
    patterns: tuple[str, ...] = ()
    aside: Path | None = None
    optional: tuple[Path, ...] = ()
    results: Path = Path()
    source: Record = field(default_factory=dict, compare=False)
    file: tuple[int, int, str] = field(default=(0, 0, ""), compare=False)
    before: str = field(default="", compare=False)

    def is_there(self, record: Record | None = None, *, exactly: bool = False) -> bool:
        """Whether all is there that it makes, and has the size that was noted of it.

        Parameters
        ----------
        record : mapping or None
            What was noted (`segmake.runner.records`); without, results have to look whole.
        exactly : bool
            Whether checksums are compared, too.
        """
        made = self.outputs + self.beside
        if self.aside is not None:
            # A folder that a user's script filled, and that users may tidy up.
            return all(path.exists() for path in made) and not self.missing()
        noted = record if record is not None else {}
        made += tuple(path for path in self.optional if name_of(path, self.results) in noted)
        there = all(has_its_size(path, noted, self.results) for path in made)
        if exactly:
            there = there and all(is_as_noted(path, noted, self.results) for path in made)
        return there and not self.missing()

    def made(self) -> tuple[Path, ...]:
        """Return all files and folders that it may make."""
        return self.outputs + self.beside + self.optional

    def missing(self, *, filled: bool = False) -> list[str]:
        """Return the patterns that no file fits; `filled`: none with anything in it."""
        at_least = 1 if filled else 0
        return [
            pattern for pattern in self.patterns if not _fits(self.outputs[0], pattern, at_least)
        ]


def _fits(folder: Path, pattern: str, at_least: int) -> bool:
    """Whether a file of so many bytes fits a pattern; none fits one that is no pattern, such as ``a**b``."""
    try:
        return any(
            found.is_file() and found.stat().st_size >= at_least for found in folder.glob(pattern)
        )
    except (ValueError, NotImplementedError):
        return False


class Leave(Exception):
    """The process can't go on.

    Parameters
    ----------
    problem : Problem
    died : bool
        Whether the task counts as one that the process died of; else it is not the task's fault.
    """

    def __init__(self, problem: Problem, *, died: bool = False) -> None:
        self.problem = problem
        self.died = died
        super().__init__(problem)


class NotBegun(Exception):
    """Work on a task may not begin; why is noted already."""


class Work(Protocol):
    """A step's work on one image, in three parts that may be at work on three images at the same time.

    ``compute`` is called by the main thread, ``read`` by another one, and ``finish`` by several at the same time.

    Attributes
    ----------
    overlaps : bool
        Whether the parts may be at work at the same time; else one image is worked on after the other.
    """

    overlaps: bool

    def read(self, task: Task) -> Any:
        """Return what is to be computed with."""

    def compute(self, task: Task, read: Any) -> Any:
        """Return the result, or what is needed to finish it."""

    def finish(self, task: Task, computed: Any) -> dict[str, Any]:
        """Write the outputs, and return what to note in the journal."""


class InOneGo:
    """Work that a single function does, which takes a task and returns what to note in the journal."""

    overlaps = False

    def __init__(self, function: Callable[[Task], dict[str, Any]]) -> None:
        self._function = function

    def read(self, task: Task) -> None:
        """Nothing is read ahead."""

    def compute(self, task: Task, read: None) -> dict[str, Any]:
        """Do the work."""
        return self._function(task)

    def finish(self, task: Task, computed: dict[str, Any]) -> dict[str, Any]:
        """Nothing is left to do."""
        return computed


class Line(Protocol):
    """What passes tasks through a work: `Pipeline`, or `Parallel` of the users' scripts."""

    def __enter__(self) -> Line: ...

    def __exit__(self, kind: object, error: object, where: object) -> None: ...

    def add(self, task: Task, *, alone: bool) -> None:
        """Put a task in; return when there is room for the next one."""

    def finish(self) -> None:
        """Return when all tasks that were put in have come to their end."""

    def settle(self, seconds: float) -> None:
        """Give what is being finished so much time to end."""

    def in_work(self) -> list[Task]:
        """Return the tasks that are being worked on."""

    def waiting(self) -> list[Task]:
        """Return the tasks that were put in and are not being worked on."""


class Ended(NamedTuple):
    """What became of a task: what the journal is to note, or the error; and whether it had the line to itself."""

    task: Task
    details: dict[str, Any]
    error: Exception | None
    alone: bool


@dataclass
class _Place:
    """A task in the pipeline, the part that a thread does of it, and the seconds that it has taken so far."""

    task: Task
    part: Future
    alone: bool
    seconds: float = 0.0
    computing: bool = False


class Pipeline:
    """Passes tasks through the three parts of a work, in order.

    A signal or Ctrl-C interrupts the main thread, which computes; what the other threads have begun they end.

    Parameters
    ----------
    work : Work
    ended : callable
        Told what became of each task as soon as it is known, by the thread that knows it.
    begin : callable
        Called by the reader before it reads a task, so that a GPU need not wait while that is noted. Raises `NotBegun`
        if it is not to be worked on.
    """

    def __init__(
        self,
        work: Work,
        ended: Callable[[Ended], None],
        begin: Callable[[Task], None] = lambda task: None,
    ) -> None:
        self._work = work
        self._ended = ended
        self._begin = begin
        self._reader = ThreadPoolExecutor(1, "read")
        self._finisher = ThreadPoolExecutor(BEHIND, "finish")
        self._read: deque[_Place] = deque()
        self._finished: deque[_Place] = deque()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, kind: object, error: object, where: object) -> None:
        for pool in (self._reader, self._finisher):
            pool.shutdown(wait=error is None, cancel_futures=True)

    def add(self, task: Task, *, alone: bool) -> None:
        """Put a task in; return when there is room for the next one.

        Parameters
        ----------
        alone : bool
            Whether it is worked on once all others have left, and nothing beside it.
        """
        if alone:
            self.finish()
        part = self._reader.submit(self._read_ahead, task)
        self._read.append(_Place(task, part, alone))
        if alone:
            self.finish()
        elif len(self._read) > AHEAD:
            self._advance()

    def finish(self) -> None:
        """Return when all tasks that were put in have come to their end."""
        while self._read:
            self._advance()
        self._leave(0)

    def settle(self, seconds: float) -> None:
        """Give what is being finished so much time to end."""
        wait([place.part for place in self._finished], seconds)

    def in_work(self) -> list[Task]:
        """Return the tasks that are being worked on."""
        finishing = [place for place in self._finished if not place.part.done()]
        begun = [place for place in self._read if place.computing or not place.part.done()]
        return [place.task for place in (*finishing, *begun)]

    def waiting(self) -> list[Task]:
        """Return the tasks that are read, and wait for their turn."""
        read = [place for place in self._read if place.part.done() and not place.computing]
        return [place.task for place in read]

    def _read_ahead(self, task: Task) -> tuple[Any, float]:
        self._begin(task)
        return _timed(self._work.read, task)

    def _advance(self) -> None:
        """Compute the next task, and hand it on."""
        place = self._read[0]
        try:
            read, place.seconds = place.part.result()
            place.computing = True
            computed, seconds = _timed(self._work.compute, place.task, read)
        except Exception as error:
            self._ended(Ended(place.task, {}, error, place.alone))
            self._read.popleft()
            return
        place.seconds += seconds
        place.part = self._finisher.submit(self._finish, place, computed)
        self._finished.append(self._read.popleft())
        self._leave(BEHIND)

    def _finish(self, place: _Place, computed: Any) -> None:
        try:
            details, seconds = _timed(self._work.finish, place.task, computed)
        except Exception as error:
            self._ended(Ended(place.task, {}, error, place.alone))
        else:
            total = round(place.seconds + seconds, 3)
            self._ended(Ended(place.task, {"seconds": total, **details}, None, place.alone))

    def _leave(self, keep: int) -> None:
        """Wait until no more than so many tasks are left to finish."""
        while self._finished and (len(self._finished) > keep or self._finished[0].part.done()):
            # What the thread itself could not cope with, such as a journal that can't be written.
            self._finished[0].part.result()
            self._finished.popleft()


def _timed(function: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """Return what a function returns, and the seconds that it took."""
    started = time.perf_counter()
    return function(*arguments), time.perf_counter() - started
