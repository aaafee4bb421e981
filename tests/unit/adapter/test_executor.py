"""How jobs are sent and followed: the plugin's own parts and Slurm's answers are given; tests/slurm has real ones."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from segmake.adapter import executor as module
from segmake.adapter.executor import Executor, name_of_jobs
from segmake.slurm import commands as slurm
from segmake.slurm.commands import Job, SlurmError
from segmake.slurm.jobs import BEGAN, Jobs

# A site may have sbatch print words of its own before the number.
ACCEPTED = "--> Verifying valid submit host (login3)...OK\n17;test\n"
LIMIT = "sbatch: error: QOSMaxSubmitJobPerUserLimit"
AWAY = "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)"
POLICY = "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit...)"
ACCOUNT = "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified"


class Pool:
    """Sends at once what it is given."""

    def submit(self, function, *arguments):
        function(*arguments)


@pytest.fixture
def queue(monkeypatch):
    """The jobs that Slurm knows of."""
    found: dict[str, Job] = {}

    def cancel(ids):
        for number in ids:
            found[number] = Job(number, "segment", found[number].batch, "CANCELLED")

    monkeypatch.setattr(slurm, "jobs_of_run", lambda run: list(found.values()))
    monkeypatch.setattr(slurm, "ended_jobs", lambda ids: [])
    monkeypatch.setattr(slurm, "cancel", cancel)
    return found


@pytest.fixture
def executor(queue, tmp_path, monkeypatch):
    """An executor that says what it reported in `said`; sbatch's answers are taken from `answers`, the last for ever."""
    made = Executor.__new__(Executor)
    settings = SimpleNamespace(keep_successful_logs=False, init_seconds_before_status_checks=0)
    limits = SimpleNamespace(latency_wait=0)
    made.workflow = SimpleNamespace(
        executor_settings=settings, execution_settings=limits, workdir_init=str(tmp_path)
    )
    made.slurm_logdir = tmp_path / "logs"
    made._job_submission_executor = Pool()
    jobs = Jobs(tmp_path / "jobs.jsonl")
    jobs.begin("run", 1.0, made.slurm_logdir)
    made._begin(jobs, {}, tmp_path / "sbatch.log", None)
    made.said, made.answers, made.sent = [], [ACCEPTED], []

    def sbatch(command, **options):
        made.sent.append(options["input"])
        answer = made.answers.pop(0) if len(made.answers) > 1 else made.answers[0]
        taken = "error" not in answer
        texts = {"stdout": answer if taken else "", "stderr": "" if taken else answer}
        return SimpleNamespace(returncode=0 if taken else 1, **texts)

    monkeypatch.setattr(module.subprocess, "run", sbatch)
    monkeypatch.setattr(module, "PATIENCE_SECONDS", (0.0,))
    monkeypatch.setattr(module, "GLANCE_SECONDS", 0.0)
    monkeypatch.setattr(made, "_call", lambda job, log: "sbatch")
    monkeypatch.setattr(made, "format_job_exec", lambda job: "true")
    monkeypatch.setattr(made, "run_job_pre", lambda job: None)
    for name in ("_report_job_submission_threadsafe", "report_job_success"):
        monkeypatch.setattr(made, name, lambda info, name=name: made.said.append((name, info)))
    for name in ("_report_job_error_threadsafe", "report_job_error"):
        monkeypatch.setattr(
            made, name, lambda info, *words, **more: made.said.append(("error", info))
        )
    return made


def job(folder: Path, batch: str = "0001", **resources) -> SimpleNamespace:
    return SimpleNamespace(
        name="segment",
        wildcards=[batch, "5f3a"],
        output=[folder / f"{batch}.tsv"],
        resources=resources,
    )


def look(executor: Executor, *infos) -> list[str]:
    async def left():
        return [info.external_jobid async for info in executor.check_active_jobs(list(infos))]

    executor._look_at = 0.0
    return asyncio.run(left())


def submitted(executor: Executor):
    return [info for name, info in executor.said if name == "_report_job_submission_threadsafe"]


def ended(queue, number: str, state: str, batch: str = "0001") -> None:
    queue[number] = Job(number, "segment", batch, state)


@pytest.mark.parametrize("words", [LIMIT, AWAY])
def test_a_refusal_that_passes_is_waited_for_and_no_attempt(executor, tmp_path, words):
    executor.answers = [words, words, ACCEPTED]
    executor.run_job(job(tmp_path))
    assert [info.external_jobid for info in submitted(executor)] == ["17"]
    assert len(executor.sent) == 3 and len(executor.said) == 1
    assert not executor.jobs.held
    assert (tmp_path / "sbatch.log").read_text().count(words) == 2


