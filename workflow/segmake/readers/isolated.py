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
from itertools import accumulate, chain
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
# Files that a process is given at once, so that it need not wait for the next; as bytes, what a pipe holds.
_PIECE, _MOST_ASKED = 64, 32_768

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
    number = min(-(-len(paths) // WORTH_A_PROCESS), MOST, max(2, os.cpu_count() or 1))
    if not number:
        return []
    pieces = [paths[start : start + _PIECE] for start in range(0, len(paths), _PIECE)]
    idle: SimpleQueue[Reader] = SimpleQueue()

    def read(piece: Sequence[Path]) -> list[Headers | Problem]:
        reader = idle.get()
        try:
            return reader.read(piece)
        finally:
            idle.put(reader)

    with readers(number, seconds) as made, ThreadPoolExecutor(number, "headers") as pool:
        for reader in made:
            idle.put(reader)
        return list(chain.from_iterable(pool.map(read, pieces)))


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
        self._number = 0
        self._heard = b""

    def read(self, paths: Sequence[Path]) -> list[Headers | Problem]:
        """Return what the fields of view of each file hold, or why it can't be read."""
        found: list[Headers | Problem] = []
        while len(found) < len(paths):
            found += self._read_some(paths[len(found) :])
        return found

    def _read_some(self, paths: Sequence[Path]) -> list[Headers | Problem]:
        """Return what the first files hold, up to one that the process does not survive."""
        process = self._process = self._process or self._start()
        asked = [json.dumps([os.getcwd(), str(path)]).encode() + b"\n" for path in paths]
        sizes = accumulate(map(len, asked))
        number = max(1, sum(size <= _MOST_ASKED for size in sizes))
        # If it has died meanwhile, it does not answer.
        with suppress(OSError):
            process.stdin.write(b"".join(asked[:number]))  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
        found: list[Headers | Problem] = []
        for path in paths[:number]:
            answer = self._answer(process)
            if "died" in answer:
                self.stop()
                # Else it may have been the files before that used up the memory: it is tried once more, alone.
                if self._number == 0 or answer["died"] == "reading.slow":
                    found.append(self._problem(path, answer["died"]))
                break
            self._number += 1
            if "headers" in answer:
                found.append(tuple(map(Header.from_dict, answer["headers"])))
            else:
                code, where, values = answer["problem"]
                found.append(Problem(code, where=where, **values))
        return found

    def _problem(self, path: Path, died: str) -> Problem:
        values = {"seconds": round(self._seconds), "gigabytes": GIGABYTES}
        return Problem("SM-IMG-053", where=str(path), what=say(died, **values))

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
        self._process, self._number, self._heard = process, 0, b""
        if not self._line(process, time.monotonic() + SECONDS):
            self.stop()
            raise Problems([Problem("SM-IMG-056", error=sys.executable)])
        return process

    def _answer(self, process: subprocess.Popen[bytes]) -> dict[str, Any]:
        """Return the next answer: the headers of a file, its problem, or how the process died."""
        end = time.monotonic() + self._seconds
        if line := self._line(process, end):
            answer: dict[str, Any] = json.loads(line)
            return answer
        return {"died": "reading.slow" if time.monotonic() >= end else "reading.crashed"}

    def _line(self, process: subprocess.Popen[bytes], end: float) -> bytes:
        """Return the next line that the process says; nothing if it dies or the time is over."""
        place = process.stdout.fileno()  # type: ignore[union-attr]
        poll = select.poll()
        poll.register(place, select.POLLIN)
        pieces = [self._heard]
        while b"\n" not in pieces[-1]:
            if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
                return b""
            pieces.append(os.read(place, 1 << 20))
            if not pieces[-1]:
                return b""
        line, _, self._heard = b"".join(pieces).partition(b"\n")
        return line


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
