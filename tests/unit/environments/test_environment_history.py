"""What is kept of environments, which there are, and how they go."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import uv

from segmake.cli import main
from segmake.config.load import load_config
from segmake.core import installation
from segmake.core.files import lock_file, write_lock
from segmake.environments.making import kept_environments
from segmake.environments.solving import history as environment_history
from segmake.environments.solving.environment_files import KEPT
from segmake.jupyter.session import Session
from segmake.plan.make import make_plan
from segmake.plan.result_paths import ResultPaths
from segmake.plan.written_plan import write_plan

FILE = """\
# The environment {name}, made by SegMake from `environments` in the config: every package with its version.
channels:
  - conda-forge
dependencies:
  - python=3.11
  - pip
  - pip:
{pins}"""
UNREACHABLE = {"HTTPS_PROXY": "http://127.0.0.1:9", "UV_HTTP_RETRIES": "0"}


def environment_file(path: Path, name: str, *pins: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"      - {pin}\n" for pin in pins)
    path.write_text(FILE.format(name=name, pins=lines), encoding="utf-8")
    return path


def test_the_lock_has_checksums_that_uv_takes_and_is_never_overwritten(tmp_path, monkeypatch):
    file = environment_file(tmp_path / "growth.01.yaml", "growth", "six==1.17.0", "tqdm==4.67.1")
    kept = environment_history.keep("growth", file, tmp_path)
    assert kept.parent == tmp_path / "environments" / "history"
    assert kept.name.startswith("growth.20") and kept.name.endswith(".txt")
    options = [
        "--require-hashes",
        "--no-deps",
        "--target",
        str(tmp_path / "there"),
        "-r",
        str(kept),
    ]
    install = [uv.find_uv_bin(), "pip", "install", "--quiet", "--python", sys.executable, *options]
    subprocess.run(install, check=True)
    assert (tmp_path / "there" / "six.py").exists()

    kept.write_text(before := "as it was")
    monkeypatch.setattr(environment_history, "date", None)
    assert environment_history.keep("growth", file, tmp_path) == kept
    assert kept.read_text() == before
    monkeypatch.undo()
    other = environment_file(tmp_path / "growth.01.yaml", "growth", "six==1.16.0")
    assert environment_history.keep("growth", other, tmp_path) != kept
    assert kept.read_text() == before


def test_without_a_network_the_versions_are_kept(tmp_path, monkeypatch):
    for name, value in {**UNREACHABLE, "UV_CACHE_DIR": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(name, value)
    file = environment_file(tmp_path / "growth.01.yaml", "growth", "six==1.17.0")
    text = environment_history.keep("growth", file, tmp_path).read_text()
    assert "six==1.17.0" in text and "--hash" not in text and "checksums" in text


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder in which a run has made the environments of its config, an engine's, and some that are not used now."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SNAKEMAKE_CONDA_PREFIX", raising=False)
    # Not the environments of the clone that is tested.
    monkeypatch.setattr(installation, "environments", lambda: tmp_path / "clone" / ".environments")
    (tmp_path / "config").mkdir()
    script = tmp_path / "count.py"
    script.write_text("print(1)\n")
    settings = {
        "images": {"folder": None},
        "results": "results",
        "environments": {"growth": {"packages": ["six"]}},
        "scripts": [
            {"name": "count", "script": str(script), "environment": "growth", "run": "once"}
        ],
    }
    (tmp_path / "config" / "config.yaml").write_text(json.dumps(settings))
    plan, _ = make_plan(load_config(Path("config/config.yaml")), "snakemake")
    growth = environment_file(KEPT.absolute() / "growth.01.yaml", "growth", "six==1.17.0")
    plan.environments["growth"] = str(growth)
    write_plan(plan)
    environment_file(Path("results/environments/growth.yaml"), "growth", "six==1.17.0")
    make("aa_", growth.read_text())
    make("bb_", environment_file(tmp_path / "old", "growth", "six==1.16.0").read_text())
    make("cc_", (kept_environments.ENGINES / "imaging.yaml").read_text())
    return tmp_path


def make(folder: str, text: str, place: Path = Path(".snakemake/conda")) -> Path:
    """Make what is left of an environment of conda: its file, its folder, and the mark that it is whole."""
    made = place / folder
    (made / "bin").mkdir(parents=True)
    (made / "bin" / "python").write_bytes(b"x" * 10_000)
    made.with_name(f"{folder}.yaml").write_text(text)
    made.with_name(f"{folder}.env_setup_done").touch()
    return made


def there() -> set[str]:
    return {path.name for path in Path(".snakemake/conda").iterdir() if path.name[0] != "."}


def test_environments_are_listed_with_what_uses_them(project, capsys):
    assert main(["environments"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    (used,) = [line for line in lines if line.endswith("/aa_")]
    assert used.startswith("growth.") and "count" in used and "GB" in used
    assert any("nothing in" in line and line.endswith("/bb_") for line in lines)
    assert any(line.startswith("imaging") and "SegMake" in line for line in lines)


def test_only_what_nothing_uses_is_removed_and_only_after_a_yes(project, capsys):
    before = there()
    # There is no one to ask.
    assert main(["environments", "remove", "--unused"]) == 1
    assert there() == before and "/bb_" in capsys.readouterr().out
    assert main(["environments", "remove", "--unused", "--yes"]) == 0
    said = capsys.readouterr().out
    assert "/bb_" in said and "/aa_" not in said and "/cc_" not in said
    assert there() == {name for name in before if not name.startswith("bb_")}
    assert main(["environments", "remove", "--unused", "--yes"]) == 0
    assert "Nothing" in capsys.readouterr().out
    assert main(["environments", "remove", "growth", "--yes"]) == 0
    assert there() == {"cc_", "cc_.yaml", "cc_.env_setup_done"}
    # Made by uv, where there is no conda.
    own = project / "clone" / ".environments" / "own" / "growth-0123456789abcdef"
    (own / "bin").mkdir(parents=True)
    (own / ".segmake-made").touch()
    beside = own.with_name("growth-unfinished")
    beside.mkdir()
    assert main(["environments", "remove", "growth.01234567", "--yes"]) == 0
    assert not own.exists() and beside.exists()
    assert main(["environments", "remove", "grwoth", "--yes"]) == 1
    assert "SM-ENV-053" in capsys.readouterr().err


def test_nothing_is_removed_while_a_run_uses_it_or_from_a_shared_place(
    project, capsys, monkeypatch
):
    before = there()
    with ResultPaths(Path("results")).lock.open("a+") as lock:
        lock_file(lock, wait=False)
        write_lock(lock)
        assert main(["environments", "remove", "--unused", "--yes"]) == 1
    assert "SM-ENV-054" in capsys.readouterr().err and there() == before
    at_work = subprocess.Popen(
        [sys.executable, "-c", "input()", str(Path(".snakemake/conda/bb_/bin").absolute())],
        stdin=subprocess.PIPE,
    )
    try:
        assert main(["environments", "remove", "--unused", "--yes"]) == 1
    finally:
        at_work.communicate(b"\n")
    assert "SM-ENV-054" in capsys.readouterr().err and there() == before

    monkeypatch.setenv("SNAKEMAKE_CONDA_PREFIX", str(project / "shared"))
    other = environment_file(project / "other", "theirs", "six==1.15.0").read_text()
    shared = make("dd_", other, project / "shared")
    assert main(["environments", "remove", "--unused", "--yes"]) == 0
    assert main(["environments", "remove", "theirs", "--yes"]) == 1
    assert "SM-ENV-055" in capsys.readouterr().err and shared.exists()


def test_what_a_jupyterlab_uses_is_not_removed(project, capsys, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(project / "state"))
    used = str(Path(".snakemake/conda/bb_").absolute())
    # This process stands for JupyterLab.
    own = {"process": os.getpid(), "began": psutil.Process().create_time()}
    Session("growth", str(project), "secret", host=socket.gethostname(), uses=[used], **own).write()
    assert main(["environment", "--remove", "--unused", "--yes"]) == 1
    assert "segmake jupyter growth" in capsys.readouterr().err and Path(used).exists()


def test_an_environment_is_exported_and_no_file_overwritten(project, capsys):
    assert main(["environments", "export", "growth", "--to", "out"]) == 0
    assert "six==1.17.0" in Path("out/environment.yml").read_text()
    assert "--hash=sha256:" in Path("out/requirements.txt").read_text()
    Path("out/environment.yml").write_text("mine")
    assert main(["environments", "export", "growth", "--to", "out"]) == 1
    assert "SM-ENV-056" in capsys.readouterr().err
    assert Path("out/environment.yml").read_text() == "mine"
