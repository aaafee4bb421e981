"""Reads headers in processes of their own: a file that crashes a library, never ends or eats memory stops nothing else.

``python -m segmake.readers.isolated`` is such a process: each line that it takes is a folder and the
path of a file from there, as JSON, and each line that it answers is what the file holds.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from segmake.messages import Problem, Problems, say
from segmake.readers import Header, read_headers

# A header is read in milliseconds; on a slow disk, that of a file with very many pages takes a while.
SECONDS = 120
# The headers of large movies take a few hundred megabytes.
GIGABYTES = 4
# More would wait for the disk, or take the processors of a login node from others.
MOST = 4
# Starting a process takes as long as reading so many small files.
WORTH_A_PROCESS = 250

Headers = tuple[Header, ...]


def headers_of(paths: Sequence[Path], seconds: float = SECONDS) -> list[Headers | Problem]:
    """Return what each field of view of each file holds, or why a file could not be read.

    Parameters
    ----------
    paths : sequence of Path
        No process is started for none.
    seconds : float
        How long a file may take.

    Raises
    ------
    Problems
        ``SM-IMG-056`` if no process can be started.
    """
    wanted = -(-len(paths) // WORTH_A_PROCESS)
    number = min(wanted, MOST, max(2, os.cpu_count() or 1))
    if not number:
        return []
    idle: SimpleQueue[Reader] = SimpleQueue()

    def read(path: Path) -> Headers | Problem:
        reader = idle.get()
        try:
            return reader.read(path)
        finally:
            idle.put(reader)

    with readers(number, seconds) as made, ThreadPoolExecutor(number, "headers") as pool:
        for reader in made:
            idle.put(reader)
        return list(pool.map(read, paths))


@contextmanager
def readers(number: int, seconds: float) -> Iterator[list[Reader]]:
    """Give some processes that read headers, and end them."""
    made = [Reader(seconds) for _ in range(number)]
    try:
        yield made
    finally:
        for reader in made:
            reader.stop()


class Reader:
    """A process that reads headers, started when it is needed, and again after a file that it did not survive."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._read_before = 0

    def read(self, path: Path) -> Headers | Problem:
        """Return what the fields of view of a file hold, or why it can't be read."""
        for _ in range(2):
            process = self._process = self._process or self._start()
            files_before = self._read_before
            self._read_before += 1
            answer = self._ask(process, path)
            if "headers" in answer:
                return tuple(map(Header.from_dict, answer["headers"]))
            if "problem" in answer:
                code, where, values = answer["problem"]
                return Problem(code, where=where, **values)
            self.stop()
            # It may have been the files before that used up the memory.
            if files_before == 0 or answer["died"] == "reading.slow":
                break
        values = {"seconds": round(self._seconds), "gigabytes": GIGABYTES}
        return Problem("SM-IMG-053", where=str(path), what=say(answer["died"], **values))

    def stop(self) -> None:
        """End the process, whatever it does."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        # One that waits for a disk that does not answer can't be ended.
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)

    def _start(self) -> subprocess.Popen[bytes]:
        places = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "segmake.readers.isolated", str(round(self._seconds))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
            )
        except OSError as error:
            raise Problems([Problem("SM-IMG-056", error=error.strerror)]) from error
        self._process, self._read_before = process, 0
        if not _line(process, time.monotonic() + SECONDS):
            self.stop()
            raise Problems([Problem("SM-IMG-056", error=sys.executable)])
        return process

    def _ask(self, process: subprocess.Popen[bytes], path: Path) -> dict[str, Any]:
        """Return the answer for a file: its headers, its problem, or how the process died."""
        end = time.monotonic() + self._seconds
        try:
            asked = json.dumps([os.getcwd(), str(path)]).encode()
            process.stdin.write(asked + b"\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
        except OSError:
            return {"died": "reading.crashed"}
        if line := _line(process, end):
            answer: dict[str, Any] = json.loads(line)
            return answer
        return {"died": "reading.slow" if time.monotonic() >= end else "reading.crashed"}


def _line(process: subprocess.Popen[bytes], end: float) -> bytes:
    """Return the next line that a process says; nothing if it dies or the time is over."""
    place, found = process.stdout.fileno(), b""  # type: ignore[union-attr]
    poll = select.poll()
    poll.register(place, select.POLLIN)
    while not found.endswith(b"\n"):
        if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
            return b""
        part = os.read(place, 1 << 20)
        if not part:
            return b""
        found += part
    return found


def _serve(seconds: int) -> None:
    """Answer until nobody asks any more."""
    # What libraries print is no answer.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    _limit()
    answers.write(b"ready\n")
    answers.flush()
    for line in sys.stdin.buffer:
        # Should the one who asked be gone, nobody else ends a file that does not end.
        signal.alarm(seconds + 10)
        folder, path = json.loads(line)
        os.chdir(folder)
        answers.write(json.dumps(_answer(Path(path)), default=str).encode() + b"\n")
        answers.flush()
        signal.alarm(0)


def _limit() -> None:
    for what, most in ((resource.RLIMIT_DATA, GIGABYTES << 30), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(what, (most, hard))


def _answer(path: Path) -> dict[str, Any]:
    try:
        return {"headers": [header.as_dict() for header in read_headers(path)]}
    except Problem as problem:
        if problem.code == "SM-RUN-003":
            return {"died": "reading.memory"}
        return {"problem": [problem.code, problem.where, problem.values]}
    except MemoryError:
        return {"died": "reading.memory"}


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
