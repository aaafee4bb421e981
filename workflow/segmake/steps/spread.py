"""A step's work on images, which several processes do at the same time on the cores of a job."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

from segmake.core.files import error_line, folders_stay_open
from segmake.core.threads import allowed, limit
from segmake.messages import Problem
from segmake.plan.written_plan import read_batch
from segmake.runner.parallel import Parallel, Stopped
from segmake.runner.pipeline import Ended, Leave, Line, Task, Work
from segmake.runner.run_step import noted

# One that waits for a disk that does not answer can't be ended.
PATIENCE_SECONDS = 2.0

# What a process does to each image that it is given.
_work: Callable[[Task], dict[str, Any]]

# What such a process keeps open until it ends.
_folders = ExitStack()


class Spread:
    """The work of a step without a GPU, image by image in processes of its own.

    A process that dies takes the image with it that it had in work: another job goes on, with that image alone.

    Parameters
    ----------
    step : {"masks", "measure", "overlay"}
    plan : Path
        The file of the plan.
    batch : str
        The batch whose images these are.
    number : int
        How many processes.
    """

    overlaps = True

    def __init__(self, step: str, plan: Path, batch: str, number: int) -> None:
        self._number = number
        # Together they start no more threads than this one may.
        self._prepared = (step, plan, batch, max(1, allowed() // number))
        self._lock = threading.Lock()
        self._stopped = False
        self._all: list[_Worker] = []
        self._idle: list[_Worker] = []

    def line(self, work: Work, ended: Callable[[Ended], None]) -> Line:
        """Return what passes images through this work."""
        return Parallel(self._number, self.stop, work, ended)

    def read(self, task: Task) -> None:
        """Nothing is read ahead."""

    def compute(self, task: Task, read: None) -> dict[str, Any]:
        """Have a process do the work, and return what to note in the journal."""
        worker = self._take()
        try:
            answer = worker.do(task)
        except (EOFError, OSError):
            if self._stopped:
                raise Stopped from None
            raise Leave(Problem("SM-CLU-040", where=task.image), died=True) from None
        with self._lock:
            self._idle.append(worker)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def finish(self, task: Task, computed: dict[str, Any]) -> dict[str, Any]:
        """Nothing is left to do."""
        return computed

    def stop(self) -> None:
        """End the processes, whatever they do."""
        with self._lock:
            self._stopped = True
        for worker in self._all:
            worker.kill()

    def close(self) -> None:
        """End the processes, which have nothing left to do."""
        for worker in self._all:
            worker.close()

    def _take(self) -> _Worker:
        """Return a process that has nothing to do; a new one if there is none."""
        with self._lock:
            if self._stopped:
                raise Stopped
            if not self._idle:
                self._all.append(_Worker(*self._prepared))
                return self._all[-1]
            return self._idle.pop()


class _Worker:
    """A process that does one image after the other, and the connection with it.

    `concurrent.futures` has such processes, too, but where one of them died while an image was given to another, Python
    3.11 waits for that image for ever.
    """

    def __init__(self, step: str, plan: Path, batch: str, threads: int) -> None:
        # A copy of this process would have its threads' locks, and not its threads.
        context = multiprocessing.get_context("spawn")
        self._connection, its_own = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(its_own, step, plan, batch, threads), daemon=True
        )
        self._process.start()
        # As long as this process had that end too, the end of the other could not be seen.
        its_own.close()

    def do(self, task: Task) -> dict[str, Any] | Exception:
        """Return what the work on an image came to.

        Raises
        ------
        EOFError, OSError
            If the process is dead.
        """
        self._connection.send(task)
        return self._connection.recv()

    def kill(self) -> None:
        self._process.kill()
        self._process.join(PATIENCE_SECONDS)

    def close(self) -> None:
        self._connection.close()
        self._process.join()


def _serve(connection: Connection, step: str, plan: Path, batch: str, threads: int) -> None:
    """Do the images that come, until no more can come."""
    _prepare(step, plan, batch, threads)
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        try:
            answer: dict[str, Any] | Exception = _do(task)
        except Exception as error:
            answer = portable(error)
        connection.send(answer)


def portable(error: Exception) -> Exception:
    """Return an error that another process can be sent, with a note on where it was raised; its words if it can't."""
    try:
        ForkingPickler.loads(ForkingPickler.dumps(error))
    except Exception:
        error = RuntimeError(error_line(error))
    error.add_note(traceback.format_exc())
    return error


def _prepare(step: str, plan: Path, batch: str, threads: int) -> None:
    global _work
    # Nothing is imported yet that starts some.
    limit(threads)
    # Who started this process says when it is to end; one that was killed can't.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Libraries warn of things that a user can do nothing about.
    warnings.simplefilter("ignore")
    from segmake.steps.work import after_segmentation

    _folders.enter_context(folders_stay_open())
    _work = after_segmentation(step, read_batch(plan, batch))


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def _do(task: Task) -> dict[str, Any]:
    # This process knows the checksums of what it wrote, and the one that keeps the journal would read it again.
    return {**_work(task), **noted(task)}
