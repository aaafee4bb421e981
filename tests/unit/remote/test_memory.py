"""What an experiment remembers, where something is sent and fetched at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from segmake.places.here import Here
from segmake.places.progress import Progress
from segmake.remote.fetching import fetch
from segmake.remote.memory import noting, read_memory
from segmake.remote.remembered import PlaceFile
from segmake.remote.sending import Ahead, foreseen, send
from segmake.remote.session import Session


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """An experiment that this very computer computes in another folder, where results are."""
    here, there = tmp_path / "day 1", tmp_path / "there"
    for folder in (here / "config", here / "images", there / "images", there / "results"):
        folder.mkdir(parents=True)
    (here / "config/config.yaml").write_text("images:\n  folder: images\n")
    for folder in (here, there):
        (folder / "images/a.tif").write_bytes(b"as they are")
    os.utime(here / "images/a.tif", (1e9, 1e9))
    (there / "results/cells.csv").write_text("cell\n1\n")
    program = tmp_path / "programs/segmake"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(here)
    place = PlaceFile("marie@login", str(there), str(program))
    return Session(here, Path("config/config.yaml"), place, Here())


def test_what_is_sent_while_results_are_fetched_is_remembered(session: Session) -> None:
    @contextmanager
    def showing(_: str) -> Iterator[Callable[[Progress], None]]:
        with noting(session.experiment, session.place) as memory:
            memory.configs, memory.sent, memory.arrived = {"a": ["1"]}, {"b": [(1, 2.0)]}, True
        yield lambda progress: None

    fetched = asyncio.run(fetch(session, showing=showing))
    memory = read_memory(session.experiment, session.place)
    assert fetched.files == ("cells.csv",) and [*memory.brought] == ["results/cells.csv"]
    assert memory.configs == {"a": ["1"]} and memory.sent.keys() == {"b"} and memory.arrived


def test_what_is_fetched_while_files_are_compared_is_remembered(session: Session) -> None:
    class Busy(Here):
        async def checksums(self, folder: str, names: Sequence[str]) -> dict[str, str]:
            with noting(session.experiment, session.place) as memory:
                memory.fetched, memory.brought = {"/a": (1, 2.0)}, {"a": (1, 2.0)}
            return await super().checksums(folder, names)

    session.computer = Busy()
    sent = asyncio.run(send(session, print))
    assert sent.config and not sent.files.copied
    memory = read_memory(session.experiment, session.place)
    assert memory.sent.keys() == {"images/a.tif"} == memory.alike.keys() and memory.arrived
    assert memory.fetched.keys() == {"/a"} and memory.brought.keys() == {"a"}


def test_what_is_foreseen_is_what_is_sent_then(session: Session) -> None:
    (session.experiment / "images/b.tif").write_bytes(b"of here alone")
    os.utime(session.experiment / "images/b.tif", (1e9, 1e9))
    # The other image has only another time over there.
    assert asyncio.run(foreseen(session, print)) == Ahead(1, 13, config=True)
    compared = read_memory(session.experiment, session.place)
    assert [*compared.alike] == ["images/a.tif"] and not compared.sent
    sent = asyncio.run(send(session, print))
    assert sent.files.copied == ("images/b.tif",) and sent.config
    assert asyncio.run(foreseen(session, print)) == Ahead(0, 0, config=False)
