"""Questions on a terminal, answered and left with Ctrl-C."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios

import pytest

# How long it waited at a time is said at the end: Python does not see a Ctrl-C that comes just before a wait until that
# is over.
ASK = """
import asyncio, selectors
waits, select = [], selectors.DefaultSelector.select
selectors.DefaultSelector.select = lambda *seen: (waits.append(seen[1]), select(*seen))[1]
from segmake.places.asking import Terminal
try:
    print("=", asyncio.run(Terminal().secret("Password:", shown={shown})))
except KeyboardInterrupt:
    print("= interrupted")
print("each wait ended:", None not in waits and max(waits) <= 1)
"""


@pytest.mark.parametrize("shown", [True, False])
@pytest.mark.parametrize(
    ("typed", "answer"), [("été\n", "été"), ("\x04", "None"), ("\x03", "interrupted")]
)
def test_what_is_typed(shown: bool, typed: str, answer: str) -> None:
    ours, theirs = pty.openpty()
    started = subprocess.Popen(
        [sys.executable, "-X", "utf8", "-c", ASK.format(shown=shown)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        # The terminal is theirs, so that Ctrl-C and passwords are.
        preexec_fn=lambda: os.login_tty(theirs),
    )
    os.close(theirs)
    said = _read_until(ours, b"Password:")
    os.write(ours, typed.encode())
    said += _read_until(ours, b"each wait ended: True")
    assert f"= {answer}" in said.decode()
    assert started.wait(timeout=60) == 0
    # What is said next begins a line.
    assert answer == "interrupted" or "\n= " in said.decode()
    # A password was not shown, and what is typed next is.
    assert shown or "été" not in said.decode().partition("=")[0]
    assert termios.tcgetattr(ours)[3] & termios.ECHO
    os.close(ours)


def _read_until(terminal: int, end: bytes) -> bytes:
    said = b""
    while end not in said:
        assert select.select([terminal], [], [], 60)[0], said
        said += os.read(terminal, 1000)
    return said
