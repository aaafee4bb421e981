"""The users' scripts without Snakemake: how they are called, ended, told apart, and divided into jobs."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from segmake.config.load import load_config
from segmake.core import installation
from segmake.core.journal import Entry, Journal
from segmake.messages import Problem
from segmake.plan.make import make_plan
from segmake.plan.script_keys import ImageFacts, Keys
from segmake.plan.scripts import code_of, facts_in_job, journal_of, runs_per_job
from segmake.plan.written_plan import read_plan, write_plan
from segmake.runner.pipeline import Task
from segmake.runner.run_step import run_step
from segmake.scripts.checks.command import command_line, interpreter, variables
from segmake.scripts.definition.script import folder_name, run_name, scripts_of, values_of
from segmake.scripts.results.results import inputs_of, join_tables, script_results
from segmake.scripts.running import work as script_work
from segmake.scripts.running.process import Processes, end_orphans, last_lines
from segmake.scripts.running.work import ScriptWork


@pytest.fixture
def scripts(configure, tmp_path, draw):
    """Return the scripts of a config, each with an empty file of its own."""

    def make(*sections: dict):
        draw(tmp_path / "images" / "a.tif")
        for section in sections:
            (tmp_path / f"{section['name']}.py").touch()
            section.setdefault("script", str(tmp_path / f"{section['name']}.py"))
        return scripts_of(configure(scripts=list(sections)).settings)

    return make


@pytest.mark.parametrize(
    ("value", "values"),
    [
        ({"from": 1, "to": 4}, ["1", "2", "3", "4"]),
        ({"from": 0.1, "to": 0.5, "step": 0.1}, ["0.1", "0.2", "0.3", "0.4", "0.5"]),
        ({"from": 0, "to": 1, "step": 0.3}, ["0", "0.3", "0.6", "0.9"]),
        ({"from": -10, "to": 100, "step": 55}, ["-10", "45", "100"]),
        (["a b", "007", True, "1e-3"], ["a b", "007", True, "1e-3"]),
    ],
)
def test_the_values_of_a_parameter(value, values):
    assert list(values_of(value)) == values


def test_a_sweep_is_the_product_or_side_by_side(scripts):
    sweep = {"seed": {"from": 1, "to": 3}, "rate": [0.1, 0.5, 1]}
    found = scripts(
        {"name": "all", "run": "sweep", "sweep": sweep},
        {"name": "pairs", "run": "sweep", "sweep": {**sweep, "zip": True}},
    )
    assert len(found["all"].runs()) == 9
    assert found["all"].runs()[1] == {"seed": "1", "rate": "0.5"}
    assert found["pairs"].runs()[2] == {"seed": "3", "rate": "1"}


def test_numbers_reach_a_script_as_they_are_written(tmp_path, draw):
    draw(tmp_path / "images" / "a.tif")
    (tmp_path / "a.py").touch()
    path = tmp_path / "config.yaml"
    path.write_text(
        f"images: {{folder: {tmp_path}/images}}\nsegmentation: {{engine: threshold}}\n"
        f"results: {tmp_path}/results\nscripts:\n  - name: a\n    script: {tmp_path}/a.py\n"
        "    arguments: {plate: 007, version: 3.10, small: 1e-3, list: [0.50, x], yes: true}\n"
    )
    arguments = load_config(path).settings["scripts"][0]["arguments"]
    texts = {"plate": "007", "version": "3.10", "small": "1e-3", "list": ["0.50", "x"]}
    assert arguments == {**texts, "yes": True}


@pytest.mark.parametrize(
    "label", ["a=../../etc", "a=/etc/passwd", "a=..", "..", "a=x\ny", "é=ü", "a=" + "x" * 500]
)
def test_names_of_folders_lead_nowhere_else(label):
    name = folder_name(label)
    assert "/" not in name and name not in (".", "..") and name.isascii() and len(name) < 120
    assert folder_name(label + "x") != name


def test_values_that_differ_have_folders_that_differ():
    labels = ["a=1, 2", "a=1,2", "a=1,2, b=3", "a=1, b=3", "a=x/y", "a=x_y"]
    assert len({folder_name(label) for label in labels}) == len(labels)


def test_a_run_has_a_folder_of_its_own(scripts):
    found = scripts({"name": "growth"}, {"name": "once", "run": "once"})
    folders = [run_name(found["growth"], image) for image in ("day.tif", "day_growth/pos.tif")]
    assert folders == ["day_growth", "day_growth_/pos_growth"]
    # An image beside a folder of the same name: neither is within the other.
    assert run_name(found["growth"], "day/pos.nd2 (p3)") == "day/pos_p3_growth"
    assert run_name(found["growth"], "day.tif") == "day_growth"
    assert run_name(found["once"], "once") == ""


def call(script, parameters=None, environ=None, **given):
    values = {
        "name": "a.tif",
        "position": "1",
        "seed": "5",
        "cpus": "2",
        "project": "/home/me/segmake",
    }
    words = command_line(script, "python", given, values, parameters or {})
    return words[2:], variables(script, given, values, parameters or {}, environ or {})


def test_the_command_line(scripts):
    arguments = {"batch_size": 32, "n": 3, "verbose": True, "quiet": False, "none": None}
    arguments |= {"picture": "{image}", "model": "{project}/my {model}", "names": ["a", "b c"]}
    (script,) = scripts({"name": "growth", "arguments": arguments}).values()
    parameters = {"rate": "0.1", "fast": True, "slow": False}
    words, environ = call(script, parameters, input="/i.tif", mask="/m.tif", output_dir="/out")
    assert words == [
        *("--mask", "/m.tif", "--output-dir", "/out", "--batch_size", "32", "-n", "3", "--verbose"),
        *("--picture", "/i.tif", "--model", "/home/me/segmake/my {model}", "--names", "a", "b c"),
        *("--rate", "0.1", "--fast"),
    ]
    assert (
        environ["BATCH_SIZE"] == "32" and environ["VERBOSE"] == "true" and environ["RATE"] == "0.1"
    )
    assert environ["NAMES"] == '["a", "b c"]' and "NONE" not in environ
    assert environ["SEGMAKE_INPUT"] == environ["SEGMAKE_IMAGE"] == "/i.tif"
    assert environ["SEGMAKE_SEED"] == "5" and environ["OMP_NUM_THREADS"] == "2"


def test_a_list_is_the_whole_command_line(scripts):
    (script,) = scripts(
        {"name": "own", "arguments": ["{image}", "-o", "{output_dir}/x", 5]}
    ).values()
    assert call(script, input="/i.tif", output_dir="/out")[0] == ["/i.tif", "-o", "/out/x", "5"]


def test_r_runs_with_the_rscript_of_its_environment(tmp_path):
    python = tmp_path / "environment" / "bin" / "python"
    script = Path("growth.R")
    assert interpreter(script, str(python)) == ["Rscript"]
    python.parent.mkdir(parents=True)
    python.with_name("Rscript").touch()
    assert interpreter(script, str(python)) == [str(python.with_name("Rscript"))]


def test_packages_of_conda_count_for_a_script_only_where_there_are_any(scripts):
    (script,) = scripts({"name": "growth"}).values()
    script = replace(script, environment="growth")

    def code(**section):
        return code_of(script, {"environments": {"growth": {"python": "3.11", **section}}})

    plain = code(packages=["natsort"])
    assert code(packages=["natsort"], conda=[]) == plain
    assert code(packages=["natsort"], conda=["r-base"]) != plain


@pytest.mark.parametrize("number", ["-5", "-0.5", "-.5", "-1e-5", "-1.5e3", "-5,3", "-x"])
def test_argparse_takes_negative_numbers_and_dashes(scripts, number):
    (script,) = scripts({"name": "s", "arguments": {"shift": number}}).values()
    parser = argparse.ArgumentParser()
    parser.add_argument("--shift")
    words = call(script, output_dir="/out")[0]
    assert parser.parse_known_args(words)[0].shift == number


def test_a_script_sees_no_secrets_and_its_arguments_change_no_program(scripts):
    arguments = {
        "path": "/evil",
        "ld-preload": "evil.so",
        "pythonpath": "/evil",
        "home": "x",
        "r_max": 2,
    }
    (script,) = scripts({"name": "s", "arguments": arguments, "variables": ["HF_TOKEN"]}).values()
    environ = {"PATH": "/bin", "HOME": "/home/me", "HF_TOKEN": "mine", "GITHUB_TOKEN": "secret"}
    environ |= {"AWS_SECRET_ACCESS_KEY": "secret", "SSH_AUTH_SOCK": "s", "PYTHONPATH": "/workflow"}
    seen = call(script, environ=environ, input="/i", output_dir="/o")[1]
    assert seen["PATH"] == "/bin" and seen["HOME"] == "/home/me" and seen["HF_TOKEN"] == "mine"
    assert seen["R_MAX"] == "2"
    assert not {"GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "SSH_AUTH_SOCK"} & set(seen)
    assert not {"LD_PRELOAD", "PYTHONPATH"} & set(seen)


# Processes


def run_python(
    processes: Processes, folder: Path, code: str, seconds: float | None, mark: str = ""
):
    words = [sys.executable, "-c", f"folder = {str(folder)!r}\n{code}"]
    names = {"folder": folder, "variables": dict(os.environ), "log": folder / "log"}
    return processes.run(words, **names, seconds=seconds, mark=f"{folder}{mark}")


STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(555)
    os._exit(0)
print("here", flush=True)
time.sleep(555)
"""


