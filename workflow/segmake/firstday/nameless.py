"""Takes out of what was found who found it, and where: names of people, machines and folders."""

from __future__ import annotations

import getpass
import grp
import os
import pwd
import re
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from segmake.slurm import commands as slurm
from segmake.slurm.commands import SlurmError

# Partitions and accounts are often called so: the word says nothing of anybody.
_COMMON = frozenset(
    (
        *("all", "batch", "compute", "cpu", "debug", "default", "dev", "devel", "express", "fast"),
        *("general", "gpu", "gpus", "interactive", "large", "long", "main", "medium", "normal"),
        *("other", "production", "queue", "root", "shared", "short", "small", "standard", "test"),
        "users",
    )
)

_ADDRESS = re.compile(
    r"\b\d{1,3}(?:\.\d{1,3}){3}\b"  # IPv4
    r"|\b(?:[0-9a-f]{1,4}:){4,}[0-9a-f]{0,4}\b"  # IPv6, and of network cards
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"  # e-mail
    r"|\b(?:GPU-|MIG-)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
    re.IGNORECASE,
)

# What stands in quotation marks may have spaces in it.
_PATH = re.compile(
    r"""(?<=")/[^"\n]+(?=")|(?<=')/[^'\n]+(?=')|(?<![\w./…<])/(?!/)[^\s"'`,;:()\[\]<>|]+"""
)

# A version may look like an address; alone, nothing else does.
_VERSION = re.compile(r"\d+(?:\.\d+){3}")

# Folders of every Linux, and in every home that of the models.
_SYSTEM = ("/usr/bin", "/usr/lib", "/bin", "/dev", "/proc", "/sys", "/etc", "/.cellpose")

# Shorter names would be found in words that mean something else.
_SHORTEST = 2


class Nameless:
    """What must not be told, and what is told in its place.

    Parameters
    ----------
    people : iterable of str
        Names of users, of their groups and accounts.
    machines : iterable of str
        Names of computers, and of the cluster.
    partitions : iterable of str
    places : mapping
        What is told in place of a folder, by its path.
    """

    def __init__(
        self,
        people: Iterable[str] = (),
        machines: Iterable[str] = (),
        partitions: Iterable[str] = (),
        places: Mapping[str, str] | None = None,
    ) -> None:
        kinds = (("user", people), ("machine", machines), ("partition", partitions))
        self._words: dict[str, str] = {}
        for kind, names in kinds:
            for number, name in enumerate(dict.fromkeys(names), start=1):
                self._words.setdefault(name, f"{kind}-{number}")
        self._places = dict(sorted((places or {}).items(), key=lambda pair: -len(pair[0])))
        hidden = [word for word in self._words if self._is_told(word)]
        longest_first = "|".join(re.escape(word) for word in sorted(hidden, key=len, reverse=True))
        self._named = re.compile(
            rf"(?<![^\W_])(?:{longest_first or '(?!)'})(?![^\W_])", re.IGNORECASE
        )

    def of(self, name: str) -> str:
        """Return what is told in place of the name of a machine or a partition; common words stay."""
        return self._words.get(name, "…") if name.casefold() not in _COMMON else name

    def clean(self, value: Any) -> Any:
        """Return a value as it may be told: a text, or the texts in lists and mappings, without names.

        Keys of mappings stay: what they say is known.
        """
        if isinstance(value, str):
            return value if _VERSION.fullmatch(value) else self._clean(value)
        if isinstance(value, Mapping):
            return {key: self.clean(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.clean(each) for each in value]
        return value

    def _clean(self, text: str) -> str:
        for place, told in self._places.items():
            text = re.sub(rf"{re.escape(place)}(?=\W|$)", told, text)
        text = _PATH.sub(_last_part, text)
        text = self._named.sub(lambda found: self._told(found[0]), text)
        return _ADDRESS.sub("…", text)

    def _told(self, name: str) -> str:
        folded = name.casefold()
        return next(told for word, told in self._words.items() if word.casefold() == folded)

    @staticmethod
    def _is_told(word: str) -> bool:
        """Whether a name is looked for in texts, too."""
        return len(word) >= _SHORTEST and word.casefold() not in _COMMON


def names_here(folder: Path, *, on_slurm: bool) -> Nameless:
    """Return the names that this computer, its user and its cluster have.

    Parameters
    ----------
    folder : Path
        The folder in which the day's work is done.
    on_slurm : bool
        Whether Slurm is asked for what its nodes, partitions and accounts are called.
    """
    hosts = [socket.gethostname(), socket.getfqdn()]
    machines = [part for host in hosts for part in (host, host.split(".")[0], _domain(host))]
    partitions: list[str] = []
    people = list(_people())
    if on_slurm:
        with suppress(SlurmError):
            machines += slurm.node_names()
            machines.append(slurm.configuration().get("ClusterName", ""))
            partitions = sorted(slurm.partitions())
        people += [*slurm.accounts(), *slurm.qualities()]
    places = {str(folder.absolute()): ".", str(folder.resolve()): ".", str(Path.home()): "~"}
    return Nameless(filter(None, people), filter(None, machines), partitions, places)


def _people() -> Iterable[str]:
    """Yield what the user is called, and the user's groups."""
    with suppress(KeyError, OSError):
        yield getpass.getuser()
        entry = pwd.getpwuid(os.getuid())
        # "Mina Reiter,room 12,..."
        yield from (entry.pw_name, *re.split(r"[\s,]+", entry.pw_gecos))
    for group in os.getgroups():
        with suppress(KeyError):
            yield grp.getgrgid(group).gr_name


def _domain(host: str) -> str:
    return host.partition(".")[2]


def _last_part(found: re.Match[str]) -> str:
    """Return the last part of a path: the folders before it tell of people and projects."""
    path = found[0]
    if path.startswith(_SYSTEM) or path.count("/") < 2:
        return path
    return f"…/{path.rstrip('/').rpartition('/')[2]}"
