"""How far a copy is, shown to the user: a line that is rewritten on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TextIO

from segmake.messages import say
from segmake.messages.numbers import duration, number, shown_bytes
from segmake.places.progress import Progress

# Where nothing is rewritten, such as in a file, a line comes so often.
EVERY_SECONDS = 30
REWRITE_SECONDS = 0.2

# Before, a rate says nothing.
RATE_SECONDS = 1

# What shows a copy of which it is given the words, such as `shown`.
Showing = Callable[[str], AbstractContextManager[Callable[[Progress], None]]]


@contextmanager
def shown(words: str, stream: TextIO | None = None) -> Iterator[Callable[[Progress], None]]:
    """Show how far a copy is; give what `segmake.places.copying.copy` is to tell.

    At the end, one line says what was done; if the block raises, none does.

    Parameters
    ----------
    words : str
        What is copied, such as "Sending the images", in the user's language.
    stream : file
        Where to show it (default: standard error).
    """
    stream = stream or sys.stderr

    def write(text: str) -> None:
        print(text, file=stream, flush=True)

    line = _Line(words, write, EVERY_SECONDS)
    with _rewritten(line, stream) if stream.isatty() else nullcontext():
        yield line.tell
    write(line.done())


def telling(now: Callable[[str, float | None], None], done: Callable[[str], None]) -> Showing:
    """Return what shows a copy elsewhere than on a terminal, such as in a page.

    Parameters
    ----------
    now : callable
        Is told several times a second how far it is: in words, and which part of the bytes is there, if that is known.
    done : callable
        Is told at the end what was done.
    """

    @contextmanager
    def showing(words: str) -> Iterator[Callable[[Progress], None]]:
        line = _Line(words, lambda text: now(text, line.part), REWRITE_SECONDS)
        now(line.now(), None)
        yield line.tell
        done(line.done())

    return showing


@contextmanager
def _rewritten(line: _Line, stream: TextIO) -> Iterator[None]:
    """Say it in one line of the terminal until the block ends, which leaves nothing of it."""
    # Takes a while to load.
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    def text(words: str) -> Text:
        return Text(words, no_wrap=True, overflow="crop")

    # Not by a clock of its own: a password may be asked for while nothing is told.
    with Live(
        text(line.now()),
        console=Console(file=stream),
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as live:
        line.pause = REWRITE_SECONDS
        line.say = lambda words: live.update(text(words), refresh=True)
        yield


class _Line:
    """What is said of a copy, at most once in so many seconds."""

    def __init__(self, words: str, say: Callable[[str], None], pause: float) -> None:
        self.words = words
        self.say = say
        self.pause = pause
        self.progress: Progress | None = None
        self.lost = False
        self.began = self.said = time.monotonic()

    def tell(self, progress: Progress) -> None:
        """Take note of how far it is, and say so if it is time."""
        self.progress = progress
        if progress.lost != self.lost:
            self.lost = progress.lost
            self.said = -math.inf
        if time.monotonic() - self.said >= self.pause:
            self.said = time.monotonic()
            self.say(self.now())

    @property
    def part(self) -> float | None:
        """Which part of the bytes is there, from 0 to 1; None while that is not known."""
        known = self.progress
        if known is None or known.lost or not known.all_bytes:
            return None
        return min(1.0, known.bytes / known.all_bytes)

    def now(self) -> str:
        """Return how far it is."""
        known = self.progress
        if known and known.lost:
            return say("progress.copy_lost", words=self.words)
        if known is None or not known.all_files:
            return say("progress.copy_looking", words=self.words)
        text = say(
            "progress.copy",
            words=self.words,
            files=number(known.files),
            all_files=number(known.all_files),
            bytes=shown_bytes(known.bytes),
            all_bytes=shown_bytes(known.all_bytes),
        )
        if time.monotonic() - known.began > RATE_SECONDS and known.sent:
            text += say("progress.copy_rate", rate=shown_bytes(round(float(f"{known.rate:.2g}"))))
            if left := known.seconds_left:
                text += say("progress.copy_left", time=duration(max(1, round(left))))
        return text

    def done(self) -> str:
        """Return what was done."""
        known = self.progress
        if known is None or not known.files:
            return say("progress.copy_nothing", words=self.words)
        return say(
            "progress.copy_done",
            words=self.words,
            files=number(known.files),
            bytes=shown_bytes(known.sent),
            time=duration(time.monotonic() - self.began),
        )
