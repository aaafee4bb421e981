"""A JupyterLab that was started: where its files are, what is known of it, and whether it is there still.

Its folder is the user's alone, with the token in it: in the state folder of the home, which the nodes see, too.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import psutil

from segmake.core.files import fingerprint, write_atomically
from segmake.core.made_folders import state_folder
from segmake.jupyter.server import LOG, READY
from segmake.slurm import commands as slurm
from segmake.slurm.commands import ENDED, Job

# What all jobs of this kind are called.
JOB_NAME = "segmake-jupyter"

_RECORD = "session.json"

State = Literal["waiting", "starting", "running", "ended"]


@dataclass(frozen=True)
class Session:
    """A JupyterLab of one environment in one experiment.

    Attributes
    ----------
    name : str
        The environment's.
    experiment : str
        The folder in which it works.
    token : str
        What a browser shows to be let in.
    job : str
        The number of its job; empty where it is a process of this machine.
    process : int
        The number of the process, and of no other if `began` is its time.
    host : str
        The machine of the process.
    began : float
        When the process began, in seconds since 1970.
    uses : list of str
        The folders of its environment, and of JupyterLab's packages beside it.
    """

    name: str
    experiment: str
    token: str
    job: str = ""
    process: int = 0
    host: str = ""
    began: float = 0.0
    uses: list[str] = field(default_factory=list)

    @cached_property
    def folder(self) -> Path:
        """The folder of its files."""
        return folder_of(self.name, Path(self.experiment))

    @property
    def log(self) -> Path:
        """What JupyterLab says, and Slurm of its job."""
        return self.folder / LOG

    @property
    def place(self) -> dict[str, str] | None:
        """Its ``node`` and ``socket`` there, once it answers."""
        return _read(self.folder / READY)

    def write(self) -> None:
        """Write down what is known of it."""
        with write_atomically(self.folder / _RECORD) as part:
            part.touch(mode=0o600)
            part.write_text(json.dumps(asdict(self)), encoding="utf-8")

    def remove(self) -> None:
        """Remove its files."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def state(self, jobs: Mapping[str, Job]) -> State:
        """Return what it does.

        Parameters
        ----------
        jobs : mapping
            What `jobs_here` returned.
        """
        job = jobs.get(self.job)
        if not (self._is_alive(job) if self.job else self._process_is_alive()):
            return "ended"
        if job and job.waits:
            return "waiting"
        return "running" if self.place else "starting"

    def end_process(self) -> None:
        """Tell the process of this machine to end, if it is one."""
        if self.host == socket.gethostname() and self._process_is_alive():
            with suppress(ProcessLookupError):
                os.kill(self.process, signal.SIGTERM)

    def _is_alive(self, job: Job | None) -> bool:
        # A machine that has the same home may have no Slurm to ask.
        return not slurm.is_here() or (job is not None and job.state not in ENDED)

    def _process_is_alive(self) -> bool:
        if self.host != socket.gethostname():
            # Whether it is cannot be seen from here; it takes its files with it.
            return self.place is not None
        with suppress(psutil.Error):
            return abs(psutil.Process(self.process).create_time() - self.began) < 1
        return False


def sessions_folder() -> Path:
    """Return the folder of all sessions of this user."""
    return state_folder() / "jupyter"


def folder_of(name: str, experiment: Path) -> Path:
    """Return the folder of the session of an environment in an experiment."""
    return sessions_folder() / f"{name}-{fingerprint(str(experiment))[:8]}"


def session_of(name: str, experiment: Path) -> Session | None:
    """Return the session of an environment in an experiment; None if there is none."""
    return _session(folder_of(name, experiment))


def sessions() -> Iterator[Session]:
    """Yield all sessions of this user."""
    for file in sorted(sessions_folder().glob(f"*/{_RECORD}")):
        if found := _session(file.parent):
            yield found


def jobs_here() -> dict[str, Job]:
    """Return the jobs of all sessions that Slurm knows of, by their numbers; none where there is no Slurm.

    Raises
    ------
    SlurmError
        If Slurm does not answer.
    """
    if not slurm.is_here():
        return {}
    return {job.id: job for job in slurm.jobs_of_run(JOB_NAME)}


def _session(folder: Path) -> Session | None:
    with suppress(TypeError):
        return Session(**found) if (found := _read(folder / _RECORD)) else None
    return None


def _read(file: Path) -> dict[str, Any] | None:
    with suppress(OSError, ValueError):
        return json.loads(file.read_text(encoding="utf-8"))
    return None
