"""The step *Images*: which folders and files, what the files hold, and what is left out and why."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from segmake.config.as_written import without_numbers
from segmake.config.edit import DEFAULT
from segmake.config.yaml_values import in_one_line
from segmake.messages import Problem, joined, say
from segmake.messages.numbers import significant
from segmake.page import taken as taking
from segmake.page.common import Common, apart, number, see
from segmake.page.desk import PAGE, image_folders
from segmake.page.draft import Draft
from segmake.page.fields import all_fields
from segmake.page.folders import Folders, Opened, as_written
from segmake.page.folders_there import FoldersThere
from segmake.page.taken import Holds, LeftOut, Taken
from segmake.page.work import Task, problem_values
from segmake.page.works import THERE

FOLDER, INCLUDE = "images.folder", "images.include"

# So many of the files that are left out are named.
_MOST_LEFT_OUT = 60
# So many slices can be chosen from a list, and so many sizes of pixels are named.
_MOST_SLICES, _MOST_SIZES = 200, 4


@dataclass(frozen=True)
class Shown:
    """The images that settings take, as the page shows them.

    Attributes
    ----------
    taken : Taken
    images : list of tuple
        Those of this part of the list, each with what is wrong with it.
    number, part, parts : int
        How many have the words that were asked for in their names.
    left_out : list of LeftOut
        The first of them, with reasons.
    wrong : list of dict
        Each kind of problem, with how many images have it.
    holds : Holds
    looked, of : int
        How many files were looked at, and how many will be.
    over : bool
        Whether all were looked at.
    problems : list of dict
        Why a folder can't be looked at.
    """

    taken: Taken
    images: list[tuple[dict[str, Any], list[dict[str, Any]]]]
    number: int
    part: int
    parts: int
    left_out: list[LeftOut]
    wrong: list[dict[str, Any]]
    holds: Holds
    looked: int
    of: int
    over: bool
    problems: list[dict[str, Any]]


class Images:
    """The page of the step."""

    def __init__(self, common: Common) -> None:
        self._common = common
        self._folders = Folders(common.desk.folder)
        self._there = FoldersThere(common.desk.connection)
        self._known: tuple[object, tuple[list[dict[str, Any]], Holds]] | None = None

    def routes(self) -> list[Route]:
        """Return its addresses."""
        common = self._common
        return [
            common.both("/images", self._images),
            common.post("/images/count", self._count),
        ]

    async def _images(self, request: Request) -> Response:
        if request.method == "GET":
            asked = dict(request.query_params)
            draft = await apart(self._common.desk.file.as_it_is)
            return await self._page(asked, draft, saved="saved" in asked)
        form = await self._common.form(request)
        do, _, path = form.get("do", "show").partition(":")
        saved = (await apart(self._common.desk.file.as_it_is)).settings
        # A share that does not answer is not to keep other windows waiting.
        await apart(lambda: self._folders.allow(image_folders(saved)))
        refused = None
        try:
            form |= await apart(lambda: self._picked(form, do, path))
            if path == THERE:
                self._common.desk.connection.questions.ask_again()
        except Problem as problem:
            refused = problem
        draft = await self._common.drafted(form)
        if do == "save" and (done := await self._common.saved(form, draft)):
            place = {name: form.get(name, "") for name in ("filter", "part")}
            if done is True:
                return see(f"/images?{urlencode(place | {'saved': 1})}")
            return await self._page(form, draft, conflict=done)
        if do == "look":
            await self._common.desk.look_anew(draft.settings)
        # It is told still when the page has asked for more images by itself.
        saved_before = "saved" in form and do == "show" and not draft.changes
        return await self._page(form, draft, do=do, refused=refused, saved=saved_before)

    def _picked(self, form: Mapping[str, str], do: str, path: str) -> dict[str, str]:
        """Return what a button changes in a form: the folder that is open, or those that are taken."""
        # The key Enter in the field presses the first button of the form.
        if do == "go" or (form.get("do") == "show" and form.get("typed", "").strip()):
            typed = self._where(form.get("typed", "").strip())
            return {"open": typed if typed.startswith(THERE) else self._folders.typed(typed)}
        if do == "open":
            path = self._where(path)
            return {"open": path if path.startswith(THERE) else self._folders.open(path).path}
        if do == "none":
            return {FOLDER: "null"}
        if do not in ("take", "add", "drop"):
            return {}
        named = _folders_in(form)
        if do == "drop":
            return {FOLDER: _text([each for each in named if each != path])}
        written = self._written(path)
        return {FOLDER: _text([*named, written] if do == "add" else [written]), "open": ""}

    def _where(self, path: str) -> str:
        """Return a path that only the other computer has as one of there; all others as they are."""
        is_there = path.startswith("/") and not os.path.exists(path) and self._there.starts()
        return f"{THERE}{path}" if is_there else path

    def _written(self, path: str) -> str:
        """Return the path of a folder that is open as a config has it.

        Raises
        ------
        Problem
            As `Folders.open`; ``SM-PAG-075`` for one of the other computer that this one has too: that would be sent.
        """
        if not path.startswith(THERE):
            return as_written(self._folders.open(path).path, self._common.desk.folder)
        path = path.removeprefix(THERE)
        if os.path.exists(path):
            raise Problem("SM-PAG-075", where=path, folder=path)
        return path

    async def _page(
        self,
        asked: Mapping[str, str],
        draft: Draft,
        *,
        do: str = "",
        saved: bool = False,
        conflict: Any = None,
        refused: Problem | None = None,
    ) -> Response:
        filtered = asked.get("filter", "")
        tasks = await self._common.desk.looks(draft.settings)
        part = number(asked.get("part"))
        shown = await apart(lambda: self._shown(draft, tasks, filtered, part))
        opened, closed = await self._opened(asked.get("open", ""))
        starts = [*await apart(self._folders.starts), *self._there.starts()]
        told = [one for one in (refused, closed) if one]
        return self._common.page(
            "images",
            draft=draft,
            shown=shown,
            named=image_folders(draft.settings),
            starts=starts,
            opened=opened,
            opening=asked.get("open", "") if not (opened or closed) else "",
            typed_path=asked.get("typed", "") if refused else "",
            usual="\n".join(taking.patterns({})[0]),
            looked=draft.shown[INCLUDE],
            count=count_words(shown.taken),
            choices=_choices(shown.holds),
            facts=_facts(shown.holds),
            refused=[problem_values(one) for one in told],
            filter=filtered,
            saved=saved,
            conflict=conflict,
            tried=do == "save" and bool(draft.fresh),
        )

    async def _opened(self, path: str) -> tuple[Opened | None, Problem | None]:
        """Return the folder that is open, and why there is none; neither while the other computer is asked."""
        if not path:
            return None, None
        try:
            if path.startswith(THERE):
                return await self._there.open(path), None
            return await apart(lambda: self._folders.open(path)), None
        except Problem as problem:
            return None, problem

    def _shown(self, draft: Draft, tasks: list[Task], words: str, part: int) -> Shown:
        section = _section(draft)
        taken = self._common.desk.taken(draft.settings, tasks)
        key = (in_one_line(section), taken)
        if self._known is None or self._known[0] != key:
            # Of ten thousand images it takes long to find out.
            wrong, holds = (
                taking.counted(taken.images, section),
                taking.holds(taken.images, section),
            )
            self._known = (key, (wrong, holds))
        wrong, holds = self._known[1]
        fitting = [one for one in taken.images if words.casefold() in one["name"].casefold()]
        parts = max(1, math.ceil(len(fitting) / PAGE))
        part = min(part, parts)
        images = fitting[(part - 1) * PAGE : part * PAGE]
        return Shown(
            taken=taken,
            images=[(one, taking.problems_of(one, section)) for one in images],
            number=len(fitting),
            part=part,
            parts=parts,
            left_out=list(taking.with_reasons(taken.left_out[:_MOST_LEFT_OUT], section)),
            wrong=wrong,
            holds=holds,
            looked=sum(len(task.files) for task in tasks),
            of=sum(task.lines[0].get("of", 0) for task in tasks if task.lines),
            over=all(task.over for task in tasks),
            problems=[problem for task in tasks for problem in task.problems],
        )

    async def _count(self, request: Request) -> Response:
        """Say what settings that are being typed would take, of the files that were looked at."""
        form = await self._common.form(request)
        draft = await self._common.drafted(form)
        # Those that the page shows: patterns that are being typed are not looked for at each letter.
        as_shown = await self._common.drafted({**form, INCLUDE: form.get("looked", "")})
        tasks = await self._common.desk.looks(as_shown.settings)
        section = _section(draft)
        taken = await apart(lambda: taking.taken(tasks, section))
        return JSONResponse({"words": count_words(taken)})


def count_words(taken: Taken) -> str:
    """Return in words how many files are taken, and how many are not."""
    left_out = len(taken.left_out) + taken.more
    return say("page.take.count", number=len(taken.images), left_out=left_out)


def _choices(holds: Holds) -> dict[str, list[tuple[str, str]]]:
    """Return what some settings can be, as the images have it: each value with words."""
    channels = [
        (each.value, say("page.take.channel", name=each.value, number=each.files))
        for each in holds.channels
    ]
    ways = all_fields()["images.z"].choices.items()
    slices = range(1, min(holds.slices[1], _MOST_SLICES) + 1)
    return {
        "images.channel": channels,
        "images.second_channel": channels,
        "images.z": [
            *((each, f"{each} – {words}") for each, words in ways),
            *((str(each), say("page.take.slice", number=each)) for each in slices),
        ],
    }


def _facts(holds: Holds) -> dict[str, str]:
    """Return what the images say of some settings."""
    found = {}
    for key, name in (
        ("slices", "z"),
        ("times", "time"),
        ("positions", "positions"),
        ("pages", "pages"),
    ):
        first, last = getattr(holds, key)
        text = f"page.take.{key}"
        found[f"images.{name}"] = (
            say(text, number=last)
            if first == last
            else say(f"{text}.range", first=first, last=last)
        )
    sizes = [
        f"{significant(float(each.value))} µm ({say('page.images.all', number=each.files)})"
        for each in holds.pixel_sizes[:_MOST_SIZES]
    ]
    words = [say("page.take.sizes", sizes=joined(sizes))] if sizes else []
    words += [say("page.take.sizes.none", number=holds.without_size)] if holds.without_size else []
    return found | {"images.pixel_size_um": " ".join(words)}


def _section(draft: Draft) -> dict[str, Any]:
    return taking.whole_section(without_numbers(draft.settings), draft.problems)


def _folders_in(form: Mapping[str, str]) -> list[str]:
    """Return the folders that a form names."""
    try:
        value = all_fields()[FOLDER].meant(form.get(FOLDER, ""))
    except Problem:
        return []
    if value is DEFAULT or value is None:
        return []
    return list(map(str, value)) if isinstance(value, list) else [str(value)]


def _text(folders: list[str]) -> str:
    """Return folders as they are typed: one by itself, several as a list."""
    several = list(dict.fromkeys(folders))
    if len(several) != 1:
        return in_one_line(several) if several else "null"
    (one,) = several
    return one if _folders_in({FOLDER: one}) == [one] else in_one_line(one)
