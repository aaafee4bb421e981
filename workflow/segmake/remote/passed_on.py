"""Places of which a copy sees a part: some files under other names, or some folders of many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from posixpath import dirname

from segmake.places.place import PART, Answer, File, Place, System

# sh FOLDER PATTERN, with names of folders below it and zeros on its standard input: what is called so in these, each
# with a letter for its kind before it and a zero.
_LEFT = r"""
cd -- "$1" 2>/dev/null || exit 0
export pattern=$2
xargs -0 sh -c 'find "$@" -maxdepth 1 -name "$pattern" -printf "%y%p\0" 2>/dev/null' sh
"""


class PassedOn(Place):
    """Another place: whatever is asked of it, that one does.

    Parameters
    ----------
    place : Place
    """

    def __init__(self, place: Place) -> None:
        self.place = place

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.place.name

    async def run(
        self,
        command: Sequence[str],
        *,
        folder: str = "",
        data: bytes = b"",
        variables: Mapping[str, str] | None = None,
    ) -> Answer:
        """Run a command to its end."""
        return await self.place.run(command, folder=folder, data=data, variables=variables)

    @property
    def system(self) -> System:
        """Which names of files it takes."""
        return self.place.system

    async def files(self, folder: str, *, unread: list[str] | None = None) -> dict[str, File]:
        """Return all files below a folder."""
        return await self.place.files(folder, unread=unread)

    async def look(self, path: str) -> File | None:
        """Return what is known of one file."""
        return await self.place.look(path)

    def read(self, path: str, offset: int = 0) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a file."""
        return self.place.read(path, offset)

    async def write(self, path: str, pieces: AsyncIterator[bytes], offset: int = 0) -> None:
        """Write into a file from some byte on."""
        await self.place.write(path, pieces, offset)

    def read_many(
        self, folder: str, names: Sequence[str]
    ) -> AsyncGenerator[tuple[str, bytes], None]:
        """Yield small files below a folder with their names."""
        return self.place.read_many(folder, names)

    async def write_many(
        self, folder: str, files: Sequence[tuple[str, float, bytes]], aside: str = ""
    ) -> None:
        """Write small files below a folder."""
        await self.place.write_many(folder, files, aside)

    async def take_up(self, folder: str, aside: str, whole: Sequence[str], new_aside: str) -> None:
        """Put in place what a cut `write_many` has left whole, and remove the rest."""
        await self.place.take_up(folder, aside, whole, new_aside)

    async def move(self, path: str, new: str) -> bool:
        """Give a file another name; return whether it was there."""
        return await self.place.move(path, new)

    async def remove(self, folder: str, names: Sequence[str]) -> None:
        """Remove files below a folder."""
        await self.place.remove(folder, names)

    async def checksums(
        self, folder: str, names: Sequence[str], first: int | None = None
    ) -> dict[str, str]:
        """Return the SHA-256 of files below a folder."""
        return await self.place.checksums(folder, names, first)

    async def put_in_place(self, part: str, path: str, time: float) -> None:
        """Give a file its time and its name."""
        await self.place.put_in_place(part, path, time)

    async def free_space(self, folder: str) -> int:
        """Return the bytes that may still be written below a folder."""
        return await self.place.free_space(folder)

    def tunnel(self, target: str) -> AbstractAsyncContextManager[int]:
        """Return a port of this computer's loopback that leads to a socket or port of the place."""
        return self.place.tunnel(target)

    async def close(self) -> None:
        """End the connection."""
        await self.place.close()


class Gathered(PassedOn):
    """Files from many folders under the names that they get elsewhere; all of it is the folder ``""``.

    Parameters
    ----------
    place : Place
        Where they lie.
    paths : mapping
        Their paths there, by their names here.
    """

    def __init__(self, place: Place, paths: Mapping[str, str]) -> None:
        super().__init__(place)
        self.paths = paths

    async def files(self, folder: str, *, unread: list[str] | None = None) -> dict[str, File]:
        """Return those of the files that are there."""
        found = [(name, await self.place.look(path)) for name, path in self.paths.items()]
        return {name: file for name, file in found if file}

    async def look(self, path: str) -> File | None:
        """Return what is known of one file."""
        return await self.place.look(self.paths[path])

    def read(self, path: str, offset: int = 0) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a file."""
        return self.place.read(self.paths[path], offset)

    async def read_many(
        self, folder: str, names: Sequence[str]
    ) -> AsyncGenerator[tuple[str, bytes], None]:
        """Yield small files with their names; one that is gone meanwhile is left out."""
        for name in names:
            async for _, content in self.place.read_many(*self._apart(name)):
                yield name, content

    async def checksums(
        self, folder: str, names: Sequence[str], first: int | None = None
    ) -> dict[str, str]:
        """Return the SHA-256 of files."""
        found = [await self.place.checksums(*self._apart(name), first) for name in names]
        return {name: sum for name, one in zip(names, found, strict=True) for sum in one.values()}

    def _apart(self, name: str) -> tuple[str, list[str]]:
        """Return the folder of a file, and its name there."""
        path = self.paths[name]
        last = path.rpartition("/")[2]
        # With its slash: `D:` alone is no folder.
        return path.removesuffix(last), [last]


class Among(PassedOn):
    """A place of whose folders only some are listed: what lies in the others may be much.

    Parameters
    ----------
    place : Place
        One with GNU's find.
    folders, files : sequence of str
        Folders (``.`` is all of it), and single files, below the one that is listed.
    """

    def __init__(self, place: Place, folders: Sequence[str], files: Sequence[str] = ()) -> None:
        super().__init__(place)
        self.folders = folders
        self.single = files

    async def files(self, folder: str, *, unread: list[str] | None = None) -> dict[str, File]:
        """Return the files of these folders, the single ones that are there, and what a cut copy left beside them."""
        found: dict[str, File] = {}
        streams, parts = await self._left(folder)
        # One after the other: a server lets few commands run at once.
        for one in [*self.folders, *streams]:
            below = await self.place.files(f"{folder}/{one}", unread=unread)
            found |= {name if one == "." else f"{one}/{name}": file for name, file in below.items()}
        single = [*self.single, *parts]
        looked = await asyncio.gather(*(self.place.look(f"{folder}/{one}") for one in single))
        return found | {name: file for name, file in zip(single, looked, strict=True) if file}

    async def _left(self, folder: str) -> tuple[list[str], list[str]]:
        """Return the folders in which streams were cut, and the parts of single files."""
        above = sorted({".", *(f"./{dirname(one)}" for one in self.single if dirname(one))})
        data = "".join(f"{one}\0" for one in above).encode(errors="surrogateescape")
        answer = await self.place.run(["sh", "-c", _LEFT, "sh", folder, f"*{PART}"], data=data)
        found = [(one[:1], one[1:].removeprefix("./")) for one in answer.text.split("\0")[:-1]]
        streams = [path for kind, path in found if kind == "d"]
        return streams, [path for kind, path in found if kind == "f"]
