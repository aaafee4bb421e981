"""The record of jobs: Slurm's answers are given, what is made and kept of them is looked at."""

from __future__ import annotations

from dataclasses import replace

import pytest

from segmake.slurm import commands as slurm
from segmake.slurm.commands import Job, SlurmError
from segmake.slurm.jobs import BEGAN, Jobs


class Answers:
    """What Slurm answers: the queue by run, and the accounting database (None: it does not answer)."""

    def __init__(self):
        self.queue: dict[str, list[Job]] = {}
        self.accounts: list[Job] | None = None
        self.cancelled: list[str] = []

    def jobs_of_run(self, run):
        return self.queue.get(run, [])

    def ended_jobs(self, ids):
        if self.accounts is None:
            raise SlurmError("Slurm accounting storage is disabled")
        asked = set(ids)
        return [job for job in self.accounts if job.id in asked]

    def cancel(self, ids):
        self.cancelled += ids
        for run, jobs in self.queue.items():
            self.queue[run] = [
                replace(job, state="CANCELLED", ended=9.0) if job.id in self.cancelled else job
                for job in jobs
            ]


@pytest.fixture
def answers(monkeypatch):
    found = Answers()
    for name in ("jobs_of_run", "ended_jobs", "cancel"):
        monkeypatch.setattr(slurm, name, getattr(found, name))
    return found


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "jobs.jsonl"


@pytest.fixture
def jobs(path, tmp_path):
    record = Jobs(path)
    record.begin("one", 1.0, tmp_path / "logs")
    return record


def job(id="1", state="RUNNING", ended=None, **facts):
    known = {"rule": "segment", "batch": "0001", "submitted": float(id.split("_")[0])}
    return Job(id=id, state=state, ended=ended, **(known | facts))


def test_the_most_that_was_too_little_since_a_job_went_well(jobs, answers, path):
    ends = ["OUT_OF_MEMORY", "COMPLETED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "OUT_OF_MEMORY"]
    sent = [
        job(str(20 - number), state, 100.0 + number, memory_mb=1000 * number, minutes=10 * number)
        for number, state in enumerate(ends, start=1)
    ]
    other = [job("30", "TIMEOUT", 200.0, batch="0002"), job("31", "TIMEOUT", 200.0, rule="measure")]
    answers.queue["one"] = [*sent, *other]
    jobs.refresh()
    assert jobs.too_little("segment", "0001") == {"memory": 6000, "time": 30}
    jobs.refresh()
    # The next run, which knows it from the file, counts on.
    later = Jobs(path)
    later.begin("two", 300.0, None)
    answers.queue["two"] = [job("40", "TIMEOUT", 400.0, minutes=60)]
    later.refresh()
    assert later.too_little("segment", "0001") == {"memory": 6000, "time": 60}
    answers.queue["two"].append(job("41", "COMPLETED", 500.0))
    later.refresh()
    assert later.too_little("segment", "0001") == {"memory": 0, "time": 0}
    assert [sent.job.id for sent in later.of_run()] == ["40", "41"]


@pytest.mark.parametrize(
    ("state", "log", "cause"),
    [
        ("COMPLETED", "", ""),
        ("RUNNING", "slurmstepd: error: Detected 1 oom_kill event", ""),
        ("OUT_OF_MEMORY", "", "memory"),
        ("TIMEOUT", "", "time"),
        ("DEADLINE", "", "time"),
        ("NODE_FAIL", "", "node"),
        ("CANCELLED", "", "cancelled"),
        ("FAILED", "", "launch"),
        ("FAILED", "/bin/sh: 4: /nowhere/bin/python: not found", "launch"),
        ("FAILED", f"{BEGAN}\nTraceback", "failed"),
        ("PREEMPTED", "", "preempted"),
        ("FAILED", "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=5.0", "memory"),
        ("FAILED", "slurmstepd-gpu1: error: Detected 2 oom_kill events in StepId=5.0", "memory"),
        ("FAILED", "srun: error: gpu1: task 0: Out Of Memory", "memory"),
        (
            "FAILED",
            "slurmstepd: error: Job 5 exceeded memory limit (9 > 8), being killed",
            "memory",
        ),
        # The GPU's own memory: more of the node's would not help.
        (
            "FAILED",
            f"{BEGAN}\ntorch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB",
            "failed",
        ),
    ],
)
def test_causes(jobs, answers, tmp_path, state, log, cause):
    file = tmp_path / "logs" / "segment" / "0001" / "5_2.log"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"\xff before\n" + log.encode() + b"\nafter")
    answers.queue["one"] = [job("5_2", state)]
    jobs.refresh()
    assert jobs.of_run()[0].cause == cause


