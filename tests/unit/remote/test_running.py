"""How a run is started where nobody says it."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from segmake.messages import Problem
from segmake.places.here import Here
from segmake.remote import running
from segmake.remote.known_computers import Computer, remember
from segmake.remote.remembered import PlaceFile
from segmake.remote.running import profile_of, start, start_unless_at_work, unbegun
from segmake.remote.runs import runs_there
from segmake.remote.session import Session


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """An experiment that this very computer computes in another folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("SEGMAKE_LANG", "en")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    there = tmp_path / "day 1"
    there.mkdir()
    place = PlaceFile("marie@login", str(there), str(tmp_path / "programs/segmake"))
    return Session(tmp_path, Path("config/config.yaml"), place, Here())


def test_a_run_gets_the_profile_that_setup_noted_or_what_is_there(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(programs))

    def profile(noted: str = "") -> str:
        session.place = replace(session.place, profile=noted)
        return asyncio.run(profile_of(session))

    assert profile() == "local"
    for name in ("sbatch", "squeue"):
        (programs / name).touch(mode=0o755)
    assert profile() == "slurm"
    # Those are there, and no Slurm answers: another laptop has noted it, and then this one.
    assert profile("local") == "local"
    remember(Computer("marie@login", profile="mine"))
    assert profile() == "mine" == profile("local")


def test_what_a_run_said_is_found_where_its_folder_was_moved(session: Session) -> None:
    def said_of_it() -> str:
        last = asyncio.run(unbegun(session, None))
        assert last is not None
        return last.words

    there = Path(session.place.folder)
    asyncio.run(start(session, "local", None))
    end = time.monotonic() + 60
    while not list(there.glob(".segmake-remote/*.code")):
        assert time.monotonic() < end
        time.sleep(0.1)
    said = said_of_it()
    assert "snakemake" in said
    moved = there.rename(there.with_name("day 2"))
    session.place = replace(session.place, folder=str(moved))
    assert said_of_it() == said


REFUSES = """\
#!/bin/sh
echo "to segment     3"
echo "SM-CLU-003  $PWD/config/config.yaml, line 4"
echo "  The partition gpu is not there."
echo "  Allowed: cpu." >&2
exit 1
"""


def test_of_a_refusal_the_plan_is_not_said_once_more(session: Session) -> None:
    program = Path(session.place.segmake)
    program.parent.mkdir()
    program.write_text(REFUSES)
    program.chmod(0o755)
    with pytest.raises(Problem, match="SM-REM-009") as refused:
        asyncio.run(start(session, "slurm", None))
    # From the message on, in the words of this computer.
    assert refused.value.values["said"].splitlines() == [
        "SM-CLU-003  config/config.yaml, line 4",
        "    The partition gpu is not there.",
        "    Allowed: cpu.",
    ]
    program.write_text("#!/bin/sh\necho something else\nexit 1\n")
    with pytest.raises(Problem, match="something else"):
        asyncio.run(start(session, "slurm", None))


# Of SegMake over there, what is asked at a start; it takes a while until a run is noted.
SUBMITS = """\
#!/bin/sh
case $1 in
    status) echo '{"answer": "error", "problems": [{"code": "SM-RUN-013"}]}' ;;
    submit) until [ -e go ]; do sleep 0.1; done; echo submitted >>submitted ;;
esac
"""


def test_only_one_starts_a_run_however_long_that_takes(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, there = Path(session.place.segmake), Path(session.place.folder)
    program.parent.mkdir()
    program.write_text(SUBMITS)
    program.chmod(0o755)
    turn = Path(f"{session.started}.starting")
    monkeypatch.setattr(running, "TURN_SECONDS", 0)
    monkeypatch.setattr(running, "FRESH_SECONDS", 0.1)

    async def until(happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not happened():
                await asyncio.sleep(0.05)

    async def both() -> None:
        first = asyncio.create_task(start_unless_at_work(session, "slurm"))
        await until(lambda: turn.exists() or first.done())
        # It is not free for others as long as it goes on.
        (sign,) = turn.iterdir()
        os.utime(sign, (1e9, 1e9))
        await until(lambda: sign.stat().st_mtime > 1e9)
        with pytest.raises(Problem, match="SM-REM-091"):
            await start_unless_at_work(session, "slurm")
        (there / "go").touch()
        assert "Slurm" in await first

    asyncio.run(both())
    assert (there / "submitted").read_text() == "submitted\n" and not turn.exists()
    # One that a lost connection has left is taken over; another one's is not given back.
    turn.mkdir()
    (turn / "another").touch()
    os.utime(turn / "another", (1e9, 1e9))
    program.write_text(
        SUBMITS.replace("echo submitted", f"rm '{turn}'/*; touch '{turn}/next'; echo submitted")
    )
    assert isinstance(asyncio.run(start_unless_at_work(session, "slurm")), str)
    assert [path.name for path in turn.iterdir()] == ["next"]


def test_a_turn_that_was_left_is_free_for_one(tmp_path: Path) -> None:
    turn = tmp_path / "notes" / "run.starting"

    def at_once(script: str, *names: str) -> list[int]:
        command = ("sh", "-c", script, "sh", str(turn))
        begun = [subprocess.Popen([*command, name], stderr=subprocess.DEVNULL) for name in names]
        return sorted(each.wait() for each in begun)

    # In a folder of a group, it is one for each account of it.
    turn.parent.mkdir()
    tmp_path.chmod(0o770)
    for _ in range(10):
        turn.mkdir()
        (turn / "left").touch()
        os.utime(turn / "left", (1e9, 1e9))
        assert at_once(running._TAKE_TURN, "a", "b", "c") == [0, running._NOT_YET, running._NOT_YET]
        (one,) = turn.iterdir()
        assert list(turn.parent.iterdir()) == [turn] and turn.stat().st_mode & stat.S_IWGRP
        assert at_once(running._END_TURN, one.name) == [0] and not turn.exists()
    # The last sign of life may come after it was given back.
    assert at_once(running._KEEP_TURN, "a") == [0] and not turn.exists()


def test_what_cannot_be_noted_is_told_at_once(session: Session) -> None:
    Path(session.started).parent.write_text("no folder")
    with pytest.raises(Problem, match="SM-REM-012"):
        asyncio.run(start_unless_at_work(session, "local"))


def test_what_others_say_beside_an_answer_is_passed_over(session: Session) -> None:
    program = Path(session.place.segmake)
    program.parent.mkdir()

    def says(answer: str) -> None:
        program.write_text(f"#!/bin/sh\necho Loading {{Python}}\n{answer}\necho [good bye]\n")
        program.chmod(0o755)

    says("""echo '{"answer": "status", "problems": [], "state": "ended"}'""")
    assert (asyncio.run(session.status()) or {})["state"] == "ended"
    says("""echo '{"answer": "runs", "problems": [], "settings": {}, "runs": []}'""")
    assert asyncio.run(runs_there(session))["runs"] == []
    says("""echo '{"answer": "error", "problems": [{"code": "SM-RUN-013"}]}'""")
    assert asyncio.run(session.status()) is None
    with pytest.raises(Problem, match="SM-REM-018"):
        asyncio.run(runs_there(session))
    says("echo killed")
    for ask in (session.status, lambda: runs_there(session)):
        with pytest.raises(Problem, match="killed") as refused:
            asyncio.run(ask())
        assert refused.value.code == "SM-REM-005"
