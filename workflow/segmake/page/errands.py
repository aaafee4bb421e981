"""What takes long and is done by the page itself, such as sending images: it goes on when a page is left."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from segmake.messages import Problem, Problems
from segmake.page.work import problem_values

# So long an answer waits for an errand to end, so that one that is quick is seen at its end.
_PATIENCE_S = 2.5

# So many lines are shown.
_SHOWN = 200


@dataclass
class Errand:
    """Something that is being done, or has been.

    Attributes
    ----------
    kind : str
        Which page it belongs to.
    lines : list of str
        What it has said.
    progress : str
        How far it is, if it says so.
    share : float or None
        Which part is done, from 0 to 1, if that is known.
    problems : list of dict
        What ended it.
    over : bool
    """

    kind: str
    lines: list[str] = field(default_factory=list)
    progress: str = ""
    share: float | None = None
    problems: list[dict[str, Any]] = field(default_factory=list)
    over: bool = False
    key: str = field(default_factory=lambda: secrets.token_urlsafe(8))

    def tell(self, words: str) -> None:
        """Say what is done now."""
        self.progress, self.share = "", None
        self.lines = [*self.lines, *words.splitlines()][-_SHOWN:]


class Errands:
    """The errands of a page, one at a time of each kind."""

    def __init__(self) -> None:
        self._last: dict[str, Errand] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def are_at_work(self) -> bool:
        """Whether one of them is."""
        return any(not errand.over for errand in self._last.values())

    def last(self, kind: str) -> Errand | None:
        """Return the errand of a kind that is at work or was the last; None if there was none."""
        return self._last.get(kind)

    def begin(
        self,
        kind: str,
        work: Callable[[Errand], Awaitable[None]],
        unexpected: Callable[[Exception], Problem],
    ) -> Errand:
        """Do something, unless an errand of its kind is at work; return the one that is.

        Parameters
        ----------
        kind : str
        work : callable
            Is given the errand, to say how far it is.
        unexpected : callable
            Returns what is told of an error that nobody expected.
        """
        before = self._last.get(kind)
        if before and not before.over:
            return before
        errand = Errand(kind)

        async def do() -> None:
            try:
                await work(errand)
            except (Problem, Problems) as error:
                problems = error.problems if isinstance(error, Problems) else [error]
                errand.problems = [problem_values(problem) for problem in problems]
            except Exception as error:
                errand.problems = [problem_values(unexpected(error))]
            finally:
                errand.over = True

        self._last[kind] = errand
        # It speaks the language of whoever began it.
        self._tasks[kind] = asyncio.create_task(do())
        return errand

    async def stop(self, kind: str) -> None:
        """End an errand where it is; what it has done stays."""
        task = self._tasks.get(kind)
        if task and not task.done():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def a_little(errand: Errand) -> None:
    """Wait a little for an errand to end; it goes on afterwards."""
    end = time.monotonic() + _PATIENCE_S
    while not errand.over and time.monotonic() < end:
        await asyncio.sleep(0.05)
