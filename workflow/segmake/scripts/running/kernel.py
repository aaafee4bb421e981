"""What SegMake asks of Linux itself for the users' scripts: where disks are mounted, watches on files, orphans.

Python's standard library has none of these calls. Each of them may be refused, and nothing depends on one.
"""

from __future__ import annotations

import ctypes
import os
import struct
from contextlib import suppress
from pathlib import Path

import psutil

_libc = ctypes.CDLL(None, use_errno=True)

_SET_CHILD_SUBREAPER = 36

# Some kernels are built without this file.
_TELLS_CHILDREN = os.path.exists(f"/proc/self/task/{os.getpid()}/children")

OPENED, OVERFLOW = 0x01 | 0x20, 0x4000
_ONCE = 0x80000000
_EVENT = struct.Struct("iIII")
_NONBLOCK_CLOEXEC = 0o4000 | 0o2000000


def mounts_below(folder: str) -> list[str]:
    """Return where something is mounted below a folder."""
    found = []
    with suppress(OSError, IndexError):
        for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
            place = os.fsdecode(line.split()[4].decode("unicode_escape").encode("latin-1"))
            if place.startswith(f"{folder.rstrip('/')}/"):
                found.append(place)
    return found


def adopt_orphans() -> bool:
    """Let processes that lose their parent, and that this one started, become its own; return whether they do."""
    # Linux alone has it.
    prctl = getattr(_libc, "prctl", None)
    return prctl is not None and prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def descendants(number: int) -> list[int]:
    """Return the processes that a process started, and those that they did."""
    found = [number]
    for each in found:
        found += children(each)
    return found[1:]


def children(number: int) -> list[int]:
    """Return the processes that a process started, or that became its own."""
    found: list[int] = []
    if not _TELLS_CHILDREN:
        with suppress(psutil.Error):
            found = [each.pid for each in psutil.Process(number).children()]
        return found
    with suppress(OSError):
        for task in os.listdir(f"/proc/{number}/task"):
            with suppress(OSError):
                # Asked after each run of a script: Python's own files take several times as long.
                file = os.open(f"/proc/{number}/task/{task}/children", os.O_RDONLY | os.O_CLOEXEC)
                try:
                    while data := os.read(file, 1 << 16):
                        found += map(int, data.split())
                finally:
                    os.close(file)
    return found


class Watch:
    """Tells whether files and folders were opened by any process of this computer, each once.

    Also on a disk of the network.

    Raises
    ------
    OSError
        If the kernel has no more watches for this user.
    """

    def __init__(self) -> None:
        self._file = _libc.inotify_init1(_NONBLOCK_CLOEXEC)
        if self._file < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")

    def __del__(self) -> None:
        # A user has few of them.
        if self._file >= 0:
            os.close(self._file)

    def add(self, path: Path) -> int:
        """Watch a file, or a folder with what is directly in it, and return the number of the watch.

        Raises
        ------
        OSError
            If it can't be watched.
        """
        number = _libc.inotify_add_watch(
            self._file, os.fsencode(path), ctypes.c_uint32(OPENED | _ONCE)
        )
        if number < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch", str(path))
        return number

    def remove(self, number: int) -> None:
        """End a watch, if it has not ended."""
        _libc.inotify_rm_watch(self._file, number)

    def events(self) -> list[tuple[int, int]]:
        """Return number and kind of what happened since this was last asked."""
        found: list[tuple[int, int]] = []
        while True:
            try:
                data = os.read(self._file, 1 << 16)
            except (BlockingIOError, InterruptedError):
                return found
            place = 0
            while place < len(data):
                number, kind, _, length = _EVENT.unpack_from(data, place)
                found.append((number, kind))
                place += _EVENT.size + length
