"""Looks after each run of a script whether the images are still as they were, where they can't be kept from it.

On a disk that thousands of images lie on, a run costs a look at its own image and at each folder: a folder that nothing
was added to or removed from keeps its time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from threading import Lock

from segmake.runner.pipeline import Task

# So many folders are looked at after each run.
MOST_FOLDERS = 2000

_State = tuple[int, int]


class Originals:
    """The images of a plan as they were when a job began.

    Parameters
    ----------
    images : iterable of Path
        Their files; folders where they are in OME-Zarr.
    whole : bool
        Whether each image is looked at after each run, and not that of the run alone.
    """

    def __init__(self, images: Iterable[Path], *, whole: bool) -> None:
        self._lock = Lock()
        self._whole = whole
        files = dict.fromkeys(images)
        self._folders = list(dict.fromkeys(path.parent for path in files))[:MOST_FOLDERS]
        self._times = {folder: _state(folder) for folder in self._folders}
        self._names = {folder: _names(folder) for folder in self._folders}
        self._files = {path: _look(path) for path in files} if whole else {}
        self._kinds = {path.suffix.lower() for path in self._files}
        # Several runs at the same time may work on the same image.
        self._own: dict[str, list[tuple[str, _State | None]]] = {}

    def before(self, task: Task) -> None:
        """Note what the image of a run is like before it begins."""
        if task.path != Path() and not self._whole:
            state = _look(task.path)
            with self._lock:
                self._own[task.image] = state
                self._kinds.add(task.path.suffix.lower())

    def changed(self, task: Task, *, alone: bool) -> tuple[list[Path], list[Path]]:
        """Return what a run changed of the images, and what changed that perhaps others did.

        Parameters
        ----------
        task : Task
        alone : bool
            Whether no other run of the job was at work meanwhile.
        """
        with self._lock:
            before = self._own.pop(task.image, None)
            looked = self._files if self._whole else {task.path: before} if before else {}
            bad = [path for path, state in looked.items() if _look(path) != state]
            new = self._new_names()
            stem = task.path.stem
            mine = [
                path
                for path in new
                # A new file like the images may come from a microscope.
                if path.suffix.lower() not in self._kinds
                and _is_own(path)
                and (alone or (stem and named_for(path.name, stem)))
            ]
            self._files = {path: _look(path) for path in self._files}
            return [*bad, *mine], [path for path in new if path not in mine]

    def _new_names(self) -> list[Path]:
        """Return the files that are in the folders of images and were not."""
        found = []
        for folder in self._folders:
            if (now := _state(folder)) != self._times[folder]:
                names = _names(folder)
                found += [folder / name for name in sorted(names - self._names[folder])]
                self._times[folder], self._names[folder] = now, names
        return found


def named_for(name: str, stem: str) -> bool:
    """Whether a word in the name of a file is that of an image: of ``1``, ``1_mask.npy`` is, and ``10.npy`` is not."""
    return bool(re.search(rf"(?<![^\W_]){re.escape(stem)}(?![^\W_])", name))


def _is_own(path: Path) -> bool:
    with suppress(OSError):
        return path.stat().st_uid == os.geteuid()
    return False


def _names(folder: Path) -> set[str]:
    with suppress(OSError):
        # Python's own, of a script that lies there; and what desktops make.
        return {name for name in os.listdir(folder) if not name.startswith((".", "__pycache__"))}
    return set()


def _state(path: Path) -> _State | None:
    with suppress(OSError):
        stat = path.stat()
        return stat.st_size, stat.st_mtime_ns
    return None


def _look(path: Path) -> list[tuple[str, _State | None]]:
    """Return size and time of a file; of an image that is a folder, those of what is in it but for its pixels."""
    found = [(str(path), _state(path))]
    with suppress(OSError):
        if path.is_dir():
            inside = sorted(path.iterdir())
            found += [(str(each), _state(each)) for each in inside]
            found += [
                (str(each), _state(each))
                for top in inside
                if top.is_dir()
                for each in top.iterdir()
            ]
    return found
