"""What the main process last heard of Slurm, written down for whoever looks where its run is and asks nobody."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from segmake.core.files import write_atomically

if TYPE_CHECKING:
    from segmake.slurm.commands import Job

# What has not changed is written again after so long, so that its age tells whether it is still asked.
AGAIN_SECONDS = 30.0

# Many jobs are sent one after the other: what changes meanwhile is written this often.
AT_MOST_SECONDS = 2.0


class Heard(NamedTuple):
    """What was heard of Slurm.

    Attributes
    ----------
    started : float
        When the run was planned whose jobs these are, in seconds since 1970.
    answered : float or None
        When Slurm last answered; None where it has not been asked yet.
    error : str
        Slurm's words where it did not answer since.
    held : str
        Why it takes no more jobs for now, in its own words; empty where it takes them.
    room : int
        How many it took; 0 where their number is not why.
    jobs : list of dict
        The jobs in its hands, each as `segmake.slurm.commands.Job`.
    """

    started: float
    answered: float | None
    error: str
    held: str
    room: int
    jobs: list[dict[str, Any]]


def beside(jobs: Path) -> Path:
    """Return where it stands, beside the record of the jobs."""
    return jobs.with_name("heard.json")


class Telling:
    """Writes down what was heard, no more often than is of use.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._told: dict[str, Any] = {}
        self._time = -AGAIN_SECONDS

    def is_due(self, *, heard: bool) -> bool:
        """Whether something new may be written by now; what was just `heard` may always be."""
        return heard or time.monotonic() - self._time >= AT_MOST_SECONDS

    def tell(self, heard: Heard, jobs: Iterable[Job]) -> None:
        """Write it down, if it is another thing than before, or that is long ago."""
        news = heard._replace(jobs=[vars(job) for job in jobs])._asdict()
        with self._lock:
            same = {**news, "answered": 0} == {**self._told, "answered": 0}
            if same and time.monotonic() - self._time < AGAIN_SECONDS:
                return
            # A disk that is full fails the jobs themselves, which say so.
            with suppress(OSError), write_atomically(self._path, lasting=False) as part:
                part.write_text(json.dumps(news), encoding="ascii")
            self._told, self._time = news, time.monotonic()


def read_heard(path: Path) -> Heard | None:
    """Return what a main process wrote down; None where there is nothing, or another version's."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        values = json.loads(path.read_text(encoding="ascii"))
        return Heard(**{name: values[name] for name in Heard._fields})
    return None
