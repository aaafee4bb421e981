"""What the main process last heard of Slurm is written down, and no more often than is of use."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from segmake.slurm import commands as slurm
from segmake.slurm import heard as module
from segmake.slurm.commands import Job
from segmake.slurm.heard import beside, read_heard
from segmake.slurm.jobs import Jobs

JOB = Job("7", "segment", "0001", "PENDING", "Priority")


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    made = Jobs(tmp_path / "jobs.jsonl")
    monkeypatch.setattr(slurm, "jobs_of_run", lambda run: [JOB])
    made.begin("run", 1.5, None)
    # A busy machine may take as long.
    monkeypatch.setattr(module, "AGAIN_SECONDS", 3600.0)
    monkeypatch.setattr(module, "AT_MOST_SECONDS", 3600.0)
    return made


def written(jobs: Jobs) -> int:
    """Return what is another number once it was written: its time may be the same within one tick of the clock."""
    return beside(jobs.path).stat().st_ino


def test_what_did_not_change_is_written_again_after_a_while(jobs, monkeypatch):
    jobs.refresh()
    before = written(jobs)
    jobs.refresh()
    assert written(jobs) == before
    monkeypatch.setattr(slurm, "jobs_of_run", lambda run: [replace(JOB, state="RUNNING")])
    jobs.refresh()
    assert written(jobs) != before
    assert [job["state"] for job in read_heard(beside(jobs.path)).jobs] == ["RUNNING"]
    before = written(jobs)
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.0)
    jobs.refresh()
    assert written(jobs) != before


def test_many_jobs_that_are_sent_are_not_written_one_by_one(jobs, monkeypatch):
    before = written(jobs)
    for number in range(20):
        jobs.note_sent(str(number), "segment", "0001")
    assert written(jobs) == before
    monkeypatch.setattr(module, "AT_MOST_SECONDS", 0.0)
    jobs.note_sent("20", "segment", "0001")
    assert len(read_heard(beside(jobs.path)).jobs) == 21


def test_a_refusal_is_told_at_once_though_nothing_may_follow_it(jobs):
    jobs.hold("AssocMaxSubmitJobLimit", 1)
    told = read_heard(beside(jobs.path))
    assert (told.held, told.room) == ("AssocMaxSubmitJobLimit", 1)


def test_a_record_that_is_only_read_tells_nobody(tmp_path):
    record = Jobs(tmp_path / "jobs.jsonl")
    record.hold("no more")
    assert not beside(record.path).exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"started": 1}'])
def test_what_is_damaged_or_of_another_version_is_nothing(tmp_path, text):
    path = tmp_path / "heard.json"
    path.write_text(text)
    assert read_heard(path) is None
