"""One login for everything: who one is, which computer it is, and what is wrong if it fails."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Any, cast

import asyncssh

from segmake.core.files import one_line
from segmake.messages import Problem, say
from segmake.places.asking import Asking, Untimed
from segmake.places.host_keys import HostKeys, listed_name

# Seconds until a computer that does not answer counts as out of reach, and until a silent connection counts as lost.
CONNECT_SECONDS = 20
ALIVE_SECONDS, ALIVE_COUNT = 15, 4

# What processors have an instruction for comes first: half the time of what asyncssh prefers.
FAST_FIRST = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"

# So often one may mistype.
TRIES = 3

# What systems say where nobody listens, and where no network leads there; Windows has numbers of its own.
_REFUSED = {errno.ECONNREFUSED, 10061, 1225}
_NO_WAY = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, 10050, 10051, 10065, 1231, 1232}
_ERROR_NUMBER = re.compile(r"\[(?:Errno|WinError) (\d+)\]")

# How a server asks for the password, and for the number of a second factor, which some call a one-time password.
_PASSWORD = re.compile(r"password|mot de passe|kennwort|passwort", re.IGNORECASE)
_NUMBER = re.compile(r"one.?time|otp|token|code|jeton|unique|einmal", re.IGNORECASE)


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
    entry : str
        The entry in the user's SSH config that leads to it; empty for one that is called as the host.

    Attributes
    ----------
    passed : dict
        The connections to the computers on the way, by their names as in `jumps`.
    keys_refused : list of str
        The computers that take keys, but let none of this user's in at the last login.
    typed_for : list of str
        The computers for which a password, or the number of a second factor, was typed at the last login.
    """

    host: str
    asking: Asking
    host_keys: HostKeys = field(default_factory=HostKeys)
    config: Path = field(default_factory=lambda: Path("~/.ssh/config").expanduser())
    through: str = ""
    entry: str = ""
    passed: dict[str, asyncssh.SSHClientConnection] = field(default_factory=dict, init=False)
    keys_refused: list[str] = field(default_factory=list, init=False)
    typed_for: list[str] = field(default_factory=list, init=False)

    @property
    def had_to_type(self) -> bool:
        """Whether a password, or the number of a second factor, was typed for it."""
        return bool(self.typed_for)

    async def connect(self, *, again: bool = False) -> asyncssh.SSHClientConnection:
        """Log in.

        Parameters
        ----------
        again : bool
            Whether there was a connection, which is lost: the first question says so.

        Raises
        ------
        Problem
            ``SM-SSH-001`` to ``SM-SSH-010``, ``SM-SSH-017``, ``SM-SSH-030`` to ``SM-SSH-035``, ``SM-SSH-042``.
        """
        asking = _WhyAgain(self.asking, self.host) if again else self.asking
        self.keys_refused, self.typed_for, self.passed = [], [], {}
        try:
            for jump in self.jumps():
                self.passed[jump] = await self._connect(jump, self._last_passed(), asking)
            return await self._connect(self.host, self._last_passed(), asking)
        except BaseException:
            for passed in self.passed.values():
                passed.close()
            raise

    def take_over(self, other: Login) -> None:
        """Know of this login what is known of another one at the same computer, which may be called otherwise."""

        def own(hosts: list[str]) -> list[str]:
            return [self.host if host == other.host else host for host in hosts]

        self.passed = other.passed
        self.keys_refused, self.typed_for = own(other.keys_refused), own(other.typed_for)

    async def takes_key(self, path: Path) -> Taken:
        """Return whether the computer takes a key, by a login of its own; nothing but its passphrase is asked for.

        The computers on the way are those of the login that was made last. What it takes from now on counts as taken.

        Raises
        ------
        Problem
            As `connect`.
        """
        visit = self._visit(self.host, self.asking)
        names = self._names(self.host) | visit.with_key_alone(path)
        try:
            connection = await self._open(visit, names, self._last_passed())
        except asyncssh.PermissionDenied:
            # After a key that it takes it asks for something else, after another one for the next key.
            return Taken.NOT if visit.keys_refused else Taken.WITH_MORE
        except (OSError, asyncssh.Error, ValueError) as error:
            raise self._problem(self.host, visit, error) from error
        connection.close()
        await connection.wait_closed()
        for hosts in (self.keys_refused, self.typed_for):
            if self.host in hosts:
                hosts.remove(self.host)
        return Taken.ALONE

    def _last_passed(self) -> asyncssh.SSHClientConnection | None:
        return next(reversed(self.passed.values()), None)

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
        user, name, port = in_parts(self.entry if self.entry and host == self.host else host)
        found: dict[str, Any] = {"host": name}
        found |= {"port": port} if port else {}
        found |= {"username": user} if user else {}
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
            visit = self._visit(host, asking)
            try:
                connection = await self._open(visit, self._names_and_keys(host), through)
            except asyncssh.HostKeyNotVerifiable as error:
                if not visit.offered:
                    names = {"host": host, "error": one_line(error.reason)}
                    raise Problem("SM-SSH-017", where=host, **names) from error
                await self._know(host, visit.offered)
            # Of a port that can't be, Python says that it overflows.
            except (OSError, OverflowError, asyncssh.Error, ValueError) as error:
                raise self._problem(host, visit, error) from error
            else:
                if through:
                    connection.set_tunnel(through)
                self.keys_refused += [host] if visit.keys_refused else []
                self.typed_for += [host] if visit.had_to_type else []
                return connection
        raise Problem("SM-SSH-004", where=host, host=host, fingerprint="?")

    def _visit(self, host: str, asking: Asking) -> _Visit:
        names = {"host": host, "target": self.host}
        called = host if host == self.host else say("ssh.on_the_way", **names)
        return _Visit(host, called, asking, self._names(host))

    async def _open(
        self, visit: _Visit, names: dict[str, Any], through: asyncssh.SSHClientConnection | None
    ) -> asyncssh.SSHClientConnection:
        async with visit.asking.limit:
            return await asyncssh.connect(
                **names,
                tunnel=through or (),
                client_factory=lambda: visit,
                known_hosts=self.host_keys.trusted,
                # These would count what a person takes to answer.
                connect_timeout=None,
                login_timeout=0,
                encryption_algs=FAST_FIRST,
                keepalive_interval=ALIVE_SECONDS,
                keepalive_count_max=ALIVE_COUNT,
            )

    async def _know(self, host: str, offered: _Offered) -> None:
        """Ask whether a computer is the right one; a known one that has changed is never taken."""
        names = {"host": host, "fingerprint": offered.key.get_fingerprint()}
        known = self.host_keys.others(offered.host, offered.address, offered.port)
        if offered.key in known:
            # Another login has just been told that it is the right one.
            return
        if known:
            old = ", ".join(key.get_fingerprint() for key in known)
            ways = self.host_keys.ways_out(offered.host, offered.address, offered.port)
            is_own = [*ways] == [str(self.host_keys.files[0])]
            more = {"known": old, "listed": listed_name(offered.host, offered.port)}
            more |= {"files": ", ".join(ways), "ways": "\n  ".join(ways.values())}
            raise Problem("SM-SSH-005" if is_own else "SM-SSH-033", where=host, **names, **more)
        if not await self.asking.agrees(say("ssh.unknown_host", **names)):
            raise Problem("SM-SSH-004", where=host, **names)
        self.host_keys.add(offered.host, offered.port, offered.key)

    def _problem(self, host: str, visit: _Visit, error: Exception) -> Problem:
        """Return what is wrong, of all the ways in which a login fails."""
        words = one_line(getattr(error, "reason", "") or str(error) or type(error).__name__)
        if isinstance(error, socket.gaierror):
            return Problem("SM-SSH-001", where=host, host=host)
        if isinstance(error, asyncio.TimeoutError | TimeoutError):
            code = "SM-SSH-003" if host == self.host else "SM-SSH-042"
            return Problem(code, where=host, host=host, seconds=CONNECT_SECONDS)
        if isinstance(error, asyncssh.ChannelOpenError) and self.passed:
            names = {"host": host, "over": next(reversed(self.passed)), "error": words}
            return Problem("SM-SSH-032", where=host, **names)
        if visit.asking.is_waiting:
            return Problem("SM-SSH-035", where=host, host=host)
        numbers = _error_numbers(error)
        if numbers & _REFUSED:
            options = _read(self._names(host))
            user = in_parts(host)[0]
            example = f"{user}@{options.host}:2222" if user else f"{options.host}:2222"
            names = {"host": host, "port": str(options.port), "example": example}
            return Problem("SM-SSH-002", where=host, **names)
        if numbers & _NO_WAY:
            return Problem("SM-SSH-031", where=host, host=host)
        if isinstance(error, asyncssh.PermissionDenied):
            if visit.refused_to_answer:
                return Problem("SM-SSH-030", where=host, host=host)
            code = "SM-SSH-034" if visit.only_passwords else "SM-SSH-006"
            code = code if visit.had_to_type else "SM-SSH-007"
            return Problem(code, where=host, host=host, user=self._user(host))
        return Problem("SM-SSH-010", where=host, host=host, error=words)

    def _user(self, host: str) -> str:
        """Return under which name one logs in."""
        return _read(self._names(host)).username


