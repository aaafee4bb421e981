"""What sending and fetching over SSH takes: SegMake's own way, ``sftp -b`` and rsync, both ways, in one run.

    python benchmarks/copying.py            everything: some minutes
    python benchmarks/copying.py --large 20 --small 2000 --rounds 3      quicker, and less to be relied on
    python benchmarks/copying.py --megabits 1000                         over a network of 1 Gb/s

OpenSSH's server of tests/ssh on the loopback (root). In each round all three copy the same files into an empty folder,
in an order that changes from round to round; each logs in anew, with the same key and the same cipher. SegMake's is a
program of its own too: what it takes to start is told beside. What has arrived is compared byte for byte.

The loopback is so quick that the processor's work is what counts. With ``--megabits`` it lets only so much pass, for
this program alone (Linux' token bucket, in a network namespace).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]

from tests.ssh import server as ssh  # noqa: E402
from tests.ssh.conftest import Answers, make_key  # noqa: E402

from segmake.places.copying import copy  # noqa: E402
from segmake.places.here import Here  # noqa: E402
from segmake.places.login import Login  # noqa: E402
from segmake.places.there import There  # noqa: E402

WAYS = ("SegMake", "sftp", "rsync")

# sh RATE COMMAND...
NETWORK = """
ip link set lo up && tc qdisc add dev lo root tbf rate "$0" burst 2mb limit 30mb && exec "$@"
"""
_INSIDE = "SEGMAKE_BENCHMARK_NETWORK"

# Older than what counts as still being written.
OLD = 1.6e9


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", type=int, default=40, help="files of 8 MB")
    parser.add_argument("--small", type=int, default=10_000, help="files of 20 kB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabits", type=int, help="so much passes in a second")
    parser.add_argument("--only", choices=WAYS, help="for a profile")
    options = parser.parse_args()
    if reason := ssh.why_not():
        sys.exit(reason)
    if options.megabits and _INSIDE not in os.environ:
        go_into_a_network(options.megabits)
    with ssh.server() as server, tempfile.TemporaryDirectory(prefix="segmake-benchmark-") as folder:
        os.environ["HOME"] = folder
        os.environ.pop("SSH_AUTH_SOCK", None)
        Path(folder, ".ssh").mkdir(mode=0o700)
        server.permit(make_key())
        server.start(methods="publickey")
        Path(folder, ".ssh", "config").write_text(config(server))
        asyncio.run(log_in())
        measure(server, Path(folder), options)


def go_into_a_network(megabits: int) -> NoReturn:
    """Begin anew where so much passes the loopback in a second."""
    words = ["unshare", "--net", "sh", "-c", NETWORK, f"{megabits}mbit", sys.executable, *sys.argv]
    os.execvpe(words[0], words, {**os.environ, _INSIDE: "1"})


def config(server: ssh.Server) -> str:
    """Return what lets all three log in alike."""
    return (
        f"Host cluster\n  HostName 127.0.0.1\n  Port {server.port}\n  User {server.user.name}\n"
        "  StrictHostKeyChecking accept-new\n  Ciphers aes128-gcm@openssh.com\n"
    )


async def log_in() -> None:
    """Make the computer known."""
    place = There(Login("cluster", Answers()))
    await place.run(["true"])
    await place.close()


def measure(server: ssh.Server, folder: Path, options: argparse.Namespace) -> None:
    """Print a row for each kind of files and direction, as soon as it is known."""
    print(f"| files | | {' | '.join(WAYS)} | SegMake / sftp | SegMake / rsync |")
    print("|---" * (len(WAYS) + 4) + "|")
    for count, size in ((options.large, 8_000_000), (options.small, 20_000)):
        name = f"{count:,} x {size // 1000:,} kB"
        make(folder / "files", count, size)
        for direction in ("sent", "fetched"):
            seconds: dict[str, list[float]] = {way: [] for way in WAYS}
            for number in range(options.rounds):
                for way in WAYS[number % 3 :] + WAYS[: number % 3]:
                    if options.only in (None, way):
                        seconds[way].append(once(server, folder, way, direction))
            print(f"| {name} | {direction} | {row(seconds)} |", flush=True)
        shutil.rmtree(folder / "files")


def row(seconds: dict[str, list[float]]) -> str:
    """Return the medians, and how SegMake's compares."""
    middle = {way: statistics.median(all_of or [0]) for way, all_of in seconds.items()}
    shown = [f"{each:.1f} s" for each in middle.values()]
    shown += [f"{middle['SegMake'] / (middle[way] or 1):.2f}" for way in WAYS[1:]]
    return " | ".join(shown)


def make(folder: Path, count: int, size: int) -> None:
    """Make files, a thousand in a folder at most."""
    for number in range(count):
        path = folder / f"day {number // 1000}" / f"position_{number:05d}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))
        os.utime(path, (OLD, OLD))


def once(server: ssh.Server, folder: Path, way: str, direction: str) -> float:
    """Copy all files once into an empty folder, and return the seconds that it took."""
    there, back, files = server.user.home / "files", folder / "back", folder / "files"
    target = there if direction == "sent" else back
    if direction == "fetched" and not there.exists():
        shutil.copytree(files, there)
        subprocess.run(["chown", "-R", server.user.name, str(there)], check=True)
    shutil.rmtree(target, ignore_errors=True)
    os.sync()
    began = time.monotonic()
    {"SegMake": ours, "sftp": sftp, "rsync": rsync}[way](folder, direction)
    took = time.monotonic() - began
    subprocess.run(["diff", "-r", str(files), str(target)], check=True)
    return took


def ours(folder: Path, direction: str) -> None:
    """Copy as SegMake does."""

    async def go() -> None:
        there = There(Login("cluster", Answers()))
        ends = ((Here(), f"{folder}/files"), (there, "files"))
        if direction == "fetched":
            ends = ((there, "files"), (Here(), f"{folder}/back"))
        await copy(*ends)
        await there.close()

    asyncio.run(go())


def sftp(folder: Path, direction: str) -> None:
    """Copy as OpenSSH does, with the times of the files."""
    line = (
        f'put -rp "{folder}/files" .' if direction == "sent" else f'get -rp files "{folder}/back"'
    )
    command = ["sftp", "-q", "-b", "-", "-F", f"{folder}/.ssh/config", *_key(folder), "cluster"]
    subprocess.run(command, input=line.encode(), check=True, stdout=subprocess.DEVNULL)


def rsync(folder: Path, direction: str) -> None:
    """Copy as rsync does."""
    shell = " ".join(["ssh", "-F", f"{folder}/.ssh/config", *_key(folder)])
    ends = [f"{folder}/files/", "cluster:files/"]
    if direction == "fetched":
        ends = ["cluster:files/", f"{folder}/back/"]
    subprocess.run(["rsync", "-rt", "-e", shell, *ends], check=True)


def _key(folder: Path) -> list[str]:
    # OpenSSH looks for the home in the list of users, and not in the environment.
    files = ("-o", f"UserKnownHostsFile={folder}/.ssh/known_hosts")
    return ["-i", f"{folder}/.ssh/id_ed25519", *files]


if __name__ == "__main__":
    main()
