"""Places of which a copy sees a part: some files under other names, or some folders of many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from segmake.places.place import Answer, File, Place


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

    async def files(self, folder: str) -> dict[str, File]:
        """Return all files below a folder."""
        return await self.place.files(folder)

    async def look(self, path: str) -> File | None:
        """Return what is known of one file."""
        return await self.place.look(path)

    def read(self, path: str, offset: int = 0) -> AsyncIterator[bytes]:
        """Yield the bytes of a file."""
        return self.place.read(path, offset)

    async def write(self, path: str, pieces: AsyncIterator[bytes], offset: int = 0) -> None:
        """Write into a file from some byte on."""
        await self.place.write(path, pieces, offset)

    def read_many(self, folder: str, names: Sequence[str]) -> AsyncIterator[tuple[str, bytes]]:
        """Yield small files below a folder with their names."""
        return self.place.read_many(folder, names)

    async def write_many(self, folder: str, files: Sequence[tuple[str, float, bytes]]) -> None:
        """Write small files below a folder."""
        await self.place.write_many(folder, files)

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

    async def files(self, folder: str) -> dict[str, File]:
        """Return those of the files that are there."""
        found = [(name, await self.place.look(path)) for name, path in self.paths.items()]
        return {name: file for name, file in found if file}

    async def look(self, path: str) -> File | None:
        """Return what is known of one file."""
        return await self.place.look(self.paths[path])

    def read(self, path: str, offset: int = 0) -> AsyncIterator[bytes]:
        """Yield the bytes of a file."""
        return self.place.read(self.paths[path], offset)

    async def read_many(
        self, folder: str, names: Sequence[str]
    ) -> AsyncIterator[tuple[str, bytes]]:
        """Yield small files with their names; one that is gone meanwhile is left out."""
        for name in names:
            path = self.paths[name]
            last = path.rpartition("/")[2]
            # With its slash: `D:` alone is no folder.
            async for _, content in self.place.read_many(path.removesuffix(last), [last]):
                yield name, content


class Among(PassedOn):
    """A place of whose folders only some are listed: what lies in the others may be much.

    Parameters
    ----------
    place : Place
    folders, files : sequence of str
        Folders (``.`` is all of it), and single files, below the one that is listed.
    """

    def __init__(self, place: Place, folders: Sequence[str], files: Sequence[str] = ()) -> None:
        super().__init__(place)
        self.folders = folders
        self.single = files

    async def files(self, folder: str) -> dict[str, File]:
        """Return the files of these folders, and the single ones that are there."""
        # One after the other: a server lets few commands run at once.
        lists = [await self.place.files(f"{folder}/{one}") for one in self.folders]
        looked = await asyncio.gather(*(self.place.look(f"{folder}/{one}") for one in self.single))
        found = {
            name if above == "." else f"{above}/{name}": file
            for above, files in zip(self.folders, lists, strict=True)
            for name, file in files.items()
        }
        return found | {name: file for name, file in zip(self.single, looked, strict=True) if file}
