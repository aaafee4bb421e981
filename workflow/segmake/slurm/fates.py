"""Every fate of a job: what Slurm says when it refuses one, why one waits, and how one ended.

The rows are in ``fates.toml``, with the words by which each is known, what it says and what to do; the tests and
``docs/reference/slurm-jobs*.md`` are made of them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from segmake.messages import language

FILE = Path(__file__).with_suffix(".toml")

Moment = Literal["sending", "waiting", "ended"]


@dataclass(frozen=True)
class Fate:
    """A row of the table.

    Attributes
    ----------
    name : str
        Of one moment, each has another.
    moment : {"sending", "waiting", "ended"}
        Whether it is a refusal of sbatch, the reason of a job in the queue, or the end of a job.
    counts : bool
        Whether it uses up an attempt of a batch.
    passes : bool
        Of a refusal or a reason: whether it ends without anybody's doing, so that SegMake waits and goes on.
    grows : {"", "memory", "time"}
        What is asked more of in the next attempt.
    """

    name: str
    moment: Moment
    counts: bool
    passes: bool = False
    grows: Literal["", "memory", "time"] = ""
    _texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False, compare=False)
    _row: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def stops(self) -> bool:
        """Whether it is a refusal that the same job would hear again, so that none like it is sent any more."""
        return self.moment == "sending" and not self.passes

    def says(self, **values: object) -> str:
        """Return what it means, in the user's language and without a full stop."""
        return self.text("says").format_map(values)

    def remedy(self, **values: object) -> str:
        """Return what to do about it; ``jobs`` are the numbers of the jobs, which ``waiting`` names."""
        return self.text("remedy").format_map(values)

    def text(self, part: str, words: str = "") -> str:
        """Return a text as it is written in a language: the user's, if none is given."""
        return self._texts[part][words or language()]

    @property
    def examples(self) -> tuple[str, ...]:
        """Words of Slurm's by which it is known."""
        return self._row["examples"]

    @property
    def states(self) -> tuple[str, ...]:
        """Slurm's words for a job that ended in this way."""
        return self._row["states"]

    def is_in(self, words: str, *, at_once: bool = False) -> bool:
        """Whether it is known by these words, from their beginning if it has to be `at_once`."""
        find = re.match if at_once else re.search
        return any(find(pattern, words, re.IGNORECASE) for pattern in self._row["words"])

    def has_exit(self, code: str) -> bool:
        """Whether it is known by the exit code of a job, such as ``0:53``."""
        return any(re.fullmatch(pattern, code) for pattern in self._row["exits"])

    def yields_to(self, other: Fate) -> bool:
        """Whether the other says the same more exactly, where Slurm's words tell of both."""
        return other.name in self._row["unless"]


@cache
def fates(moment: Moment) -> dict[str, Fate]:
    """Return the fates of a moment by name."""
    table = tomllib.loads(FILE.read_text(encoding="utf-8"))[moment]
    lists = ("words", "states", "exits", "unless", "examples")
    return {
        name: Fate(
            name=name,
            moment=moment,
            counts=row["counts"],
            passes=row.get("passes", False),
            grows=row.get("grows", ""),
            _texts={part: row[part] for part in ("says", "remedy")},
            _row={key: tuple(row.get(key, ())) for key in lists},
        )
        for name, row in table.items()
    }


def refused(words: str, *, accepted_before: bool = False) -> Fate:
    """Return what a refusal of sbatch is.

    Parameters
    ----------
    words : str
        All that sbatch wrote. The last line that is known decides; what sbatch tried again is none of it.
    accepted_before : bool
        Whether Slurm took a job of the same kind in this run. An older Slurm says the same words where a limit on the
        number of jobs is reached, which passes, and where one job asks for too much, which does not.
    """
    table = fates("sending")
    # Words that were written into one line count as well.
    *before, last = re.split(r"\n|(?<=.)(?=sbatch: error: )", words.strip())
    lines = [last, *(line for line in reversed(before) if "retrying" not in line)]
    told = [fate for line in lines if (fate := _known(table, line))]
    if not told:
        return table["refused"]
    found = next((other for other in told if told[0].yields_to(other)), told[0])
    if found.name == "policy" and accepted_before:
        return table["submit_limit"]
    return found


def waits(reason: str) -> Fate | None:
    """Return why a job waits, from Slurm's reason; None where it gives none, or one that is not known."""
    # Some versions write _ for the spaces between words.
    plain = reason.strip().strip("()").replace("_", " ")
    return next(
        (fate for fate in fates("waiting").values() if fate.is_in(plain, at_once=True)), None
    )


def ended(state: str, log: str = "", exit_code: str = "", reason: str = "") -> Fate:
    """Return how a job ended.

    Parameters
    ----------
    state : str
        Slurm's word, such as ``TIMEOUT`` or ``CANCELLED by 1000``, or ``FORGOTTEN``.
    log : str
        Slurm's own log of the job, or the end of it.
    exit_code : str
        As sacct writes it: code and signal, ``127:0``.
    reason : str
        Slurm's reason, as squeue gives it for a job that has just ended.
    """
    table = fates("ended")
    word = (state.split() or [""])[0].rstrip("+")
    by_state = next((fate for fate in table.values() if word in fate.states), table["failed"])
    if by_state.name != "failed":
        return by_state
    # A job one of whose steps was killed for memory only counts as failed.
    if table["memory"].is_in(log):
        return table["memory"]
    launch = table["launch"]
    if launch.has_exit(exit_code) or launch.is_in(log) or launch.is_in(reason, at_once=True):
        return launch
    return by_state


def all_fates() -> Iterator[Fate]:
    """Yield every row of the table."""
    moments: tuple[Moment, ...] = ("sending", "waiting", "ended")
    for moment in moments:
        yield from fates(moment).values()


def _known(table: Mapping[str, Fate], line: str) -> Fate | None:
    return next((fate for fate in table.values() if fate.is_in(line)), None)
