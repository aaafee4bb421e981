"""That there is no room left, which all jobs of a run on this computer meet at the same time, one of them tells.

Who has told says so by another name of an empty file, for which there is room on a full disk. It counts as told once it
was: one that dies before, or can't say so, leaves it to the next, so that it may be told twice, and never not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from segmake.core.files import lock_file, open_own
from segmake.messages import Problem

# A disk without room, a used-up quota (`segmake.core.disk`).
_NO_ROOM = "SM-RUN-040"

_UNTOLD, _TOLD = "no_room.untold", "no_room.told"


def begin_untold(state: Path, *, one_screen: bool) -> None:
    """Note that nobody has told yet in a run that begins.

    Parameters
    ----------
    state : Path
        The folder with SegMake's state, in the results.
    one_screen : bool
        Whether its jobs have one screen, that of the run; where each has its own log, each tells.
    """
    for name in (_UNTOLD, _TOLD):
        with suppress(OSError):
            (state / name).unlink()
    if one_screen:
        with suppress(OSError):
            (state / _UNTOLD).touch()


def was_told(problem: object, state: Path) -> bool:
    """Whether a job of this run has told what a problem says of the disk with the results."""
    with suppress(OSError):
        return _is_of_results(problem, state) and (state / _TOLD).exists()
    return False


@contextmanager
def to_tell(problem: object, state: Path) -> Iterator[bool]:
    """Whether a problem is to be told by this job: other jobs wait until it is, and need not then.

    Parameters
    ----------
    problem : Problem or Problems
    state : Path
        The folder with SegMake's state, in the results.
    """
    with ExitStack() as kept:
        with suppress(OSError, Problem):
            lock_file(kept.enter_context(open_own(state / _UNTOLD, "r+")), wait=True)
        yield not was_told(problem, state)
        with suppress(OSError):
            if _is_of_results(problem, state):
                (state / _UNTOLD).rename(state / _TOLD)


def _is_of_results(problem: object, state: Path) -> bool:
    """Whether a problem says that the disk with the results has no room."""
    if not isinstance(problem, Problem) or problem.code != _NO_ROOM:
        return False
    return Path(problem.where).stat().st_dev == state.stat().st_dev
