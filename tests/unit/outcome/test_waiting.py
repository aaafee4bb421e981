"""Why jobs wait, on the screen and in `segmake status`: once for each reason, and with what to do where it never ends."""

from __future__ import annotations

import time

import pytest

from segmake.messages import LANGUAGES
from segmake.outcome.progress import Progress
from segmake.outcome.queue import job_lines, reasons_to_wait
from segmake.slurm import commands as slurm
from segmake.slurm.commands import Job
from segmake.slurm.jobs import Jobs

HELD = "launch failed requeued held"
CLOSED = (
    "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions"
)


def jobs(reason: str, *numbers: int, state: str = "PENDING") -> list[Job]:
    return [Job(str(number), "segment", f"{number:04}", state, reason) for number in numbers]


def described(*waiting: Job, running: int = 0) -> list[str]:
    progress = Progress(0, running=running, waiting=len(waiting), reasons=reasons_to_wait(waiting))
    return progress.describe()


def test_a_reason_is_said_once_with_the_number_of_its_jobs():
    (line,) = described(*jobs("Resources", *range(30)))
    assert line.endswith("waiting: 30 (no GPU or node is free: Resources)")
    (line,) = described(*jobs("Priority", 1), *jobs("Resources", 2, 3), running=1)
    assert (
        "(no GPU or node is free: Resources, 2 jobs; other jobs come first: Priority, 1 job)"
        in line
    )


def test_what_never_ends_by_itself_is_told_with_what_to_do():
    lines = described(*jobs("Resources", 1), *jobs(HELD, *range(2, 42)))
    assert len(lines) == 2
    assert "waiting: 41 (no GPU or node is free: Resources, 1 job)" in lines[0]
    assert lines[1].startswith("40 jobs do not start: held by Slurm after a failed start")
    assert lines[1].count(HELD) == 1
    numbers = " ".join(str(number) for number in range(2, 42))
    assert f"`scontrol release {numbers}`" in lines[1] and f"`scancel {numbers}`" in lines[1]


def test_reasons_in_many_words_that_mean_the_same_are_one():
    nodes = [jobs(f"ReqNodeNotAvail, UnavailableNodes:gpu{n}", n)[0] for n in range(1, 9)]
    (waiting,) = reasons_to_wait([*nodes, *jobs(CLOSED, 9, 10)])
    assert (waiting.fate.name, len(waiting.jobs), waiting.reason) == ("nodes_away", 10, CLOSED)


@pytest.mark.parametrize(
    ("state", "reason", "name"),
    [
        ("REQUEUE_HOLD", "", "held"),
        ("SPECIAL_EXIT", "None", "held"),
        ("PENDING", "SomethingNew", None),
        ("PENDING", "", "nothing"),
        ("RUNNING", "Resources", "nothing"),
        ("CONFIGURING", "Resources", "nothing"),
    ],
)
def test_what_waits_and_why(state, reason, name):
    found = reasons_to_wait(jobs(reason, 1, state=state))
    if name == "nothing":
        assert found == ()
    else:
        assert [one.fate and one.fate.name for one in found] == [name]


@pytest.mark.parametrize("language", LANGUAGES)
def test_status_says_each_reason_once(tmp_path, monkeypatch, language):
    monkeypatch.setenv("SEGMAKE_LANG", language)
    queue = [
        *jobs("JobHeldUser", 1, 2),
        *jobs("Priority", 3, 4, 5),
        *jobs(CLOSED, 6),
        *jobs("", 7, state="RUNNING"),
    ]
    monkeypatch.setattr(slurm, "jobs_of_run", lambda run: queue)
    record = Jobs(tmp_path / "jobs.jsonl")
    record.begin("one", time.time(), None)
    record.refresh()
    live = [sent.job for sent in record.live()]
    lines = job_lines(live)
    assert len(lines) == 7 + 3
    # A line for each job, with Slurm's own word.
    for number, word in ((1, "JobHeldUser"), (3, "Priority"), (6, CLOSED.split(",")[0])):
        assert lines[number - 1].endswith(f"({word})")
    assert not lines[6].endswith(")")
    told = "\n".join(lines[7:])
    assert told.count("Priority") == 1 and told.count("`scontrol release 1 2`") == 1
    many, one = {"en": ("3 jobs", "1 job "), "fr": ("3 tâches", "1 tâche ")}[language]
    assert many in told and one in told
    assert len(job_lines(live, reasons=False)) == 7
