"""What pictures need of memory is told before any job is sent, and asked for where the cluster gives as much."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import tifffile

from segmake.adapter.resources import Resources
from segmake.cluster.checks import Cluster
from segmake.cluster.memory import MARGIN, memory_notes
from segmake.core.declared_steps import MEASURE, SEGMENT, STEPS
from segmake.engines import DEMO_MODEL
from segmake.plan.make import make_plan
from segmake.plan.memory import needed_mb
from segmake.plan.written_plan import read_plan, write_plan
from segmake.slurm import commands as slurm
from segmake.slurm.commands import Partition
from segmake.slurm.jobs import Jobs

CELLPOSE = {"engine": "cellpose3", "model": "cyto3", "diameter": 40, "gpu": False}


@pytest.fixture
def planned(configure, draw, tmp_path):
    """Return a plan, and the image, of one large picture that takes no room on the disk, beside a small one."""

    def make(side, **sections):
        draw(tmp_path / "images" / "small.tif")
        path = tmp_path / "images" / "large.tif"
        tifffile.memmap(path, shape=(side, side), dtype="uint16", photometric="minisblack")
        plan, inventory = make_plan(configure(cluster={"batch_size": 1}, **sections))
        (image,) = [each for each in inventory.images if each.image.startswith("large")]
        return plan, image

    return make


@pytest.fixture
def cluster(monkeypatch):
    """Return a cluster whose only partition gives a job so many MB."""

    def make(plan, memory_mb):
        there = {"cpu": Partition("cpu", default=True, memory_mb=memory_mb, cpus=8)}
        monkeypatch.setattr(slurm, "partitions", lambda: there)
        monkeypatch.setattr(slurm, "keeps_accounts", lambda: False)
        return Cluster(plan.settings)

    return make


def asked(plan, cluster, batch):
    resources = Resources(plan, Jobs(plan.folders.jobs), cluster)
    return {step: resources.of(step)["mem_mb"](SimpleNamespace(batch=batch), 1) for step in STEPS}


def test_a_large_picture_asks_for_what_it_needs_and_a_small_one_for_what_it_did(planned, cluster):
    plan, image = planned(21000, segmentation=CELLPOSE, measurements={"background": "local"})
    there = cluster(plan, 500_000)
    needed = {step: needed_mb(plan.typed, image, step) for step in STEPS}
    found = asked(plan, there, image.batch)
    assert needed["segment"] > 16 * 1024 and needed["measure"] > 4096
    assert all(found[step] == int(MARGIN * needed[step]) for step in ("segment", "measure"))
    (other,) = set(plan.batches) - {image.batch}
    assert asked(replace(plan, small=[]), there, other) == dict(
        zip(STEPS, (16 * 1024, 4096, 4096, 4096), strict=True)
    )
    notes = {each.values["step"]: each for each in memory_notes(plan, there)}
    assert {each.code for each in notes.values()} == {"SM-CLU-056"}
    assert all(each.values["image"] == image.image for each in notes.values())


def test_where_no_node_has_as_much_that_is_said(planned, cluster):
    plan, image = planned(21000, segmentation=CELLPOSE)
    there = cluster(plan, 15_000)
    first = next(memory_notes(plan, there))
    assert first.code == "SM-CLU-057" and first.values["partition"] == "cpu"
    assert asked(plan, there, image.batch)["segment"] == 15_000


def test_this_computer_may_have_too_little(planned, monkeypatch):
    plan, _ = planned(21000, segmentation=CELLPOSE)
    monkeypatch.setattr("os.sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**30 // 4}.get)
    assert not list(memory_notes(plan, None))
    monkeypatch.setattr("os.sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**20}.get)
    assert next(each.code for each in memory_notes(plan, None)) == "SM-RUN-075"


def test_nothing_is_said_of_pictures_that_fit(planned, cluster):
    plan, _ = planned(4096)
    assert not list(memory_notes(plan, cluster(plan, 500_000)))


def test_jobs_read_what_was_planned(planned):
    plan, image = planned(30000)
    plan.folders.state.mkdir(parents=True)
    write_plan(plan)
    assert image.batch in plan.memory
    assert read_plan(plan.folders.plan).memory == plan.memory


def test_a_picture_that_another_follows_needs_more_unless_it_is_worked_on_alone(planned):
    plan, image = planned(30000)
    # As it was measured: 29,952 pixels a side took 2725 MB.
    assert 2725 < needed_mb(plan.typed, image, SEGMENT) < 3100
    for step in STEPS:
        among_others = needed_mb(plan.typed, image, step, alone=False)
        assert among_others == needed_mb(plan.typed, image, step)
    plan, image = planned(4800, segmentation={**CELLPOSE, "gpu": True})
    alone = needed_mb(plan.typed, image, SEGMENT)
    assert needed_mb(plan.typed, image, SEGMENT, alone=False) > 1.2 * alone
    # The network and the masks take turns.
    plan, image = planned(4800, segmentation=CELLPOSE)
    assert needed_mb(plan.typed, image, SEGMENT, alone=False) == alone


@pytest.mark.parametrize(
    ("side", "diameter", "megabytes"), [(4096, 20, 2120), (1024, 10, 1353), (2048, None, 1280)]
)
def test_small_cells_are_enlarged_for_the_network_which_takes_more(
    planned, tmp_path, side, diameter, megabytes
):
    model = tmp_path / DEMO_MODEL
    model.touch()
    section = {**CELLPOSE, "model": str(model), "diameter": diameter}
    # As it was measured.
    plan, image = planned(side, segmentation=section)
    assert 1 <= needed_mb(plan.typed, image, SEGMENT) / megabytes < 1.2


def test_a_small_picture_of_small_cells_asks_for_what_it_needs(planned, cluster):
    plan, image = planned(2000, segmentation={**CELLPOSE, "diameter": 4})
    need = needed_mb(plan.typed, image, SEGMENT)
    assert need > 16 * 1024
    assert asked(plan, cluster(plan, 500_000), image.batch)[SEGMENT] == int(MARGIN * need)


@pytest.mark.parametrize(
    ("side", "megabytes"),
    [
        (4096, {"masks": 172, "measure": 304, "overlay": 149}),
        (29952, {"masks": 1874, "measure": 2253, "overlay": 2693}),
    ],
)
def test_what_follows_needs_about_what_it_took(planned, side, megabytes):
    plan, image = planned(side)
    for step, took in megabytes.items():
        assert 1 <= needed_mb(plan.typed, image, step) / took < 1.2


def test_backgrounds_around_cells_take_more_than_one_for_all(planned):
    # As it was measured.
    for background, megabytes in ((25, 428), ("local", 812)):
        plan, image = planned(4096, measurements={"background": background})
        assert 1 <= needed_mb(plan.typed, image, MEASURE) / megabytes < 1.2


def test_a_group_has_what_its_largest_step_needs(planned):
    plan, image = planned(30000)
    grouped = replace(plan, small=[image.batch])
    found = asked(grouped, None, image.batch)
    assert found["segment"] == found["masks"] == 2 * found["measure"]
    assert found["measure"] >= MARGIN * plan.memory[image.batch]["measure"].megabytes - 1
