"""What a run does with the jobs that a lost run left in the queue; tests/slurm has real ones."""

from __future__ import annotations

import pytest

from segmake.cli import main
from segmake.cluster.adoption import adopt
from segmake.core.declared_steps import STEPS
from segmake.core.journal import Journal
from segmake.images.inventory import write_inventory
from segmake.plan import written_plan
from segmake.plan.make import make_plan
from segmake.plan.written_plan import read_batch, read_outline, read_plan, write_plan
from segmake.slurm.commands import AFTERWARDS, Job
from segmake.slurm.jobs import Sent

SWEEP = {
    "name": "sweep",
    "script": "sweep.py",
    "run": "sweep",
    "sweep": {"seed": {"from": 1, "to": 4}},
    "batch_size": 2,
}


@pytest.fixture
def plan(configure, draw, tmp_path):
    """Plan as a run does; the first plan is that of the run that is lost."""
    for name in ("a", "b", "c", "d"):
        draw(tmp_path / "images" / f"{name}.tif", cells=1)

    def make(**sections):
        config = configure(**({"cluster": {"batch_size": 2}} | sections))
        made, inventory = make_plan(config)
        write_inventory(inventory, made.folders.inventory)
        return made

    return make


def sent(number: int, rule: str, batch: str) -> Sent:
    return Sent("run", Job(str(number), rule, batch, "RUNNING"))


def outcomes(plan, batch):
    return [plan.outcome(step, batch) for step in STEPS]


def test_what_the_jobs_do_counts_also_what_fails(plan):
    write_plan(before := plan())
    task = before.batches["0001"].tasks["segment"][0]
    with Journal(before.folders.journal("segment", "0001")).locked() as journal:
        journal.add(task.image, "failed", task.key, task.attempt, code="SM-RUN-001")
    fresh = plan()
    # Alone, the run would try the image again, and ask for a file that no job is about to write.
    assert outcomes(fresh, "0001") != outcomes(before, "0001")
    left = [sent(7, "segment", "0001"), sent(9, "report", "")]
    adopting, found = adopt(fresh, read_plan(before.folders.plan), left)
    assert outcomes(adopting, "0001") == outcomes(before, "0001")
    assert outcomes(adopting, "0002") == outcomes(fresh, "0002")
    # Of a small batch a job does all steps: whatever is left of them is not sent again.
    steps = {(rule, "0001"): "7" for rule in (*STEPS, AFTERWARDS)}
    assert found == {**steps, ("report", ""): "9"}


def test_jobs_for_other_settings_are_not_wanted(plan):
    write_plan(before := plan())
    other = plan(overlays={"color": "#00ff00"})
    left = [sent(7, "segment", "0001"), sent(8, "segment", "0009")]
    adopting, found = adopt(other, read_plan(before.folders.plan), left)
    assert outcomes(adopting, "0001") == outcomes(other, "0001")
    assert not found


@pytest.mark.parametrize("sections", [{}, {"overlays": {"color": "#00ff00"}}])
def test_a_job_may_begin_while_the_next_run_writes_its_plan(plan, tmp_path, monkeypatch, sections):
    write_plan(before := plan())
    (tmp_path / "images" / "d.tif").unlink()
    after, found = adopt(plan(**sections), before, [sent(7, "segment", "0001")])
    assert bool(found) != bool(sections)
    file, write = after.folders.plan, written_plan._write
    moments = [(read_outline(file), read_batch(file, "0001"))]

    def looked_at(path, values):
        write(path, values)
        moments.append((read_outline(file), read_batch(file, "0001")))

    monkeypatch.setattr(written_plan, "_write", looked_at)
    write_plan(after)
    monkeypatch.undo()
    # A job reads the outline, and then its part: never an older one.
    outlines, parts = ([each.name for each in of] for of in zip(*moments, strict=True))
    assert {*outlines} == {*parts} == {before.name, after.name}
    assert parts.index(after.name) <= outlines.index(after.name)
    # The other way round, it writes what its own run asked for, by what the next one wants.
    for step in STEPS:
        out = moments[0][0].outcome(step, "0001")
        words = [step, "--plan", str(file), "--batch", "0001", "--cpus", "1", "--out", str(out)]
        assert not main(words)
    again = plan(**sections)
    assert {again.states[image] for image in again.batches["0001"].images} == {"done"}
    assert all(path.exists() for path in outcomes(after, "0001"))


def test_runs_of_a_script_keep_their_jobs(plan, tmp_path):
    script = tmp_path / "sweep.py"
    script.write_text("import sys\n")
    scripts = [{**SWEEP, "script": str(script)}]
    write_plan(before := plan(scripts=scripts))
    name = next(iter(before.scripts["sweep"].batches))
    run = before.scripts["sweep"].batches[name][0]
    run.outputs[0].mkdir(parents=True)
    with Journal(before.folders.state / "scripts" / "sweep" / f"{name}.jsonl").locked() as journal:
        journal.add(run.image, "done", run.key, run.attempt)
    fresh = plan(scripts=scripts)
    assert fresh.scripts["sweep"].names != before.scripts["sweep"].names
    left = [sent(7, "step_sweep", "0002")]
    adopting, found = adopt(fresh, read_plan(before.folders.plan), left)
    assert adopting.scripts["sweep"].names == before.scripts["sweep"].names
    assert found == {("step_sweep", "0002"): "7"}
    script.write_text("import os\n")
    changed = plan(scripts=scripts)
    adopting, found = adopt(changed, read_plan(before.folders.plan), left)
    assert adopting.scripts["sweep"].names == changed.scripts["sweep"].names
    assert not found
