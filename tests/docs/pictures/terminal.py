"""A terminal in which somebody types, and pictures of what it shows."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import shutil
import struct
import termios
import time
from fcntl import ioctl
from itertools import groupby
from pathlib import Path
from typing import Any

import pyte
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from tests.docs.pictures.stage import SEGMAKE, SHARED, USER
from tests.projects import ROOT

# Narrow enough to be read on a telephone.
WIDTH = 92
# More than any line has: a terminal breaks lines within words at its edge, a picture between words.
LONGEST = 600
# Of a program that fills the screen.
HEIGHT = 22

# How long a command may take on a machine that has much else to do.
PATIENCE_S = 600

# Unlike rich's own, it loads no font from elsewhere, and has no frame of another system's.
_SVG = """\
<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" xmlns="http://www.w3.org/2000/svg" role="img">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Consolas, Menlo, "DejaVu Sans Mono", monospace;
 font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<defs>
{lines}
</defs>
<rect fill="#1e2227" width="{width}" height="{height}" rx="10"/>
<g transform="translate(14, 10)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""

_COLOURS = TerminalTheme(
    (30, 34, 39),
    (232, 234, 237),
    [
        *((30, 34, 39), (255, 128, 120), (140, 220, 140), (240, 200, 110)),
        *((130, 180, 255), (220, 160, 255), (110, 215, 220), (232, 234, 237)),
    ],
)

# What the prompt says to this program alone.
_MARK = "\x1b]133;ready\x07"