def wait_for(happened: Callable[[], bool]) -> None:
    """Wait until something has happened; a test that waits for ever tells nothing."""
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)


def sleepers(folder: Path) -> list[psutil.Process]:
    """Return the processes of a test that are at work, which all name its folder."""
    own = [sys.executable, "-c"]
    found = psutil.process_iter(["cmdline"])
    return [p for p in found if (p.info["cmdline"] or [])[:2] == own and str(folder) in str(p.info)]


def test_a_command_that_is_out_of_time_is_ended_with_its_daemons(tmp_path, monkeypatch):
    def late(seconds: float, end: Callable[[], None]) -> threading.Timer:
        """Have the time over once it is at work, however long a busy machine takes to start it."""
        return threading.Timer(0.0, lambda: (wait_for(said), end()))

    def said() -> bool:
        return (tmp_path / "log").read_text() == "here\n"

    monkeypatch.setattr("segmake.scripts.running.process.Timer", late)
    monkeypatch.setattr("segmake.scripts.running.process.GRACE_SECONDS", 1.0)
    outcome = run_python(Processes(), tmp_path, STUBBORN, 3.0)
    assert outcome.out_of_time and not outcome.stopped
    assert (tmp_path / "log").read_text() == "here\n"
    assert not sleepers(tmp_path)


