"""The tables and the report of the whole run: whether they are as SegMake wrote them, and what users changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from segmake.core.declared_steps import STEPS
from segmake.core.files import refuse_link, write_atomically
from segmake.core.journal import Record, as_record
from segmake.core.output_files import TABLES_OF_RUN
from segmake.runner.records import has_its_size, keep_changed, name_of, record_of, was_changed

NAMES = ("report.html", "images.csv", "cells.csv", "cells.parquet")


def refuse_links(state: Path) -> None:
    """Refuse a link, or what is no file, in the place of a journal.

    Parameters
    ----------
    state : Path
        The state folder of the results.

    Raises
    ------
    Problem
        ``SM-RUN-043``
    """
    for folder in (".", *STEPS, "scripts/*"):
        for path in state.glob(f"{folder}/*.jsonl"):
            refuse_link(path)


def round_of(
    note: Path, results: Path, spreadsheets: Iterable[str], stamp: Callable[[int], Path]
) -> int:
    """Return in which round the files of the run are written: another one once they are not there as they were.

    Parameters
    ----------
    note : Path
        Where `note_files` writes.
    results : Path
        The results folder.
    spreadsheets : iterable of str
        The tables that the config asks for besides (`segmake.core.output_files.tables_of_run`).
    stamp : callable
        From a round to the file that is there once it was written.
    """
    noted = _read(note)
    number = noted.get("round", 0)
    number = number if isinstance(number, int) and number > 0 else 0
    record = as_record(noted.get("outputs")) or {}
    wanted = set(spreadsheets)
    # What lies there under such a name, and was not noted, is somebody's own.
    there = wanted == set(TABLES_OF_RUN).intersection(record) and all(
        has_its_size(results / name, record, results) for name in (*NAMES, *wanted)
    )
    return number + (stamp(number).exists() and not there)


def note_files(note: Path, results: Path, spreadsheets: Iterable[str], number: int) -> None:
    """Write down size and checksum of the files of the run, and in which round they were written.

    Tables that the config asked for before, and does not any more, are removed.
    """
    names = (*NAMES, *spreadsheets)
    for name in _noted_spreadsheets(note).difference(names):
        (results / name).unlink(missing_ok=True)
    outputs = record_of([results / name for name in names], results)
    with write_atomically(note) as part:
        part.write_text(json.dumps({"round": number, "outputs": outputs}), encoding="ascii")


def keep_changed_files(
    note: Path, results: Path, spreadsheets: Iterable[str] = ()
) -> dict[str, str]:
    """Move what a user changed of these files to ``changed``, before Snakemake removes them to have them written.

    So is what a user saved under the name of a table that the config asks for now.

    Returns
    -------
    dict
        Where each of them is now, below the results folder.
    """
    record = as_record(_read(note).get("outputs"))
    stamps = [path.stat().st_mtime for path in (note.parent / "report").glob("*.txt")]
    # Version 0.1.0 noted nothing but when it had written them.
    made = max(stamps) if stamps and record is None else None
    noted = _noted_spreadsheets(note)
    kept = keep_all([results / name for name in (*NAMES, *noted)], record, results, made)
    own = [results / name for name in spreadsheets if name not in noted]
    moved = {path.name: keep_changed(path, results) for path in own if path.is_file()}
    return kept | {name: name_of(place, results) for name, place in moved.items()}


def keep_all(
    paths: list[Path], record: Record | None, results: Path, made: float | None = None
) -> dict[str, str]:
    """Move those of some files that a user changed to ``changed``, and return where each is now."""
    changed = [path for path in paths if was_changed(path, record, results, made)]
    return {
        name_of(path, results): name_of(keep_changed(path, results), results) for path in changed
    }


def _noted_spreadsheets(note: Path) -> set[str]:
    """Return the tables of the run that were written because the config asked for them."""
    return set(TABLES_OF_RUN).intersection(as_record(_read(note).get("outputs")) or {})


def read_record(path: Path) -> Record | None:
    """Return a record that was written to a file of its own; None where there is none, or none that can be read."""
    return as_record(_read(path))


def _read(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError, RecursionError):
        noted = json.loads(path.read_bytes())
        if isinstance(noted, dict):
            return noted
    return {}
