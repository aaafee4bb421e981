"""What a laptop does for an experiment that another computer computes, where nobody has to log in for it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from segmake.page.connection import Connection
from segmake.page.server import own_command
from segmake.page.work import Work
from segmake.page.works import Works
from segmake.places.here import Here
from segmake.remote.remembered import PlaceFile, write_place
from segmake.remote.session import Session


class Broken(Connection):
    """One that nobody has thought of."""

    async def session(self) -> Session:
        raise RuntimeError("a fault of SegMake's own")


@pytest.fixture
def works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Works:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("segmake.page.works.can_look", lambda: False)
    write_place(tmp_path, PlaceFile("anna@there", "/home/anna/day 1", "segmake"))
    here = Work(Here(), str(tmp_path), own_command(), str(tmp_path / "cache"))
    return Works(here, Broken(tmp_path, tmp_path / "config.yaml"))


def names(works: Works, folder: Path, *, anew: bool = False) -> tuple[list[str], str]:
    task = asyncio.run(works.look(str(folder), anew=anew))
    return [line["name"] for line in task.files], task.log


def test_images_are_listed_by_their_names_as_a_run_takes_them(works: Works, tmp_path: Path) -> None:
    for name in ("one/a.tif", "one/notes.txt", "one/@eadir/a.tif", "two/b.tif", "\udce9/c.tif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    one, two = tmp_path / "one", tmp_path / "two"
    first, name = names(works, one)
    assert first == ["a.tif"]
    # As many, and others all the same.
    second, other = names(works, two)
    assert second == ["b.tif"] and name != other
    (one / "d.tif").touch()
    assert names(works, one) == (first, name)
    assert names(works, one, anew=True)[0] == ["a.tif", "d.tif"]
    (line,) = asyncio.run(works.look(str(tmp_path / "\udce9"))).files
    assert line["file"].encode() and line["name"] == "c.tif"
    nowhere = asyncio.run(works.look(str(tmp_path / "one" / "@eadir" / "a.tif")))
    assert nowhere.problems


def test_an_error_that_nobody_expected_ends_a_trial(works: Works) -> None:
    async def tried() -> None:
        for _ in range(2):
            key = await works.begin_trial("/there/a.tif", 1, 1, {})
            end = time.monotonic() + 60
            while not (task := await works.trial(key)) or not task.over:
                assert time.monotonic() < end
                await asyncio.sleep(0.01)
            (problem,) = task.problems
            assert problem["code"] == "SM-PAG-011" and "SegMake's own" in problem["text"]

    asyncio.run(tried())


def test_what_is_known_of_a_computer_is_not_told_of_another(works: Works, tmp_path: Path) -> None:
    def key() -> str:
        return asyncio.run(works.trial_key("/there/a.tif", 1, 1, {}))

    before = key()
    assert key() == before
    write_place(tmp_path, PlaceFile("anna@elsewhere", "/home/anna/day 1", "segmake"))
    assert key() != before
