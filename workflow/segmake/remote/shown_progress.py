"""How far a copy is, shown to the user: a line that is rewritten on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TextIO

from segmake.messages import say
from segmake.messages.numbers import duration, number, shown_bytes
from segmake.places.progress import Progress

# Where nothing is rewritten, such as in a file, a line comes so often.
EVERY_SECONDS = 30
REWRITE_SECONDS = 0.2

# Before, a rate says nothing.
RATE_SECONDS = 1


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
    line = _Line(words, stream)
    with line.rewritten() if stream.isatty() else nullcontext():
        yield line.tell
    print(line.done(), file=stream, flush=True)


class _Line:
    """What is said of a copy."""

    def __init__(self, words: str, stream: TextIO) -> None:
        self.words = words
        self.stream = stream
        self.progress: Progress | None = None
        self.lost = False
        self.began = self.said = time.monotonic()
        self.pause: float = EVERY_SECONDS
        self.say: Callable[[str], None] = lambda text: print(text, file=stream, flush=True)

    def tell(self, progress: Progress) -> None:
        """Take note of how far it is, and say so if it is time."""
        self.progress = progress
        if progress.lost != self.lost:
            self.lost = progress.lost
            self.said = -math.inf
        if time.monotonic() - self.said >= self.pause:
            self.said = time.monotonic()
            self.say(self.now())

    @contextmanager
    def rewritten(self) -> Iterator[None]:
        """Say it in one line of the terminal until the block ends, which leaves nothing of it."""
        # Takes a while to load.
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        def text(words: str) -> Text:
            return Text(words, no_wrap=True, overflow="crop")

        # Not by a clock of its own: a password may be asked for while nothing is told.
        with Live(
            text(self.now()),
            console=Console(file=self.stream),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        ) as live:
            self.pause = REWRITE_SECONDS
            self.say = lambda words: live.update(text(words), refresh=True)
            yield

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
