"""What a page for developers has one do, done in a scratch copy of SegMake: its files are changed, its commands run.

Before a block, a comment names the file that it goes into: ``<!-- file: PATH -->``. A block of ``diff`` changes it, at the
lines that it shows; any other is a new file, or goes to the end of one that is there. Blocks of ``bash`` are run, and
``text`` after one is what it shows: each line in this order, ``…`` for what differs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.util import cache_from_source
from pathlib import Path

from tests.projects import ROOT

DEVELOPERS = ROOT / "docs" / "developers"

_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*?) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)
_FILE = re.compile(r"file: (\S+)")


def blocks(page: Path) -> list[tuple[str, str, str]]:
    """Return the blocks of a page: the comment before each, its language, its text."""
    return _BLOCK.findall(page.read_text(encoding="utf-8"))


class Scratch:
    """A copy of SegMake's files, with the commands of this environment."""

    def __init__(self, folder: Path, language: str = "en") -> None:
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
            if name.endswith(".py") and (compiled := Path(cache_from_source(ROOT / name))).exists():
                # Else each copy translates all of the package anew.
                (self.folder / name).parent.joinpath("__pycache__").mkdir(exist_ok=True)
                shutil.copy2(compiled, (self.folder / name).parent / "__pycache__")
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
            "SEGMAKE_LANG": language,
        }

    def follow(self, page: Path) -> None:
        """Do what a page says, from its first block to its last."""
        shown: list[str] | None = None
        for mark, language, text in blocks(page):
            if found := _FILE.fullmatch(mark):
                self._put(text, found[1], language)
            elif language == "bash" and not mark.startswith("not run"):
                shown = self._run(text)
            elif language == "text" and shown is not None:
                assert_shown(text, shown)

    def _put(self, text: str, path: str, language: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        if language == "diff":
            lines = text.splitlines()
            old, new = (
                "".join(f"{line[1:]}\n" for line in lines if not line.startswith(other))
                for other in ("+", "-")
            )
            assert old in before, f"{path} has not these lines:\n{old}"
            after = before.replace(old, new, 1)
        else:
            after = before + ("\n" if before and not text.startswith("\n") else "") + text
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
    for line in text.splitlines():
        if line.strip() in ("", "…"):
            continue
        wanted = re.compile(".*".join(map(re.escape, line.strip().split("…"))))
        assert any(wanted.fullmatch(each.strip()) for each in left), f"not shown: {line}\n{shown}"
