"""What status --json answers in each state, in both languages, to whoever may only read."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from segmake.answers.status import status_answer
from segmake.cli import main
from segmake.core import run_marks
from segmake.core.ended_runs import note_begin, note_end, note_failures
from segmake.core.files import write_lock
from segmake.core.journal import Journal
from segmake.core.processes import LOST_SECONDS, this_process
from segmake.messages import LANGUAGES
from segmake.outcome.run_state import state_of
from segmake.outcome.status import describe_status
from segmake.plan.make import make_plan
from segmake.plan.overview import overview_of, write_overview
from segmake.plan.written_plan import write_plan
from segmake.slurm import commands as slurm
from segmake.slurm.commands import Job, SlurmError
from segmake.slurm.jobs import Jobs
from tests.answers import held, held_to_its_schema, read_by
from tests.golden.old_results import unpack
from tests.projects import ROOT


@pytest.fixture
def plan(configure, draw, tmp_path, monkeypatch):
    """The plan of three images, none of which is done."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".snakemake").mkdir()
    for name in "abc":
        draw(tmp_path / "images" / f"{name}.tif")
    return make_plan(configure())[0]


def begin(plan, lock=write_lock) -> None:
    """Do what a main process does when it begins a run."""
    folders = plan.folders
    folders.state.mkdir(parents=True, exist_ok=True)
    with folders.lock.open("w") as file:
        lock(file)
    note_begin(folders.runs, plan.name)
    write_plan(plan)
    write_overview(overview_of(plan), folders.overview)


def do(plan, number: int, *, fails: bool = False) -> None:
    for step, tasks in plan.batches["0001"].tasks.items():
        task = tasks[number]
        journal = Journal(plan.folders.journal(step, "0001"))
        journal.add(task.image, "started", task.key, task.attempt)
        if fails:
            names = {"code": "SM-IMG-002", "where": "images/b.tif", "values": {}}
            journal.add(task.image, "failed", task.key, task.attempt, **names)
            return
        journal.add(task.image, "done", task.key, task.attempt)


def answer(plan) -> dict:
    return held_to_its_schema(status_answer(plan.folders.results))


def dead() -> int:
    """Return a number that no process has: that of one that has ended may be given to another one."""
    return int(Path("/proc/sys/kernel/pid_max").read_text())


def test_a_run_from_its_start_to_its_end(plan, monkeypatch):
    assert state_of(plan.folders) is None
    run_marks.note_start(Path())
    found = answer(plan)
    assert (found["state"], found["images"]) == ("starting", None)
    assert found["run"]["process"]["pid"] == os.getpid()
    begin(plan)
    do(plan, 0)
    do(plan, 1, fails=True)
    found = answer(plan)
    assert found["state"] == "running" and found["report"] is None
    assert found["images"]["total"] == 3
    numbers = [found["images"][key] for key in ("segmented", "complete", "failed")]
    assert numbers == [1, 1, 1]
    assert [step["left"] for step in found["steps"]] == [1, 2, 2, 2]
    [failure] = found["failures"]
    assert (failure["name"], failure["step"], failure["code"]) == ("b.tif", "segment", "SM-IMG-002")
    assert failure["text"] == "The file is empty (0 bytes)."
    do(plan, 2)
    (plan.folders.results / "report.html").touch()
    assert found["run"]["failed"] is None
    # With one that opened nothing.
    note_failures(plan.folders.runs, plan.name, 2)
    note_end(plan.folders.runs, plan.name)
    found = answer(plan)
    assert found["state"] == "ended" and found["run"]["ended"] and found["problems"] == []
    assert found["run"]["failed"] == 2
    assert found["images"]["complete"] == 2 and found["images"]["per_minute"] is None
    assert found["report"] == str(plan.folders.results / "report.html")
    note_begin(plan.folders.runs, plan.name)
    note_end(plan.folders.runs, plan.name, "stopped")
    assert answer(plan)["state"] == "stopped" and answer(plan)["run"]["failed"] is None
    # What another run has begun, its plan does not tell yet.
    note_begin(plan.folders.runs, "another")
    assert answer(plan)["images"] is None


