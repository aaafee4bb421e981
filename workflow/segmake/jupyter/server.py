"""Runs JupyterLab where its job is: on a Unix socket that nobody but its user can reach, until it is told to stop.

    python -I server.py FOLDER

FOLDER is the session's; ``launch.json`` in it says what is to be run. Once JupyterLab answers, ``ready.json`` says
where. When it ends, the folder goes, with the token in it; if it never answered, its log stays. Needs nothing but
Python.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

# What is set for another Python, or names folders of the machine on which the job was sent.
_FOREIGN = re.compile(r"PYTHON.*|JUPYTER.*|VIRTUAL_ENV|CONDA_.*|XDG_RUNTIME_DIR")

# The name of a socket has 107 bytes at most, and those of the kernels come below the same folder.
_LONGEST_FOLDER = 40

LOOK_SECONDS = 0.2

# So long may JupyterLab take to end its kernels.
END_SECONDS = 10

READY, LAUNCH, LOG = "ready.json", "launch.json", "log"


def main(folder: Path) -> int:
    """Run JupyterLab, and return its exit code."""
    launch = json.loads((folder / LAUNCH).read_text(encoding="utf-8"))
    own = Path(tempfile.mkdtemp(prefix="segmake-jupyter-", dir=_place()))
    ready = False
    try:
        server = subprocess.Popen(
            [*launch["command"], f"--ServerApp.sock={own / 'socket'}"],
            cwd=launch["experiment"],
            env=_variables(launch["variables"], own),
            stdin=subprocess.DEVNULL,
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: _stop(server))
        ready = _tell_ready(server, own / "socket", folder / READY)
        return server.wait()
    finally:
        shutil.rmtree(own, ignore_errors=True)
        _leave(folder, keep_log=not ready)


def _place() -> str | None:
    """Return the folder for files of this machine alone; None for Python's choice."""
    usual = tempfile.gettempdir()
    return usual if len(usual) <= _LONGEST_FOLDER else "/tmp"  # noqa: S108


def _variables(wanted: dict[str, str], own: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not _FOREIGN.fullmatch(name)}
    path = os.pathsep.join([wanted["PATH"], os.environ.get("PATH", os.defpath)])
    return {**kept, **wanted, "PATH": path, "JUPYTER_RUNTIME_DIR": str(own / "runtime")}


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    # Without a question, whatever a kernel does.
    signal.signal(signal.SIGALRM, lambda *_: server.kill())
    signal.alarm(END_SECONDS)


def _tell_ready(server: subprocess.Popen[bytes], path: Path, file: Path) -> bool:
    """Wait until the socket is answered, and write down where; return whether it ever was."""
    while server.poll() is None:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as tried:
            tried.connect(str(path))
            part = file.with_suffix(".part")
            node = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
            part.write_text(json.dumps({"node": node, "socket": str(path)}))
            part.replace(file)
            return True
        time.sleep(LOOK_SECONDS)
    return False


def _leave(folder: Path, *, keep_log: bool) -> None:
    """Remove the session's files, the token first; the log, which Slurm may have open, comes last."""
    for file in sorted(folder.rglob("*"), reverse=True):
        if file.name != LOG:
            with suppress(OSError):
                file.rmdir() if file.is_dir() else file.unlink()
    if not keep_log:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