def test_a_job_whose_acceptance_was_not_heard_is_not_sent_twice(
    executor, queue, tmp_path, monkeypatch
):
    executor.answers = ["sbatch: error: Socket timed out on send/recv operation", ACCEPTED]
    ended(queue, "16", "RUNNING")
    silent = [SlurmError("timed out"), SlurmError("timed out")]

    def ask(run):
        if silent:
            raise silent.pop()
        return list(queue.values())

    # Nothing is sent before it is known whether Slurm took the job.
    monkeypatch.setattr(slurm, "jobs_of_run", ask)
    executor.run_job(job(tmp_path))
    assert [info.external_jobid for info in submitted(executor)] == ["16"]
    assert len(executor.sent) == 1


def test_a_refusal_that_does_not_pass_is_heard_once(executor, tmp_path):
    executor.answers = [ACCOUNT]
    for batch in ("0001", "0002"):
        executor.run_job(job(tmp_path, batch))
    assert [name for name, _ in executor.said] == ["error", "error"]
    assert len(executor.sent) == 1
    assert executor.is_in_vain(job(tmp_path, "0003"))
    assert "Invalid account" in str(executor.problems()[0])
    # What asks for less is another question.
    executor.answers = [ACCEPTED]
    executor.run_job(job(tmp_path, "0004", runtime=60))
    assert [info.external_jobid for info in submitted(executor)] == ["17"]


def test_words_for_a_limit_and_for_too_large_a_job_are_told_apart(executor, queue, tmp_path):
    executor.answers = [POLICY]
    executor.run_job(job(tmp_path, runtime=600))
    assert executor.is_in_vain(job(tmp_path, runtime=600))
    # Where as much was accepted and is in the queue, one more is too many for now.
    executor.answers = [ACCEPTED]
    executor.run_job(job(tmp_path))
    ended(queue, "17", "RUNNING")
    executor.answers = [POLICY, "18\n"]
    executor.run_job(job(tmp_path, "0002"))
    assert [info.external_jobid for info in submitted(executor)] == ["17", "18"]


@pytest.mark.parametrize("words", ["sbatch: error: Unexpected message received", ""])
def test_words_that_nobody_knows_may_pass(executor, tmp_path, words):
    executor.answers = [f"{words} error", ACCEPTED]
    executor.run_job(job(tmp_path))
    assert [info.external_jobid for info in submitted(executor)] == ["17"]


def test_an_sbatch_that_can_not_be_started(executor, tmp_path, monkeypatch):
    answers = [OSError(11, "Resource temporarily unavailable")]
    run = module.subprocess.run

    def sbatch(*arguments, **options):
        if answers:
            raise answers.pop()
        return run(*arguments, **options)

    monkeypatch.setattr(module.subprocess, "run", sbatch)
    executor.run_job(job(tmp_path))
    assert [info.external_jobid for info in submitted(executor)] == ["17"]


def test_a_number_that_an_earlier_run_had_is_a_new_job(executor, queue, tmp_path):
    ended(queue, "17", "FAILED")
    executor.jobs.refresh()
    queue.clear()
    executor.jobs.begin("next", 2.0, executor.slurm_logdir)
    executor.run_job(job(tmp_path))
    assert executor.jobs.get("17").run == "next"
    assert not executor.jobs.get("17").over


def test_jobs_in_the_queue_are_adopted_and_not_sent(executor, queue, tmp_path):
    ended(queue, "12", "RUNNING")
    ended(queue, "13", "FAILED", "0002")
    executor.jobs.refresh()
    executor._adopted |= {("segment", "0001"): "12", ("segment", "0002"): "13"}
    for batch in ("0001", "0002"):
        executor._submit_job(job(tmp_path, batch))
    assert [info.external_jobid for info in submitted(executor)] == ["12", "17"]
    # Once only: an attempt after it is one of this run's own.
    executor.answers = ["18\n"]
    executor._submit_job(job(tmp_path))
    assert submitted(executor)[-1].external_jobid == "18"


def test_a_slurm_that_does_not_answer_changes_nothing(executor, queue, tmp_path, monkeypatch):
    executor.run_job(job(tmp_path))
    ended(queue, "17", "RUNNING")
    (info,) = submitted(executor)
    assert look(executor, info) == ["17"]

    def silent(run):
        raise SlurmError("timed out")

    monkeypatch.setattr(slurm, "jobs_of_run", silent)
    assert look(executor, info) == ["17"]


