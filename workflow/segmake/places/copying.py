"""Files from one place to another: only what is new or changed, going on where it was cut, nothing half-written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from segmake.messages import Problem
from segmake.places.attempt import Attempt, Ends
from segmake.places.parts import writer
from segmake.places.place import AWAY, LOST, File, Place
from segmake.places.progress import Progress

# A file that changed within so many seconds may still be growing: the microscope, or a copy, is at it.
QUIET_SECONDS = 10

# Seconds between attempts after the connection was lost, until it is given up; a longer copy that is cut again and
# again gets all of them anew as soon as something has arrived.
PATIENCE = (1, 2, 5, 10, 20, 30, 60)


@dataclass(frozen=True)
class Outcome:
    """What a copy did.

    Attributes
    ----------
    copied : tuple of str
        Files that are over there now and were not, or not as they are here.
    growing : tuple of str
        Files that are still being written here: they come with the next copy.
    """

    copied: tuple[str, ...]
    growing: tuple[str, ...]


async def copy(
    source: tuple[Place, str],
    target: tuple[Place, str],
    *,
    wanted: Callable[[str], bool] = lambda name: True,
    tell: Callable[[Progress], None] = lambda progress: None,
    checked: bool = False,
    quiet: float | None = None,
) -> Outcome:
    """Copy a folder's files that are new or changed; nothing but what a cut copy left is deleted at either side.

    Links are followed. Folders without files are not made. What the target's system refuses in a name is written in
    another way (`segmake.places.foreign_names`).

    Parameters
    ----------
    source, target : (Place, str)
        A place and a folder of it.
    wanted : callable
        Takes a file's path below the folder, and returns whether to copy it.
    tell : callable
        Is told how far it is, often, and that the connection is lost (`Progress.lost`).
    checked : bool
        Whether files that seem to be the same, by size and time, are compared by their content too.
    quiet : float
        A file that changed within so many seconds may still be growing (default: `QUIET_SECONDS`); 0 where nothing
        does, such as after the end of a run.

    Raises
    ------
    Problem
        What either place says, once trying again no longer helps; ``SM-SSH-016`` or ``SM-SSH-040`` if there is no room,
        ``SM-SSH-018`` once all else has been copied if some files can't be read, ``SM-SSH-020`` if something is a
        folder at one side and a file at the other. What has arrived stays.
    """
    ends = Ends(*source, *target, wanted, checked, QUIET_SECONDS if quiet is None else quiet)
    patience = _Patience()
    progress = Progress(tell)
    copied: dict[str, File] = {}
    while True:
        try:
            with writer(source[0].name, source[1], target[0].name, target[1]) as names:
                growing = await Attempt(ends, names, progress, copied).go()
            return Outcome(tuple(sorted(copied)), tuple(sorted(growing)))
        except Problem as problem:
            await patience.wait(problem, progress)


@dataclass
class _Patience:
    """Whether to try again, and when."""

    lost: bool = False
    tried: int = 0
    sent: int = 0

    async def wait(self, problem: Problem, progress: Progress) -> None:
        """Wait for the next attempt, or raise what is wrong."""
        self.lost = self.lost or problem.code == LOST
        if progress.sent > self.sent:
            self.tried, self.sent = 0, progress.sent
        # Before anything was lost, a computer that is not there is most often a name that is mistyped.
        if not self.lost or problem.code not in AWAY or self.tried == len(PATIENCE):
            raise problem
        progress.lose()
        await asyncio.sleep(PATIENCE[self.tried])
        self.tried += 1
