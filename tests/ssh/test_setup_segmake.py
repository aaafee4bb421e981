"""SegMake on a computer that is set up: found, named, installed with its engine, whatever the connection does."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from segmake import __version__
from segmake.messages import Problem
from segmake.places import copying
from segmake.places.place import PIECE
from segmake.places.there import There
from segmake.remote.known_computers import known_computers, login_of
from segmake.remote.remembered import read_place
from segmake.remote.setup import segmake_there
from segmake.remote.setup.segmake_there import send_bundle
from segmake.remote.setup.setting_up import Wishes, set_up
from segmake.remote.setup.way_there import Way
from tests.projects import ROOT
from tests.ssh.conftest import Answers, python
from tests.ssh.server import Server
from tests.ssh.setups import Done
from tests.workflow.test_bundle import bundle, environment_of_few_packages  # noqa: F401
from tests.workflow.updates import PARTS, git


def test_segmake_is_found_or_named_or_it_is_said_how_to_get_it(
    ready: Server, shared: Path, experiment: Path
) -> None:
    server = ready
    none = Done(server, experiment)
    assert none.code == "SM-REM-041" and "not found" in none.said
    # What worked is remembered.
    assert (known_computers()[0].host, known_computers()[0].entry) == (server.host, "cluster")
    mistyped = Done(server, experiment, host="", wishes=Wishes(segmake="/no/such/segmake"))
    assert mistyped.code == "SM-REM-040"
    no_way = Done(server, experiment, host="", wishes=Wishes(address=f"{shared}/no.git"))
    assert no_way.code == "SM-REM-042" and "bundle.sh" in no_way.said
    (server.user.home / ".profile").write_text(f"PATH='{shared}/.venv/bin':$PATH\n")
    found = Done(server, experiment, host="", wishes=Wishes(folder="/proc/segmake"))
    assert found.code == "SM-REM-046" and f"{shared}/.venv/bin/segmake" in found.said
    (experiment / "config" / "config.yaml").unlink()
    without = Done(server, experiment, host="")
    assert without.code == "" and "no experiment in this folder" in without.said


def test_an_engine_is_added_to_a_segmake_of_ones_own(
    ready: Server, shared: Path, experiment: Path
) -> None:
    server = ready
    asked = Wishes(segmake=f"{shared}/.venv/bin/segmake", engine="cellpose3")
    refused = Done(server, experiment, wishes=asked)
    assert refused.code == "SM-REM-057" and "--into ~/segmake" in refused.said, refused.said
    home = server.user.home
    shutil.copytree(shared, home / "segmake")
    for program in (home / "segmake/.venv/bin").iterdir():
        program.write_text(program.read_text().replace(str(shared), str(home / "segmake")))
    # What stands for the set-up, of which other tests tell: it makes the engine's Python.
    (home / "segmake/scripts/setup.sh").write_text(
        'case " $* " in *" --engine cellpose3 "*) ;; *) exit 0 ;; esac\n'
        f"mkdir -p '{home}/segmake/.environments/cellpose3/bin'\n"
        f"echo made >'{home}/segmake/.environments/cellpose3/bin/python'\n"
    )
    subprocess.run(["chown", "-R", server.user.name, str(home / "segmake")], check=True)
    (experiment / "config" / "config.yaml").write_text(
        "images: {folder: images}\nsegmentation: {engine: cellpose3}\n"
    )
    wishes = Wishes(segmake=f"{home}/segmake/.venv/bin/segmake")
    no = Done(server, experiment, agreed=False, wishes=wishes)
    assert no.code == "" and any("cellpose3" in each for each in no.asking.asked), no.said
    assert not (home / "segmake/.environments").exists()
    done = Done(server, experiment, wishes=replace(wishes, engine="cellpose3"))
    assert done.code == "" and "Installing the engine cellpose3" in done.said, done.said
    assert (home / "segmake/.environments/cellpose3/bin/python").read_text() == "made\n"
    again = Done(server, experiment, wishes=replace(wishes, engine="cellpose3"))
    assert again.code == "" and "Installing" not in again.said, again.said


@pytest.fixture
def repository(over_there: Server) -> Path:
    """A repository of SegMake that the user over there can clone."""
    folder = over_there.user.home / "its repository"
    left_out = shutil.ignore_patterns("__pycache__")
    for name in (*PARTS, "pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=left_out)
        else:
            shutil.copy(ROOT / name, folder / name)
    git(folder, "init", "--quiet")
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "As it is")
    subprocess.run(["chown", "-R", over_there.user.name, str(folder)], check=True)
    return folder


def test_segmake_is_cloned_and_what_its_set_up_says_is_told_and_why_it_stopped(
    ready: Server, repository: Path, experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ready
    monkeypatch.setenv("SEGMAKE_LANG", "fr")
    # Made beforehand, and empty.
    for name in ("with a space", "with a space/it's"):
        (server.user.home / name).mkdir()
        shutil.chown(server.user.home / name, server.user.name)
    wishes = Wishes(address=str(repository), into="with a space/it's", engine="nosuch")
    done = Done(server, experiment, wishes=wishes)
    assert done.code == "SM-REM-043", done.said
    # The set-up's own words, in the language of whoever sits here.
    assert "SM-SET-002" in done.said and "Il n'y a pas de moteur" in done.said
    assert (server.user.home / "with a space/it's/scripts/setup.sh").is_file()
    assert not list((server.user.home / "with a space").glob("*segmake-part*"))


def test_a_cluster_without_a_python_that_fits_gets_one_whatever_the_connection_does(
    ready: Server, repository: Path, experiment: Path
) -> None:
    server = ready
    (repository / "environment.yml").write_text(environment_of_few_packages())
    git(repository, "-c", "safe.directory=*", "commit", "--quiet", "-a", "-m", "Few packages")
    subprocess.run(["chown", "-R", server.user.name, str(repository)], check=True)
    # As on many a login node: an old Python, and one that only says that a module is to be loaded.
    programs = server.user.home / "programs"
    programs.mkdir()
    for name in ("python", "python3", "python3.11", "python3.12", "conda"):
        (programs / name).write_text("#!/bin/sh\necho module load it >&2; exit 127\n")
    # What stands for uv: there is no internet here that it could fetch a Python from.
    (programs / "uv").write_text(
        "#!/bin/sh\nset -e\nbin=$UV_PYTHON_INSTALL_DIR/cpython/bin\n"
        'if [ "$2" = find ]; then echo "$bin/python3.12"; exit; fi\n'
        f'mkdir -p "$bin" && ln -s {python()} "$bin/python3.12"\n'
    )
    subprocess.run(["chmod", "-R", "755", str(programs)], check=True)
    (server.user.home / ".profile").write_text(f"PATH={programs}:$PATH\n")
    log = server.user.home / ".cache/segmake/remote-setup.log"
    lines: list[str] = []

    def cut(line: str) -> None:
        """Lose the connection as soon as the set-up over there is at work."""
        lines.append(line)
        if log.exists() and server.processes:
            server.stop()

    wishes = Wishes(address=str(repository), engine="none")
    with pytest.raises(Problem) as lost:
        asyncio.run(set_up(Way(Answers(), cut, host=server.host), wishes, experiment))
    assert lost.value.code in ("SM-SSH-002", "SM-SSH-010"), lines
    begun = log.read_text()
    server.start()
    done = Done(server, experiment, host="", wishes=wishes)
    assert done.code == "" and f"version {__version__}" in done.said, done.said
    # It went on meanwhile, and was not begun anew.
    assert begun and log.read_text().startswith(begun)
    program = read_place(experiment).segmake
    assert program == f"{server.user.home}/segmake/.venv/bin/segmake"
    assert "cpython" in os.readlink(Path(program).with_name("python3.12"))
    again = Done(server, experiment, host="", wishes=wishes)
    assert again.code == "" and "Installing" not in again.said


@pytest.mark.long
def test_segmake_is_installed_from_one_file(
    ready: Server,
    bundle: Path,  # noqa: F811
    experiment: Path,
) -> None:
    server = ready
    done = Done(server, experiment, wishes=Wishes(bundle=bundle, engine="none"))
    assert done.code == "" and f"version {__version__}" in done.said, done.said
    assert read_place(experiment).segmake == f"{server.user.home}/segmake/.venv/bin/segmake"
    sent = server.user.home / ".cache/segmake" / bundle.name
    assert sent.read_bytes() == bundle.read_bytes()


def test_a_file_to_install_from_is_sent_once_whatever_the_connection_does(
    ready: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ready
    monkeypatch.setattr(copying, "PATIENCE", (0.1,) * 3)
    monkeypatch.setattr(segmake_there, "_TELL_SECONDS", 0)
    file = tmp_path / "a bundle.tar"
    file.write_bytes(os.urandom(5 * PIECE))
    told: list[str] = []
    logins: list[int] = []

    def tell(line: str) -> None:
        told.append(line)
        if not logins:
            logins.append(len(told))
            server.stop()
            server.start()

    async def sends() -> str:
        place = There(login_of(server.host, Answers()))
        try:
            return await send_bundle(place, file, tell)
        finally:
            await place.close()

    assert asyncio.run(sends()) == "~/.cache/segmake/a bundle.tar"
    sent = server.user.home / ".cache/segmake"
    assert [path.name for path in sent.iterdir()] == ["a bundle.tar"]
    assert (sent / "a bundle.tar").read_bytes() == file.read_bytes() and told
    written = (sent / "a bundle.tar").stat().st_ino
    asyncio.run(sends())
    assert (sent / "a bundle.tar").stat().st_ino == written
