"""A laptop with an experiment, and another computer that is reached by SSH."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from segmake.cli import main
from tests.projects import ROOT, draw_image
from tests.ssh.server import Server

# How long is waited on a machine that has much else to do.
PATIENCE_S = 600

# What no shell and no page may stumble over.
NAME = 'day 1, it\'s "été"\nand more'

SLOW = """\
import argparse, pathlib, time
import helper
parser = argparse.ArgumentParser()
parser.add_argument("--rate"); parser.add_argument("--output-dir", type=pathlib.Path)
options = parser.parse_args()
waiting = pathlib.Path(__file__).with_name("wait")
while waiting.exists():
    time.sleep(0.1)
(options.output_dir / "out.csv").write_text(f"twice\\n{helper.twice(options.rate)}\\n")
"""
SIMULATION = """\
images: {folder: null}
scripts:
  - {name: grow, script: scripts/grow.py, run: sweep, sweep: {rate: [1, 2]}}
"""


@dataclass
class Laptop:
    """A laptop with an experiment, and the other computer."""

    server: Server
    experiment: Path
    there: Path
    monkeypatch: pytest.MonkeyPatch

    def write_config(self, text: str, name: str = "config/config.yaml") -> None:
        path = self.experiment / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def write_scripts(self) -> None:
        self.write_config(SLOW, "scripts/grow.py")
        self.write_config("def twice(rate):\n    return 2 * int(rate)\n", "scripts/helper.py")

    def does(self, *words: str, typed: str = "") -> int:
        """Run ``segmake remote`` and return its exit code."""
        self.monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        return main(["remote", words[0], str(self.experiment), *words[1:]])

    def runs(self) -> int:
        return self.does("run", "--yes", "--profile", "local")

    def starts(self, *words: str) -> subprocess.Popen[str]:
        """Start ``segmake remote`` as a program of its own."""
        return subprocess.Popen(
            ["env", "--default-signal=INT", sys.executable, "-m", "segmake", "remote", *words],
            cwd=self.experiment,
            env={**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "SEGMAKE_LANG": "en"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def draw(path: Path, cells: int) -> None:
    draw_image(path, cells, seed=cells)
    os.utime(path, (1.7e9, 1.7e9))


def damage(path: Path) -> None:
    """Change what is in a file, and neither its size nor its time."""
    known = path.stat()
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))


def wait_for(condition: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"waited for {what}"
        time.sleep(0.1)


def state(laptop: Laptop, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    laptop.does("status", "--json")
    answer = json.loads(capsys.readouterr().out)
    return answer.get("state", answer["answer"])