def test_a_job_without_its_files_has_not_done_its_work(executor, queue, tmp_path):
    executor.run_job(job(tmp_path))
    (info,) = submitted(executor)
    ended(queue, "17", "COMPLETED")
    assert not look(executor, info)
    assert executor.said[-1] == ("error", info)
    assert executor.jobs.of_run()[0].cause == "nothing"
    # Nor would Slurm call it completed.
    assert f"test -e {tmp_path}/0001.tsv || exit" in executor.sent[0]


def test_what_was_not_the_jobs_fault_is_no_attempt(executor, queue, tmp_path):
    executor.run_job(job(tmp_path))
    executor.answers = ["18\n"]
    ended(queue, "17", "NODE_FAIL")
    assert not look(executor, submitted(executor)[0])
    assert [info.external_jobid for info in submitted(executor)] == ["17", "18"]
    assert "error" not in dict(executor.said)


def test_a_job_that_slurm_queues_again_itself_is_taken_back(executor, queue, tmp_path):
    executor.answers = ["17\n", "18\n"]
    executor.run_job(job(tmp_path))
    ended(queue, "17", "NODE_FAIL")
    assert look(executor, *submitted(executor)) == []
    assert [info.external_jobid for info in submitted(executor)] == ["17", "18"]
    ended(queue, "18", "RUNNING")
    # That takes Slurm a while.
    look(executor, submitted(executor)[1])
    assert queue["17"].state == "NODE_FAIL"
    ended(queue, "17", "PENDING")
    look(executor, submitted(executor)[1])
    assert (queue["17"].state, queue["18"].state) == ("CANCELLED", "RUNNING")
    look(executor, submitted(executor)[1])
    lost = executor.jobs.get("17")
    assert lost.over and lost.cause == "node", "no person cancelled it"


def test_a_node_that_fails_while_the_run_is_stopped_ends_it_as_usual(executor, queue, tmp_path):
    executor.run_job(job(tmp_path))
    executor.cancel_jobs([])
    # The plugin's own `shutdown` waits for what is being sent, and takes no more.
    executor._job_submission_executor = ThreadPoolExecutor()
    executor._job_submission_executor.shutdown()
    ended(queue, "17", "NODE_FAIL")
    (info,) = submitted(executor)
    assert not look(executor, info)
    assert executor.said[-1] == ("error", info)


@pytest.mark.parametrize("began", [False, True])
def test_no_more_jobs_where_they_fail_before_segmake_starts(executor, queue, tmp_path, began):
    for number, batch in enumerate(("0001", "0002", "0003"), start=17):
        executor.answers = [f"{number}\n"]
        executor.run_job(job(tmp_path, batch))
        log = executor.slurm_logdir / "segment" / batch / f"{number}.log"
        log.write_text(f"{BEGAN}\n" if began else f"srun: error: {number}: no such file\n")
    infos = submitted(executor)
    for number in ("17", "18"):
        ended(queue, number, "FAILED", f"000{int(number) - 16}")
    ended(queue, "19", "RUNNING", "0003")
    left = look(executor, *infos)
    assert (executor.hopeless is None) == began
    if began:
        assert left == ["19"]
        return
    assert queue["19"].state == "CANCELLED"
    told = str(executor.hopeless)
    assert "SM-CLU-051" in told and "no such file" in told
    executor.run_job(job(tmp_path, "0004"))
    assert len(executor.sent) == 3


def test_slurm_is_asked_seldom_while_nothing_changes(executor, queue, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(slurm, "jobs_of_run", lambda run: asked.append(run) or list(queue.values()))
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    ended(queue, "17", "RUNNING")
    executor.run_job(job(tmp_path))
    (info,) = submitted(executor)
    executor._look_at = 0.0

    async def watch(seconds: int) -> None:
        for _ in range(seconds // 2):
            now[0] += 2
            async for _ in executor.check_active_jobs([info]):
                pass

    asyncio.run(watch(60))
    assert 3 <= len(asked) <= 4
    # Its files are seen on the disk at once.
    asked.clear()
    (tmp_path / "0001.tsv").touch()
    ended(queue, "17", "COMPLETED")
    asyncio.run(watch(2))
    assert len(asked) == 1 and executor.said[-1][0] == "report_job_success"


@pytest.mark.parametrize(
    ("folder", "name"),
    [("growth 3 é", "segmake_growth-3_1f0a2b3c"), ("éé", "segmake_1f0a2b3c")],
)
def test_jobs_have_a_name_that_their_owner_knows(tmp_path, folder, name):
    assert name_of_jobs("segmake_1f0a2b3c-1111-2222", tmp_path / folder) == name
