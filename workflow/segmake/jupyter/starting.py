"""Starts JupyterLab: writes what it needs into its session's folder, and sends the job, or starts it right here."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import socket
import subprocess
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import psutil

from segmake.core.files import one_line, write_atomically
from segmake.core.settings import Settings
from segmake.jupyter import server
from segmake.jupyter.packages import STARTER
from segmake.jupyter.session import JOB_NAME, Session
from segmake.messages import Problem, say
from segmake.messages.numbers import whole_minutes
from segmake.slurm import commands as slurm
from segmake.slurm import fates
from segmake.slurm.commands import SlurmError
from segmake.slurm.requests import executor_resources, option_words, request_options

# Slurm sends its signal so long before the time is up; it may come up to a minute sooner.
NOTICE_SECONDS = 30


@dataclass(frozen=True)
class Asked:
    """What the user asks of the cluster; None: what the config has for jobs that find cells, and no GPU.

    Attributes
    ----------
    gpus : int or None
    memory_gb, hours : float or None
    cpus : int or None
    partition : str or None
    """

    gpus: int | None = None
    memory_gb: float | None = None
    hours: float | None = None
    cpus: int | None = None
    partition: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked for."""
        return all(getattr(self, each.name) is None for each in fields(self))


def start(
    name: str,
    python: Path,
    beside: Path | None,
    settings: dict[str, Any],
    asked: Asked,
) -> Session:
    """Start JupyterLab with an environment, in this folder.

    Parameters
    ----------
    name : str
        The environment's.
    python : Path
        Its Python.
    beside : Path or None
        What `segmake.jupyter.packages.beside` returned.
    settings : dict
        The settings of a checked config.
    asked : Asked

    Raises
    ------
    Problem
        ``SM-JUP-003`` if Slurm does not take the job.
    """
    uses = [str(python.parents[1]), *([str(beside)] if beside else [])]
    session = Session(name, str(Path.cwd()), secrets.token_urlsafe(32), uses=uses)
    session.remove()
    session.folder.mkdir(parents=True)
    session.folder.chmod(0o700)
    _write(session, python, beside)
    try:
        sent = _send(session, settings, asked) if slurm.is_here() else _start_here(session)
    except BaseException:
        session.remove()
        raise
    sent.write()
    return sent