@pytest.mark.parametrize(
    ("change", "state"),
    [
        (lambda process: process._replace(pid=dead()), "died"),
        # Its number belongs to another process now.
        (lambda process: process._replace(ticks="1"), "died"),
        (lambda process: process._replace(boot="before"), "died"),
        # Of another computer, or another container, its time tells.
        (lambda process: process._replace(host="elsewhere"), "running"),
        (lambda process: process._replace(space="pid:[1]", pid=dead()), "running"),
    ],
)
def test_a_main_process_that_is_gone_has_died(plan, change, state):
    begin(plan, lambda file: file.write(change(this_process()).written()))
    assert answer(plan)["state"] == state
    long_ago = time.time() - 2 * LOST_SECONDS
    os.utime(plan.folders.lock, (long_ago, long_ago))
    found = answer(plan)
    assert found["state"] == "died"
    [problem] = found["problems"]
    assert (problem["code"], problem["severity"]) == ("SM-RUN-069", "warning")


def test_a_main_process_shows_that_it_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(run_marks, "BEAT_SECONDS", 0.01)
    path = tmp_path / "lock"
    path.touch()
    os.utime(path, (0, 0))
    stop = run_marks.keep_showing(path)
    while path.stat().st_mtime == 0:
        time.sleep(0.01)
    stop()


@pytest.mark.parametrize("spoken", LANGUAGES)
def test_jobs_that_wait_are_told_with_slurms_reason_and_its_age(plan, monkeypatch, spoken):
    monkeypatch.setenv("SEGMAKE_LANG", spoken)
    begin(plan)
    jobs = Jobs(plan.folders.jobs)
    jobs.begin("run", plan.started, None)
    queue = [Job("7", "segment", "0001", "PENDING", "Priority", submitted=1.0)]
    monkeypatch.setattr(slurm, "jobs_of_run", lambda run: queue)
    jobs.refresh()
    found = answer(plan)
    assert found["state"] == "waiting" and found["language"] == spoken
    [job], [reason] = found["slurm"]["jobs"], found["slurm"]["reasons"]
    assert (job["id"], job["state"], job["reason"]) == ("7", "waiting", "Priority")
    assert reason["passes"] and reason["jobs"] == ["7"] and "Priority" in reason["text"]
    assert found["slurm"]["age_seconds"] in range(60)
    queue[0] = dataclasses.replace(queue[0], state="RUNNING", reason="", started=2.0)
    jobs.refresh()
    assert answer(plan)["state"] == "running"

    def silent(run: str) -> list[Job]:
        raise SlurmError("Unable to contact slurm controller")

    monkeypatch.setattr(slurm, "jobs_of_run", silent)
    with pytest.raises(SlurmError):
        jobs.refresh()
    assert answer(plan)["slurm"]["error"] == "Unable to contact slurm controller"
    # What happens meanwhile is no answer.
    monkeypatch.setattr("segmake.slurm.heard.AT_MOST_SECONDS", 0.0)
    jobs.hold("QOSMaxSubmitJobPerUserLimit", 1)
    found = answer(plan)["slurm"]
    assert (found["error"], found["room"]) == ("Unable to contact slurm controller", 1)


def test_a_main_process_that_is_a_job_is_waited_for(plan):
    plan.folders.state.mkdir(parents=True)
    plan.folders.submitted.write_text('{"job": "12"}')
    found = answer(plan)
    assert (found["state"], found["run"]["job"]) == ("waiting", "12")
    begin(plan)
    assert answer(plan)["state"] == "running"
    note_end(plan.folders.runs, plan.name, "handed_over")
    plan.folders.submitted.write_text('{"job": "13"}')
    assert answer(plan)["run"]["job"] == "13"


def test_all_failures_up_to_a_thousand_are_told(plan, monkeypatch):
    monkeypatch.setattr("segmake.answers.status.MOST_FAILURES", 2)
    begin(plan)
    for number in range(3):
        do(plan, number, fails=True)
    found = answer(plan)
    assert len(found["failures"]) == 2 and found["failures_left_out"] == 1
    # What a newer version has noted has no text here.
    journal = plan.folders.journal("segment", "0001")
    journal.write_text(journal.read_text().replace("SM-IMG-002", "SM-IMG-999"))
    assert answer(plan)["failures"][0]["text"] == "SM-IMG-999"


