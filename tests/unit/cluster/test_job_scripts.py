"""Jobs as scripts: one for each kind, with all that is asked for; what is really sent is held against them in tests/slurm."""

from __future__ import annotations

import shlex

import pytest

from segmake.cli import main
from segmake.cluster import job_scripts as module
from segmake.cluster.job_scripts import JobScript, grouped
from segmake.slurm import commands as slurm

FOLDER = "/data/d\u00e9j\u00e0 'vu'"


def job(rule: str, batch: str, *asked: str, images: int = 0) -> JobScript:
    """Return a job as the executor calls sbatch for it."""
    log = shlex.quote(f"{FOLDER}/logs/{rule}/{batch}/%j.log")
    own = f"sbatch --parsable --output {log} --comment rule_{rule}_wildcards_{batch}_5f3a"
    call = f"{own} {' '.join(asked)} -D {shlex.quote(FOLDER)}"
    return JobScript.of_call(rule, batch, call, f"#!/bin/sh\nrun {batch} || exit $?\n", images)


JOBS = [
    job("report", "", "--mem 4096"),
    job("step_growth", "0001", "--mem 1024"),
    *(job("segment", f"000{n}", "--mem 1024", "--gpus=a40:1", images=3) for n in (1, 2, 4)),
    # Of one that had too little before, more is asked for.
    job("segment", "0003", "--mem 2048", "--gpus=a40:1", images=3),
    *(job("after", f"000{n}", "-t 60", "--exclude node7", images=3) for n in (1, 2, 3, 4)),
]


@pytest.fixture
def experiment(configure, tmp_path, monkeypatch):
    """A config, and a dry run that tells of jobs; no Slurm."""
    configure(cluster={"cpu_partition": "cpu", "account": "lab"})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(slurm, "is_here", lambda: False)
    monkeypatch.setattr(module, "_ask", lambda command: (JOBS, ["model", "verify"]))
    return tmp_path


def test_there_is_a_script_for_each_kind_and_for_what_asks_for_more(experiment, capsys):
    assert main(["plan", "--slurm", "--configfile", "config.yaml", "--to", "scripts"]) == 0
    files = {
        path.name: path.read_text(encoding="utf-8") for path in (experiment / "scripts").iterdir()
    }
    assert set(files) == {
        *("segment-1.slurm", "segment-2.slurm", "after.slurm", "step_growth.slurm"),
        *("report.slurm", "main.slurm"),
    }
    assert "8" not in capsys.readouterr().out.split()[0]
    first, more = files["segment-1.slurm"], files["segment-2.slurm"]
    assert first.startswith("#!/bin/sh\n# segment: 3 jobs, 3 batches, 0001-0004, 9 images.")
    assert "#SBATCH --mem 1024\n" in first and "#SBATCH --mem 2048\n" in more
    assert "run 0001 || exit $?" in first and "1 job, batch 0003, 3 images.\n" in more
    # A blank, an accent and a quote come back as they were.
    options = [
        shlex.split(line.removeprefix("#SBATCH "))
        for line in first.splitlines()
        if "#SBATCH" in line
    ]
    assert options == JOBS[2].options and ["-D", FOLDER] in options
    assert "#SBATCH --exclude node7\n" in files["after.slurm"]
    assert "batch" not in files["report.slurm"]
    assert "segmake submit" in files["main.slurm"] and "model, verify" in files["main.slurm"]
    assert "#SBATCH --partition=cpu\n" in files["main.slurm"]
    assert "--configfile config.yaml" in files["main.slurm"]


def test_all_are_shown_in_the_order_in_which_they_work(experiment, capsys):
    assert main(["plan", "--slurm", "--configfile", "config.yaml"]) == 0
    said = capsys.readouterr().out
    names = [line.split()[-1] for line in said.splitlines() if line.startswith("# -----")]
    assert names == [
        *("segment-1.slurm", "segment-2.slurm", "after.slurm", "step_growth.slurm"),
        *("report.slurm", "main.slurm"),
    ]
    assert "There is no Slurm on this machine" in said
    assert not (experiment / "results").exists()


def test_where_nothing_is_left_only_the_main_process_is_shown(experiment, monkeypatch, capsys):
    monkeypatch.setattr(module, "_ask", lambda command: ([], []))
    assert main(["plan", "--slurm", "--configfile", "config.yaml"]) == 0
    said = capsys.readouterr().out
    assert "Nothing is left to compute" in said and said.count("# -----") == 1


def test_a_folder_that_can_not_be_written_to_is_told(experiment, capsys):
    words = ["plan", "--configfile", "config.yaml", "--to", "config.yaml"]
    assert main(words) == 1
    assert capsys.readouterr().err.startswith("SM-CLU-055  config.yaml")


def test_words_become_options_with_their_values():
    words = ["--mem", "10", "-t", "5", "--exclude=a", "--requeue", "-x", "node7"]
    assert grouped(words) == [
        ["--mem", "10"],
        ["-t", "5"],
        ["--exclude=a"],
        ["--requeue"],
        ["-x", "node7"],
    ]
