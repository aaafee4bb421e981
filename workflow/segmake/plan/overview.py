"""What of a plan whoever looks where its run is has to know: small, whatever the number of images."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from segmake import __version__
from segmake.core.declared_steps import STEPS
from segmake.core.files import write_atomically

if TYPE_CHECKING:
    from segmake.plan.plan import Plan

_FORMAT = 1


class Work(NamedTuple):
    """What a run has to do that is noted in one journal.

    Attributes
    ----------
    batch : str
    step : str
        One of the steps; or the name of a script, of which `is_script` tells.
    is_script : bool
    total : int
        The images of the batch, or its runs of the script.
    to_do : int
        Those of them that this run is to do.
    journal : str
        The journal's path in the folder for the state.
    read : int
        So many bytes of it were there before the run.
    """

    batch: str
    step: str
    is_script: bool
    total: int
    to_do: int
    journal: str
    read: int


class Overview(NamedTuple):
    """What `overview_of` tells of a plan.

    Attributes
    ----------
    run : str
        The run's name.
    started : float
        When it was planned, in seconds since 1970.
    images : int
    config : str
        The whole path of the config.
    command, contact : str
        As in the plan.
    scripts : dict
        How many runs each script has, and how many of them were done before: ``[runs, done]``.
    works : tuple of Work
    """

    run: str
    started: float
    images: int
    config: str
    command: str
    contact: str
    scripts: dict[str, list[int]]
    works: tuple[Work, ...]


def journal_sizes(state: Path) -> dict[str, int]:
    """Return the size of each journal, by its path in the folder for the state."""
    places = [state / step for step in STEPS]
    with suppress(OSError):
        places += sorted((state / "scripts").iterdir())
    sizes = {}
    for place in places:
        for journal in place.glob("*.jsonl"):
            with suppress(OSError):
                sizes[journal.relative_to(state).as_posix()] = journal.stat().st_size
    return sizes


def overview_of(plan: Plan) -> Overview:
    """Return what of a plan is to be known while its run goes on."""
    works = [
        _work(plan, name, step, len(batch.images), plan.pending.get(name, {}).get(step, 0))
        for name, batch in plan.batches.items()
        for step in STEPS
    ]
    works += [
        _work(plan, name, script, len(tasks), len(tasks), is_script=True)
        for script, planned in plan.scripts.items()
        for name, tasks in planned.batches.items()
    ]
    return Overview(
        plan.name,
        plan.started,
        len(plan.images()),
        os.path.abspath(plan.config),
        plan.command,
        plan.contact,
        {name: [each.counts["runs"], each.counts["done"]] for name, each in plan.scripts.items()},
        tuple(works),
    )


def _work(
    plan: Plan, batch: str, step: str, total: int, to_do: int, *, is_script: bool = False
) -> Work:
    journal = f"{'scripts/' if is_script else ''}{step}/{batch}.jsonl"
    return Work(batch, step, is_script, total, to_do, journal, plan.journals.get(journal, 0))


def write_overview(overview: Overview, path: Path) -> None:
    """Write an overview beside the plan."""
    values = {"format": _FORMAT, "segmake": __version__, **overview._asdict()}
    with write_atomically(path) as part:
        part.write_text(json.dumps(values), encoding="ascii")


def read_overview(path: Path) -> Overview | None:
    """Return the overview that `write_overview` wrote; None where there is none, or another version's."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        values: dict[str, Any] = json.loads(path.read_text(encoding="ascii"))
        if values.pop("format") == _FORMAT:
            works = tuple(Work(*work) for work in values["works"])
            return Overview(**{name: values[name] for name in Overview._fields[:-1]}, works=works)
    return None
