"""The relay between two ends on this machine: what a job's step would carry is carried by a process."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from segmake.jupyter import relay

# What a site may let each step print.
GREETING = "print('Welcome, 1 user', flush=True)"


@dataclass
class Way:
    """A relay at work, and what it leads to."""

    process: subprocess.Popen[bytes]
    port: int
    socket_file: Path

    def connect(self) -> socket.socket:
        connected = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        return connected


@pytest.fixture
def way(tmp_path: Path) -> Iterator[Callable[[], Way]]:
    """Start a relay to a socket that sends back all that it gets."""
    started: list[subprocess.Popen[bytes]] = []
    # Names of sockets are short.
    place = Path("/tmp") / f"segmake-relay-{os.getpid()}"
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(place))
    server.listen(50)
    threading.Thread(target=send_back, args=(server,), daemon=True).start()

    def start() -> Way:
        record = tmp_path / "record.json"
        far = f"{GREETING}; import runpy, sys; sys.argv = ['relay', 'far', {str(place)!r}]; "
        far += f"runpy.run_path({relay.__file__!r}, run_name='__main__')"
        words = [sys.executable, "-I", relay.__file__, "near", str(record), "0"]
        process = subprocess.Popen([*words, sys.executable, "-I", "-c", far])
        started.append(process)
        while not record.exists():
            assert process.poll() is None
        return Way(process, json.loads(record.read_text())["port"], place)

    yield start
    server.close()
    place.unlink(missing_ok=True)
    for process in started:
        process.terminate()
        process.wait(timeout=60)
    assert not (tmp_path / "record.json").exists()


def send_back(server: socket.socket) -> None:
    def serve(connected: socket.socket) -> None:
        with connected, suppress(ConnectionError):
            while data := connected.recv(1 << 16):
                connected.sendall(data)

    while True:
        try:
            connected, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=serve, args=(connected,), daemon=True).start()


def test_bytes_arrive_as_they_were_sent_though_one_connection_is_not_read(way):
    opened = way()
    stalled = opened.connect()
    stalled.settimeout(0.5)
    # More than may be under way, and nobody reads it.
    with pytest.raises(TimeoutError):
        while True:
            stalled.sendall(bytes(1 << 16))
    sent = [random.Random(number).randbytes(3 * relay.WINDOW) for number in range(3)]
    got: dict[int, bytes] = {}

    def carry(number: int) -> None:
        with opened.connect() as connected:
            threading.Thread(target=connected.sendall, args=(sent[number],)).start()
            while len(got.get(number, b"")) < len(sent[number]):
                got[number] = got.get(number, b"") + connected.recv(1 << 16)

    threads = [threading.Thread(target=carry, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert [got.get(number) for number in range(3)] == sent
    stalled.close()


def test_where_the_step_fails_no_port_is_told(tmp_path):
    record = tmp_path / "record.json"
    words = [sys.executable, "-I", relay.__file__, "near", str(record), "0"]
    done = subprocess.run([*words, "sh", "-c", "echo srun: error >&2"], capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"srun: error\n")
    assert not record.exists()


def test_it_ends_when_what_it_leads_to_is_gone(way):
    opened = way()
    with opened.connect() as connected:
        connected.sendall(b"there")
        assert connected.recv(5) == b"there"
        opened.socket_file.unlink()
        assert opened.process.wait(timeout=60) == 0
        assert connected.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        opened.connect()


def test_another_user_of_this_machine_is_not_let_in(way):
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only root can be another user, by setpriv")
    opened = way()
    ask = f"import socket; c = socket.create_connection(('127.0.0.1', {opened.port})); "
    ask += "c.sendall(b'x'); print(c.recv(1))"
    other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    # This machine's own Python: that of the tests may lie where others can't read.
    system = "/usr/bin/python3"
    if not Path(system).exists():
        pytest.skip(f"there is no {system}, which every user can run")
    told = [
        subprocess.run(
            [*words, system, "-I", "-c", ask], capture_output=True, text=True, check=False
        )
        for words in ([], other)
    ]
    assert told[0].stdout == "b'x'\n"
    assert told[1].stdout != "b'x'\n"
