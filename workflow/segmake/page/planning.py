"""What a run would do, and what has to be sent before: found out by an errand, as it may take long."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from segmake.core.files import natural_key
from segmake.messages import Problem, language, say
from segmake.page.connection import Connection
from segmake.page.errands import Errand, Errands
from segmake.page.watch import Watch, in_own_words, name_paths, refuse_bare
from segmake.page.work import problem_values
from segmake.remote import running
from segmake.remote.arrival import forget_if_gone, has_arrived
from segmake.remote.beginning import make_folder, no_engine, sent_in_words
from segmake.remote.patience import patiently
from segmake.remote.remembered import PlaceFile
from segmake.remote.sending import ONLY_THERE, Ahead, check, foreseen, send
from segmake.remote.session import Session, told
from segmake.remote.shown_progress import telling

# The kinds of the errands.
PLAN, START = "plan", "start"

# For so long a plan is shown again without another look at the images.
_FRESH_S = 30.0

_NO_ENGINE = "SM-ENV-001"


@dataclass(frozen=True)
class Asked:
    """What a plan is asked for.

    Attributes
    ----------
    version : str
        Of the config.
    profile : str
        Empty for the usual one.
    place : PlaceFile or None
    """

    version: str
    profile: str
    place: PlaceFile | None


@dataclass
class Foreseen:
    """What would be done.

    Attributes
    ----------
    profile : str
    has_slurm : bool
        Whether there is Slurm where it is computed.
    at_work : bool
        Whether a run is at work: of a next one nothing is known.
    ahead : Ahead or None
        What is to be sent before a plan can be made.
    plan : dict
        What ``segmake plan --json`` answered; empty if it could not.
    errors, warnings : list of dict
        What keeps a run from beginning, and what else is to be known.
    cluster : dict
        What ``segmake cluster --json`` answered; empty without Slurm.
    request : str
        What Slurm would be asked for, as text.
    """

    profile: str
    has_slurm: bool
    at_work: bool = False
    ahead: Ahead | None = None
    plan: dict[str, Any] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    cluster: dict[str, Any] = field(default_factory=dict)
    request: str = ""

    @property
    def can_start(self) -> bool:
        """Whether a run could begin, and has something to do."""
        return bool(self.plan) and not self.errors and not self.at_work and self.plan["has_work"]


class Planning:
    """What is foreseen of the next run, and its beginning.

    Parameters
    ----------
    connection : Connection
    errands : Errands
    watch : Watch
    unexpected : callable
        Returns what is told of an error that nobody expected.
    """

    def __init__(
        self,
        connection: Connection,
        errands: Errands,
        watch: Watch,
        unexpected: Callable[[Exception], Problem],
    ) -> None:
        self._connection, self._errands, self._watch = connection, errands, watch
        self._unexpected = unexpected
        self._asked: tuple[Asked, str] | None = None
        self._ended = 0.0
        self._foreseen: Foreseen | None = None
        self._accepted: set[str] = set()

    def known(self, asked: Asked) -> Foreseen | None:
        """Return what was found out, however long ago; None if that was not asked, or not found out."""
        return self._foreseen if self._asked and self._asked[0] == asked else None

    def is_fresh(self, asked: Asked) -> bool:
        """Whether it was asked a moment ago, in this language, whatever was found out."""
        return self._asked == (asked, language()) and time.monotonic() - self._ended < _FRESH_S

    def look(
        self,
        asked: Asked,
        *,
        sends: bool = False,
        overwrite: bool = False,
        anew: bool = False,
        also_there: bool = False,
    ) -> Errand:
        """Find out what would be done; an errand that is at work is left to its end.

        Parameters
        ----------
        asked : Asked
        sends : bool
            Whether what is new may be sent.
        overwrite : bool
            Whether what was edited over there is replaced, and kept beside.
        anew : bool
            Whether all is sent to a folder over there that is gone.
        also_there : bool
            Whether the images that only the other computer has, as was told, are computed too.
        """
        if also_there and (last := self._errands.last(PLAN)):
            self._accepted |= {each["code"] for each in last.problems} & set(ONLY_THERE)

        async def work(errand: Errand) -> None:
            self._asked, self._foreseen = (asked, language()), None
            try:
                self._foreseen = await self._look(
                    asked, errand, sends=sends, overwrite=overwrite, anew=anew
                )
            finally:
                self._ended = time.monotonic()

        return self._errands.begin(PLAN, work, self._unexpected)

    def start(self, asked: Asked) -> Errand:
        """Start a run, unless one is at work; an errand that starts one already is left to its end."""

        async def work(errand: Errand) -> None:
            session = await self._session(errand)
            if asked.place:
                await has_arrived(session)
            profile = asked.profile or await running.profile_of(session)
            errand.tell(say("page.start.starting"))
            await running.start_unless_at_work(session, profile)
            self._asked = None
            self._accepted.clear()
            self._watch.forget()

        return self._errands.begin(START, work, self._unexpected)

    async def _session(self, errand: Errand) -> Session:
        refuse_bare(self._connection)
        place = self._connection.place
        if place:
            errand.tell(say("page.start.reaching", host=place.host))
        session = await self._connection.session()
        name_paths(session)
        if place:
            check(session)
        return session

    async def _look(
        self, asked: Asked, errand: Errand, *, sends: bool, overwrite: bool, anew: bool
    ) -> Foreseen:
        session = await self._session(errand)
        host = session.place.host
        if asked.place:
            if anew and await forget_if_gone(session):
                errand.tell(say("remote.not_gone", host=host, folder=session.place.folder))
            await patiently(lambda: has_arrived(session), errand.tell, host)
            await make_folder(session)
        usual = await running.profile_of(session)
        found = Foreseen(asked.profile or usual, usual != running.LOCAL)
        _, found.at_work = await running.look(session)
        if found.at_work:
            return found
        if asked.place and not sends:
            ahead = await foreseen(session, errand.tell)
            if ahead.files or ahead.config:
                found.ahead = ahead
                return found
        if asked.place and sends:
            await _send(session, errand, overwrite=overwrite, accepted=self._accepted)
        errand.tell(say("page.start.planning"))
        elsewhere = asked.place is not None
        await patiently(lambda: _ask(session, found, elsewhere=elsewhere), errand.tell, host)
        return found


async def _send(
    session: Session, errand: Errand, *, overwrite: bool, accepted: Collection[str]
) -> None:
    host = session.place.host
    errand.tell(say("remote.sending", host=host, folder=session.place.folder))

    def now(words: str, part: float | None) -> None:
        errand.progress, errand.share = words, part

    showing = telling(now, errand.tell)

    async def sent() -> str:
        done = await send(
            session, errand.tell, overwrite=overwrite, accepted=accepted, showing=showing
        )
        return sent_in_words(session, done)

    errand.tell(await patiently(sent, errand.tell, host))


async def _ask(session: Session, found: Foreseen, *, elsewhere: bool) -> None:
    """Find out what would be done, where all that it needs is."""
    local = ["--profile", running.LOCAL] if found.profile == running.LOCAL else []
    words = ["plan", *local, *session.config_options]
    if local:
        answer = await _answer(session, *words)
    else:
        answer, found.cluster, found.request = await asyncio.gather(
            _answer(session, *words), _cluster(session), _request(session)
        )
    problems = [in_own_words(session, problem) for problem in answer["problems"]]
    found.errors = [each for each in problems if each["severity"] == "error"]
    found.warnings = [each for each in problems if each["severity"] != "error"]
    if elsewhere and any(each["code"] == _NO_ENGINE for each in found.errors):
        # Its remedy is one for over there.
        others = [each for each in found.errors if each["code"] != _NO_ENGINE]
        found.errors = [problem_values(no_engine(session)), *others]
    if answer["answer"] == "plan":
        for image in answer["images"]:
            if image["will_fail"]:
                image["will_fail"] = in_own_words(session, image["will_fail"])
        # A plan has them by jobs.
        answer["images"].sort(key=lambda image: natural_key(image["image"]))
        answer["text"] = list(map(session.own_words, answer["text"]))
        answer["settings"] = [in_own_words(session, each) for each in answer["settings"]]
        found.plan = answer


async def _cluster(session: Session) -> dict[str, Any]:
    """Return what the cluster has; nothing if it does not say, which the plan tells."""
    with suppress(Problem):
        answer = await _answer(session, "cluster")
        if answer["answer"] == "cluster":
            return answer
    return {}


async def _request(session: Session) -> str:
    answer = await session.program("segmake", "plan", "--slurm", *session.config_options)
    return answer.text if answer.code == 0 else ""


async def _answer(session: Session, *words: str) -> dict[str, Any]:
    """Return what a command of SegMake answers in JSON.

    Raises
    ------
    Problem
        ``SM-PAG-021`` if it does not.
    """
    said = await session.program("segmake", *words, "--json")
    for line in reversed(said.text.splitlines()):
        with suppress(ValueError):
            answer = json.loads(line)
            if isinstance(answer, dict) and "answer" in answer:
                return answer
    lines = session.own_words(told(said)).splitlines()
    last = lines[-1] if lines else say("phrases.silent")
    raise Problem("SM-PAG-021", where=session.computer.name, said=last)
