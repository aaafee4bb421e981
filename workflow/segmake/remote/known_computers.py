"""Which computers this user's laptop knows, and what of each. Nothing in it is secret."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from segmake.core.files import write_atomically
from segmake.core.site_paths import Share
from segmake.core.user_settings import own_settings_folder
from segmake.places.asking import Asking, Terminal
from segmake.places.host_keys import HostKeys
from segmake.places.login import Login, in_one, in_parts
from segmake.remote.handed_out import HandedOut

# So long is waited for the addresses of a name.
LOOK_UP_SECONDS = 5


@dataclass(frozen=True)
class Computer:
    """A computer on which experiments are computed.

    Attributes
    ----------
    host : str
        ``USER@HOST:PORT``, the same on each laptop; where nobody has been yet, and where an older SegMake noted it,
        whatever `segmake.places.login.Login` takes.
    segmake : str
        The program ``segmake`` there, from the root on; empty while it is not known.
    experiments : str
        The folder there below which the user's last experiment was put.
    handed_out : HandedOut
        What the institute's file says of it.
    entry : str
        The entry in this laptop's SSH settings that leads to it; empty where it needs none.
    profile : str
        The profile that runs are started with; empty for what is there.
    """

    host: str
    segmake: str = ""
    experiments: str = ""
    handed_out: HandedOut = field(default_factory=HandedOut)
    entry: str = ""
    profile: str = ""

    def login(self, asking: Asking, **more: Any) -> Login:
        """Return how to reach it; ``more`` are further values of `Login`."""
        keys = HostKeys(handed_out=self.handed_out.host_keys)
        login = Login(self.host, asking, keys, **more)
        by_entry = replace(login, entry=self.entry)
        # An entry may have been given to another computer since.
        return by_entry if true_name(by_entry) == true_name(login) else login


def known_computers() -> list[Computer]:
    """Return all computers that are known, the one that was used last first."""
    try:
        listed = json.loads(_file().read_text(encoding="utf-8"))
        return [_computer(**each) for each in listed]
    except (OSError, ValueError, TypeError):
        # What is known is found again by asking.
        return []


def known_computer(host: str) -> Computer:
    """Return what is known of a computer; of one that nobody has been to, its name.

    Parameters
    ----------
    host : str
        As `Login` takes it: other names of one computer have the institute's file in common.
    """
    known = known_computers()
    for computer in known:
        if computer.host == host or (computer.entry == host and leads_to(host, computer.host)):
            return computer
    for computer in known:
        if leads_to(host, computer.host):
            return computer
    for computer in known:
        if bare(host) in (bare(computer.host), bare(computer.handed_out.host)):
            return replace(computer, host=host, entry="")
    return Computer(host)


async def under_another_name(computer: Computer, *, any_user: bool = False) -> Computer | None:
    """Return a known computer that has the same address, under the same user's name; None if there is none.

    With `any_user`, that may be another one's. What lies behind another computer is called as that one knows it: of
    those, nothing is said.

    Raises
    ------
    Problem
        ``SM-SSH-009`` if the SSH settings can't be read.
    """
    user, name, port = in_parts(named_in_full(computer.host))
    if computer.login(Terminal()).jumps():
        return None
    for known in known_computers():
        known_user, known_name, known_port = in_parts(named_in_full(known.host))
        if known_port != port or (known_user != user and not any_user):
            continue
        if known.login(Terminal()).jumps():
            continue
        if are_of_one(await _addresses(name), await _addresses(known_name)):
            return known
    return None


def are_of_one(first: set[str], second: set[str]) -> bool:
    """Return whether the addresses of two names are those of one computer.

    A name of several login nodes has the addresses of all; who names one of them means that one. A name may have
    addresses of a kind (with colons, or without) that the other one lacks.
    """
    by_kind = [
        [{each for each in addresses if (":" in each) == colons} for addresses in (first, second)]
        for colons in (False, True)
    ]
    of_both = [kind for kind in by_kind if all(kind)]
    return bool(of_both) and all(one == other for one, other in of_both)


async def _addresses(name: str) -> set[str]:
    """Return the addresses of a name; none where it can't be found out soon."""
    loop = asyncio.get_running_loop()
    with suppress(OSError, UnicodeError, TimeoutError):
        looked_up = loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        return {str(found[4][0]) for found in await asyncio.wait_for(looked_up, LOOK_UP_SECONDS)}
    return set()


def remember(computer: Computer) -> None:
    """Note what is known of a computer, in place of what was known before."""
    before = (computer.host, computer.entry)
    others = [each for each in known_computers() if each.host not in before]
    text = json.dumps([asdict(each) for each in (computer, *others)], indent=1, ensure_ascii=False)
    with write_atomically(_file()) as part:
        part.write_text(text + "\n", encoding="utf-8")


def login_of(host: str, asking: Asking, through: str = "") -> Login:
    """Return how to log in at a computer, with the host keys that the institute handed out.

    Parameters
    ----------
    host : str
        As `segmake.remote.remembered.PlaceFile.host` has it.
    asking : Asking
        Whom to ask for passwords and the like.
    through : str
        The computers to go over where this laptop's SSH settings name none.
    """
    login = known_computer(host).login(asking)
    return replace(login, through=through) if through and not login.jumps() else login


def shares_of(host: str) -> list[Share]:
    """Return which folders of a computer this laptop sees too, under other names."""
    return known_computer(host).handed_out.shares


def true_name(login: Login) -> str:
    """Return ``USER@HOST:PORT`` as the SSH settings have it: what means the same computer on each laptop.

    Raises
    ------
    Problem
        ``SM-SSH-009`` if they can't be read.
    """
    options = login.options()
    return in_one(options.username, options.host.lower(), options.port)


def named_in_full(host: str) -> str:
    """Return `true_name` of what `Login` takes for a host.

    Raises
    ------
    Problem
        ``SM-SSH-009`` if the SSH settings can't be read.
    """
    return true_name(Login(host, Terminal()))


def leads_to(host: str, other: str) -> bool:
    """Return whether two names are of one computer, by the SSH settings."""
    return host == other or named_in_full(host) == named_in_full(other)


def bare(host: str) -> str:
    """Return a computer's name, as it was typed, without user and port."""
    return in_parts(host)[1]


def _file() -> Path:
    return own_settings_folder() / "computers.json"


def _computer(handed_out: dict[str, Any], **known: str) -> Computer:
    return Computer(**known, handed_out=HandedOut(**handed_out))
