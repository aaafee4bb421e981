"""The earlier runs of an experiment, each with the settings that it had, which can be taken up again."""

from __future__ import annotations

import math
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segmake.answers.runs import runs_answer, text_of
from segmake.config.again import as_before
from segmake.config.edit import save
from segmake.messages import Problem, Problems
from segmake.outcome.status import results_of
from segmake.page.common import Common, apart, number, see, unexpected
from segmake.page.draft import Line, difference
from segmake.page.errands import Errand, a_little
from segmake.page.watch import name_paths
from segmake.page.work import problem_values
from segmake.remote.remembered import PlaceFile
from segmake.remote.runs import runs_there

KIND = "runs"

# What was heard so few seconds ago is not asked for again.
_FRESH_S = 3

# What both say where nothing was ever run.
_NOTHING_RAN = ("SM-RUN-013", "SM-REM-018")


class Runs:
    """The page of earlier runs."""

    def __init__(self, common: Common) -> None:
        self._common = common
        self._heard: tuple[PlaceFile | None, dict[str, Any]] | None = None
        self._asked = -math.inf

    def routes(self) -> list[Route]:
        """Return its addresses."""
        return [self._common.both("/runs", self._runs)]

    async def _runs(self, request: Request) -> Response:
        if request.method == "POST":
            return await self._take_up(await self._common.form(request))
        chosen = request.query_params.get("run")
        is_here = self._common.desk.connection.place is None
        is_known = chosen and self._told()["runs"]
        # Its script shows the page anew once the answer of another computer is there.
        if not is_known and (is_here or time.monotonic() - self._asked > _FRESH_S):
            await a_little(self._common.desk.errands.begin(KIND, self._hear, unexpected))
        return await self._page(chosen)

    async def _hear(self, errand: Errand) -> None:
        """Ask for the runs where they are computed; what is shown meanwhile is what was heard before."""
        connection, config = self._common.desk.connection, self._common.desk.file.path
        place = connection.place
        try:
            if place is None:
                told = await apart(lambda: runs_answer(results_of(config), config))
            else:
                session = await connection.session()
                name_paths(session)
                told = await runs_there(session)
            self._heard = (place, told)
        finally:
            self._asked = time.monotonic()

    def _told(self) -> dict[str, Any]:
        """Return what was heard of the runs of now; nothing of another computer's."""
        if self._heard and self._heard[0] == self._common.desk.connection.place:
            return self._heard[1]
        return {"runs": [], "settings": {}}

    async def _page(
        self, chosen: str | None = None, problems: list[dict[str, Any]] | None = None
    ) -> Response:
        """Return the page; of the run that is chosen, with what its settings would change in the config."""
        file, told = self._common.desk.file, self._told()
        lines: list[Line] = []
        problems = problems or []
        version, now = await apart(file.now)
        # Of another computer they may not be known yet.
        chosen = chosen if told["runs"] else None
        if chosen:
            try:
                text = text_of(told, number(chosen))
                wanted = await apart(lambda: as_before(file.path, text).text)
                lines = list(difference(now.removeprefix("\ufeff"), wanted))
            except (Problem, Problems) as found:
                chosen, problems = None, [*problems, *_values(found)]
        errand = self._common.desk.errands.last(KIND)
        silent = bool(errand and any(one["code"] in _NOTHING_RAN for one in errand.problems))
        return self._common.page(
            "runs",
            told=told,
            chosen=number(chosen) if chosen else None,
            lines=lines,
            file_version=version,
            none_yet=silent and not told["runs"],
            errand=errand,
            problems=problems,
        )

    async def _take_up(self, form: dict[str, str]) -> Response:
        """Set the config to what it said for a run, as it was shown; not if the file is another one since."""
        file, told = self._common.desk.file, self._told()
        # Not by its number: a run that began since, and that another window has heard of, shifts all.
        kept = form.get("settings", "")
        known = (run["number"] for run in told["runs"] if kept and run["settings"] == kept)
        chosen = next(known, 0)
        version, _ = await apart(file.now)
        if version != form.get("version"):
            changed = problem_values(Problem("SM-EDT-007", where=str(file.path)))
            return await self._page(str(chosen) if chosen else None, [changed])
        try:
            text = text_of(told, chosen)
            await apart(lambda: save(file.path, as_before(file.path, text)))
        except (Problem, Problems) as found:
            return await self._page(None, _values(found))
        return see("/file?taken=1")


def _values(found: Problem | Problems) -> list[dict[str, Any]]:
    problems = found.problems if isinstance(found, Problems) else [found]
    return [problem_values(each) for each in problems]
