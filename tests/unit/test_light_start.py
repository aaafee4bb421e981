"""What Snakemake is spared when it starts is there all the same once it is wanted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPORT = """
import logging, sys
from segmake.adapter.light_start import lighten

lighten()
import yte
import snakemake_executor_plugin_slurm as plugin

assert not {"numpy", "pandas"} & set(sys.modules)
words = {"e_threshold": 0.8, "run_uuid": "run", "e_report_path": sys.argv[1], "logger": logging.getLogger()}
plugin.create_efficiency_report(**words)
assert plugin.efficiency_report.parse_maxrss("2048K") == 2
import snakemake_executor_plugin_slurm.efficiency_report as real
assert real.parse_maxrss("2048K") == 2
import numpy
assert yte.process_yaml("a: ?1 + 1") == {"a": 2}
"""

# A job and its step, as the plugin asks for them.
SACCT = """#!/bin/sh
echo "7|run|rule_segment|00:10:00|00:05:00|1|1||4G"
echo "7.0|python|rule_segment|00:10:00|00:05:00|1|1|2048K|"
"""


def test_the_efficiency_report_is_written_when_it_is_asked_for(tmp_path: Path, monkeypatch):
    asked = tmp_path / "asked"
    for name, text in {"sacct": SACCT, "scontrol": f"#!/bin/sh\ntouch '{asked}'\n"}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    command = [sys.executable, "-c", REPORT, str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert "segment" in (tmp_path / "efficiency_report_run.csv").read_text()
    assert not asked.exists(), "Slurm's controller was asked while Snakemake started"
