"""Keeps scripts from writing to what is not theirs: the images, SegMake's results, and what other runs made.

Where the kernel allows it, a script sees these folders through mounts that can only be read, and can write to none but
its own (`segmake.user_scripts.starter`). Where it does not, a run for an image works on true copies of small files
(`Copies`), and the images are looked at after each run (`segmake.user_scripts.originals`). There are no links, through
which the originals would be written to.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cached_property
from itertools import islice
from pathlib import Path

from segmake.plan import Plan
from segmake.user_scripts import kernel
from segmake.user_scripts.starting import Starter

# A larger file takes longer to copy than most scripts need for it.
LARGEST_COPY = 64 * 1024**2

# Files of these kinds are complete by themselves; of others, parts may lie beside them.
_WHOLE = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".nd2", ".lsm", ".csv", ".npy")
_OF_SEVERAL = ".ome."

# What other runs of the script made is closed one by one; where they are more, it is only noted in the journal.
MOST_BESIDE = 100

# Where programs write for themselves, whatever folder the images are in.
_CACHES = (".cache", ".config", ".local", ".ipython", ".jupyter", ".matplotlib")


class Protection:
    """What a script may not write to.

    Parameters
    ----------
    folders : iterable of Path
        With all that is in them; links in their place are followed.
    wanted : bool
        Whether there is to be any.
    """

    def __init__(self, folders: Iterable[Path], *, wanted: bool = True) -> None:
        self.wanted = wanted
        real = {os.path.realpath(folder) for folder in folders if os.path.exists(folder)}
        # What lies within another one is a part of it.
        self._closed = sorted(each for each in real - {"/"} if not _within(each, real - {each}))
        home = os.path.expanduser("~")
        own = [os.path.join(home, name) for name in _CACHES]
        # There may be no place for temporary files at all.
        with suppress(OSError):
            own.append(tempfile.gettempdir())
        self._open = [path for path in map(os.path.realpath, own) if _within(path, self._closed)]

    @cached_property
    def works(self) -> bool:
        """Whether the kernel allows it; asked once for each process."""
        if not self.wanted or not self._closed:
            return False
        order = {"words": ["true"], "folder": "/", "variables": dict(os.environ)}
        starter, space = Starter(), ""
        with suppress(OSError), open(os.devnull, "wb") as said:
            started = starter.start({**order, "mounts": self.mounts(Path("/"))}, said.fileno())
            started.follow()
            space = started.space
        starter.close()
        return bool(space)

    @cached_property
    def _below(self) -> list[str]:
        """Where other disks are mounted in these folders."""
        return [each for top in self._closed for each in kernel.mounts_below(top)]

    def mounts(self, folder: Path, others: Iterable[Path] = ()) -> dict[str, list[str]]:
        """Return what a run can only read, and what it can write to, as `segmake.user_scripts.starter` takes it.

        Parameters
        ----------
        folder : Path
            The one that it works in, and writes to.
        others : iterable of Path
            Files that can only be read as well, wherever they lie.
        """
        own = os.path.realpath(folder)
        more = [os.path.realpath(each) for each in others if os.path.exists(each)]
        more = [each for each in more if not _within(each, self._closed)]
        opened, beside = [each for each in self._open if os.path.exists(each)], []
        if _within(own, self._closed):
            # Many scripts begin by removing their folder of outputs, and make it anew: for that, the one above it has
            # to be open, and all others in that one closed.
            opened.append(os.path.dirname(own))
            beside = _beside(own)
        closed = [*self._closed, *more]
        return {"opened": opened, "closed": closed, "below": self._below, "beside": beside}


def _beside(folder: str) -> list[str]:
    """Return what lies beside a folder; nothing if that is very much."""
    with suppress(OSError), os.scandir(os.path.dirname(folder)) as inside:
        found = [entry.path for entry in islice(inside, MOST_BESIDE + 1) if entry.path != folder]
        return found if len(found) <= MOST_BESIDE else []
    return []


def protection_of(plan: Plan, *, wanted: bool) -> Protection:
    """Return what scripts may not write to: folders of images, and all results."""
    section = plan.settings["images"]["folder"]
    named = [section] if isinstance(section, str) else section or []
    results = plan.folders.results
    found = [Path(os.path.expanduser(name)) for name in named] + [results]
    # Parts of the results may be links to other disks.
    for folder in (results, plan.folders.scripts):
        with suppress(OSError):
            found += [each for each in folder.iterdir() if each.is_symlink()]
    return Protection(found, wanted=wanted)


class Copies:
    """True copies of what a run is given.

    They lie in the folder for temporary files of the computer that it runs on, under the names of the folders that
    the originals are in, and are removed when it ends.

    Parameters
    ----------
    given : dict
        The paths of what it works on, by the names of the placeholders.
    """

    def __init__(self, given: Mapping[str, str]) -> None:
        self._folder: Path | None = None
        self._known: dict[str, tuple[int, int]] = {}
        self.given = {word: self._copied(word, Path(path)) for word, path in given.items()}

    def _copied(self, word: str, path: Path) -> str:
        name = path.name.lower()
        if not name.endswith(_WHOLE) or _OF_SEVERAL in name or not path.is_file():
            return str(path)
        try:
            if path.stat().st_size > LARGEST_COPY:
                return str(path)
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="segmake-copies-"))
            copy = self._folder / word / Path(*path.parts[-3:]).as_posix().lstrip("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        except OSError:
            return str(path)
        self._known[str(copy)] = _state(copy)
        return str(copy)

    def changed(self) -> list[Path]:
        """Return the copies that were written to, and what was laid beside them."""
        if self._folder is None:
            return []
        now = {str(path): _state(path) for path in self._folder.rglob("*") if path.is_file()}
        return [
            Path(path) for path in {**self._known, **now} if now.get(path) != self._known.get(path)
        ]

    def remove(self) -> None:
        """Remove them."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _state(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _within(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder.rstrip('/')}/") for folder in folders)
