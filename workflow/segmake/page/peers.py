"""Whose program asks: on Linux the kernel says it of each connection within a computer."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# All connections of this computer, see proc(5): both ends of each are listed. Programs may take IPv6 to an old address.
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_SENDER, _RECEIVER, _USER = 1, 2, 7


def is_of_another_user(sender: tuple[str, int], receiver: tuple[str, int]) -> bool:
    """Return whether a connection was made by a program of another user, root aside; False where it is not known.

    Parameters
    ----------
    sender, receiver : (str, int)
        The addresses (IPv4) and ports of who asks and of who is asked.
    """
    ends = (_listed(sender), _listed(receiver))
    for words in _connections():
        with suppress(LookupError, ValueError):
            if words[_SENDER].endswith(ends[0]) and words[_RECEIVER].endswith(ends[1]):
                return int(words[_USER]) not in (0, os.getuid())
    return False


def _connections() -> Iterator[list[str]]:
    for table in _TABLES:
        with suppress(OSError, ValueError):
            for line in table.read_text(encoding="ascii").splitlines()[1:]:
                yield line.split()


def _listed(end: tuple[str, int]) -> str:
    """Return an end of a connection as it is listed: the bytes of the address as this machine has numbers."""
    address = int.from_bytes(socket.inet_aton(end[0]), sys.byteorder)
    return f"{address:08X}:{end[1]:04X}"
