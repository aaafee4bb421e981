"""What can be asked again is asked again when the connection was lost, until the computer answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from segmake.messages import Problem, say
from segmake.places.copying import PATIENCE
from segmake.places.place import AWAY

T = TypeVar("T")
Show = Callable[[str], None]


async def patiently(
    call: Callable[[], Awaitable[T]], show: Show, host: str, *, for_ever: bool = False
) -> T:
    """Return what a call gives, which may be made several times.

    Parameters
    ----------
    call : callable
    show : callable
        Is told when the connection is lost, and when it is there again.
    host : str
        The computer, for the user.
    for_ever : bool
        Whether it is tried until it succeeds, each time after the last of the pauses; else some minutes.

    Raises
    ------
    Problem
        What is wrong, but that the computer is away; that too, if it stays away.
    """
    lost = 0
    while True:
        try:
            found = await call()
        except Problem as problem:
            if problem.code not in AWAY or (lost == len(PATIENCE) and not for_ever):
                raise
            if not lost:
                show(say("remote.lost", host=host))
            await asyncio.sleep(PATIENCE[min(lost, len(PATIENCE) - 1)])
            lost += 1
        else:
            if lost:
                show(say("remote.found_again", host=host))
            return found
