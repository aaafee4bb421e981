"""Files to another computer and back: cut anywhere, the other side is whole, or told."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segmake.messages import Problem
from segmake.places import copying
from segmake.places.copying import Outcome, changed, copy
from segmake.places.here import Here
from segmake.places.login import Login
from segmake.places.place import PIECE, File, Place
from segmake.places.there import There
from tests.ssh.conftest import Answers, make_key
from tests.ssh.server import Server
from tests.ssh.test_place import NAMES

SIZES = [0, 1, 5000, copying.SMALL, PIECE + 1, 2 * PIECE + 7]


@pytest.fixture
def there(server: Server, monkeypatch: pytest.MonkeyPatch) -> There:
    monkeypatch.setattr(copying, "PATIENCE", (0.01,) * 3)
    (server.user.home / ".bashrc").write_text("[ -t 1 ] || return\n")
    server.permit(make_key())
    server.start(methods="publickey")
    return There(Login(server.host, Answers()))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    for name, size in zip(NAMES, SIZES, strict=True):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))
        os.utime(path, (1.6e9, 1.6e9 + 0.25))
    return folder


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


def test_there_and_back_only_what_is_new(
    there: There, images: Path, server: Server, tmp_path: Path
) -> None:
    seen = []
    sent = go((Here(), images), (there, "copy"), tell=lambda progress: seen.append(progress.files))
    assert sorted(sent.copied) == sorted(NAMES) and seen[-1] == len(NAMES)
    assert contents(server.user.home / "copy") == contents(images)
    assert go((Here(), images), (there, "copy")) == Outcome((), ())
    (images / NAMES[0]).write_bytes(b"changed")
    os.utime(images / NAMES[0], (1.7e9, 1.7e9))
    assert go((Here(), images), (there, "copy")).copied == (NAMES[0],)
    back = go(
        (there, "copy"), (Here(), tmp_path / "back"), wanted=lambda name: name.endswith(".tif")
    )
    wanted = {name: what for name, what in contents(images).items() if name.endswith(".tif")}
    assert contents(tmp_path / "back") == wanted and len(back.copied) == len(wanted)


def test_what_grows_waits(there: There, images: Path, server: Server) -> None:
    (images / "new.tif").write_bytes(b"half")
    assert go((Here(), images), (there, "copy")).growing == ("new.tif",)
    assert "new.tif" not in contents(server.user.home / "copy")


class Cut(Place):
    """A place that loses the connection at one of its calls, before it is made or after."""

    def __init__(self, place: Place, at: int, lose: Callable[[], None], *, after: bool) -> None:
        self.place, self.left, self.lose, self.after = place, at, lose, after

    async def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.lose()

    async def _call(self, name: str, *given: Any, **more: Any) -> Any:
        if not self.after:
            await self._count()
        answer = await getattr(self.place, name)(*given, **more)
        if self.after:
            await self._count()
        return answer

    async def read_many(self, folder, names):
        await self._count()
        async for one in self.place.read_many(folder, names):
            yield one

    async def read(self, path, offset=0):
        await self._count()
        async for piece in self.place.read(path, offset):
            yield piece
            await self._count()

    def tunnel(self, target):
        return self.place.tunnel(target)


for _name in (
    "run",
    "files",
    "look",
    "write",
    "write_many",
    "put_in_place",
    "start",
    "is_at_work",
    "stop",
    "free_space",
    "close",
):
    setattr(Cut, _name, lambda self, *given, _name=_name, **more: self._call(_name, *given, **more))
Cut.__abstractmethods__ = frozenset()


@pytest.mark.parametrize(
    ("way", "after"),
    [
        ("there", False),
        pytest.param("there", True, marks=pytest.mark.long),
        pytest.param("back", False, marks=pytest.mark.long),
        ("back", True),
    ],
)
def test_cut_at_every_call(
    there: There, images: Path, server: Server, tmp_path: Path, way: str, after: bool
) -> None:
    """The server is killed at each call in turn, and stays away: the same command, later, makes it whole."""
    origin = f"{tmp_path.name} from"
    if way == "back":
        go((Here(), images), (there, origin))
    at = 0
    while True:
        at += 1
        place = Cut(there, at, server.stop, after=after)
        new = f"{tmp_path.name} {at}"
        ends = (Here(), images), (place, new)
        if way == "back":
            ends = (place, origin), (Here(), tmp_path / new)
        target = (server.user.home if way == "there" else tmp_path) / new
        try:
            go(*ends)
        except Problem as problem:
            assert problem.code in ("SM-SSH-002", "SM-SSH-010"), problem
        if place.left > 0:
            break
        # Whatever has its name is whole.
        for name, what in contents(target).items() if target.exists() else ():
            if not name.endswith("part"):
                assert what == (images / name).read_bytes()
        server.stop()
        server.start(methods="publickey")
        go(*ends)
        assert contents(target) == contents(images)
    assert at > len(NAMES)


def test_names_with_accents_spelled_in_two_ways() -> None:
    known = File(3, 5.0)
    assert changed({"e\u0301te\u0301.tif": known}, {"\u00e9t\u00e9.tif": known}) == {}
    assert changed({"e\u0301te\u0301.tif": File(4, 5.0)}, {"\u00e9t\u00e9.tif": known}) == {
        "e\u0301te\u0301.tif": "\u00e9t\u00e9.tif"
    }
