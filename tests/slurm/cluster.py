"""A Slurm cluster on this machine: two emulated nodes with nine A40 each, and one without a GPU.

Slurm, its queue, its accounts, its limits and its GPUs (devices that it counts, and hands out in CUDA_VISIBLE_DEVICES)
are real; the computing is done by this machine's CPU. Needs root; what is missing is installed from Debian's packages.

    python -m tests.slurm.cluster start | stop
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

FOLDER = Path("/var/tmp/segmake-test-cluster")
CONFIG = Path("/etc/slurm")
MARK = "# SegMake's test cluster: made and removed by tests/slurm/cluster.py"

GPU_NODES = {"gpu1": 17001, "gpu2": 17002}
NODES = {**GPU_NODES, "cpu1": 17003}
GPUS = 9
MUNGE_FOLDERS = {
    "/etc/munge": 0o700,
    "/var/lib/munge": 0o711,
    "/var/log/munge": 0o700,
    "/run/munge": 0o755,
}
DAEMONS = ("slurmctld", "slurmdbd", "slurmd", "slurmstepd", "mariadbd")

# The account that root may charge, and does where a job names none; and a QOS that takes so many jobs of a user.
ACCOUNT = "lab"
QOS, QOS_JOBS = "few", 2

_SILENT = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

# Two nodes pretend to be large; jobs are as real as on a cluster, only slower.
SLURM_CONF = """\
{mark}
ClusterName=test
SlurmctldHost=localhost
SlurmctldPort=16817
SlurmUser=root
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdSpoolDir={folder}/spool-%n
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin={task_plugin}
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2,bf_interval=2
GresTypes=gpu
ReturnToService=2
SlurmdTimeout=10
KillWait=5
MessageTimeout=30
# Else a machine without a network could not find itself.
CommunicationParameters=EnableIPv6
{nodes}
PartitionName=gpu Nodes=gpu1,gpu2 Default=YES MaxTime=24:00:00 MaxMemPerNode=128000
PartitionName=cpu Nodes=cpu1 MaxTime=2-00:00:00
PartitionName=short Nodes=cpu1 MaxTime=00:30:00
PartitionName=brief Nodes=gpu1,gpu2 MaxTime=00:10:00
"""
# With these, the cluster keeps accounts in a database, and holds users to their limits, as large ones do.
ACCOUNTS = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort=16819
AccountingStorageEnforce=associations,limits,qos
"""
SLURMDBD_CONF = """\
AuthType=auth/munge
DbdHost=localhost
DbdPort=16819
SlurmUser=root
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=16820
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
"""
# What a database of a test may lose, and what it need not know.
DATABASE_OPTIONS = (
    *("--skip-name-resolve", "--skip-innodb-doublewrite", "--performance-schema=OFF"),
    *("--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync"),
    *("--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M"),
)
DATABASE = """\
CREATE DATABASE slurm_acct_db;
CREATE USER slurm@127.0.0.1 IDENTIFIED BY 'slurm';
GRANT ALL ON slurm_acct_db.* TO slurm@127.0.0.1;
"""
GPU_NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port}"
    " CPUs=36 RealMemory=256000 Gres=gpu:a40:{gpus}"
)
CPU_NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=32 RealMemory=128000"
)
CGROUP_CONF = """\
CgroupPlugin=cgroup/v1
CgroupMountpoint=/sys/fs/cgroup
ConstrainRAMSpace=yes
"""


def why_not() -> str | None:
    """Return why the cluster can't be started here, or None if it can."""
    if sys.platform != "linux":
        return "a Slurm cluster for the tests takes Linux"
    if os.geteuid() != 0:
        return "a Slurm cluster for the tests can only be started by root"
    config = CONFIG / "slurm.conf"
    if config.exists() and MARK not in config.read_text():
        return f"this machine has a Slurm of its own ({config})"
    if not shutil.which("slurmctld") and not shutil.which("apt-get"):
        return "Slurm is not installed, and can only be installed from Debian's packages"
    return None


