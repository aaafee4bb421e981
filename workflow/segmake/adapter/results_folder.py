"""The results folder when a run begins: taken for it alone, and brought into a state that Snakemake understands."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from segmake.adapter.workflow_object import WorkflowObject
from segmake.core.files import lock_file, open_own, read_lock, write_lock
from segmake.messages import Problem
from segmake.plan.past import past_files
from segmake.plan.plan import Plan
from segmake.plan.result_paths import ResultPaths
from segmake.runner.run_files import NAMES, keep_changed_files, refuse_links
from segmake.runner.run_step import told_of_changed

# The clocks of a cluster's computers, and of the server that dates files, differ by so much at most.
CLOCK_SECONDS = 60.0


def take(folders: ResultPaths) -> IO[str]:
    """Take a results folder for this run alone.

    Parameters
    ----------
    folders : ResultPaths

    Returns
    -------
    file
        The lock; the system lets go of it when this process ends, however it ends.

    Raises
    ------
    Problem
        ``SM-RUN-009`` if another run works there.
    """
    folders.state.mkdir(parents=True, exist_ok=True)
    # Else each job that writes to one would tell, as often as it is tried again.
    refuse_links(folders.state)
    lock = open_own(folders.lock, "a+")
    try:
        lock_file(lock, wait=False)
    except BlockingIOError:
        names = {"results": folders.results, **read_lock(lock)}
        raise Problem("SM-RUN-009", where=str(folders.results), **names) from None
    write_lock(lock)
    return lock


def keep_changed(plan: Plan) -> dict[str, str]:
    """Move what users changed of the tables and the report: Snakemake removes them before it runs a rule.

    Returns
    -------
    dict
        Where each of them is now, below the results folder.
    """
    if plan.summary().exists():
        return {}
    folders = plan.folders
    kept = keep_changed_files(folders.run_files, folders.results, plan.spreadsheets)
    for name, place in kept.items():
        print(told_of_changed(folders.results, name, place), file=sys.stderr)
    return kept


def bring_back_from_future(plan: Plan) -> None:
    """Date files that Snakemake compares with others today, if a clock that was wrong dated them later.

    It refuses a result that is older than what it was made of, for as long as the later date has not come.
    """
    folders = plan.folders
    files = [folders.results / name for name in (*NAMES, *plan.spreadsheets)]
    files += [Path(file) for file in plan.environments.values()]
    places = ("*/*.t*", "report/*", "scripts/*/*.*")
    files += [path for place in places for path in folders.state.glob(place)]
    late = [path for path in files if _is_of_future(path)]
    now = time.time()
    for path in late:
        os.utime(path, (now, now))
    if late:
        where = str(folders.results)
        print(Problem("SM-RUN-020", where=where, number=len(late)), file=sys.stderr)


def forget_past_attempts(plan: Plan, workflow: WorkflowObject) -> None:
    """Remove what attempts that are over have left, with what Snakemake has noted of it."""
    for path in past_files(plan):
        path.unlink(missing_ok=True)
        workflow.forget(path)


def _is_of_future(path: Path) -> bool:
    with suppress(OSError):
        return path.stat().st_mtime > time.time() + CLOCK_SECONDS
    return False
