"""Files from one place to another: only what is new or changed, going on where it was cut, nothing half-written."""

from __future__ import annotations

import asyncio
import time
import unicodedata
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from posixpath import basename, dirname, join
from typing import Any

from segmake.core.files import fingerprint, readable
from segmake.messages import Problem
from segmake.messages.numbers import shown_bytes
from segmake.places.place import PART, File, Place

# File systems keep times to two seconds at worst (FAT).
SAME_SECONDS = 2

# A file this young may still be growing: the microscope, or a copy, is at it.
QUIET_SECONDS = 10

# So many large files, and streams of small ones, are on the way at once: one waits for answers while another is sent.
AT_ONCE, STREAMS = 4, 2

# Seconds between attempts after the connection was lost, until it is given up.
PATIENCE = (1, 2, 5, 10, 20, 30, 60)

# Files up to this many bytes go many at once, up to this many in one stream.
SMALL, STREAM_BYTES, STREAM_FILES = 256 * 1024, 8 * 1024**2, 1000


@dataclass
class Progress:
    """How far a copy is.

    Attributes
    ----------
    files, bytes : int
        What is over there; of files that are not whole yet, only the bytes.
    all_files, all_bytes : int
        What was to be copied.
    began : float
        When, by `time.monotonic`.
    """

    all_files: int = 0
    all_bytes: int = 0
    files: int = 0
    bytes: int = 0
    sent: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def rate(self) -> float:
        """Bytes per second, of what was sent since the beginning."""
        return self.sent / max(time.monotonic() - self.began, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """The seconds that it will take yet, if it goes on so; None while that is not known."""
        return (self.all_bytes - self.bytes) / self.rate if self.sent else None


@dataclass(frozen=True)
class Outcome:
    """What a copy did.

    Attributes
    ----------
    copied : tuple of str
        Files that are over there now and were not, or not as they are here.
    growing : tuple of str
        Files that are still being written here: they come with the next copy.
    """

    copied: tuple[str, ...]
    growing: tuple[str, ...]


def changed(source: Mapping[str, File], target: Mapping[str, File]) -> dict[str, str]:
    """Return which files are to be copied, each with the name that it gets.

    A name with accents may be spelled in two ways (NFC, as most systems do, and NFD, as macOS does): it is one file,
    and keeps the spelling that it has at the target.
    """
    spelled = {_same(name): name for name in target}
    found = {}
    for name, file in source.items():
        there = spelled.get(_same(name), name)
        known = target.get(there)
        if known is None or known.size != file.size or abs(known.time - file.time) > SAME_SECONDS:
            found[name] = there
    return found


async def copy(
    source: tuple[Place, str],
    target: tuple[Place, str],
    *,
    wanted: Callable[[str], bool] = lambda name: True,
    tell: Callable[[Progress], None] = lambda progress: None,
) -> Outcome:
    """Copy a folder's files that are new or changed; nothing is deleted at either side.

    Parameters
    ----------
    source, target : (Place, str)
        A place and a folder of it.
    wanted : callable
        Takes a file's path below the folder, and returns whether to copy it.
    tell : callable
        Is told how far it is, often.

    Raises
    ------
    Problem
        What either place says, once trying again no longer helps. What has arrived stays.
    """
    for pause in (*PATIENCE, None):
        try:
            return await _Copying(source, target, wanted, tell).go()
        except Problem as problem:
            # SM-SSH-003: it was away so long that a new login found nobody.
            if problem.code not in ("SM-SSH-002", "SM-SSH-003", "SM-SSH-010") or pause is None:
                raise
            await asyncio.sleep(pause)
    raise AssertionError


class _Copying:
    """One attempt."""

    def __init__(
        self,
        source: tuple[Place, str],
        target: tuple[Place, str],
        wanted: Callable[[str], bool],
        tell: Callable[[Progress], None],
    ) -> None:
        self.source, self.here = source
        self.target, self.there = target
        self.wanted = wanted
        self.tell = tell
        self.progress = Progress()
        self.free = asyncio.Semaphore(AT_ONCE)
        self.streams = asyncio.Semaphore(STREAMS)

    async def go(self) -> Outcome:
        found, there = await asyncio.gather(
            self.source.files(self.here), self.target.files(self.there)
        )
        source = {name: file for name, file in found.items() if self._counts(name)}
        new = changed(source, {name: file for name, file in there.items() if self._counts(name)})
        now = time.time()
        growing = [name for name in new if 0 <= now - source[name].time < QUIET_SECONDS]
        for name in growing:
            del new[name]
        self.progress.all_files = len(new)
        self.progress.all_bytes = sum(source[name].size for name in new)
        await self._make_room(there, new, source)
        small = [name for name in sorted(new) if source[name].size <= SMALL]
        large = [name for name in sorted(new) if source[name].size > SMALL]
        calls = [self._copy_many(names, new, source) for names in _streams(small, source)]
        calls += [self._copy(name, new[name], source[name], there) for name in large]
        whole = await self._all(calls)
        growing += sorted(set(new) - whole)
        return Outcome(tuple(sorted(whole)), tuple(sorted(growing)))

    async def _all(self, calls: Iterable[Coroutine[Any, Any, set[str]]]) -> set[str]:
        """Do all of it, some at once; if one fails, end the others before it is told."""
        tasks = [asyncio.ensure_future(call) for call in calls]
        try:
            return set().union(*await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _copy_many(
        self, names: Sequence[str], new: Mapping[str, str], source: Mapping[str, File]
    ) -> set[str]:
        """Copy small files in one stream; return those that are whole, and as they were when they were listed."""
        async with self.streams:
            read = {name: what async for name, what in self.source.read_many(self.here, names)}
            read = {name: what for name, what in read.items() if len(what) == source[name].size}
            files = [(new[name], source[name].time, what) for name, what in read.items()]
            await self.target.write_many(self.there, files)
            self.progress.files += len(read)
            for what in read.values():
                self.progress.bytes += len(what)
                self.progress.sent += len(what)
            self.tell(self.progress)
            return set(read)

    def _counts(self, name: str) -> bool:
        return PART not in name and self.wanted(name)

    async def _make_room(
        self, there: Mapping[str, File], new: Iterable[str], source: Mapping[str, File]
    ) -> None:
        """Look whether all will fit, before the first byte is sent.

        Raises
        ------
        Problem
            ``SM-SSH-016`` if it will not.
        """
        needed = sum(source[name].size for name in new)
        needed -= sum(file.size for name, file in there.items() if PART in name)
        if needed > 0 and (free := await self.target.free_space(self.there)) < needed:
            names = {
                "path": readable(self.there),
                "needed": shown_bytes(needed),
                "free": shown_bytes(free),
            }
            raise Problem("SM-SSH-016", where=self.there, **names)

    async def _copy(
        self, name: str, as_name: str, file: File, there: Mapping[str, File]
    ) -> set[str]:
        """Copy a file; return its name if it is whole, and did not change meanwhile."""
        async with self.free:
            # What is there of the same file, cut somewhere, has the same name; of another state of it, another.
            sign = fingerprint(file.size, file.time)
            part = join(dirname(as_name), f".{basename(as_name)[:180]}.{sign[:8]}{PART}")
            begun = min(there[part].size, file.size) if part in there else 0
            self.progress.bytes += begun
            path, way = join(self.here, name), join(self.there, part)
            if begun < file.size or not begun:
                await self.target.write(way, self._pieces(path, begun, file.size), begun)
            now = await self.source.look(path)
            if now != file:
                return set()
            await self.target.put_in_place(way, join(self.there, as_name), file.time)
            self.progress.files += 1
            self.tell(self.progress)
            return {name}

    async def _pieces(self, path: str, begun: int, size: int) -> AsyncIterator[bytes]:
        async for piece in self.source.read(path, begun):
            # It may have grown: what is more comes with the next copy.
            piece = piece[: size - begun]
            begun += len(piece)
            yield piece
            self.progress.bytes += len(piece)
            self.progress.sent += len(piece)
            self.tell(self.progress)
            if begun >= size:
                return


def _streams(names: Sequence[str], files: Mapping[str, File]) -> Iterator[list[str]]:
    """Yield small files in groups that are sent together."""
    group: list[str] = []
    size = 0
    for name in names:
        group.append(name)
        size += files[name].size
        if size >= STREAM_BYTES or len(group) == STREAM_FILES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _same(name: str) -> str:
    return unicodedata.normalize("NFC", name)
