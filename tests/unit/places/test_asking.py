"""Questions on a terminal, answered and left with Ctrl-C."""

from __future__ import annotations

import os
import pty
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
    said = b""
    while b"Password:" not in said:
        said += os.read(ours, 1000)
    os.write(ours, typed.encode())
    while b"=" not in said or not said.endswith(b"\n"):
        said += os.read(ours, 1000)
    assert f"= {answer}" in said.decode()
    assert started.wait(timeout=60) == 0
    # A password was not shown, and what is typed next is.
    assert shown or "été" not in said.decode().partition("=")[0]
    assert termios.tcgetattr(theirs)[3] & termios.ECHO
    os.close(ours)
    os.close(theirs)
