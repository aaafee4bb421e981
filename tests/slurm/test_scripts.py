"""The users' own scripts as jobs on a real Slurm cluster."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import textwrap
from itertools import chain
from pathlib import Path

import pytest

from tests.projects import Project, wait_until
from tests.slurm.commands import Commands
from tests.slurm.disturbed import jobs, surroundings
from tests.slurm.test_runs import shown
from tests.workflow.test_scripts import runs, table, write

ON_GPU = """
    import csv, os
    open(os.environ["SEGMAKE_INPUT"], "rb").close()
    with open("gpu.csv", "w") as file:
        csv.writer(file).writerows([["gpu", "job"], [os.environ["CUDA_VISIBLE_DEVICES"], os.environ["SLURM_JOB_ID"]]])
"""
SLEEPY = """
    import argparse, time
    parser = argparse.ArgumentParser()
    parser.add_argument("--output-dir")
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    time.sleep(0.4)
    if options.seed == 13:
        raise SystemExit("unlucky")
    open("end.csv", "w").write(f"end\\n{options.seed}\\n")
"""


def queue() -> list[str]:
    """Return the jobs that are at work."""
    command = ["squeue", "--noheader", "--states=RUNNING,PENDING", "--format=%i"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_a_script_gets_the_gpu_that_it_asks_for_and_many_images_a_job(slurm_project: Project):
    script = write(slurm_project, "on_gpu.py", textwrap.dedent(ON_GPU))
    resources = {"gpu": 1, "memory_gb": 1, "cpus": 1, "hours": 0.1}
    step = {"name": "on-gpu", "script": script, "resources": resources, "outputs": ["gpu.csv"]}
    slurm_project.settings["scripts"] = [step]
    slurm_project.settings["cluster"]["gpu_model"] = "a40"
    commands, shown_before = Commands(slurm_project), scripts_of_jobs(slurm_project)
    commands.keep_scripts()
    run = slurm_project.run()
    assert run.returncode == 0, run.stderr
    assert set(shown_before) == {"segment.slurm", "step_on-gpu.slurm", "main.slurm"}
    sent_with = dict(
        alike(f"{call.arguments}\n{commands.script(call)}") for call in commands.sent()
    )
    for name in ("segment.slurm", "step_on-gpu.slurm"):
        options, words = as_sent(shown_before[name])
        assert options in sent_with
        assert words == sent_with[options]
    rows = table(slurm_project.results / "scripts" / "on-gpu" / "all_gpu.csv")
    assert len(rows) == 6
    sent = {line["job"]["id"] for line in jobs(slurm_project) if "step_" in line["job"]["rule"]}
    # As many jobs as there are batches of images.
    assert {row["job"] for row in rows} == sent and len(sent) == 2
    assert all(row["gpu"].isdigit() for row in rows)
    for job in sent:
        assert "gpu:a40:1" in shown(job) and "Partition=gpu" in shown(job)
    report = (slurm_project.results / "report.html").read_text(encoding="utf-8")
    assert "Script on-gpu" in report

    # What the cluster does not have is said before anything is sent, with its line.
    resources["cpus"] = 1000
    run = slurm_project.run("-n")
    assert run.returncode == 0
    step["arguments"] = {"new": 1}
    refused = slurm_project.run()
    assert refused.returncode == 1
    assert "SM-CLU-008" in refused.stderr and "`cpus`" in refused.stderr


def scripts_of_jobs(project: Project) -> dict[str, str]:
    """Return what ``segmake plan --slurm`` shows, by the names of its files; sbatch takes each as it is."""
    project.write_config()
    command = [sys.executable, "-m", "segmake", "plan", "--slurm", "--to", "the scripts"]
    told = subprocess.run(command, **surroundings(project), capture_output=True)
    assert told.returncode == 0, told.stderr
    assert not project.results.exists()
    files = sorted((project.folder / "the scripts").iterdir())
    for file in files:
        tried = subprocess.run(["sbatch", "--test-only", file], capture_output=True, text=True)
        assert tried.returncode == 0, tried.stderr
    return {file.name: file.read_text() for file in files}


def as_sent(script: str) -> tuple[str, list[str]]:
    """Return a script that was shown as the options and the script that sbatch is called with."""
    lines = [line for line in script.splitlines() if line]
    options = [shlex.split(line)[1:] for line in lines if line.startswith("#SBATCH ")]
    body = [lines[0], *(line for line in lines if not line.startswith("#"))]
    words = " ".join([*chain.from_iterable(options), "/dev/stdin"])
    return alike("\n".join([words, *body, ""]))


def alike(sent: str) -> tuple[str, list[str]]:
    """Return what was sent without what is another one for each run: the options, and the words of the script."""
    sent = re.sub(r"(segmake_\S+_)(RUN|[0-9a-f]{8})\b", r"\1", sent)
    sent = re.sub(r"(snakemake-runtime-cache/)\w+", r"\1", sent)
    # Where no Snakefile is named, environments are made in another place.
    sent = re.sub(r"--conda-prefix \S+ ", "", sent)
    options, script = sent.split("\n", 1)
    # The jobs of a group are a set, which has no order.
    return options, sorted(script.split())


def test_a_sweep_is_stopped_loses_a_job_and_has_each_run_once(slurm_project: Project):
    script = write(slurm_project, "sleepy.py", textwrap.dedent(SLEEPY))
    slurm_project.settings["images"]["folder"] = None
    step = {"name": "sleepy", "script": script, "run": "sweep", "batch_size": 20}
    step["sweep"] = {"seed": {"from": 1, "to": 60}}
    step["resources"] = {"memory_gb": 1, "cpus": 1, "hours": 0.1}
    slurm_project.settings["scripts"] = [step]
    run = slurm_project.start()
    wait_until(lambda: len(runs(slurm_project, "sleepy", "done")) >= 12, run)
    os.killpg(run.pid, signal.SIGINT)
    assert run.wait() != 0
    half = runs(slurm_project, "sleepy", "done")
    assert len(half) < 59
    assert queue() == []

    run = slurm_project.start()
    wait_until(lambda: len(runs(slurm_project, "sleepy", "done")) > len(half) + 2, run)
    # A job that is killed is sent again, and goes on after what it has finished.
    subprocess.run(["scancel", "--signal=KILL", queue()[-1]], check=True)
    assert run.wait() == 1
    said = slurm_project.said.read_text()
    assert "script sleepy: 59 of 60 runs done, 1 FAILED" in said, said
    assert "seed=13" in said and "| unlucky" in said
    done = runs(slurm_project, "sleepy", "done")
    assert len(done) == len(set(done)) == 59
    joined = table(slurm_project.results / "scripts" / "sleepy" / "all_end.csv")
    assert sorted(int(row["end"]) for row in joined) == [n for n in range(1, 61) if n != 13]


HUNGRY = """
    import sys, time
    open(sys.argv[2], "rb").close()
    if "img_6" in sys.argv[2]:
        time.sleep(600)
    if "img_3" in sys.argv[2]:
        memory = bytearray(1500 * 2**20)
        memory[::4096] = b"x" * len(memory[::4096])
    open("done.txt", "w").write("x")
"""


@pytest.mark.skipif(
    not Path("/sys/fs/cgroup/memory").is_dir(), reason="no cgroups to keep jobs within their memory"
)
def test_a_script_that_needs_more_memory_gets_it_and_no_more_time(slurm_project: Project):
    script = write(slurm_project, "hungry.py", textwrap.dedent(HUNGRY))
    step = {"name": "hungry", "script": script, "outputs": ["done.txt"]}
    step["resources"] = {"memory_gb": 1, "cpus": 1, "hours": 0.005}
    slurm_project.settings["scripts"] = [step]
    run = slurm_project.run()
    assert run.returncode == 1, run.stderr
    assert "script hungry: 5 of 6 runs done, 1 FAILED" in run.stderr
    assert "SM-SCR-033  hungry.py was ended after 0.3 minutes" in run.stderr
    sent = [line["job"] for line in jobs(slurm_project) if line["job"]["rule"] == "step_hungry"]
    # One batch of images has it all, the other is asked for again.
    assert sorted(job["memory_mb"] for job in sent) == [1024, 1024, 2048]
    done = runs(slurm_project, "hungry", "done")
    assert len(done) == len(set(done)) == 5
