"""The pictures of the docs: each is shown by a page, small, and asks no other server; the stage makes them."""

from __future__ import annotations

import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

from tests.docs.pictures.images import MOST_BYTES
from tests.projects import ROOT
from tests.slurm import cluster
from tests.ssh.server import why_not as no_server

PICTURES = ROOT / "docs" / "pictures"
MOST_BYTES_OF_ALL = 6_000_000
_ADDRESS = re.compile(r"""https?://(?!www\.w3\.org/)[^\s"')]+""")


def pictures() -> list[Path]:
    """Return all of them."""
    return sorted(path for path in PICTURES.rglob("*") if path.is_file())


def test_each_picture_is_shown_by_a_page() -> None:
    pages = [ROOT / "README.md", *ROOT.glob("README.*.md"), *(ROOT / "docs").rglob("*.md")]
    shown = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    unused = [path.name for path in pictures() if f"/{path.name}" not in shown]
    assert unused == []


def test_pictures_are_small_and_ask_no_other_server() -> None:
    sizes = {path.name: path.stat().st_size for path in pictures()}
    assert [name for name, size in sizes.items() if size > MOST_BYTES] == []
    assert sum(sizes.values()) < MOST_BYTES_OF_ALL
    asked = {
        path.name: found
        for path in pictures()
        if path.suffix == ".svg" and (found := _ADDRESS.findall(path.read_text(encoding="utf-8")))
    }
    assert asked == {}


@pytest.mark.long
def test_pictures_are_made_from_a_real_run(tmp_path: Path) -> None:
    if reason := cluster.why_not() or no_server():
        pytest.skip(reason)
    pytest.importorskip("pyte", reason="pyte is not installed (tests/docs/pictures)")
    words = ["tests.docs.pictures", str(tmp_path), "--parts", "simulation", "--languages", "fr"]
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    svg = (tmp_path / "simulation-run.fr.svg").read_text(encoding="utf-8")
    shown = unescape(svg).replace("\N{NO-BREAK SPACE}", " ")
    # What was typed, and what was answered.
    for words_shown in ("snakemake --profile slurm", "script survival", "results/report.html"):
        assert words_shown in shown
