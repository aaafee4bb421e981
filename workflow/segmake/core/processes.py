"""Which process does something, and how another one finds out whether it is still there, without locking anything."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

# A process that shows that it is there does so this often; one of another computer is given up after the second.
BEAT_SECONDS = 30.0
LOST_SECONDS = 150.0

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_SPACE = Path("/proc/self/ns/pid")


class Process(NamedTuple):
    """A process of some computer.

    Attributes
    ----------
    pid : int
    host : str
        The computer's name.
    since : str
        When it noted itself, as people write it.
    time : float
        The same in seconds since 1970; 0 where it was not noted.
    boot : str
        What is another whenever that computer was started; empty where the system does not tell.
    space : str
        What numbers of processes count within: a container has numbers of its own.
    ticks : str
        When it began, by the computer's own count: numbers of processes are used again.
    """

    pid: int
    host: str
    since: str
    time: float = 0.0
    boot: str = ""
    space: str = ""
    ticks: str = ""

    def written(self) -> str:
        """Return it as one line, which `read_process` reads."""
        return "\t".join(map(str, self))

    def is_there(self, seen: float) -> bool:
        """Whether it has not ended, as far as can be told from here.

        Parameters
        ----------
        seen : float
            When it last showed that it is there, in seconds since 1970.
        """
        if self.host != host_name() or (self.space and self.space != _space()):
            return time.time() - seen < LOST_SECONDS
        if self.boot and self.boot != boot():
            return False
        try:
            os.kill(self.pid, 0)
        except PermissionError:
            pass
        except (OSError, OverflowError):
            return False
        now = _ticks(self.pid)
        # Some systems hide the processes of others.
        return now is None or (now != "" and self.ticks in ("", now))


def this_process() -> Process:
    """Return this process."""
    now = time.time()
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(now))
    ticks = _ticks(os.getpid()) or ""
    return Process(os.getpid(), host_name(), since, now, boot(), _space(), ticks)


def read_process(text: str) -> Process | None:
    """Return what `Process.written` wrote, or less, as version 0.1.0 did; None for anything else."""
    words = text.strip("\n").split("\t")
    with suppress(ValueError):
        if len(words) >= 3:
            noted = float(words[3]) if len(words) > 3 else 0.0
            return Process(int(words[0]), words[1], words[2], noted, *words[4:7])
    return None


def host_name() -> str:
    """Return the name of this computer."""
    if hasattr(os, "uname"):
        return os.uname().nodename
    # Windows, where a config can be checked.
    import socket

    return socket.gethostname()


@cache
def boot() -> str:
    """Return what is another whenever the computer was started; empty where the system does not tell."""
    with suppress(OSError):
        return _BOOT.read_text(encoding="ascii").strip()
    return ""


def _space() -> str:
    with suppress(OSError):
        return os.readlink(_SPACE)
    return ""


def _ticks(pid: int) -> str | None:
    """Return when a process began; empty if it has ended and nobody has taken note, None if the system hides it."""
    with suppress(OSError):
        # Its name, which may hold anything, stands in brackets.
        words = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(") ")[2].split()
        return "" if words[0] in "ZX" else words[19]
    return None
