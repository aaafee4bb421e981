"""Folders to copy, and ways to cut a copy: a place that does something at one of its calls, a network that stops."""

from __future__ import annotations

import asyncio
import math
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segmake.places.copying import Outcome, copy
from segmake.places.differences import SMALL
from segmake.places.place import Place
from tests.ssh.test_place import NAMES

SIZES = [0, 1, 5000, SMALL, SMALL + 1, 3 * SMALL + 7]


def make_images(folder: Path) -> Path:
    """Make files with names that are hard, of all sizes that matter."""
    for name, size in zip(NAMES, SIZES, strict=True):
        make(folder / name, os.urandom(size))
    return folder


def make(path: Path, content: bytes) -> Path:
    """Make a file that nobody has written to for years."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (1.6e9, 1.6e9 + 0.25))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def go(source: tuple[Place, Path | str], target: tuple[Place, Path | str], **more: Any) -> Outcome:
    async def both() -> Outcome:
        try:
            return await copy((source[0], str(source[1])), (target[0], str(target[1])), **more)
        finally:
            await source[0].close()
            await target[0].close()

    return asyncio.run(both())


@dataclass
class Calls:
    """Counts the calls of one or more places; at one of them something happens, before it is made or after."""

    left: int
    lose: Callable[[], None]
    after: bool

    def count(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.lose()


class Cut(Place):
    """A place whose calls are counted."""

    def __init__(self, place: Place, calls: Calls) -> None:
        self.place, self.calls = place, calls

    async def _call(self, name: str, *given: Any, **more: Any) -> Any:
        # There is nothing to be cut any more.
        counts = name != "close"
        if counts and not self.calls.after:
            self.calls.count()
        answer = await getattr(self.place, name)(*given, **more)
        if counts and self.calls.after:
            self.calls.count()
        return answer

    async def read_many(self, folder, names):
        self.calls.count()
        async for one in self.place.read_many(folder, names):
            yield one

    async def read(self, path, offset=0):
        self.calls.count()
        async for piece in self.place.read(path, offset):
            yield piece
            self.calls.count()

    def tunnel(self, target):
        return self.place.tunnel(target)

    @property
    def name(self) -> str:
        return self.place.name


def _made(name: str) -> Any:
    return lambda self, *given, **more: self._call(name, *given, **more)


for _name in Cut.__abstractmethods__ - {"read", "read_many", "tunnel", "name"}:
    setattr(Cut, _name, _made(_name))
Cut.__abstractmethods__ = frozenset()


@dataclass
class Network:
    """What lies between a laptop and a server: it may stop, and what was on its way arrive late.

    Attributes
    ----------
    port : int
        Where the laptop finds the server.
    logins : int
        How often it went there.
    left : float
        So many bytes pass yet before it stops by itself.
    """

    port: int
    logins: int = 0
    left: float = math.inf
    _flows: list[threading.Event] = field(default_factory=list)

    def stop(self) -> None:
        """Let nothing pass of what is connected now; no side is told. New connections are served."""
        for flow in self._flows:
            flow.clear()

    def go_on(self) -> None:
        """Let pass what waits since then."""
        for flow in self._flows:
            flow.set()


@contextmanager
def network(to: int) -> Iterator[Network]:
    """Make a network between any port of the loopback and one of a server."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        made = Network(door.getsockname()[1])

        def serve() -> None:
            with suppress(OSError):
                while True:
                    ours = door.accept()[0]
                    made.logins += 1
                    flow = threading.Event()
                    flow.set()
                    made._flows.append(flow)
                    try:
                        theirs = socket.create_connection(("127.0.0.1", to))
                    except OSError:
                        ours.close()
                    else:
                        for ends in ((ours, theirs), (theirs, ours)):
                            carried = (*ends, flow, made)
                            threading.Thread(target=_carry, args=carried, daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield made
        finally:
            made.go_on()
            door.shutdown(socket.SHUT_RDWR)


def _carry(
    source: socket.socket, target: socket.socket, flow: threading.Event, made: Network
) -> None:
    with suppress(OSError):
        while piece := source.recv(1 << 16):
            made.left -= len(piece)
            if made.left < 0:
                made.stop()
            flow.wait()
            target.sendall(piece)
    flow.wait()
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
