"""The list of experiments: recent ones with their state, a new one, and one that lies somewhere on this computer."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segmake.answers.status import status_answer
from segmake.core.config import DEFAULT_CONFIG
from segmake.experiment.recent import forget, recent
from segmake.messages import Problem, Problems, say
from segmake.outcome.status import results_of
from segmake.page import opening
from segmake.page.common import Common, apart, see
from segmake.page.folders import Folders, is_experiment, is_text, whole
from segmake.page.work import problem_values
from segmake.remote.remembered import read_place

# Of a folder's name, in bytes, on the systems that people have.
_LONGEST = 255

# What was typed for a new experiment.
FIELDS = ("name", "where", "kind", "images")

# For which of them, or for what else, a folder is chosen.
USES = ("where", "images", "open")


@dataclass(frozen=True)
class Listed:
    """An experiment of the list.

    Attributes
    ----------
    folder : str
    is_gone, is_open : bool
        Whether it is not there any more; whether this is its page.
    place, state : str
        On which computer it is computed, and what became of its last run; empty where that is not known here.
    at : float
        When somebody worked with it.
    """

    folder: str
    is_gone: bool
    is_open: bool
    place: str
    state: str
    at: float


class Experiments:
    """The pages of the list.

    Parameters
    ----------
    common : Common
    idle_minutes : float
        After so long without use, the pages that are opened end.
    """

    def __init__(self, common: Common, idle_minutes: float) -> None:
        self._common, self._idle_minutes = common, idle_minutes
        self._folders = Folders(None)

    def routes(self) -> list[Route]:
        """Return their addresses."""
        return [
            self._common.both("/experiments", self._experiments),
            self._common.both("/folders", self._choice),
        ]

    async def _experiments(self, request: Request) -> Response:
        if request.method == "GET":
            return await self._page(_typed(dict(request.query_params)))
        form = await self._common.form(request)
        do, folder = form.get("do", ""), form.get("folder", "").strip()
        typed = _typed(form)
        if do == "forget":
            await apart(lambda: forget(folder))
            return see("/experiments")
        if do == "open":
            return await self._open(Path(whole(Path.home(), folder)), typed)
        if do == "new":
            return await self._new(typed)
        return see("/experiments")

    async def _new(self, typed: dict[str, str]) -> Response:
        name, images = typed["name"], typed["images"] if typed["kind"] == "images" else ""
        if not _can_be_a_folder(name):
            return await self._page(typed, [problem_values(Problem("SM-PAG-038", where=name))])
        folder, images = Path(whole(Path.home(), typed["where"])) / name, os.path.expanduser(images)
        simulation = typed["kind"] == "simulation"
        problems = await apart(lambda: opening.made(folder, images, simulation=simulation))
        return await self._page(typed, problems) if problems else await self._open(folder, typed)

    async def _open(self, folder: Path, typed: dict[str, str]) -> Response:
        """Have a page of an experiment opened, and lead this window there."""
        if not is_experiment(folder):
            problem = Problem("SM-PAG-001", where=str(folder), folder=folder)
            return await self._page(typed, [problem_values(problem)])
        if not self._common.guard.has_port:
            problem = Problem("SM-PAG-039", where=str(folder), folder=folder)
            return await self._page(typed, [problem_values(problem)])
        address = await apart(lambda: opening.opened(folder, self._idle_minutes))
        return self._common.page("opened", address=address, experiment=folder.name)

    async def _page(
        self, typed: dict[str, str], problems: list[dict[str, Any]] | None = None
    ) -> Response:
        here = str(self._common.open_desk.folder) if self._common.open_desk else ""
        return self._common.page(
            "experiments",
            listed=await apart(lambda: _all(here)),
            typed=typed,
            problems=problems or [],
        )

    async def _choice(self, request: Request) -> Response:
        """Show folders to choose one from; what is typed for another one is brought along."""
        if request.method == "GET":
            return await self._level(dict(request.query_params))
        form = await self._common.form(request)
        do, _, what = form.get("do", "").partition(":")
        asked = {**_typed(form), "use": what if do == "choose" else form.get("use", "")}
        # What stood in the field is where the choice begins.
        wanted = asked.get(asked["use"], "") if do == "choose" else form.get("typed", "")
        try:
            at = what if do == "open" else await apart(lambda: self._folders.typed(wanted))
        except Problem as refused:
            return await self._level({**asked, "typed": wanted}, refused)
        return see(f"/folders?{urlencode({**asked, 'at': at})}")

    async def _level(self, asked: dict[str, str], refused: Problem | None = None) -> Response:
        use, typed = asked.get("use", ""), _typed(asked)
        if use not in USES:
            raise Problem("SM-PAG-007")
        try:
            opened = await apart(lambda: self._folders.open(asked.get("at", "")))
        except Problem as closed:
            refused, opened = closed, await apart(lambda: self._folders.open(""))
        return self._common.page(
            "choose",
            opened=opened,
            starts=await apart(self._folders.starts),
            typed=typed,
            typed_path=asked.get("typed", "") if refused else "",
            refused=[problem_values(refused)] if refused else [],
            use=use,
            back=lambda path: f"/experiments?{urlencode({**typed, use: path} if path else typed)}",
        )


def _can_be_a_folder(name: str) -> bool:
    """Whether a folder can have a name, on any system that experiments are copied to."""
    is_name = name not in ("", ".", "..") and not set(name) & set("/\\")
    return is_name and len(os.fsencode(name)) <= _LONGEST


def _typed(given: dict[str, str]) -> dict[str, str]:
    # No file's name holds the letter 0, which nobody types.
    typed = {name: given.get(name, "").replace("\0", "").strip() for name in FIELDS}
    typed["where"] = typed["where"] or _usual_folder()
    typed["kind"] = (
        typed["kind"] if typed["kind"] in ("images", "later", "simulation") else "images"
    )
    return typed


def _usual_folder() -> str:
    """Return below which folder the last experiment lies; else the user's own."""
    for each in recent():
        if (above := Path(each.folder).parent).is_dir():
            return str(above)
    return str(Path.home())


def _all(here: str) -> list[Listed]:
    return [
        Listed(
            folder=each.folder,
            is_gone=not is_experiment(Path(each.folder)),
            is_open=each.folder == here,
            place=_place(Path(each.folder)),
            state=_state(Path(each.folder)),
            at=each.at,
        )
        for each in recent()
        if is_text(each.folder)
    ]


def _place(folder: Path) -> str:
    try:
        return read_place(folder).host
    except Problem:
        return ""


def _state(folder: Path) -> str:
    """Return in words what became of the last run, by the files that are here."""
    results = folder / results_of(folder / DEFAULT_CONFIG)
    try:
        said = status_answer(results)
    except (Problem, Problems, OSError):
        return ""
    images = said["images"]
    if not images:
        return str(said["state_text"])
    names = {"done": images["complete"], "total": images["total"], "failed": images["failed"]}
    words = "page.experiments.failed" if images["failed"] else "page.experiments.done"
    return say("phrases.of", what=said["state_text"], said=say(words, **names))
