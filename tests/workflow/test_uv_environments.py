"""The environments of the config on a machine without conda: uv makes them, for real, with small packages."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import psutil
import pytest

from segmake.pythons import find_python
from tests.projects import Project, wait_until

SCRIPT = """\
import subprocess, sys
import natsort
which = subprocess.run("command -v python", shell=True, capture_output=True, text=True).stdout.strip()
open("python.csv", "w").write(f"prefix,version,which\\n{sys.prefix},{natsort.__version__},{which}\\n")
"""


@pytest.fixture
def scripted(project: Project, tmp_path: Path) -> Project:
    """A project of one script without images, in an environment of its own; no environment is there yet."""
    script = tmp_path / "where.py"
    script.write_text(SCRIPT)
    step = {"name": "where", "script": str(script), "run": "once", "outputs": ["python.csv"]}
    project.settings |= {
        "images": {"folder": None},
        "environments": {"growth": {"packages": ["natsort==8.4.0"]}},
        "scripts": [step | {"environment": "growth"}],
    }
    # A name that needs quotes in a shell, as those of people's folders do.
    project.variables["SNAKEMAKE_CONDA_PREFIX"] = str(tmp_path / "l'été à la mer")
    return project


def own(project: Project) -> Path:
    return Path(project.variables["SNAKEMAKE_CONDA_PREFIX"]) / "own"


def made(project: Project) -> list[Path]:
    return [mark.parent for mark in own(project).glob("*/.segmake-made")]


def said_codes(run: subprocess.CompletedProcess[str]) -> list[str]:
    return re.findall(r"SM-\w+-\d+", run.stderr)


def answer(project: Project) -> dict[str, str]:
    tables = (project.results / "scripts" / "where").rglob("python.csv")
    return pd.read_csv(next(tables), dtype=str).iloc[0].to_dict()


def test_a_script_runs_in_an_environment_that_uv_made_once(scripted: Project) -> None:
    # What would change versions counts for no environment; what is said of the index does.
    scripted.variables |= {"UV_RESOLUTION": "lowest", "UV_CONSTRAINT": "/nowhere.txt"}
    scripted.variables |= {"VIRTUAL_ENV": "/nowhere", "PYTHONPATH": "/nowhere"}
    dry = scripted.run("-n")
    assert dry.returncode == 0, dry.stderr
    assert re.findall(r"the environment (\w+) would be made", dry.stderr) == ["growth"]
    assert not own(scripted).exists()
    first = scripted.run()
    assert first.returncode == 0, first.stderr
    (place,) = made(scripted)
    assert answer(scripted) == {
        "prefix": str(place),
        "version": "8.4.0",
        "which": str(place / "bin" / "python"),
    }
    assert "natsort==8.4.0" in (scripted.results / "environments" / "growth.txt").read_text()

    # Another folder of results has the same; and what was done is not done again.
    assert "nothing to compute" in scripted.run().stderr
    scripted.settings["results"] = "other"
    other = scripted.run()
    assert other.returncode == 0 and "making the environment" not in other.stderr
    assert answer(scripted)["prefix"] == str(place)


def test_two_runs_at_once_make_it_once(scripted: Project, tmp_path: Path) -> None:
    assert scripted.run("-n").returncode == 0
    other = Project(tmp_path / "other", scripted.settings, variables=scripted.variables)
    shutil.copytree(scripted.folder / ".snakemake", other.folder / ".snakemake")
    runs = [project.start() for project in (scripted, other)]
    assert [run.wait() for run in runs] == [0, 0], (
        scripted.said.read_text() + other.said.read_text()
    )
    said = scripted.said.read_text() + other.said.read_text()
    assert said.count("making the environment growth") == 1
    assert len(made(scripted)) == 1


def at_work(project: Project) -> list[psutil.Process]:
    """Return the processes of uv that write into an environment of a project."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if words and words[0].endswith("uv") and any(str(own(project)) in word for word in words):
            found.append(process)
    return found


@pytest.fixture
def silent_index() -> Iterator[str]:
    """The address of an index of packages that takes what it is asked, and never answers."""
    import socket

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(16)
        yield f"http://127.0.0.1:{server.getsockname()[1]}/simple"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_one_that_was_interrupted_is_made_anew(
    scripted: Project, silent_index: str, tmp_path: Path, how: int
) -> None:
    assert scripted.run("-n").returncode == 0
    before = dict(scripted.variables)
    scripted.variables |= {"UV_DEFAULT_INDEX": silent_index, "UV_CACHE_DIR": str(tmp_path / "new")}
    run = scripted.start()
    wait_until(lambda: any("install" in process.cmdline() for process in at_work(scripted)), run)
    (unfinished,) = (path for path in own(scripted).iterdir() if path.is_dir())
    (unfinished / "half-written").touch()
    run.send_signal(how)
    assert run.wait() != 0
    said = scripted.said.read_text()
    assert "Traceback" not in said and not made(scripted)
    if how != signal.SIGKILL:
        assert "stopped while the environment growth was being made" in said
        assert not at_work(scripted)
    scripted.variables = before
    again = scripted.run()
    assert again.returncode == 0, again.stderr
    assert made(scripted) == [unfinished] and not (unfinished / "half-written").exists()
    assert not at_work(scripted)


