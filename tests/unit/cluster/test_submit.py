"""The main process as a job of its own, and the commands of whoever waits for it; Slurm's answers are given."""

from __future__ import annotations

import shlex
import subprocess
import time
from pathlib import Path

import pytest

from segmake.cli import main
from segmake.cluster.submit import IDLE_JOBS, send_again, submit
from segmake.core.files import lock_file
from segmake.messages import Problem
from segmake.plan.result_paths import ResultPaths
from segmake.slurm import commands as slurm
from segmake.slurm.commands import Partition, SlurmError


@pytest.fixture
def sent(monkeypatch):
    """A cluster that takes every job; the options of those that were sent."""
    sent: list[list[str]] = []

    def send(options, script):
        sent.append(list(options))
        return "1203"

    monkeypatch.setattr(slurm, "is_here", lambda: True)
    monkeypatch.setattr(
        slurm, "partitions", lambda: {"cpu": Partition("cpu", default=True, minutes=90)}
    )
    monkeypatch.setattr(slurm, "submit", send)
    monkeypatch.setattr(slurm, "state_of", lambda job: "")
    dry_run = subprocess.CompletedProcess([], 0)
    monkeypatch.setattr(subprocess, "run", lambda *command, **options: dry_run)
    return sent


def test_what_is_sent_and_what_is_said(configure, sent, tmp_path):
    results = tmp_path / "my results"
    options = ["-x node7", "--mail-user='a b'"]
    configure(results=str(results), cluster={"sbatch_options": options})
    said = submit(tmp_path / "config.yaml", [])
    assert sent[0][-3:] == ["-x", "node7", "--mail-user=a b"]
    assert {"--partition=cpu", "--time=90", "--mem=4096"} < set(sent[0])
    follow, screen, _ = (shlex.split(line) for line in said.splitlines()[1:])
    assert follow[2:] == ["segmake", "status", "--follow", "--results", str(results)]
    assert screen[-1] == str(results / "logs" / "segmake_1203.log")


def test_the_folder_of_the_usual_config_needs_no_name(configure, sent, tmp_path, monkeypatch):
    configure()
    config = Path("config/config.yaml")
    (tmp_path / "config").mkdir()
    (tmp_path / "config.yaml").rename(tmp_path / config)
    monkeypatch.chdir(tmp_path)
    assert "segmake status --follow\n" in submit(config, [])


def test_nothing_is_sent_while_a_run_is_at_work(configure, sent, tmp_path):
    folders = ResultPaths(Path(configure().settings["results"]))
    folders.state.mkdir(parents=True)
    folders.lock.write_text("77\tlogin1\t2026-11-23 19:22")
    with folders.lock.open("r+") as other:
        lock_file(other, wait=False)
        with pytest.raises(Problem, match="SM-RUN-009") as caught:
            submit(tmp_path / "config.yaml", [])
    assert "process 77 on login1, since 2026-11-23 19:22" in str(caught.value)
    assert not sent
    submit(tmp_path / "config.yaml", [])
    assert sent


@pytest.mark.parametrize(
    "options", [["--config", "a=b"], ["--config=a=b"], ["-C", "a=b"], ["-Ca=b"]]
)
def test_overrides_are_refused(sent, capsys, options):
    with pytest.raises(SystemExit):
        main(["submit", *options])
    said = capsys.readouterr().err
    assert said.startswith("SM-CMD-008") and "submit --configfile FILE" in said
    assert not sent


@pytest.mark.parametrize("name", ["--configfile", "--configfiles"])
def test_the_config_file_is_read_here_too(configure, sent, tmp_path, capsys, name):
    configure()
    assert main(["submit", name, str(tmp_path / "config.yaml"), "--keep-going"]) == 0
    assert str(tmp_path / "results") in capsys.readouterr().out


def test_a_run_that_was_sent_is_followed_until_it_has_ended(
    configure, sent, tmp_path, monkeypatch, capsys
):
    results = tmp_path / "results"
    configure(results=str(results))
    submit(tmp_path / "config.yaml", [])
    states = ["PENDING", "RUNNING", ""]
    monkeypatch.setattr(slurm, "state_of", lambda job: states[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: states.pop(0))
    status = ["status", "--results", str(results)]
    assert main([*status, "--follow"]) == 1
    said = capsys.readouterr()
    # It waits in the queue, and then reads its config: nothing is written yet.
    assert said.out.count("is job 1203 itself") == 2
    assert "SM-RUN-013" in said.err
    assert main(status) == 1


def test_it_sends_itself_again_as_it_was_sent(configure, sent, tmp_path):
    configure(results=str(tmp_path / "results"))
    submit(tmp_path / "config.yaml", ["--keep-going"])
    assert "--signal=B:USR1@300" in sent[0]
    results = ResultPaths(tmp_path / "results")
    send_again(results, "1203", done=3)
    assert sent[1] == [*sent[0], "--dependency=afterany:1203"]
    with pytest.raises(SlurmError):
        send_again(ResultPaths(tmp_path / "elsewhere"), "1203", done=3)
    # A run that never gets on does not send itself for ever.
    for _ in range(IDLE_JOBS - 1):
        send_again(results, "1203", done=3)
    with pytest.raises(SlurmError, match="no image"):
        send_again(results, "1203", done=3)
    send_again(results, "1203", done=4)


def test_what_is_sent_already_is_not_sent_again(configure, sent, tmp_path, monkeypatch):
    configure(results=str(tmp_path / "results"))
    submit(tmp_path / "config.yaml", [])
    monkeypatch.setattr(slurm, "state_of", lambda job: "PENDING")
    with pytest.raises(Problem, match=r"SM-CLU-053(.|\n)*job 1203"):
        submit(tmp_path / "config.yaml", [])
    assert len(sent) == 1


def test_it_does_not_keep_a_partition_with_gpus_from_others(configure, sent, tmp_path, monkeypatch):
    there = {
        "gpu": Partition("gpu", default=True, gpus={"a40": 18}),
        "closed": Partition("closed", up=False),
        "short": Partition("short", minutes=30),
        "long": Partition("long", minutes=10000),
    }
    monkeypatch.setattr(slurm, "partitions", lambda: there)
    monkeypatch.setattr(
        slurm, "refusal", lambda options: "no" if "--partition=long" in options else None
    )
    configure(results=str(tmp_path / "results"), cluster={"partition": "gpu"})
    submit(tmp_path / "config.yaml", [])
    assert {"--partition=short", "--time=30"} < set(sent[0])
    monkeypatch.setattr(slurm, "refusal", lambda options: "no")
    submit(tmp_path / "config.yaml", [])
    assert {"--partition=gpu", "--time=1440"} < set(sent[1])
