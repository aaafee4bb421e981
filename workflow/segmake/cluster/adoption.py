"""Jobs that a lost run left in the queue: the next run takes them over, as far as it wants the same of them.

A run is lost when its main process ends without having cancelled its jobs: killed, its terminal closed, its computer
restarted, its own time on the cluster up. The jobs work on. What they do counts, if the next run asks Snakemake for the
very files that they will write: so it keeps, for their batches, what the lost run planned.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from segmake.core.declared_steps import ON_LABELS, SEGMENT, STEPS
from segmake.engines import needs_gpu
from segmake.plan.plan import Batch, Plan, ScriptPlan
from segmake.slurm.commands import AFTERWARDS, SCRIPT
from segmake.slurm.jobs import Sent

# What a job asks of the cluster, in the section ``cluster`` of the config.
REQUEST = (
    *("partition", "cpu_partition", "account", "qos", "gpu_model", "gpu_request", "constraint"),
    *("memory_gb", "hours", "cpus", "sbatch_options"),
)


# The numbers of jobs by the rules and the batch whose work they do: several where a job does all steps.
Adopted = dict[tuple[str, str], str]


def adopt(plan: Plan, before: Plan, jobs: Iterable[Sent]) -> tuple[Plan, Adopted]:
    """Return a plan that asks for what jobs of a lost run are about to write, and which these jobs are.

    Parameters
    ----------
    plan : Plan
        As it would be without these jobs.
    before : Plan
        Of the lost run.
    jobs : iterable of Sent
        Its jobs that have not ended.
    """
    # One that waits for what is not asked for any more would wait on.
    fitting = [sent for sent in jobs if not sent.job.waits or _asks_the_same(plan, before)]
    places = {_place(sent) for sent in fitting}
    batches = {
        batch
        for rule, batch in places
        if not rule.startswith(SCRIPT) and _wants_the_same(plan, before, batch)
    }
    scripts = {
        name
        for name in plan.scripts
        if any(rule == f"{SCRIPT}{name}" for rule, _ in places)
        and _runs_the_same(plan.scripts[name], before.scripts.get(name))
    }
    kept = {batch: before.batches[batch] for batch in batches}
    small = [
        batch for batch in plan.batches if batch in (before if batch in batches else plan).small
    ]
    plan = replace(
        plan,
        batches={**plan.batches, **kept},
        small=small,
        **_counted_from(plan, before, batches),
        scripts={
            name: replace(before.scripts[name], counts=script.counts) if name in scripts else script
            for name, script in plan.scripts.items()
        },
    )
    adopted = {
        (rule, sent.job.batch): sent.job.id
        for sent in fitting
        if _is_wanted(_place(sent), plan, before, batches, scripts)
        for rule in _rules(sent, before)
    }
    return plan, adopted


def _counted_from(plan: Plan, before: Plan, batches: Collection[str]) -> dict[str, Any]:
    """Return what a plan says of journals: what adopted batches did in the lost run counts as done in this one."""
    pending, journals = dict(plan.pending), dict(plan.journals)
    for batch in before.pending.keys() & set(batches):
        pending[batch] = before.pending[batch]
        for step in STEPS:
            journal = f"{step}/{batch}.jsonl"
            journals[journal] = before.journals.get(journal, 0)
    return {"pending": pending, "journals": journals}


def _asks_the_same(plan: Plan, before: Plan) -> bool:
    """Whether jobs ask the same of the cluster in both plans."""
    asked = []
    for each in (plan, before):
        settings = each.typed
        section = {key: getattr(settings.cluster, key) for key in REQUEST}
        # The run itself puts the name of the default partition there.
        section["partition"] = settings.cluster.partition or before.typed.cluster.partition
        asked.append((section, [script.resources for script in settings.scripts]))
    return asked[0] == asked[1]


def _place(sent: Sent) -> tuple[str, str]:
    return sent.job.rule, sent.job.batch


def _rules(sent: Sent, before: Plan) -> tuple[str, ...]:
    """Return the rules whose work a job does: of a small batch it may be that of all, or of those after the first."""
    rule, batch = _place(sent)
    together = batch in before.small and not needs_gpu(before.typed.segmentation)
    if rule == SEGMENT and together:
        return (*STEPS, AFTERWARDS)
    return (*ON_LABELS, AFTERWARDS) if rule == AFTERWARDS else (rule,)


def _is_wanted(
    place: tuple[str, str],
    plan: Plan,
    before: Plan,
    batches: Collection[str],
    scripts: Collection[str],
) -> bool:
    rule, batch = place
    if rule.startswith(SCRIPT):
        return rule.removeprefix(SCRIPT) in scripts
    return batch in batches if batch else plan.summary() == before.summary()


def _wants_the_same(plan: Plan, before: Plan, batch: str) -> bool:
    """Whether every result of a batch has the same key in both plans."""
    if batch not in plan.batches or batch not in before.batches:
        return False
    return _keys(plan.batches[batch]) == _keys(before.batches[batch])


def _keys(batch: Batch) -> list[list[tuple[str, str]]]:
    return [[(task.image, task.key) for task in batch.tasks[step]] for step in STEPS]


def _runs_the_same(script: ScriptPlan, before: ScriptPlan | None) -> bool:
    """Whether all that is to be run of a script is being run by the lost run's jobs."""
    if before is None:
        return False
    planned = {(task.image, task.key) for tasks in before.batches.values() for task in tasks}
    return planned >= {
        (task.image, task.key) for tasks in script.batches.values() for task in tasks
    }