def start() -> None:
    """Install what is missing, and start the cluster; one that runs already is stopped first."""
    _install("slurm-wlm", "munge", commands=("slurmctld", "slurmd", "sbatch", "munged"))
    _install("slurmdbd", "mariadb-server", commands=("slurmdbd", "mariadbd"))
    stop()
    FOLDER.mkdir(parents=True)
    (FOLDER / "state").mkdir()
    _write_config()
    _start_munge()
    _start_database()
    _start_slurm("-c")


def stop() -> None:
    """Stop the cluster, and remove all that it left behind."""
    if why_not():
        return
    if (CONFIG / "slurm.conf").exists():
        _cancel_all()
        for file in ("slurm.conf", "gres.conf", "cgroup.conf", "slurmdbd.conf"):
            (CONFIG / file).unlink(missing_ok=True)
    _kill(*_daemons(*DAEMONS))
    # Also where only the folder is left, as after Slurm's packages were removed.
    if FOLDER.exists():
        shutil.rmtree(FOLDER)


def start_controller(*options: str) -> None:
    """Start Slurm's controller; it knows the jobs from before, but for the option ``-c``."""
    _run("slurmctld", "-f", _config() / "slurm.conf", *options)


def kill_controller() -> None:
    """Let the controller be down: nothing of Slurm answers."""
    _kill(*_daemons("slurmctld"))


def start_node(node: str, *hidden: Path) -> None:
    """Start a node's slurmd; folders that are hidden from it are empty there, as a disk that is not mounted."""
    slurmd = ("slurmd", "-f", _config() / "slurm.conf", "-N", node, "-c")
    if hidden:
        mounts = [f"mount -t tmpfs tmpfs {shlex.quote(str(folder))}" for folder in hidden]
        script = " && ".join([*mounts, 'exec "$@"'])
        _run("unshare", "--mount", "bash", "-c", script, "bash", *slurmd)
    else:
        _run(*slurmd)


def kill_node(node: str) -> None:
    """Let a node go down: its slurmd and all that it runs are killed."""
    log = FOLDER / f"slurmd-{node}.log"
    daemons, jobs = [], []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("SLURMD_NODENAME") == node:
                jobs.append(process)
    for daemon in _daemons("slurmd", "slurmstepd"):
        with suppress(psutil.Error):
            if str(log) in {file.path for file in daemon.open_files()}:
                jobs += daemon.children(recursive=True)
                daemons.append(daemon)
    # First who would say that a job has failed, since its processes are gone.
    _kill(*daemons)
    _kill(*(job for job in jobs if job not in daemons))


@contextmanager
def hidden(*folders: Path) -> Iterator[None]:
    """Let the nodes see nothing in these folders for a while."""
    _restart_nodes(*folders)
    try:
        yield
    finally:
        _restart_nodes()


@contextmanager
def limit(**limits: int) -> Iterator[None]:
    """Give root's association a limit, such as ``MaxSubmitJobs=2``, for a while."""
    _set_limits(limits)
    try:
        yield
    finally:
        _set_limits(dict.fromkeys(limits, -1))


@contextmanager
def without_accounts() -> Iterator[None]:
    """Let the cluster keep no accounts for a while, as small ones do: neither sacct nor a limit."""
    config = CONFIG / "slurm.conf"
    written = config.read_text()
    with _restarted():
        config.write_text(written.replace(ACCOUNTS, ""))
    try:
        yield
    finally:
        with _restarted():
            config.write_text(written)


@contextmanager
def config_elsewhere() -> Iterator[Path]:
    """Let the cluster's configuration be where only SLURM_CONF tells, for a while; its folder."""
    other = FOLDER / "etc"
    with pytest.MonkeyPatch.context() as patched:
        with _restarted():
            other.mkdir()
            for file in ("slurm.conf", "gres.conf", "cgroup.conf"):
                shutil.move(CONFIG / file, other / file)
            patched.setenv("SLURM_CONF", str(other / "slurm.conf"))
        try:
            yield other
        finally:
            with _restarted():
                for file in other.iterdir():
                    shutil.move(file, CONFIG / file.name)
                other.rmdir()
                patched.undo()


