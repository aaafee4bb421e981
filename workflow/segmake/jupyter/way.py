"""The way from a port of this machine to JupyterLab: a relay that works beside the user, and ends with JupyterLab."""

from __future__ import annotations

import getpass
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from segmake.core.site import read_site
from segmake.jupyter import relay
from segmake.jupyter.session import Session
from segmake.messages import Problem, say

# The step that carries it begins at once, unless Slurm's controller is busy.
PATIENCE_SECONDS = 60

LOOK_SECONDS = 0.1


def open_way(session: Session) -> int:
    """Return the port of this machine's loopback that leads to JupyterLab; the relay is started if it is not there.

    Raises
    ------
    Problem
        ``SM-JUP-005`` if it does not begin.
    """
    if port := port_of(session):
        return port
    record = _record(session)
    said = session.folder / f"{record.stem}.log"
    words = [sys.executable, "-I", relay.__file__, "near", str(record), str(_last_port(session))]
    with said.open("wb") as log:
        process = subprocess.Popen(
            [*words, *_command(session)],
            env=_variables(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            # It goes on when this terminal is closed.
            start_new_session=True,
        )
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end and process.poll() is None:
        if port := port_of(session):
            _last_port_file(session).write_text(str(port))
            return port
        time.sleep(LOOK_SECONDS)
    words = said.read_text(encoding="utf-8", errors="replace").split("\n") if said.exists() else []
    raise Problem(
        "SM-JUP-005", name=session.name, said=" ".join(words[-4:]).strip() or say("phrases.silent")
    )


def port_of(session: Session) -> int | None:
    """Return the port of the relay on this machine; None if there is none at work."""
    record = _record(session)
    with suppress(OSError, ValueError, LookupError, psutil.Error):
        found = json.loads(record.read_text(encoding="ascii"))
        if str(record) in psutil.Process(found["pid"]).cmdline():
            return int(found["port"])
    return None


def close_way(session: Session) -> None:
    """End the relay on this machine; those on others end when JupyterLab does."""
    record = _record(session)
    if port_of(session):
        with suppress(OSError, ValueError, LookupError):
            os.kill(json.loads(record.read_text(encoding="ascii"))["pid"], signal.SIGTERM)


def _command(session: Session) -> list[str]:
    """Return what runs the far end of the relay where JupyterLab is: in its job, or on this machine."""
    place = session.place or {}
    far = [sys.executable, "-I", relay.__file__, "far", place.get("socket", "")]
    if not session.job:
        return far
    step = ["srun", "--overlap", f"--jobid={session.job}", "--nodes=1", "--ntasks=1"]
    # It takes no part of what the job has.
    return [*step, "--mem=0", "--gres=none", "--mpi=none", "--quiet", *far]


def _variables() -> dict[str, str]:
    """Return variables without those of a job in which the user may be: they would be options of srun."""
    kept = ("SLURM_CONF",)
    return {
        name: value
        for name, value in os.environ.items()
        if name in kept or not name.startswith(("SLURM_", "SRUN_"))
    }


def _record(session: Session) -> Path:
    return session.folder / f"relay-{socket.gethostname()}.json"


def _last_port_file(session: Session) -> Path:
    return _record(session).with_suffix(".port")


def _last_port(session: Session) -> int:
    """Return the port that it had before, to which the user's own computer may lead still; else 0."""
    with suppress(OSError, ValueError):
        return int(_last_port_file(session).read_text())
    return 0


def address(session: Session, port: int) -> str:
    """Return what a browser opens."""
    return f"http://127.0.0.1:{port}/lab?token={session.token}"


def forwarding(port: int) -> str | None:
    """Return what is typed on the user's own computer, so that the same address holds there.

    None where the user sits at this machine.
    """
    name = socket.getfqdn()
    # So some machines call themselves in full.
    name = socket.gethostname() if name.startswith("localhost") else name
    user = getpass.getuser()
    login = str(read_site().section("login").get("host") or "")
    if not login and "SSH_CONNECTION" not in os.environ and not _is_cluster():
        return None
    words = ["ssh", "-N", "-L", f"{port}:127.0.0.1:{port}"]
    if login and not _is_here(login):
        # Behind one name there may be several machines, and the relay is on this one.
        words += ["-J", f"{user}@{login}"]
        login = ""
    return shlex.join([*words, f"{user}@{login or name}"])


def _is_cluster() -> bool:
    from segmake.slurm import commands as slurm

    return slurm.is_here()


def _is_here(host: str) -> bool:
    """Return whether a name is that of this machine."""
    own = {one.address for several in psutil.net_if_addrs().values() for one in several}
    with suppress(OSError):
        return bool({str(found[4][0]) for found in socket.getaddrinfo(host, 22)} & own)
    return False
