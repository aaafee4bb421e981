"""What an experiment can be computed on: this computer, or one that is reached over SSH. All else knows only this."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from segmake.core.files import one_line, readable
from segmake.messages import Problem
from segmake.places.shell_scripts import IS_AT_WORK, START, STOP

# Bytes of a file that are read or written at once.
PIECE = 1024**2

# What is not whole yet has this in its name, or in that of a folder above it.
PART = ".segmake-part"


@dataclass(frozen=True)
class Answer:
    """What a command gave.

    Attributes
    ----------
    code : int
        Its exit code; minus the number of the signal that ended it.
    out, err : bytes
        What it wrote. What the user's start files say at a login is in neither.
    """

    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """What it wrote to its standard output, as text."""
        return self.out.decode(errors="surrogateescape")


@dataclass(frozen=True)
class File:
    """A file at a place.

    Attributes
    ----------
    size : int
        Bytes.
    time : float
        When it was last changed, in seconds since 1970.
    """

    size: int
    time: float


class Place(ABC):
    """Where commands run and files lie.

    All paths are texts with ``/``; of names that are no UTF-8, Python escapes the bytes (``surrogateescape``).
    Every call may raise `segmake.messages.Problem`, of which ``SM-SSH-010`` says that the connection is lost: what was
    begun there goes on, and the same call can be made again after a new login.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """What messages call it."""

    @abstractmethod
    async def run(
        self,
        command: Sequence[str],
        *,
        folder: str = "",
        data: bytes = b"",
        variables: Mapping[str, str] | None = None,
    ) -> Answer:
        """Run a command to its end.

        Parameters
        ----------
        command : sequence of str
            Its words: no shell takes them apart. One that begins with ``~/`` is a path in the user's home.
        folder : str
            The folder to run it in; empty for the user's home.
        data : bytes
            What it reads from its standard input.
        variables : mapping
            Of its environment, beside those of a login.
        """

    @abstractmethod
    async def files(self, folder: str) -> dict[str, File]:
        """Return all files below a folder by their paths from there; none where there is no such folder."""

    @abstractmethod
    async def look(self, path: str) -> File | None:
        """Return what is known of one file; None if it is not there."""

    @abstractmethod
    def read(self, path: str, offset: int = 0) -> AsyncIterator[bytes]:
        """Yield the bytes of a file, in pieces.

        Parameters
        ----------
        path : str
        offset : int
            The first byte that is wanted.
        """

    @abstractmethod
    async def write(self, path: str, pieces: AsyncIterator[bytes], offset: int = 0) -> None:
        """Write into a file, which is made with its folders if it is not there.

        Parameters
        ----------
        path : str
        pieces : iterator of bytes
        offset : int
            Where in the file the first piece goes; what lies behind the last one is cut off.
        """

    @abstractmethod
    def read_many(self, folder: str, names: Sequence[str]) -> AsyncIterator[tuple[str, bytes]]:
        """Yield small files below a folder with their names; one that is gone meanwhile is left out."""

    @abstractmethod
    async def write_many(self, folder: str, files: Sequence[tuple[str, float, bytes]]) -> None:
        """Write small files below a folder: names, times and contents. Each gets its name once it is whole."""

    @abstractmethod
    async def put_in_place(self, part: str, path: str, time: float) -> None:
        """Give a file that is written its time and its name, in place of what had it, in one moment."""

    async def start(self, command: Sequence[str], *, folder: str, log: str) -> str:
        """Start a command that goes on when this program, the connection or the login ends.

        Returns
        -------
        str
            What `is_at_work` and `stop` take, from any computer.
        """
        answer = await self.run(["sh", "-c", START, "sh", log, *command], folder=folder)
        if answer.code:
            names = {
                "path": readable(command[0]),
                "error": one_line(answer.err.decode(errors="replace")),
            }
            raise Problem("SM-SSH-014", where=self.name, **names)
        return answer.text.strip()

    async def is_at_work(self, started: str) -> bool:
        """Return whether what `start` began still runs."""
        answer = await self.run(["sh", "-c", IS_AT_WORK, "sh", *started.split()])
        return answer.code == 0

    async def stop(self, started: str) -> None:
        """Interrupt what `start` began, as Ctrl-C does; nothing is said of what has ended already."""
        await self.run(["sh", "-c", STOP, "sh", *started.split()])

    @abstractmethod
    async def free_space(self, folder: str) -> int:
        """Return the bytes that may still be written below a folder, which need not be there yet."""

    @abstractmethod
    def tunnel(self, target: str) -> AbstractAsyncContextManager[int]:
        """Return a port of this computer's loopback that leads to a socket, or to a port (digits), of the place."""

    @abstractmethod
    async def close(self) -> None:
        """End the connection; what was started goes on."""
