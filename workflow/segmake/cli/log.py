"""What a command says: on the screen, and in the log of its job."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from segmake.core.files import open_own


class Log:
    """A log, or none; one that can't be written is no reason to end what it tells of."""

    def __init__(self, path: Path | None) -> None:
        self._file: IO[str] | None = None
        if path is not None:
            with suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                # Line by line, so that closing it has nothing left to write.
                self._file = open_own(path, "a", buffering=1, errors="backslashreplace")

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._file:
            with suppress(OSError):
                self._file.close()

    def write(self, text: str) -> None:
        """Add text."""
        if self._file:
            with suppress(OSError):
                self._file.write(text)
                self._file.flush()


def speaker(log: Log) -> tuple[Callable[[str], None], Callable[[str], None]]:
    """Return what says a line on the screen and in the log, and what says one in the log alone."""

    def detail(text: str) -> None:
        log.write(text + "\n")

    def tell(text: str) -> None:
        # A terminal that can't show a character gets its number, not a crash; a line is written in one piece,
        # since other jobs write to the same terminal.
        encoding = sys.stderr.encoding or "utf-8"
        with suppress(OSError):
            sys.stderr.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
            sys.stderr.flush()
        detail(text)

    return tell, detail
