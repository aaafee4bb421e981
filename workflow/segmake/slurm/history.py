"""The jobs of all runs of a results folder, from their record (``results/.segmake/jobs.jsonl``)."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from segmake.core.files import write_atomically
from segmake.core.json_lines import read_lines
from segmake.slurm.commands import Job
from segmake.slurm.jobs import Sent

# So many jobs are remembered: those of a hundred runs of two hundred each.
REMEMBERED = 20_000


def all_jobs(path: Path) -> list[Sent]:
    """Return all jobs of a record as they were last seen, in the order in which they were sent."""
    found: dict[tuple[str, str], Sent] = {}
    for line in read_lines(path):
        # Another version of SegMake may have written other things.
        with suppress(KeyError, TypeError):
            sent = Sent(line["run"], Job(**line["job"]), line["cause"])
            # Slurm's numbers begin anew some day.
            found[sent.run, sent.job.id] = sent
    return list(found.values())


def shorten(path: Path) -> None:
    """Leave one line for each job in a record that has several; to be called before a run writes into it.

    A record that can't be written stays as it is.
    """
    lines = list(read_lines(path))
    last: dict[Any, int] = {}
    for number, line in enumerate(lines):
        job = line.get("job")
        own = isinstance(job, dict) and (line.get("run"), job.get("id"))
        last[own or ("held" in line, line.get("run"))] = number
    kept = sorted(last.values())[-REMEMBERED:]
    if len(kept) < len(lines):
        with suppress(OSError), write_atomically(path) as part:
            part.write_text("".join(json.dumps(lines[number]) + "\n" for number in kept))
