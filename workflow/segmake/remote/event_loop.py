"""Where all that waits for another computer runs."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run something to its end, and return what it gives.

    When a connection is lost, what waits for it is told, and tries again. What else was under way on it ends with the
    same error, which nobody waits for, and of which the user is told nothing.
    """

    async def go() -> T:
        asyncio.get_running_loop().set_exception_handler(pass_over_lost)
        return await work

    return asyncio.run(go())


def pass_over_lost(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Say nothing of what a lost connection has ended beside what waits for it; of all else, what is usual."""
    # Not every laptop has what speaks SSH.
    from asyncssh import Error, SFTPError

    if not isinstance(context.get("exception"), Error | SFTPError | OSError):
        loop.default_exception_handler(context)
