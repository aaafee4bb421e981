"""SegMake as a module of somebody's own workflow: from a folder, and as snakedeploy writes it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.projects import ROOT, draw_image

SNAKEDEPLOY = "snakedeploy==0.17.1"

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


def test_what_snakedeploy_writes_runs(own: Path, tmp_path: Path) -> None:
    """The real snakedeploy and the real git; the address leads to a repository of this machine."""
    tool = tmp_path / "tool" / "bin" / "python"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run(
        [*uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "tool"], check=True
    )
    subprocess.run([*uv, "pip", "install", "--quiet", "--python", tool, SNAKEDEPLOY], check=True)
    repository = tmp_path / "repositories" / "cells" / "segmake"
    for name in ("workflow", "config", "profiles"):
        left_out = shutil.ignore_patterns("__pycache__", "segmake")
        shutil.copytree(ROOT / name, repository / name, ignore=left_out)
    shutil.copy(ROOT / "LICENSE", repository)
    variables = os.environ | {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{repository.parents[1]}/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        **{
            f"GIT_{who}_{what}": "x"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
    }
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"], ["tag", "v1"]):
        subprocess.run(["git", *words], cwd=repository, env=variables, check=True)
    settings = (own / "config" / "config.yaml").read_text()
    shutil.rmtree(own / "config")
    shutil.rmtree(own / "workflow")
    deploy = ["deploy-workflow", "https://github.com/cells/segmake", own, "--tag", "v1"]
    subprocess.run([tool.with_name("snakedeploy"), *deploy], env=variables, check=True)
    assert 'github("cells/segmake"' in (own / "workflow" / "Snakefile").read_text()
    assert "images:" in (own / "config" / "config.yaml").read_text()
    (own / "config" / "config.yaml").write_text(settings)
    words = [sys.executable, "-m", "snakemake", "--cores", "2"]
    done = subprocess.run(
        words, cwd=own, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "2 images done, 10 cells" in done.stderr


@pytest.mark.parametrize(
    ("file", "module"),
    [
        ("results: results\n", "{**config, 'results': 'elsewhere'}"),
        (None, "{'images': {'folder': 'images'}}"),
    ],
)
def test_settings_that_are_not_in_the_config_file_are_refused(
    own: Path, file: str | None, module: str
) -> None:
    place = own / "config" / "config.yaml"
    if not file:
        place.unlink()
    (own / "workflow" / "Snakefile").write_text(
        ('configfile: "config/config.yaml"\n\n\n' if file else "")
        + f'module segmake:\n    snakefile:\n        "{ROOT}/workflow/Snakefile"\n'
        f"    config:\n        {module}\n\n\nuse rule * from segmake\n"
    )
    words = [sys.executable, "-m", "snakemake", "-n", "--cores", "1"]
    refused = subprocess.run(words, cwd=own, capture_output=True, text=True, check=False)
    assert refused.returncode == 1 and "SM-RUN-067" in refused.stderr, refused.stderr
    assert "Traceback" not in refused.stderr


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
