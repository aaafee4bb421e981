"""What is waited for where a computer can't be reached, and what is not."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from segmake.cli import of_remote
from segmake.messages import Problem
from segmake.places.here import Here
from segmake.remote import patience, running
from segmake.remote.patience import patiently
from segmake.remote.remembered import PlaceFile
from segmake.remote.session import Session

# What the messages of a login name.
VALUES = ("host", "over", "port", "example", "user", "error")


def goes(monkeypatch: pytest.MonkeyPatch, *codes: str, for_ever: bool = False) -> list[str]:
    """Make a call that fails so often, and return what the user is told."""
    monkeypatch.setattr(patience, "PATIENCE", (0.0,) * 3)
    left, told = list(codes), []

    async def call() -> str:
        if left:
            raise Problem(left.pop(0), **dict.fromkeys(VALUES, "-"), seconds=20)
        return "here"

    assert asyncio.run(patiently(call, told.append, "cluster", for_ever=for_ever)) == "here"
    return told


@pytest.mark.parametrize(
    "code",
    # Lost; a lid that was opened, with the Wi-Fi still off: by name, and by address; a login node that starts again,
    # seen directly and over a gateway.
    [
        "SM-SSH-010",
        "SM-SSH-001",
        "SM-SSH-031",
        "SM-SSH-002",
        "SM-SSH-003",
        "SM-SSH-032",
        "SM-SSH-042",
    ],
)
def test_a_computer_that_can_not_be_reached_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    lost, again = goes(monkeypatch, code, code)
    assert "lost" in lost and "again" in again
    assert len(goes(monkeypatch, *[code] * 9, for_ever=True)) == 2
    with pytest.raises(Problem, match=code):
        goes(monkeypatch, *[code] * 9)


def test_what_waiting_does_not_mend_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Problem, match="SM-SSH-006"):
        goes(monkeypatch, "SM-SSH-006", for_ever=True)


def test_what_a_program_follows_goes_on_after_a_lost_connection(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(patience, "PATIENCE", (0.0,))
    monkeypatch.setattr(running, "PAUSES", (0.0,))
    lost = Problem("SM-SSH-010", host="cluster", error="-")
    going_on, over = ({"state": state, "problems": []} for state in ("running", "ended"))
    looks = [(going_on, True), lost, lost, (over, False)]

    async def look(session: Session) -> tuple[dict[str, Any] | None, bool]:
        found = looks.pop(0)
        if isinstance(found, Problem):
            raise found
        return found

    monkeypatch.setattr(running, "look", look)
    place = PlaceFile("cluster", "/data/day 1", "/opt/segmake")
    session = Session(Path(), Path("config/config.yaml"), place, Here())
    assert asyncio.run(of_remote._answer(session, follow=True)) == 0
    out, err = capsys.readouterr()
    assert [json.loads(line)["state"] for line in out.splitlines()] == ["running", "ended"]
    assert "lost" in err