def _write(session: Session, python: Path, beside: Path | None) -> None:
    """Write what JupyterLab is started with; the token is in a file alone, where no list of processes shows it."""
    folder, prefix = session.folder, python.parents[1]
    start = [str(python), "-I", str(STARTER), str(beside or "")]
    kernel = {
        "argv": [*start, "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": session.name,
        "language": "python",
        "metadata": {"debugger": True},
    }
    # Kernels are reached through files that are this user's alone, and no port of the node.
    settings = {
        "IdentityProvider": {"token": session.token},
        "KernelManager": {"transport": "ipc"},
        "ServerApp": {
            "root_dir": session.experiment,
            "open_browser": False,
            "allow_root": True,
        },
    }
    # Packages are for the config to name: those that a button installs would be in no record.
    lab = {"LabApp": {"extension_manager": "readonly"}}
    # Without the question whether Jupyter's news are wanted, and for versions that nobody here can install.
    quiet = {
        "@jupyterlab/apputils-extension:notification": {
            "checkForUpdates": False,
            "fetchNews": "false",
        }
    }
    launch = {
        "command": [*start, "jupyterlab"],
        "experiment": session.experiment,
        "variables": _variables(folder, prefix, beside),
    }
    files = {
        "jupyter_server_config.json": settings,
        "jupyter_lab_config.json": lab,
        "labconfig/default_setting_overrides.json": quiet,
        # Of this name, so that notebooks from elsewhere open with it.
        "kernels/python3/kernel.json": kernel,
        server.LAUNCH: launch,
    }
    for file, content in files.items():
        with write_atomically(folder / file, lasting=False) as part:
            part.touch(mode=0o600)
            part.write_text(json.dumps(content), encoding="utf-8")


def _variables(folder: Path, prefix: Path, beside: Path | None) -> dict[str, str]:
    of_user = os.environ.get("JUPYTER_CONFIG_DIR") or "~/.jupyter"
    settings = Path(of_user).expanduser().absolute() / "lab" / "user-settings"
    is_of_conda = (prefix / "conda-meta").is_dir()
    variables = {
        "PATH": str(prefix / "bin"),
        "CONDA_PREFIX" if is_of_conda else "VIRTUAL_ENV": str(prefix),
        # As where scripts run: what is in ~/.local does not count.
        "PYTHONNOUSERSITE": "1",
        "JUPYTER_CONFIG_DIR": str(folder),
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "JUPYTER_PATH": str(folder),
    }
    if beside:
        share = beside / "share" / "jupyter"
        variables |= {
            "JUPYTER_PATH": f"{folder}{os.pathsep}{share}",
            "JUPYTER_CONFIG_PATH": str(beside / "etc" / "jupyter"),
            "JUPYTERLAB_DIR": str(share / "lab"),
        }
    return variables


def _program(session: Session) -> list[str]:
    return [sys.executable, "-I", server.__file__, str(session.folder)]


def _start_here(session: Session) -> Session:
    with session.log.open("ab") as log:
        process = subprocess.Popen(
            _program(session),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    began = psutil.Process(process.pid).create_time()
    return replace(session, process=process.pid, host=socket.gethostname(), began=began)


def _send(session: Session, settings: dict[str, Any], asked: Asked) -> Session:
    options = job_options(session, settings, asked)
    script = f"umask 077\nexec {shlex.join(_program(session))}\n"
    try:
        return replace(session, job=slurm.submit(options, script))
    except SlurmError as error:
        fate = fates.refused(str(error))
        values = {"reason": fate.says(), "remedy": fate.remedy(jobs=""), "said": one_line(error)}
        raise Problem("SM-JUP-003", **values) from None


def job_options(session: Session, settings: dict[str, Any], asked: Asked) -> list[str]:
    """Return the options of sbatch for the job of a session.

    Parameters
    ----------
    session : Session
    settings : dict
        The settings of a checked config.
    asked : Asked
    """
    cluster = Settings.of(settings).cluster
    if asked.partition:
        cluster = replace(cluster, partition=asked.partition, cpu_partition=asked.partition)
    own: dict[str, Any] = {
        key: value
        for key in ("memory_gb", "hours", "cpus")
        if (value := getattr(asked, key)) is not None
    }
    cluster = replace(cluster, **own)
    gpus, minutes = asked.gpus or 0, whole_minutes(cluster.hours)
    accounts = slurm.keeps_accounts()
    resources = executor_resources(cluster, gpu=gpus > 0, accounts=accounts, gpus=gpus)
    return [
        f"--job-name={JOB_NAME}",
        # Slurm puts the job's number for %j, and one percent sign for two.
        f"--output={str(session.log).replace('%', '%%')}",
        "--nodes=1",
        "--ntasks=1",
        # One that starts by itself again would have nobody who waits for it.
        "--no-requeue",
        f"--cpus-per-task={cluster.cpus}",
        f"--mem={max(1, int(cluster.memory_gb * 1024))}",
        f"--time={minutes}",
        # Before its time is up, JupyterLab has some to end as it should.
        f"--signal=B:TERM@{min(NOTICE_SECONDS, 15 * minutes)}",
        *request_options(resources),
        *option_words(cluster.sbatch_options),
    ]


def tell_end(session: Session, until: str) -> None:
    """Let each notebook show when the time is up: it has the name of its kernel in a corner."""
    file = session.folder / "kernels" / "python3" / "kernel.json"
    kernel = json.loads(file.read_text(encoding="utf-8"))
    kernel["display_name"] = say("jupyter.kernel", name=session.name, until=until)
    with write_atomically(file, lasting=False) as part:
        part.write_text(json.dumps(kernel), encoding="utf-8")
