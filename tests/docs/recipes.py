"""What a page for developers has one do, done in a scratch copy of SegMake: its files are changed, its commands run.

Before a block, a comment names the file that it goes into::

    <!-- file: PATH -->                      a new file; at the end of one that is there
    <!-- file: PATH, below: TEXT -->         below the first line with this text
    <!-- file: PATH, in place of: TEXT -->   in place of the first line with this text

Blocks of ``bash`` are run, and ``text`` after one is what it shows: each line in this order, ``…`` for what differs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.projects import ROOT

DEVELOPERS = ROOT / "docs" / "developers"

_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*?) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)
_FILE = re.compile(r"file: (?P<path>[^,]+)(?:, (?P<way>below|in place of): (?P<line>.+))?")


class Scratch:
    """A copy of SegMake's files, with the commands of this environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "segmake"
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
        for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
            if (ROOT / name).is_file():
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.folder / name, follow_symlinks=False)
        (self.folder / ".environments").symlink_to(ROOT / ".environments")
        # That of the environment cleans its surroundings, and would take the package of this clone.
        commands = folder / "bin"
        commands.mkdir()
        for name, words in (("segmake", "-m segmake"), ("python", "")):
            (commands / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
            (commands / name).chmod(0o755)
        self._environment = {
            **{name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ},
            "PATH": f"{commands}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder / "workflow"),
            "SEGMAKE_LANG": "en",
        }

    def follow(self, page: Path) -> None:
        """Do what a page says, from its first block to its last."""
        shown: list[str] | None = None
        for mark, language, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
            if found := _FILE.fullmatch(mark):
                self._put(text, **found.groupdict())
            elif language == "bash" and not mark.startswith("not run"):
                shown = self._run(text)
            elif language == "text" and shown is not None:
                assert_shown(text, shown)

    def _put(self, text: str, path: str, way: str | None, line: str | None) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        if line is None:
            after = before + text
        else:
            lines = before.splitlines(keepends=True)
            [at, *_] = [n for n, each in enumerate(lines) if line in each] or [-1]
            assert at >= 0, f"{path} has no line with {line!r}"
            lines[at : at + 1] = [text] if way == "in place of" else [lines[at], text]
            after = "".join(lines)
        file.write_text(after, encoding="utf-8")

    def _run(self, text: str) -> list[str]:
        words = ["bash", "-c", f"set -e\n{text}"]
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}"
        return done.stdout.splitlines()


def assert_shown(text: str, shown: list[str]) -> None:
    """Look whether lines were shown in this order."""
    left = iter(shown)
    for line in filter(str.strip, text.splitlines()):
        wanted = re.compile(".*".join(map(re.escape, line.strip().split("…"))))
        assert any(wanted.fullmatch(each.strip()) for each in left), f"not shown: {line}\n{shown}"
