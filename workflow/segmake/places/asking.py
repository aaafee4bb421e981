"""What a login asks of the user: the terminal answers here, and a page in the browser may answer instead."""

from __future__ import annotations

import asyncio
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
        """Return what is typed; None at Ctrl-D."""
        read = input if shown else getpass
        try:
            return await asyncio.to_thread(read, f"{question.rstrip()} ")
        except EOFError:
            return None

    async def agrees(self, question: str) -> bool:
        """Return whether ``y``, ``yes`` or the like is typed."""
        typed = await self.secret(f"{question} {say('ssh.yes_or_no')}", shown=True)
        return (typed or "").strip().lower() in say("ssh.yes").split()
