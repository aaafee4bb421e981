"""The engine's environment: which file, which Python, and when its model is to be checked again."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from segmake.adapter.engine_environment import EngineEnvironment
from segmake.adapter.nodes_driver import NodesDriver
from segmake.adapter.shell_commands import shell_prefix
from segmake.environments.making import engine_fit
from segmake.environments.solving import cuda
from segmake.messages import Problem
from tests.unit.adapter.fake_workflow import fake


@pytest.fixture
def settings(configure):
    section = {"engine": "cellpose3", "model": "cyto3", "diameter": 10}
    return configure(segmentation=section).settings


def test_an_engine_that_is_not_set_up_is_refused_unless_conda_makes_it(
    settings, monkeypatch, tmp_path
):
    monkeypatch.setattr("segmake.core.installation.home", lambda: tmp_path)
    with pytest.raises(Problem, match="SM-ENV-001"):
        EngineEnvironment(settings, conda=False).refuse_missing()
    EngineEnvironment(settings, conda=True).refuse_missing()
    python = Path(EngineEnvironment(settings, conda=False).python)
    assert python == tmp_path / ".environments" / "cellpose3" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    EngineEnvironment(settings, conda=False).refuse_missing()


def test_the_threshold_needs_no_environment_of_its_own(configure, tmp_path):
    engine = EngineEnvironment(configure().settings, conda=False)
    assert engine.python == sys.executable
    assert Path(engine.file).name == "imaging.yaml"
    assert engine.checked_model(tmp_path) is None


def test_an_old_driver_gets_a_file_of_its_own(settings, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    engine = EngineEnvironment(settings, conda=True)
    monkeypatch.setattr(cuda, "fitted", lambda file, driver, capability: f"driver {driver}\n")
    settings["cluster"]["cuda_driver"] = "11.8"
    assert Path(engine.file).read_text() == "driver 11.8\n"
    assert Path(engine.file).name.startswith("cellpose3.")
    settings["segmentation"]["gpu"] = False
    assert Path(EngineEnvironment(settings, conda=True).file).name == "cellpose3.yaml"


def test_the_driver_is_asked_for_before_conda_makes_the_environment(
    settings, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    asked = []

    def driver_of_nodes(settings, kept, ask):
        asked.append(ask)

    monkeypatch.setattr(cuda, "driver_of_nodes", driver_of_nodes)
    monkeypatch.setattr(cuda, "capability_of_nodes", lambda settings, kept: "8.6")
    monkeypatch.setattr("segmake.slurm.commands.is_here", lambda: True)
    workflow = fake(nodes=10)
    EngineEnvironment(settings, conda=True).fit(workflow, driver := NodesDriver(workflow, settings))
    driver.newest_cuda()
    dry = fake(nodes=10, dry=True)
    NodesDriver(dry, settings).newest_cuda()
    NodesDriver(fake(), settings).newest_cuda()
    # Once by a run, never by a dry one; where nothing is sent, there is no node.
    assert asked == [True, False, False]
    assert settings["cluster"]["compute_capability"] == "8.6"


@pytest.mark.parametrize(
    ("nodes", "allow_cpu", "refused"), [(10, False, True), (10, True, False), (None, False, False)]
)
def test_an_environment_that_does_not_fit_is_refused_where_each_job_would_fail(
    settings, monkeypatch, nodes, allow_cpu, refused
):
    said = {}
    monkeypatch.setattr(cuda, "driver_of_nodes", lambda settings, kept, ask: "11.8")
    monkeypatch.setattr(engine_fit, "check", lambda *words, refuse: said.update(refuse=refuse))
    settings["segmentation"]["allow_cpu"] = allow_cpu
    workflow = fake(nodes=nodes)
    EngineEnvironment(settings, conda=False).fit(workflow, NodesDriver(workflow, settings))
    assert said == {"refuse": refused}


def test_the_model_is_checked_again_once_it_is_another(settings, tmp_path):
    engine = EngineEnvironment(settings, conda=False)
    record = engine.checked_model(tmp_path)
    record.parent.mkdir(parents=True)
    record.write_text('{"settings": {}, "files": {}}')
    engine.forget_another_model(tmp_path)
    assert not record.exists()
    settings["segmentation"]["model"] = "cyto2"
    assert EngineEnvironment(settings, conda=False).checked_model(tmp_path) != record


def test_the_commands_of_the_rules_are_a_shells(tmp_path):
    plan = tmp_path / "it's a {folder}" / "plan.json"
    prefix = shell_prefix(plan, "/bin/echo", conda=False)
    # As Snakemake does with what stands in braces.
    script = f"{prefix.format()} segmake_engine hello; echo $SEGMAKE_PLAN $NUMBA_NUM_THREADS; segmake_here --help"
    done = subprocess.run(
        ["bash", "-c", script],
        env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "3"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    engine, variables, *usage = done.stdout.splitlines()
    assert engine == "-P -m segmake hello"
    assert variables == f"{plan} 3"
    assert any("usage" in line for line in usage)
    assert '"$CONDA_PREFIX/bin/python" -P -m segmake' in shell_prefix(plan, "/bin/echo", conda=True)
    assert shlex.quote(str(plan)).replace("{", "{{").replace("}", "}}") in prefix
