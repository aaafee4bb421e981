"""Carries connections from a port of this machine to a socket of another one, through the step of a job.

    python relay.py near RECORD PORT COMMAND...    listens on the loopback of this machine, and starts the command
    python relay.py far SOCKET                     is what the command runs in the end, where the socket is

Both ends talk by the input and output of the command, such as ``srun --overlap ...``: a line for each piece, since
Slurm hands on lines, and not bytes. All connections share one step: a page of JupyterLab opens a dozen, and a step for
each would wait for Slurm's controller. Needs nothing but Python: it runs as a program of its own, on both machines.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

# What is read at once; a line of it has to fit into what Slurm takes at once.
PIECE = 16 * 1024

# So many bytes of a connection may be under way: one that nobody reads must not hold up the others.
WINDOW = 1024 * 1024

# How often is looked whether the socket is there still.
LOOK_SECONDS = 1.0

# The words of the lines: a connection begins, brings bytes, has taken so many of them, ends.
_OPEN, _DATA, _TAKEN, _END = "open", "data", "taken", "end"

# The line that the far end begins with.
_HERE = "here"


class _Connection:
    """One connection at this end of the line.

    Parameters
    ----------
    number : int
    line : _Line
    streams : tuple
        What is read from it and written to it.
    """

    def __init__(
        self,
        number: int,
        line: _Line,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._number = number
        self._line = line
        self._reader, self._writer = streams
        self._incoming: asyncio.Queue[bytes] = asyncio.Queue()
        self._room = WINDOW
        self._has_room = asyncio.Event()

    async def carry(self) -> None:
        """Carry bytes both ways until one of the ends has closed the connection."""
        tasks = [asyncio.create_task(self._send()), asyncio.create_task(self._receive())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._line.connections.pop(self._number, None)
            self._writer.close()
            await self._line.say(self._number, _END)

    async def _send(self) -> None:
        while data := await self._reader.read(PIECE):
            while self._room <= 0:
                self._has_room.clear()
                await self._has_room.wait()
            self._room -= len(data)
            await self._line.say(self._number, _DATA, base64.b64encode(data).decode())

    async def _receive(self) -> None:
        while data := await self._incoming.get():
            self._writer.write(data)
            await self._writer.drain()
            await self._line.say(self._number, _TAKEN, str(len(data)))

    def hear(self, word: str, rest: str) -> None:
        """Take what the other end says of this connection."""
        if word == _DATA:
            self._incoming.put_nowait(base64.b64decode(rest))
        elif word == _END:
            self._incoming.put_nowait(b"")
        elif word == _TAKEN:
            self._room += int(rest)
            self._has_room.set()


class _Line:
    """The input and output that join both ends.

    Parameters
    ----------
    reader : asyncio.StreamReader
    writer : asyncio.StreamWriter
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections: dict[int, _Connection] = {}

    async def join(
        self,
        number: int,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        *words: str,
    ) -> None:
        """Begin to carry a connection, after some words of it."""
        self.connections[number] = connection = _Connection(number, self, streams)
        for word in words:
            await self.say(number, word)
        self._tasks.add(task := asyncio.create_task(connection.carry()))
        task.add_done_callback(self._tasks.discard)

    async def say(self, number: int, word: str, rest: str = "") -> None:
        """Send a line; once the other end is gone, nobody needs it."""
        async with self._turn:
            with suppress(OSError):
                self._writer.write(f"{number} {word} {rest}\n".encode())
                await self._writer.drain()

    async def begins(self) -> bool:
        """Return whether the other end is there; False once it has ended before it was."""
        while line := await self._reader.readline():
            if line.split() == [b"0", _HERE.encode()]:
                return True
        return False

    async def listen(self, opened: Callable[[int], Awaitable[None]]) -> None:
        """Hand on what the other end says, until it is gone.

        Parameters
        ----------
        opened : callable
            Awaited with the number of each new connection.
        """
        while line := await self._reader.readline():
            said = line.decode(errors="replace").rstrip("\n").split(" ", 2)
            # What a site lets each step print is none of it.
            if len(said) < 3 or not said[0].isdecimal():
                continue
            number, word, rest = said
            if word == _OPEN:
                await opened(int(number))
            elif connection := self.connections.get(int(number)):
                connection.hear(word, rest)


async def _near(record: str, port: int, command: list[str]) -> None:
    """Listen on this machine's loopback, until the command has ended."""
    listener = _listener(port)
    step = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=4 * PIECE,
    )
    if step.stdin is None or step.stdout is None:
        raise BrokenPipeError
    line, numbers = _Line(step.stdout, step.stdin), itertools.count()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if _is_of_another_user(writer.get_extra_info("peername")):
            writer.close()
            return
        await line.join(next(numbers), (reader, writer), _OPEN)

    async def never(number: int) -> None:
        raise ValueError(number)

    if not await line.begins():
        return
    server = await asyncio.start_server(accepted, sock=listener)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, step.terminate)
    _note(record, listener.getsockname()[1])
    try:
        await line.listen(never)
    finally:
        server.close()
        with suppress(OSError):
            os.unlink(record)
        with suppress(ProcessLookupError):
            step.terminate()


def _listener(port: int) -> socket.socket:
    """Return a socket on this machine's loopback: at a port that is kept for it, if it is free still."""
    for wanted in (port, 0):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            listener.bind(("127.0.0.1", wanted))
            return listener
        listener.close()
    raise OSError("no port of this machine is free")


def _note(record: str, port: int) -> None:
    part = f"{record}.part"
    with open(part, "w", encoding="ascii") as file:
        json.dump({"port": port, "pid": os.getpid()}, file)
    os.replace(part, record)


def _is_of_another_user(address: tuple[str, int]) -> bool:
    """Return whether a connection comes from a process of another user of this machine; root may do all."""
    host, port = address
    bytes_of_host = bytes(reversed(socket.inet_aton(host))).hex().upper()
    local = f"{bytes_of_host}:{port:04X}"
    with suppress(OSError), open("/proc/net/tcp", encoding="ascii") as table:
        for words in map(str.split, table):
            if words[1] == local:
                return int(words[7]) not in (0, os.getuid())
    return False


async def _far(path: str) -> None:
    """Connect to the socket for each connection at the other end, until that end or the socket is gone."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=4 * PIECE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.streams.FlowControlMixin(loop), sys.stdout.buffer
    )
    line = _Line(reader, asyncio.StreamWriter(transport, protocol, None, loop))
    await line.say(0, _HERE)

    async def opened(number: int) -> None:
        try:
            streams = await asyncio.open_unix_connection(path)
        except OSError:
            await line.say(number, _END)
            return
        await line.join(number, streams)

    async def gone() -> None:
        while os.path.exists(path):
            await asyncio.sleep(LOOK_SECONDS)

    ends = [asyncio.create_task(line.listen(opened)), asyncio.create_task(gone())]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)


def main(end: str, *words: str) -> None:
    """Be the near or the far end."""
    if end == "near":
        asyncio.run(_near(words[0], int(words[1]), list(words[2:])))
    else:
        asyncio.run(_far(words[0]))


if __name__ == "__main__":
    main(*sys.argv[1:])