def test_a_script_that_slurm_ends_a_moment_before_this_process_did_not_fail(tmp_path, monkeypatch):
    """Slurm signals all processes of a job at once, and the script may be gone first."""
    ended = "import os; os.kill(os.getpid(), 15)"
    seconds = "segmake.scripts.running.process.TOGETHER_SECONDS"
    monkeypatch.setattr(seconds, 0.1)
    assert not run_python(Processes(), tmp_path, ended, None).stopped
    monkeypatch.setattr(seconds, 60.0)
    processes = Processes()
    said = f"print('at work', flush=True); {ended}"

    def stop() -> None:
        wait_for(lambda: "at work" in (tmp_path / "log").read_text())
        # It is gone by now, or in a moment.
        time.sleep(0.5)
        processes.stop()

    threading.Thread(target=stop).start()
    outcome = run_python(processes, tmp_path, said, None)
    assert outcome.code == -signal.SIGTERM and outcome.stopped


def test_what_a_command_leaves_behind_is_ended_with_it(tmp_path):
    code = "import subprocess as s, sys; s.Popen([sys.executable, '-c', 'import time; time.sleep(555)', folder], start_new_session=True)"
    assert run_python(Processes(), tmp_path, code, None).code == 0
    assert not sleepers(tmp_path)


def test_tasks_at_work_are_never_more_than_may_be(tmp_path):
    at_work, most, ended = [], [], []

    class Slow:
        def read(self, task):
            return None

        def compute(self, task, read):
            at_work.append(task)
            most.append(len(at_work))
            time.sleep(0.01)
            at_work.remove(task)
            return {}

    def end(one):
        time.sleep(0.02)
        ended.append(one)

    tasks = [Task(str(n), Path(), 0, 1, "", 1, (Path(),)) for n in range(12)]
    with script_work.Parallel(2, lambda: None, Slow(), end) as line:
        for task in tasks:
            line.add(task, alone=task.image == "5")
            if task.image == "5":
                assert len(ended) == 6 and line.in_work() == []
        line.finish()
    assert max(most) == 2 and len(ended) == 12


