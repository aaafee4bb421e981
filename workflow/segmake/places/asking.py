"""What a login asks of the user: the terminal answers here, and a page in the browser may answer instead."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getpass
from typing import Protocol

from segmake.messages import say


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


class Terminal:
    """Questions on the terminal."""

    async def secret(self, question: str, *, shown: bool = False) -> str | None:
        """Return what is typed; None at Ctrl-D.

        Nothing else goes on meanwhile: in a thread of its own, Ctrl-C would wait until Enter is pressed.
        """
        read = input if shown else getpass
        try:
            with _ended_by_ctrl_c():
                return read(f"{question.rstrip()} ")
        except EOFError:
            return None

    async def agrees(self, question: str) -> bool:
        """Return whether ``y``, ``yes`` or the like is typed."""
        typed = await self.secret(f"{question} {say('ssh.yes_or_no')}", shown=True)
        return (typed or "").strip().lower() in say("ssh.yes").split()


@contextmanager
def _ended_by_ctrl_c() -> Iterator[None]:
    """Have Ctrl-C raise KeyboardInterrupt here: asyncio's own way with it is to wait for what is done now."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    known = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, known)
