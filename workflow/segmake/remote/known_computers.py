"""Which computers this user's laptop knows, and what of each. Nothing in it is secret."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from segmake.core.files import write_atomically
from segmake.core.site_paths import Share
from segmake.core.user_settings import own_settings_folder
from segmake.places.asking import Asking
from segmake.places.host_keys import HostKeys
from segmake.places.login import Login
from segmake.remote.handed_out import HandedOut


@dataclass(frozen=True)
class Computer:
    """A computer on which experiments are computed.

    Attributes
    ----------
    host : str
        As `segmake.places.login.Login` takes it.
    segmake : str
        The program ``segmake`` there, from the root on; empty while it is not known.
    experiments : str
        The folder there below which the user's last experiment was put.
    handed_out : HandedOut
        What the institute's file says of it.
    """

    host: str
    segmake: str = ""
    experiments: str = ""
    handed_out: HandedOut = field(default_factory=HandedOut)

    def login(self, asking: Asking, **more: Any) -> Login:
        """Return how to reach it; ``more`` are further values of `Login`."""
        keys = HostKeys(handed_out=self.handed_out.host_keys)
        return Login(self.host, asking, keys, **more)


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
        if computer.host == host:
            return computer
    for computer in known:
        if bare(host) in (bare(computer.host), bare(computer.handed_out.host)):
            return replace(computer, host=host)
    return Computer(host)


def remember(computer: Computer) -> None:
    """Note what is known of a computer, in place of what was known before."""
    others = [each for each in known_computers() if each.host != computer.host]
    text = json.dumps([asdict(each) for each in (computer, *others)], indent=1, ensure_ascii=False)
    with write_atomically(_file()) as part:
        part.write_text(text + "\n", encoding="utf-8")


def login_of(host: str, asking: Asking) -> Login:
    """Return how to log in at a computer, with the host keys that the institute handed out.

    Parameters
    ----------
    host : str
        As `segmake.remote.remembered.PlaceFile.host` has it.
    asking : Asking
        Whom to ask for passwords and the like.
    """
    return known_computer(host).login(asking)


def shares_of(host: str) -> list[Share]:
    """Return which folders of a computer this laptop sees too, under other names."""
    return known_computer(host).handed_out.shares


def bare(host: str) -> str:
    """Return a computer's name, as it was typed, without user and port."""
    name = host.rpartition("@")[2]
    before, colon, port = name.rpartition(":")
    return before if colon and port.isdigit() and ":" not in before else name


def _file() -> Path:
    return own_settings_folder() / "computers.json"


def _computer(handed_out: dict[str, Any], **known: str) -> Computer:
    return Computer(**known, handed_out=HandedOut(**handed_out))
