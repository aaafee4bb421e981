"""What the cluster is like now, kept for some seconds: many windows that ask ask Slurm no more often than one.

One of them asks; the others get what is kept, or wait for it. What the user may have changes seldom, and is asked for
every ten minutes.
"""

from __future__ import annotations

import json
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from segmake.core.caches import own_cache
from segmake.core.files import lock_file, open_own, write_atomically
from segmake.messages import Problem
from segmake.slurm import commands as slurm
from segmake.slurm import now
from segmake.slurm.commands import SlurmError

# Slurm is asked so often at most, and the accounting database.
KEPT_SECONDS = 15.0
LIMITS_SECONDS = 600.0

# Who does not wait for the one that asks gets what was heard before, if it is no older.
STALE_SECONDS = 120.0

Values = dict[str, Any]


def watched() -> Values:
    """Return what the cluster is like.

    Returns
    -------
    dict
        What `segmake.slurm.now.cluster_now` returned, with ``limits``; ``asked``, when that was (seconds since 1970);
        and ``error``, what Slurm said when it did not answer since, or an empty text.

    Raises
    ------
    Problem
        ``SM-CLU-054`` if there is no Slurm here, ``SM-CLU-001`` if it does not answer and never did.
    """
    if not slurm.is_here():
        raise Problem("SM-CLU-054")
    # Of clusters that share the home, each is another.
    file = own_cache("cluster", socket.gethostname(), os.environ.get("SLURM_CONF", ""))
    known = _read(file)
    if not _is_fresh(known):
        known = _asked_once(file, known)
    if "partitions" not in known:
        raise Problem("SM-CLU-001", error=known["error"])
    return known


def _asked_once(file: Path, known: Values) -> Values:
    """Ask Slurm, unless somebody else does."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open_own(file.with_suffix(".lock"), "a+") as lock:
            try:
                lock_file(lock, wait=False)
            except BlockingIOError:
                if "partitions" in known and time.time() - known["asked"] < STALE_SECONDS:
                    return known
                lock_file(lock, wait=True)
            if _is_fresh(again := _read(file)):
                return again
            known = _ask(again)
            with write_atomically(file, lasting=False) as part:
                part.write_text(json.dumps(known), encoding="ascii")
            return known
    # Where nothing can be kept, each one asks.
    except OSError:
        return _ask(known)


def _ask(known: Values) -> Values:
    """Return what Slurm says now, or what it said last with why it does not."""
    tried = time.time()
    try:
        found = now.cluster_now()
    except SlurmError as error:
        return {**known, "tried": tried, "error": slurm.one_line(error)}
    # The clock may have been put back.
    if not 0 <= tried - known.get("limits_asked", 0.0) < LIMITS_SECONDS:
        known = {"limits": now.limits(), "limits_asked": tried}
    kept = {name: known[name] for name in ("limits", "limits_asked")}
    return {**found, **kept, "asked": tried, "tried": tried, "error": ""}


def _is_fresh(known: Values) -> bool:
    return 0 <= time.time() - known.get("tried", 0.0) < KEPT_SECONDS


def _read(file: Path) -> Values:
    """Return what is kept; nothing if it is none of this version."""
    with suppress(OSError, ValueError):
        read = json.loads(file.read_text(encoding="ascii"))
        if isinstance(read, dict) and isinstance(read.get("tried"), float):
            return read
    return {}
