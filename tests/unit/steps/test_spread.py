from __future__ import annotations

import multiprocessing
import pickle
import threading
import time
from dataclasses import replace

import pytest

from segmake.core.declared_steps import MASKS, SEGMENT
from segmake.core.journal import Journal
from segmake.messages import Problem
from segmake.plan.make import make_plan
from segmake.plan.written_plan import write_plan
from segmake.runner.parallel import Stopped
from segmake.runner.pipeline import Leave
from segmake.runner.run_step import run_step
from segmake.steps.spread import Spread, portable
from segmake.steps.work import work_of

IMAGES = 12


@pytest.fixture
def segmented(configure, draw, tmp_path):
    """A plan of which the masks are there, and the tasks that measure them."""
    for number in range(IMAGES):
        draw(tmp_path / "images" / f"{number:02d}.tif")
    plan, _ = make_plan(configure())
    write_plan(plan)
    (batch,) = plan.batches.values()
    for step in (SEGMENT, MASKS):
        with Journal(plan.folders.journal(step, batch.name)).locked() as journal:
            work = work_of(step, plan, lambda _: None)
            run_step(batch.tasks[step], journal, work, lambda _: None, lambda _: None)
    tasks = [replace(task, source=journal.record(task.image)) for task in batch.tasks["measure"]]
    return plan, tasks


def measure(plan, tasks, journal, spread=None):
    work = spread or work_of("measure", plan, lambda _: None)
    line = spread.line if spread else None
    run_step(tasks, journal, work, lambda _: None, lambda _: None, line)


def test_several_processes_make_what_one_makes(segmented, tmp_path):
    plan, tasks = segmented
    results = {}
    # One that fails fails alone.
    plan.folders.mask(tasks[0].image).write_bytes(b"broken")
    for number in (1, 3):
        path = tmp_path / f"{number}.jsonl"
        with Journal(path).locked() as journal:
            spread = Spread("measure", plan.folders.plan, "0001", number) if number > 1 else None
            measure(plan, tasks, journal, spread)
            if spread:
                spread.close()
        ends = {image: end.event for image, end in Journal(path).finished().items()}
        assert list(ends.values()).count("failed") == 1 and len(ends) == IMAGES
        made = [path for task in tasks[1:] for path in task.outputs]
        results[number] = [path.read_bytes() for path in made]
        for path in made:
            path.unlink()
    assert results[1] == results[3]


def test_a_process_that_dies_takes_no_other_image_with_it(segmented, tmp_path):
    plan, tasks = segmented
    path = tmp_path / "journal.jsonl"

    def kill() -> None:
        while not multiprocessing.active_children() or not path.exists():
            time.sleep(0.01)
        multiprocessing.active_children()[0].kill()

    killer = threading.Thread(target=kill)
    with Journal(path).locked() as journal:
        killer.start()
        with pytest.raises(Problem, match="SM-CLU-040"):
            measure(plan, tasks, journal, Spread("measure", plan.folders.plan, "0001", 2))
        killer.join()
        assert len(journal.in_work()) == 1, "what died with it"
        assert not multiprocessing.active_children()
        # Another job goes on with them.
        spread = Spread("measure", plan.folders.plan, "0001", 2)
        measure(plan, tasks, journal, spread)
        spread.close()
        done = [end for end in journal.finished().values() if end.event == "done"]
        assert len(done) == IMAGES


def test_a_process_that_died_while_it_had_nothing_to_do_is_not_waited_for(segmented):
    plan, tasks = segmented
    spread = Spread("measure", plan.folders.plan, "0001", 2)
    assert spread.compute(tasks[0], None)["outputs"]
    (process,) = multiprocessing.active_children()
    process.kill()
    process.join()
    with pytest.raises(Leave) as left:
        spread.compute(tasks[1], None)
    assert left.value.died and left.value.problem.where == tasks[1].image
    spread.stop()
    with pytest.raises(Stopped):
        spread.compute(tasks[2], None)


def test_an_error_that_no_other_process_can_be_told_is_told_in_words():
    class Unknown(Exception):
        def __init__(self, what, lock):
            super().__init__(what)
            self.lock = lock

    for error, kind in (
        (Unknown("no such page", threading.Lock()), RuntimeError),
        (OSError(5, "x"), OSError),
    ):
        try:
            raise error
        except Exception as raised:
            told = portable(raised)
        assert type(pickle.loads(pickle.dumps(told))) is kind
        assert "in test_an_error_that" in told.__notes__[0]
    assert str(portable(error)) == "[Errno 5] x"


def test_a_job_that_is_stopped_blames_no_image(segmented, tmp_path):
    plan, tasks = segmented
    spread = Spread("measure", plan.folders.plan, "0001", 2)
    begun = []

    def line(work, ended):
        made = spread.line(work, ended)
        add = made.add

        def put(task, *, alone):
            # As a signal would, while two others are in work.
            begun.append(task)
            if len(begun) == 3:
                raise KeyboardInterrupt
            made._number = 3
            add(task, alone=alone)

        made.add = put
        return made

    with Journal(tmp_path / "journal.jsonl").locked() as journal:
        with pytest.raises(KeyboardInterrupt):
            run_step(tasks, journal, spread, lambda _: None, lambda _: None, line)
        assert journal.in_work() == []
        assert not multiprocessing.active_children()
