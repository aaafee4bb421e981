"""One attempt to copy a folder: it ends when all is there, or the connection is lost, and the next one goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import (
    AsyncGenerator,
    Callable,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from dataclasses import dataclass
from posixpath import dirname, join
from typing import Any

from segmake.core.files import on_screen, readable
from segmake.messages import Problem
from segmake.messages.numbers import shown_bytes
from segmake.places.differences import (
    SMALL,
    changed,
    in_streams,
    is_same,
    may_grow,
    refuse_clashes,
    same_name,
    spellings,
)
from segmake.places.foreign_names import names_for
from segmake.places.here import Here
from segmake.places.parts import Writer, sign_of
from segmake.places.place import PART, File, Place
from segmake.places.progress import Progress

# So many large files, and streams of small ones, are on the way at once: one waits for answers while another is sent.
AT_ONCE, STREAMS = 4, 2

# So many files that can't be read are named.
NAMED = 5

# At the root of disks, for nobody to look into.
_SYSTEM_FOLDERS = {"lost+found", "System Volume Information", "$RECYCLE.BIN"}
_SYSTEM_FOLDERS |= {".Trashes", ".Spotlight-V100", ".fseventsd", ".TemporaryItems"}


@dataclass(frozen=True)
class Ends:
    """What is copied where, as `segmake.places.copying.copy` is told."""

    source: Place
    here: str
    target: Place
    there: str
    wanted: Callable[[str], bool]
    checked: bool
    quiet: float

    def counts(self, name: str) -> bool:
        """Return whether a file of the source is to be copied."""
        return PART not in name and self.wanted(name)


class Attempt:
    """One attempt.

    Parameters
    ----------
    ends : Ends
    names : Writer
        What files are called until they are whole.
    progress : Progress
    copied : dict
        Takes the files that are whole, with what they were when they were listed.
    """

    def __init__(
        self, ends: Ends, names: Writer, progress: Progress, copied: dict[str, File]
    ) -> None:
        self.ends = ends
        self.source, self.here = ends.source, ends.here
        self.target, self.there = ends.target, ends.there
        self.names = names
        self.progress = progress
        self.copied = copied
        self.unread: list[str] = []
        self.begun: dict[str, str] = {}
        self.all: dict[str, File] = {}
        self.files: dict[str, File] = {}
        self.called: dict[str, str] = {}
        self.streams = 0

    async def go(self) -> set[str]:
        """Copy what is new; return the files that are still growing.

        Raises
        ------
        Problem
        """
        began = time.monotonic()
        there = await self._list()
        new = await self._new(there)
        refuse_clashes(new, there, self.target.name)
        await self._make_room(there, new)
        self.progress.expect(len(new), sum(self.files[name].size for name in new))
        young = may_grow(self.files, new, self.ends.quiet) if self.ends.quiet else {}
        await self._send({name: new[name] for name in new if name not in young})
        growing = await self._still_growing(young, began)
        await self._send({name: new[name] for name in young if name not in growing})
        growing |= await self._changed_meanwhile(new)
        await self._clear(there)
        self._tell_unread()
        return growing

    async def _list(self) -> dict[str, File]:
        """Look at both sides, and take up what was cut; return the files at the target."""
        found, there = await asyncio.gather(
            self.source.files(self.here, unread=self.unread),
            self.target.files(self.there, unread=[]),
        )
        self.all = {name: file for name, file in found.items() if PART not in name}
        self.unread = [name for name in self.unread if _last(name) not in _SYSTEM_FOLDERS]
        self.files = {name: file for name, file in found.items() if self.ends.counts(name)}
        # Of all: what a file is called is not to hang on which ones are wanted.
        self.called = names_for(self.target.system, self.all)
        self.begun = {}
        streams = []
        for part in self.names.left(iter(there)):
            if part.sign:
                self.begun[part.sign] = part.path
            else:
                streams.append(part.path)
        if not streams:
            return there
        for stream in streams:
            await self._take_up(stream, there)
        return await self.target.files(self.there, unread=[])

    async def _take_up(self, stream: str, there: Mapping[str, File]) -> None:
        """Put in place what a stream that was cut has brought whole."""
        below = {
            path.removeprefix(f"{stream}/"): file
            for path, file in there.items()
            if path.startswith(f"{stream}/")
        }
        called = {as_name: self.all[name] for name, as_name in self.called.items()}
        spelled = spellings(called)
        whole = [
            name
            for name, file in below.items()
            if (known := called.get(spelled.get(same_name(join(dirname(stream), name)), "")))
            and not changed({name: known}, {name: file})
        ]
        await self.target.take_up(self.there, stream, whole, self._next_stream())

    def _next_stream(self) -> str:
        self.streams += 1
        return self.names.stream(self.streams)

    async def _new(self, there: Mapping[str, File]) -> dict[str, str]:
        """Return what is to be copied, each with the name that it gets."""
        known = {name: file for name, file in there.items() if PART not in name}
        new = changed(self.files, known, self.called)
        if self.ends.checked:
            spelled = spellings(known)
            same = {
                name: spelled[same_name(self.called[name])]
                for name in self.files
                if name not in new
            }
            ours, theirs = await asyncio.gather(
                self.source.checksums(self.here, list(same)),
                self.target.checksums(self.there, list(same.values())),
            )
            new |= {n: as_name for n, as_name in same.items() if ours.get(n) != theirs.get(as_name)}
        return new

    async def _make_room(self, there: Mapping[str, File], new: Iterable[str]) -> None:
        """Look whether all will fit, before the first byte is sent.

        Raises
        ------
        Problem
            ``SM-SSH-016`` if it will not, ``SM-SSH-040`` on this computer.
        """
        needed = sum(self.files[name].size for name in new)
        needed -= sum(there[path].size for path in self.begun.values())
        if needed > 0 and (free := await self.target.free_space(self.there)) < needed:
            names = {
                "path": readable(self.there),
                "needed": shown_bytes(needed),
                "free": shown_bytes(free),
            }
            code = "SM-SSH-040" if isinstance(self.target, Here) else "SM-SSH-016"
            raise Problem(code, where=self.there, **names)

    async def _send(self, new: Mapping[str, str]) -> None:
        """Copy files, some at once; if one fails, end the others before it is told."""
        small = [name for name in sorted(new) if self.files[name].size <= SMALL]
        large = [name for name in sorted(new) if self.files[name].size > SMALL]
        streams, free = asyncio.Semaphore(STREAMS), asyncio.Semaphore(AT_ONCE)
        calls: list[Coroutine[Any, Any, None]] = [
            _in_turn(streams, self._copy_many, names, new)
            for names in in_streams(small, self.files)
        ]
        calls += [_in_turn(free, self._copy, name, new[name]) for name in large]
        tasks = [asyncio.ensure_future(call) for call in calls]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _copy_many(self, names: Sequence[str], new: Mapping[str, str]) -> None:
        """Copy small files in one stream."""
        read: dict[str, bytes] = {}
        lost = None
        try:
            async for name, content in self.source.read_many(self.here, names):
                if len(content) == self.files[name].size:
                    read[name] = content
        except Problem as problem:
            # What has come before it was lost need not come again.
            lost = problem
        files = [(new[name], self.files[name].time, what) for name, what in read.items()]
        if files:
            await self.target.write_many(self.there, files, self._next_stream())
        self.copied.update((name, self.files[name]) for name in read)
        sizes = [len(what) for what in read.values()]
        self.progress.add(sum(sizes))
        self.progress.finish(sizes)
        if lost:
            raise lost
        for name in set(names) - set(read):
            await self._note_unread(name)

    async def _copy(self, name: str, as_name: str) -> None:
        """Copy a large file."""
        file = self.files[name]
        part = join(dirname(as_name), self.names.part(name, file))
        begun = await self._go_on(name, as_name, part)
        self.progress.found(begun)
        path, way = join(self.here, name), join(self.there, part)
        pieces = _Pieces(self.source, path, begun, file.size, self.progress)
        if begun < file.size:
            # A file that can't be written is not read any more either.
            async with aclosing(aiter(pieces)) as arriving:
                await self.target.write(way, arriving, begun)
        # It may have grown, or have been written anew.
        if pieces.failed or not is_same(await self.source.look(path), file):
            await self.target.remove(self.there, [part])
            if pieces.failed:
                await self._note_unread(name)
            return
        await self.target.put_in_place(way, join(self.there, as_name), file.time)
        self.copied[name] = file
        self.progress.finish([file.size])

    async def _go_on(self, name: str, as_name: str, part: str) -> int:
        """Take the part of a file that an earlier attempt has left, if it is right; return its size."""
        file = self.files[name]
        left = self.begun.pop(sign_of(name, file), None)
        # Under a new name no request that is still on its way to the old one does any harm.
        if left is None or not await self.target.move(
            join(self.there, left), join(self.there, part)
        ):
            return 0
        known = await self.target.look(join(self.there, part))
        if known is None or not 0 < known.size <= file.size:
            return 0
        ours, theirs = await asyncio.gather(
            self.source.checksums(self.here, [name], known.size),
            self.target.checksums(self.there, [part], known.size),
        )
        return known.size if ours.get(name, "?") == theirs.get(part) else 0

    async def _still_growing(self, young: Mapping[str, float], began: float) -> set[str]:
        """Look again at files that may be growing, once there was time to; return those that are."""
        if not young:
            return set()
        await asyncio.sleep(max(0.0, began + max(young.values()) - time.monotonic()))
        now = await self.source.files(self.here, unread=[])
        return {name for name in young if now.get(name) != self.files[name]}

    async def _changed_meanwhile(self, new: Iterable[str]) -> set[str]:
        """Look at all files again; return those that are other ones than were copied, and forget that they were."""
        now = await self.source.files(self.here, unread=[])
        other = {name for name in new if name in now and now[name] != self.files[name]}
        other |= {name for name, file in self.copied.items() if now.get(name, file) != file}
        for name in other:
            self.copied.pop(name, None)
        return other

    async def _note_unread(self, name: str) -> None:
        """Note a file that could not be read, if it is still there and still the same."""
        if is_same(await self.source.look(join(self.here, name)), self.files[name]):
            self.unread.append(name)

    def _tell_unread(self) -> None:
        if not self.unread:
            return
        named = [on_screen(name) for name in sorted(self.unread)]
        shown = ", ".join(named[:NAMED]) + (", …" if len(named) > NAMED else "")
        raise Problem("SM-SSH-018", where=self.source.name, number=len(named), names=shown)

    async def _clear(self, there: Mapping[str, File]) -> None:
        """Remove what earlier attempts have left and nobody needs any more."""
        parts = [part for part in self.names.left(iter(there)) if part.sign]
        if not parts:
            return
        # A file that is not wanted this time may be the next time.
        missing = changed(
            self.all, {name: there[name] for name in there if PART not in name}, self.called
        )
        signs = {sign_of(name, self.all[name]) for name in missing if name not in self.copied}
        if old := [part.path for part in parts if part.sign not in signs]:
            await self.target.remove(self.there, old)


class _Pieces:
    """The bytes of a file as they are read, so many at most: what is more comes with the next copy."""

    def __init__(self, place: Place, path: str, begun: int, size: int, progress: Progress) -> None:
        self.place, self.path, self.begun, self.size = place, path, begun, size
        self.progress = progress
        self.failed = False

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        left = self.size - self.begun
        async with aclosing(self.place.read(self.path, self.begun)) as reading:
            while left:
                try:
                    piece = (await anext(reading, b""))[:left]
                except Problem as problem:
                    if problem.code not in ("SM-SSH-012", "SM-SSH-022"):
                        raise
                    self.failed = True
                    return
                if not piece:
                    return
                left -= len(piece)
                yield piece
                self.progress.add(len(piece))


async def _in_turn(
    turn: asyncio.Semaphore, call: Callable[..., Coroutine[Any, Any, None]], *given: object
) -> None:
    async with turn:
        await call(*given)


def _last(folder: str) -> str:
    return folder.rstrip("/").rpartition("/")[2]
