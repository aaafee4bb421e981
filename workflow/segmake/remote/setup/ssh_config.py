"""The user's SSH settings, ``~/.ssh/config``: an entry is added at the top, and nothing else in it is ever changed."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from segmake.core.files import error_line, write_atomically
from segmake.messages import Problem, say

# Names of login nodes that say nothing of the cluster.
_GENERAL = re.compile(r"(login|log|ssh|front(end)?|gate(way)?|access|submit|head|hpc)[-_]?\d*")

# A keyword with its values; OpenSSH takes `=` between them, too.
_LINE = re.compile(r"\s*(?P<keyword>\w+)(?:\s*=\s*|\s+)(?P<values>.*?)\s*")


@dataclass(frozen=True)
class Entry:
    """What SSH is to know of a computer.

    Attributes
    ----------
    names : tuple of str
        Under which it can be reached.
    host : str
        Its name, or address.
    user : str
    port : int
    through : str
        The computer to go over; empty for none.
    key : str
        The file of the key to offer, as `segmake.remote.setup.own_key.OwnKey.name`; empty for what SSH finds by itself.
    """

    names: tuple[str, ...]
    host: str
    user: str
    port: int = 22
    through: str = ""
    key: str = ""

    def lines(self) -> list[str]:
        """Return the entry as it is written."""
        values = {
            "HostName": self.host,
            "User": self.user,
            "Port": "" if self.port == 22 else str(self.port),
            "ProxyJump": self.through,
            "IdentityFile": self.key,
        }
        inside = [f"    {name} {value}" for name, value in values.items() if value]
        return [f"# {say('reach.entry')}", f"Host {' '.join(self.names)}", *inside, ""]


def has_entry(config: Path, name: str) -> bool:
    """Return whether a computer has an entry of its own under a name; patterns with ``*`` are none."""
    return any(
        keyword == "host" and name.lower() in values.lower().replace('"', " ").split()
        for keyword, values in _settings(config, depth=3)
    )


def add_entry(config: Path, entry: Entry) -> None:
    """Write an entry before all others: SSH takes the first value that it finds.

    Raises
    ------
    Problem
        ``SM-REM-037`` if the file can't be written.
    """
    # A link to where somebody keeps such files stays one.
    file = Path(os.path.realpath(config))
    try:
        before = file.read_bytes() if file.exists() else b""
        lines = entry.lines()
        first = next(_settings(file, depth=0), ("host", ""))[0]
        if first not in ("host", "match"):
            # What stands there counts for all computers, and not for this one alone.
            lines += ["Host *", ""]
        end = "\r\n" if before.partition(b"\n")[0].endswith(b"\r") else "\n"
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with write_atomically(file) as part:
            part.touch(mode=0o600)
            part.write_bytes("".join(line + end for line in lines).encode() + before)
            if file.exists():
                part.chmod(file.stat().st_mode & 0o7777)
    except OSError as error:
        raise Problem("SM-REM-037", where=str(config), error=error_line(error)) from error


def short_name(host: str) -> str:
    """Return what people call a computer: ``cluster`` for ``login.cluster.example.org``; empty for a bare address."""
    with suppress(ValueError):
        ipaddress.ip_address(host)
        return ""
    labels = host.split(".")
    named = [label for label in labels[:-1] if not _GENERAL.fullmatch(label.lower())]
    return named[0] if named and named[0] != host else ""


def is_one_computers(host: str) -> bool:
    """Return whether a name is that of one computer: an address, such as that of this one, may be that of several."""
    with suppress(ValueError):
        ipaddress.ip_address(host)
        return False
    return host.lower() != "localhost"


def _settings(config: Path, *, depth: int) -> Iterator[tuple[str, str]]:
    """Yield keywords (in small letters) and values of a file and, to some depth, of those that it includes."""
    try:
        text = config.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        if not found:
            continue
        keyword, values = found["keyword"].lower(), found["values"]
        yield keyword, values
        if keyword == "include" and depth:
            for pattern in values.replace('"', " ").split():
                place = Path(pattern).expanduser()
                top = Path(place.anchor) if place.is_absolute() else config.parent
                for other in sorted(top.glob(str(place.relative_to(place.anchor)))):
                    yield from _settings(other, depth=depth - 1)
