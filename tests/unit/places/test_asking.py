"""Questions on a terminal, answered and left with Ctrl-C."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios

import pytest

ASK = """
import asyncio
from segmake.places.asking import Terminal
try:
    print("=", asyncio.run(Terminal().secret("Password:", shown={shown})))
except KeyboardInterrupt:
    print("= interrupted")
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
    # Python does not see a Ctrl-C that comes just before it begins to read: as a user would, type it again.
    said += _read_until(ours, b"\n", after=b"=", again=b"\x03" if answer == "interrupted" else b"")
    assert f"= {answer}" in said.decode()
    assert started.wait(timeout=60) == 0
    # What is said next begins a line.
    assert answer == "interrupted" or "\n= " in said.decode()
    # A password was not shown, and what is typed next is.
    assert shown or "été" not in said.decode().partition("=")[0]
    assert termios.tcgetattr(ours)[3] & termios.ECHO
    os.close(ours)


def _read_until(terminal: int, end: bytes, after: bytes = b"", again: bytes = b"") -> bytes:
    said = b""
    for _ in range(120):
        if end in said.partition(after)[2] if after else end in said:
            return said
        if select.select([terminal], [], [], 0.5)[0]:
            try:
                said += os.read(terminal, 1000)
            except OSError:
                # The program is gone.
                return said
        elif again:
            os.write(terminal, again)
    raise AssertionError(said)
