"""Where the pictures are taken: a laptop and a cluster of no institute, both on this machine and seen by nobody else.

All of it (the user jane, the login node cluster.example.org with its OpenSSH, Slurm) lives in namespaces of its own and
is gone with the process. Needs root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.projects import ROOT
from tests.slurm import cluster
from tests.ssh.server import install

HOST, USER, PASSWORD = "cluster.example.org", "jane", "correct horse"

# Who looks after SegMake there.
OWNER = "marie"

# Where SegMake is on the stage, and what the docs call that.
SEGMAKE, SHARED = "/srv/segmake", "/data/tools/segmake"

INSIDE = "SEGMAKE_STAGE"

# The home of the laptop, which the cluster does not see.
LAPTOP = Path("/mnt/laptop")

_BUILD = """
set -e
mount -t tmpfs -o mode=755 tmpfs /mnt
cp -a /etc /mnt/etc
mkdir /mnt/home /mnt/srv /mnt/python /mnt/laptop /mnt/laptop/jane
mkdir -m 1777 /mnt/tmp
mount --bind /mnt/etc /etc
mount --bind /mnt/home /home
mount --bind /mnt/tmp /var/tmp
mount --bind /mnt/srv /srv
mkdir /srv/segmake
mount --bind . /srv/segmake
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/sshd
# The Python of root's home, for jane too.
home=$(getent passwd root | cut -d : -f 6)
if [[ $1 == "$home"/* ]]; then
    mount --bind "$1" /mnt/python
    mount -t tmpfs -o mode=755 tmpfs "$home"
    mkdir -p "$1"
    mount --bind /mnt/python "$1"
fi
ip link set lo up
# Slurm looks for an address besides the loopback's.
ip link add inside type bridge
ip address add 192.0.2.1/24 dev inside
ip link set inside up
hostname login
# An address that is nobody's: it is shown at the first login.
printf '127.0.0.1 localhost login\\n192.0.2.1 %s\\n' "$2" >/etc/hosts
shift 2
exec "$@"
"""


def enter() -> None:
    """Go on in namespaces of its own, once."""
    if os.environ.get(INSIDE):
        return
    install()
    words = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--uts"]
    words += ["bash", "-c", _BUILD, "bash", sys.base_prefix, HOST]
    again = [sys.executable, "-m", "tests.docs.pictures", *sys.argv[1:]]
    done = subprocess.run([*words, *again], env={**os.environ, INSIDE: "1"}, check=False, cwd=ROOT)
    raise SystemExit(done.returncode)


def start_login_node() -> None:
    """Make jane, and let her in by OpenSSH."""
    # A number that the users of no test on this machine get: these kill all that is of their number.
    _run("useradd", "--uid", "54321", "--create-home", "--shell", "/bin/bash", USER)
    _run("chpasswd", given=f"{USER}:{PASSWORD}\n")
    Path("/etc/motd").write_text("")
    key = Path("/etc/ssh/key_of_cluster")
    _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    config = Path("/etc/ssh/config_of_cluster")
    config.write_text(
        f"HostKey {key}\nUsePAM no\nPrintMotd no\nPrintLastLog no\n"
        "Subsystem sftp /usr/lib/openssh/sftp-server\n"
    )
    _run("/usr/sbin/sshd", "-f", str(config), "-E", "/mnt/sshd.log")


@contextmanager
def owned_by(name: str) -> Iterator[None]:
    """Call the owner of SegMake's files by a person's name: they are root's here."""
    table = Path("/etc/passwd")
    before = table.read_text()
    table.write_text(f"{name}:x:0:0::/root:/bin/bash\n{before}")
    try:
        yield
    finally:
        table.write_text(before)


def empty_home() -> None:
    """Let nothing be left of what jane did on the cluster, or was asked there."""
    home = Path("/home", USER)
    for path in home.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def start_slurm() -> None:
    """Start the cluster of the tests, of which jane may use GPUs."""
    cluster.start()
    words = ("--immediate", "add", "user", USER, f"account={cluster.ACCOUNT}")
    _run("sacctmgr", *words)
    time.sleep(2)


def _run(*words: str, given: str | None = None) -> None:
    subprocess.run(words, input=given, text=True, check=True, stdout=subprocess.DEVNULL)
