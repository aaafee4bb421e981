"""What attempts that are over have left in the results folder, and nobody asks for any more.

Per batch and step there are a journal, an outcome, a benchmark and a log, whatever the number of attempts; of logs the
last few that are over are kept as well, since they may tell what went wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from segmake.core.declared_steps import STEPS
from segmake.plan.plan import Plan

# So many logs of attempts that are over are kept of each step of a batch.
KEPT_LOGS = 3


def past_files(plan: Plan) -> list[Path]:
    """Return outcomes, benchmarks and logs that belong to batches and scripts of a plan, and to other attempts.

    Of a batch that the plan does not have, such as one whose images can't be seen now, everything is kept.
    """
    found: list[Path] = []
    for step in STEPS:
        found += _of_step(plan, step)
    for name in plan.scripts:
        found += _of_script(plan, name)
    return found


def _of_step(plan: Plan, step: str) -> Iterator[Path]:
    folders = plan.folders
    kept = {plan.outcome(step, batch).stem for batch in plan.batches}

    def is_past(path: Path) -> bool:
        return _batch(path) in plan.batches and path.stem not in kept

    for place in (folders.state / step, folders.state / "benchmarks" / step):
        yield from filter(is_past, place.glob("*.tsv"))
    logs: dict[str, list[Path]] = {}
    for path in sorted((folders.results / "logs" / step).glob("*.log"), key=_changed):
        if is_past(path):
            logs.setdefault(_batch(path), []).append(path)
    for of_batch in logs.values():
        yield from of_batch[:-KEPT_LOGS]


def _of_script(plan: Plan, name: str) -> Iterator[Path]:
    kept = {plan.script_batch(name, batch).name for batch in plan.scripts[name].batches}
    kept.add(plan.script_outcome(name).name)
    for path in (plan.folders.state / "scripts" / name).glob("*.*"):
        if path.suffix in (".tsv", ".done") and path.name not in kept:
            yield path


def _batch(path: Path) -> str:
    return path.name.partition(".")[0]


def _changed(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0
