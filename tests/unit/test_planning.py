from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import tifffile

from segmake.inventory import write_inventory
from segmake.journal import Journal
from segmake.plan import Plan, read_plan, write_plan
from segmake.planning import make_plan
from segmake.readers import read_headers
from segmake.steps import STEPS, run_step
from segmake.summary import _describe_run
from segmake.tables import image_table
from segmake.work import work_of

NAMES = ("a.tif", "b.tif", "c.tif")


@pytest.fixture
def images(tmp_path, draw):
    for number, name in enumerate(NAMES):
        draw(tmp_path / "images" / name, cells=number)
    return tmp_path / "images"


@pytest.fixture
def plan(configure):
    def plan_as_a_run_does(**sections) -> Plan:
        made, inventory = make_plan(configure(**sections))
        write_inventory(inventory, made.folders.inventory)
        return made

    return plan_as_a_run_does


def compute(plan: Plan) -> None:
    """Do what the jobs of a run do."""
    for batch in plan.batches.values():
        for step in STEPS:
            with Journal(plan.folders.journal(step, batch.name)).locked() as journal:
                work = work_of(step, plan, lambda _: None)
                run_step(batch.tasks[step], journal, work, lambda _: None, lambda _: None)


def attempts(plan: Plan) -> dict[str, dict[str, list[int]]]:
    return {name: batch.attempts for name, batch in plan.batches.items()}


def test_new_then_done(images, plan):
    first = plan()
    assert first.states == dict.fromkeys(NAMES, "new")
    assert first.to_do == {**dict.fromkeys(STEPS, 3), "batches": 1}
    compute(first)
    again = plan()
    assert again.states == dict.fromkeys(NAMES, "done")
    assert not any(again.to_do.values())
    assert attempts(again) == attempts(first) == {"0001": {step: [1, 1, 1] for step in STEPS}}
    assert again.summary() == first.summary()


def test_only_a_failed_image_is_tried_again(images, plan, draw):
    good = (images / "b.tif").read_bytes()
    (images / "b.tif").write_bytes(b"not a tiff")
    first = plan()
    compute(first)
    second = plan()
    assert second.states == {"a.tif": "done", "b.tif": "failed", "c.tif": "done"}
    assert second.to_do["segment"] == second.to_do["batches"] == 1
    assert second.batches["0001"].attempts["segment"] == [1, 2, 1]
    (images / "b.tif").write_bytes(good)
    third = plan()
    assert third.batches["0001"].attempts["segment"] == [1, 2, 1]
    compute(third)
    last = plan()
    assert last.states == dict.fromkeys(NAMES, "done")
    assert last.batches["0001"].attempts["segment"] == [1, 2, 1]


def test_an_image_that_is_gone_asks_for_nothing(images, plan):
    first = plan()
    compute(first)
    (images / "b.tif").rename(images.parent / "b.tif")
    without = plan()
    assert attempts(without) == attempts(first)
    assert without.states == {"a.tif": "done", "c.tif": "done"}
    assert not any(without.to_do.values())
    assert without.summary() != first.summary()
    (images.parent / "b.tif").rename(images / "b.tif")
    assert plan().states == dict.fromkeys(NAMES, "done")
    for name in NAMES:
        (images / name).rename(images.parent / name)
    (images.parent / "a.tif").rename(images / "other.tif")
    assert list(plan().batches) == ["0002"], "a batch without images is no job"


def test_a_failed_image_that_is_gone_asks_for_nothing(images, plan):
    (images / "b.tif").write_bytes(b"not a tiff")
    first = plan()
    compute(first)
    (images / "b.tif").unlink()
    assert attempts(plan()) == attempts(first)


def test_a_new_image_leaves_the_batches_that_exist_alone(images, plan, draw):
    first = plan()
    compute(first)
    draw(images / "aa.tif")
    more = plan()
    assert attempts(more)["0001"] == attempts(first)["0001"]
    assert more.states == {**dict.fromkeys(NAMES, "done"), "aa.tif": "new"}
    assert more.to_do == {**dict.fromkeys(STEPS, 1), "batches": 1}


def test_an_image_that_was_replaced_is_computed_again(images, plan, draw):
    compute(plan())
    draw(images / "c.tif", cells=7)
    again = plan()
    assert again.states == {"a.tif": "done", "b.tif": "done", "c.tif": "changed"}
    assert attempts(again)["0001"] == {step: [1, 1, 2] for step in STEPS}


@pytest.mark.parametrize("file", ["labels", "mask", "cells", "picture"])
def test_a_result_that_was_deleted_is_made_again(images, plan, file):
    first = plan()
    compute(first)
    getattr(first.folders, file)("c.tif").unlink()
    again = plan()
    assert again.states["c.tif"] == "changed" and again.states["a.tif"] == "done"
    assert again.to_do["segment"] == (file == "labels")
    compute(again)
    assert attempts(plan()) == attempts(again) != attempts(first)


