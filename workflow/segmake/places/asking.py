"""What a login asks of the user: the terminal answers here, and a page in the browser may answer instead."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from getpass import getpass
from typing import Protocol

from segmake.messages import say

# Ctrl-C ends a wait after so long at the latest.
_SEEN_SECONDS = 0.5


class Asking(Protocol):
    """Whoever answers; each answer is used once, and kept nowhere."""

    async def secret(self, question: str, *, shown: bool = False) -> str | None:
        """Return what the user types; None if they would rather not.

        Parameters
        ----------
        question : str
        shown : bool
            Whether the letters may be seen while they are typed.
        """
        ...

    async def agrees(self, question: str) -> bool:
        """Return whether the user says yes."""
        ...


class Untimed:
    """Somebody who may take their time to answer: a limit counts only what a computer takes.

    Parameters
    ----------
    asking : Asking
    seconds : float

    Attributes
    ----------
    limit : asyncio.Timeout
        Ends what is done in it after so many seconds, which begin anew once an answer is there.
    is_waiting : bool
        Whether an answer is waited for; also where that was given up.
    """

    def __init__(self, asking: Asking, seconds: float) -> None:
        self.asking = asking
        self.seconds = seconds
        self.limit = asyncio.timeout(seconds)
        self.is_waiting = False

    async def secret(self, question: str, *, shown: bool = False) -> str | None:
        """Return what the user types."""
        self.is_waiting = True
        self.limit.reschedule(None)
        typed = await self.asking.secret(question, shown=shown)
        self.is_waiting = False
        self.limit.reschedule(asyncio.get_running_loop().time() + self.seconds)
        return typed


class Terminal:
    """Questions on the terminal."""

    async def secret(self, question: str, *, shown: bool = False) -> str | None:
        """Return what is typed; None at Ctrl-D."""
        question = f"{question.rstrip()} "
        try:
            if os.name == "posix" and sys.stdin.isatty():
                return await _typed(question, shown=shown)
            return await asyncio.to_thread(input if shown else getpass, question)
        except EOFError:
            if shown:
                # What is said next begins a line.
                print(flush=True)
            return None

    async def agrees(self, question: str) -> bool:
        """Return whether ``y``, ``yes`` or the like is typed; what is neither that nor no is asked for again."""
        while True:
            typed = await self.secret(f"{question} {say('ssh.yes_or_no')}", shown=True)
            word = (typed or "").strip().lower()
            if not word or word in say("ssh.no").split():
                return False
            if word in say("ssh.yes").split():
                return True
            question = say("ssh.neither")


async def _typed(question: str, *, shown: bool) -> str:
    """Return a line of the terminal; Ctrl-C ends the wait, which it does not in a thread."""
    terminal = sys.stdin.fileno()
    ready = asyncio.Event()
    with _echo(terminal, shown=shown):
        print(question, end="", flush=True)
        asyncio.get_running_loop().add_reader(terminal, ready.set)
        try:
            while not ready.is_set():
                # Python sees a Ctrl-C that came just before it began to wait once it wakes.
                with suppress(TimeoutError):
                    await asyncio.wait_for(ready.wait(), _SEEN_SECONDS)
        finally:
            asyncio.get_running_loop().remove_reader(terminal)
            if not shown:
                print(flush=True)
        # A terminal gives one line at most.
        line = os.read(terminal, 1 << 16)
    if not line:
        raise EOFError
    return line.decode(sys.stdin.encoding, errors="surrogateescape").rstrip("\r\n")


@contextmanager
def _echo(terminal: int, *, shown: bool) -> Iterator[None]:
    """Have a terminal show what is typed, or not; afterwards it does as before."""
    import termios

    before = termios.tcgetattr(terminal)
    now = before.copy()
    now[3] = now[3] | termios.ECHO if shown else now[3] & ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSADRAIN, now)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
