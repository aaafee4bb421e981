"""A computer that is reached over SSH: the one module that runs, sends and fetches over a connection."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from posixpath import dirname
from typing import TypeVar

import asyncssh

from segmake.core.files import one_line, readable
from segmake.messages import Problem
from segmake.places import tar_files
from segmake.places.login import Login
from segmake.places.login_script import NO_FOLDER, LoginScript
from segmake.places.place import PART, PIECE, Answer, File, Place
from segmake.places.shell_scripts import FREE_SPACE, TAKE_MANY

# find's -printf: path, size, time, each with a zero behind it, as a name may hold anything else.
_FIND = r"%P\0%s\0%T@\0"

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
                self._connection = await self.login.connect()
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
        script = LoginScript(command, folder, variables or {})
        connection = await self.connect()
        done = await self._told(connection.run(str(script), input=data, encoding=None, check=False))
        told = [_bytes(done.stdout), _bytes(done.stderr)]
        out, err = map(script.without_greeting, told)
        if out is None or err is None:
            said = one_line(b" ".join(told).decode(errors="replace"))
            raise Problem("SM-SSH-011", where=self.name, said=said)
        if done.returncode == NO_FOLDER:
            raise Problem("SM-SSH-013", where=self.name, path=readable(folder))
        if done.returncode is None:
            raise self._lost("")
        return Answer(done.returncode, out, err)

    async def files(self, folder: str) -> dict[str, File]:
        """Return all files below a folder."""
        found = await self.run(["find", f"{folder}/.", "-type", "f", "-printf", _FIND])
        if found.code and not found.out and b"No such file" in found.err:
            return {}
        if found.code:
            raise self._failed("SM-SSH-012", folder, found.err.decode(errors="replace"))
        words = found.text.split("\0")[:-1]
        return {
            path: File(int(size), float(time))
            for path, size, time in zip(words[::3], words[1::3], words[2::3], strict=True)
        }

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

    async def read(self, path: str, offset: int = 0) -> AsyncIterator[bytes]:
        """Yield the bytes of a file."""
        files = await self._sftp()
        file = await self._told(files.open(_encoded(path), "rb"), path)
        try:
            while piece := _bytes(await self._told(file.read(PIECE, offset), path)):
                yield piece
                offset += len(piece)
        finally:
            with suppress(asyncssh.Error, OSError):
                await file.close()

    async def write(self, path: str, pieces: AsyncIterator[bytes], offset: int = 0) -> None:
        """Write into a file from some byte on."""
        files = await self._sftp()
        if (folder := dirname(path)) not in self._made:
            await self._told(files.makedirs(_encoded(folder), exist_ok=True), path)
            self._made.add(folder)
        flags = asyncssh.FXF_WRITE | asyncssh.FXF_CREAT | (0 if offset else asyncssh.FXF_TRUNC)
        file = await self._told(files.open(_encoded(path), flags, encoding=None), path)
        try:
            if offset:
                await self._told(file.truncate(offset), path)
            async for piece in pieces:
                await self._told(file.write(piece, offset), path)
                offset += len(piece)
        finally:
            with suppress(asyncssh.Error, OSError):
                await file.close()

    async def read_many(
        self, folder: str, names: Sequence[str]
    ) -> AsyncIterator[tuple[str, bytes]]:
        """Yield small files below a folder with their names, all in one stream."""
        command = ["tar", "-c", "--no-recursion", "--verbatim-files-from", "--null", "-T", "-"]
        listed = "".join(f"./{name}\0" for name in names).encode(errors="surrogateescape")
        sent = await self.run(command, folder=folder, data=listed)
        for name, content in tar_files.unpacked(sent.out):
            yield name, content

    async def write_many(self, folder: str, files: Sequence[tuple[str, float, bytes]]) -> None:
        """Write small files below a folder, all in one stream."""
        await self._told((await self._sftp()).makedirs(_encoded(folder), exist_ok=True), folder)
        aside = f"{PART}-{secrets.token_hex(4)}"
        command = ["sh", "-c", TAKE_MANY, "sh", ".", aside]
        answer = await self.run(command, folder=folder, data=tar_files.packed(files))
        if answer.code:
            raise self._failed("SM-SSH-012", folder, answer.err.decode(errors="replace"))

    async def put_in_place(self, part: str, path: str, time: float) -> None:
        """Give a file its time and its name, in one moment."""
        files = await self._sftp()
        await self._told(files.utime(_encoded(part), (time, time)), part)
        await self._told(files.posix_rename(_encoded(part), _encoded(path)), path)

    async def free_space(self, folder: str) -> int:
        """Return the bytes that may still be written below a folder."""
        answer = await self.run(["sh", "-c", FREE_SPACE, "sh", folder])
        if answer.code or not answer.text.split():
            raise self._failed("SM-SSH-012", folder, answer.err.decode(errors="replace"))
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
                raise self._lost(str(error)) from error
        return self._files

    async def _told(self, call: Awaitable[T], path: str = "") -> T:
        """Wait for an answer, and tell what goes wrong in words."""
        try:
            return await call
        except (asyncssh.Error, OSError) as error:
            raise self._problem(error, path) from error

    def _problem(self, error: Exception, path: str) -> Problem:
        lost = asyncssh.SFTPNoConnection | asyncssh.SFTPConnectionLost
        if isinstance(error, asyncssh.SFTPError) and not isinstance(error, lost):
            return self._failed("SM-SSH-012", path, error.reason)
        return self._lost(str(error))

    def _lost(self, error: str) -> Problem:
        return Problem("SM-SSH-010", where=self.name, host=self.name, error=one_line(error))

    def _failed(self, code: str, path: str, error: str) -> Problem:
        return Problem(code, where=self.name, path=readable(path), error=one_line(error))


def _bytes(read: object) -> bytes:
    return read if isinstance(read, bytes) else b""


def _encoded(path: str) -> bytes:
    # SFTP knows no `~`: it starts in the home.
    return path.removeprefix("~/").encode(errors="surrogateescape")
