"""One login for everything: who one is, which computer it is, and what is wrong if it fails."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import asyncssh

from segmake.core.files import one_line
from segmake.messages import Problem, say
from segmake.places.asking import Asking
from segmake.places.host_keys import HostKeys, listed_name

# Seconds until a computer that does not answer counts as out of reach, and until a silent connection counts as lost.
CONNECT_SECONDS = 20
ALIVE_SECONDS, ALIVE_COUNT = 15, 4

# What processors have an instruction for comes first: half the time of what asyncssh prefers.
FAST_FIRST = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"

# So often one may mistype.
TRIES = 3


@dataclass
class Login:
    """How to reach a computer.

    Parameters
    ----------
    host : str
        Its name, its address, or the name of an entry in the user's ``~/.ssh/config``, as in ``ssh HOST``; with
        ``USER@`` before it and ``:PORT`` behind it where they are not in the entry.
    asking : Asking
        Whom to ask for passwords and the like.
    host_keys : HostKeys
        Which computers are known.
    config : Path
        The user's SSH config.
    through : str
        The computer to go over, with ``USER@`` and ``:PORT`` as above, several with commas between them; empty for what
        the user's SSH config says.
    only_key : Path, optional
        The one key to offer, and no password; a second factor is asked for all the same.

    Attributes
    ----------
    keys_refused : list of str
        The computers that take keys, but let none of this user's in at the last login.
    had_to_type : bool
        Whether a password, or the number of a second factor, was typed for it.
    """

    host: str
    asking: Asking
    host_keys: HostKeys = field(default_factory=HostKeys)
    config: Path = field(default_factory=lambda: Path("~/.ssh/config").expanduser())
    through: str = ""
    only_key: Path | None = None
    keys_refused: list[str] = field(default_factory=list, init=False)
    had_to_type: bool = field(default=False, init=False)

    async def connect(self, *, again: bool = False) -> asyncssh.SSHClientConnection:
        """Log in.

        Parameters
        ----------
        again : bool
            Whether there was a connection, which is lost: the first question says so.

        Raises
        ------
        Problem
            ``SM-SSH-001`` to ``SM-SSH-009``.
        """
        asking = _WhyAgain(self.asking, self.host) if again else self.asking
        through = None
        self.keys_refused, self.had_to_type = [], False
        for jump in self.jumps():
            through = await self._connect(jump, through, asking)
        return await self._connect(self.host, through, asking)

    def jumps(self) -> list[str]:
        """Return the computers on the way, nearest first: what OpenSSH calls ProxyJump.

        Raises
        ------
        Problem
            ``SM-SSH-009`` if the user's SSH config can't be read.
        """
        tunnel = self.through or self.options().tunnel
        return tunnel.split(",") if isinstance(tunnel, str) and tunnel != "none" else []

    def options(self) -> asyncssh.SSHClientConnectionOptions:
        """Return what the host's name and the user's SSH config say: user, address, port.

        Raises
        ------
        Problem
            ``SM-SSH-009`` if the config can't be read.
        """
        try:
            return _read(self._names(self.host))
        except (asyncssh.ConfigParseError, OSError, ValueError) as error:
            raise Problem(
                "SM-SSH-009", where=str(self.config), error=one_line(str(error))
            ) from error

    def _names(self, host: str) -> dict[str, Any]:
        user, at, host = host.rpartition("@")
        name, colon, port = host.rpartition(":")
        found: dict[str, Any] = {"host": host}
        if colon and port.isdigit() and ":" not in name:
            found = {"host": name, "port": int(port)}
        if at:
            found["username"] = user
        return found | {"config": [str(self.config)] if self.config.is_file() else None}

    def _names_and_keys(self, host: str) -> dict[str, Any]:
        """Return `_names` with the keys to offer, where files that are none would stop asyncssh."""
        names = self._names(host)
        try:
            asyncssh.SSHClientConnectionOptions(**names)
        except (asyncssh.KeyImportError, OSError):
            # As OpenSSH does, pass over a file that is no key, or not there.
            names["client_keys"] = _Keys(map(str, filter(_is_key, _key_files(names))))
        return names

    async def _connect(
        self, host: str, through: asyncssh.SSHClientConnection | None, asking: Asking
    ) -> asyncssh.SSHClientConnection:
        """Log in at one computer; the first time it is asked whether it is the right one."""
        for _ in range(2):
            visit = _Visit(host, asking, self.host_keys, self._names(host))
            try:
                if self.only_key and host == self.host:
                    names = self._names(host) | visit.with_key_alone(self.only_key)
                else:
                    names = self._names_and_keys(host)
                connection = await asyncssh.connect(
                    **names,
                    tunnel=through or (),
                    client_factory=lambda visit=visit: visit,
                    known_hosts=self.host_keys.trusted,
                    connect_timeout=CONNECT_SECONDS,
                    encryption_algs=FAST_FIRST,
                    keepalive_interval=ALIVE_SECONDS,
                    keepalive_count_max=ALIVE_COUNT,
                )
            except asyncssh.HostKeyNotVerifiable as error:
                if not visit.offered:
                    names = {"host": host, "error": one_line(error.reason)}
                    raise Problem("SM-SSH-017", where=host, **names) from error
                await self._know(host, visit.offered)
            except (OSError, asyncssh.Error, ValueError) as error:
                raise self._problem(host, visit, error) from error
            else:
                if through:
                    connection.set_tunnel(through)
                self.keys_refused += [host] if visit.keys_refused else []
                self.had_to_type |= bool(visit.challenges or visit.passwords)
                return connection
        raise Problem("SM-SSH-004", where=host, host=host, fingerprint="?")

    async def _know(self, host: str, offered: _Offered) -> None:
        """Ask whether a computer is the right one; a known one that has changed is never taken."""
        names = {"host": host, "fingerprint": offered.key.get_fingerprint()}
        known = self.host_keys.others(offered.host, offered.address, offered.port)
        if offered.key in known:
            # Another login has just been told that it is the right one.
            return
        if known:
            old = ", ".join(key.get_fingerprint() for key in known)
            files = ", ".join(map(str, self.host_keys.files))
            listed = listed_name(offered.host, offered.port)
            raise Problem("SM-SSH-005", where=host, known=old, files=files, listed=listed, **names)
        if not await self.asking.agrees(say("ssh.unknown_host", **names)):
            raise Problem("SM-SSH-004", where=host, **names)
        self.host_keys.add(offered.host, offered.port, offered.key)

    def _problem(self, host: str, visit: _Visit, error: Exception) -> Problem:
        """Return what is wrong, of all the ways in which a login fails."""
        words = one_line(getattr(error, "reason", "") or str(error) or type(error).__name__)
        if isinstance(error, socket.gaierror):
            return Problem("SM-SSH-001", where=host, host=host)
        if isinstance(error, asyncio.TimeoutError | TimeoutError):
            return Problem("SM-SSH-003", where=host, host=host, seconds=CONNECT_SECONDS)
        if isinstance(error, ConnectionRefusedError):
            return Problem("SM-SSH-002", where=host, host=host)
        if isinstance(error, OSError) and error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
            return Problem("SM-SSH-003", where=host, host=host, seconds=CONNECT_SECONDS)
        if isinstance(error, asyncssh.PermissionDenied):
            if visit.passwords or visit.challenges:
                return Problem("SM-SSH-006", where=host, host=host, user=self._user(host))
            return Problem("SM-SSH-007", where=host, host=host, user=self._user(host))
        return Problem("SM-SSH-010", where=host, host=host, error=words)

    def _user(self, host: str) -> str:
        """Return under which name one logs in."""
        return _read(self._names(host)).username


class _Keys(list[str]):
    """Files of keys, of which there may be none: by an empty list asyncssh means all that it finds."""

    def __bool__(self) -> bool:
        return True


@dataclass
class _WhyAgain:
    """Says with the first question why it is asked once more."""

    asking: Asking
    host: str
    told: bool = False

    async def secret(self, question: str, *, shown: bool = False) -> str | None:
        return await self.asking.secret(self._why(question), shown=shown)

    async def agrees(self, question: str) -> bool:
        return await self.asking.agrees(self._why(question))

    def _why(self, question: str) -> str:
        if self.told:
            return question
        self.told = True
        # A line that shows how far something is may stand there, half.
        return f"\n{say('ssh.once_more', host=self.host)}\n{question}"


@dataclass(frozen=True)
class _Offered:
    """The key that an unknown computer shows."""

    host: str
    address: str
    port: int
    key: asyncssh.SSHKey


class _Visit(asyncssh.SSHClient):
    """What one login is asked, and how often."""

    def __init__(
        self, host: str, asking: Asking, host_keys: HostKeys, names: dict[str, Any]
    ) -> None:
        self.host = host
        self.asking = asking
        self.host_keys = host_keys
        self.names = names
        self.locked: list[Path] | None = None
        self.offered: _Offered | None = None
        self.passwords = 0
        self.challenges = 0
        self.refused_to_answer = False
        self.keys_refused = False
        self.no_password = False

    def with_key_alone(self, path: Path) -> dict[str, Any]:
        """Return the options with which no other key is offered, and no password."""
        self.no_password = True
        self.locked = [path] if _is_locked(path) else []
        # An empty list would be all of the user's.
        return {"client_keys": None if self.locked else [str(path)], "agent_path": None}

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        self.offered = _Offered(host, addr, port, key)
        return False

    async def public_key_auth_requested(self) -> list[asyncssh.SSHKey] | None:
        """Return the next key that takes a passphrase: those without were tried before."""
        if self.locked is None:
            self.locked = list(filter(_is_locked, _key_files(self.names)))
        while self.locked:
            path = self.locked.pop(0)
            for tried in range(TRIES):
                question = "ssh.passphrase_again" if tried else "ssh.passphrase"
                typed = await self.asking.secret(say(question, path=path))
                if typed is None:
                    break
                try:
                    return [asyncssh.read_private_key(path, typed)]
                except asyncssh.KeyEncryptionError:
                    continue
                except asyncssh.KeyImportError:
                    break
        self.keys_refused = True
        return None

    async def password_auth_requested(self) -> str | None:
        if self.passwords >= TRIES or self.refused_to_answer or self.no_password:
            return None
        question = "ssh.password_again" if self.passwords else "ssh.password"
        typed = await self.asking.secret(say(question, host=self.host))
        self.passwords += 1
        self.refused_to_answer = typed is None
        return typed

    def password_change_requested(self, prompt: str, lang: str) -> Any:
        raise Problem("SM-SSH-008", where=self.host, host=self.host)

    async def kbdint_auth_requested(self) -> str | None:
        return None if self.challenges >= TRIES or self.refused_to_answer else ""

    async def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> Sequence[str] | None:
        """Return the answers to what the other computer asks, such as the number that a telephone shows."""
        answers = []
        for text, shown in prompts:
            question = "\n".join(filter(None, [name.strip(), instructions.strip(), text]))
            typed = await self.asking.secret(question, shown=shown)
            if typed is None:
                self.refused_to_answer = True
                return None
            answers.append(typed)
        # Some servers send an empty one last.
        self.challenges += bool(prompts)
        return answers


def _read(names: dict[str, Any]) -> asyncssh.SSHClientConnectionOptions:
    """Return what a name and the user's SSH config say, without reading any key."""
    return asyncssh.SSHClientConnectionOptions(**(names | {"client_keys": None}))


def _key_files(names: dict[str, Any]) -> list[Path]:
    """Return where the user's keys are: those that the SSH config names, else the usual ones."""
    options = _read(names)
    kinds = ("ed25519", "ecdsa", "rsa", "ed25519_sk", "ecdsa_sk")
    usual = [f"~/.ssh/id_{kind}" for kind in kinds]
    named = cast(list[str], options.config.get("IdentityFile", []))
    return [Path(name).expanduser() for name in named or usual]


def _is_key(path: Path) -> bool:
    """Return whether a file is a key that takes no passphrase."""
    try:
        asyncssh.read_private_key(path)
    except (asyncssh.KeyImportError, OSError):
        return False
    return True


def _is_locked(path: Path) -> bool:
    """Return whether a file is a key that takes a passphrase."""
    try:
        asyncssh.read_private_key(path)
    except (asyncssh.KeyImportError, OSError) as error:
        return "passphrase" in str(error).lower()
    return False
