"""What is made of the config when the Snakefile is read."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from segmake.adapter import reading as module
from segmake.adapter.config_environments import check_own_environment, imports_of_scripts
from segmake.adapter.reading import read
from segmake.cluster import checks
from segmake.config.load import load_config
from segmake.images import batches
from segmake.images.inventory import write_inventory
from segmake.messages import Problem, Problems
from segmake.plan.make import make_plan
from segmake.plan.written_plan import PLAN_VARIABLE, write_plan
from segmake.slurm.commands import Job, Partition
from segmake.slurm.jobs import Jobs, Sent
from tests.unit.adapter.fake_workflow import fake


@pytest.fixture
def project(configure, draw, tmp_path, monkeypatch):
    """A config with one image, in a folder of its own."""
    monkeypatch.delenv(PLAN_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "images" / "a.tif")
    configure()
    return tmp_path / "config.yaml"


def test_the_main_process_makes_the_plan_says_it_and_writes_nothing(project, capsys):
    before = sorted(project.parent.rglob("*"))
    found = read(fake(project), conda=False)
    assert found.plan.to_do["segment"] == 1 and found.inventory is not None
    assert os.environ[PLAN_VARIABLE] == str(found.plan.folders.plan.absolute())
    assert "to segment     1" in capsys.readouterr().err
    # On one computer no steps share a job.
    assert found.plan.small == [] and found.cluster is None
    assert sorted(project.parent.rglob("*")) == before


def test_the_config_is_known_to_the_byte(project):
    # What a copy was made of is found by its sign, which is of its line ends, too.
    content = project.read_bytes().replace(b"\n", b"\r\n")
    project.write_bytes(b"\xef\xbb\xbf" + content)
    assert read(fake(project), conda=False).config_text.encode() == content


def test_a_job_reads_the_plan_whatever_the_config_says_by_now(project, monkeypatch, capsys):
    plan, _ = make_plan(load_config(project))
    write_plan(plan)
    monkeypatch.setenv(PLAN_VARIABLE, str(plan.folders.plan))
    project.write_text("nonsense: [")
    found = read(fake(project, main=False), conda=False)
    assert list(found.plan.batches) == list(plan.batches) == ["0001"]
    assert capsys.readouterr().err == ""


def test_what_the_command_says_comes_before_the_config(project):
    workflow = fake(project)
    workflow._workflow.config_settings.config = {"results": str(project.parent / "other")}
    assert read(workflow, conda=False).plan.folders.results.name == "other"


def test_a_missing_engine_is_told_when_there_is_work_for_it_alone(project, configure):
    config = configure(
        segmentation={"engine": "omnipose", "model": "bact_phase_omni", "gpu": False}
    )
    with pytest.raises(Problem, match="SM-ENV-001"):
        read(fake(project), conda=False)
    (project.parent / "images" / "a.tif").unlink()
    assert config.settings["segmentation"]["engine"] == "omnipose"
    with pytest.raises((Problem, Problems)) as told:
        read(fake(project), conda=False)
    assert "SM-ENV-001" not in str(told.value)


@pytest.mark.parametrize("runs", [True, False])
def test_jobs_of_a_lost_run_are_looked_for_unless_it_runs_still(project, monkeypatch, runs):
    plan, _ = make_plan(load_config(project))
    plan.folders.state.mkdir(parents=True)
    jobs = Jobs(plan.folders.jobs)
    jobs.begin("run", 1.0, None)
    jobs.note_sent("17", "segment", "0001")
    write_plan(plan)
    monkeypatch.setattr(module.slurm, "is_here", lambda: True)
    monkeypatch.setattr(module, "who_runs", lambda lock: {"process": "1"} if runs else None)
    monkeypatch.setattr(Jobs, "refresh", lambda self: None)
    monkeypatch.setattr(module, "ask_cluster", lambda config: Problem("SM-CLU-001", error=""))
    monkeypatch.setattr(module, "meet_cluster", lambda plan, config, answer: (plan, None))
    found = read(fake(project, nodes=10), conda=False)
    assert set(found.adopted.values()) == (set() if runs else {"17"})


def test_a_plan_that_can_not_be_read_adopts_nothing(project):
    plan, _ = make_plan(load_config(project))
    plan.folders.state.mkdir(parents=True)
    plan.folders.plan.write_text("{}")
    assert module._adopt(plan, [Sent("run", Job("17", "segment", "0001", "RUNNING"))]) == (plan, {})


@pytest.fixture
def scripted(configure, draw, tmp_path):
    """A plan with a script that imports what nobody has."""
    draw(tmp_path / "images" / "a.tif")
    script = tmp_path / "count.py"
    script.write_text("import json\nimport nobody_has_this\n")
    config = configure(scripts=[{"name": "count", "script": str(script)}])
    plan, _ = make_plan(config)
    return plan, config


def test_a_script_that_imports_what_segmakes_environment_lacks_is_refused(scripted):
    plan, config = scripted
    with pytest.raises(Problems) as told:
        check_own_environment(plan, config)
    (problem,) = told.value.problems
    assert problem.code == "SM-SCR-040" and "nobody_has_this" in str(problem)


def test_what_scripts_import_belongs_to_their_environment(scripted):
    plan, _ = scripted
    assert imports_of_scripts(plan, "growth") == []
    plan.definitions["count"] = replace(plan.definitions["count"], environment="growth")
    assert "nobody_has_this=count.py" in imports_of_scripts(plan, "growth")


class GpuCluster:
    """Stands in for the cluster: it has four GPUs."""

    gpus = 4

    def partition(self, *, gpu: bool) -> Partition:
        return Partition("gpu")


def test_a_run_that_sends_jobs_makes_batches_for_the_gpus_that_are_there(
    configure, draw, tmp_path, monkeypatch
):
    monkeypatch.delenv(PLAN_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(batches, "SMALLEST_MEGAPIXELS", 0.001)
    monkeypatch.setattr(checks, "Cluster", lambda settings, site: GpuCluster())
    monkeypatch.setattr(module, "meet_cluster", lambda plan, config, answer: (plan, answer))
    monkeypatch.setattr(module.slurm, "is_here", lambda: True)
    for number in range(20):
        draw(tmp_path / "images" / f"{number:02d}.tif")
    configure()
    sent = read(fake(tmp_path / "config.yaml", nodes=10), conda=False).plan
    assert len(sent.batches) == sent.settings["cluster"]["max_gpus"] == 4
    # No cluster is asked for what is done on this computer.
    here = read(fake(tmp_path / "config.yaml"), conda=False).plan
    assert len(here.batches) == 18 and here.settings["cluster"]["max_gpus"] is None
    # What was begun keeps its batches, however many GPUs there are by now.
    sent.folders.state.mkdir(parents=True)
    write_inventory(
        read(fake(tmp_path / "config.yaml"), conda=False).inventory, sent.folders.inventory
    )
    assert len(read(fake(tmp_path / "config.yaml", nodes=10), conda=False).plan.batches) == 18
