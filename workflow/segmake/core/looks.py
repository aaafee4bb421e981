"""Looks at many files: one after the other where that is soon done, several at once where each look is a wait.

On a disk of this computer a look takes some microseconds, and threads would only stand in each other's way. On a
network file system it may take a millisecond, in which nothing is done but to wait for the server's answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")

# So many files are looked at in one go: 5 ms on a disk of this computer, 0.4 s and more on a network file system.
FILES = 2_000

# A part of files that takes longer lies behind a network, or on a disk that has to look for it.
SLOW_SECONDS = 0.2

# They wait, and compute nothing.
AT_ONCE = 16


def in_parts(files: Iterable[Part]) -> Iterator[list[Part]]:
    """Yield files in parts of so many as are looked at in one go."""
    left = iter(files)
    while part := list(islice(left, FILES)):
        yield part


def looks(look: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
    """Yield what each part of files looks like, in their order: several at once from the first part that is slow.

    Parameters
    ----------
    look : callable
        From a part of files to what they look like; called in threads where it takes long.
    parts : iterable
    """
    left = iter(parts)
    for part in left:
        begun = time.perf_counter()
        found = look(part)
        is_slow = time.perf_counter() - begun > SLOW_SECONDS
        yield found
        if is_slow:
            break
    else:
        return
    # Where nothing is slow, none of this is needed.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(look, left)
