"""What an experiment can be computed on: this computer, or one that is reached over SSH. All else knows only this."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from segmake.core.files import one_line, readable
from segmake.messages import Problem
from segmake.places.foreign_names import System
from segmake.places.shell_scripts import IS_AT_WORK, START, STOP

# Bytes that OpenSSH takes and gives at once, if it is not an old one.
BLOCK = 255 * 1024

# Bytes of a file that are read or written at once: whole blocks, or each would be followed by a small one.
PIECE = 4 * BLOCK

# That the connection is lost, and what else is said of a computer that may be reached again: its name is not found
# (as without a network), it takes no logins or does not answer, no network or gateway leads there.
LOST = "SM-SSH-010"
AWAY = (LOST, "SM-SSH-001", "SM-SSH-002", "SM-SSH-003", "SM-SSH-031", "SM-SSH-032", "SM-SSH-042")

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

    @property
    def system(self) -> System:
        """Which names of files it takes."""
        return "linux"

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
    async def files(self, folder: str, *, unread: list[str] | None = None) -> dict[str, File]:
        """Return all files below a folder by their paths from there; none where there is no such folder.

        Links are followed, but for those that lead to nothing or to a folder above; pipes and the like are no files.

        Parameters
        ----------
        folder : str
        unread : list of str
            Takes the folders that may not be looked into; without it, they are a `Problem`.
        """

    @abstractmethod
    async def look(self, path: str) -> File | None:
        """Return what is known of one file; None if it is not there."""

    @abstractmethod
    def read(self, path: str, offset: int = 0) -> AsyncGenerator[bytes, None]:
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
    def read_many(
        self, folder: str, names: Sequence[str]
    ) -> AsyncGenerator[tuple[str, bytes], None]:
        """Yield small files below a folder with their names; one that is gone, or can't be read, is left out.

        If the connection is lost, those that had arrived whole are yielded before it is told.
        """

    @abstractmethod
    async def write_many(
        self, folder: str, files: Sequence[tuple[str, float, bytes]], aside: str = ""
    ) -> None:
        """Write small files below a folder: names, times and contents. Each gets its name once it is whole.

        Parameters
        ----------
        folder : str
        files : sequence of (str, float, bytes)
        aside : str
            What is not whole yet is called so, or is in a folder of this name; without it, by a name of its own.
        """

    @abstractmethod
    async def take_up(self, folder: str, aside: str, whole: Sequence[str], new_aside: str) -> None:
        """Put in place what a cut `write_many` has left whole, and remove the rest.

        Whoever was writing it can't go on, even if what was sent on the lost connection arrives yet.

        Parameters
        ----------
        folder : str
        aside : str
            As `write_many` was given it.
        whole : sequence of str
            The files' paths below the folder.
        new_aside : str
            A name that was never used.
        """

    @abstractmethod
    async def put_in_place(self, part: str, path: str, time: float) -> None:
        """Give a file that is written its time and its name, in place of what had it, in one moment."""

    @abstractmethod
    async def move(self, path: str, new: str) -> bool:
        """Give a file another name; return whether it was there."""

    @abstractmethod
    async def remove(self, folder: str, names: Sequence[str]) -> None:
        """Remove files below a folder; nothing is said of those that are gone."""

    @abstractmethod
    async def checksums(
        self, folder: str, names: Sequence[str], first: int | None = None
    ) -> dict[str, str]:
        """Return the SHA-256 of files below a folder; one that can't be read is left out.

        Parameters
        ----------
        folder : str
        names : sequence of str
        first : int
            Of so many bytes from the beginning; None for all.
        """

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
