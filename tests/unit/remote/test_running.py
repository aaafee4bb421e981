"""How a run is started where nobody says it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from segmake.places.here import Here
from segmake.remote.known_computers import Computer, remember
from segmake.remote.remembered import PlaceFile
from segmake.remote.running import before_it_began, profile_of, start
from segmake.remote.session import Session


def test_a_run_gets_the_profile_that_setup_noted_or_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(programs))
    place = PlaceFile("marie@login", "/data/day 1", "/opt/segmake")

    def profile(place: PlaceFile = place) -> str:
        session = Session(tmp_path, Path("config/config.yaml"), place, Here())
        return asyncio.run(profile_of(session))

    assert profile() == "local"
    for name in ("sbatch", "squeue"):
        (programs / name).touch(mode=0o755)
    assert profile() == "slurm"
    # Those are there, and no Slurm answers: another laptop has noted it, and then this one.
    assert profile(replace(place, profile="local")) == "local"
    remember(Computer("marie@login", profile="mine"))
    assert profile() == "mine" == profile(replace(place, profile="local"))


def test_what_a_run_said_is_found_where_its_folder_was_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    there = tmp_path / "day 1"
    there.mkdir()
    place = PlaceFile("marie@login", str(there), str(tmp_path / "no/segmake"))
    session = Session(tmp_path, Path("config/config.yaml"), place, Here())
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    asyncio.run(start(session, "local"))
    end = time.monotonic() + 60
    while not list(there.glob(".segmake-remote/*.code")):
        assert time.monotonic() < end
        time.sleep(0.1)
    said = asyncio.run(before_it_began(session))
    assert "snakemake" in said
    moved = there.rename(tmp_path / "day 2")
    session.place = replace(place, folder=str(moved))
    assert asyncio.run(before_it_began(session)) == said
