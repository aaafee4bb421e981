from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.projects import ROOT

# As on a disk that fills up: the file's first bytes are written, and no error is told.
READ = """
import resource
import segmake
resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))
import large
"""


def test_a_disk_that_fills_up_leaves_no_half_bytecode(tmp_path: Path) -> None:
    (tmp_path / "large.py").write_text(
        "".join(f"name_{number} = {number}\n" for number in range(999))
    )
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    }
    environment["PYTHONPATH"] = f"{ROOT / 'workflow'}{os.pathsep}{tmp_path}"
    for _ in range(2):
        subprocess.run([sys.executable, "-c", READ], env=environment, check=True)
    assert list((tmp_path / "__pycache__").glob("*")) == []
