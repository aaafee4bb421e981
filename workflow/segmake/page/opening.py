"""Other experiments from a page: each is made by the command, and has a page, and a server, of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from segmake.config.edit import set_values
from segmake.core.config import DEFAULT_CONFIG
from segmake.core.installation import can_look
from segmake.messages import Problem, Problems, language, say
from segmake.page.told import problems_told
from segmake.page.work import problem_values
from segmake.remote.handed_out import HandedOut
from segmake.remote.setup.launchers import launchers, own_endings, write_launchers

_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/\?token=[\w-]+")

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
    """Make an experiment; return what went wrong, even if it is there and can be opened.

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
    """
    images = "" if simulation else images
    words = ["new", str(folder)]
    words += ["--from", other] if other else []
    words += ["--simulation"] if simulation else []
    words += ["--images", images] if images and can_look() else []
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
        last = done.stderr.strip().rpartition("\n")[2] or say("phrases.silent")
        silent = Problem("SM-PAG-052", where=str(folder), said=last)
        return problems_told(done.stderr) or [problem_values(silent)]
    if images and not can_look():
        try:
            set_values(folder / DEFAULT_CONFIG, {"images.folder": images})
        except (Problem, Problems) as error:
            first = error.problems[0] if isinstance(error, Problems) else error
            names = {"folder": folder, "error": first.what}
            return [problem_values(Problem("SM-PAG-051", where=str(folder), **names))]
    try:
        if has_screen():
            write_launchers(folder, launchers(HandedOut(), open_page=True), own_endings())
    except Problem as problem:
        # That it is there, and can be opened, is seen in the list.
        return [problem_values(problem)]
    return []


def has_screen() -> bool:
    """Whether a browser would show in a window: one that runs in a terminal would take this one."""
    names = ("DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in names)


def _apart() -> dict[str, Any]:
    """Return what keeps a process from ending with this one, or with its terminal."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}
