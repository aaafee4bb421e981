"""What happens when a run starts, is stopped, and ends; without Snakemake, and with Slurm's answers given."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from segmake.adapter import lifecycle as module
from segmake.adapter import results_folder, sending
from segmake.adapter.engine_environment import EngineEnvironment
from segmake.adapter.lifecycle import Lifecycle
from segmake.adapter.reading import Reading
from segmake.adapter.sending import Sending, leave_nothing_behind
from segmake.core.disk import probe
from segmake.core.ended_runs import last_run
from segmake.core.journal import Journal
from segmake.messages import Problem
from segmake.outcome.last_words import keep_last_words
from segmake.outcome.status import who_runs
from segmake.plan.make import make_or_keep_plan, make_plan
from segmake.slurm.commands import SlurmError
from segmake.slurm.jobs import Jobs
from tests.unit.adapter.fake_workflow import fake
from tests.unit.plan.jobs import compute


@pytest.fixture
def reading(configure, draw, tmp_path, monkeypatch):
    """What was read of a config with one image, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".snakemake").mkdir()
    draw(tmp_path / "images" / "a.tif")
    plan, inventory = make_plan(configure())
    return Reading(plan, Jobs(plan.folders.jobs), inventory, config=configure())


@pytest.fixture(autouse=True)
def no_slurm(monkeypatch):
    """This computer has no Slurm, and gets its signal handlers back."""
    monkeypatch.setattr("segmake.slurm.commands.is_here", lambda: False)
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def run(reading, workflow=None):
    engine = EngineEnvironment(reading.plan.settings, conda=False)
    return Lifecycle(workflow or fake(), reading, engine, {})


def test_a_run_writes_its_plan_and_says_what_became_of_it(reading, capsys):
    forgotten: list[str] = []
    past = reading.plan.folders.state / "segment" / "0001.0123456789ab.tsv"
    past.parent.mkdir(parents=True)
    past.touch()
    made = run(reading, fake(forgotten=forgotten))
    made.start()
    folders = reading.plan.folders
    assert json.loads(folders.plan.read_text())["config"] == reading.plan.config
    assert folders.inventory.exists()
    assert not past.exists() and forgotten == [str(past)]
    with pytest.raises(SystemExit):
        run(reading).start()
    assert "SM-RUN-009" in capsys.readouterr().err
    made.end()
    assert capsys.readouterr().err.startswith("\nSegMake: the run did not come to its end")


def test_jobs_are_sent_from_where_there_is_slurm(reading, capsys):
    with pytest.raises(SystemExit):
        run(reading, fake(nodes=10)).start()
    assert "SM-RUN-011" in capsys.readouterr().err
    assert not reading.plan.folders.plan.exists()


def test_a_folder_that_can_not_be_written_to_is_told(reading, monkeypatch, capsys):
    def fail(folders):
        raise PermissionError(13, "Permission denied", str(folders.lock))

    monkeypatch.setattr(results_folder, "take", fail)
    with pytest.raises(SystemExit):
        run(reading).start()
    assert "SM-RUN-010" in capsys.readouterr().err


def test_a_run_whose_config_can_not_be_kept_works_all_the_same(reading):
    folders = reading.plan.folders
    folders.state.mkdir(parents=True, exist_ok=True)
    folders.configs.touch()
    made = run(replace(reading, config_text="results: results\n"))
    made.start()
    made.end()
    last = last_run(folders.runs)
    assert last and last.ended and not last.config


