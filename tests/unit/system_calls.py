"""Counts what Python asks of the file system."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

_LOOKS = ("stat", "lstat", "fstat", "access", "readlink")

_counted: Counter[str] | None = None


def _count(event: str, arguments: tuple[object, ...]) -> None:
    if _counted is not None and event in ("open", "os.mkdir"):
        _counted[event] += 1
        # What Python opens as a file, with a mode, it looks at.
        _counted["stat"] += event == "open" and arguments[1] is not None


# It stays as long as the process does.
sys.addaudithook(_count)


def counted(work: Callable[[], object]) -> Counter[str]:
    """Return how often a function opens files, makes folders, looks at files, and brings something to the disk.

    Looks are of all kinds: at paths, links and rights, and at files that are open. What libraries do that are not of Python is not seen. Nothing is brought to the disk.
    """
    global _counted
    found: Counter[str] = Counter()

    def told(name: str) -> Callable[..., Any]:
        original = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            found["stat"] += 1
            return original(*arguments, **options)

        return call

    def fsync(number: int) -> None:
        found["fsync"] += 1

    with ExitStack() as patched:
        patched.enter_context(patch.object(os, "fsync", fsync))
        for name in _LOOKS:
            patched.enter_context(patch.object(os, name, told(name)))
        _counted = found
        try:
            work()
        finally:
            _counted = None
    return found


def bytes_read(work: Callable[[], object]) -> int:
    """Return how many bytes a function reads, in this thread, from files of whatever kind."""

    def so_far() -> int:
        return int(Path("/proc/thread-self/io").read_text().split()[1])

    # To ask is to read, too.
    asking = -so_far() + so_far()
    before = so_far()
    work()
    return so_far() - before - asking
