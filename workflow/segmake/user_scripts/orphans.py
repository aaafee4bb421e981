"""Processes that lose their parent come to this one, so that nothing of a script is lost sight of.

To look through all processes of a computer after each run takes longer than a short run itself: that is done only where
something is left, or can't be told from the few that are this process's own.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

_SUBREAPER = 36


def adopt_orphans() -> bool:
    """Let what loses its parent below this process come to it; return whether the system does so (Linux alone)."""
    try:
        return bool(ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


def adopted(known: Collection[int]) -> list[int] | None:
    """Return the processes that came to this one from sessions of their own; None if the system does not tell.

    Parameters
    ----------
    known : collection of int
        Processes that this one has started in a session of their own, and waits for.
    """
    found: list[int] = []
    # A list that is read while one of them ends may lack its neighbour.
    for _ in range(2):
        children = _children()
        if children is None:
            return None
        found += [child for child in children if child not in known and _is_apart(child)]
    return list(dict.fromkeys(found))


def bury(processes: Collection[int]) -> None:
    """Let those of some adopted processes go that have ended."""
    for process in processes:
        with suppress(OSError):
            os.waitpid(process, os.WNOHANG)


def _children() -> list[int] | None:
    found: list[int] = []
    try:
        threads = list(Path("/proc/self/task").iterdir())
        for thread in threads:
            # A thread that has ended has left its children to another one.
            with suppress(ProcessLookupError, FileNotFoundError):
                found += map(int, (thread / "children").read_text().split())
        return found if Path("/proc/self/task", str(os.getpid()), "children").exists() else None
    except OSError:
        return None


def _is_apart(process: int) -> bool:
    """Whether a process is in another session: what SegMake itself calls is in its own."""
    with suppress(OSError):
        return os.getsid(process) != os.getsid(0)
    return False
