"""The pages, and what they ask the server for: each address with what answers it."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from segmake.core.caches import own_cache_folder
from segmake.core.files import append_line, error_line, readable
from segmake.messages import LANGUAGES, Problem, Problems, language, speaking
from segmake.page import desk as desks
from segmake.page.desk import Chosen, Desk, Listing
from segmake.page.draft import Draft
from segmake.page.guard import FORM_FIELD, HEADER, Guard, protected
from segmake.page.look_of import faq_entry, page, trial_values
from segmake.page.work import problem_values

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

_LANGUAGE = "segmake-language"
_A_YEAR = 365 * 24 * 3600
# A form is a few hundred settings.
_MOST_BYTES = 1_000_000
# How long a page is waited with for the first image.
_PATIENCE_S = 2.0

_Found = TypeVar("_Found")
Answering = Callable[[Request], Awaitable[Response]]


class Application:
    """The pages of one experiment.

    Parameters
    ----------
    desk : Desk
    guard : Guard
    close : callable
        Ends the server.

    Attributes
    ----------
    used : float
        When somebody last asked for anything, on the clock of `time.monotonic`.
    """

    def __init__(self, desk: Desk, guard: Guard, close: Callable[[], None]) -> None:
        self._desk, self._guard, self._close = desk, guard, close
        self.used = time.monotonic()
        get, post = ["GET"], ["POST"]
        routes = [
            Route("/", self._answering(self._home), methods=get),
            Route("/cells", self._answering(self._cells), methods=[*get, *post]),
            Route("/settings", self._answering(self._settings), methods=[*get, *post]),
            Route("/file", self._answering(self._file), methods=get),
            Route("/check", self._answering(self._check), methods=post),
            Route("/trial/{key}", self._answering(self._trial), methods=get),
            Route("/picture/{name}", self._answering(self._picture), methods=get),
            Route("/help/{code}", self._answering(self._help), methods=get),
            Route("/language", self._answering(self._language), methods=post),
            Route("/close", self._answering(self._end), methods=post),
            Route("/static/{name:path}", self._answering(self._static), methods=get),
            Route("/{anything:path}", self._answering(self._nothing), methods=[*get, *post]),
        ]
        self.starlette = Starlette(routes=routes)

    def _answering(self, answer: Answering) -> Answering:
        """Return what answers whoever may ask, in their language, and tells in words what goes wrong."""

        async def guarded(request: Request) -> Response:
            wanted = request.cookies.get(_LANGUAGE, "")
            with speaking(wanted if wanted in LANGUAGES else language()):
                try:
                    response = self._guard.admit(request)
                    if response is None:
                        self.used = time.monotonic()
                        response = await answer(request)
                except (Problem, Problems) as error:
                    response = self._told(error)
                except Exception as error:
                    response = self._told(_unexpected(error))
                return protected(response)

        return guarded

    def _told(self, error: Problem | Problems) -> Response:
        problems = error.problems if isinstance(error, Problems) else [error]
        status = _STATUS.get(problems[0].code, HTTPStatus.INTERNAL_SERVER_ERROR)
        # Who may not come in is shown nothing of the experiment.
        inside = problems[0].code not in ("SM-PAG-005", "SM-PAG-006")
        return self._page(
            "problem",
            status=status,
            problems=[problem_values(problem) for problem in problems],
            inside=inside,
        )

    def _page(self, name: str, *, status: int = 200, **values: Any) -> Response:
        csrf = self._guard.csrf if values.get("inside", True) else ""
        return page(name, status=status, desk=self._desk, csrf=csrf, **values)

    async def _form(self, request: Request) -> dict[str, str]:
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
        self._guard.refuse_forged(request.headers.get(HEADER) or form.pop(FORM_FIELD, ""))
        return form

    # The pages

    async def _home(self, request: Request) -> Response:
        return self._page("home", draft=await _apart(self._desk.file.as_it_is))

    async def _cells(self, request: Request) -> Response:
        if request.method == "GET":
            asked = dict(request.query_params)
            draft = await _apart(self._desk.file.as_it_is)
            return await self._cells_page(asked, draft, saved="saved" in asked)
        form = await self._form(request)
        draft = await self._drafted(form)
        asked = {**form, "image": form.get("pick") or form.get("image", "")}
        do = form.get("do", "show")
        if do == "save" and (done := await self._saved(form, draft)):
            place = {name: asked.get(name, "") for name in _PLACE}
            return (
                _see(f"/cells?{urlencode(place | {'saved': 1})}")
                if done is True
                else (await self._cells_page(asked, draft, conflict=done))
            )
        if do == "look":
            await self._desk.look_anew(draft.settings)
        return await self._cells_page(asked, draft, do=do)

    async def _cells_page(
        self,
        asked: dict[str, str],
        draft: Draft,
        *,
        do: str = "",
        saved: bool = False,
        conflict: Any = None,
    ) -> Response:
        desk = self._desk
        listing, image = await self._shown(asked, draft)
        problems: list[dict[str, Any]] = []
        if image.name and do == "try":
            if draft.fresh:
                problems = [problem_values(one) for one in draft.fresh]
            else:
                await desk.begin_trial(draft, image)
        if do == "stop":
            await desk.work.stop(asked.get("trial", ""))
            image.trial = None
        return self._page(
            "cells",
            draft=draft,
            listing=listing,
            image=image,
            filter=asked.get("filter", ""),
            circle=desks.circle(draft),
            smallest=desks.smallest(draft),
            card=desks.card_of(draft),
            trial=trial_values(desk, image),
            trial_problems=problems,
            saved=saved,
            conflict=conflict,
            tried=do == "save" and bool(draft.fresh),
        )

    async def _shown(self, asked: dict[str, str], draft: Draft) -> tuple[Listing, Chosen]:
        """Return the list of images and the one that is shown, once it can be, or after some patience."""
        desk, end = self._desk, time.monotonic() + _PATIENCE_S
        part = _number(asked.get("part"))
        place = (asked.get("image", ""), _number(asked.get("position")), _number(asked.get("time")))
        while True:
            listing = await desk.listing(draft.settings, asked.get("filter", ""), part)
            image = await desk.chosen(draft, *place, asked.get("trial", ""))
            if image.name or listing.over or time.monotonic() > end:
                return listing, image
            await asyncio.sleep(0.1)

    async def _settings(self, request: Request) -> Response:
        if request.method == "GET":
            draft = await _apart(self._desk.file.as_it_is)
            return self._page("settings", draft=draft, saved="saved" in request.query_params)
        form = await self._form(request)
        draft = await self._drafted(form)
        done = await self._saved(form, draft) if form.get("do") == "save" else None
        if done is True:
            return _see("/settings?saved=1")
        tried = form.get("do") == "save" and bool(draft.fresh)
        return self._page("settings", draft=draft, conflict=done, tried=tried)

    async def _drafted(self, form: dict[str, str]) -> Draft:
        now = await _apart(self._desk.file.as_it_is)
        typed = desks.taken_from_cards(form, now)
        return await _apart(lambda: self._desk.file.draft(typed, form.get("version", "")))

    async def _saved(self, form: dict[str, str], draft: Draft) -> Any:
        """Save a draft; return True, or what was changed in the file meanwhile, or None if it can't be."""
        version = form.get("version", "")
        is_other = version != draft.version and draft.values
        # Its line ends may be others, and all else the same.
        if is_other and (changed := self._desk.file.changed_since(version)):
            return changed
        if draft.fresh:
            return None
        await _apart(lambda: self._desk.file.save(draft))
        return True

    async def _file(self, request: Request) -> Response:
        return self._page("file", rows=await _apart(self._desk.file.whole))

    async def _help(self, request: Request) -> Response:
        return self._page("help", entry=faq_entry(request.path_params["code"]))

    async def _nothing(self, request: Request) -> Response:
        raise Problem("SM-PAG-007")

    # What the script asks for

    async def _check(self, request: Request) -> Response:
        form = await self._form(request)
        draft = await self._drafted(form)
        place = (_number(form.get("position")), _number(form.get("time")))
        key = await self._desk.work.trial_key(form.get("image", ""), *place, draft.settings)
        rendered = page("difference", draft=draft, desk=self._desk, csrf="").body
        return JSONResponse(
            {
                "problems": {
                    name: [problem_values(one) for one in found]
                    for name, found in draft.problems.items()
                },
                "changes": len(draft.changes),
                "savable": not draft.fresh,
                "outdated": form.get("version") != draft.version,
                "trial": key,
                "difference": bytes(rendered).decode(),
            }
        )

    async def _trial(self, request: Request) -> Response:
        key = request.path_params["key"]
        task = await self._desk.work.trial(key)
        if task is None:
            raise Problem("SM-PAG-007")
        image = Chosen(trial=task, trial_key=key)
        return JSONResponse(trial_values(self._desk, image))

    async def _picture(self, request: Request) -> Response:
        path = self._desk.picture_path(request.path_params["name"])
        kind = "image/png" if path.endswith(".png") else "image/jpeg"
        content = await self._desk.work.bytes_of(path)
        # Its name says what it shows: another one has another name.
        kept = {"Cache-Control": "private, max-age=86400, immutable"}
        return Response(content, media_type=kind, headers=kept)

    async def _static(self, request: Request) -> Response:
        path = _FILES.get(request.path_params["name"])
        if path is None:
            raise Problem("SM-PAG-007")
        kept = {"Cache-Control": "private, no-cache"}
        return Response(path.read_bytes(), media_type=_KINDS[path.suffix], headers=kept)

    async def _language(self, request: Request) -> Response:
        form = await self._form(request)
        wanted, (back, _, asked) = form.get("language", ""), form.get("back", "").partition("?")
        # Back to a page of this server, and nowhere else.
        if back not in ("/", "/cells", "/settings", "/file"):
            back, asked = "/", ""
        place = {name: text for name, text in parse_qsl(asked) if name in _PLACE}
        response = _see(f"{back}?{urlencode(place)}" if place else back)
        if wanted in LANGUAGES:
            kept: dict[str, Any] = {
                "httponly": True,
                "samesite": "strict",
                "path": "/",
                "max_age": _A_YEAR,
            }
            response.set_cookie(_LANGUAGE, wanted, **kept)
        return response

    async def _end(self, request: Request) -> Response:
        await self._form(request)
        response = self._page("closed", inside=False)
        self._close()
        return response


# Where an image is, in addresses.
_PLACE = ("image", "position", "time", "filter", "part")

_STATUS = {
    "SM-PAG-005": HTTPStatus.FORBIDDEN,
    "SM-PAG-006": HTTPStatus.FORBIDDEN,
    "SM-PAG-007": HTTPStatus.NOT_FOUND,
    "SM-PAG-008": HTTPStatus.NOT_FOUND,
}


def _unexpected(error: Exception) -> Problem:
    """Return what is told of an error that nobody expected; whoever has to find out reads the log."""
    log = own_cache_folder() / "page" / "errors.log"
    with suppress(OSError):
        append_line(log, traceback.format_exc(), lasting=False)
    return Problem("SM-PAG-011", error=readable(error_line(error)), log=log)


def _see(address: str) -> Response:
    return RedirectResponse(address, status_code=HTTPStatus.SEE_OTHER)


async def _apart(do: Callable[[], _Found]) -> _Found:
    """Do in a thread what reads and writes files."""
    return await run_in_threadpool(do)


def _number(text: str | None) -> int:
    """Return a number that counts from 1; 1 for what is none."""
    with suppress(TypeError, ValueError):
        return max(1, min(int(text or "1"), 10**6))
    return 1