@pytest.mark.parametrize("spoken", LANGUAGES)
def test_the_command_answers_and_can_follow(plan, monkeypatch, capsys, spoken):
    monkeypatch.setenv("SEGMAKE_LANG", spoken)
    assert main(["status", "--json", "--results", "nowhere"]) == 1
    assert held(capsys.readouterr().out)["problems"][0]["code"] == "SM-RUN-013"
    begin(plan)
    do(plan, 1, fails=True)

    def sleep(seconds: float) -> None:
        note_end(plan.folders.runs, plan.name)

    monkeypatch.setattr("segmake.cli.of_users.time.sleep", sleep)
    assert main(["status", "--json", "--follow", "--results", str(plan.folders.results)]) == 0
    first, last = capsys.readouterr().out.splitlines(keepends=True)
    assert (held(first)["state"], held(last)["state"]) == ("running", "ended")
    shown = read_by("status.pl", last)
    assert shown.startswith("ended: 3 images, 0 done, 1 failed\nsegment: 0 done, 2 left\n")
    assert {"en": "The file is empty", "fr": "Le fichier est vide"}[spoken] in shown


LOADED = """
import sys
from segmake.cli import main

main(["status", "--json", "--results", sys.argv[1]])
heavy = {"jsonschema", "numpy", "psutil", "rich", "ruamel", "segmake.core.settings", "segmake.plan.plan", "yaml"}
print(sorted(heavy & set(sys.modules)))
"""


def test_only_what_is_needed_is_loaded(plan):
    begin(plan)
    do(plan, 1, fails=True)
    command = [sys.executable, "-c", LOADED, str(plan.folders.results)]
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    said = subprocess.check_output(command, text=True, env=variables)
    assert said.splitlines()[-1] == "[]"


def test_nothing_is_written_beside_the_readers_cache(plan, tmp_path):
    begin(plan)
    do(plan, 0)

    def tree() -> dict[str, tuple[int, int]]:
        files = [path for path in tmp_path.rglob("*") if "cache" not in path.parts]
        return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}

    before = tree()
    answer(plan)
    assert tree() == before


def test_a_run_of_an_earlier_version_is_told_by_its_plan(plan):
    begin(plan)
    plan.folders.overview.unlink()
    do(plan, 0)
    do(plan, 1, fails=True)
    note_end(plan.folders.runs, plan.name)
    found = answer(plan)
    numbers = [found["images"][key] for key in ("total", "segmented", "complete", "failed")]
    assert numbers == [3, 1, 1, 1] and found["failures"][0]["name"] == "b.tif"


def test_a_main_process_of_the_first_version_is_at_work(plan):
    begin(plan, lambda file: file.write(f"{os.getpid()}\t{os.uname().nodename}\t2026-11-29 06:00"))
    plan.folders.runs.unlink()
    plan.folders.overview.unlink()
    found = answer(plan)
    assert (found["state"], found["images"]["total"]) == ("running", 3)


def test_of_a_plan_that_can_not_be_read_it_is_said(tmp_path, monkeypatch, capsys):
    project = unpack("colony", tmp_path)
    monkeypatch.chdir(project.folder)
    # That of the first version lacks settings that came later.
    assert main(["status", "--json"]) == 0
    found = held(capsys.readouterr().out)
    assert (found["images"]["total"], found["images"]["failed"], found["problems"]) == (7, 1, [])
    plan = project.results / ".segmake" / "plan.json"
    os.truncate(plan, plan.stat().st_size // 2)
    assert main(["status", "--json"]) == 0
    found = held(capsys.readouterr().out)
    assert (found["state"], found["images"]) == ("ended", None)
    assert found["report"] and found["problems"][0]["code"] == "SM-RUN-070"
    assert main(["status"]) == 0
    assert "SM-RUN-070" in capsys.readouterr().out


@pytest.mark.parametrize("rows", [slice(None), slice(-1, None)])
def test_of_a_plan_whose_tasks_are_written_otherwise_it_is_said(plan, rows):
    begin(plan)
    note_end(plan.folders.runs, plan.name)
    plan.folders.overview.unlink()
    written = json.loads(plan.folders.plan.read_text())
    for tasks in written["batches"]["0001"]["tasks"].values():
        # All of them, as an earlier version wrote them, or the last one alone.
        tasks[rows] = [task[:6] for task in tasks[rows]]
    plan.folders.plan.write_text(json.dumps(written))
    found = answer(plan)
    assert (found["state"], found["images"]) == ("ended", None)
    assert found["problems"][0]["code"] == "SM-RUN-070"
    assert "SM-RUN-070" in describe_status(plan.folders.results)