def test_all_commands_are_stopped_at_once_and_none_is_begun_after(tmp_path):
    processes = Processes()
    outcomes = []
    threads = [
        threading.Thread(
            target=lambda mark=mark: outcomes.append(
                run_python(processes, tmp_path, "import time; time.sleep(555)", None, mark)
            )
        )
        for mark in "abc"
    ]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(sleepers(tmp_path)) == 3)
    processes.stop()
    for thread in threads:
        thread.join()
    assert [outcome.stopped for outcome in outcomes] == [True] * 3
    assert run_python(processes, tmp_path, "print(1)", None).stopped
    assert not sleepers(tmp_path)


def test_the_last_lines_of_a_log(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"$ command\nfirst\n\n  10%\r  50%\r 100%\nsecond \xff\n\n")
    assert last_lines(log, 2) == " 100%\nsecond \\xff"
    assert last_lines(log, 9, start=len(b"$ command\n")) == "first\n 100%\nsecond \\xff"
    assert last_lines(tmp_path / "none", 2) == ""


# Keys


def keys_of(found, *, images="abc", failed=(), journal=None, expected=True, codes=None) -> Keys:
    facts = {
        image: ImageFacts(
            {"images": f"i{image}", "masks": f"m{image}", "cells": f"c{image}"},
            image != "x",
            lambda need, image=image: "failed" if image in failed else "" if expected else "done",
        )
        for image in images
    }
    codes = codes or dict.fromkeys(found, "code")
    return Keys(found, codes, facts, lambda name: (journal or {}).get(name, {}), expected)


def test_what_makes_a_run_out_of_date(scripts):
    found = scripts(
        {"name": "first", "needs": ["masks"]},
        {"name": "second", "needs": ["first"]},
        {"name": "whole", "run": "dataset", "needs": ["cells", "second"]},
        {"name": "last", "needs": ["images", "whole"]},
        {"name": "apart", "needs": ["images"]},
    )
    keys = keys_of(found)
    before = {(name, run): keys.key(name, run) for name in found for run in keys.runs(name)}
    assert len(set(before.values())) > 5 and None not in before.values()

    def changed(**other) -> set[str]:
        now = keys_of(found, **other)
        return {name for (name, run), key in before.items() if now.key(name, run) != key}

    assert changed() == set()
    codes = dict.fromkeys(found, "code")
    assert changed(codes=codes | {"second": "new"}) == {"second", "whole", "last"}
    assert changed(codes=codes | {"whole": "new"}) == {"whole", "last"}
    # A new image, and one that failed: the data set is another one.
    assert changed(images="abcd") == {"whole", "last"}
    assert changed(failed=("c",)) == {"first", "second", "whole", "last"}
    # One that can't be read is nobody's.
    assert changed(images="abcx") == set()


