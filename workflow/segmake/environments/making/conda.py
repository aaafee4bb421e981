"""The making of environments, by conda or by uv: where, one run at a time, what is said meanwhile, and what went wrong.

Snakemake has conda make them: `segmake.adapter.conda_environments` has it do so as this module says.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import psutil

from segmake.core.disk import disk_problem
from segmake.core.files import alone, readable
from segmake.environments.wanted import git_packages
from segmake.messages import Problem, say
from segmake.messages.numbers import duration

# Where Snakemake makes environments if it is not told where.
DEFAULT_PLACE = ".snakemake/conda"

# So long may a conda on a slow file system take to say its version.
PATIENCE_SECONDS = 60

# So many lines of what conda or pip said are shown.
LAST_WORDS = 4

# What Snakemake and conda write into their shell commands as it is, or between quotes.
_UNFIT = "'\"$`\\:\n"

# What conda, pip and uv say, and what it means; the first that fits counts, since a pip without a network ends with
# "no matching distribution".
_CAUSES = {
    "SM-ENV-004": r"No space left on device|NoSpaceLeftError|[Dd]isk quota exceeded",
    "SM-ENV-003": (
        r"NewConnectionError|ConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|HTTPError|CONNECTION FAILED"
        r"|[Nn]ame resolution|Name or service not known|Could not (resolve host|connect to server)"
        r"|Network is unreachable|error sending request|dns error|Failed to (fetch|download)|tcp connect error"
    ),
    "SM-ENV-006": r"Permission denied|Read-only file system|NotWritableError|NoWritable\w+Error",
    "SM-ENV-005": (
        r"No matching distribution|ResolutionImpossible|PackagesNotFoundError|ResolvePackageNotFound"
        r"|Unsatisfiable|nothing provides|No candidates were found|No solution found|not found in the package registry"
    ),
}
_TELLING = re.compile(
    r"error|cannot|could not|no space|quota|nothing provides|no version of|not found in",
    re.IGNORECASE,
)
_NOT_TELLING = re.compile(r"^\s*(File \"|Traceback|\^)|Pip failed|^WARNING: Retrying")


def check_place(prefix: Path | None) -> None:
    """Refuse a folder in which no environment can be made or used.

    Parameters
    ----------
    prefix : Path or None
        What ``SNAKEMAKE_CONDA_PREFIX`` or ``--conda-prefix`` says; None for Snakemake's own place.

    Raises
    ------
    Problem
        If its name has a character that conda can't take, or it is not there and can't be made.
    """
    place = Path(prefix or DEFAULT_PLACE).absolute()
    if any(character in str(place) for character in _UNFIT):
        raise Problem("SM-ENV-007", path=readable(str(place)))
    there = next(folder for folder in (place, *place.parents) if folder.exists())
    if there != place and not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        raise Problem("SM-ENV-009", path=readable(str(place)))


def make_once(name: str, place: Path, work: Callable[[], Any], is_made: Callable[[], bool]) -> None:
    """Make an environment, unless another run makes it at this moment; the user is told.

    Parameters
    ----------
    name : str
    place : Path
        Its folder.
    work : callable
        Makes it; what an earlier attempt has left there is its to remove.
    is_made : callable
        Whether it is there, whole.

    Raises
    ------
    Problem
        ``SM-ENV-002`` to ``SM-ENV-006`` if it can't be made, ``SM-ENV-008`` if it is unfinished and can't be removed.
    SystemExit
        If the user stops it.
    """
    began = time.monotonic()
    try:
        with alone(place.parent, "environments.waiting"):
            if is_made():
                return
            print(say("environments.making", name=name, path=place), file=sys.stderr, flush=True)
            _end_remains(place)
            with _ended_together():
                work()
    except KeyboardInterrupt:
        print("\n" + say("environments.stopped", name=name), file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    except OSError as error:
        raise _explain(error, name, place) from None
    if not is_made():
        raise Problem("SM-ENV-008", where=str(place), environment=name, path=place)
    print(
        say("environments.made", name=name, time=duration(time.monotonic() - began)),
        file=sys.stderr,
    )


@contextmanager
def _ended_together() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end this process together with all that it started."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        _kill(psutil.Process().children(recursive=True))
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_remains(place: Path) -> None:
    """End what is left of a run that was killed: a conda, pip or uv that still writes into an environment."""
    remains = []
    own = {process.pid for process in (psutil.Process(), *psutil.Process().parents())}
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid not in own and any(str(place) in word for word in process.cmdline()):
                remains.append(process)
    _kill(remains)


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=PATIENCE_SECONDS)


class Failed(OSError):
    """What a program that makes an environment said when it failed."""


def _explain(error: OSError, name: str, place: Path) -> Problem:
    """Return what kept an environment from being made, with the last words of conda, pip or uv."""
    output = str(error)
    found = [code for code, words in _CAUSES.items() if re.search(words, output)]
    if not found and (failure := git_packages.failure(output)):
        return Problem(failure.code, where=str(place), **failure.values)
    # A full disk, or one to read, has a message here that knows of conda's own folders.
    if not found and (failing := disk_problem(error, place)):
        return failing
    said = "\n".join(f"    | {line}" for line in _last_words(output))
    return Problem(
        found[0] if found else "SM-ENV-002", where=str(place), environment=name, said=said
    )


def _last_words(output: str) -> list[str]:
    """Return the lines of an output that say what went wrong, else its last ones."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    lines = [line for line in lines if not _NOT_TELLING.search(line)]
    telling = [line for line in lines if _TELLING.search(line)]
    return list(dict.fromkeys(telling or lines))[-LAST_WORDS:]
