"""SegMake as a module of somebody's own workflow: from a folder, and from a commit of a git repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.projects import ROOT, draw_image

SNAKEFILE = """\
onstart:
    print("own start")


configfile: "config/config.yaml"


module segmake:
    snakefile:
        {snakefile}
    config:
        config{more}


use rule * from segmake{names}


rule count:
    input:
        "results/cells.parquet",
    output:
        "results/own/size.txt",
    shell:
        "wc -c < {{input}} > {{output}}"


rule everything:
    default_target: True
    input:
        rules.count.output,
        rules.all.input,


onsuccess:
    print("own end")
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A workflow of somebody's own in a folder, with images."""
    for number in range(2):
        draw_image(tmp_path / "images" / f"img_{number}.tif", 5, seed=number)
    (tmp_path / "config").mkdir()
    settings = "images: {folder: images}\nsegmentation: {engine: threshold}\nresults: results\n"
    (tmp_path / "config" / "config.yaml").write_text(settings)
    (tmp_path / "workflow").mkdir()
    return tmp_path


def run(
    folder: Path, snakefile: str, *options: str, names: str = "", more: str = ""
) -> subprocess.CompletedProcess[str]:
    text = SNAKEFILE.format(snakefile=snakefile, names=names, more=more)
    (folder / "workflow" / "Snakefile").write_text(text)
    words = [sys.executable, "-m", "snakemake", "--cores", "2", *options]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


def test_a_rule_of_ones_own_follows_segmakes(own: Path) -> None:
    snakefile = repr(str(ROOT / "workflow" / "Snakefile"))
    done = run(own, snakefile)
    assert done.returncode == 0, done.stderr
    assert "2 images done, 10 cells" in done.stderr
    assert done.stdout.split() == ["own", "start", "own", "end"]
    assert int((own / "results" / "own" / "size.txt").read_text()) > 0
    again = run(own, snakefile)
    assert again.returncode == 0 and "Nothing to be done" in again.stderr


def test_from_a_commit_of_a_git_repository(own: Path, tmp_path: Path) -> None:
    repository = tmp_path / "segmake"
    left_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "workflow", repository / "workflow", ignore=left_out)
    identity = {
        f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run(["git", *words], cwd=repository, env=os.environ | identity, check=True)
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=repository, text=True).strip()
    place = f'gitfile("{repository}", path="workflow/Snakefile", commit="{head}")'
    done = run(own, place)
    assert done.returncode == 0, done.stderr
    assert "2 images done, 10 cells" in done.stderr


@pytest.mark.parametrize(
    "other",
    [
        {"names": " as segmake_*"},
        {"more": '\n    prefix:\n        "mine"'},
        {"more": '\n    replace_prefix:\n        {"results/": "mine/"}'},
    ],
)
def test_other_names_of_rules_and_files_are_refused(own: Path, other: dict[str, str]) -> None:
    snakefile = repr(str(ROOT / "workflow" / "Snakefile"))
    refused = run(own, snakefile, "-n", **other)
    assert refused.returncode == 1 and "SM-RUN-063" in refused.stderr
    assert "Traceback" not in refused.stderr
