"""An experiment of a laptop on the cluster, where the main process is a job."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from segmake.cli import main
from segmake.places import copying
from segmake.remote import running
from segmake.remote.remembered import PlaceFile, write_place
from tests.projects import ROOT
from tests.slurm import cluster
from tests.ssh import server as ssh
from tests.ssh.conftest import make_key
from tests.ssh.laptop import SIMULATION, SLOW

ROOT_MAY_LOG_IN = """\
Match User root
    PermitRootLogin prohibit-password
    AuthorizedKeysFile {keys}
"""


@pytest.fixture
def login(slurm: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The cluster's login node, of the user whom Slurm knows, and a laptop whose key it takes."""
    if reason := ssh.why_not():
        pytest.skip(reason)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / ".ssh").mkdir(mode=0o700)
    with ssh.server() as server:
        keys = server.folder / "keys_of_root"
        keys.write_text(make_key())
        server.start(methods="publickey", more=ROOT_MAY_LOG_IN.format(keys=keys))
        key = (server.folder / "host_key.pub").read_text()
        (tmp_path / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{server.port} {key}")
        yield f"root@127.0.0.1:{server.port}"
    cluster.empty()


@pytest.fixture
def experiment(login: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """An experiment here, and its folder over there."""
    monkeypatch.setattr(copying, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(running, "PAUSES", (1,))
    monkeypatch.setenv("SEGMAKE_LANG", "en")
    monkeypatch.chdir(tmp_path)
    here, there = tmp_path / "laptop", tmp_path / "cluster"
    here.mkdir()
    write_place(here, PlaceFile(login, str(there), f"{sys.prefix}/bin/segmake"))
    return here, there


@pytest.mark.slow
def test_it_is_a_job_that_is_followed_and_stopped(
    experiment: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here, there = experiment
    profile = here.parent / "quick"
    profile.mkdir()
    settings = yaml.safe_load((ROOT / "profiles/slurm/profile.yaml").read_text())
    settings["slurm-init-seconds-before-status-checks"] = 3
    (profile / "profile.yaml").write_text(yaml.safe_dump(settings))
    for name, text in {
        "config/config.yaml": f"{SIMULATION}cluster: {{partition: cpu, cpu_partition: cpu}}\n",
        "scripts/grow.py": SLOW,
        "scripts/helper.py": "def twice(rate):\n    return 2 * int(rate)\n",
    }.items():
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_text(text)
    (there / "scripts").mkdir(parents=True)
    (there / "scripts/wait").touch()

    def does(*words: str) -> str:
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        main(["remote", words[0], str(here), *words[1:]])
        return capsys.readouterr().out

    def state() -> str:
        answer = json.loads(does("status", "--json"))
        return answer.get("state", answer["answer"])

    assert "was sent to Slurm" in does("run", "--yes", "--no-wait", "--profile", str(profile))
    cluster.wait_for(lambda: state() == "running" and len(queued()) == 2, "the jobs", 180)
    assert "already" in does("run", "--yes", "--no-wait")
    assert "Stopped" in does("stop")
    assert state() == "stopped"
    cluster.wait_for(lambda: not queued(), "the jobs to end", 60)
    (there / "scripts/wait").unlink()
    said = does("run", "--yes", "--profile", str(profile))
    assert "Fetched" in said, said
    assert state() == "ended"
    table = (here / "results/scripts/grow/all_out.csv").read_text().split()
    assert [line.split(",")[-1] for line in table] == ["twice", "2", "4"]


def queued() -> list[str]:
    command = ["squeue", "--noheader", "--format=%i"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
