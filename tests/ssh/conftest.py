"""The server of these tests, and somebody who answers what a login asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
import pytest

from tests.ssh import server as ssh
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


@pytest.fixture(scope="session")
def one_server() -> Iterator[Server]:
    with ssh.server() as made:
        yield made


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
