"""What Snakemake and its executor say on the screen: no more than is news, where the profile asks for quiet."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from snakemake.logging import logger

from segmake.core.disk import disk_problem

# Snakemake's name for what writes its log on the screen.
SCREEN = "DefaultStreamHandler"

# What Snakemake says of a command that ended with a message of its own, and of the run's end: both are said already.
_SAID_BETTER = re.compile(
    r"segmake(_engine)? .*(returned non-zero exit status (1|130|143)\.|died with)"
    r"|At least one job did not|Exiting because a job execution",
    re.DOTALL,
)

# What the executor says of things that are in order, or that were checked already.
_NO_NEWS = re.compile(
    r"No SLURM account given|No account was given|Unable to guess SLURM account|^MinJobAge "
    # The files of SegMake's environments name one channel: there is no priority among channels.
    r"|Your conda installation is not configured to use strict channel priorities"
    r"|You are running snakemake in a SLURM job context"
    r"|--keep-incomplete mode is set"
)


def speak_plainly(*, quiet: bool) -> None:
    """Keep Snakemake's own words about its doings off the screen.

    Its warnings and errors stay, save those about a command that said itself what was wrong. A log of its own that
    can't be written it would tell with a traceback for each line.

    Parameters
    ----------
    quiet : bool
        Whether the profile asks for it.
    """
    logging.raiseExceptions = False
    if not quiet:
        return
    for handler in logger.handlers:
        if handler.name == SCREEN:
            handler.addFilter(is_news)


def is_news(record: logging.LogRecord) -> bool:
    """Return whether a line of Snakemake's log is for the user; one about a disk that fails becomes ours."""
    words = record.getMessage()
    # Of its own files alone: a failed job's log may tell of other disks.
    own = record.levelno >= logging.ERROR and ".snakemake" in words
    if own and (failing := disk_problem(OSError(words), Path(".snakemake"))):
        record.msg, record.args = str(failing), ()
    known = _SAID_BETTER.search(words) or _NO_NEWS.search(words)
    return record.levelno >= logging.WARNING and not known
