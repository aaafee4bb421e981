"""Several calls at once whose answers are taken in the order in which they were made."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class InOrder(Generic[T]):
    """Calls that are on the way.

    Parameters
    ----------
    ahead : int
        So many at once.
    """

    def __init__(self, ahead: int) -> None:
        self.ahead = ahead
        self._waiting: deque[asyncio.Task[T]] = deque()

    def make(self, call: Coroutine[Any, Any, T]) -> None:
        """Make a call."""
        self._waiting.append(asyncio.ensure_future(call))

    @property
    def are_enough(self) -> bool:
        """Whether the next answer is to be waited for before another call is made."""
        return len(self._waiting) >= self.ahead

    def __bool__(self) -> bool:
        return bool(self._waiting)

    async def answer(self) -> T:
        """Return the next answer."""
        return await self._waiting.popleft()

    async def give_up(self) -> None:
        """Wait for no other answer."""
        for call in self._waiting:
            call.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)


@asynccontextmanager
async def in_order(ahead: int) -> AsyncIterator[InOrder[Any]]:
    """Yield what makes so many calls at once; those that are on the way at the end of the block are given up."""
    calls: InOrder[Any] = InOrder(ahead)
    try:
        yield calls
    finally:
        await calls.give_up()