@pytest.mark.parametrize(
    ("sections", "to_do"),
    [
        ({"segmentation": {"diameter": 20}}, (3, 3, 3, 3)),
        ({"images": {"pixel_size_um": 0.1}}, (0, 3, 3, 0)),
        ({"images": {"channel": 1, "z": "max", "time": [1, 9]}}, (0, 0, 0, 0)),  # the same planes
        ({"outputs": ["rois", "cellpose"]}, (0, 3, 0, 0)),
        ({"measurements": {"intensity_channels": []}}, (0, 0, 3, 0)),
        ({"overlays": {"color": "#00ff00"}}, (0, 0, 0, 3)),
        ({"cluster": {"batch_size": 1, "hours": 5}}, (0, 0, 0, 0)),
        ({"segmentation": {"smoothing": 1}}, (0, 0, 0, 0)),  # the default, written otherwise
    ],
)
def test_what_a_change_of_the_config_computes_again(images, plan, sections, to_do):
    compute(plan())
    again = plan(**sections)
    assert tuple(again.to_do[step] for step in STEPS) == to_do
    assert set(again.states.values()) == ({"changed"} if any(to_do) else {"done"})
    for step, number in zip(STEPS, to_do, strict=True):
        assert again.batches["0001"].attempts[step] == ([2, 2, 2] if number else [1, 1, 1])
    compute(again)
    assert attempts(plan(**sections)) == attempts(again)


def test_how_a_network_is_run_does_not_decide_its_masks(images, plan):
    def keys(**settings):
        made = plan(segmentation={"engine": "cellpose3", "model": "cyto3", **settings})
        return [task.key for task in made.batches["0001"].tasks["segment"]]

    assert keys() == keys(batch_size=2) == keys(gpu=False)
    assert len({*keys(), *keys(model="cyto2"), *keys(flow_threshold=0.5), *keys(niter=9)}) == 12


def test_another_file_of_the_same_name_is_another_model(images, plan, tmp_path):
    model = tmp_path / "model"

    def keys():
        made = plan(segmentation={"engine": "cellpose3", "model": str(model)})
        return {task.key for task in made.batches["0001"].tasks["segment"]}

    model.write_bytes(b"one")
    first = keys()
    assert keys() == first
    model.write_bytes(b"three")
    assert not keys() & first


def test_results_that_an_earlier_version_made_wrong_are_told(images, plan):
    first = plan()
    compute(first)
    assert plan().known_errors == {}
    for path in first.folders.state.glob("*/*.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        old = [{key: value for key, value in line.items() if key != "version"} for line in lines]
        path.write_text("".join(json.dumps(line) + "\n" for line in old))
    table = first.folders.cells("b.tif")
    table.write_bytes(table.read_bytes().replace(b",", b";"))
    again = plan()
    assert again.known_errors == {"KE-004": ["b.tif"]}
    assert "KE-004" in again.describe()
    write_plan(again)
    assert read_plan(again.folders.plan).known_errors == again.known_errors
    assert any("KE-004" in each for each in _describe_run(again, image_table(again)).warnings)


def test_a_plan_is_read_back_as_it_was_written(images, plan):
    (images / "élève \udce9\n.tif").write_bytes((images / "a.tif").read_bytes())
    made = dataclasses.replace(plan(), command="snakemake -n")
    write_plan(made)
    assert read_plan(made.folders.plan) == made
    path = made.batches["0001"].tasks["segment"][-1].path
    assert read_headers(path)[0].width == 64, "a name that is no text still leads to its file"


def write_positions(path, number):
    with tifffile.TiffWriter(path, ome=True) as writer:
        for value in range(number):
            writer.write(np.full((16, 16), value, np.uint8), photometric="minisblack")


def failures(made):
    entries = Journal(made.folders.journal("segment", "0001")).finished().values()
    return {e.image: e.details["code"] for e in entries if e.event == "failed"}


def test_a_position_that_is_not_there_is_never_another_one(images, plan):
    write_positions(images / "three.ome.tif", 3)
    write_positions(images / "five.ome.tif", 5)
    made = plan(images={"positions": [4, 9], "include": ["*.ome.tif"]})
    compute(made)
    assert failures(made) == {"three.ome.tif": "SM-IMG-024"}


def test_a_file_that_was_still_being_copied_fails_and_is_not_its_first_position(images, plan):
    path = images / "slide.ome.tif"
    write_positions(path, 3)
    whole = path.read_bytes()
    path.write_bytes(b"II*")
    made = plan()
    path.write_bytes(whole)
    compute(made)
    assert failures(made) == {"slide.ome.tif": "SM-IMG-009"}
    compute(plan())
    assert plan().states["slide.ome.tif (p3)"] == "done"


def test_planning_writes_nothing(images, configure, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    made, _ = make_plan(configure())
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "config.yaml"])
    assert "3" in made.describe()