def test_one_whose_python_has_gone_is_made_anew(scripted: Project) -> None:
    assert scripted.run().returncode == 0
    (place,) = made(scripted)
    (place / "bin" / "python").unlink()
    (place / "bin" / "python").symlink_to("/opt/removed/python3.11")
    scripted.settings["scripts"][0]["arguments"] = {"again": 1}
    again = scripted.run()
    assert again.returncode == 0, again.stderr
    assert "making the environment growth" in again.stderr


def test_the_python_that_is_asked_for(scripted: Project, tmp_path: Path) -> None:
    """One of pyenv or of the PATH; where there is none, those that are here are named."""
    here = find_python("3.12", tmp_path) or find_python("3.10", tmp_path)
    if here is None:
        pytest.skip("there is but one Python here")
    version = here.name.removeprefix("python")
    scripted.settings["environments"]["growth"]["python"] = version
    assert scripted.run().returncode == 0
    assert (made(scripted)[0] / "lib" / f"python{version}").is_dir()

    (tmp_path / "home").mkdir()
    # Of this machine's Pythons, the one that runs SegMake is left; a command that does not run is none.
    bare = tmp_path / "bin"
    bare.mkdir()
    for name in ("bash", "sh", "env", "touch", "test", "rm", "mkdir", "which"):
        (bare / name).symlink_to(shutil.which(name) or "/bin/true")
    (bare / f"python{version}").write_text("#!/bin/sh\necho pyenv: not found >&2; exit 127\n")
    (bare / f"python{version}").chmod(0o755)
    shutil.rmtree(own(scripted))
    scripted.settings["scripts"][0]["arguments"] = {"again": 1}
    scripted.variables |= {"PATH": str(bare), "HOME": str(tmp_path / "home"), "PYENV_ROOT": ""}
    scripted.variables |= {"UV_OFFLINE": "1"}
    dry = scripted.run("-n")
    assert f"there is no Python {version} on this machine" in dry.stderr, dry.stderr
    run = scripted.run()
    assert run.returncode == 1 and said_codes(run) == ["SM-ENV-041"], run.stderr
    own_version = ".".join(map(str, sys.version_info[:2]))
    assert f"Here there are: {own_version}." in run.stderr
    assert "Traceback" not in run.stderr and not scripted.journal("scripts/where")


@pytest.mark.parametrize(
    ("code", "index"), [("SM-ENV-003", "http://127.0.0.1:9/simple"), ("SM-ENV-005", "empty")]
)
def test_packages_that_cannot_be_had_are_told(
    scripted: Project, tmp_path: Path, code: str, index: str
) -> None:
    assert scripted.run("-n").returncode == 0
    (tmp_path / "empty").mkdir()
    if index == "empty":
        index = (tmp_path / "empty").as_uri()
    scripted.variables |= {"UV_DEFAULT_INDEX": index, "UV_CACHE_DIR": str(tmp_path / "new")}
    scripted.variables |= {"UV_HTTP_RETRIES": "0"}
    run = scripted.run()
    assert run.returncode == 1 and said_codes(run) == [code], run.stderr
    assert "    | " in run.stderr and "Traceback" not in run.stderr
    assert not list(own(scripted).glob("growth-*"))


def test_a_disk_without_room_is_told(scripted: Project, tmp_path: Path) -> None:
    assert scripted.run("-n").returncode == 0
    folder = tmp_path / "little room"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can only be mounted by root")
    try:
        scripted.variables["SNAKEMAKE_CONDA_PREFIX"] = str(folder)
        run = scripted.run()
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    assert run.returncode == 1 and said_codes(run) == ["SM-ENV-004"], run.stderr
    assert "Traceback" not in run.stderr


def test_an_environment_that_no_script_needs_stops_nothing(
    scripted: Project, tmp_path: Path
) -> None:
    packages = scripted.settings["environments"]
    packages |= {"wrong": {"packages": ["os"]}, "r": {"packages": ["six"], "conda": ["r-base"]}}
    packages["broken"] = {"packages": ["six"]}
    assert scripted.run("-n").returncode == 0
    # One that can be found and not be made.
    place = next((scripted.folder / ".snakemake/segmake/environments").glob("broken.*.yaml"))
    place.write_text(place.read_text().replace("six==", "six==0.0.0.1 # "))
    run = scripted.run()
    assert run.returncode == 0, run.stderr
    assert said_codes(run) == ["SM-ENV-018", "SM-ENV-040", "SM-ENV-005"], run.stderr
    assert run.stderr.count("so the run goes on without it") == 3
    assert answer(scripted)["version"] == "8.4.0"
    # It is tried again, and not taken for one that can be used.
    assert said_codes(scripted.run())[2:] == ["SM-ENV-005"]
    place.unlink()
    mended = scripted.run()
    assert said_codes(mended) == ["SM-ENV-018", "SM-ENV-040"], mended.stderr
    assert (scripted.results / "environments" / "broken.txt").exists()

    scripted.settings["scripts"][0]["environment"] = "r"
    refused = scripted.run()
    assert refused.returncode == 1 and "SM-ENV-040  config/config.yaml, line" in refused.stderr
