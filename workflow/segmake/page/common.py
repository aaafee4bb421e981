"""What all pages have: the experiment, who may ask, forms and what becomes of them, each reader's language."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from segmake.messages import LANGUAGES, Problem, Problems, language, speaking
from segmake.page.desk import Desk, taken_from_cards
from segmake.page.draft import Draft
from segmake.page.guard import FORM_FIELD, HEADER, Guard, protected
from segmake.page.look_of import page
from segmake.page.mistake import unexpected
from segmake.page.remedies import as_shown
from segmake.page.work import problem_values

# The cookie that says in which language somebody reads.
LANGUAGE = "segmake-language"

# A form is a few hundred settings.
_MOST_BYTES = 1_000_000

_STATUS = {
    "SM-CFG-055": HTTPStatus.BAD_REQUEST,
    "SM-PAG-005": HTTPStatus.FORBIDDEN,
    "SM-PAG-006": HTTPStatus.FORBIDDEN,
    "SM-PAG-007": HTTPStatus.NOT_FOUND,
    "SM-PAG-008": HTTPStatus.NOT_FOUND,
    "SM-PAG-035": HTTPStatus.NOT_FOUND,
    "SM-PAG-022": HTTPStatus.NOT_FOUND,
}

_Found = TypeVar("_Found")
Answering = Callable[[Request], Awaitable[Response]]


class Common:
    """What all pages have.

    Parameters
    ----------
    desk : Desk or None
        None where no experiment is open.
    guard : Guard

    Attributes
    ----------
    used : float
        When somebody last asked for anything, on the clock of `time.monotonic`.
    """

    def __init__(self, desk: Desk | None, guard: Guard) -> None:
        self.open_desk, self.guard = desk, guard
        self.used = time.monotonic()

    @property
    def desk(self) -> Desk:
        """The experiment that is open.

        Raises
        ------
        Problem
            ``SM-PAG-035`` if none is.
        """
        if self.open_desk is None:
            raise Problem("SM-PAG-035")
        return self.open_desk

    def get(self, path: str, answer: Answering) -> Route:
        """Return the address of what is only looked at."""
        return Route(path, self._answering(answer), methods=["GET"])

    def watch(self, path: str, answer: Answering) -> Route:
        """Return the address of what a script looks at by itself, whether or not somebody is there."""
        return Route(path, self._answering(answer, is_use=False), methods=["GET"])

    def post(self, path: str, answer: Answering) -> Route:
        """Return the address that a form or a script sends something to."""
        return Route(path, self._answering(answer), methods=["POST"])

    def both(self, path: str, answer: Answering) -> Route:
        """Return the address of a form, which is looked at and sent."""
        return Route(path, self._answering(answer), methods=["GET", "POST"])

    def _answering(self, answer: Answering, *, is_use: bool = True) -> Answering:
        """Return what answers whoever may ask, in their language, and tells in words what goes wrong."""

        async def guarded(request: Request) -> Response:
            wanted = request.cookies.get(LANGUAGE, "")
            with speaking(wanted if wanted in LANGUAGES else language()):
                try:
                    response = self.guard.admit(request)
                    if response is None:
                        self.used = time.monotonic() if is_use else self.used
                        response = await answer(request)
                except (Problem, Problems) as error:
                    response = self._told(error)
                except Exception as error:
                    response = self._told(unexpected(error))
                return protected(response)

        return guarded

    def _told(self, error: Problem | Problems) -> Response:
        problems = error.problems if isinstance(error, Problems) else [error]
        status = _STATUS.get(problems[0].code, HTTPStatus.INTERNAL_SERVER_ERROR)
        # Who may not come in is shown nothing of the experiment.
        inside = problems[0].code not in ("SM-PAG-005", "SM-PAG-006")
        return self.page(
            "problem",
            status=status,
            problems=[problem_values(problem) for problem in problems],
            inside=inside,
        )

    def page(self, name: str, *, status: int = 200, **values: Any) -> Response:
        """Return a page; see `segmake.page.look_of.page`."""
        csrf = self.guard.csrf if values.get("inside", True) else ""
        return page(name, status=status, desk=self.open_desk, csrf=csrf, **values)

    async def form(self, request: Request) -> dict[str, str]:
        """Return what a form of the page holds; of several values of a name the last.

        Raises
        ------
        Problem
            ``SM-PAG-005`` if it is not one of the page's own.
        """
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > _MOST_BYTES:
                raise Problem("SM-PAG-005")
        form = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
        self.guard.refuse_forged(request.headers.get(HEADER) or form.pop(FORM_FIELD, ""))
        return form

    async def drafted(self, form: dict[str, str]) -> Draft:
        """Return what the file would be with what a form says."""
        now = await apart(self.desk.file.as_it_is)
        typed = taken_from_cards(form, now)
        return await apart(lambda: self.desk.file.draft(typed, form.get("version", "")))

    def checked(self, draft: Draft, form: Mapping[str, str], **more: Any) -> Response:
        """Return what the script of a page shows of a form while somebody fills it in."""
        rendered = page("difference", draft=draft, desk=self.desk, csrf="").body
        found = {
            "problems": {
                name: [as_shown(problem_values(one)) for one in problems]
                for name, problems in draft.problems.items()
            },
            "changes": len(draft.changes),
            "savable": not draft.fresh,
            "outdated": form.get("version") != draft.version,
            "difference": bytes(rendered).decode(),
        }
        return JSONResponse(found | more)

    async def saved(self, form: dict[str, str], draft: Draft) -> Any:
        """Save a draft; return True, or what was changed in the file meanwhile, or None if it can't be."""
        version = form.get("version", "")
        is_other = version != draft.version and draft.values
        # Its line ends may be others, and all else the same.
        if is_other and (changed := self.desk.file.changed_since(version)):
            return changed
        if draft.fresh:
            return None
        await apart(lambda: self.desk.file.save(draft))
        return True


def see(address: str) -> Response:
    """Return that another page is to be shown, by looking at it."""
    return RedirectResponse(address, status_code=HTTPStatus.SEE_OTHER)


async def apart(do: Callable[[], _Found]) -> _Found:
    """Do in a thread what reads and writes files."""
    return await run_in_threadpool(do)


def number(text: str | None) -> int:
    """Return a number that counts from 1; 1 for what is none."""
    with suppress(TypeError, ValueError):
        return max(1, min(int(text or "1"), 10**6))
    return 1
