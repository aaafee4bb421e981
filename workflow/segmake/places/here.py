"""The computer on which SegMake itself runs."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import platform
import secrets
import shutil
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from segmake.core.files import error_line, readable
from segmake.messages import Problem
from segmake.places.foreign_names import System
from segmake.places.in_order import in_order
from segmake.places.place import PART, PIECE, Answer, File, Place

_NAME = platform.node()

# Windows would change line ends.
_BINARY = getattr(os, "O_BINARY", 0)


class Here(Place):
    """The computer on which SegMake itself runs."""

    @property
    def name(self) -> str:
        """What messages call it."""
        return _NAME

    @property
    def system(self) -> System:
        """Which names of files it takes."""
        return {"win32": "windows", "darwin": "macos"}.get(sys.platform, "linux")  # type: ignore[return-value]

    async def run(
        self,
        command: Sequence[str],
        *,
        folder: str = "",
        data: bytes = b"",
        variables: Mapping[str, str] | None = None,
    ) -> Answer:
        """Run a command to its end."""
        if folder and not _path(folder).is_dir():
            raise Problem("SM-SSH-013", where=_NAME, path=readable(folder))
        try:
            process = await asyncio.create_subprocess_exec(
                *map(_in_home, command),
                cwd=_path(folder) if folder else Path.home(),
                env={**os.environ, **(variables or {})},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            # As a shell says it.
            return Answer(127, b"", error_line(error).encode())
        try:
            out, err = await process.communicate(data)
        except asyncio.CancelledError:
            # Nobody waits for it any more; the loop may end before it does.
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        return Answer(process.returncode or 0, out, err)

    async def files(self, folder: str, *, unread: list[str] | None = None) -> dict[str, File]:
        """Return all files below a folder."""
        return await asyncio.to_thread(lambda: dict(_below(_path(folder), "", (), unread)))

    async def look(self, path: str) -> File | None:
        """Return what is known of one file."""
        with _told(path):
            try:
                known = _path(path).stat()
            except FileNotFoundError:
                return None
        return File(known.st_size, known.st_mtime)

    async def read(self, path: str, offset: int = 0) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a file."""
        with _told(path), _path(path).open("rb", buffering=0) as file:
            file.seek(offset)
            async with in_order(1) as calls:
                calls.make(asyncio.to_thread(file.read, PIECE))
                while piece := await calls.answer():
                    # While this one is sent.
                    calls.make(asyncio.to_thread(file.read, PIECE))
                    yield piece

    async def write(self, path: str, pieces: AsyncIterator[bytes], offset: int = 0) -> None:
        """Write into a file from some byte on."""
        with _told(path):
            _path(path).parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(_path(path), os.O_WRONLY | os.O_CREAT | _BINARY, 0o666)
            with os.fdopen(descriptor, "wb") as file:
                file.truncate(offset)
                file.seek(offset)
                waiting: list[bytes] = []
                try:
                    async for piece in pieces:
                        waiting.append(piece)
                        # A thread for each small one would take longer than the disk.
                        if sum(map(len, waiting)) >= PIECE:
                            full, waiting = waiting, []
                            await asyncio.to_thread(file.writelines, full)
                finally:
                    # What came before the connection was lost need not come again.
                    file.writelines(waiting)

    async def read_many(
        self, folder: str, names: Sequence[str]
    ) -> AsyncGenerator[tuple[str, bytes], None]:
        """Yield small files below a folder with their names."""
        for name in names:
            # A thread for each would take longer than to read it.
            with suppress(OSError):
                content = (_path(folder) / name).read_bytes()
                yield name, content

    async def write_many(
        self, folder: str, files: Sequence[tuple[str, float, bytes]], aside: str = ""
    ) -> None:
        """Write small files below a folder."""
        aside = aside or f".{secrets.token_hex(8)}{PART}"
        await asyncio.to_thread(self._write_many, _path(folder), files, aside)

    def _write_many(
        self, folder: Path, files: Sequence[tuple[str, float, bytes]], aside: str
    ) -> None:
        for name, time, content in files:
            path = folder / name
            part = path.with_name(aside)
            with _told(str(path)), _gone_if_it_fails(part):
                path.parent.mkdir(parents=True, exist_ok=True)
                part.write_bytes(content)
                os.utime(part, (time, time))
                part.replace(path)

    async def take_up(self, folder: str, aside: str, whole: Sequence[str], new_aside: str) -> None:
        """Remove a file that was cut, of which there is one at most."""
        await self.remove(folder, [aside])

    async def put_in_place(self, part: str, path: str, time: float) -> None:
        """Give a file its time and its name, in one moment."""
        with _told(path):
            os.utime(_path(part), (time, time))
            _path(part).replace(_path(path))

    async def move(self, path: str, new: str) -> bool:
        """Give a file another name."""
        with _told(path):
            try:
                _path(path).rename(_path(new))
            except FileNotFoundError:
                return False
        return True

    async def remove(self, folder: str, names: Sequence[str]) -> None:
        """Remove files."""
        for name in names:
            with _told(name):
                (_path(folder) / name).unlink(missing_ok=True)

    async def checksums(
        self, folder: str, names: Sequence[str], first: int | None = None
    ) -> dict[str, str]:
        """Return the SHA-256 of files."""
        found = {}
        for name in names:
            with suppress(OSError):
                found[name] = await asyncio.to_thread(_checksum, _path(folder) / name, first)
        return found

    async def free_space(self, folder: str) -> int:
        """Return the bytes that may still be written below a folder."""
        place = _path(folder).absolute()
        while not place.exists():
            place = place.parent
        return shutil.disk_usage(place).free

    @asynccontextmanager
    async def tunnel(self, target: str) -> AsyncIterator[int]:
        """Yield a port of the loopback: the one that is asked for, or one that leads to a socket."""
        if target.isdigit():
            yield int(target)
            return

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            theirs = await asyncio.open_unix_connection(_path(target))
            await asyncio.gather(_carry(reader, theirs[1]), _carry(theirs[0], writer))

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Do nothing: there is no connection."""


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()


def _in_home(word: str) -> str:
    return str(_path(word)) if word.startswith("~/") else word


def _path(path: str) -> Path:
    """Return a path of a place, of which a relative one begins in the home."""
    return Path.home() / Path(path).expanduser()


def _below(
    folder: Path, above: str, folders: tuple[tuple[int, int], ...], unread: list[str] | None
) -> Iterator[tuple[str, File]]:
    """Yield the files below a folder; `folders` are those above, by which a link that leads in circles is known."""
    try:
        this, entries = _inside(folder)
    except Problem:
        if unread is None:
            raise
        unread.append(above)
        return
    if this in folders:
        return
    for entry in entries:
        name = f"{above}{entry.name}"
        # A link to nothing, or a file that is gone at this moment.
        with suppress(FileNotFoundError):
            if entry.is_dir():
                yield from _below(Path(entry.path), f"{name}/", (*folders, this), unread)
            elif entry.is_file():
                about = entry.stat()
                yield name, File(about.st_size, about.st_mtime)


def _inside(folder: Path) -> tuple[tuple[int, int], list[os.DirEntry[str]]]:
    """Return what tells a folder from all others, and what is in it; nothing if it is gone."""
    with _told(str(folder)):
        try:
            known = folder.stat()
            with os.scandir(folder) as entries:
                return (known.st_dev, known.st_ino), list(entries)
        except FileNotFoundError:
            return (0, 0), []


def _checksum(path: Path, first: int | None) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        left = sys.maxsize if first is None else first
        while left and (piece := file.read(min(PIECE, left))):
            digest.update(piece)
            left -= len(piece)
    return digest.hexdigest()


@contextmanager
def _gone_if_it_fails(part: Path) -> Iterator[None]:
    """Leave nothing that is cut on a disk that is full."""
    try:
        yield
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Tell in words what goes wrong with a file."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
            # A part of a file has a name that says nothing to anybody.
            folder = readable(os.path.dirname(path) or ".")
            raise Problem("SM-SSH-021", where=_NAME, path=folder) from error
        names = {"path": readable(path), "error": error_line(error)}
        raise Problem("SM-SSH-022", where=_NAME, **names) from error
