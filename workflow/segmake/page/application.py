"""All addresses of the page, and those that belong to no step: the overview, help, the language, the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segmake.messages import LANGUAGES, Problem
from segmake.page.common import LANGUAGE, Common, apart, see
from segmake.page.desk import Desk
from segmake.page.guard import Guard
from segmake.page.look_of import faq_entry
from segmake.page.mistake import unexpected
from segmake.page.pages.asked import Asked
from segmake.page.pages.cells import PLACE, Cells
from segmake.page.pages.connect import Connect
from segmake.page.pages.environments import Environments
from segmake.page.pages.experiments import Experiments
from segmake.page.pages.follow import Follow
from segmake.page.pages.images import Images
from segmake.page.pages.results import Results
from segmake.page.pages.runs import Runs
from segmake.page.pages.scripts import Scripts
from segmake.page.pages.settings import Settings
from segmake.page.pages.start import Start
from segmake.page.planning import Planning
from segmake.page.steps import ADDRESSES
from segmake.page.watch import Watch

_STATIC = Path(__file__).parent / "static"
_KINDS = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".jpg": "image/jpeg",
    ".svg": "image/svg+xml",
}
# Only these names lead to files.
_FILES = {
    str(path.relative_to(_STATIC)): path for path in _STATIC.rglob("*") if path.suffix in _KINDS
}

_A_YEAR = 365 * 24 * 3600


class Application:
    """The pages of one experiment, or the list of experiments alone.

    Parameters
    ----------
    desk : Desk or None
    guard : Guard
    close : callable
        Ends the server.
    idle_minutes : float
        After so long without use it ends, and so do the pages that it opens.
    """

    def __init__(
        self, desk: Desk | None, guard: Guard, close: Callable[[], None], idle_minutes: float
    ) -> None:
        self._close = close
        self._environments: Environments | None = None
        self._common = common = Common(desk, guard)
        self._experiments = Experiments(common, idle_minutes)
        routes = [
            common.get("/", self._home),
            *(self._of_experiment(desk) if desk else ()),
            *self._experiments.routes(),
            common.get("/help/{code}", self._help),
            common.post("/language", self._language),
            common.post("/close", self._end),
            common.get("/static/{name:path}", self._static),
            common.both("/{anything:path}", self._nothing),
        ]
        self.starlette = Starlette(routes=routes)

    def _of_experiment(self, desk: Desk) -> list[Route]:
        common = self._common
        watch = Watch(desk.connection, unexpected)
        self._environments = Environments(common)
        planning = Planning(desk.connection, desk.errands, watch, unexpected)
        return [
            *Asked(common).routes(),
            *Cells(common).routes(),
            *Start(common, planning, watch).routes(),
            *Follow(common, watch).routes(),
            *Results(common).routes(),
            *Runs(common).routes(),
            *Connect(common).routes(),
            *Images(common).routes(),
            *Scripts(common).routes(),
            *self._environments.routes(),
            *Settings(common).routes(),
            common.get("/errand/{kind}", self._errand),
        ]

    @property
    def used(self) -> float:
        """When somebody last asked for anything, on the clock of `time.monotonic`."""
        return self._common.used

    @property
    def is_busy(self) -> bool:
        """Whether it does something that ends with it, such as sending images."""
        desk, environments = self._common.open_desk, self._environments
        is_way = environments is not None and environments.is_way
        return is_way or (desk is not None and desk.errands.are_at_work)

    async def close(self) -> None:
        """Ask no computer anything more."""
        await self._experiments.hearing.close()
        if self._common.open_desk:
            await self._common.open_desk.connection.close()

    async def _home(self, request: Request) -> Response:
        if self._common.open_desk is None:
            return see("/experiments")
        return self._common.page("home", draft=await apart(self._common.desk.file.as_it_is))

    async def _errand(self, request: Request) -> Response:
        errand = self._common.desk.errands.last(request.path_params["kind"])
        if errand is None:
            raise Problem("SM-PAG-007")
        return self._common.page("errand", errand=errand)

    async def _help(self, request: Request) -> Response:
        return self._common.page("help", entry=faq_entry(request.path_params["code"]))

    async def _nothing(self, request: Request) -> Response:
        raise Problem("SM-PAG-007" if self._common.open_desk else "SM-PAG-035")

    async def _static(self, request: Request) -> Response:
        path = _FILES.get(request.path_params["name"])
        if path is None:
            raise Problem("SM-PAG-007")
        kept = {"Cache-Control": "private, no-cache"}
        return Response(path.read_bytes(), media_type=_KINDS[path.suffix], headers=kept)

    async def _language(self, request: Request) -> Response:
        form = await self._common.form(request)
        wanted, (back, _, asked) = form.get("language", ""), form.get("back", "").partition("?")
        # Back to a page of this server, and nowhere else.
        if back not in ADDRESSES:
            back, asked = "/", ""
        place = {name: text for name, text in parse_qsl(asked) if name in PLACE}
        response = see(f"{back}?{urlencode(place)}" if place else back)
        if wanted in LANGUAGES:
            kept: dict[str, Any] = {
                "httponly": True,
                "samesite": "strict",
                "path": "/",
                "max_age": _A_YEAR,
            }
            response.set_cookie(LANGUAGE, wanted, **kept)
        return response

    async def _end(self, request: Request) -> Response:
        await self._common.form(request)
        response = self._common.page("closed", inside=False)
        self._close()
        return response
