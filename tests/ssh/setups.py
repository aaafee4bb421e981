"""A set-up as the user of a laptop does it, and what it leaves on both sides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from segmake.messages import Problem
from segmake.remote.setup.setting_up import Wishes, set_up
from segmake.remote.setup.way_there import Way
from tests.ssh.conftest import Answers
from tests.ssh.server import Server

LISTED = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample somebody else"


class Done:
    """What a set-up said, and what was asked."""

    def __init__(
        self,
        server: Server,
        experiment: Path,
        *answers: str | Callable[[], str] | None,
        agreed: bool = True,
        wishes: Wishes | None = None,
        **way: Any,
    ) -> None:
        self.asking = Answers(list(answers), agreed)
        self.lines: list[str] = []
        self.code = ""
        made = Way(self.asking, self.lines.append, **({"host": server.host} | way))
        try:
            asyncio.run(set_up(made, wishes or Wishes(), experiment))
        except Problem as problem:
            self.code = problem.code
            self.lines.append(str(problem))

    @property
    def said(self) -> str:
        return "\n".join(self.lines)


def own(name: str) -> Path:
    return Path("~/.ssh").expanduser() / name


def list_key(server: Server) -> Path:
    """Have a list with a key of somebody else's over there, and return it."""
    server.permit("")
    path = server.user.home / ".ssh" / "authorized_keys"
    path.write_bytes(LISTED)
    return path


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in files if ".cache" not in path.parts}
