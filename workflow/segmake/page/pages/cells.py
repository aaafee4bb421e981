"""The step *Cells*: engine, model, diameter and thresholds, chosen on a picture of one's own."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from segmake.messages import Problem
from segmake.page import desk as desks
from segmake.page.common import Common, apart, number, see
from segmake.page.desk import Chosen, Listing
from segmake.page.draft import Draft
from segmake.page.look_of import trial_values
from segmake.page.work import problem_values

# Where an image is, in addresses.
PLACE = ("image", "position", "time", "filter", "part")

# How long a page is waited with for the first image.
_PATIENCE_S = 2.0


class Cells:
    """The page of the step."""

    def __init__(self, common: Common) -> None:
        self._common = common

    def routes(self) -> list[Route]:
        """Return its addresses."""
        common = self._common
        return [
            common.both("/cells", self._cells),
            common.get("/trial/{key}", self._trial),
            common.get("/picture/{name}", self._picture),
        ]

    async def _cells(self, request: Request) -> Response:
        if request.method == "GET":
            asked = dict(request.query_params)
            draft = await apart(self._common.desk.file.as_it_is)
            return await self._cells_page(asked, draft, saved="saved" in asked)
        form = await self._common.form(request)
        draft = await self._common.drafted(form)
        asked = {**form, "image": form.get("pick") or form.get("image", "")}
        do = form.get("do", "show")
        if do == "save" and (done := await self._common.saved(form, draft)):
            place = {name: asked.get(name, "") for name in PLACE}
            return (
                see(f"/cells?{urlencode(place | {'saved': 1})}")
                if done is True
                else (await self._cells_page(asked, draft, conflict=done))
            )
        if do == "send":
            self._common.desk.work.send(asked["image"])
        if do == "look":
            await self._common.desk.look_anew(draft.settings)
        # It is told still when the page has asked for more images by itself.
        saved_before = "saved" in form and "pick" not in form and do == "show" and not draft.changes
        return await self._cells_page(asked, draft, do=do, saved=saved_before)

    async def _cells_page(
        self,
        asked: dict[str, str],
        draft: Draft,
        *,
        do: str = "",
        saved: bool = False,
        conflict: Any = None,
    ) -> Response:
        desk = self._common.desk
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
        trial = trial_values(desk, image)
        # As it was asked for, also while it is not known yet whether there is such an image.
        place = {name: asked.get(name, "") for name in PLACE} | {"trial": trial["key"]}
        place["image"] = image.name or place["image"]
        return self._common.page(
            "cells",
            draft=draft,
            listing=listing,
            image=image,
            filter=asked.get("filter", ""),
            circle=desks.circle(draft),
            smallest=desks.smallest(draft),
            card=desks.card_of(draft),
            trial=trial,
            place=place,
            trial_problems=problems,
            saved=saved,
            conflict=conflict,
            tried=do == "save" and bool(draft.fresh),
        )

    async def _shown(self, asked: dict[str, str], draft: Draft) -> tuple[Listing, Chosen]:
        """Return the list of images and the one that is shown, once it can be, or after some patience."""
        desk, end = self._common.desk, time.monotonic() + _PATIENCE_S
        part = number(asked.get("part"))
        place = (asked.get("image", ""), number(asked.get("position")), number(asked.get("time")))
        while True:
            listing = await desk.listing(draft.settings, asked.get("filter", ""), part)
            image = await desk.chosen(draft, *place, asked.get("trial", ""))
            if image.name or listing.over or time.monotonic() > end:
                return listing, image
            await asyncio.sleep(0.1)

    async def _trial(self, request: Request) -> Response:
        key = request.path_params["key"]
        task = await self._common.desk.work.trial(key)
        if task is None:
            raise Problem("SM-PAG-007")
        image = Chosen(trial=task, trial_key=key)
        return JSONResponse(trial_values(self._common.desk, image))

    async def _picture(self, request: Request) -> Response:
        path = self._common.desk.picture_path(request.path_params["name"])
        kind = "image/png" if path.endswith(".png") else "image/jpeg"
        content = await self._common.desk.work.bytes_of(path)
        # Its name says what it shows: another one has another name.
        kept = {"Cache-Control": "private, max-age=86400, immutable"}
        return Response(content, media_type=kind, headers=kept)
