"""What the cluster is like, however many ask, and when it does not answer; the real one is in tests/slurm."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from segmake.cli import main
from segmake.cluster import watched as module
from segmake.cluster.watched import watched
from segmake.messages import LANGUAGES, Problem
from segmake.slurm import commands as slurm
from segmake.slurm import now
from segmake.slurm.commands import SlurmError
from tests.answers import held

JOB = {
    **dict.fromkeys(("started", "ends", "starts_about", "memory", "batch"), None),
    **{"id": "7_1", "name": "segmake_a_b", "partition": "gpu", "state": "waiting"},
    **{"slurm_state": "PENDING", "reason": "Priority", "fate": "priority", "submitted": 1.7e9},
    **{
        "max_minutes": None,
        "folder": "/data/d\u00e9j\u00e0",
        "of_segmake": True,
        "rule": "segment",
    },
}
FOUND: dict[str, Any] = {"partitions": [], "gpus": [{"model": None, "total": 2, "free": 1}]}


class Slurm:
    """Stands in for a cluster: it counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = self.asked_for_limits = 0
        self.silent = False
        self.seconds = 0.0

    def cluster_now(self) -> dict[str, Any]:
        self.asked += 1
        time.sleep(self.seconds)
        if self.silent:
            raise SlurmError("Unable to contact slurm controller")
        return {**FOUND, "jobs": [JOB]}

    def limits(self) -> None:
        self.asked_for_limits += 1


@pytest.fixture
def cluster(tmp_path, monkeypatch) -> Slurm:
    cluster = Slurm()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(slurm, "is_here", lambda: True)
    monkeypatch.setattr(now, "cluster_now", cluster.cluster_now)
    monkeypatch.setattr(now, "limits", cluster.limits)
    return cluster


def test_twenty_windows_ask_slurm_once(cluster):
    cluster.seconds = 0.2
    with ThreadPoolExecutor(20) as windows:
        answers = list(windows.map(lambda _: watched(), range(20)))
    assert cluster.asked == 1
    assert len({json.dumps(one, sort_keys=True) for one in answers}) == 1


def test_it_is_asked_again_after_a_while_and_for_limits_later(cluster, monkeypatch):
    first = watched()
    assert watched() == first
    monkeypatch.setattr(module, "KEPT_SECONDS", 0.0)
    assert watched()["asked"] > first["asked"]
    assert (cluster.asked, cluster.asked_for_limits) == (2, 1)


def test_without_an_answer_the_last_one_counts_with_its_age(cluster, capsys, monkeypatch):
    cluster.silent = True
    with pytest.raises(Problem) as told:
        watched()
    assert told.value.code == "SM-CLU-001"
    # A controller that is down is left in peace as well.
    with pytest.raises(Problem):
        watched()
    assert cluster.asked == 1
    monkeypatch.setattr(module, "KEPT_SECONDS", 0.0)
    cluster.silent = False
    heard = watched()["asked"]
    cluster.silent = True
    assert watched()["asked"] == heard
    assert main(["cluster", "--json"]) == 1
    answer = held(capsys.readouterr().out)
    assert [problem["code"] for problem in answer["problems"]] == ["SM-CLU-001"]
    assert answer["gpus"] == FOUND["gpus"] and len(answer["jobs"]) == 1


@pytest.mark.parametrize("spoken", LANGUAGES)
def test_the_answer_is_held_to_its_schema(cluster, capsys, monkeypatch, spoken):
    monkeypatch.setenv("SEGMAKE_LANG", spoken)
    assert main(["cluster", "--json"]) == 0
    answer = held(capsys.readouterr().out)
    (job,) = answer["jobs"]
    assert job["experiment"] == "/data/d\u00e9j\u00e0" and job["why"] and not answer["accounts"]
    assert main(["cluster"]) == 0
    assert "7_1" in capsys.readouterr().out


def test_where_nothing_can_be_kept_each_one_asks(cluster, tmp_path):
    (tmp_path / "cache").write_text("no folder")
    assert watched()["partitions"] == watched()["partitions"] == []
    assert cluster.asked == 2


def test_a_computer_without_slurm_is_an_answer(cluster, capsys, monkeypatch):
    monkeypatch.setattr(slurm, "is_here", lambda: False)
    assert main(["cluster", "--json"]) == 1
    answer = held(capsys.readouterr().out)
    assert answer["answer"] == "error"
    assert [problem["code"] for problem in answer["problems"]] == ["SM-CLU-054"]
