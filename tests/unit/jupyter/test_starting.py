"""What the job of a JupyterLab asks of Slurm, and what is typed to reach it."""

from __future__ import annotations

import socket

import pytest

from segmake.cli import main
from segmake.jupyter import way
from segmake.jupyter.session import Session
from segmake.jupyter.starting import Asked, job_options
from segmake.slurm import commands


@pytest.fixture
def options(configure, monkeypatch):
    """Give the options of sbatch for what is asked."""
    monkeypatch.setattr(commands, "keeps_accounts", lambda: True)
    cluster = {"partition": "gpu", "cpu_partition": "cpu", "gpu_model": "a40", "account": "lab"}
    settings = configure(cluster=cluster | {"sbatch_options": ["--exclude n7"]}).settings
    session = Session("growth", "/home/ada/50% done", "secret")
    return lambda **asked: job_options(session, settings, Asked(**asked))


def test_what_is_not_asked_for_is_the_configs_and_no_gpu(options):
    asked = options()
    assert {"--partition=cpu", "--account=lab", "--no-requeue", "--exclude"} <= set(asked)
    assert not any("gpu" in option for option in asked)
    assert not any("secret" in option for option in asked)


def test_what_is_asked_for_comes_first(options):
    asked = options(gpus=2, memory_gb=0.5, hours=1.5, cpus=3)
    assert {"--gpus=a40:2", "--mem=512", "--time=90", "--cpus-per-task=3"} <= set(asked)
    assert "--partition=gpu" in asked
    assert "--partition=big" in options(partition="big")


def test_the_forwarding_leads_to_this_machine(site_file, monkeypatch):
    monkeypatch.setattr(commands, "is_here", lambda: False)
    monkeypatch.setattr(socket, "getfqdn", lambda: "login2.example.org")
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    assert way.forwarding(4100) is None
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 5 10.0.0.2 22")
    user = way.getpass.getuser()
    assert way.forwarding(4100) == f"ssh -N -L 4100:127.0.0.1:4100 {user}@login2.example.org"
    # The name that all use may lead to another machine, and first to that one.
    site_file("login: {host: login.example.org}\n")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [(0, 0, 0, "", ("192.0.2.7", 22))])
    assert f"-J {user}@login.example.org {user}@login2.example.org" in way.forwarding(4100)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [(0, 0, 0, "", ("127.0.0.1", 22))])
    assert way.forwarding(4100).endswith(f"4100 {user}@login.example.org")


@pytest.mark.parametrize("words", [["--hours", "soon"], ["--gpus", "1.5"], ["--cpus", "0"]])
def test_what_is_no_number_of_its_kind_is_a_mistake(capsys, words):
    with pytest.raises(SystemExit) as ended:
        main(["jupyter", "growth", *words])
    assert ended.value.code == 2 and "SM-CMD-005" in capsys.readouterr().err
