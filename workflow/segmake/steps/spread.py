"""A step's work on images, which several processes do at the same time on the cores of a job."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import CancelledError, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from segmake.core.files import folders_stay_open
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

    A process that dies takes those images with it that were in work: another job goes on, with each of them alone.

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
        self._stopped = False
        # A copy of this process would have its threads' locks, and not its threads.
        self._pool = ProcessPoolExecutor(
            number,
            multiprocessing.get_context("spawn"),
            initializer=_prepare,
            # Together they start no more threads than this one may.
            initargs=(step, plan, batch, max(1, allowed() // number)),
        )

    def line(self, work: Work, ended: Callable[[Ended], None]) -> Line:
        """Return what passes images through this work."""
        return Parallel(self._number, self.stop, work, ended)

    def read(self, task: Task) -> None:
        """Nothing is read ahead."""

    def compute(self, task: Task, read: None) -> dict[str, Any]:
        """Have a process do the work, and return what to note in the journal."""
        try:
            return self._pool.submit(_do, task).result()
        except (BrokenProcessPool, CancelledError):
            if self._stopped:
                raise Stopped from None
            raise Leave(Problem("SM-CLU-040", where=task.image), died=True) from None

    def finish(self, task: Task, computed: dict[str, Any]) -> dict[str, Any]:
        """Nothing is left to do."""
        return computed

    def stop(self) -> None:
        """End the processes, whatever they do."""
        self._stopped = True
        for process in multiprocessing.active_children():
            process.kill()
            process.join(PATIENCE_SECONDS)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """End the processes, which have nothing left to do."""
        self._pool.shutdown()


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
