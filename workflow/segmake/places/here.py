"""The computer on which SegMake itself runs."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from segmake.core.files import error_line, readable
from segmake.messages import Problem
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
        out, err = await process.communicate(data)
        return Answer(process.returncode or 0, out, err)

    async def files(self, folder: str) -> dict[str, File]:
        """Return all files below a folder."""
        return await asyncio.to_thread(lambda: dict(_below(_path(folder), "")))

    async def look(self, path: str) -> File | None:
        """Return what is known of one file."""
        with _told(path):
            try:
                known = _path(path).stat()
            except FileNotFoundError:
                return None
        return File(known.st_size, known.st_mtime)

    async def read(self, path: str, offset: int = 0) -> AsyncIterator[bytes]:
        """Yield the bytes of a file."""
        with _told(path), _path(path).open("rb") as file:
            file.seek(offset)
            while piece := await asyncio.to_thread(file.read, PIECE):
                yield piece

    async def write(self, path: str, pieces: AsyncIterator[bytes], offset: int = 0) -> None:
        """Write into a file from some byte on."""
        with _told(path):
            _path(path).parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(_path(path), os.O_WRONLY | os.O_CREAT | _BINARY, 0o666)
            with os.fdopen(descriptor, "wb") as file:
                file.truncate(offset)
                file.seek(offset)
                async for piece in pieces:
                    await asyncio.to_thread(file.write, piece)

    async def read_many(
        self, folder: str, names: Sequence[str]
    ) -> AsyncIterator[tuple[str, bytes]]:
        """Yield small files below a folder with their names."""
        for name in names:
            with _told(name), suppress(FileNotFoundError):
                yield name, (_path(folder) / name).read_bytes()

    async def write_many(self, folder: str, files: Sequence[tuple[str, float, bytes]]) -> None:
        """Write small files below a folder."""
        await asyncio.to_thread(self._write_many, _path(folder), files)

    def _write_many(self, folder: Path, files: Sequence[tuple[str, float, bytes]]) -> None:
        for name, time, content in files:
            path = folder / name
            with _told(str(path)):
                path.parent.mkdir(parents=True, exist_ok=True)
                part = path.with_name(f".{os.getpid()}{PART}")
                part.write_bytes(content)
                os.utime(part, (time, time))
                part.replace(path)

    async def put_in_place(self, part: str, path: str, time: float) -> None:
        """Give a file its time and its name, in one moment."""
        with _told(path):
            os.utime(_path(part), (time, time))
            _path(part).replace(_path(path))

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


def _below(folder: Path, above: str) -> Iterator[tuple[str, File]]:
    with suppress(FileNotFoundError), _told(str(folder)), os.scandir(folder) as entries:
        for entry in entries:
            name = f"{above}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from _below(Path(entry.path), f"{name}/")
            elif entry.is_file(follow_symlinks=False):
                known = entry.stat(follow_symlinks=False)
                yield name, File(known.st_size, known.st_mtime)


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Tell in words what goes wrong with a file."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        names = {"path": readable(path), "error": error_line(error)}
        raise Problem("SM-SSH-012", where=_NAME, **names) from error
