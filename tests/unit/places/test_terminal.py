"""Questions at a real terminal: what is typed is got, a password is not shown, and Ctrl-C ends the waiting."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

SCRIPT = """
import asyncio
from segmake.places.asking import Terminal

async def ask():
    terminal = Terminal()
    name = await terminal.secret("Name?", shown=True)
    word = await terminal.secret("Word?")
    print("agrees", await terminal.agrees("Well?"), repr((name, word)))
    print("no more", await terminal.secret("Last?", shown=True))

asyncio.run(ask())
"""


class Asked:
    """A program that asks at a terminal."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int) -> None:
        self.process = process
        self.terminal = terminal
        self.seen = ""

    def until(self, words: str) -> str:
        """Return what the terminal showed since the last call, once it shows some words."""
        begun = len(self.seen)
        while words not in self.seen[begun:]:
            assert select.select([self.terminal], [], [], 60)[0], self.seen
            self.seen += os.read(self.terminal, 1 << 16).decode()
        return self.seen[begun:]

    def type(self, text: str) -> None:
        os.write(self.terminal, text.encode())


@pytest.fixture
def asked() -> Iterator[Asked]:
    with at_a_terminal() as program:
        yield program


@contextmanager
def at_a_terminal() -> Iterator[Asked]:
    ours, theirs = pty.openpty()
    environment = os.environ | {"SEGMAKE_LANG": "en", "PYTHONUTF8": "1"}
    process = subprocess.Popen(
        # A terminal sends Ctrl-C to those whose terminal it is.
        ["setsid", "--ctty", sys.executable, "-c", SCRIPT],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    )
    try:
        yield Asked(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


def test_what_is_typed_is_got_and_a_password_is_not_shown(asked: Asked) -> None:
    asked.until("Name? ")
    asked.type("Zoé\n")
    assert "Zoé" in asked.until("Word? ")
    asked.type("Grüße 7\n")
    assert "Grüße" not in asked.until("Well? ")
    # A path, such as for the question before it.
    asked.type("/opt/segmake\n")
    asked.until("yes or no (Enter alone is no). ")
    asked.type("yes\n")
    told = asked.until("Last? ")
    assert "agrees True ('Zoé', 'Grüße 7')" in told
    # Ctrl-D.
    asked.type("\x04")
    asked.until("no more None")
    assert asked.process.wait(60) == 0


@pytest.mark.parametrize("questions", [1, 2])
def test_ctrl_c_ends_the_waiting_and_the_terminal_shows_again_what_is_typed(
    asked: Asked, questions: int
) -> None:
    asked.until("Name? ")
    if questions == 2:
        asked.type("Zoé\n")
        asked.until("Word? ")
    asked.type("\x03")
    asked.until("KeyboardInterrupt")
    assert asked.process.wait(60) != 0
    assert termios.tcgetattr(asked.terminal)[3] & termios.ECHO
