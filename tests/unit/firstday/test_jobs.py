"""Jobs of a first day, on this computer and by commands that stand in for Slurm's; tests/slurm has the real ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segmake.cluster.site_proposals import config_of
from segmake.core.site import Site
from segmake.firstday import jobs
from segmake.firstday.day import Day
from segmake.firstday.gpu_minutes import GpuMinutes
from segmake.firstday.jobs import Request, do, sent
from segmake.firstday.nameless import Nameless
from segmake.messages import Problem
from segmake.slurm.commands import SlurmError


@pytest.fixture
def day(tmp_path: Path) -> Day:
    folder = tmp_path / 'été d\'un "jour" $HOME'
    (folder / "work").mkdir(parents=True)
    minutes = GpuMinutes(10, [], lambda: None)
    names, config = Nameless(), config_of(Site())
    own: dict[str, Any] = {"tell": print, "agree": lambda *_, **__: True, "step": "gpu"}
    return Day(folder, minutes, names, config, here=True, allow_cpu=True, **own)


def test_a_command_here_gives_its_answer(day: Day) -> None:
    ended = do(day, day.fresh("one"), "job", ["sh", "-c", 'echo "{\\"gpus\\": 2}"'], Request())
    assert (ended.code, ended.answer(), ended.node) == (0, {"gpus": 2}, "here")
    failed = do(day, day.fresh("two"), "job", ["sh", "-c", "echo no luck >&2; exit 3"], Request())
    with pytest.raises(Problem) as found:
        failed.answer()
    assert "no luck" in found.value.what and "3" in found.value.what


def test_what_has_not_ended_is_ended_with_all_that_it_began(day: Day, monkeypatch) -> None:
    monkeypatch.setattr(Day, "has_gpu", True)
    folder = day.fresh("long")
    command = ["sh", "-c", "sleep 600 & echo $! >part; mv part pid; wait"]
    with sent(day, folder, "job", command, Request(gpu=True)):
        wait_for((folder / "pid").exists)
    process = int((folder / "pid").read_text())
    wait_for(lambda: not is_alive(process))
    # By its own clock: two minutes were set aside, and are given back.
    assert 0 < day.minutes.used < 1


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_alive(process: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


@pytest.mark.parametrize(("accounts", "used"), [({"ElapsedRaw": "90"}, 1.5), (None, 2.0)])
def test_a_job_without_a_word_counts_by_the_accounts_or_whole(day, monkeypatch, accounts, used):
    day.here = False
    day.__dict__ |= {"configuration": {"OverTimeLimit": "0 min"}}

    def accounted(_: str) -> list[dict[str, str]]:
        if accounts is None:
            raise SlurmError("no accounts")
        return [{"State": "NODE_FAIL", **accounts}]

    monkeypatch.setattr(jobs, "options", lambda *_: [])
    monkeypatch.setattr(jobs, "LATE_SECONDS", 0.0)
    monkeypatch.setattr(jobs.slurm, "submit", lambda *_: "17")
    monkeypatch.setattr(jobs.slurm, "state_of", lambda _: "")
    monkeypatch.setattr(jobs.slurm, "cancel", lambda _: None)
    monkeypatch.setattr(jobs.slurm, "accounted", accounted)
    with pytest.raises(Problem) as found:
        do(day, day.fresh("lost"), "job", ["true"], Request(gpu=True))
    assert found.value.code == "SM-DAY-013"
    assert day.minutes.used == used


def test_a_job_that_never_began_counts_nothing(day: Day, monkeypatch) -> None:
    day.here = False
    day.__dict__ |= {"configuration": {"OverTimeLimit": "UNLIMITED"}}
    day.minutes.agreed = 5000
    states = iter(["PENDING", "PENDING", "PENDING", ""])
    monkeypatch.setattr(jobs, "options", lambda *_: [])
    monkeypatch.setattr(jobs, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(jobs.slurm, "submit", lambda *_: "17")
    monkeypatch.setattr(jobs.slurm, "state_of", lambda _: next(states, ""))
    monkeypatch.setattr(jobs.slurm, "cancel", lambda _: None)
    monkeypatch.setattr(jobs.slurm, "accounted", lambda _: [])
    with sent(day, day.fresh("waits"), "job", ["true"], Request(gpu=True)) as job:
        assert job.state == "PENDING"
        # Where Slurm lets jobs run on for ever, that much is set aside.
        assert day.minutes.used > 1000
    assert day.minutes.used == 0
