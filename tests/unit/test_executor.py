"""What SegMake adds to Snakemake's Slurm executor, with a stand-in for the executor; tests/slurm has the real one."""

import asyncio
from types import SimpleNamespace

import pytest

from segmake import executor as module
from segmake import slurm
from segmake.executor import mind, name_jobs
from segmake.slurm import SlurmError


class Executor:
    """Answers as the real one does when Slurm is silent: it gives back no job at all."""

    def __init__(self):
        self.run_uuid = "segmake_1f0a2b3c-1111-2222"
        self.answers = True
        self.failed, self.sent = [], []
        self._status_query_calls = 0
        self._next_seconds_between_status_checks = None

    async def check_active_jobs(self, active):
        self._status_query_calls += self.answers
        for job in active if self.answers else ():
            yield job

    def run_job(self, job):
        self.sent.append(job)

    def cancel_jobs(self, active):
        raise AssertionError("scancel of some jobs only")

    def report_job_error(self, job, msg):
        self.failed.append(job)


class Record:
    """A record of jobs in given states."""

    def __init__(self, **states):
        jobs = [SimpleNamespace(id=id, state=state) for id, state in states.items()]
        self.sent = [SimpleNamespace(job=job) for job in jobs]
        self.cancelled = False

    def of_run(self):
        return self.sent

    def cancel(self):
        self.cancelled = True
        raise SlurmError("does not answer")


@pytest.fixture
def executor():
    # A class of its own for each test, since it is changed.
    return type("Executor", (Executor,), {})()


def look(executor, *ids):
    jobs = [SimpleNamespace(external_jobid=id) for id in ids]

    async def left():
        return [job.external_jobid async for job in executor.check_active_jobs(jobs)]

    return asyncio.run(left())


def test_jobs_are_not_forgotten_when_slurm_does_not_answer(executor):
    mind(executor, Record())
    executor.answers = False
    assert look(executor, "1", "2") == ["1", "2"]
    executor.answers = True
    assert look(executor, "1", "2") == ["1", "2"]


def test_jobs_that_will_not_end_any_more_have_failed(executor):
    mind(executor, Record(a="PREEMPTED", b="RUNNING", c="FORGOTTEN"))
    assert look(executor, "a", "b", "c") == ["b"]
    assert [job.external_jobid for job in executor.failed] == ["a", "c"]


def test_nothing_is_sent_to_a_slurm_that_is_down_or_after_a_stop(executor, monkeypatch):
    record, silent = Record(), [False, False, True, False]
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0)
    monkeypatch.setattr(slurm, "answers", lambda: silent.pop(0))
    mind(executor, record)
    executor.run_job("first")
    assert executor.sent == ["first"] and silent == [False]
    executor.cancel_jobs([])  # a Slurm that can't be reached is no reason to raise
    assert record.cancelled
    executor.run_job("second")
    assert executor.sent == ["first"]


def test_the_queue_is_looked_at_often(executor):
    mind(executor, Record())
    for wanted, expected in ((5, 5), (180, module.LOOK_SECONDS)):
        executor.next_seconds_between_status_checks = wanted
        assert executor.next_seconds_between_status_checks == expected


@pytest.mark.parametrize(
    ("folder", "name"),
    [("growth 3 é", "segmake_growth-3_1f0a2b3c"), ("éé", "segmake_1f0a2b3c")],
)
def test_jobs_have_a_name_that_their_owner_knows(executor, tmp_path, folder, name):
    assert name_jobs(executor, tmp_path / folder) == executor.run_uuid == name
