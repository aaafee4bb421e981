"""How a file system behaves: its speed, its locks and its clock. ``disk.py TASK FOLDER`` prints an object of JSON.

``measure`` tells the speed; ``meet`` tries to get locks that another computer holds, and again when they are free, and
``hold`` holds them for another computer that does so.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from pathlib import Path

SMALL_FILES = 500
SMALL_BYTES = 10_000
LARGE_MB = 256
SYNCS = 20

KINDS = {"flock": fcntl.flock, "fcntl": fcntl.lockf}

# Who waits for the other computer gives up after so long.
PATIENCE_SECONDS = 120.0


def measure(folder: Path) -> dict[str, float]:
    """Return how fast a folder's file system is, and how far its clock is from that of this computer."""
    own = folder / f".speed.{os.uname().nodename}.{os.getpid()}"
    own.mkdir()
    try:
        return {
            **_small_files(own),
            **_large_file(own / "large"),
            "fsync_ms": _milliseconds(own / "synced", _write_and_sync),
            "rename_ms": _milliseconds(own / "renamed", _rename),
            "clock_ahead_s": clock_ahead(own),
        }
    finally:
        for file in own.iterdir():
            file.unlink()
        own.rmdir()


def _small_files(folder: Path) -> dict[str, float]:
    content = os.urandom(SMALL_BYTES)
    paths = [folder / f"small_{number:04d}" for number in range(SMALL_FILES)]
    began = time.perf_counter()
    for path in paths:
        path.write_bytes(content)
    written = time.perf_counter()
    for path in paths:
        path.read_bytes()
    read = time.perf_counter()
    for path in paths:
        path.unlink()
    removed = time.perf_counter()
    times = {"written": written - began, "read": read - written, "removed": removed - read}
    return {
        f"small_files_{what}_per_s": round(SMALL_FILES / took, 1) for what, took in times.items()
    }


def _large_file(path: Path) -> dict[str, float]:
    block = os.urandom(1_000_000)
    began = time.perf_counter()
    with path.open("wb") as file:
        for _ in range(LARGE_MB):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    written = time.perf_counter()
    with path.open("rb") as file:
        # What is kept in memory would be read back from there.
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while file.read(1_000_000):
            pass
    read = time.perf_counter()
    path.unlink()
    rates = {"write_mb_per_s": written - began, "read_mb_per_s": read - written}
    return {name: round(LARGE_MB / took, 1) for name, took in rates.items()}


def _milliseconds(path: Path, do) -> float:
    """Return the median time of doing something to a file, in milliseconds."""
    times = []
    for _ in range(SYNCS):
        began = time.perf_counter()
        do(path)
        times.append(time.perf_counter() - began)
    return round(sorted(times)[SYNCS // 2] * 1000, 3)


def _write_and_sync(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"a line of a journal\n")
        file.flush()
        os.fsync(file.fileno())


def _rename(path: Path) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(b"")
    part.replace(path)


def clock_ahead(folder: Path) -> float:
    """Return how many seconds the times of new files are ahead of this computer's clock."""
    path = folder / f".clock.{os.getpid()}"
    before = time.time()
    path.write_bytes(b"")
    between = (before + time.time()) / 2
    ahead = path.stat().st_mtime - between
    path.unlink()
    return round(ahead, 3)


def take(folder: Path, kind: str):
    """Return the file of a lock that is held now; None if somebody else holds it."""
    file = (folder / f"lock.{kind}").open("a+")
    try:
        KINDS[kind](file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def hold(folder: Path) -> dict[str, object]:
    """Hold both locks until another computer has tried to get them; return which could be had."""
    held = {kind: take(folder, kind) for kind in KINDS}
    say(folder, "held")
    waited = wait_for(folder, "tried")
    for file in held.values():
        if file:
            file.close()
    say(folder, "free")
    return {"held": [kind for kind, file in held.items() if file], "waited_s": waited}


def meet(folder: Path) -> dict[str, object]:
    """Try to get both locks while another computer holds them, and once they are free."""
    wait_for(folder, "held")
    refused = [kind for kind in KINDS if take(folder, kind) is None]
    say(folder, "tried")
    wait_for(folder, "free")
    got = {kind: take(folder, kind) for kind in KINDS}
    return {"refused": refused, "free": [kind for kind, file in got.items() if file]}


def say(folder: Path, word: str) -> None:
    """Leave a word for another computer."""
    part = folder / f".{word}"
    part.write_text(repr(time.time()))
    part.replace(folder / word)


def wait_for(folder: Path, word: str) -> float:
    """Wait for the other computer's word, and return how many seconds after it was given it was seen.

    Raises
    ------
    TimeoutError
        If it does not come.
    """
    latest = time.monotonic() + PATIENCE_SECONDS
    while word not in os.listdir(folder):
        if time.monotonic() > latest:
            raise TimeoutError(word)
        time.sleep(0.05)
    return round(time.time() - float((folder / word).read_text()), 3)


if __name__ == "__main__":
    tasks = {"measure": measure, "hold": hold, "meet": meet}
    print(json.dumps(tasks[sys.argv[1]](Path(sys.argv[2]))))
