"""A copy from one place to the other that goes on until all that counts is whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from segmake.places.copying import QUIET_SECONDS, Outcome, copy
from segmake.places.place import Place

# How often what was changed a moment ago is waited for, and how long.
_TIMES, _PAUSE_SECONDS = 6, QUIET_SECONDS / 3


async def transferred(
    source: tuple[Place, str],
    target: tuple[Place, str],
    *,
    wanted: Callable[[str], bool] = lambda name: True,
    whole: Callable[[str], bool],
) -> Outcome:
    """Copy what is new or changed, as `segmake.places.copying.copy` does; some files are waited for.

    Parameters
    ----------
    source, target, wanted
        As for `segmake.places.copying.copy`.
    whole : callable
        Returns whether a file that was changed a moment ago is to be waited for: what somebody has just saved is meant,
        an image that a microscope is writing comes the next time.
    """
    copied: list[str] = []
    for left in reversed(range(_TIMES)):
        outcome = await copy(source, target, wanted=wanted)
        copied += outcome.copied
        if not left or not any(map(whole, outcome.growing)):
            break
        await asyncio.sleep(_PAUSE_SECONDS)
    return Outcome(tuple(copied), outcome.growing)
