"""What this computer and one over there can do alike."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from segmake.messages import Problem
from segmake.places.here import Here
from segmake.places.login import Login
from segmake.places.place import PIECE, Place
from segmake.places.there import There
from tests.ssh.conftest import Answers, make_key
from tests.ssh.server import Server

NAMES = ["a b.tif", 'été/it\'s "it"; $HOME.tif', "l\nne.tif", "-rf", "caf\udce9.tif", "deep/er/one"]


@pytest.fixture(params=["here", "there"])
def place(request: pytest.FixtureRequest, server: Server) -> Iterator[tuple[Place, Path]]:
    """A place, and the home of the user there."""
    if request.param == "here":
        yield Here(), Path.home()
        return
    (server.user.home / ".bashrc").write_text("[ -t 1 ] || return\n")
    server.permit(make_key())
    server.start(methods="publickey")
    yield There(Login(server.host, Answers())), server.user.home


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def whole(place: Place, path: str, offset: int = 0) -> bytes:
    return b"".join([piece async for piece in place.read(path, offset)])


def test_files(place: tuple[Place, Path]) -> None:
    asyncio.run(_files(*place))


async def _files(place: Place, home: Path) -> None:
    assert await place.files("~/exp") == {}
    large = os.urandom(PIECE + 12345)
    for name in NAMES:
        await place.write(f"~/exp/{name}.part", pieces(large[:100], b"wrong"))
        await place.write(f"~/exp/{name}.part", pieces(large[100:]), 100)
        await place.put_in_place(f"~/exp/{name}.part", f"~/exp/{name}", 1e9)
    found = await place.files("~/exp")
    assert set(found) == set(NAMES)
    assert {(file.size, file.time) for file in found.values()} == {(len(large), 1e9)}
    for name in NAMES:
        assert (home / "exp" / name).read_bytes() == large
    assert await whole(place, f"~/exp/{NAMES[1]}", 99) == large[99:]
    assert await place.free_space("~/not/there/yet") > 0
    answer = await place.run(["cat", "-"], folder="~/exp", data=large, variables={"A": "b"})
    assert (answer.code, answer.out) == (0, large)
    assert (await place.run(["no such command"])).code == 127
    with pytest.raises(Problem, match="SM-SSH-013"):
        await place.run(["true"], folder="~/gone")
    await place.close()


def test_what_is_started_stays(place: tuple[Place, Path]) -> None:
    # As for a server that was started in the background.
    known = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        asyncio.run(_started(*place))
    finally:
        signal.signal(signal.SIGINT, known)


async def _started(place: Place, home: Path) -> None:
    script = "trap 'echo interrupted; exit' INT; echo it\\'s on; while :; do sleep 0.1; done"
    (home / "run").mkdir(mode=0o777)
    (home / "run").chmod(0o777)
    began = await place.start(["sh", "-c", script], folder="~/run", log="~/run/logs/a run.log")
    await place.close()
    assert await place.is_at_work(began)
    end = time.monotonic() + 120
    # Before that, it would not hear of being interrupted.
    while not (log := home / "run/logs/a run.log").exists() or not log.read_text().split():
        assert time.monotonic() < end
        await asyncio.sleep(0.1)
    await place.stop(began)
    while await place.is_at_work(began) and time.monotonic() < end:
        await asyncio.sleep(0.1)
    assert log.read_text().split() == ["it's", "on", "interrupted"]
    await place.stop(began)
    # What reads to the end of its input finds one.
    assert (await asyncio.wait_for(place.run(["cat"]), 60)).code == 0
    # What ends at once is not at work, whether or not it could be looked at.
    over = await place.start(["sh", "-c", "exit 1"], folder="~/run", log="~/run/logs/over.log")
    while await place.is_at_work(over):
        assert time.monotonic() < end + 60
    assert not await place.is_at_work(" ".join(over.split()[:3]))
    await place.close()


def test_a_tunnel(place: tuple[Place, Path]) -> None:
    asyncio.run(_tunnel(*place))


async def _tunnel(place: Place, home: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello " + await reader.readline())
        writer.close()

    socket = home / "socket"
    async with listening(answer, socket), place.tunnel("~/socket") as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"there\n")
        assert await reader.read() == b"hello there\n"
    await place.close()


@asynccontextmanager
async def listening(answer, socket: Path) -> AsyncIterator[None]:
    async with await asyncio.start_unix_server(answer, socket):
        socket.chmod(0o777)
        yield


def test_a_server_that_goes_away_and_comes_back(server: Server) -> None:
    server.permit(make_key())
    server.start(methods="publickey")
    asking = Answers()
    place = There(Login(server.host, asking))

    async def go() -> None:
        began = await place.start(["sleep", "600"], folder="", log="~/log")
        begins = ["sh", "-c", "touch ~/begun; sleep 600"]
        waiting = asyncio.ensure_future(place.run(begins))
        while not (server.user.home / "begun").exists():
            assert not waiting.done()
            await asyncio.sleep(0.05)
        server.stop()
        with pytest.raises(Problem, match="SM-SSH-010"):
            await waiting
        with pytest.raises(Problem, match="SM-SSH-002"):
            await place.run(["true"])
        server.start(methods="publickey")
        assert await place.is_at_work(began)
        await place.stop(began)
        await place.close()

    asyncio.run(go())
