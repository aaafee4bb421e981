"""Environments that a user has already: found by name or folder, looked at, never touched."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from segmake.adapter.script_rules import python_words
from segmake.environments.making import kept_environments
from segmake.environments.making.own_environments import OwnEnvironments, pythons_of
from segmake.environments.making.trial import try_environment
from segmake.environments.solving import existing_environments
from segmake.environments.solving.environment_file import pins
from segmake.environments.solving.environment_files import environment_files
from segmake.environments.solving.history import requirements
from segmake.messages import Problem, Problems
from segmake.plan.result_paths import ResultPaths
from segmake.plan.scripts import code_of
from segmake.scripts.definition.script import scripts_of

OWN = ".".join(map(str, sys.version_info[:2]))


def made(place: Path, *packages: str) -> Path:
    """Make an environment, with packages (``name-version``) that have nothing in them."""
    command = [sys.executable, "-m", "venv", "--without-pip", str(place)]
    subprocess.run(command, check=True)
    for package in packages:
        install(place, package)
    return place


def install(place: Path, package: str) -> None:
    (site,) = place.glob("lib/python*/site-packages")
    info = site / f"{package.replace('-', '_', package.count('-') - 1)}.dist-info"
    info.mkdir()
    name, _, version = package.rpartition("-")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def contents(place: Path) -> set[tuple[str, int]]:
    return {(str(path), path.lstat().st_mtime_ns) for path in place.rglob("*")}


@pytest.fixture
def section(configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return the file of an environment with such a section, and the config."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("CONDA_EXE", "CONDA_ROOT", "MAMBA_ROOT_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    existing_environments._of_conda.cache_clear()

    def read(**settings):
        config = configure(environments={"lab": settings})
        return environment_files(config, kept=tmp_path / "kept", conda=True)["lab"], config

    return read


def refused(section, **settings) -> dict[str, str]:
    with pytest.raises(Problems) as caught:
        section(**settings)
    return {one.code: f"{one.what} {one.remedy}" for one in caught.value.problems}


def test_a_venv_is_used_as_it_is_with_conda_and_without(section, tmp_path: Path) -> None:
    place = made(tmp_path / "l'été à la mer", "numpy-1.26.4", "opencv-python-4.9.0.80")
    before = contents(place)
    for words in ("l'été à la mer/", "./l'été à la mer", "~/l'été à la mer", f"{place}/bin/python"):
        file, config = section(existing=words, packages=["numpy<2", "OpenCV"])
        assert pins(file) == {"numpy": "1.26.4", "opencv-python": "4.9.0.80"}
        for conda in (True, False):
            pythons = pythons_of({"lab": file}, config.settings, None, conda=conda)
            assert pythons == {"lab": str(place / "bin" / "python")}
            plan = SimpleNamespace(pythons=pythons)
            assert str(place).split("'")[0] in python_words(plan, "lab", conda=conda)
    assert config.settings["environments"]["lab"]["python"] == OWN
    text = requirements("lab", file, "lab.txt")
    assert "numpy==1.26.4" in text and "--hash" not in text and "did not make" in text
    assert contents(place) == before


def test_nothing_is_made_for_one_that_is_there(section, tmp_path: Path) -> None:
    made(tmp_path / "lab")
    file, config = section(existing="lab")
    pythons = pythons_of({"lab": file}, config.settings, None, conda=False)
    plan = SimpleNamespace(
        settings=config.settings,
        typed=config.typed,
        environments={"lab": str(file)},
        imports={"lab": []},
        pythons=pythons,
        definitions={"a": SimpleNamespace(environment="lab")},
        scripts={"a": SimpleNamespace(batches={"": []})},
        folders=SimpleNamespace(state=tmp_path / "state"),
    )
    own = OwnEnvironments(plan)
    before = contents(tmp_path / "lab")
    own.make()
    assert own.conda_file("lab") is None
    assert contents(tmp_path / "lab") == before


def test_names_are_those_of_conda(section, tmp_path: Path, monkeypatch) -> None:
    root = made(tmp_path / "miniforge3")
    noted, asked = made(root / "envs" / "noted"), made(tmp_path / "elsewhere" / "asked")
    for place in (root, noted, asked):
        (place / "conda-meta").mkdir()
    (noted / "conda-meta" / "numpy-2.0.1-py311h1.json").touch()
    listed = tmp_path / ".conda" / "environments.txt"
    listed.parent.mkdir()
    listed.write_text(f"{root}\n{noted}\n{tmp_path}/removed\n")
    (conda := tmp_path / "commands" / "conda").parent.mkdir()
    conda.write_text(f"#!/bin/sh\necho '{json.dumps({'envs': [str(asked)]})}'\n")
    conda.chmod(0o755)
    monkeypatch.setenv("PATH", f"{conda.parent}:/usr/bin:/bin")
    found = {name: existing_environments.find(name) for name in ("base", "noted", "asked")}
    assert [one.prefix for one in found.values()] == [root, noted, asked]
    assert any("numpy-2.0.1" in one for one in found["noted"].contents())
    said = refused(section, existing="note")["SM-ENV-035"]
    assert said.rpartition(": ")[2] == "noted"
    listed.write_text(f"{root}\n{noted}\n{made(tmp_path / 'miniconda3' / 'envs' / 'noted')}\n")
    (tmp_path / "miniconda3" / "envs" / "noted" / "conda-meta").mkdir()
    assert str(noted) in refused(section, existing="noted")["SM-ENV-036"]
    monkeypatch.setenv("CONDA_EXE", str(root / "bin" / "conda"))
    assert existing_environments.find("noted").prefix == noted


def test_what_can_not_be_used_is_told(section, tmp_path: Path) -> None:
    place = made(tmp_path / "envs" / "lab", "numpy-2.1.0")
    assert str(place) in refused(section, existing="envs/lba")["SM-ENV-035"]
    assert "no Python" in refused(section, existing=str(tmp_path / "envs"))["SM-ENV-036"]
    said = refused(section, existing="envs/lab", packages=["numpy<2", "pandas"])["SM-ENV-039"]
    assert "numpy<2 (there: 2.1.0)" in said and "pandas" in said and f"{place}/bin/python" in said
    assert "-m pip install" in said

    python = place / "bin" / "python"
    python.unlink()
    python.symlink_to("/opt/removed/python3.11")
    assert "/opt/removed/python3.11" in refused(section, existing="envs/lab")["SM-ENV-036"]
    python.unlink()
    python.write_text("#!/bin/sh\necho wrong machine >&2; exit 126\n")
    python.chmod(0o755)
    assert "wrong machine" in refused(section, existing="envs/lab")["SM-ENV-036"]
    (place / "pyvenv.cfg").write_text("version = 2.7.18\n")
    assert "2.7" in refused(section, existing="envs/lab")["SM-ENV-036"]


def test_what_else_says_what_is_in_it_is_refused(section, tmp_path: Path) -> None:
    made(tmp_path / "lab")
    other = "3.12" if OWN != "3.12" else "3.13"
    clash = refused(section, existing="lab", python=other, file="list.txt", conda=["r-base"])
    assert list(clash) == ["SM-ENV-038"]
    assert all(f"`{key}`" in clash["SM-ENV-038"] for key in ("python", "file", "conda"))
    section(existing="lab", python=OWN, file=None, conda=[])


def test_a_script_runs_again_once_something_else_is_in_it(
    configure, section, tmp_path: Path
) -> None:
    place = made(tmp_path / "lab", "numpy-1.26.4")
    (tmp_path / "a.py").write_text("print(1)\n")
    step = {"name": "a", "script": str(tmp_path / "a.py"), "run": "once", "environment": "lab"}

    def code(**settings) -> str:
        config = configure(environments={"lab": settings}, scripts=[step])
        return code_of(scripts_of(config.settings)["a"], config.settings)

    first = code(existing="lab")
    # What has to be in it is no part of it.
    assert code(existing="lab", packages=["numpy"]) == first
    install(place, "pandas-2.2.0")
    assert code(existing="lab") != first


def test_what_fails_in_it_is_the_users_to_repair(section, tmp_path: Path) -> None:
    place = made(tmp_path / "lab", "natsort-8.4.0")
    (site,) = place.glob("lib/python*/site-packages")
    (site / "natsort.py").write_text("raise ImportError('no such file')\n")
    file, config = section(existing="lab", packages=["natsort"])
    plan = SimpleNamespace(
        settings=config.settings,
        typed=config.typed,
        environments={"lab": str(file)},
        imports={"lab": ["absent=a.py"]},
        folders=ResultPaths(tmp_path / "results"),
    )
    with pytest.raises(Problems) as caught:
        try_environment(plan, "lab", str(place / "bin" / "python"), tmp_path / "lab.log")
    assert [one.code for one in caught.value.problems] == ["SM-ENV-039", "SM-ENV-039"]
    said = str(caught.value)
    assert "no such file" in said and "absent (a.py)" in said and "Delete" not in said
    (site / "natsort.py").write_text("")
    plan.imports["lab"] = []
    try_environment(plan, "lab", str(place / "bin" / "python"), tmp_path / "lab.log")
    (kept,) = (tmp_path / "results" / "environments" / "history").iterdir()
    assert "natsort==8.4.0" in kept.read_text()


def test_it_is_listed_and_never_removed(section, tmp_path: Path) -> None:
    place = made(tmp_path / "lab")
    _, config = section(existing="lab")
    found = kept_environments.find(config, tmp_path / "results")
    assert str(place) in "\n".join(kept_environments.table(found, config))
    # This SegMake may have others that nobody uses.
    unused = kept_environments.chosen(found, [], unused=True)
    assert place not in [each.place for each in unused]
    with pytest.raises(Problem, match="SM-ENV-058"):
        kept_environments.chosen(found, ["lab"], unused=False)
