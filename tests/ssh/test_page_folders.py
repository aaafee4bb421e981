"""Folders of the other computer, picked on the page: over a real OpenSSH server."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from segmake.messages import Problem
from segmake.page.common import Common
from segmake.page.connection import Connection
from segmake.page.desk import Desk
from segmake.page.folders import Opened
from segmake.page.folders_there import FoldersThere
from segmake.page.guard import Guard
from segmake.page.pages.images import Images
from segmake.page.work import Work
from segmake.page.works import THERE, Works
from segmake.places.here import Here
from segmake.remote.remembered import PlaceFile, write_place
from tests.ssh.conftest import make_key
from tests.ssh.server import Server


@pytest.fixture
def experiment(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An experiment of this computer that the server computes, where folders with images lie."""
    home = server.user.home
    for name in ("Data/day 10", "Data/day 2/it's <b>", "Data/.hidden", "Data/lost+found"):
        (home / name).mkdir(parents=True)
    (home / "Data" / os.fsdecode("été".encode("latin-1"))).mkdir()
    (home / "Data" / "a.tif").write_bytes(b"")
    (home / "Data" / "closed").mkdir(mode=0o700)
    for path in (home / "Data").rglob("*"):
        shutil.chown(path, "root" if path.name == "closed" else server.user.name)
    folder = tmp_path / "growth"
    (folder / "config").mkdir(parents=True)
    (folder / "config" / "config.yaml").write_text("images: {folder: images}\n")
    monkeypatch.chdir(folder)
    server.permit(make_key())
    server.start(methods="publickey")
    write_place(folder, PlaceFile(server.host, str(home / "growth"), "/bin/segmake"))
    yield folder
    shutil.rmtree(home / "Data")


def connection_of(experiment: Path) -> Connection:
    return Connection(experiment, experiment / "config" / "config.yaml")


def test_folders_over_there_are_looked_into(server: Server, experiment: Path) -> None:
    asyncio.run(_looked_into(server, connection_of(experiment)))


async def _looked_into(server: Server, connection: Connection) -> None:
    folders, data = FoldersThere(connection), f"{THERE}{server.user.home}/Data"
    (start,) = folders.starts()
    assert start.path == THERE and server.user.name in start.title
    home = await opened(folders, connection, THERE)
    assert home.path == f"{THERE}{server.user.home}" and home.above[0].path == f"{THERE}/"
    assert data in [each.path for each in home.folders]
    inner = await opened(folders, connection, data)
    # As people sort them; what hides, and what is the system's, is left out.
    assert [each.name for each in inner.folders] == ["closed", "day 2", "day 10"]
    assert (inner.images, inner.unreadable, inner.above[-1].title) == (1, 1, "Data")
    (odd,) = (await opened(folders, connection, f"{data}/day 2")).folders
    assert odd.name == "it's <b>" and (await opened(folders, connection, odd.path)).folders == ()
    hidden = (
        f"{data}/.hidden",
        f"{data}/../.ssh",
        f"{data}/day 2\0",
        f"{THERE}Data",
        f"{THERE}~root",
    )
    for path in hidden:
        with pytest.raises(Problem, match="SM-PAG-040"):
            await folders.open(path)
    for path in (f"{data}/gone", f"{data}/a.tif", f"{data}/closed"):
        with pytest.raises(Problem, match="SM-PAG-076"):
            await opened(folders, connection, path)
    await connection.close()


async def opened(folders: FoldersThere, connection: Connection, path: str) -> Opened:
    """Return a folder once it is there, as a page does that asks again; whoever is asked says yes."""
    end = time.monotonic() + 90
    while (found := await folders.open(path)) is None:
        assert time.monotonic() < end
        if question := connection.questions.waiting:
            connection.questions.answer(question.key, "yes")
    return found


def test_what_is_picked_there_is_what_only_that_computer_has(
    server: Server, experiment: Path
) -> None:
    connection = connection_of(experiment)
    works = Works(Work(Here(), str(experiment), ["false"], str(experiment / "cache")), connection)
    desk = Desk(experiment, experiment / "config" / "config.yaml", works, connection)
    images = Images(Common(desk, Guard(1)))
    taken = images._picked({}, "take", f"{THERE}/lab of marie/day 1")
    assert taken == {"images.folder": "/lab of marie/day 1", "open": ""}
    # It is looked into there again, from the list of folders and by its path.
    for form, do in (({}, "open"), ({"typed": "/lab of marie/day 1"}, "go")):
        opened = images._picked(form, do, "/lab of marie/day 1")
        assert opened == {"open": f"{THERE}/lab of marie/day 1"}
    # This computer would send its own.
    with pytest.raises(Problem, match="SM-PAG-075"):
        images._picked({}, "take", f"{THERE}{server.user.home}/Data")
