"""The environment of an engine has little: what a job there loads must not need more."""

from __future__ import annotations

import subprocess
import sys

from tests.projects import ROOT

# Of SegMake's own environment, and not of those of the engines.
ABSENT = (
    "pathspec",
    "yaml",
    "psutil",
    "rich",
    "rapidfuzz",
    "pandas",
    "snakemake",
    "ruamel",
    "jsonschema",
    "asyncssh",
    "starlette",
)

LOAD = f"""
import sys
sys.modules.update(dict.fromkeys({ABSENT}))
import segmake.cli.of_rules
import segmake.runner.run_step
import segmake.steps.segmentation
"""


def test_the_step_segment_is_loaded_where_only_an_engine_is():
    command = [sys.executable, "-c", LOAD]
    variables = {"PYTHONPATH": str(ROOT / "workflow")}
    said = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
