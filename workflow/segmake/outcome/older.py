"""How far a run is that an earlier version of SegMake planned: without an overview, all is read each time."""

from __future__ import annotations

from segmake.core.journal import Entry, Journal
from segmake.outcome.tally import Seen, Tally
from segmake.plan.overview import overview_of
from segmake.plan.plan import Plan
from segmake.plan.result_paths import ResultPaths
from segmake.plan.written_plan import read_plan
from segmake.runner.pipeline import Task


def tally_of_plan(folders: ResultPaths) -> Tally | None:
    """Return how far the last run of a results folder is, by its plan; None where that can't be read."""
    try:
        plan = read_plan(folders.plan, folders.results)
    # A plan of another version of SegMake may lack what this one looks for.
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return _counted(plan)


def _counted(plan: Plan) -> Tally:
    seen: dict[str, Seen] = {}
    works = []
    for work in overview_of(plan).works:
        if work.is_script:
            continue
        finished = Journal(plan.folders.journal(work.step, work.batch)).finished()
        tasks = plan.batches[work.batch].tasks[work.step]
        entries = [(task, finished.get(task.image)) for task in tasks]
        failures = {
            task.image: _why(entry) for task, entry in entries if _is(entry, task, "failed")
        }
        done = sum(_is(entry, task, "done") for task, entry in entries)
        seen[work.journal] = Seen(failures=failures)
        works.append(work._replace(to_do=work.total - done))
    return Tally(overview_of(plan)._replace(works=tuple(works), scripts={}), seen)


def _is(entry: Entry | None, task: Task, event: str) -> bool:
    return entry is not None and (entry.event, entry.key) == (event, task.key)


def _why(entry: Entry | None) -> list[object]:
    details = entry.details if entry else {}
    return [details.get("code", ""), details.get("where", ""), details.get("values", {})]