class Terminal:
    """A shell in a terminal, with a person who waits until it is ready.

    Parameters
    ----------
    command : str
        What is started in it, which ends in a shell.
    folder : str
    prompt : str
    variables : str
        Of the shell.
    """

    def __init__(self, *command: str, folder: str, prompt: str, **variables: str) -> None:
        own = {"PS1": f"\\[\\e]133;ready\\a\\]{prompt}", "INPUTRC": "/dev/null"}
        environment = {"TERM": "xterm-256color", "LANG": "C.UTF-8", **own, **variables}
        program = str(shutil.which(command[0]))
        child, self.handle = pty.fork()
        if child == 0:
            os.chdir(folder)
            os.execve(program, [*command], environment)
        ioctl(self.handle, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
        self.prompt = ""
        self._until_ready()

    def type(self, line: str, *answers: tuple[str, str]) -> str:
        """Type a line, answer what is asked, and return the prompt, the line, and what is shown.

        Parameters
        ----------
        line : str
        answers : tuple of str
            The end of each question, and what is typed then.
        """
        return self._typed(line, answers) + self._until_ready()

    def type_into(self, line: str, *answers: tuple[str, str], until: str) -> str:
        """Type a line that leads elsewhere, as `type`, and return what is shown until words that are shown there."""
        return self._typed(line, answers) + self._until(until)

    def start(self, line: str) -> None:
        """Type a line that starts a program that fills the screen."""
        os.write(self.handle, line.encode() + b"\n")

    def leave(self, keys: str) -> None:
        """Press the keys that end a program that fills the screen."""
        os.write(self.handle, keys.encode())
        self._until_ready()

    def _typed(self, line: str, answers: tuple[tuple[str, str], ...]) -> str:
        shown = f"{self.prompt}\x1b[1m{line}\x1b[0m\r\n"
        os.write(self.handle, line.encode() + b"\n")
        # The terminal repeats what is typed, in lines of its width.
        self._until("\n")
        for question, answer in answers:
            shown += self._until(question)
            os.write(self.handle, answer.encode() + b"\n")
        return shown

    def press(self, keys: str, seconds: float = 1.5) -> str:
        """Press keys in a program that fills the screen, and return what it sends in so many seconds."""
        os.write(self.handle, keys.encode())
        end, shown = time.monotonic() + seconds, b""
        while time.monotonic() < end:
            if select.select([self.handle], [], [], 0.1)[0]:
                shown += os.read(self.handle, 65536)
        return shown.decode(errors="replace")

    def close(self) -> None:
        """Hang up."""
        os.close(self.handle)

    def _until_ready(self) -> str:
        shown = self._until(_MARK)
        self.prompt = re.sub(r"\x1b\[\?\d+[hl]", "", self._until(" "))
        return shown.removesuffix(_MARK)

    def _until(self, words: str) -> str:
        end, shown = time.monotonic() + PATIENCE_S, b""
        while time.monotonic() < end:
            if shown.decode(errors="replace").endswith(words):
                return shown.decode(errors="replace")
            if select.select([self.handle], [], [], 1)[0]:
                # Byte by byte: what comes after the words is the next one's.
                shown += os.read(self.handle, 1)
        raise TimeoutError(f"waited for {words!r} after {shown[-2000:]!r}")


def at_login_node(language: str) -> Terminal:
    """Return a terminal of jane's on the cluster, who has typed the line that enters SegMake."""
    return Terminal(
        *("runuser", "-u", USER, "--", "bash", "--norc", "-i"),
        folder=f"/home/{USER}",
        prompt=f"{USER}@login:\\w$ ",
        HOME=f"/home/{USER}",
        USER=USER,
        PATH=f"{SEGMAKE}/.venv/bin:/usr/bin:/bin",
        SEGMAKE_LANG=language,
    )


def picture(
    shown: str, path: Path, *, title: str, last: int | None = None, height: int = 300
) -> None:
    """Draw what a terminal showed.

    Parameters
    ----------
    shown : str
        With its colours and the movements of its cursor.
    path : Path
        An SVG.
    title : str
        What it is, for who can't see it.
    last : int, optional
        How many lines are shown below the first, which was typed; those between are left out.
    height : int
        Of the terminal: lines.
    """
    for here in (str(ROOT), SEGMAKE):
        shown = shown.replace(here, SHARED)
    screen = pyte.Screen(WIDTH if height == HEIGHT else LONGEST, height)
    pyte.Stream(screen).feed(shown)
    lines = [_line(screen, number) for number in range(height)]
    while lines and not lines[-1].plain.strip():
        lines.pop()
    if last is not None and len(lines) > last + 1:
        lines = [lines[0], Text("…"), *lines[-last:]]
    lines = [part for line in lines for part in _broken(line)]
    wide = max(56, *(len(line.plain) for line in lines))
    console = Console(record=True, width=wide, file=io.StringIO(), force_terminal=True)
    console.print(Text("\n").join(lines), soft_wrap=True, highlight=False)
    name = "t" + re.sub(r"\W", "", path.name)
    svg = console.export_svg(
        title=title, theme=_COLOURS, unique_id=name, code_format=_frame(wide, len(lines))
    )
    path.write_text(svg, encoding="utf-8")


def _broken(line: Text) -> list[Text]:
    """Return a line in lines of the terminal's width."""
    if not line.plain:
        return [line]
    parts = line.wrap(Console(width=WIDTH, file=io.StringIO()), WIDTH)
    for part in parts:
        part.rstrip()
    return list(parts)


def _frame(wide: int, lines: int) -> str:
    """Return the frame with its size, which rich's would reserve room for a title in."""
    size = {"width": round(wide * 12.2 + 28), "height": round(lines * 24.4 + 24)}
    text = _SVG
    for name, number in size.items():
        text = text.replace(f"{{{name}}}", str(number))
    return text


def _line(screen: pyte.Screen, number: int) -> Text:
    """Return a line of the screen with its colours."""
    text = Text()
    row = screen.buffer[number]
    # What looks alike is one piece: words can then be searched for, and copied.
    for style, pieces in groupby((row[column] for column in range(screen.columns)), _style):
        text.append("".join(each.data for each in pieces), style)
    text.rstrip()
    return text


def _style(char: Any) -> Style:
    colours = {"color": _colour(char.fg), "bgcolor": _colour(char.bg)}
    return Style(**colours, bold=char.bold, reverse=char.reverse)


def _colour(name: str) -> str | None:
    if name == "default":
        return None
    # What this emulator calls the colours of a terminal, and rich calls them.
    plain = name.replace("brown", "yellow")
    return f"#{plain}" if re.fullmatch("[0-9a-f]{6}", plain) else plain.replace("bright", "bright_")