def test_in_a_job_only_what_went_well_counts(scripts):
    found = scripts(
        {"name": "first", "needs": ["masks"]},
        {"name": "whole", "run": "dataset", "needs": ["first"]},
    )
    nothing = keys_of(found, expected=False)
    assert nothing.key("first", "a") and nothing.key("whole", "whole") is None
    key = nothing.key("first", "a")

    def entry(event, key):
        return {"first": {"a": Entry("a", event, key, 1, 0.0)}}

    assert keys_of(found, expected=False, journal=entry("done", key)).key("whole", "whole")
    for other in (entry("failed", key), entry("done", "old")):
        assert keys_of(found, expected=False, journal=other).key("whole", "whole") is None
    # What failed is tried again, and may go well: nobody knows what the data set will be.
    assert not keys_of(found, journal=entry("failed", key)).is_settled("whole")
    assert keys_of(found, journal=entry("done", key)).is_settled("whole")


# Jobs


def test_on_how_many_images_a_script_worked(scripts):
    found = scripts(
        {"name": "first", "needs": ["masks"]},
        {"name": "tried", "run": "sweep", "sweep": {"n": [1, 2, 3]}},
        {"name": "listed", "run": "dataset", "needs": ["images"]},
        {"name": "counted", "run": "dataset", "needs": ["cells", "tried"]},
        {"name": "whole", "run": "dataset", "needs": ["first"]},
    )
    keys = keys_of(found, images="abcx", failed="c", expected=False)
    journal = {
        "first": {"a": Entry("a", "done", keys.key("first", "a"), 1, 0.0)},
        "tried": {"n=1": Entry("n=1", "done", keys.key("tried", "n=1"), 1, 0.0)},
    }
    keys = keys_of(found, images="abcx", failed="c", expected=False, journal=journal)
    # One that can't be read is none of them.
    assert inputs_of(found["listed"], keys) == [("", 3, 4)]
    assert inputs_of(found["counted"], keys) == [("", 2, 4), ("tried", 1, 3)]
    assert inputs_of(found["whole"], keys) == [("", 1, 4)]
    assert inputs_of(found["first"], keys) == inputs_of(found["tried"], keys) == []


def test_how_many_runs_a_job_gets(scripts):
    sweep = {"run": "sweep", "sweep": {"seed": {"from": 1, "to": 500}}}
    found = scripts(
        {"name": "a", "resources": {"cpus": 4}, **sweep},
        {"name": "b", "resources": {"cpus": 4, "gpu": 1}, **sweep},
        {"name": "c", "batch_size": 7, **sweep},
        {"name": "d", "resources": {"cpus": 2, "hours": 1}, **sweep},
        {"name": "e", "resources": {"cpus": 2, "hours": 4 / 60}, **sweep},
    )
    assert [runs_per_job(script, [], 500) for script in found.values()] == [100, 25, 7, 50, 50]
    # Of many runs of which nothing is known there are not so many jobs.
    assert runs_per_job(found["d"], [], 20_000) == 200
    # Half of the time limit, by what runs took before.
    assert runs_per_job(found["d"], [600, 600, 60], 500) == 6
    assert runs_per_job(found["d"], [36000], 500) == 2
    # Short runs fill three minutes, or half of what a job has.
    assert runs_per_job(found["d"], [0.05], 20_000) == 7200
    assert runs_per_job(found["e"], [0.05], 20_000) == 4800
    assert runs_per_job(found["c"], [0.05], 20_000) == 7
    # This computer has no limit of time, and no need of more jobs than it can do at once.
    assert runs_per_job(found["d"], [], 2000, cores=2) == 2000
    assert runs_per_job(found["d"], [], 2000, cores=4) == 1000
    assert runs_per_job(found["d"], [], 190, cores=2) == 95
    assert runs_per_job(found["d"], [], 2000, cores=16) == 250
    assert runs_per_job(found["d"], [0.05], 2000, cores=16) == 250
    assert runs_per_job(found["d"], [], 60, cores=2) == 50


@pytest.fixture
def planned(configure, tmp_path):
    """Make the plan of a script that runs by itself, and return it with its work."""

    def make(code: str, **section):
        script = tmp_path / "script.py"
        script.write_text(code)
        known = {"name": "s", "script": str(script), "run": "once"}
        config = configure(images={"folder": None}, scripts=[known | section])
        plan, _ = make_plan(config)
        write_plan(plan)
        return read_plan(plan.folders.plan)

    return make


