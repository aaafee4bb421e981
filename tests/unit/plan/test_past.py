"""What is kept of attempts, and what is removed."""

from __future__ import annotations

import os

import pytest

from segmake.images.inventory import write_inventory
from segmake.plan.make import make_plan
from segmake.plan.past import KEPT_LOGS, past_files


@pytest.fixture
def plan(configure, draw, tmp_path):
    for name in ("a", "b"):
        draw(tmp_path / "images" / f"{name}.tif", cells=1)
    made, inventory = make_plan(configure(cluster={"batch_size": 1}))
    write_inventory(inventory, made.folders.inventory)
    return made


def test_files_do_not_grow_with_the_attempts(plan):
    folders = plan.folders
    places = [folders.state / "masks", folders.state / "benchmarks" / "masks"]
    logs = folders.results / "logs" / "masks"
    for folder in (*places, logs):
        folder.mkdir(parents=True)
    now = plan.outcome("masks", "0001").stem
    for number, name in enumerate([*(f"0001.{old:016x}" for old in range(9)), now, "0007.0" * 2]):
        for folder in places:
            (folder / f"{name}.tsv").touch()
        (logs / f"{name}.log").touch()
        os.utime(logs / f"{name}.log", (number, number))
    journal = folders.journal("masks", "0001")
    journal.touch()
    past = past_files(plan)
    for path in past:
        path.unlink()
    # The outcome that is asked for, and what belongs to a batch that is not to be seen now.
    for folder in places:
        assert {path.stem for path in folder.glob("*.tsv")} == {now, "0007.0" * 2}
    assert journal.exists()
    left = {path.stem for path in logs.glob("*.log")}
    # The newest of those that are over.
    over = {f"0001.{old:016x}" for old in range(9 - KEPT_LOGS, 9)}
    assert left == {now, "0007.0" * 2} | over
    assert past_files(plan) == []
