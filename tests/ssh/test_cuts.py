"""A copy that is cut at each of its calls in turn: by the server, by the laptop, by the network between them."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from segmake.messages import Problem
from segmake.places import copying, login
from segmake.places.here import Here
from segmake.places.login import Login
from segmake.places.place import Place
from segmake.places.there import There
from tests.ssh.conftest import Answers, make_key
from tests.ssh.copies import NAMES, SIZES, Calls, Cut, Network, contents, go, make_images, network
from tests.ssh.server import Server


@dataclass
class Line:
    """A laptop, a server, and what is between them."""

    server: Server
    network: Network
    folder: Path

    def place(self) -> There:
        return There(Login(f"{self.server.user.name}@127.0.0.1:{self.network.port}", Answers()))

    def lose_server(self) -> None:
        self.server.stop()

    def lose_laptop(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def lose_network(self) -> None:
        self.network.stop()


@pytest.fixture
def line(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    monkeypatch.setattr(copying, "PATIENCE", (0.01,) * 5)
    server.permit(make_key())
    server.start(methods="publickey")
    with network(server.port) as between:
        yield Line(server, between, tmp_path)


CASES = [
    (kind, way, after)
    for kind in ("server", "laptop", "network")
    for way in ("there", "back")
    for after in (False, True)
]
# Each of the others takes half a minute or more.
QUICK = {("server", "there", False), ("laptop", "back", False)}


@pytest.mark.parametrize(
    ("kind", "way", "after"),
    [case if case in QUICK else pytest.param(*case, marks=pytest.mark.long) for case in CASES],
)
def test_cut_at_every_call(
    line: Line, monkeypatch: pytest.MonkeyPatch, kind: str, way: str, after: bool
) -> None:
    """Whatever has its name is whole, at most one file's bytes are sent twice, and the same again makes it whole."""
    _cut(line, monkeypatch, kind, way, after=after)


def test_network_that_stops_at_some_calls(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """As above, at fewer calls: each takes as long as it takes to notice."""
    _cut(line, monkeypatch, "network", "there", after=True, every=4)


def _cut(
    line: Line, monkeypatch: pytest.MonkeyPatch, kind: str, way: str, *, after: bool, every: int = 1
) -> None:
    if kind == "network":
        # Shorter, and a machine with much else to do is taken for one that is away.
        monkeypatch.setattr(login, "ALIVE_SECONDS", 0.8)
    images, origin = make_images(line.folder / "images"), f"{line.folder.name} from"
    if way == "back":
        go((Here(), images), (line.place(), origin))
    for at in range(1, 100, every):
        new = f"{line.folder.name} {at}"
        target = (line.server.user.home if way == "there" else line.folder) / new
        sent = line.folder / f"sent {at}"

        def ends(here: Place, there: Place, new: str = new) -> tuple[tuple[Place, Path | str], ...]:
            if way == "there":
                return (here, images), (there, new)
            return (there, origin), (here, line.folder / new)

        calls = Calls(at, getattr(line, f"lose_{kind}"), after)
        logins = line.network.logins
        reached = _go_and_lose(
            kind, ends(Cut(Here(), calls), Cut(line.place(), calls)), calls, sent
        )
        for name in NAMES:
            if (target / name).exists():
                assert (target / name).read_bytes() == (images / name).read_bytes(), name
        if kind == "server":
            line.server.stop()
            line.server.start(methods="publickey")
        go(*ends(Here(), line.place()), tell=_noted(sent))
        lost = max(1, line.network.logins - logins - 2)
        assert sum(map(int, sent.read_text().split())) <= sum(SIZES) + lost * max(SIZES)
        if kind == "network":
            # What was on its way arrives after all.
            line.network.go_on()
            time.sleep(0.1)
            go(*ends(Here(), line.place()))
        assert contents(target) == contents(images)
        if not reached:
            break
    assert len(NAMES) < at < 90


def _go_and_lose(
    kind: str, ends: tuple[tuple[Place, Path | str], ...], calls: Calls, sent: Path
) -> bool:
    """Copy until it is cut; return whether it came to that."""
    sent.write_text("0\n")
    if kind != "laptop":
        with suppress(Problem):
            go(*ends, tell=_noted(sent))
        return calls.left <= 0
    child = os.fork()
    if not child:
        try:
            go(*ends, tell=_noted(sent))
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL)
    return status != 0


def _noted(path: Path) -> Callable[[Any], None]:
    """Return what keeps the bytes that were sent in a file, one number for each copy."""
    before = path.read_text()
    return lambda progress: path.write_text(f"{before}{progress.sent}\n") and None