def do(plan, **options):
    work = ScriptWork(plan, "s", sys.executable, 2)
    ((batch, tasks),) = plan.scripts["s"].batches.items()
    keys = facts_in_job(plan)
    tasks = [replace(task, key=keys.key("s", task.image)) for task in tasks]
    journal = journal_of(plan.folders, "s", batch)
    said = []
    run_step(tasks, journal, work, said.append, said.append, work.line)
    return journal


def test_a_run_that_no_job_can_give_more_time_has_failed(planned, monkeypatch):
    plan = planned("import time; time.sleep(555)", resources={"hours": 0.001})
    # A third of the job is gone before its first run begins, and so it would be in each that is sent again.
    monkeypatch.setattr(script_work, "times_of_this_job", lambda: (1.2, 2.4))
    journal = do(plan)
    assert journal.last("s").details["code"] == "SM-SCR-033"


def test_a_run_that_had_little_of_a_jobs_time_is_no_failure(planned, monkeypatch):
    plan = planned("import time; time.sleep(555)", resources={"hours": 0.001})
    # 6 of 60 seconds are for writing down how it ended; a second is left.
    monkeypatch.setattr(script_work, "times_of_this_job", lambda: (53.0, 7.0))
    with pytest.raises(Problem) as stopped:
        do(plan)
    assert stopped.value.code == "SM-SCR-034"
    journal = Journal(next((plan.folders.state / "scripts" / "s").glob("*.jsonl")))
    assert journal.last("s") is None
    # With the whole of the time that it may take, it is one.
    monkeypatch.setattr(script_work, "times_of_this_job", lambda: (2.0, 58.0))
    # A script that has to be forced to end was not killed for memory.
    Path(plan.settings["scripts"][0]["script"]).write_text(STUBBORN)
    plan = planned_again(plan)
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setattr(script_work, "killed_for_memory", lambda: None)
    monkeypatch.setattr("segmake.scripts.running.process.GRACE_SECONDS", 0.5)
    ended = do(plan).last("s")
    assert ended is not None and ended.details["code"] == "SM-SCR-033"
    (result,) = script_results(plan)
    assert (result.done, result.waiting, [f.code for f in result.failures]) == (
        0,
        0,
        ["SM-SCR-033"],
    )


def test_a_script_that_is_edited_during_a_run_is_not_run(planned):
    plan = planned("print(1)")
    Path(plan.settings["scripts"][0]["script"]).write_text("print(2)")
    ended = do(plan).last("s")
    assert ended is not None and ended.details["code"] == "SM-SCR-036"


def test_tables_of_a_sweep_are_joined_with_its_parameters(planned):
    code = (
        "import os, sys\n"
        "n = int(os.environ['N'])\n"
        "open('t.csv', 'w', encoding='utf-8').write('n,x\\n5,007\\n' if n == 1 else 'x,y\\n1e-3,\"a\\nb\"\\n')\n"
        "n == 3 and sys.exit(1)"
    )
    plan = planned(code, run="sweep", sweep={"n": [1, 2, 3]})
    do(plan)
    (joined,) = join_tables(plan, "s", print)
    text = joined.read_text(encoding="utf-8-sig")
    assert text.splitlines() == ["n,n (own),x,y", "1,5,007,", '2,,1e-3,"a', 'b"']
    (result,) = script_results(plan)
    assert (result.runs, result.done, result.waiting) == (3, 2, 0)
    assert result.failures[0].run == "n=3"


