"""Which runs came to an end: in one that did not, whatever was being worked on was killed with the whole of it."""

from __future__ import annotations

import socket
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segmake.core.journal import Entry
from segmake.core.json_lines import add_line, read_lines

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Origin:
    """The run that a process works for, as its journals note it.

    Attributes
    ----------
    run : str
        The run's name; empty where it has none.
    ended : collection of str
        The names of the runs before it that ended in order, whatever became of their images.
    """

    run: str = ""
    ended: Collection[str] = ()

    def describe(self) -> dict[str, str]:
        """Return what to note when work on an image begins."""
        return {"run": self.run, "host": socket.gethostname(), "boot": _boot()} if self.run else {}

    def is_fault(self, started: Entry) -> bool:
        """Whether an attempt that has no end counts against its image.

        The power failed, or somebody killed everything, if the whole run has no end, or the computer was started anew
        since. That is no image's fault; but where it happens again to one that had the job to itself, nobody can tell.
        """
        noted = started.details
        if noted.get("suspect"):
            return True
        if noted.get("run", "") != self.run:
            return noted.get("run") in self.ended
        here = self.describe()
        return noted.get("host") != here.get("host") or noted.get("boot") == here.get("boot")


def note_begin(path: Path, run: str) -> None:
    """Write down that a run begins."""
    _note(path, {"run": run, "event": "began"})


def note_end(path: Path, run: str) -> None:
    """Write down that a run ended in order: done, failed, or stopped by its user."""
    _note(path, {"run": run, "event": "ended"})


def ended_runs(path: Path) -> set[str]:
    """Return the names of the runs that ended in order; of a file that can't be read, none."""
    noted = read_lines(path)
    return {str(line["run"]) for line in noted if line.get("event") == "ended" and "run" in line}


def _note(path: Path, line: dict[str, Any]) -> None:
    add_line(path, {**line, "time": time.time()})


def _boot() -> str:
    """Return what is another whenever the computer was started; empty where the system does not tell."""
    with suppress(OSError):
        return _BOOT.read_text(encoding="ascii").strip()
    return ""