def test_the_start_after_a_run_knows_what_the_run_did(reading, configure, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("segmake.plan.settled.WORTH_KEEPING", 1)
    monkeypatch.setattr(module, "WORTH_KEEPING", 1)
    made = run(reading)
    made.start()
    compute(reading.plan)
    made.end()
    plan, images = make_or_keep_plan(configure())
    assert images is None and plan.states == {"a.tif": "done"}


@pytest.mark.parametrize("judged", [True, False], ids=["by this run", "by the run before"])
def test_what_the_last_job_said_is_not_found_out_once_more(reading, monkeypatch, capsys, judged):
    read = []
    made = run(reading)
    made.start()
    compute(reading.plan)
    its = reading.plan if judged else replace(reading.plan, started=reading.plan.started - 1)
    keep_last_words(its, "what the last job said")
    monkeypatch.setattr(Journal, "_read_all", lambda journal: read.append(journal.path) or {})
    capsys.readouterr()
    made.end()
    assert ("what the last job said" in capsys.readouterr().err) is judged
    assert bool(read) is not judged


def test_what_is_not_kept_for_the_next_start_spoils_no_run(reading, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "WORTH_KEEPING", 1)
    made = run(reading)
    made.start()
    compute(reading.plan)
    capsys.readouterr()
    (tmp_path / "images" / "a.tif").unlink()
    made.end()
    assert module.say("end.stopped") not in capsys.readouterr().err


@pytest.mark.parametrize("what", [MemoryError, RuntimeError, signal.SIGINT, signal.SIGTERM])
def test_whatever_befalls_a_run_that_is_over_it_ended_as_it_did(reading, monkeypatch, capsys, what):
    seen, said = [], []

    def befall(config):
        seen.append(who_runs(reading.plan.folders.lock))
        end = time.monotonic() + 60
        while not "".join(said).endswith(f"{module.say('end.noting')}\n"):
            assert time.monotonic() < end
            said.append(capsys.readouterr().err)
        if isinstance(what, signal.Signals):
            signal.raise_signal(what)
        raise what

    monkeypatch.setattr(module, "WORTH_KEEPING", 1)
    monkeypatch.setattr(module, "NOTICED_SECONDS", 0.0)
    made = run(reading)
    made.start()
    made._sending = SimpleNamespace(
        **{"has_screen": True, "stop_screen": lambda: None, "handed_over": ""},
        **{"problems": list, "cease": lambda: seen.append("ceased")},
    )
    monkeypatch.setattr(module, "make_plan", befall)
    made.end()
    assert seen == [None], "the folder is free, and there is nothing to cancel"
    assert capsys.readouterr().err == ""


def test_a_run_that_is_stopped_says_so(reading, capsys):
    made = run(reading)
    made.start()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
    made.end()
    assert capsys.readouterr().err.strip().endswith(module.say("end.stopped"))


def test_no_job_is_tried_again_on_a_full_disk(reading, monkeypatch, capsys):
    tried = []
    scheduler = SimpleNamespace(keepgoing=True, _handle_error=tried.append)
    made = run(reading, fake(scheduler=scheduler))
    made.start()
    job = SimpleNamespace(attempt=1, restart_times=3)
    scheduler._handle_error(job)
    assert (job.attempt, scheduler.keepgoing) == (1, True)
    monkeypatch.setattr(
        module, "probe", lambda folder: Problem("SM-RUN-040", where="x", folder="x")
    )
    scheduler._handle_error(job)
    assert (job.attempt, scheduler.keepgoing, tried) == (4, False, [job, job])
    made.end()
    assert "SM-RUN-040" in capsys.readouterr().err
    assert probe(reading.plan.folders.state) is None


def test_results_of_a_clock_that_was_wrong_are_dated_today(reading, capsys):
    folders = reading.plan.folders
    folders.state.mkdir(parents=True)
    late, fine = folders.results / "images.csv", folders.results / "cells.csv"
    for path, seconds in ((late, 9e4), (fine, 30.0)):
        path.touch()
        os.utime(path, (time.time() + seconds,) * 2)
    kept = fine.stat().st_mtime
    results_folder.bring_back_from_future(reading.plan)
    assert late.stat().st_mtime <= time.time() and fine.stat().st_mtime == kept
    assert "SM-RUN-020" in capsys.readouterr().err


class Executor:
    """Slurm's executor as it is made, and what SegMake makes of it."""

    run_uuid = "0123-4567"
    leaves_jobs = False

    def leave(self):
        self.leaves_jobs = True


@pytest.fixture
def slurm_run(reading, monkeypatch):
    """A run on a cluster that sends its jobs to nowhere."""
    executor = Executor()
    monkeypatch.setattr("segmake.slurm.commands.is_here", lambda: True)
    monkeypatch.setattr(Jobs, "refresh", lambda self: None)
    monkeypatch.setattr(sending, "take_over", lambda plugin, *jobs, **places: plugin)
    monkeypatch.setattr(
        sending, "Screen", lambda *about: SimpleNamespace(start=list, stop=list, cease=list)
    )
    reading.plan.folders.state.mkdir(parents=True)
    sent = replace(reading, cluster=SimpleNamespace(keeps_accounts=False))
    scheduler = SimpleNamespace(keepgoing=True, _handle_error=list, _executor=executor)
    return run(sent, fake(nodes=10, scheduler=scheduler)), executor


def test_jobs_get_a_name_and_are_cancelled_in_the_end(slurm_run, reading, monkeypatch, capsys):
    made, executor = slurm_run
    cancelled = []
    monkeypatch.setattr(Jobs, "cancel", lambda self, kept=(): cancelled.append(self.run) or ["17"])
    made.start()
    assert executor.run_uuid.startswith("segmake_") and reading.jobs.run == executor.run_uuid
    executor.problems = lambda: [Problem("SM-CLU-013", path="x")]
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)
    # To be interrupted again would leave jobs behind.
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    made.end()
    said = capsys.readouterr().err
    assert cancelled == [executor.run_uuid]
    assert "SM-CLU-013" in said and said.strip().endswith(module.say("end.cancelled"))


