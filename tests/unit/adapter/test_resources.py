"""What jobs ask for; how Snakemake adds it up in a group is done by Snakemake itself."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from segmake.adapter.resources import Resources, part_of_group
from segmake.adapter.touch_points import find
from segmake.engines import needs_gpu
from segmake.plan.make import make_plan
from segmake.slurm.jobs import Jobs

ONE = SimpleNamespace(batch="0001")


class Cluster:
    """A cluster that gives twice of what was too little."""

    keeps_accounts = False

    def memory_mb(self, first, too_little, *, gpu):
        return max(first, 2 * too_little)

    def minutes(self, first, too_little, *, gpu):
        return max(first, 2 * too_little)


@pytest.fixture
def made(configure, draw, tmp_path):
    """Return what jobs ask for in a plan of one image."""

    def make(on=None, **sections):
        draw(tmp_path / "images" / "a.tif")
        plan, _ = make_plan(configure(**sections))
        jobs = Jobs(plan.folders.jobs)
        return Resources(plan, jobs, on), plan, jobs

    return make


def asked(resources, rule, attempt=1):
    of_rule = resources.of(rule)
    return of_rule["mem_mb"](ONE, attempt), of_rule["runtime"](ONE, attempt)


def test_a_small_batch_is_one_job_and_others_are_several(made):
    resources, plan, _ = made(cluster={"memory_gb": 3, "hours": 2})
    assert plan.small == ["0001"]
    assert resources.group(ONE) == resources.group_of_segment(ONE) == "batch0001"
    plan.small.clear()
    assert resources.group(ONE) is resources.group_of_segment(ONE) is None
    assert asked(resources, "segment") == (3072, 120)


def test_the_network_has_a_job_of_its_own_on_the_gpu(made):
    section = {"engine": "cellpose3", "model": "cyto3", "diameter": 10}
    resources, plan, _ = made(segmentation=section)
    assert needs_gpu(plan.typed.segmentation)
    assert resources.group_of_segment(ONE) is None
    assert resources.group(ONE) == "after0001"
    assert "gpus_at_once" in resources.of("segment") and "gpus_at_once" not in resources.of("masks")
    resources = Resources(replace(plan, cores=4), Jobs(plan.folders.jobs), None)
    assert [resources.cores(rule)(ONE) for rule in ("masks", "measure", "overlay")] == [4, 3, 1]


def test_a_job_that_only_looks_asks_for_no_gpu_until_it_found_something_else(made):
    section = {"engine": "cellpose3", "model": "cyto3", "diameter": 10}
    cluster = {"partition": "gpu", "cpu_partition": "cpu", "gpu_model": "a40"}
    resources, plan, _ = made(segmentation=section, cluster=cluster)
    assert resources.of("segment")["gpu"] == 1 and resources.without_gpu(ONE, 1) == 0
    plan.light.append("0001")
    of_rule = resources.of("segment")
    names = ("gpu", "gpu_model", "gpus_at_once", "slurm_partition", "without_gpu")

    def asks(batch, attempt):
        return [of_rule[name](SimpleNamespace(batch=batch), attempt) for name in names]

    assert asks("0001", 1) == [None, None, None, "cpu", 1]
    assert asks("0001", 2) == asks("0002", 1) == [1, "a40", 1, "gpu", 0]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(("memory", "minutes"), [(8192, 60), (1024, 4), (3000, 121)])
def test_the_parts_of_a_group_are_what_it_asks_for(together, memory, minutes):
    rules = [[rule] for rule in (("segment", "masks") if together else ("masks",))]
    layers = [*rules, ["measure", "overlay"]]
    jobs = [[job_that_asks(rule, memory, minutes, together) for rule in layer] for layer in layers]
    total = find("snakemake.resources:GroupResources").basic_layered(
        jobs, constraints=find("snakemake.resources:Resources")({}), run_local=False
    )
    assert total["mem_mb"] == memory
    assert minutes - 2 <= total["runtime"] <= minutes


def job_that_asks(rule, memory, minutes, together):
    mem_mb, runtime = part_of_group(rule, memory, minutes, together=together)
    return SimpleNamespace(
        resources={"mem_mb": mem_mb, "runtime": runtime}, pipe_group=None, is_local=False
    )


def test_memory_grows_after_a_job_that_had_too_little(made, monkeypatch):
    resources, plan, jobs = made(on=Cluster())
    plan.small.clear()
    first = asked(resources, "measure")
    monkeypatch.setattr(jobs, "refresh", lambda older_than: None)
    monkeypatch.setattr(
        jobs,
        "too_little",
        lambda rule, batch: {"memory": 9000 if rule == "measure" else 0, "time": 0},
    )
    assert asked(resources, "measure", attempt=2) == (18000, first[1])
    assert asked(resources, "masks", attempt=2) == first
