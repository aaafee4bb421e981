"""Other experiments from a page: each is made by the command, and has a page, and a server, of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from segmake.config.edit import set_values
from segmake.core.config import DEFAULT_CONFIG
from segmake.messages import Problem, Problems, language
from segmake.remote.handed_out import HandedOut
from segmake.remote.setup.launchers import launchers, own_endings, write_launchers

_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/\?token=[\w-]+")

# How each of SegMake's messages begins.
_CODE = re.compile(r"^(SM-[A-Z]{3}-\d{3})\b[ \t]*(.*)$", re.MULTILINE)

# Pages that were opened: what they say goes on being taken, for whoever writes where nobody reads is ended.
_OPENED: list[subprocess.Popen[str]] = []


def own_command() -> list[str]:
    """Return what starts ``segmake`` on this computer, with this Python."""
    return [sys.executable, "-P", "-m", "segmake"]


def opened(folder: Path, idle_minutes: float) -> str:
    """Return the address of a new page of an experiment, which lets in once; it goes on when this one ends.

    Raises
    ------
    Problem
        ``SM-PAG-036`` if it does not open.
    """
    words = ["page", str(folder), "--no-browser", "--idle", str(round(idle_minutes))]
    process = subprocess.Popen(
        [*own_command(), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "SEGMAKE_LANG": language()},
        **_apart(),
    )
    said = []
    for line in process.stdout or ():
        if found := _ADDRESS.search(line):
            _OPENED[:] = [each for each in _OPENED if each.poll() is None] + [process]
            return found[0]
        said.append(line.strip())
    process.wait()
    raise Problem("SM-PAG-036", where=str(folder), said=" ".join(said) or "?")


def made(folder: Path, images: str, *, simulation: bool, other: str = "") -> list[dict[str, Any]]:
    """Make an experiment; return what is wrong, which is nothing where it was made.

    Where there is a screen, it gets a file that opens its page by a double-click.

    Parameters
    ----------
    folder : Path
    images : str
        The folder of its images; empty for none yet.
    simulation : bool
        Whether there will be none.
    other : str
        The folder of an experiment whose settings are taken over; empty for those that SegMake begins with.

    Raises
    ------
    Problem
        ``SM-REM-047`` if what is double-clicked can't be written.
    """
    can_look = all(map(find_spec, ("numpy", "tifffile")))
    words = ["new", str(folder)]
    words += ["--from", other] if other else []
    words += ["--simulation"] if simulation else []
    words += ["--images", images] if images and can_look and not simulation else []
    # The command goes to the new folder, and must not take the page along.
    done = subprocess.run(
        [*own_command(), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "SEGMAKE_LANG": language()},
        check=False,
    )
    if done.returncode:
        return _problems(done.stderr)
    if images and not can_look and not simulation:
        try:
            set_values(folder / DEFAULT_CONFIG, {"images.folder": images})
        except Problems as wrong:
            raise wrong.problems[0] from None
    if has_screen():
        write_launchers(folder, launchers(HandedOut(), open_page=True), own_endings())
    return []


def has_screen() -> bool:
    """Whether a browser would show in a window: one that runs in a terminal would take this one."""
    names = ("DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in names)


def _problems(said: str) -> list[dict[str, Any]]:
    """Return what a command said was wrong, as pages show it."""
    found = list(_CODE.finditer(said))
    ends = [each.start() for each in found[1:]] + [len(said)]
    problems = []
    for each, end in zip(found, ends, strict=True):
        text, *remedy = [line.strip() for line in said[each.end() : end].strip().splitlines()] or [
            ""
        ]
        names = {"code": each[1], "where": each[2].strip()}
        problems.append({**names, "text": text, "remedy": " ".join(remedy)})
    last: Sequence[str] = said.strip().splitlines()[-1:]
    return problems or [{"code": "SM-PAG-036", "text": " ".join(last), "remedy": "", "where": ""}]


def _apart() -> dict[str, Any]:
    """Return what keeps a process from ending with this one, or with its terminal."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}