def test_an_odd_table_holds_up_nothing(planned):
    code = (
        "import os\n"
        "os.mkdir('parts.csv')\n"
        "os.symlink('nowhere', 'gone.csv')\n"
        "os.mkdir('sub')\n"
        "open('sub/t.csv', 'w').write('a,a\\n1,2\\n')\n"
        "open('sub_t.csv', 'w').write('b\\n3\\n')\n"
        "open('cut.csv', 'w').write('b\\n3,4\\n')\n"
    )
    plan = planned(code, run="sweep", sweep={"n": [1]})
    do(plan)
    said = []
    joined = {p.name: p.read_text("utf-8-sig") for p in join_tables(plan, "s", said.append)}
    assert joined == {"all_sub_t.csv": "n,a,a_\n1,1,2\n", "all_sub_t_.csv": "n,b\n1,3\n"}
    (told,) = said
    assert "cut.csv" in told


def planned_again(plan):
    config = load_config(Path(plan.config))
    plan, _ = make_plan(config)
    write_plan(plan)
    return read_plan(plan.folders.plan)


def test_what_a_run_left_half_made_is_no_result(planned):
    """A run that is made again and does not come to its end must not count as the one before it."""
    plan = planned("open('a.txt', 'w').write('whole')")
    do(plan)
    assert planned_again(plan).scripts["s"].counts["done"] == 1
    shutil.rmtree(plan.folders.scripts / "s")
    again = planned_again(plan)
    assert again.scripts["s"].counts["to_run"] == 1
    # As a job that is killed leaves it.
    ((batch, (task,)),) = again.scripts["s"].batches.items()
    journal_of(again.folders, "s", batch).add("s", "started", "any", task.attempt)
    (plan.folders.scripts / "s").mkdir()
    (plan.folders.scripts / "s" / "a.txt").write_text("ha")
    counts = planned_again(plan).scripts["s"].counts
    assert (counts["done"], counts["to_run"]) == (0, 1)


def test_what_failed_is_put_aside_and_replaced(planned, monkeypatch):
    plan = planned("import sys; open('a.txt', 'w').write('x'); sys.exit(3)")
    do(plan)
    aside = plan.folders.scripts / "_failed" / "s" / "a.txt"
    assert aside.read_text() == "x" and not (plan.folders.scripts / "s").exists()
    Path(plan.settings["scripts"][0]["script"]).write_text(
        "import os; os.rmdir(os.getcwd()); raise SystemExit(4)"
    )
    plan = planned_again(plan)
    monkeypatch.setenv("SEGMAKE_LANG", "fr")
    ended = do(plan).last("s")
    # Its own words, whatever it did to its folder.
    assert ended is not None and ended.details["values"]["ended"] == "code de sortie 4"


def test_a_script_that_was_killed_for_memory_is_left_to_a_job_with_more(planned, monkeypatch):
    plan = planned("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setattr(script_work, "times_of_this_job", lambda: None)
    kills = iter((0, 1, 1, 2, 2, 3))
    monkeypatch.setattr(script_work, "killed_for_memory", lambda: next(kills))
    for _ in range(3):
        with pytest.raises(Problem) as stopped:
            do(plan)
        assert stopped.value.code == "SM-SCR-038"
    # At the third time it is its own fault.
    ended = do(plan).last("s")
    assert ended is not None and ended.details["code"] == "SM-SCR-047"


def test_jobs_that_a_killed_run_left_are_ended(planned, tmp_path):
    plan = planned("import time; time.sleep(555)")
    variables = {**os.environ, "SEGMAKE_PLAN": str(plan.folders.plan.absolute())}
    variables |= {"PYTHONPATH": str(installation.PACKAGE.parent)}
    words = ["-P", "-m", "segmake", "script", "--name", "s", "--batch", "0001", "--cpus", "1"]
    words += ["--python", sys.executable, "--out", str(tmp_path / "out.tsv")]
    job = subprocess.Popen([sys.executable, *words], env=variables)
    while not (plan.folders.scripts / "s").exists():
        assert job.poll() is None
        time.sleep(0.05)
    end_orphans(plan.folders.plan)
    assert job.poll() is not None
    journal = journal_of(plan.folders, "s")
    assert [entry.event for entry in journal.finished().values()] == ["started"]
    found = psutil.process_iter(["cmdline"])
    assert not [p for p in found if str(tmp_path / "script.py") in (p.info["cmdline"] or [])]