def test_jobs_are_left_to_the_next_run_where_this_one_sends_itself_again(
    slurm_run, monkeypatch, capsys
):
    made, executor = slurm_run
    monkeypatch.setattr(sending.submit, "sends_itself_again", lambda: True)
    monkeypatch.setattr(sending.submit, "send_again", lambda folders, job, done: "18")
    monkeypatch.setattr(Jobs, "cancel", lambda self, kept=(): pytest.fail("jobs were cancelled"))
    before = signal.getsignal(sending.submit.SIGNAL)
    try:
        made.start()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), sending.submit.SIGNAL)
            time.sleep(1)
    finally:
        signal.signal(sending.submit.SIGNAL, before)
    made.end()
    assert executor.leaves_jobs
    assert capsys.readouterr().err.strip().endswith(sending.say("submit.sent_again", job="18"))


@pytest.mark.parametrize(("again", "room"), [(False, 5), (True, 4)])
def test_one_place_in_the_queue_is_for_the_main_process(reading, monkeypatch, again, room):
    sent = replace(reading, cluster=SimpleNamespace(keeps_accounts=True))
    monkeypatch.setattr(sending.slurm, "room", lambda account, qos: (5, "MaxSubmitJobs"))
    monkeypatch.setattr(sending.submit, "sends_itself_again", lambda: again)
    assert Sending(sent, {})._room() == (room, "MaxSubmitJobs")


def test_a_run_does_not_begin_beside_jobs_that_can_not_be_cancelled(
    slurm_run, reading, monkeypatch, capsys
):
    made, _ = slurm_run
    reading.jobs.begin("before", 1.0, None)
    reading.jobs.note_sent("16", "segment", "0001")

    def fail(self, kept=()):
        raise SlurmError("no answer")

    monkeypatch.setattr(Jobs, "cancel", fail)
    assert not leave_nothing_behind(reading.jobs, "cluster.left")
    with pytest.raises(SystemExit):
        made.start()
    assert "SM-CLU-001" in capsys.readouterr().err
    assert not reading.plan.folders.plan.exists()