@pytest.mark.parametrize("accounts", [None, [], [job("1", "TIMEOUT", 7.0, rule="", batch="")]])
def test_a_job_that_left_the_queue(jobs, answers, path, accounts):
    answers.queue["one"] = [job("1", "RUNNING", memory_mb=5), job("2", "RUNNING")]
    jobs.refresh()
    answers.queue["one"] = [job("2", "RUNNING")]
    answers.accounts = accounts
    jobs.refresh()
    gone, here = Jobs(path).of_run()
    assert gone.over
    assert not here.over
    known = ("TIMEOUT", "time", 7.0) if accounts else ("FORGOTTEN", "", None)
    assert (gone.job.state, gone.cause, gone.job.ended) == known
    assert (gone.job.batch, gone.job.memory_mb) == ("0001", 5)


def test_the_end_of_a_job_whose_node_is_not_tidied_up_yet(jobs, answers):
    answers.queue["one"] = [job("1", "COMPLETING", memory_mb=500)]
    jobs.refresh()
    assert jobs.of_run()[0].job.state == "COMPLETING"
    answers.accounts = [job("1", "OUT_OF_MEMORY", 7.0, rule="", batch="")]
    jobs.refresh()
    assert jobs.too_little("segment", "0001")["memory"] == 500
    answers.queue["one"] = [job("1", "OUT_OF_MEMORY", 7.0, reason="OutOfMemory", memory_mb=500)]
    jobs.refresh()
    assert jobs.too_little("segment", "0001")["memory"] == 500


def test_lines_that_were_never_finished_or_are_of_another_version(jobs, answers, path):
    answers.queue["one"] = [job("1", "TIMEOUT", 3.0, minutes=120)]
    jobs.refresh()
    with path.open("a") as file:
        file.write(
            '7\n{"run": "x"}\n{"run": "one", "cause": "", "job": {"id": "9", "colour": 1}}\n'
        )
        file.write('{"run": "one", "cause": "ti')
    # What is written next must not become part of that line.
    Jobs(path).begin("two", 5.0, None)
    read = Jobs(path)
    assert (read.run, read.started) == ("two", 5.0)
    assert read.too_little("segment", "0001") == {"memory": 0, "time": 120}


def test_another_process_reads_and_never_writes(jobs, answers, path):
    answers.queue["one"] = [job("10"), job("9_10", "PENDING", reason="Priority"), job("9_2")]
    jobs.refresh()
    before = path.read_bytes()
    reader = Jobs(path)
    assert [sent.job.id for sent in reader.of_run()] == ["9_2", "9_10", "10"]
    answers.queue["one"] = [job("10", "COMPLETED", 3.0)]
    reader.refresh()
    assert path.read_bytes() == before
    # Without a change, nothing is written either.
    answers.queue["one"] = [job("10"), job("9_10", "PENDING", reason="Priority"), job("9_2")]
    jobs.refresh()
    assert path.read_bytes() == before


def test_cancel_leaves_nothing_in_the_queue(jobs, answers, path):
    answers.queue["one"] = [job("1"), job("2", "PENDING"), job("3", "COMPLETED", 3.0)]
    assert [sent.job.id for sent in jobs.cancel()] == ["1", "2"]
    assert answers.cancelled == ["1", "2"]
    assert [sent.job.state for sent in Jobs(path).of_run()] == ["CANCELLED"] * 2 + ["COMPLETED"]
    assert not jobs.cancel()


def test_slurm_is_not_asked_too_often_nor_before_a_run(path, answers, monkeypatch):
    asked = []
    monkeypatch.setattr(slurm, "jobs_of_run", lambda run: asked.append(run) or [])
    jobs = Jobs(path)
    jobs.refresh()
    assert not path.exists()
    jobs.begin("one", 1.0, None)
    for older_than in (0.0, 60.0, 0.0):
        jobs.refresh(older_than)
    assert asked == ["one", "one"]
