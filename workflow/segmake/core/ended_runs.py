"""Which runs came to an end: in one that did not, whatever was being worked on was killed with the whole of it."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from segmake.core.json_lines import add_line, objects, read_lines
from segmake.core.processes import boot, host_name

if TYPE_CHECKING:
    from segmake.core.journal import Entry

# By itself, by its user, or since it goes on as another job.
How = Literal["ended", "stopped", "handed_over"]

# Of a long record, the last runs stand within so many bytes of its end.
_LAST_BYTES = 1 << 16


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
        return {"run": self.run, "host": host_name(), "boot": boot()} if self.run else {}

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


def note_begin(path: Path, run: str, config: str = "") -> None:
    """Write down that a run begins, and what its config is kept under (`segmake.outcome.past_runs`)."""
    _note(path, {"run": run, "event": "began", **({"config": config} if config else {})})


def note_end(path: Path, run: str, how: How = "ended") -> None:
    """Write down that a run ended in order: done, failed, or stopped by its user."""
    _note(path, {"run": run, "event": "ended", "how": how})


def note_failures(path: Path, run: str, number: int) -> None:
    """Write down how many images and runs of scripts failed, once all are done."""
    _note(path, {"run": run, "event": "judged", "failed": number})


def ended_runs(path: Path) -> set[str]:
    """Return the names of the runs that ended in order; of a file that can't be read, none."""
    noted = read_lines(path)
    return {str(line["run"]) for line in noted if line.get("event") == "ended" and "run" in line}


class LastRun(NamedTuple):
    """A run.

    Attributes
    ----------
    name : str
    began : float
        In seconds since 1970.
    ended : float or None
        None where it has not ended in order.
    how : str
        How it ended, as `note_end` was told; empty where it has not.
    failed : int or None
        How many images and runs of scripts failed, as `note_failures` was told; None where it has not come so far.
    config : str
        What its config is kept under; empty where it is not.
    """

    name: str
    began: float
    ended: float | None = None
    how: str = ""
    failed: int | None = None
    config: str = ""


def last_run(path: Path) -> LastRun | None:
    """Return the run that began last; None where none is noted."""
    found = last_runs(path)
    return found[-1] if found else None


def last_runs(path: Path) -> list[LastRun]:
    """Return the runs that began last, in this order; of a long record some hundreds."""
    found: list[LastRun] = []
    for line in _last_lines(path):
        # Another version of SegMake may have written other things.
        with suppress(KeyError, TypeError, ValueError):
            name, moment = str(line["run"]), float(line["time"])
            if line["event"] == "began":
                found.append(LastRun(name, moment, config=str(line.get("config", ""))))
            elif not found or name != found[-1].name:
                continue
            elif line["event"] == "judged":
                found[-1] = found[-1]._replace(failed=int(line["failed"]))
            elif line["event"] == "ended":
                found[-1] = found[-1]._replace(ended=moment, how=str(line.get("how", "ended")))
    return found


def _last_lines(path: Path) -> Iterator[dict[str, Any]]:
    with suppress(OSError), path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_BYTES))
        yield from objects(file)


def _note(path: Path, line: dict[str, Any]) -> None:
    add_line(path, {**line, "time": time.time()})
