"""Keeps scripts from writing to what is not theirs: the images, SegMake's results, and what other runs made.

Where the kernel allows it, a script sees these folders through mounts that can only be read, and can write to none but
its own (`segmake.scripts.running.starter`). Where it does not, the images are looked at after each run
(`segmake.scripts.running.originals`). There are no copies and no links: what lies beside
an image would be missing there.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from itertools import islice
from pathlib import Path

from segmake.plan.plan import Plan
from segmake.scripts.running import kernel
from segmake.scripts.running.starting import Starter

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
        self._crowded: set[str] = set()
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
        """Return what a run can only read, and what it can write to, as `segmake.scripts.running.starter` takes it.

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
        # It may itself be a link to another disk.
        closed = [each for each in self._closed if each != own]
        if _within(own, closed):
            # Many scripts begin by removing their folder of outputs, and make it anew: for that, the one above it has
            # to be open, and all others in that one closed.
            opened.append(os.path.dirname(own))
            beside = self._beside(own)
        below = self._below
        if len(closed) < len(self._closed):
            below = [each for each in below if not _within(each, [own])]
        return {"opened": opened, "closed": [*closed, *more], "below": below, "beside": beside}

    def _beside(self, folder: str) -> list[str]:
        """Return what lies beside a folder; nothing if that is very much."""
        above = os.path.dirname(folder)
        if above in self._crowded:
            return []
        found: list[str] = []
        with suppress(OSError), os.scandir(above) as inside:
            found = [entry.path for entry in islice(inside, MOST_BESIDE + 1)]
        if len(found) > MOST_BESIDE:
            self._crowded.add(above)
            return []
        return [path for path in found if path != folder]


def protection_of(plan: Plan, *, wanted: bool) -> Protection:
    """Return what scripts may not write to: folders of images, and all results."""
    results = plan.folders.results
    found = [Path(os.path.expanduser(name)) for name in plan.typed.images.folders] + [results]
    # Parts of the results may be links to other disks.
    for folder in (results, plan.folders.scripts):
        with suppress(OSError):
            found += [each for each in folder.iterdir() if each.is_symlink()]
    return Protection(found, wanted=wanted)


def _within(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder.rstrip('/')}/") for folder in folders)
