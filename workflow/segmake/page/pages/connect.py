"""The step *Connect*: on which computer an experiment is computed, the way there, and what it is like now."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segmake.messages import Problem, say
from segmake.page.common import Common, apart, see
from segmake.page.computer import Seen, seen_of
from segmake.page.connection import Connection
from segmake.page.errands import Errand
from segmake.page.mistake import unexpected
from segmake.page.pages.follow import FETCH
from segmake.page.planning import PLAN
from segmake.page.work import problem_values
from segmake.remote.known_computers import known_computers
from segmake.remote.remembered import PlaceFile, put_aside
from segmake.remote.setup.launchers import own_endings
from segmake.remote.setup.setting_up import Wishes, set_up
from segmake.remote.setup.way_there import Way

KIND = "connect"

# The fields of the form that stay what was typed.
_FIELDS = ("computer", "host", "through", "site", "segmake", "folder")

# What is chosen for a computer that is not known yet.
OTHER = "other"


@dataclass(frozen=True)
class _Typed:
    """What was typed of a computer."""

    host: str
    through: str
    site: str
    wishes: Wishes


class Connect:
    """The page of the step."""

    def __init__(self, common: Common) -> None:
        self._common = common
        self._seen: Seen | None = None
        # What was typed stays until a computer is ready.
        self._form: dict[str, str] = {}

    def routes(self) -> list[Route]:
        """Return its addresses."""
        return [self._common.both("/connect", self._connect)]

    async def _connect(self, request: Request) -> Response:
        if request.method == "GET":
            return self._page(self._form)
        form = await self._common.form(request)
        do, errands = form.get("do"), self._common.desk.errands
        if do == "stop":
            await errands.stop(KIND)
        elif do == "here":
            await errands.stop(KIND)
            await self._leave()
            await apart(lambda: put_aside(self._common.desk.folder))
            await self._common.desk.connection.close()
        elif do == "try":
            self._begin(self._look)
        elif do == "set_up":
            self._form = form
            try:
                typed = _typed(form)
            except Problem as problem:
                return self._page(form, problem)
            self._begin(lambda errand: self._set_up(errand, typed))
        return see("/connect")

    async def _leave(self) -> None:
        """End what goes on with the computer of before: patiently, it would log in there again."""
        for kind in (PLAN, FETCH):
            await self._common.desk.errands.stop(kind)

    def _begin(self, work: Callable[[Errand], Awaitable[None]]) -> None:
        self._common.desk.connection.questions.ask_again()
        self._common.desk.errands.begin(KIND, work, unexpected)

    async def _look(self, errand: Errand) -> None:
        """See what the computer is like now."""
        connection = self._common.desk.connection
        place = connection.place
        errand.tell(
            say("page.connect.looking", host=place.host if place else say("page.connect.here"))
        )
        self._seen = await seen_of(connection)

    async def _set_up(self, errand: Errand, typed: _Typed) -> None:
        """Make a computer ready for the experiment, and see what it is like."""
        connection = self._common.desk.connection
        before = _place_of(connection)
        done = f"{say('reach.ready')} {say('reach.next')}"
        way = Way(
            connection.questions,
            lambda words: errand.tell(say("page.connect.ready") if words == done else words),
            host=typed.host,
            through=typed.through,
            stay=True,
        )
        try:
            with TemporaryDirectory() as folder:
                way.site = _kept(folder, typed.site)
                await set_up(way, typed.wishes, self._common.desk.folder)
        except Problem as problem:
            host = way.computer.host if hasattr(way, "computer") else typed.host
            raise connection.questions.told(problem, host) from None
        self._form = {}
        if _place_of(connection) != before:
            await self._leave()
        await connection.go_on_with(way.place)
        self._seen = await seen_of(connection)

    def _page(self, form: dict[str, str], problem: Problem | None = None) -> Response:
        connection = self._common.desk.connection
        known = known_computers()
        typed = {name: form.get(name, "") for name in _FIELDS}
        typed["computer"] = typed["computer"] or (known[0].host if known else OTHER)
        try:
            place, wrong = connection.place, None
        except Problem as found:
            place, wrong = None, problem_values(found)
        seen = self._seen
        return self._common.page(
            "connect",
            place=place,
            has_slurm=shutil.which("sbatch") is not None,
            wrong=wrong,
            # Of another computer than the one that was chosen since, nothing is said.
            seen=seen if seen and seen.place == place else None,
            known=known,
            typed=typed,
            problem=problem_values(problem) if problem else None,
            errand=self._common.desk.errands.last(KIND),
        )


def _place_of(connection: Connection) -> PlaceFile | None:
    with suppress(Problem):
        return connection.place
    return None


def _typed(form: dict[str, str]) -> _Typed:
    """Return what a form says of a computer.

    Raises
    ------
    Problem
        ``SM-PAG-033`` if it names none.
    """
    text = {name: form.get(name, "").strip() for name in _FIELDS}
    known = [each.host for each in known_computers()]
    host = text["computer"] if text["computer"] in known else text["host"]
    if not host and not text["site"]:
        raise Problem("SM-PAG-033")
    wishes = Wishes(segmake=text["segmake"], folder=text["folder"], launchers=own_endings())
    return _Typed(host, text["through"], text["site"], wishes)


def _kept(folder: str, site: str) -> Path | None:
    """Return a file with the text of the institute's file; None where there is none."""
    if not site:
        return None
    path = Path(folder, say("page.connect.site_file"))
    path.write_text(f"{site}\n", encoding="utf-8")
    return path
