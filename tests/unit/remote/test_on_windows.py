"""What a laptop runs, in a Python without what Windows lacks: what is only there on Unix, and folders that are opened."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = r"""
import asyncio, getpass, os, platform, shutil, signal, socket, subprocess, sys, tempfile
from pathlib import Path

# These are made for Windows themselves.
import asyncssh, jsonschema, ruamel.yaml

for name in ("fcntl", "grp", "pty", "pwd", "resource", "termios", "numpy", "snakemake"):
    sys.modules[name] = None
for name in ("O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "fchmod", "fork", "getuid", "geteuid", "killpg", "setsid", "uname"):
    delattr(os, name)
for name in ("SIGALRM", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGUSR1"):
    delattr(signal, name)
opened = os.open

def no_folder(path, flags, *rest, **more):
    if os.path.isdir(path):
        raise PermissionError(13, "Permission denied", path)
    return opened(path, flags, *rest, **more)

os.open = no_folder

from segmake.cli import main
from segmake.places.asking import Terminal
from segmake.remote.setup import own_key
from segmake.remote.handed_out import HandedOut
from segmake.remote.known_computers import Computer, login_of, remember
from segmake.remote.setup.launchers import ENDINGS, launchers, write_launchers
from segmake.remote.remembered import PlaceFile, read_place, write_place
from segmake.remote.setup.ssh_config import Entry, add_entry, has_entry

assert main(["new", "day 1", "--simulation"]) == 0
os.chdir("day 1")
assert main(["check"]) == 0
assert main(["set", "results", "out"]) == 0
assert main(["get", "results"]) == 0
assert main(["remote", "check"]) == 1
key = own_key.make_key("a phrase")
assert [each.path for each in own_key.usable_keys()] == [key.path] and key.locked
entry = Entry(("cluster",), "login.example.org", "marie", key=key.name)
add_entry(Path("~/.ssh/config").expanduser(), entry)
remember(Computer("cluster", "/opt/segmake", "/scratch"))
login = login_of("cluster", Terminal())
assert login.options().username == "marie" and login.jumps() == []
place = PlaceFile("cluster", "/scratch/day 1", "/opt/segmake")
write_place(Path(), place)
assert read_place(Path()) == place
assert len(write_launchers(Path(), launchers(HandedOut()), ENDINGS)) == 3
print("done")
"""


def test_what_windows_lacks_is_not_asked_for(tmp_path: Path) -> None:
    variables = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    # Windows' own names of a home and of the folder for settings.
    own = {"HOME": str(tmp_path), "APPDATA": str(tmp_path / "AppData"), "USERNAME": "Zoé"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env=variables | own | {"PYTHONUTF8": "1", "SEGMAKE_LANG": "fr"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.endswith("done\n"), done.stdout + done.stderr
    assert (tmp_path / "AppData" / "segmake" / "computers.json").is_file()
