"""A copied experiment is told from a moved one, whatever both are called afterwards."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from segmake.messages import Problem
from segmake.places.here import Here
from segmake.remote import running
from segmake.remote.claims import claim, other_folder
from segmake.remote.remembered import PlaceFile, read_place, write_place
from segmake.remote.sending import send
from segmake.remote.session import Session, session_of

PLACE = PlaceFile("marie@login.example.org", "/scratch/marie/growth", "/opt/segmake/bin/segmake")


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An experiment that was set up."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / "settings"))
    folder = tmp_path / "growth"
    (folder / "config").mkdir(parents=True)
    write_place(folder, PLACE)
    claim(folder, PLACE)
    return folder


def refused(experiment: Path) -> bool:
    try:
        claim(experiment, read_place(experiment))
    except Problem as problem:
        assert problem.code == "SM-REM-055"
        return True
    return False


def test_a_copy_is_refused_until_it_has_a_folder_of_its_own(first: Path) -> None:
    copy = first.with_name("growth2")
    shutil.copytree(first, copy)
    assert refused(copy) and not refused(first)
    assert other_folder(copy, PLACE) == first
    write_place(copy, PlaceFile(PLACE.host, "/scratch/marie/growth2", PLACE.segmake))
    assert not refused(copy) and not refused(first)


def test_what_was_moved_is_taken_and_a_copy_of_it_is_refused_again(first: Path) -> None:
    moved = first.parent / "2026" / "growth"
    moved.parent.mkdir()
    # As over the end of a disk: what the disk calls it is another thing then.
    shutil.copytree(first, moved)
    shutil.rmtree(first)
    assert not refused(moved)
    shutil.copytree(moved, first)
    assert refused(first)
    # The first one has become another experiment, or is that of another computer.
    (moved / "segmake.place").unlink()
    assert not refused(first)


@pytest.mark.parametrize("copy_has_old_name", [True, False])
def test_both_are_renamed_and_the_copy_runs_first(first: Path, copy_has_old_name: bool) -> None:
    renamed = first.rename(first.with_name("growth day 1"))
    copy = first if copy_has_old_name else first.with_name("growth day 2")
    shutil.copytree(renamed, copy)
    assert refused(copy) and not refused(renamed) and refused(copy)


def test_other_names_of_the_same_computer_count(first: Path) -> None:
    copy = first.with_name("growth2")
    shutil.copytree(first, copy)
    settings = Path("~/.ssh/config").expanduser()
    settings.parent.mkdir(parents=True)
    settings.write_text("Host cluster\n  HostName login.example.org\n  User marie\n")
    # As an older SegMake wrote it.
    write_place(copy, PlaceFile("cluster", PLACE.folder, PLACE.segmake))
    assert refused(copy)
    write_place(copy, PlaceFile("paul@login.example.org", PLACE.folder, PLACE.segmake))
    assert not refused(copy)
    claims = Path("~/settings/segmake/experiments.json").expanduser()
    claims.write_text('[{"half')
    assert not refused(copy)


def test_nothing_is_begun_for_a_copy_whoever_asks(
    first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first / "config/config.yaml").write_text("images: {folder: null}\nscripts: []\n")
    copy = first.with_name("growth2")
    shutil.copytree(first, copy)
    monkeypatch.chdir(copy)

    def begins() -> list[Coroutine[Any, Any, object]]:
        session = session_of(copy)
        # It is not even looked for over there.
        return [
            send(session, print),
            running.start(session, running.LOCAL, None),
            running.stop(session, print),
        ]

    for begun in begins():
        with pytest.raises(Problem, match="SM-REM-055"):
            asyncio.run(begun)
    # What this computer computes itself is no copy of anything, whatever is wrong with SSH.
    settings = Path("~/.ssh/config").expanduser()
    settings.parent.mkdir(exist_ok=True)
    settings.write_text('Host "half\n')
    home = Session(copy, Path("config/config.yaml"), PlaceFile("here", str(copy), "no"), Here())
    asyncio.run(running.start(home, running.LOCAL, None))
