"""What a login asks, in whichever window is open, and its answers."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segmake.page.common import Common, see
from segmake.page.steps import ADDRESSES


class Asked:
    """The addresses of questions."""

    def __init__(self, common: Common) -> None:
        self._common = common

    def routes(self) -> list[Route]:
        """Return its addresses."""
        return [
            self._common.watch("/question", self._question),
            self._common.post("/answer", self._answer),
        ]

    async def _question(self, request: Request) -> Response:
        return self._common.page("question", connection=self._common.desk.connection)

    async def _answer(self, request: Request) -> Response:
        form = await self._common.form(request)
        declined = form.get("do") == "decline"
        given = None if declined else form.get("agreed") or form.get("answer", "")
        self._common.desk.connection.questions.answer(form.get("question", ""), given)
        back = form.get("back", "")
        return see(back if back in ADDRESSES else "/")
