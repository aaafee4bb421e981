"""What the list of experiments hears of other computers, and shows of what lies here."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from segmake.core.ended_runs import note_begin, note_end
from segmake.core.run_marks import note_start
from segmake.page.hearing import Heard, Hearing
from segmake.page.mistake import unexpected
from segmake.page.pages.experiments import Listed, _as_heard, _said
from segmake.plan.result_paths import ResultPaths
from segmake.remote.remembered import PlaceFile


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without keys, and a computer without Slurm."""
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "PATH"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return tmp_path


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this computer on which nobody listens: it is held, since another program may be given a free one."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


def codes(heard: Heard) -> list[str]:
    return [problem["code"] for problem in heard.problems]


async def ends(hearing: Hearing) -> None:
    async with asyncio.timeout(120):
        while hearing.at_work:
            await asyncio.sleep(0.01)


def test_who_can_not_be_reached_is_told_so_and_left_in_peace(
    home: Path, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segmake.page.hearing._FRESH_S", 0)
    host = f"marie@127.0.0.1:{closed_port}"
    places = {str(home / "day 1"): PlaceFile(host, "/data/day 1", "/opt/segmake")}

    async def hear() -> None:
        hearing = Hearing(None, unexpected)
        hearing.begin(places)
        await ends(hearing)
        first = hearing.heard[host]
        # Nothing was asked: it is not said that a key is not enough.
        assert codes(first) == ["SM-SSH-002"] and not first.states
        hearing.begin(places)
        await ends(hearing)
        assert hearing.heard[host] is first
        hearing.begin(places, wanted=True)
        await ends(hearing)
        assert hearing.heard[host] is not first
        # What it said before stays, of that time.
        hearing.heard[host] = Heard(host, at=5, states={"/data/day 1": {"state": "ended"}})
        hearing.begin(places, wanted=True)
        await ends(hearing)
        known = hearing.heard[host]
        assert (known.at, list(known.states), codes(known)) == (5, ["/data/day 1"], ["SM-SSH-002"])
        # Of what is computed elsewhere now, nothing is shown.
        hearing.begin({}, wanted=True)
        assert not hearing.heard
        await hearing.close()

    asyncio.run(hear())


def test_settings_of_ssh_that_can_not_be_read_are_told(home: Path) -> None:
    (home / ".ssh").mkdir()
    (home / ".ssh" / "config").write_text("Host *\n  Port none\n")
    places = {name: PlaceFile(f"{name}.invalid", "/data/x", "/opt/segmake") for name in "ab"}

    async def hear() -> None:
        hearing = Hearing(None, unexpected)
        hearing.begin(places)
        await ends(hearing)
        told = [codes(hearing.heard[place.host]) for place in places.values()]
        assert told == [["SM-SSH-009"]] * 2
        await hearing.close()

    asyncio.run(hear())


def test_what_another_version_says_spoils_nothing() -> None:
    place = PlaceFile("marie@login", "/data/day 1", "/opt/segmake")
    listed = Listed("/home/marie/day 1", False, False, place, None)

    def heard(said: dict[str, object] | None) -> Listed:
        told = Heard(place.host, states={place.folder: said})
        return _as_heard(listed, {place.host: told})

    assert heard({"state": "ended", "images": None}).state == "ended"
    assert heard({"state": "asleep", "images": None}) == heard({"state": "ended"}) == listed
    # It was asked, and nothing was run.
    assert heard(None).at and not heard(None).state


def test_an_experiment_is_not_said_to_start_where_another_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, other = tmp_path / "opened", tmp_path / "other"
    (opened / ".snakemake").mkdir(parents=True)
    (other / "config").mkdir(parents=True)
    (other / "config" / "config.yaml").write_text("results: results\n")
    folders = ResultPaths(other / "results")
    folders.state.mkdir(parents=True)
    note_begin(folders.runs, "a")
    note_end(folders.runs, "a")
    monkeypatch.chdir(opened)
    note_start(opened)
    said = _said(other)
    assert said and said["state"] == "ended"


@pytest.mark.parametrize("config", ['results: "a\\0b"\n', "results: [\n", "\udcff", "- a\n"])
def test_an_experiment_that_is_damaged_spoils_no_list(tmp_path: Path, config: str) -> None:
    (tmp_path / "config").mkdir()
    path = tmp_path / "config" / "config.yaml"
    path.write_bytes(config.encode(errors="surrogateescape"))
    assert _said(tmp_path) is None
