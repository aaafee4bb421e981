"""The clone that SegMake lies in, as git sees it: what is asked of git, and what git answers."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segmake.core import installation
from segmake.core.disk import probe
from segmake.core.files import one_line
from segmake.messages import Problem

# Neither the user's hooks, nor work that goes on when git has answered.
_QUIETLY = (
    "core.hooksPath=/dev/null",
    "core.quotePath=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "merge.autoStash=false",
    "submodule.recurse=false",
)

# What git is in the middle of while these are there.
_UNDER_WAY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")


# Where another repository lies, such as one whose hook has called.
_OF_ANOTHER = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX")


class GitError(Exception):
    """What git said when it refused."""


@dataclass(frozen=True)
class Clone:
    """A clone, and what git knows of it.

    Attributes
    ----------
    root : Path
    """

    root: Path

    def git(self, *words: str) -> str:
        """Run git in the clone, and return what it printed.

        Raises
        ------
        GitError
            With git's own words.
        """
        return os.fsdecode(self._run(words))

    def _run(self, words: Sequence[str]) -> bytes:
        options = [word for setting in _QUIETLY for word in ("-c", setting)]
        kept = {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER}
        if not sys.stdin.isatty():
            kept["GIT_TERMINAL_PROMPT"] = "0"
        done = subprocess.run(
            ["git", "--literal-pathspecs", *options, *words],
            cwd=self.root,
            env=kept,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            said = os.fsdecode(done.stderr or done.stdout).strip()
            raise GitError(one_line(said) or f"git {words[0]}: {done.returncode}")
        return done.stdout

    def names(self, *words: str) -> list[str]:
        """Return what git lists, whatever is in the names (it is to be told ``-z``)."""
        return [name for name in self.git(*words).split("\0") if name]

    def commit(self, name: str) -> str:
        """Return the commit that a name stands for."""
        return self.git("rev-parse", "--verify", f"{name}^{{commit}}").strip()

    def content(self, commit: str, path: str) -> bytes | None:
        """Return what a file is in a commit, as it would be on the disk; None where it is not in it."""
        try:
            return self._run(["cat-file", "--filters", f"{commit}:{path}"])
        except GitError:
            return None

    def text(self, commit: str, path: str) -> str:
        """Return the text of a file in a commit; empty where it is not in it."""
        return (self.content(commit, path) or b"").decode("utf-8", "replace")

    def edited(self) -> list[str]:
        """Return the files that are not as the last commit has them, also those that git was told to pass over."""
        found = self.names("diff", "--name-only", "--no-renames", "-z", "HEAD")
        return sorted({*found, *(name for name in self.flagged() if self._differs(name))})

    def flagged(self) -> list[str]:
        """Return the files that git was told to take for unchanged (``git update-index --skip-worktree``)."""
        listed = (line.split(" ", 1) for line in self.names("ls-files", "-v", "-z"))
        return [name for flag, name in listed if flag == "S" or flag.islower()]

    def _differs(self, name: str) -> bool:
        path = self.root / name
        return not path.is_file() or path.read_bytes() != self.content("HEAD", name)

    def changes(self, before: str, after: str) -> dict[str, str]:
        """Return what became of each file from one commit to another: ``A``, ``M``, ``D`` or ``T``."""
        words = self.names("diff", "--name-status", "--no-renames", "-z", before, after)
        return dict(zip(words[1::2], words[::2], strict=True))

    @property
    def notes(self) -> Path:
        """The folder in which updates are noted: in git's own, where nobody tidies up."""
        return self.root / self.git("rev-parse", "--git-path", "segmake").strip()

    def fetch(self) -> str:
        """Ask for what is new, and return the newest commit of the branch.

        Raises
        ------
        Problem
            ``SM-UPD-004`` where no branch is checked out, ``SM-UPD-005`` where it follows none, ``SM-UPD-006`` where
            the other side does not answer.
        """
        try:
            branch = self.git("symbolic-ref", "--quiet", "--short", "HEAD").strip()
        except GitError:
            raise Problem("SM-UPD-004", where=str(self.root), root=self.root) from None
        try:
            self.git("rev-parse", "--symbolic-full-name", "@{upstream}")
        except GitError:
            raise Problem("SM-UPD-005", where=str(self.root), branch=branch) from None
        try:
            self.git("fetch", "--quiet")
            return self.commit("@{upstream}")
        except GitError as error:
            raise self.refusal(error, "SM-UPD-006") from None

    def refusal(self, error: GitError, code: str = "SM-UPD-010") -> Problem:
        """Return what to say of a git that refused: that the disk is full, where it is, else git's own words."""
        return probe(self.root) or Problem(code, where=str(self.root), error=error)

    def refuse_own_commits(self, newest: str) -> None:
        """Refuse to go on from commits that the other side does not have.

        Raises
        ------
        Problem
            ``SM-UPD-007``
        """
        own, behind = map(
            int, self.git("rev-list", "--count", "--left-right", f"HEAD...{newest}").split()
        )
        if own and behind:
            raise Problem("SM-UPD-007", where=str(self.root), number=own)

    def refuse_half_done(self) -> None:
        """Refuse where a merge, or something like it, waits for the user.

        Raises
        ------
        Problem
            ``SM-UPD-008``
        """
        there = (
            self.root / self.git("rev-parse", "--git-path", name).strip() for name in _UNDER_WAY
        )
        if any(path.exists() for path in there) or self.names("ls-files", "--unmerged", "-z"):
            raise Problem("SM-UPD-008", where=str(self.root))


def open_clone() -> Clone:
    """Return the clone that SegMake lies in, if it is one that the user may change.

    Raises
    ------
    Problem
        ``SM-UPD-001`` if it is none, ``SM-UPD-002`` without git, ``SM-UPD-003`` if it is somebody else's.
    """
    root = installation.clone()
    if root is None or not (root / ".git").exists():
        raise Problem("SM-UPD-001", where=str(installation.home()), folder=installation.home())
    # git itself would ask nothing of a clone of somebody else, and say so in its own words.
    if installation.is_shared():
        raise Problem("SM-UPD-003", where=str(root), owner=owner_of(root))
    clone = Clone(root)
    try:
        notes = clone.notes
    except FileNotFoundError:
        raise Problem("SM-UPD-002") from None
    except GitError as error:
        raise Problem("SM-UPD-010", where=str(root), error=error) from None
    if not os.access(notes.parent, os.W_OK):
        raise Problem("SM-UPD-003", where=str(root), owner=owner_of(root))
    return clone


def owner_of(path: Path) -> str:
    """Return the name of whoever a file or folder belongs to."""
    number = path.stat().st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
