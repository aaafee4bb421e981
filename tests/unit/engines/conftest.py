"""What the tests of the engines share: a process in the environment of the engine cellpose3."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.identity import HERE, ROOT, python_of


@pytest.fixture(scope="session")
def engine_process() -> Iterator[subprocess.Popen[str]]:
    """`engine_checks`, without a GPU."""
    own = {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": f"{ROOT / 'workflow'}:{ROOT}"}
    process = subprocess.Popen(
        [python_of("cellpose3"), HERE / "engine_checks.py"],
        cwd=ROOT,
        env=os.environ | own,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.stdin.close()
    process.wait()


@pytest.fixture
def try_in_engine(
    engine_process: subprocess.Popen[str], tmp_path: Path
) -> Callable[[str], dict[str, Any]]:
    """Return what does a check of `engine_checks` in the test's folder, and gives back what it found."""

    def tried(name: str) -> dict[str, Any]:
        engine_process.stdin.write(json.dumps([name, str(tmp_path)]) + "\n")
        engine_process.stdin.flush()
        assert engine_process.stdout.readline() == "done\n"
        return json.loads((tmp_path / "answer.json").read_text())

    return tried
