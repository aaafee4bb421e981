"""Where the run of an experiment is, as its computer said last: asked once for all windows, and told with its age."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from segmake.core.installation import can_run
from segmake.messages import Problem, Problems, language
from segmake.page.connection import Connection
from segmake.page.work import problem_values
from segmake.remote import running
from segmake.remote.config_copy import make_copy
from segmake.remote.laptop_paths import Laptop
from segmake.remote.remembered import PlaceFile
from segmake.remote.running import Unbegun
from segmake.remote.session import Session

# Several windows ask every few seconds.
_PAUSE_S = 1.5
# A page is shown with what is known, if its computer takes longer.
_PATIENCE_S = 4.0

_OVER = ("ended", "stopped", "died")


@dataclass(frozen=True)
class Seen:
    """What is known of a run.

    Attributes
    ----------
    said : dict or None
        What ``segmake status --json`` answered; None if nothing was ever run.
    at_work : bool
        Whether a run is at work, or about to be.
    begins : bool
        Whether the run at work has written nothing yet: what is said is that of the one before.
    unbegun : Unbegun or None
        What became of the last run if it ended before it began.
    when : float
        When this was said, in seconds since 1970; 0 if nothing was heard yet.
    problems : list of dict
        Why nothing newer is known.
    place : PlaceFile or None
        Of whom it was asked.
    spoken : str
        The language.
    """

    said: dict[str, Any] | None = None
    at_work: bool = False
    begins: bool = False
    unbegun: Unbegun | None = None
    when: float = 0.0
    problems: tuple[dict[str, Any], ...] = ()
    place: PlaceFile | None = None
    spoken: str = ""

    @property
    def began(self) -> str | None:
        """When the last run began."""
        return self.said["run"]["began"] if self.said else None

    @property
    def state(self) -> str:
        """The state in a word, also where there is none.

        That is ``none``, ``refused`` if it ended before it began, ``unknown`` if nothing was heard yet, or ``silent``
        if nobody says it.
        """
        if not self.when:
            return "silent" if self.problems else "unknown"
        if self.unbegun:
            return "refused"
        if self.begins:
            return "starting"
        if self.at_work and self.said and self.said["state"] in _OVER:
            return "ending"
        return str(self.said["state"]) if self.said else "none"

    @property
    def run(self) -> dict[str, Any] | None:
        """What was said, if it is that of the run that was started last."""
        said = self.said
        if not said or self.begins or self.unbegun:
            return None
        # A main process that waits to become a job has no numbers either.
        return None if said["state"] == "waiting" and said["run"]["job"] else said


class Watch:
    """Looks at the run of an experiment.

    Parameters
    ----------
    connection : Connection
    unexpected : callable
        Returns what is told of an error that nobody expected.
    """

    def __init__(self, connection: Connection, unexpected: Callable[[Exception], Problem]) -> None:
        self._connection, self._unexpected = connection, unexpected
        self._seen = Seen()
        self._asked = 0.0
        self._task: asyncio.Task[None] | None = None
        # Python forgets a task that nobody holds.
        self._tasks: set[asyncio.Task[None]] = set()

    async def look(self) -> Seen:
        """Return what is known, once it is as new as it can be, or after some patience."""
        place = self._connection.place
        if self._seen.place != place:
            self._seen = Seen(place=place)
            self.forget()
        at_work = self._task is not None and not self._task.done()
        is_old = time.monotonic() - self._asked > _PAUSE_S or self._seen.spoken != language()
        if not at_work and is_old:
            self._asked = time.monotonic()
            self._task = asyncio.create_task(self._ask(place))
            self._tasks.add(self._task)
            self._task.add_done_callback(self._tasks.discard)
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_PATIENCE_S)
        return self._seen

    def forget(self) -> None:
        """Ask anew the next time, as something was begun or ended; an answer that is on the way is of before."""
        self._asked, self._task = 0.0, None

    async def _ask(self, place: PlaceFile | None) -> None:
        try:
            seen = replace(await self._heard(), place=place)
        except (Problem, Problems) as error:
            found = error.problems if isinstance(error, Problems) else [error]
            seen = self._with(found)
        except Exception as error:
            seen = self._with([self._unexpected(error)])
        if asyncio.current_task() is self._task:
            self._seen = seen

    async def _heard(self) -> Seen:
        refuse_bare(self._connection)
        session = await self._connection.session()
        name_paths(session)
        said, at_work = await running.look(session)
        unbegun = None if at_work else await running.unbegun(session, said)
        if said:
            for failure in said["failures"]:
                failure |= in_own_words(session, failure)
        begins = at_work and await running.is_beginning(session, said)
        return Seen(said, at_work, begins, unbegun, time.time(), spoken=language())

    def _with(self, problems: list[Problem]) -> Seen:
        told = tuple(problem_values(each) for each in problems)
        return replace(self._seen, problems=told, spoken=language())


def refuse_bare(connection: Connection) -> None:
    """Refuse to compute on this computer what it can't: a laptop has only what the page needs.

    Raises
    ------
    Problem
        ``SM-PAG-020``
    """
    if connection.place is None and not (can_run() and shutil.which("sh")):
        raise Problem("SM-PAG-020")


def name_paths(session: Session) -> None:
    """Have what is said over there told in the words of the config, as far as this computer alone can."""
    with suppress(Problem, Problems, OSError):
        laptop = Laptop(Path.cwd(), Path.home())
        session.named = make_copy(session.config, laptop, session.place.folder).named


def in_own_words(session: Session, problem: dict[str, Any]) -> dict[str, Any]:
    """Return what an answer tells of a problem, with this computer's own paths."""
    return {
        name: session.own_words(text) if isinstance(text, str) else text
        for name, text in problem.items()
    }
