"""What is told of an error that nobody expected."""

from __future__ import annotations

import traceback
from contextlib import suppress

from segmake.core.caches import own_cache_folder
from segmake.core.files import append_line, error_line, readable
from segmake.messages import Problem


def unexpected(error: Exception) -> Problem:
    """Return what is told of an error that nobody expected; whoever has to find out reads the log."""
    log = own_cache_folder() / "page" / "errors.log"
    with suppress(OSError):
        append_line(log, traceback.format_exc(), lasting=False)
    return Problem("SM-PAG-011", error=readable(error_line(error)), log=log)
