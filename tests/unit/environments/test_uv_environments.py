"""How uv makes an environment: for real, with a small package; tests/workflow has a whole run."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from segmake.core import installation
from segmake.environments.making.uv import is_made, make, place_of
from segmake.environments.solving import pythons, uv_settings
from segmake.environments.solving.history import hashed
from segmake.environments.solving.pythons import find_python
from segmake.messages import Problem

FILE = """\
dependencies:
  - python={python}
  - pip
  - pip:
      - natsort=={version}
"""
OWN = ".".join(map(str, sys.version_info[:2]))

# What a run does, as a process that can be killed.
MAKE = (
    "import json, os; from pathlib import Path; from segmake.environments.making.uv import make;"
    "python, file, place = json.loads(os.environ['TO_MAKE']);"
    "make('growth', python, Path(file), Path(place))"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "growth.yaml"
    path.write_text(FILE.format(python=OWN, version="8.4.0"))
    return path


@pytest.fixture
def place(tmp_path: Path, file: Path) -> Path:
    """In a folder with a name that needs quotes in a shell, as those of people's folders do."""
    return place_of("growth", OWN, file, tmp_path / 'l\'été "à" la mer')


def start(file: Path, place: Path, **variables: str) -> subprocess.Popen[str]:
    # On the command line the folder would look like that of a uv which was left behind.
    variables["TO_MAKE"] = json.dumps([OWN, str(file), str(place)])
    path = str(installation.PACKAGE.parent)
    environment = {**os.environ, "PYTHONPATH": path, "SEGMAKE_LANG": "en", **variables}
    command = [sys.executable, "-c", MAKE]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def version_in(place: Path) -> str:
    command = [place / "bin" / "python", "-c", "import natsort; print(natsort.__version__)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_other_pins_or_another_python_are_another_folder(file: Path, tmp_path: Path) -> None:
    first = place_of("growth", "3.11", file, tmp_path)
    assert first == place_of("growth", "3.11", file, tmp_path)
    assert first != place_of("growth", "3.12", file, tmp_path)
    file.write_text(FILE.format(python=OWN, version="8.3.1"))
    assert first != place_of("growth", "3.11", file, tmp_path)
    assert place_of("growth", "3.11", file, None).parents[1].name == ".environments"


def test_two_at_once_make_it_once(file: Path, place: Path) -> None:
    runs = [start(file, place) for _ in range(2)]
    said = "".join(run.communicate()[1] for run in runs)
    assert [run.returncode for run in runs] == [0, 0], said
    assert said.count("making the environment growth") == said.count("growth is ready") == 1
    assert is_made(place) and version_in(place) == "8.4.0"


def at_work(place: Path) -> list[psutil.Process]:
    """Return the processes of uv that write into an environment."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if words[:1] and words[0].endswith("uv") and any(str(place) in word for word in words):
            found.append(process)
    return found


@pytest.fixture
def silent_index() -> Iterator[str]:
    """The address of an index of packages that takes what it is asked, and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(16)
        yield f"http://127.0.0.1:{server.getsockname()[1]}/simple"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_one_that_was_interrupted_is_made_anew(
    file: Path, place: Path, tmp_path: Path, silent_index: str, how: int
) -> None:
    # What is asked of the index first is kept: else two minutes pass before the installation begins.
    assert hashed(file)
    index = {"UV_DEFAULT_INDEX": silent_index, "UV_CACHE_DIR": str(tmp_path / "empty")}
    run = start(file, place, **index)
    while not any("install" in process.info["cmdline"] for process in at_work(place)):
        assert run.poll() is None, run.communicate()[1]
        time.sleep(0.02)
    (place / "half-written").touch()
    run.send_signal(how)
    said = run.communicate()[1]
    assert run.returncode != 0 and "Traceback" not in said
    assert not is_made(place)
    if how != signal.SIGKILL:
        assert "stopped while the environment growth was being made" in said
        assert not at_work(place)
    make("growth", OWN, file, place)
    assert version_in(place) == "8.4.0" and not (place / "half-written").exists()
    # uv goes on when a run is killed, and would write into what the next one makes.
    assert not at_work(place)


def test_one_whose_python_has_gone_is_made_anew(file: Path, place: Path) -> None:
    make("growth", OWN, file, place)
    (place / "bin" / "python").unlink()
    (place / "bin" / "python").symlink_to("/opt/removed/python3.11")
    assert not is_made(place)
    make("growth", OWN, file, place)
    assert version_in(place) == "8.4.0"


def test_settings_that_change_versions_do_not_count_and_those_of_the_index_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pip = {"index-url": "https://lab/simple", "proxy": "http://lab:3128", "constraint": "c.txt"}
    monkeypatch.setattr(uv_settings, "_settings_of_pip", lambda: pip)
    own = {
        "HOME": "/nowhere",
        "UV_RESOLUTION": "lowest",
        "UV_CONSTRAINT": "c.txt",
        "PYTHONPATH": "x",
    }
    kept = {"UV_CACHE_DIR": "cache", "UV_HTTP_TIMEOUT": "9", "UV_INDEX_LAB_PASSWORD": "p", "A": "b"}
    found = uv_settings.variables_of_uv({**own, **kept})
    assert {name: found.get(name) for name in kept} == kept
    assert not {"UV_RESOLUTION", "UV_CONSTRAINT", "PYTHONPATH"} & set(found)
    assert found["UV_DEFAULT_INDEX"] == "https://lab/simple"
    # What git says is read, and nobody would see its question for a password.
    assert (found["LANGUAGE"], found["GIT_TERMINAL_PROMPT"]) == ("en", "0")
    assert found["HTTPS_PROXY"] == "http://lab:3128"
    # What uv itself is told is stronger than what pip is told.
    told = {"UV_INDEX_URL": "https://other/simple", "https_proxy": "http://other:1"}
    found = uv_settings.variables_of_uv({"HOME": "/nowhere", **told})
    assert "UV_DEFAULT_INDEX" not in found and "HTTPS_PROXY" not in found


def test_a_python_that_does_not_run_is_none(
    file: Path, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version managers show commands that do not run; where there is no Python, those that are here are named."""
    bare = tmp_path / "bin"
    bare.mkdir()
    (bare / "python3.14").write_text("#!/bin/sh\necho pyenv: not found >&2; exit 127\n")
    (bare / "python3.14").chmod(0o755)
    for name, value in {
        "PATH": bare,
        "HOME": tmp_path,
        "PYENV_ROOT": tmp_path,
        "UV_OFFLINE": 1,
    }.items():
        monkeypatch.setenv(name, str(value))
    pythons._ask.cache_clear()
    with pytest.raises(Problem) as caught:
        make("growth", "3.14", file, place)
    assert caught.value.code == "SM-ENV-041"
    assert f"Those here: {OWN}." in caught.value.what
    assert not place.exists()


def test_a_python_of_the_machine_is_found(file: Path, tmp_path: Path) -> None:
    others = [v for v in ("3.10", "3.12", "3.13") if v != OWN and find_python(v, tmp_path)]
    if not others:
        pytest.skip("there is but one Python here")
    place = place_of("growth", others[0], file, tmp_path)
    make("growth", others[0], file, place)
    assert (place / "lib" / f"python{others[0]}" / "site-packages" / "natsort").is_dir()


def test_what_uv_could_not_do_is_told(
    file: Path, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    cases = {
        "SM-ENV-003": "http://127.0.0.1:9/simple",
        "SM-ENV-005": (tmp_path / "folder").as_uri(),
    }
    for code, index in cases.items():
        monkeypatch.setenv("UV_DEFAULT_INDEX", index)
        with pytest.raises(Problem) as caught:
            make("growth", OWN, file, place)
        assert caught.value.code == code, str(caught.value)
        assert "    | " in caught.value.what and not place.exists()


def test_another_build_than_the_one_asked_for_is_not_kept(
    file: Path, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of packages with a build of its own, which counts for the same version."""
    import zipfile

    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / "natsort-8.4.0+lab-py3-none-any.whl", "w") as wheel:
        wheel.writestr("natsort/__init__.py", "")
        info = "natsort-8.4.0+lab.dist-info"
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: natsort\nVersion: 8.4.0+lab\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    with pytest.raises(Problem) as caught:
        make("growth", OWN, file, place)
    assert caught.value.code == "SM-ENV-042" and "natsort 8.4.0+lab (8.4.0)" in caught.value.what
    assert not place.exists()


def test_a_disk_without_room_is_told(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # uv breaks its words into lines of a terminal's width.
    monkeypatch.setenv("COLUMNS", "20")
    folder = tmp_path / "little room"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can only be mounted by root")
    try:
        with pytest.raises(Problem) as caught:
            make("growth", OWN, file, place_of("growth", OWN, file, folder))
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    assert caught.value.code == "SM-ENV-004", str(caught.value)
