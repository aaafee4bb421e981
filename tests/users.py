"""Unix users of this machine for the tests, who may read SegMake's folder and write where they are at home."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.projects import ROOT

# One for each process of the tests, which would remove each other's.
GROUP = f"segmake-lab-{os.getpid()}"

# What is below a folder that only root may enter is shown to the users all the same, in a mount of their own.
_OPEN = """
set -e
folder=$1 open=/run/segmake-users number=0
shift
mkdir -p "$open"
mount -t tmpfs tmpfs "$open"
while [ "$1" != -- ]; do
    mkdir "$open/$number"
    mount --bind "$1" "$open/$number"
    number=$((number + 1))
    places="$places $1"
    shift
done
shift
number=0
for place in $places; do
    closed=$(namei -m "$place" | awk '$1 ~ /^d/ && $1 !~ /x$|t$/ { print; exit }')
    if [ -n "$closed" ]; then
        top=/$(echo "$place" | cut -d / -f 2)
        mountpoint -q "$open/top-$(basename "$top")" 2>/dev/null || {
            mkdir -p "$open/top-$(basename "$top")"
            mount -t tmpfs -o mode=755 tmpfs "$top"
            mount --bind "$top" "$open/top-$(basename "$top")"
        }
        mkdir -p "$place"
        mount --bind "$open/$number" "$place"
    fi
    number=$((number + 1))
done
cd "$folder"
exec "$@"
"""


def shown_to_users(*command: str, folder: Path) -> list[str]:
    """Return the words that run a command of root's, whose children of any user can read SegMake's folder."""
    places = dict.fromkeys([str(ROOT), sys.base_prefix])
    apart = ["unshare", "--mount", "--propagation", "private", "bash", "-c", _OPEN, "bash"]
    return [*apart, str(folder), *places, "--", *command]


@dataclass
class User:
    """A user with a home folder."""

    name: str
    home: Path

    def run(
        self, *command: str, folder: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as this user."""
        return subprocess.run(
            self._words(*command, folder=folder),
            env=self._environment(variables),
            capture_output=True,
            text=True,
            check=False,
        )

    def start(
        self, *command: str, folder: Path | None = None, **variables: str
    ) -> subprocess.Popen[str]:
        """Start a command as this user."""
        return subprocess.Popen(
            self._words(*command, folder=folder),
            env=self._environment(variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _words(self, *command: str, folder: Path | None) -> list[str]:
        own = ["runuser", "-u", self.name, "--", *command]
        return shown_to_users(*own, folder=folder or self.home)

    def _environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        own = {"HOME": str(self.home), "USER": self.name, "SEGMAKE_LANG": "en"}
        path = f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {"PATH": path, "LANG": "C.UTF-8", **own, **variables}


def why_not() -> str | None:
    """Return why there can't be other users here, or None if there can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "other users of this machine can only be made by root"
    if not all(map(shutil.which, ("useradd", "runuser", "unshare", "namei"))):
        return "this machine lacks useradd, runuser, unshare or namei"
    tried = ["unshare", "--mount", "--propagation", "private", "true"]
    if subprocess.run(tried, capture_output=True, check=False).returncode:
        return "mounts of their own are not permitted here"
    return None


@contextmanager
def users(*names: str) -> Iterator[tuple[Path, list[User]]]:
    """Make some users, and give the folder of their group beside them; all are removed again."""
    place = Path(tempfile.mkdtemp(prefix="segmake-users-", dir="/var/tmp"))
    place.chmod(0o755)
    # Named for this process, too: another test run on this machine has users of its own.
    made = [User(f"segmake-{name}{os.getpid()}", place / name) for name in names]
    subprocess.run(["groupadd", "--force", GROUP], check=True)
    try:
        for user in made:
            options = ["--create-home", "--home-dir", str(user.home), "--groups", GROUP]
            subprocess.run(["useradd", *options, user.name], check=True)
        lab = place / "lab"
        lab.mkdir()
        shutil.chown(lab, group=GROUP)
        lab.chmod(0o2775)
        yield lab, made
    finally:
        for user in made:
            subprocess.run(["userdel", "--force", user.name], capture_output=True, check=False)
        subprocess.run(["groupdel", GROUP], capture_output=True, check=False)
        shutil.rmtree(place, ignore_errors=True)
