"""All settings of the config as one form, and the file itself."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segmake.page.common import Common, apart, number, see


class Settings:
    """The pages of the config."""

    def __init__(self, common: Common) -> None:
        self._common = common

    def routes(self) -> list[Route]:
        """Return their addresses."""
        common = self._common
        return [
            common.both("/settings", self._settings),
            common.get("/file", self._file),
            common.post("/check", self._check),
        ]

    async def _settings(self, request: Request) -> Response:
        if request.method == "GET":
            draft = await apart(self._common.desk.file.as_it_is)
            return self._common.page("settings", draft=draft, saved="saved" in request.query_params)
        form = await self._common.form(request)
        draft = await self._common.drafted(form)
        done = await self._common.saved(form, draft) if form.get("do") == "save" else None
        if done is True:
            return see("/settings?saved=1")
        tried = form.get("do") == "save" and bool(draft.fresh)
        return self._common.page("settings", draft=draft, conflict=done, tried=tried)

    async def _file(self, request: Request) -> Response:
        taken = "taken" in request.query_params
        rows = await apart(self._common.desk.file.whole)
        return self._common.page("file", rows=rows, taken=taken)

    async def _check(self, request: Request) -> Response:
        form = await self._common.form(request)
        draft = await self._common.drafted(form)
        place = (number(form.get("position")), number(form.get("time")))
        key = await self._common.desk.work.trial_key(form.get("image", ""), *place, draft.settings)
        return self._common.checked(draft, form, trial=key)
