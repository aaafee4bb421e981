"""Passes tasks through a work that does each of them in one go, several at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Semaphore

from segmake.runner.pipeline import BEHIND, Ended, Task, Work


class Stopped(Exception):
    """A run was ended because the job is."""


class Parallel:
    """Passes tasks through a work that does each of them in one go, several at the same time.

    Parameters
    ----------
    number : int
        How many at the same time.
    stop : callable
        Ends what is at work.
    work : Work
    ended : callable
        Told what became of each task as soon as it is known.
    """

    def __init__(
        self, number: int, stop: Callable[[], None], work: Work, ended: Callable[[Ended], None]
    ) -> None:
        self._number, self._stop, self._work, self._ended = number, stop, work, ended
        # While the results of some are brought to the disk, the next ones are at work.
        self._pool = ThreadPoolExecutor(number + BEHIND, "run")
        self._free = Semaphore(number)
        self._places: dict[Future, Task] = {}

    def __enter__(self) -> Parallel:
        return self

    def __exit__(self, kind: object, error: object, where: object) -> None:
        if error is not None:
            self._stop()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def add(self, task: Task, *, alone: bool) -> None:
        """Put a task in; return when there is room for the next one."""
        if alone:
            self._leave(0)
        self._free.acquire()
        self._places[self._pool.submit(self._do, task, alone)] = task
        self._leave(0 if alone else self._number + BEHIND - 1)
        with self._free:
            # One place is free: only this thread takes any.
            pass

    def finish(self) -> None:
        """Return when all tasks that were put in have come to their end."""
        self._leave(0)

    def settle(self, seconds: float) -> None:
        """End what is at work, which has so much time to do so."""
        self._stop()
        wait(self._places, seconds)

    def in_work(self) -> list[Task]:
        """Return the tasks that have not come to their end."""
        return [task for part, task in self._places.items() if not part.done() or part.exception()]

    def waiting(self) -> list[Task]:
        """Return no task: what is put in is begun."""
        return []

    def _do(self, task: Task, alone: bool) -> None:
        started = time.perf_counter()
        try:
            details = self._work.compute(task, self._work.read(task))
            seconds = round(time.perf_counter() - started, 3)
            ended = Ended(task, {"seconds": seconds, **details}, None, alone)
        except Stopped:
            raise
        except Exception as error:
            ended = Ended(task, {}, error, alone)
        finally:
            self._free.release()
        self._ended(ended)

    def _leave(self, keep: int) -> None:
        """Wait until no more than so many tasks are at work."""
        while True:
            for part in [part for part in self._places if part.done()]:
                part.result()
                del self._places[part]
            if len(self._places) <= keep:
                return
            # The main thread has to answer signals meanwhile.
            wait(self._places, return_when=FIRST_COMPLETED)
