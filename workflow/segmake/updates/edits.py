"""The user's edits in a clone: kept before git moves, joined with the new version, and put back into their places."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from segmake.core.config import DEFAULT_CONFIG
from segmake.core.files import flush
from segmake.updates.clone import Clone
from segmake.updates.record import Edit, Notes, Record

CONFIG = DEFAULT_CONFIG.as_posix()


class Edits:
    """The edits that an update is to keep.

    Parameters
    ----------
    clone : Clone
    notes : Notes
    record : Record
    """

    def __init__(self, clone: Clone, notes: Notes, record: Record) -> None:
        self.clone = clone
        self.record = record
        self.folder = notes.folder / record.folder
        self._changes = clone.changes(record.before, record.after)

    def keep(
        self, *, config_in_use: bool, earlier: Mapping[str, Edit], earlier_folder: Path
    ) -> None:
        """Keep a copy of each file that is not as the version before had it, and decide what becomes of it.

        Parameters
        ----------
        config_in_use : bool
            Whether the config has results: then it stays in force also where nobody has edited it.
        earlier : mapping
            On the way back: what the update did, by the paths.
        earlier_folder : Path
            Where it kept the user's files.
        """
        paths = self.clone.edited()
        if config_in_use and CONFIG not in paths and self._changes.get(CONFIG) == "M":
            paths.append(CONFIG)
        brought = [
            path for path, what in self._changes.items() if what == "A" and path not in paths
        ]
        paths += [path for path in brought if os.path.lexists(self.clone.root / path)]
        paths += [path for path in earlier if path not in paths]
        for path in paths:
            if edit := self._decide(path, earlier.get(path), earlier_folder):
                self.record.edits = [*(e for e in self.record.edits if e.path != path), edit]
        flush(self.folder)

    def _decide(self, path: str, earlier: Edit | None, earlier_folder: Path) -> Edit | None:
        place = self.clone.root / path
        there = content(place)
        if earlier and earlier.left and checksum(there) == earlier.left:
            # What the update left: on the way back, the user's own takes its place again.
            saved = self._save(earlier_folder / earlier.saved, path, "wanted")
            return Edit(path, "merge", self._save(place, path), saved)
        if earlier and path not in self.clone.edited():
            return None
        if place.is_dir() and not place.is_symlink():
            return Edit(path, "untracked", copy=self._telling(path))
        if there is None:
            return Edit(path, "gone")
        saved = self._save(place, path)
        before, after = (
            self.clone.content(c, path) for c in (self.record.before, self.record.after)
        )
        if path not in self._changes or there == after:
            return Edit(path, "same", saved, saved)
        if before is None:
            return Edit(path, "untracked", saved, copy=self._telling(path))
        if path == CONFIG:
            return Edit(path, "config", saved, saved, self._telling(path))
        if after is not None and (joined := self._join(path, before, after)):
            return Edit(path, "merge", saved, joined)
        return Edit(path, "clash", saved, copy=self._telling(path))

    def _save(self, place: Path, path: str, kind: str = "saved") -> str:
        """Copy a file among the notes, and return its name there."""
        name = f"{kind}/{path}"
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        if place.exists() or place.is_symlink():
            shutil.copy2(place, target, follow_symlinks=False)
        return name

    def _join(self, path: str, before: bytes, after: bytes) -> str | None:
        """Join what the user and the new version changed in a file; return its name among the notes, or None."""
        own = self.folder / "saved" / path
        if own.is_symlink():
            return None
        sides = {"before": before, "after": after}
        for side, text in sides.items():
            target = self.folder / side / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(text)
        places = [str(own), *(str(self.folder / side / path) for side in sides)]
        words = ["git", "merge-file", "-p", "-q", *places]
        done = subprocess.run(words, cwd=self.clone.root, capture_output=True, check=False)
        if done.returncode:
            return None
        name = self._save(own, path, "wanted")
        (self.folder / name).write_bytes(done.stdout)
        return name

    def _telling(self, path: str) -> str:
        """Return a free name beside a file, which says what it is."""
        place = Path(path)
        middle = f"before-{self.record.version}-{time.strftime('%Y-%m-%d')}"
        for number in range(1, 1000):
            more = f"-{number}" if number > 1 else ""
            name = place.with_name(f"{place.stem}.{middle}{more}{place.suffix}")
            if not os.path.lexists(self.clone.root / name):
                break
        return name.as_posix()

    def clear(self) -> None:
        """Give git a free way: what the user is to find is copied, and what the new version changes is reset."""
        for edit in self.record.edits:
            if edit.how == "untracked":
                self._aside(edit)
            elif edit.how in ("clash", "config"):
                self._copy(edit)
        for path in self.clone.flagged():
            if path in self._changes:
                self.clone.git("update-index", "--no-skip-worktree", "--", path)
                self.clone.git("update-index", "--no-assume-unchanged", "--", path)
        for edit in self.record.edits:
            if self._changes.get(edit.path, "A") != "A":
                words = ("checkout", "--quiet", "--force", self.record.before)
                self.clone.git(*words, "--", edit.path)
            elif edit.how == "untracked" and self.clone.names("ls-files", "-z", "--", edit.path):
                self.clone.git("reset", "--quiet", "--", edit.path)
        self._free_folders()

    def _aside(self, edit: Edit) -> None:
        place, target = self.clone.root / edit.path, self.clone.root / edit.copy
        if os.path.lexists(place) and not os.path.lexists(target):
            place.rename(target)

    def _free_folders(self) -> None:
        """Move files aside that stand where the new version has folders."""
        for path, what in self._changes.items():
            for folder in Path(path).parents if what == "A" else ():
                place = self.clone.root / folder
                if place.is_symlink() or (place.exists() and not place.is_dir()):
                    edit = Edit(
                        folder.as_posix(), "untracked", copy=self._telling(folder.as_posix())
                    )
                    self._aside(edit)
                    self.record.edits.append(edit)

    def _copy(self, edit: Edit) -> None:
        target = self.clone.root / edit.copy
        if not os.path.lexists(target):
            shutil.copy2(self.folder / edit.saved, target, follow_symlinks=False)

    def put_back(self) -> None:
        """Put into its place what is to stand there now; what the user has changed since is left alone."""
        for edit in self.record.edits:
            place = self.clone.root / edit.path
            new = self.clone.content(self.record.after, edit.path)
            if content(place) not in (None, new):
                continue
            if edit.wanted:
                put(self.folder / edit.wanted, place)
            elif edit.how == "gone" and edit.path not in self._changes:
                place.unlink(missing_ok=True)

    def undo(self) -> None:
        """Put everything back as it was before git refused."""
        self.clone.git("reset", "--quiet", "--hard", self.record.before)
        for edit in self.record.edits:
            place = self.clone.root / edit.path
            kept = self.clone.root / edit.copy
            if edit.saved:
                put(self.folder / edit.saved, place)
            elif edit.how == "untracked" and os.path.lexists(kept):
                kept.rename(place)
                continue
            elif edit.how == "gone":
                place.unlink(missing_ok=True)
            if edit.copy and not kept.is_dir():
                kept.unlink(missing_ok=True)

    def rescue(self) -> None:
        """After an interruption: keep what was edited since, in place of what was kept of the same file."""
        known = {edit.path: edit for edit in self.record.edits}
        differing = set(self.clone.names("diff", "--name-only", "-z", self.record.before))
        differing &= set(self.clone.names("diff", "--name-only", "-z", self.record.after))
        for path in differing:
            there = content(self.clone.root / path)
            edit = known.get(path)
            old = [content(self.folder / n) for n in (edit.saved, edit.wanted) if n] if edit else []
            sides = [
                self.clone.content(c, path) or b"" for c in (self.record.before, self.record.after)
            ]
            # git itself may have been killed in the middle of a file.
            if there is None or there in old or any(side.startswith(there) for side in sides):
                continue
            if new := self._decide(path, None, self.folder):
                self.record.edits = [*(e for e in self.record.edits if e.path != path), new]
        flush(self.folder)

    def seal(self) -> None:
        """Note what was put into each place, for the way back."""
        for edit in self.record.edits:
            if edit.how != "same" and edit.saved:
                own = content(self.folder / edit.wanted) if edit.wanted else None
                edit.left = checksum(own or self.clone.content(self.record.after, edit.path))


def content(place: Path) -> bytes | None:
    """Return what stands in a file, or where a link leads; None where there is neither."""
    with suppress(OSError):
        if place.is_symlink():
            return b"-> " + os.fsencode(place.readlink())
        return place.read_bytes()
    return None


def checksum(found: bytes | None) -> str:
    """Return the checksum of what a file holds; empty if there is none."""
    return "" if found is None else hashlib.sha256(found).hexdigest()


def put(source: Path, place: Path) -> None:
    """Put a copy of a file into a place, in one step."""
    if content(source) is None:
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        shutil.copy2(source, part, follow_symlinks=False)
        flush(part)
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)