def empty() -> None:
    """Cancel all jobs, and bring back the nodes that are down or drained."""
    _cancel_all()
    for node, state in states().items():
        if state.startswith("down"):
            start_node(node)
        elif state.startswith("drain"):
            _run("scontrol", "update", f"NodeName={node}", "State=RESUME")
    wait_for(lambda: set(states().values()) == {"idle"}, "the nodes to be idle")


def states() -> dict[str, str]:
    """Return the state of each node, such as ``idle``, ``mixed`` or ``down*``."""
    lines = _output("sinfo", "--noheader", "--Node", "--format=%N %T").splitlines()
    return dict(line.split() for line in lines)


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 300) -> None:
    """Wait until something has come to be."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.2)


def _config() -> Path:
    """Return the folder with the configuration that holds now."""
    return Path(os.environ.get("SLURM_CONF", CONFIG / "slurm.conf")).parent


def _start_slurm(*options: str) -> None:
    start_controller(*options)
    for node in NODES:
        start_node(node)
    wait_for(lambda: set(states().values()) == {"idle"}, "the nodes to be idle")


def _restart_nodes(*hidden: Path) -> None:
    empty()
    _kill(*_daemons("slurmd", "slurmstepd"))
    for node in NODES:
        start_node(node, *hidden)
    # They have to be heard of before a job meets the old ones.
    wait_for(lambda: set(states().values()) == {"idle"}, "the nodes to be idle")


@contextmanager
def _restarted() -> Iterator[None]:
    """Stop Slurm while something of its configuration changes; accounts and numbers of jobs go on."""
    empty()
    # They write down what they know before they end.
    daemons = _daemons("slurmctld", "slurmd")
    for daemon in daemons:
        daemon.terminate()
    _, still = psutil.wait_procs(daemons, timeout=30)
    _kill(*still)
    yield
    _start_slurm()


def _set_limits(limits: dict[str, int]) -> None:
    words = [f"{name}={number}" for name, number in limits.items()]
    _run("sacctmgr", "--immediate", "modify", "user", "root", "set", *words)
    shown = ("scontrol", "show", "assoc_mgr", "users=root", f"accounts={ACCOUNT}", "flags=assoc")

    def known(name: str) -> set[int]:
        return set(map(int, re.findall(rf" {name}=(\d+)\(", _output(*shown))))

    # The controller hears of it from the accounts.
    wait_for(
        lambda: all(known(name) == {number} - {-1} for name, number in limits.items()), "limits"
    )


def _cancel_all() -> None:
    # Slurm may be down, or gone.
    if not _daemons("slurmctld"):
        return
    with suppress(OSError, subprocess.TimeoutExpired):
        command = ["scancel", f"--user={os.getuid()}"]
        subprocess.run(command, capture_output=True, timeout=20, check=False)


def _daemons(*names: str) -> list[psutil.Process]:
    """Return the processes of these names that are of this cluster, and of no other one: they are in its folder.

    One in a container is seen from outside, and its folder has the same name there.
    """
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            here = os.readlink(f"/proc/{process.pid}/ns/pid") == os.readlink("/proc/self/ns/pid")
            if here and process.name() in names and Path(process.cwd()).is_relative_to(FOLDER):
                found.append(process)
    return found


def _kill(*processes: psutil.Process) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=20)


def _install(*packages: str, commands: tuple[str, ...]) -> None:
    if all(shutil.which(command) for command in commands):
        return
    # No service of a package is to start: the cluster brings its own configuration.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    _run("apt-get", "update", "-qq", env=environment)
    # Another test may be installing something.
    patience = ("-o", "DPkg::Lock::Timeout=300")
    install = ("apt-get", "install", "-y", "-qq", "--no-install-recommends", *patience)
    _run(*install, *packages, env=environment)


def _write_config() -> None:
    names = {"host": socket.gethostname().split(".")[0], "gpus": GPUS}
    nodes = [
        (GPU_NODE if name in GPU_NODES else CPU_NODE).format(name=name, port=port, **names)
        for name, port in NODES.items()
    ]
    # Memory is kept within what a job asked for only where the kernel lets us.
    enforced = Path("/sys/fs/cgroup/memory").is_dir()
    gres = []
    for node in GPU_NODES:
        for number in range(GPUS):
            os.mknod(FOLDER / f"{node}-a40-{number}", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        gres.append(f"NodeName={node} Name=gpu Type=a40 File={FOLDER}/{node}-a40-[0-{GPUS - 1}]")
    text = SLURM_CONF.format(
        mark=MARK,
        folder=FOLDER,
        nodes="\n".join(nodes),
        task_plugin="task/cgroup" if enforced else "task/none",
    )
    CONFIG.mkdir(parents=True, exist_ok=True)
    (CONFIG / "slurm.conf").write_text(text + ACCOUNTS)
    (CONFIG / "gres.conf").write_text("\n".join(gres) + "\n")
    (CONFIG / "cgroup.conf").write_text(CGROUP_CONF)


def _start_munge() -> None:
    if not _works("munge -n | unmunge"):
        for folder, mode in MUNGE_FOLDERS.items():
            Path(folder).mkdir(parents=True, exist_ok=True)
            Path(folder).chmod(mode)
        key = Path("/etc/munge/munge.key")
        if not key.exists():
            key.write_bytes(os.urandom(128))
            key.chmod(0o400)
        _run("chown", "-R", "munge:", *MUNGE_FOLDERS)
        _run("runuser", "-u", "munge", "--", shutil.which("munged"), "--force")
    wait_for(lambda: _works("munge -n | unmunge"), "munge")


def _works(command: str) -> bool:
    return (
        subprocess.call(
            f"set -o pipefail; {command}", shell=True, executable="/bin/bash", **_SILENT
        )
        == 0
    )


def _start_database() -> None:
    """Start a database, Slurm's service before it, and tell it of the cluster, an account and a QOS."""
    data, socket_file = FOLDER / "database", FOLDER / "database.sock"
    options = ("--no-defaults", "--user=root", f"--datadir={data}", *DATABASE_OPTIONS)
    _run("mariadb-install-db", *options, "--skip-test-db")
    with (FOLDER / "database.log").open("ab") as log:
        own = ("--port=16820", f"--socket={socket_file}", "--bind-address=127.0.0.1")
        subprocess.Popen(
            ["mariadbd", *options, *own],
            cwd=FOLDER,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    client = ("mariadb", "--no-defaults", f"--socket={socket_file}", "--execute")
    wait_for(lambda: not subprocess.call([*client, "SELECT 1"], **_SILENT), "the database")
    _run(*client, DATABASE)
    config = CONFIG / "slurmdbd.conf"
    config.touch(mode=0o600)
    config.write_text(SLURMDBD_CONF.format(folder=FOLDER))
    _run("slurmdbd")
    accounts = ("sacctmgr", "--immediate", "add")
    wait_for(
        lambda: not subprocess.call([*accounts, "cluster", "test"], **_SILENT), "Slurm's accounts"
    )
    _run(*accounts, "qos", QOS, f"MaxSubmitJobsPerUser={QOS_JOBS}")
    _run(*accounts, "account", ACCOUNT, "cluster=test")
    _run(*accounts, "user", "root", f"account={ACCOUNT}", "cluster=test")
    # Slurm has given root an account of its own, too.
    own = (f"DefaultAccount={ACCOUNT}", f"qos=normal,{QOS}")
    _run("sacctmgr", "--immediate", "modify", "user", "root", "set", *own)


def _run(*command: str | Path, env: dict[str, str] | None = None) -> None:
    # Not a pipe: a daemon would keep it open.
    log = FOLDER / "start.log" if FOLDER.exists() else Path("/dev/null")
    with log.open("ab") as output:
        subprocess.run(command, check=True, env=env, stdout=output, stderr=subprocess.STDOUT)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    if reason := why_not():
        sys.exit(reason)
    {"start": start, "stop": stop}[sys.argv[1]]()
