"""Has scripts started by a small process (`segmake.scripts.running.starter`), and follows them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock
from typing import Any

from segmake.scripts.running.starter import LENGTH

_PROGRAM = Path(__file__).with_name("starter.py")


class Started:
    """A process that was started by another one, and is followed by a thread.

    Attributes
    ----------
    pid : int
    space : str
        The number of its namespace of mounts; empty if it has none of its own.
    """

    def __init__(self, file: int) -> None:
        self._lines = os.fdopen(file, encoding="ascii")
        self._ended = Event()
        self._error = 0
        self.code = 0
        first = self._lines.readline().split()
        if first[:1] != ["pid"]:
            self._lines.close()
            raise BrokenPipeError
        self.pid, self.space = int(first[1]), ""
        self._read()

    def _read(self) -> list[str]:
        """Read a line of what is told of it."""
        words = self._lines.readline().split()
        if words[:1] == ["space"]:
            self.space = "".join(words[1:])
        elif words[:1] == ["error"]:
            self._error = int(words[1])
        return words

    def follow(self) -> int:
        """Return its exit code, or the negative number of the signal that ended it, once it has ended.

        Raises
        ------
        OSError
            If it could not be started.
        """
        words = ["-"]
        with self._lines:
            while words and words[0] != "exit":
                words = self._read()
        self.code = int(words[1]) if words else self._adopted()
        self._ended.set()
        if self._error:
            raise OSError(self._error, os.strerror(self._error))
        return self.code

    def _adopted(self) -> int:
        """Wait for it by itself: whoever started it was ended, by the script perhaps, and it came to this process."""
        with suppress(ChildProcessError):
            return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return -signal.SIGKILL

    def wait(self, timeout: float) -> int:
        """Return its exit code once the thread that follows it has seen its end.

        Raises
        ------
        subprocess.TimeoutExpired
            If that takes longer, in seconds.
        """
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return self.code


class Starter:
    """The process that starts others; it is started when it is needed, and again if somebody has ended it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen | None = None
        self._orders: socket.socket | None = None

    @property
    def pid(self) -> int:
        """Its number; 0 if there is none."""
        return self._process.pid if self._process else 0

    def start(self, order: Mapping[str, Any], said: int) -> Started:
        """Start a program, and return what follows it.

        Parameters
        ----------
        order : dict
            ``words``, ``folder``, ``variables``, ``mounts``, and ``stays`` if all orders to this process have the same
            mounts.
        said : int
            An open file that gets what it says.

        Raises
        ------
        OSError
            If it can't be started.
        """
        with self._lock:
            try:
                return self._order(order, said)
            except (BrokenPipeError, ConnectionError):
                self.close()
                return self._order(order, said)

    def _order(self, order: Mapping[str, Any], said: int) -> Started:
        orders = self._orders or self._open()
        end, told = os.pipe()
        try:
            data = json.dumps(order).encode("ascii")
            socket.send_fds(orders, [LENGTH.pack(len(data))], [said, told])
            orders.sendall(data)
        except BaseException:
            os.close(end)
            raise
        finally:
            os.close(told)
        return Started(end)

    def _open(self) -> socket.socket:
        self._orders, other = socket.socketpair()
        with other:
            words = [sys.executable, "-I", "-S", str(_PROGRAM), str(other.fileno())]
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[other.fileno()],
            )
        return self._orders

    def close(self) -> None:
        """Let it end."""
        if self._orders is not None:
            self._orders.close()
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(5.0)
        self._orders = self._process = None

    def __del__(self) -> None:
        # Python itself may be ending.
        with suppress(Exception):
            self.close()
