"""The server of these tests, and somebody who answers what a login asks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
import pytest

from segmake.cli import main
from segmake.places import copying
from segmake.remote import running
from segmake.remote.remembered import PlaceFile, write_place
from segmake.remote.setup.setting_up import Wishes
from tests.projects import ROOT
from tests.ssh import server as ssh
from tests.ssh.laptop import NAME, Laptop
from tests.ssh.server import Server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if reason := ssh.why_not():
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=reason))


@dataclass
class Answers:
    """A user who has the answers ready, notes what was asked, and takes what is proposed for all else."""

    given: list[str | Callable[[], str] | None] = field(default_factory=list)
    agreed: bool = True
    asked: list[str] = field(default_factory=list)

    async def secret(self, question: str, *, shown: bool = False) -> str | None:
        self.asked.append(question)
        answer = self.given.pop(0) if self.given else "" if shown else None
        return answer() if callable(answer) else answer

    async def agrees(self, question: str) -> bool:
        self.asked.append(question)
        return self.agreed


def make_key(passphrase: str | None = None) -> str:
    """Make the key of the user of this laptop, and return its public half."""
    made = asyncssh.generate_private_key("ssh-ed25519")
    path = Path("~/.ssh/id_ed25519").expanduser()
    made.write_private_key(path, passphrase=passphrase)
    path.chmod(0o600)
    return made.export_public_key().decode()


# What login shells read.
START_FILES = (".bashrc", ".bash_profile", ".profile", ".cshrc", ".config/fish/config.fish")


@pytest.fixture
def server(one_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that is not started yet, and a home on this side in which nothing is known of it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / ".ssh").mkdir(mode=0o700)
    yield one_server
    one_server.stop()
    one_server.set_shell("bash")
    # What a test had printed at each login, or asked for, is none of the next one's.
    for name in (*START_FILES, ".google_authenticator"):
        (one_server.user.home / name).unlink(missing_ok=True)


def python() -> str:
    """Return a Python that each user of this machine may run."""
    test = "import sys; sys.exit(sys.version_info < (3, 11))"
    for name in ("/usr/bin/python3", "/usr/bin/python3.12", "/usr/bin/python3.11", sys.executable):
        if shutil.which(name) and subprocess.run([name, "-c", test], check=False).returncode == 0:
            return name
    pytest.skip("there is no Python here that other users may run")


@pytest.fixture(scope="session")
def shared() -> Iterator[Path]:
    """SegMake as an institute has it, in a folder that each user may read: what needs no packages of it."""
    folder = Path("/opt") / f"segmake shared {os.getpid()}"
    folder.mkdir(mode=0o755)
    left_out = shutil.ignore_patterns("__pycache__")
    for name in ("workflow", "scripts", "profiles"):
        shutil.copytree(ROOT / name, folder / name, ignore=left_out)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, words in (("python", '"$@"'), ("segmake", '-m segmake "$@"')):
        program = programs / name
        program.write_text(
            f"#!/bin/sh\nPYTHONPATH='{folder}/workflow' PYTHONDONTWRITEBYTECODE=1 exec {python()} {words}\n"
        )
        program.chmod(0o755)
    subprocess.run(["chmod", "-R", "a+rX", str(folder)], check=True)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def over_there(server: Server) -> Iterator[Server]:
    """The server, and the home over there in which nothing was set up yet."""

    def clear() -> None:
        made = (".ssh", ".config", ".cache", "segmake", "segmake-experiments")
        for path in (*made, "its repository", "programs", "with a space"):
            shutil.rmtree(server.user.home / path, ignore_errors=True)
        for path in (".bashrc", ".cshrc", ".profile", ".bash_profile", ".google_authenticator"):
            (server.user.home / path).unlink(missing_ok=True)
        server.user.home.chmod(0o755)

    clear()
    yield server
    clear()


@pytest.fixture
def ready(over_there: Server) -> Server:
    """The server, which is started and lets this user's key in."""
    over_there.permit(make_key())
    over_there.start()
    return over_there


@pytest.fixture
def wishes(shared: Path) -> Wishes:
    """The SegMake of the institute, as its users name it."""
    return Wishes(segmake=f"{shared}/.venv/bin/segmake")


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An experiment on the laptop, whose folder has a name as people give them."""
    folder = tmp_path / "Müller's day 1"
    assert main(["new", str(folder), "--simulation"]) == 0
    monkeypatch.chdir(folder)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return folder


@pytest.fixture
def laptop(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Laptop:
    monkeypatch.setattr(copying, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(running, "PAUSES", (0.5,))
    monkeypatch.setenv("SEGMAKE_LANG", "en")
    monkeypatch.chdir(tmp_path)
    server.permit(make_key())
    server.start(methods="publickey", segmake=True)
    key = (server.folder / "host_key.pub").read_text()
    (tmp_path / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{server.port} {key}")
    there = server.user.home / f"{tmp_path.name} {NAME}"
    made = Laptop(server, tmp_path / NAME, there, monkeypatch)
    made.experiment.mkdir()
    write_place(made.experiment, PlaceFile(server.host, str(there), f"{sys.prefix}/bin/segmake"))
    return made
