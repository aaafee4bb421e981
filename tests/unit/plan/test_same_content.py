"""Files that were touched, or copied without their times: a job looks at them, and nothing is computed again."""

from __future__ import annotations

import json
import os
import time
import warnings

import pytest

from segmake.cli import main
from segmake.core.declared_steps import STEPS
from segmake.core.journal import Journal
from segmake.images.inventory import write_inventory
from segmake.outcome.image_rows import image_rows
from segmake.outcome.timing import Segmented
from segmake.plan.described import describe
from segmake.plan.make import make_plan
from segmake.plan.written_plan import read_plan, write_plan
from segmake.runner.run_step import run_step
from segmake.runner.same_content import carry_over
from segmake.steps.work import work_of

NAMES = ("a.tif", "b.tif", "c.tif")


@pytest.fixture
def images(tmp_path, draw):
    for number, name in enumerate(NAMES):
        draw(tmp_path / "images" / name, cells=number + 1)
    return tmp_path / "images"


@pytest.fixture
def plan(configure):
    def plan_as_a_run_does(**sections):
        made, inventory = make_plan(configure(**sections))
        write_inventory(inventory, made.folders.inventory)
        write_plan(made)
        return read_plan(made.folders.plan), made

    return plan_as_a_run_does


def compute(plan, steps=STEPS) -> list[tuple[str, str]]:
    """Do what the jobs of a run do; return what was not only looked at."""
    worked = []
    for batch in plan.batches.values():
        for step in steps:
            with Journal(plan.folders.journal(step, batch.name)).locked() as journal:
                tasks = batch.tasks[step]
                segmented = None
                if step != "segment":
                    segmented = Journal(plan.folders.journal("segment", batch.name))
                carry_over(tasks, journal, segmented, "None", plan.weights)
                before = journal.path.stat().st_size if journal.path.exists() else 0
                work = work_of(step, plan, lambda _: None)
                run_step(tasks, journal, work, lambda _: None, lambda _: None)
                after = journal.path.read_bytes()[before:].splitlines()
                worked += [(step, name) for name in NAMES for line in after
                           if b'"done"' in line and name.encode() in line]  # fmt: skip
    return worked


def age(journal) -> None:
    """Let what a journal notes have happened a day before."""
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    old = [{**line, "time": line["time"] - 86400} for line in lines]
    journal.write_text("".join(json.dumps(line) + "\n" for line in old))


def touch(*files) -> None:
    later = time.time_ns() + 10**9 + 7
    for file in files:
        os.utime(file, ns=(later, later))


def test_touched_files_are_looked_at_and_nothing_is_computed_again(images, plan):
    first, _ = plan()
    assert len(compute(first)) == 12
    touch(*images.iterdir())
    age(first.folders.journal("segment", "0001"))
    again, made = plan()
    assert made.looks == list(NAMES) and made.states == dict.fromkeys(NAMES, "done")
    assert not any(made.to_do.values()) and made.light == ["0001"] and made.replaced == 0
    assert "to compare     3" in describe(made) and "nothing to compute" not in describe(made)
    assert compute(again) == []
    image_rows(again, segmented := Segmented())
    took = segmented.timing
    assert took and took.elapsed < 600, (
        "as long as it took to find the cells, not until they were looked at"
    )
    last, made = plan()
    assert not made.looks and not any(made.to_do.values())
    assert last.batches["0001"].attempts == again.batches["0001"].attempts
    # A second time.
    touch(images / "b.tif")
    again, made = plan()
    assert made.looks == ["b.tif"] and compute(again) == []


def test_what_holds_something_else_is_computed(images, plan, draw):
    compute(plan()[0])
    size = (images / "a.tif").stat().st_size
    draw(images / "a.tif", cells=5)
    assert (images / "a.tif").stat().st_size == size
    touch(*images.iterdir())
    again, made = plan()
    assert made.looks == list(NAMES)
    assert compute(again) == [(step, "a.tif") for step in STEPS]
    assert not any(plan()[1].to_do.values())


def test_a_job_without_a_gpu_ends_where_something_is_to_be_segmented(
    images, plan, draw, monkeypatch, capsys
):
    compute(plan()[0])
    draw(images / "a.tif", cells=5)
    touch(*images.iterdir())
    again, _ = plan()
    monkeypatch.setenv("SEGMAKE_LANG", "en")
    out = again.outcome("segment", "0001")
    command = ["segment", "--batch", "0001", "--out", str(out), "--plan", str(again.folders.plan)]
    assert main([*command, "--without-gpu", "1"]) == 1
    said = capsys.readouterr().err
    assert "SM-IMG-090" in said and "The content of 1 image has changed" in said and "a.tif" in said
    assert not out.exists()
    # What it found the same stays so.
    made = plan()[1]
    assert made.looks == ["a.tif"]
    with warnings.catch_warnings():
        assert main(command) == 0
    assert out.exists() and "[1/1] a.tif" in capsys.readouterr().err


def test_a_run_that_ended_after_looking_goes_on(images, plan):
    compute(plan()[0])
    touch(*images.iterdir())
    assert compute(plan()[0], ("segment",)) == []
    assert compute(plan()[0]) == []


def test_other_settings_are_no_reason_to_look(images, plan):
    compute(plan()[0])
    touch(*images.iterdir())
    made = plan(segmentation={"min_size": 12})[1]
    assert not made.looks and made.to_do["segment"] == 3
    # Other pictures of the same cells: the cells are looked at, the pictures drawn.
    again, made = plan(overlays={"color": "#00ffff"})
    assert made.looks == list(NAMES) and made.to_do["overlay"] == 3 and made.to_do["masks"] == 0
    assert compute(again) == [("overlay", name) for name in NAMES]


def test_results_of_which_nothing_was_noted_are_named(images, plan):
    first, _ = plan()
    compute(first)
    journal = first.folders.journal("segment", "0001")
    journal.write_text(journal.read_text().replace('"source"', '"nothing"'))
    touch(*images.iterdir())
    made = plan()[1]
    assert made.looks == [] and made.unknown == list(NAMES) and made.to_do["segment"] == 3
    assert "a.tif, b.tif, c.tif" in describe(made)


def test_of_an_image_in_several_files_all_are_looked_at(tmp_path, draw, plan):
    folder = tmp_path / "images"
    for number in range(1, 4):
        draw(folder / f"a_t{number}.tif", cells=number)
    named = {"images": {"pattern": "{name}_t{time}.tif"}}
    done = [(step, "a.tif") for step in STEPS]
    assert compute(plan(**named)[0]) == done
    # Not the one that was written last.
    os.utime(folder / "a_t1.tif", ns=(10**18, 10**18))
    again, made = plan(**named)
    assert made.looks == ["a.tif"] and compute(again) == []
    assert not plan(**named)[1].looks
    # Two of the same size change places.
    first, second = (folder / f"a_t{number}.tif" for number in (1, 2))
    assert first.stat().st_size == second.stat().st_size
    first.rename(folder / "other")
    second.rename(first)
    (folder / "other").rename(second)
    again, made = plan(**named)
    assert made.looks == ["a.tif"] and compute(again) == done
    # Another one than the first, by which the image is opened, holds something else.
    draw(folder / "a_t2.tif", cells=5)
    touch(folder / "a_t2.tif")
    again, made = plan(**named)
    assert made.looks == ["a.tif"] and compute(again) == done
    # Without one of them it is another image.
    (folder / "a_t3.tif").unlink()
    assert not plan(**named)[1].looks