class Taken(Enum):
    """Whether a computer takes a key."""

    ALONE = auto()
    WITH_MORE = auto()
    NOT = auto()


def in_parts(host: str) -> tuple[str, str, int]:
    """Return user, name and port of ``USER@HOST:PORT``; an address with colons stands in brackets before a port."""
    user, _, host = host.rpartition("@")
    name, colon, port = host.rpartition(":")
    # There are signs that count as digits, and are no numbers.
    if colon and port.isascii() and port.isdecimal() and (":" not in name or name.endswith("]")):
        return user, name.strip("[]"), int(port)
    return user, host.strip("[]"), 0


def in_one(user: str, name: str, port: int) -> str:
    """Return ``USER@HOST:PORT``, without what SSH takes by itself."""
    return (
        f"{user}@{name}" if port == 22 else f"{user}@{f'[{name}]' if ':' in name else name}:{port}"
    )


def _error_numbers(error: Exception) -> set[int]:
    """Return the numbers of an error; of a computer with several addresses, each has one, which stands in the text."""
    if not isinstance(error, OSError):
        return set()
    found = {int(number) for number in _ERROR_NUMBER.findall(str(error))}
    refused = {errno.ECONNREFUSED} if isinstance(error, ConnectionRefusedError) else set()
    return found | refused | ({error.errno} if error.errno else set())


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

    def __init__(self, host: str, called: str, asking: Asking, names: dict[str, Any]) -> None:
        self.host = host
        self.called = called
        self.asking = Untimed(asking, CONNECT_SECONDS)
        self.names = names
        self.locked: list[Path] | None = None
        self.offered: _Offered | None = None
        self.passwords = 0
        self.only_passwords = True
        # Of questions such as those of a second factor: how often they were begun, and how many were answered.
        self.rounds = 0
        self.is_new_round = False
        self.answered = 0
        self.refused_to_answer = False
        self.keys_refused = False
        self.said_why = False

    @property
    def had_to_type(self) -> bool:
        """Whether a password, or the number of a second factor, was typed."""
        return bool(self.passwords or self.answered)

    def with_key_alone(self, path: Path) -> dict[str, Any]:
        """Return the options with which no other key is offered, and nothing else."""
        self.locked = [path] if _is_locked(path) else []
        # An empty list would be all of the user's.
        keys = None if self.locked else [str(path)]
        return {"client_keys": keys, "agent_path": None, "preferred_auth": "publickey"}

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
        if self.passwords >= TRIES or self.refused_to_answer:
            return None
        question = "ssh.password_again" if self.passwords else "ssh.password"
        typed = await self.asking.secret(self._with_reason(say(question, host=self.called)))
        self.passwords += 1
        self.refused_to_answer = typed is None
        return typed

    def password_change_requested(self, prompt: str, lang: str) -> Any:
        raise Problem("SM-SSH-008", where=self.host, host=self.host)

    async def kbdint_auth_requested(self) -> str | None:
        if self.rounds >= TRIES or self.refused_to_answer:
            return None
        self.rounds += 1
        self.is_new_round = True
        return ""

    async def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> Sequence[str] | None:
        """Return the answers to what the other computer asks, such as the number that a telephone shows."""
        answers = []
        for text, shown in prompts:
            again = self.is_new_round and self.rounds > 1
            self.is_new_round = False
            whose = say("ssh.asks_again" if again else "ssh.asks", host=self.called)
            words = "\n".join(filter(None, [whose, name.strip(), instructions.strip(), text]))
            typed = await self.asking.secret(self._with_reason(words), shown=shown)
            if typed is None:
                self.refused_to_answer = True
                return None
            answers.append(typed)
            self.only_passwords &= bool(_PASSWORD.search(text)) and not _NUMBER.search(text)
        # Some servers send an empty one last.
        self.answered += bool(prompts)
        return answers

    def _with_reason(self, question: str) -> str:
        """Return a question; the first one with the reason why it is asked of somebody who has a key."""
        if (
            self.said_why
            or not self.keys_refused
            or not any(map(_is_there, _key_files(self.names)))
        ):
            return question
        self.said_why = True
        return f"{say('ssh.key_refused', host=self.called)}\n{question}"


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


def _is_there(path: Path) -> bool:
    return _is_key(path) or _is_locked(path)


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
