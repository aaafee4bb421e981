"""Snakemake and its Slurm plugin are as SegMake needs them, and nothing of them is touched without being in the table."""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import snakemake_executor_plugin_slurm as plugin

from segmake.adapter import touch_points
from segmake.adapter.executor import Executor
from segmake.adapter.light_start import EFFICIENCY_REPORT, STATUS_QUERY, lighten
from segmake.adapter.tested_versions import ANY_VERSION
from segmake.adapter.touch_points import (
    TOUCH_POINTS,
    broken,
    faults,
    find,
    given_to_self,
    taken_names,
)

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "workflow" / "segmake"
ADAPTER = PACKAGE / "adapter"
UPSTREAM = ("snakemake", "snakemake_executor_plugin_slurm", "snakemake_interface_")

# What stands for an object of Snakemake's in the modules that have one.
OBJECTS = {
    "workflow_object.py": {
        *("workflow", "scheduler", "settings", "job", "registered", "self._workflow"),
    },
    "handlers.py": {"modifier", "paths"},
    "conda_environments.py": {"env", "dag", "job"},
    "executor.py": {"job", "info", "job_info", "plugin", "self", "super()"},
    "sending.py": {"plugin"},
    "shown_jobs.py": {"job", "dag"},
}

# Of Python's own dict and thread pool; and of SegMake's own job.
OTHERS = {"get", "items", "submit", "started"}


@pytest.mark.parametrize(
    "point", TOUCH_POINTS, ids=lambda point: f"{point.module}: {point.why[:40]}"
)
def test_snakemake_is_as_it_is_needed(point):
    assert not list(faults(point)), point.why


def test_what_stands_in_for_a_module_is_not_what_is_looked_at(monkeypatch):
    for name in (EFFICIENCY_REPORT, STATUS_QUERY, "numpy"):
        monkeypatch.setitem(sys.modules, name, sys.modules.get(name))
    lighten()
    assert not list(broken())


def test_names_of_the_executor_are_its_own():
    assert not taken_names()


def test_what_is_gone_or_another_is_told_in_words(monkeypatch):
    monkeypatch.delattr(find("snakemake.scheduling.job_scheduler:JobScheduler"), "_handle_error")
    monkeypatch.setattr(plugin.Executor, "run_job", lambda self, job, folder: None)
    monkeypatch.setattr(find("snakemake.dag:DAG"), "create_conda_envs", lambda self: None)
    monkeypatch.setattr(plugin.Executor, "_look", lambda self: None, raising=False)
    said = list(broken())
    number = touch_points.version("snakemake")
    start = f"snakemake {number} no longer has JobScheduler._handle_error, which adapter/workflow_object.py needs to"
    assert any(words.startswith(start) for words in said)
    assert any("no longer lets Executor.run_job be called with 2 arguments" in one for one in said)
    assert any("no longer says `env.create(` in DAG.create_conda_envs" in one for one in said)
    assert any("has `Executor._look` now" in one for one in said)


@pytest.mark.skipif(ANY_VERSION in os.environ, reason="another version is tried")
def test_the_versions_of_the_table_are_those_that_are_installed():
    minor = {name: seen.rpartition(".")[0] for name, seen in touch_points.SEEN_IN.items()}
    assert all(touch_points.version(name).startswith(f"{seen}.") for name, seen in minor.items())


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """Yield what a module imports of Snakemake: module and name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(UPSTREAM):
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.startswith(UPSTREAM))


def test_the_adapter_alone_knows_snakemake():
    others = [path for path in PACKAGE.rglob("*.py") if ADAPTER not in path.parents]
    assert len(others) > 100
    assert {
        str(path.relative_to(PACKAGE)): list(imported(path))
        for path in others
        if list(imported(path))
    } == {}


@pytest.mark.parametrize("path", sorted(ADAPTER.glob("*.py")), ids=lambda path: path.name)
def test_what_is_touched_is_in_the_table(path):
    points = [point for point in TOUCH_POINTS if point.module == path.name]
    called = [call.what for point in points for call in point.calls]
    listed = {
        part
        for point in points
        for what in (*point.touched, *called)
        for part in re.split("[:.]", what)
    }
    assert {name for _, name in imported(path)} <= listed | {""}
    assert touched(path) <= listed


def test_what_the_rules_touch_is_in_the_table():
    text = (ROOT / "workflow" / "rules" / "common.smk").read_text(encoding="utf-8")
    listed = {
        what.rpartition(".")[2]
        for point in TOUCH_POINTS
        for what in point.touched
        if point.module == "common.smk"
    }
    assert set(re.findall(r"\b(?:workflow|shell)\.(\w+)", text)) <= listed
    others = [
        path.read_text(encoding="utf-8")
        for path in (ROOT / "workflow").glob("**/*.smk")
        if path.name != "common.smk"
    ]
    assert not re.findall(r"\bworkflow\.\w+", "".join(others))


def touched(path: Path) -> set[str]:
    """Return the attributes of Snakemake's objects that a module uses."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            words = ast.unparse(node)
            for name in OBJECTS.get(path.name, ()):
                if re.fullmatch(re.escape(name) + r"(\.\w+)+", words):
                    found.add(tuple(words.removeprefix(f"{name}.").split(".")))
    own = executors_own()
    chains = [
        chain for chain in found if path.name != "workflow_object.py" or chain[0] != "_workflow"
    ]
    return {name for chain in chains if chain[0] not in own for name in chain} - OTHERS


def executors_own() -> set[str]:
    """Return the names that SegMake's executor adds to the plugin's."""
    added = {name for name in vars(Executor) if not hasattr(plugin.Executor, name)}
    return added | given_to_self(Executor) | set(Executor.__annotations__)
