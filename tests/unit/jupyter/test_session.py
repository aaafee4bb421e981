"""Whether a JupyterLab is there still, as far as the machine can tell on which that is asked."""

from __future__ import annotations

import json
import os
import socket

import psutil
import pytest

from segmake.jupyter.opening import found
from segmake.jupyter.session import Session
from segmake.slurm import commands
from segmake.slurm.commands import Job


@pytest.fixture
def session(tmp_path, monkeypatch):
    """Note a session with these values."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def note(**values: object) -> Session:
        made = Session("growth", str(tmp_path), "secret", **values)
        made.write()
        return made

    return note


def test_a_job_is_there_while_slurm_knows_of_it(session, monkeypatch):
    made = session(job="17")
    monkeypatch.setattr(commands, "is_here", lambda: True)
    states = {"PENDING": "waiting", "RUNNING": "starting", "COMPLETED": "ended"}
    for word, state in states.items():
        assert made.state({"17": Job("17", "", "", word)}) == state
    assert made.state({}) == "ended"
    (made.folder / "ready.json").write_text(json.dumps({"node": "n1", "socket": "/tmp/s"}))
    assert made.state({"17": Job("17", "", "", "RUNNING")}) == "running"


def test_where_slurm_cannot_be_asked_nothing_is_taken_for_ended(session, monkeypatch):
    made = session(job="17")
    monkeypatch.setattr(commands, "is_here", lambda: False)
    assert [opened.state for opened in found()] == ["starting"]
    assert made.folder.exists()


def test_a_process_of_the_same_number_is_another_one(session, monkeypatch):
    monkeypatch.setattr(commands, "is_here", lambda: False)
    began = psutil.Process().create_time()
    own = {"process": os.getpid(), "host": socket.gethostname()}
    assert session(**own, began=began).state({}) == "starting"
    made = session(**own, began=began - 3600)
    assert made.state({}) == "ended"
    # What it has left goes.
    assert found() == [] and not made.folder.exists()
