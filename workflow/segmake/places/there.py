"""A computer that is reached over SSH: the one module that runs, sends and fetches over a connection."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from posixpath import dirname
from typing import Any, TypeVar

import asyncssh

from segmake.core.files import one_line, readable
from segmake.messages import Problem
from segmake.places import tar_files
from segmake.places.in_order import in_order
from segmake.places.login import Login
from segmake.places.login_script import NO_FOLDER, LoginScript
from segmake.places.place import BLOCK, PART, PIECE, Answer, File, Place
from segmake.places.shell_scripts import CHECKSUMS, FREE_SPACE, TAKE_MANY, TAKE_UP, TRY_DISK

# find's -printf: path, size, time, each with a zero behind it, as a name may hold anything else.
_FIND = r"%P\0%s\0%T@\0"

# What is read of the words of tools.
_ENGLISH = {"LC_ALL": "C"}
_DENIED = re.compile(r"^find: .*?/\./(.*?)'?: Permission denied$")
_FULL = re.compile(r"No space left|quota", re.IGNORECASE)
_OTHER_TOOLS = re.compile(
    r"unrecognized|unknown (primary|option|predicate)|(invalid|illegal) option"
)
_NO_COMMAND = 127

# SSH_MSG_IGNORE
_EMPTY_PACKET = 2

# Bytes that are on the way for one file.
_AHEAD = 2 * 1024**2

T = TypeVar("T")


class There(Place):
    """Another computer.

    Parameters
    ----------
    login : Login
        Made once, and again after the connection was lost, when the next call is made.
    """

    def __init__(self, login: Login) -> None:
        self.login = login
        self._connection: asyncssh.SSHClientConnection | None = None
        self._files: asyncssh.SFTPClient | None = None
        self._one_login = asyncio.Lock()
        # Folders that are there: to ask for each file takes as long as a small file itself.
        self._made = {""}

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.login.host

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection that is not known to be lost."""
        return self._connection is not None and not self._connection.is_closed()

    def take_over(self, other: There) -> None:
        """Go on with the connection of another login at the same computer, which has none then."""
        self._connection, other._connection = other._connection, None
        self.login.take_over(other.login)

    def on_the_way(self, host: str) -> There:
        """Return one of `Login.jumps`, by the login that was made there already; it ends with this one's."""
        jumps = self.login.jumps()
        before = ",".join(jumps[: jumps.index(host)])
        place = There(replace(self.login, host=host, entry="", through=before))
        place._connection = self.login.passed.get(host)
        return place

    async def connect(self) -> asyncssh.SSHClientConnection:
        """Return the connection, which all calls share: a second factor is asked for once."""
        async with self._one_login:
            if self._connection is None or self._connection.is_closed():
                self._files = None
                self._made = {""}
                self._connection = await self.login.connect(again=self._connection is not None)
                _spare_empty_packets(self._connection)
            return self._connection

    async def run(
        self,
        command: Sequence[str],
        *,
        folder: str = "",
        data: bytes = b"",
        variables: Mapping[str, str] | None = None,
    ) -> Answer:
        """Run a command to its end."""
        return await self._run(LoginScript(command, folder, variables or {}), data)

    async def _run(self, script: LoginScript, data: bytes = b"") -> Answer:
        connection = await self.connect()
        # Of no input the library sends no end, for which what reads it would wait.
        given: dict[str, Any] = {"input": data} if data else {"stdin": asyncssh.DEVNULL}
        done = await self._told(connection.run(str(script), **given, encoding=None, check=False))
        answer = Answer(done.returncode or 0, _bytes(done.stdout), _bytes(done.stderr))
        return self._own_words(script, answer, lost=done.returncode is None)

    def _own_words(self, script: LoginScript, answer: Answer, *, lost: bool) -> Answer:
        """Return what the command itself gave, without what is said at a login."""
        if lost:
            raise self._lost("")
        out, err = map(script.without_greeting, (answer.out, answer.err))
        if out is None or err is None:
            said = one_line((answer.out + b" " + answer.err).decode(errors="replace"))
            if not said:
                raise Problem("SM-SSH-041", where=self.name)
            raise Problem("SM-SSH-011", where=self.name, said=said)
        if answer.code == NO_FOLDER:
            raise Problem("SM-SSH-013", where=self.name, path=readable(script.folder))
        return Answer(answer.code, out, err)

    async def _tool(
        self, command: Sequence[str], path: str, *, folder: str = "", data: bytes = b""
    ) -> Answer:
        """Run what every Linux has; if it fails, tell why.

        Parameters
        ----------
        command : sequence of str
        path : str
            What messages name.
        folder : str
        data : bytes
        """
        answer = await self._run(LoginScript(command, folder, _ENGLISH, login=False), data)
        if answer.code:
            raise self._failed(path, answer.err.decode(errors="replace"), answer.code)
        return answer

    async def files(self, folder: str, *, unread: list[str] | None = None) -> dict[str, File]:
        """Return all files below a folder."""
        command = ["find", "-L", f"{folder}/.", "-type", "f", "-printf", _FIND]
        found = await self._run(LoginScript(command, variables=_ENGLISH, login=False))
        if found.code and not found.out and _is_gone(found.err):
            return {}
        if found.code:
            for line in found.err.decode(errors="surrogateescape").splitlines():
                self._not_listed(line, folder, found.code, unread)
        words = found.text.split("\0")[:-1]
        return {
            path: File(int(size), float(time))
            for path, size, time in zip(words[::3], words[1::3], words[2::3], strict=True)
        }

    def _not_listed(self, line: str, folder: str, code: int, unread: list[str] | None) -> None:
        """Note what `find` could not look into; what is gone meanwhile, or a link in circles, is none of it."""
        if "No such file" in line or "file system loop" in line.lower():
            return
        denied = _DENIED.search(line)
        if denied is None or unread is None:
            raise self._failed(folder, line, code)
        unread.append(f"{denied[1]}/")

    async def look(self, path: str) -> File | None:
        """Return what is known of one file."""
        files = await self._sftp()
        try:
            known = await files.stat(_encoded(path))
        except asyncssh.SFTPNoSuchFile:
            return None
        except (asyncssh.Error, OSError) as error:
            raise self._problem(error, path) from error
        return File(known.size or 0, (known.mtime or 0) + (known.mtime_ns or 0) / 1e9)

    async def read(self, path: str, offset: int = 0) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a file."""
        files = await self._sftp()
        # Blocks of its own: the library's ones, after the connection was lost, print what nobody can read.
        file = await self._told(files.open(_encoded(path), "rb", block_size=0), path)
        size = min(BLOCK, files.limits.max_read_len)
        try:
            piece = b"?"
            while piece:
                async with in_order(_AHEAD // size) as calls:
                    at = offset
                    while True:
                        while not calls.are_enough:
                            calls.make(file.read(size, at))
                            at += size
                        piece = _bytes(await self._told(calls.answer(), path))
                        if piece:
                            yield piece
                            offset += len(piece)
                        if len(piece) < size:
                            # The end, or less than was asked for: what follows is asked for anew.
                            break
        finally:
            with suppress(asyncssh.Error, OSError):
                await file.close()

    async def write(self, path: str, pieces: AsyncIterator[bytes], offset: int = 0) -> None:
        """Write into a file from some byte on."""
        try:
            await self._write(path, pieces, offset)
        except asyncssh.SFTPFailure as error:
            raise self._failed(path, await self._why(path) or error.reason) from error
        except (asyncssh.Error, OSError) as error:
            raise self._problem(error, path) from error

    async def _write(self, path: str, pieces: AsyncIterator[bytes], offset: int) -> None:
        files = await self._sftp()
        if (folder := dirname(path)) not in self._made:
            await files.makedirs(_encoded(folder), exist_ok=True)
            self._made.add(folder)
        flags = asyncssh.FXF_WRITE | asyncssh.FXF_CREAT | (0 if offset else asyncssh.FXF_TRUNC)
        file = await files.open(_encoded(path), flags, encoding=None, block_size=0)
        size = min(BLOCK, files.limits.max_write_len)
        try:
            if offset:
                await file.truncate(offset)
            async with in_order(_AHEAD // size) as calls:
                async for piece in pieces:
                    for at in range(0, len(piece), size):
                        if calls.are_enough:
                            await calls.answer()
                        calls.make(file.write(piece[at : at + size], offset + at))
                    offset += len(piece)
                while calls:
                    await calls.answer()
        finally:
            with suppress(asyncssh.Error, OSError):
                await file.close()

    async def read_many(
        self, folder: str, names: Sequence[str]
    ) -> AsyncGenerator[tuple[str, bytes], None]:
        """Yield small files below a folder with their names, all in one stream."""
        command = ["tar", "-ch", "--no-recursion", "--verbatim-files-from", "--null", "-T", "-"]
        script = LoginScript(command, folder, _ENGLISH, login=False)
        answer, lost = await self._as_it_comes(script, _listed(names))
        stream = script.without_greeting(answer.out) or b""
        for name, content in tar_files.unpacked(stream):
            yield name, content
        if lost:
            raise lost
        answer = self._own_words(script, answer, lost=False)
        if answer.code == _NO_COMMAND or not answer.out:
            raise self._failed(folder, answer.err.decode(errors="replace"), answer.code)

    async def _as_it_comes(self, script: LoginScript, data: bytes) -> tuple[Answer, Problem | None]:
        """Run a command; return what it gave until it ended, or the connection was lost, and then that."""
        connection = await self.connect()
        process = await self._told(connection.create_process(str(script), encoding=None))
        process.stdin.write(data)
        process.stdin.write_eof()
        errors = asyncio.ensure_future(process.stderr.read())
        pieces: list[bytes] = []
        try:
            while piece := await process.stdout.read(PIECE):
                pieces.append(_bytes(piece))
            err = _bytes(await errors)
            await process.wait()
            lost = self._lost("") if process.returncode is None else None
            return Answer(process.returncode or 0, b"".join(pieces), err), lost
        except (asyncssh.Error, OSError) as error:
            return Answer(1, b"".join(pieces), b""), self._lost(str(error))
        finally:
            process.close()
            errors.cancel()
            await asyncio.gather(errors, return_exceptions=True)

    async def write_many(
        self, folder: str, files: Sequence[tuple[str, float, bytes]], aside: str = ""
    ) -> None:
        """Write small files below a folder, all in one stream."""
        await self._told((await self._sftp()).makedirs(_encoded(folder), exist_ok=True), folder)
        aside = aside or f".{secrets.token_hex(8)}{PART}"
        command = ["sh", "-c", TAKE_MANY, "sh", ".", aside]
        await self._tool(command, folder, folder=folder, data=tar_files.packed(files))

    async def take_up(self, folder: str, aside: str, whole: Sequence[str], new_aside: str) -> None:
        """Put in place what a cut `write_many` has left whole, and remove the rest."""
        command = ["sh", "-c", TAKE_UP, "sh", ".", aside, new_aside, TAKE_MANY]
        await self._tool(command, folder, folder=folder, data=_listed(whole))

    async def put_in_place(self, part: str, path: str, time: float) -> None:
        """Give a file its time and its name, in one moment."""
        files = await self._sftp()
        await self._told(files.utime(_encoded(part), (time, time)), part)
        await self._told(files.posix_rename(_encoded(part), _encoded(path)), path)

    async def move(self, path: str, new: str) -> bool:
        """Give a file another name."""
        files = await self._sftp()
        try:
            await files.posix_rename(_encoded(path), _encoded(new))
        except asyncssh.SFTPNoSuchFile:
            return False
        except (asyncssh.Error, OSError) as error:
            raise self._problem(error, path) from error
        return True

    async def remove(self, folder: str, names: Sequence[str]) -> None:
        """Remove files."""
        await self._tool(["xargs", "-0", "rm", "-f"], folder, folder=folder, data=_listed(names))

    async def checksums(
        self, folder: str, names: Sequence[str], first: int | None = None
    ) -> dict[str, str]:
        """Return the SHA-256 of files."""
        command = ["sh", "-c", CHECKSUMS, "sh", "" if first is None else str(first)]
        answer = await self._tool(command, folder, folder=folder, data=_listed(names))
        lines = answer.text.splitlines()
        return {name: line.split()[0] for name, line in zip(names, lines, strict=True) if line}

    async def free_space(self, folder: str) -> int:
        """Return the bytes that may still be written below a folder."""
        answer = await self._tool(["sh", "-c", FREE_SPACE, "sh", folder], folder)
        if not answer.text.split():
            raise self._failed(folder, answer.err.decode(errors="replace"))
        return int(answer.text.split()[0]) * 1024

    @asynccontextmanager
    async def tunnel(self, target: str) -> AsyncIterator[int]:
        """Yield a port of this computer's loopback that leads to a socket or port over there."""
        connection = await self.connect()
        if target.isdigit():
            way = connection.forward_local_port("127.0.0.1", 0, "127.0.0.1", int(target))
        else:
            socket = await self._in_full(target)
            way = connection.forward_local_port_to_path("127.0.0.1", 0, socket)
        listener = await self._told(way)
        try:
            yield listener.get_port()
        finally:
            listener.close()

    async def close(self) -> None:
        """End the connection."""
        if self._connection:
            self._connection.close()
            with suppress(asyncssh.Error, OSError):
                await self._connection.wait_closed()
            self._connection = self._files = None

    async def _in_full(self, path: str) -> str:
        """Return a path that begins at the root."""
        if path.startswith("/"):
            return path
        answer = await self.run(["sh", "-c", 'printf %s "$HOME"'])
        return f"{answer.text}/{path.removeprefix('~/')}"

    async def _sftp(self) -> asyncssh.SFTPClient:
        connection = await self.connect()
        if self._files is None:
            try:
                # Names are bytes: those of a microscope's computer are not all UTF-8.
                self._files = await connection.start_sftp_client(path_encoding=None)
            except asyncssh.SFTPBadMessage as error:
                raise Problem("SM-SSH-015", where=self.name) from error
            except (asyncssh.Error, OSError) as error:
                if connection.is_closed():
                    raise self._lost(str(error)) from error
                raise Problem("SM-SSH-023", where=self.name, host=self.name) from error
        return self._files

    async def _why(self, path: str) -> str:
        """Return why nothing can be written beside a file: SFTP itself says "Failure" and no more."""
        folder = f"{dirname(path) or '.'}/"
        command = ["sh", "-c", TRY_DISK, "sh", folder, f".{secrets.token_hex(8)}{PART}"]
        answer = await self._run(LoginScript(command, variables=_ENGLISH, login=False))
        return answer.err.decode(errors="replace")

    async def _told(self, call: Awaitable[T], path: str = "") -> T:
        """Wait for an answer, and tell what goes wrong in words."""
        try:
            return await call
        except (asyncssh.Error, OSError) as error:
            raise self._problem(error, path) from error

    def _problem(self, error: Exception, path: str) -> Problem:
        lost = asyncssh.SFTPNoConnection | asyncssh.SFTPConnectionLost
        if isinstance(error, asyncssh.SFTPError) and not isinstance(error, lost):
            return self._failed(path, error.reason)
        return self._lost(str(error))

    def _lost(self, error: str) -> Problem:
        return Problem("SM-SSH-010", where=self.name, host=self.name, error=one_line(error))

    def _failed(self, path: str, error: str, exit_code: int = 1) -> Problem:
        """Return what is wrong with a file, or with the computer."""
        if exit_code == _NO_COMMAND or _OTHER_TOOLS.search(error):
            return Problem("SM-SSH-019", where=self.name, host=self.name, error=one_line(error))
        if _FULL.search(error):
            # A part of a file has a name that says nothing to anybody.
            return Problem("SM-SSH-021", where=self.name, path=readable(dirname(path) or "."))
        return Problem("SM-SSH-012", where=self.name, path=readable(path), error=one_line(error))


def _spare_empty_packets(connection: asyncssh.SSHClientConnection) -> None:
    """Leave out the empty packet that the library sends before each one: a seventh of the time of sending.

    It is for ciphers (CBC) whose packets hang on the one before, and of no use to others (RFC 4251, section 9.3.1).
    """
    cipher = connection.get_extra_info("send_cipher", "")
    if "gcm" not in cipher and "chacha20" not in cipher:
        return
    send = connection.send_packet

    def send_full(kind: int, *words: bytes, **more: Any) -> None:
        if kind != _EMPTY_PACKET:
            send(kind, *words, **more)

    connection.send_packet = send_full  # type: ignore[method-assign,assignment]


def _listed(names: Sequence[str]) -> bytes:
    """Return names of files as tools read them, with zeros behind, and none that looks like an option."""
    return "".join(f"./{name}\0" for name in names).encode(errors="surrogateescape")


def _is_gone(error: bytes) -> bool:
    return b"No such file" in error


def _bytes(read: object) -> bytes:
    return read if isinstance(read, bytes) else b""


def _encoded(path: str) -> bytes:
    # SFTP knows no `~`: it starts in the home.
    return path.removeprefix("~/").encode(errors="surrogateescape")
