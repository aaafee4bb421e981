"""What a main process leaves behind for others to see that it is there; they lock nothing, and need not own it."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from segmake.core.files import open_own
from segmake.core.processes import BEAT_SECONDS, Process, read_process, this_process
from segmake.messages import Problem

# Options of a Snakemake that begins no run; short ones may stand together: -np.
_NO_RUN = re.compile(
    r"-[npqF]*n[npqF]*|--dry-?run|--mode|--lint|-v|--version|-h|--help|--unlock|-S|--summary|-l|--list(-rules)?"
    r"|--dag|--rulegraph|--filegraph|--report"
)

# Beside Snakemake's own notes, since nothing is written into the results before a run begins.
_START = Path(".snakemake", "segmake-start.tsv")


def begins_no_run(words: Iterable[str]) -> bool:
    """Whether Snakemake is only asked something, or does the work of a job, by what was typed behind its name."""
    return any(map(_NO_RUN.fullmatch, words))


def note_start(folder: Path) -> None:
    """Note that this process is about to begin a run in a folder: it reads the config and the images first."""
    with suppress(OSError, Problem), open_own(folder / _START, "w") as file:
        file.write(this_process().written())


def starting(folder: Path) -> tuple[Process, bool] | None:
    """Return the process that was about to begin a run in a folder, and whether it is still there; None for none."""
    found = read_mark(folder / _START)
    return found and (found[0], found[0].is_there(found[1]))


def read_mark(path: Path) -> tuple[Process, float] | None:
    """Return the process that a file names, and when it last showed that it is there; None where none is named."""
    with suppress(OSError), path.open(encoding="utf-8", errors="replace") as file:
        process = read_process(file.read(1000))
        return process and (process, os.fstat(file.fileno()).st_mtime)
    return None


def keep_showing(path: Path) -> Callable[[], None]:
    """Have the time of a file show that this process is there, and return what ends that."""
    over = threading.Event()

    def show() -> None:
        while not over.wait(BEAT_SECONDS):
            # Where it can't be written to, the run itself will tell.
            with suppress(OSError):
                os.utime(path)

    threading.Thread(target=show, name="segmake-beat", daemon=True).start()
    return over.set
