"""A clone of SegMake that somebody uses, and the repository that it came from, where newer versions come to be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from segmake.config.load import load_config
from tests.projects import ROOT

IDENTITY = ("-c", "user.name=A", "-c", "user.email=a@example.org")
PARTS = (
    "workflow",
    "config",
    "scripts",
    "profiles",
    "CHANGELOG.md",
    "environment.yml",
    ".gitignore",
)
CONFIG = "config/config.yaml"
VERSIONS = "workflow/segmake/core/versions.py"
SETUP = """\
#!/usr/bin/env bash
cd "$(dirname "$0")/.."
mkdir -p .environments
echo '*' > .environments/.gitignore
echo "$* $(cat environment.yml | wc -l)" >> .environments/called.txt
if [ -e .environments/fails ]; then exit 1; fi
if [ -e .environments/hangs ]; then touch .environments/waits; sleep 60; fi
"""


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *IDENTITY, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass
class Installation:
    """A clone that somebody uses, and the repository that it came from."""

    origin: Path
    root: Path

    def publish(self, *changes: tuple[str, str, str], version: str | None = None) -> str:
        """Commit changes (file, text, text in its place; no text: the whole file) to the repository."""
        init = "workflow/segmake/__init__.py"
        more = [(init, '__version__ = "0.2.0"', f'__version__ = "{version}"')] if version else []
        for name, old, new in [*changes, *more]:
            path = self.origin / name
            text = path.read_text() if path.exists() else ""
            assert old in text
            path.parent.mkdir(exist_ok=True)
            path.write_text(text.replace(old, new) if old else new)
        git(self.origin, "add", "-A")
        git(self.origin, "commit", "--quiet", "-m", "A newer version")
        return git(self.origin, "rev-parse", "HEAD").strip()

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def edit(self, name: str, old: str, new: str) -> str:
        text = (self.root / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))
        return text.replace(old, new)

    def read(self, name: str) -> str:
        return (self.root / name).read_text()

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-P", "-m", "segmake", *words]

    def environment(self, language: str = "en") -> dict[str, str]:
        path = str(self.root / "workflow")
        return {
            **os.environ,
            "PYTHONPATH": path,
            "SEGMAKE_LANG": language,
            "HOME": str(self.root.parent),
        }

    def segmake(self, *words: str, language: str = "en") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            cwd=self.root,
            env=self.environment(language),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def update(self, *words: str) -> str:
        done = self.segmake("update", *words, *(["--yes"] if "--check" not in words else []))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def refused(self, code: str, *words: str) -> str:
        done = self.segmake("update", "--yes", *words)
        assert done.returncode == 1, done.stdout
        assert code in done.stderr, done.stderr
        return done.stderr

    def head(self) -> str:
        return git(self.root, "rev-parse", "HEAD").strip()

    def kept(self, folder: str = "config") -> list[Path]:
        return sorted((self.root / folder).glob("*.before-*"))

    def settings(self, name: str = CONFIG) -> dict:
        return load_config(self.root / name, images=False).settings

    def tree(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in self.root.rglob("*")
            if path.is_file() and ".git" not in path.parts and "__pycache__" not in path.parts
        }


def own_commits(one: Installation) -> None:
    one.write("own.txt", "mine")
    git(one.root, "add", "own.txt")
    git(one.root, "commit", "--quiet", "-m", "Mine")


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with SegMake as it is on the disk now."""
    folder = tmp_path_factory.mktemp("published")
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(ROOT / name, folder / name)
    (folder / "scripts" / "setup.sh").write_text(SETUP)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "As it is")
    # By its content: else each clone would be compiled anew.
    words = ("-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "workflow/segmake")
    subprocess.run([sys.executable, *words], cwd=folder, check=True)
    return folder


@pytest.fixture
def installed(published: Path, tmp_path: Path) -> Installation:
    for source, target in (
        (published, tmp_path / "origin"),
        (tmp_path / "origin", tmp_path / "clé n° 1"),
    ):
        git(tmp_path, "clone", "--quiet", "--shared", str(source), str(target))
    one = Installation(tmp_path / "origin", tmp_path / "clé n° 1")
    for compiled in published.rglob("__pycache__"):
        shutil.copytree(compiled, one.root / compiled.relative_to(published), copy_function=os.link)
    return one


RAISED = (VERSIONS, '"threshold": 1', '"threshold": 2')
NEWS = (
    "CHANGELOG.md",
    "## 0.2.0 (unreleased)\n",
    "## 0.2.0 (unreleased)\n\n- Cells of two colours.\n",
)
OTHER_DEFAULT = (CONFIG, "min_size: 15", "min_size: 40")
