"""Looks at files in processes of their own: one that crashes a library, never ends or eats memory stops nothing else.

``python -m segmake.formats.isolated`` is such a process: each line that it takes is a folder and some questions, as
JSON, each the path of a file from there and what else belongs to it. Each line that it answers is what the next of
these files hold: null for one that holds the same as the file before.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib.machinery import PathFinder
from itertools import chain
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from segmake.core import installation
from segmake.formats import read_headers
from segmake.formats.believed import Header, header_of_text, text_of_header
from segmake.messages import Problem, Problems, say

# A header is read in milliseconds; on a slow disk, that of a file with very many pages takes a while.
SECONDS = 120
# The headers of large movies take a few hundred megabytes.
GIGABYTES = 4
# More would wait for the disk, or take the processors of a login node from others.
MOST = 4
# Starting a process takes as long as reading so many small files.
WORTH_A_PROCESS = 250
# Files that a process is asked for at once; as bytes, what a pipe holds.
_PIECE, _MOST_ASKED = 64, 32_768
# Their answers it says together, but those that it has after so many seconds: to be heard takes time, too.
_TOGETHER_S = 0.05
# What tells a process to say each answer before it goes on.
_ONE_BY_ONE = "one by one"

Headers = tuple[Header, ...]
# The path of a file; of one that may be made from an image also that image, and the words in its name that say so.
Question = tuple[str, ...]


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
    return list(map(_headers, _answers([(str(path),) for path in paths], seconds)))


def kinds_of(suspects: Sequence[tuple[Path, Path, Iterable[str]]]) -> list[str]:
    """Return what files hold that may be made from images beside them; empty for an image, or what can't be read.

    Parameters
    ----------
    suspects : sequence of tuple
        The file, the image, and the words in the file's name that say so; see `segmake.formats.made.kind_of`.
    """
    asked = [(str(path), str(image), *sorted(words)) for path, image, words in suspects]
    # Whatever is wrong with one is told when it is read as an image.
    return [str(answer.get("kind", "")) for answer in _answers(asked, SECONDS)]


def _answers(questions: Sequence[Question], seconds: float) -> list[dict[str, Any]]:
    number = min(-(-len(questions) // WORTH_A_PROCESS), MOST, max(2, os.cpu_count() or 1))
    if not number:
        return []
    pieces = [questions[start : start + _PIECE] for start in range(0, len(questions), _PIECE)]
    idle: SimpleQueue[Reader] = SimpleQueue()

    def ask(piece: Sequence[Question]) -> list[dict[str, Any]]:
        reader = idle.get()
        try:
            return reader.ask(piece)
        finally:
            idle.put(reader)

    with readers(number, seconds) as made, ThreadPoolExecutor(number, "readers") as pool:
        for reader in made:
            idle.put(reader)
        return list(chain.from_iterable(pool.map(ask, pieces)))


def _headers(answer: dict[str, Any]) -> Headers | Problem:
    if "headers" in answer:
        return tuple(map(header_of_text, answer["headers"]))
    code, where, values = answer["problem"]
    return Problem(code, where=where, **values)


@contextmanager
def readers(number: int, seconds: float) -> Iterator[list[Reader]]:
    """Give some processes that look at files, and end them."""
    made = [Reader(seconds) for _ in range(number)]
    try:
        yield made
    finally:
        for reader in made:
            reader.stop()


class Reader:
    """A process that looks at files, started when it is needed, and again after a file that it did not survive.

    Parameters
    ----------
    seconds : float
        How long a file may take.
    module : str
        What the process runs: a module that calls `serve`.
    """

    def __init__(self, seconds: float, module: str = "segmake.formats.isolated") -> None:
        self._seconds = seconds
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None
        self._number = 0
        # Once a process has died, each answer is waited for, so that it is known which file the next one dies of.
        self._one_by_one = False
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        self._last: dict[str, Any] = {}

    def read(self, paths: Sequence[Path]) -> list[Headers | Problem]:
        """Return what the fields of view of each file hold, or why it can't be read."""
        return list(map(_headers, self.ask([(str(path),) for path in paths])))

    def ask(self, questions: Sequence[Question]) -> list[dict[str, Any]]:
        """Return the answer to each question: the ``headers`` or the ``kind`` of a file, or its ``problem``."""
        found: list[dict[str, Any]] = []
        while len(found) < len(questions):
            found += self._ask_some(questions[len(found) :])
        return found

    def _ask_some(self, questions: Sequence[Question]) -> list[dict[str, Any]]:
        """Return the answers to the first questions, up to one that the process does not survive."""
        process = self._process = self._process or self._start()
        number = len(questions)
        while (
            len(asked := _line_of([os.getcwd(), questions[:number]])) > _MOST_ASKED and number > 1
        ):
            number //= 2
        # If it has died meanwhile, it does not answer.
        with suppress(OSError):
            process.stdin.write(asked)  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
        found: list[dict[str, Any]] = []
        while len(found) < number:
            for answer in self._answers():
                if "died" in answer:
                    return found + self._ended(questions[len(found)], answer["died"])
                self._number += 1
                found.append(answer)
        return found

    def _ended(self, question: Question, died: str) -> list[dict[str, Any]]:
        """End a process that did not survive a file; return the answer to that, if it is known that it was this one."""
        self.stop()
        # Else it may have been the files before that used up the memory: it is tried once more, alone.
        alone = self._number == 0 or died == "reading.slow"
        known = self._one_by_one and alone
        self._one_by_one = True
        return [self._problem(question[0], died)] if known else []

    def _problem(self, path: str, died: str) -> dict[str, Any]:
        values = {"seconds": round(self._seconds), "gigabytes": GIGABYTES}
        return {"problem": ["SM-IMG-053", path, {"what": say(died, **values)}]}

    def stop(self) -> None:
        """End the process, whatever it does."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        # What it says is closed by who hears it.
        with suppress(OSError):
            process.stdin.close()  # type: ignore[union-attr]
        # One that waits for a disk that does not answer can't be ended.
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)

    def _start(self) -> subprocess.Popen[bytes]:
        if PathFinder.find_spec("numpy") is None:
            # A process would end at once, and could not say why.
            raise ModuleNotFoundError("numpy", name="numpy")
        places = [str(installation.PACKAGE.parent), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}
        how = [_ONE_BY_ONE] if self._one_by_one else []
        try:
            process = subprocess.Popen(
                # -P: a file of the user's called like a module of Python (resource.py) is none.
                [sys.executable, "-P", "-m", self._module, str(round(self._seconds)), *how],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
            )
        except OSError as error:
            raise Problems([Problem("SM-IMG-056", error=error.strerror)]) from error
        self._process, self._number, self._lines = process, 0, SimpleQueue()
        self._last = {}
        # Windows waits for no pipe, so a thread does.
        Thread(target=_hear, args=(process, self._lines), daemon=True).start()
        if not self._line(time.monotonic() + SECONDS):
            self.stop()
            raise Problems([Problem("SM-IMG-056", error=sys.executable)])
        return process

    def _answers(self) -> list[dict[str, Any]]:
        """Return the next answers, or how the process died."""
        end = time.monotonic() + self._seconds
        line = self._line(end)
        if not line:
            return [{"died": "reading.slow" if time.monotonic() >= end else "reading.crashed"}]
        found = []
        for answer in json.loads(line):
            self._last = answer or self._last
            found.append(self._last)
        return found

    def _line(self, end: float) -> bytes:
        """Return the next line that the process says; nothing if it dies or the time is over."""
        with suppress(Empty):
            return self._lines.get(timeout=max(0.0, end - time.monotonic()))
        return b""


def _hear(process: subprocess.Popen[bytes], lines: SimpleQueue[bytes]) -> None:
    """Pass on each line that a process says, and nothing at its end."""
    with process.stdout as said:  # type: ignore[union-attr]
        for line in said:
            # The last one, of a process that was killed, may be half.
            lines.put(line if line.endswith(b"\n") else b"")
    lines.put(b"")


def serve(words: Sequence[str], answer_to: Callable[..., dict[str, Any]]) -> None:
    """Answer questions until nobody asks any more.

    Parameters
    ----------
    words : sequence of str
        What a `Reader` has told the process: how many seconds a file may take, and whether answers are said one by one.
    answer_to : callable
        From the words of a question to its answer. What it raises of a file, or for want of memory, is an answer, too.
    """
    seconds, one_by_one = int(words[0]), _ONE_BY_ONE in words
    # What libraries print is no answer.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    _limit()
    answers.write(b"ready\n")
    answers.flush()
    last: dict[str, Any] = {}
    for line in sys.stdin.buffer:
        folder, questions = json.loads(line)
        os.chdir(folder)
        told: list[dict[str, Any] | None] = []
        since = time.monotonic()
        for number, question in enumerate(questions, start=1):
            # Should the one who asked be gone, nobody else ends a file that does not end.
            _alarm(seconds + 10)
            answer = _told(answer_to, question)
            told.append(None if answer == last else answer)
            last = answer
            late = one_by_one or time.monotonic() - since > _TOGETHER_S
            if late or number == len(questions):
                answers.write(_line_of(told))
                answers.flush()
                told, since = [], time.monotonic()
        _alarm(0)


def _line_of(values: Any) -> bytes:
    return json.dumps(values, default=str).encode() + b"\n"


def _alarm(seconds: int) -> None:
    # Windows has none.
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)


def _limit() -> None:
    """Limit the memory of this process, where that can be: not on Windows."""
    try:
        import resource
    except ModuleNotFoundError:
        return
    for what, most in ((resource.RLIMIT_DATA, GIGABYTES << 30), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(what, (most, hard))


def _told(answer_to: Callable[..., dict[str, Any]], question: Iterable[str]) -> dict[str, Any]:
    try:
        return answer_to(*question)
    except Problem as problem:
        if problem.code == "SM-RUN-003":
            return {"died": "reading.memory"}
        return {"problem": [problem.code, problem.where, problem.values]}
    except MemoryError:
        return {"died": "reading.memory"}


def _answer(path: str, image: str = "", *words: str) -> dict[str, Any]:
    if image:
        # The process that asks has no need of numpy.
        from segmake.formats.made import kind_of

        return {"kind": kind_of(Path(path), Path(image), words)}
    return {"headers": list(map(text_of_header, read_headers(Path(path))))}


if __name__ == "__main__":
    serve(sys.argv[1:], _answer)
