"""The list of experiments: recent ones with their state, a new one, and one that lies somewhere on this computer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segmake.answers.status import status_answer
from segmake.core.config import DEFAULT_CONFIG
from segmake.experiment.neighbours import neighbours
from segmake.experiment.recent import forget, recent
from segmake.messages import Problem, Problems, say
from segmake.outcome.status import results_of
from segmake.page import opening
from segmake.page.common import Common, apart, see, unexpected
from segmake.page.folders import Folders, is_experiment, is_text, whole
from segmake.page.hearing import Heard, Hearing
from segmake.page.work import problem_values
from segmake.remote.remembered import PlaceFile, read_place

# Of a folder's name, in bytes, on the systems that people have.
_LONGEST = 255

# What was typed for a new experiment.
FIELDS = ("name", "where", "kind", "images", "settings")

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
    place : PlaceFile or None
        On which computer it is computed; None for this one.
    said : mapping or None
        What ``segmake status --json`` says of its last run; None where there was none, or it is not known here.
    at : float
        When that was said over there, in seconds since 1970; 0 where it is by the files of this computer.
    """

    folder: str
    is_gone: bool
    is_open: bool
    place: PlaceFile | None
    said: Mapping[str, Any] | None
    at: float = 0.0

    @property
    def state(self) -> str:
        """What became of its last run, in words; empty where nothing is known of one."""
        return _in_words(self.said)


@dataclass(frozen=True)
class Other:
    """Somebody else's experiment, or one that this user has not worked with from here.

    Attributes
    ----------
    folder, owner, host : str
        The host is empty for this computer.
    said : mapping or None
        As of a `Listed`.
    """

    folder: str
    owner: str
    host: str
    said: Mapping[str, Any] | None

    @property
    def state(self) -> str:
        """What became of its last run, in words; empty where nothing is known of one."""
        return _in_words(self.said)


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
        # What the files of this computer say, as of when the page was last loaded: shares take their time.
        self._listed: list[Listed] = []
        self._beside: list[Other] = []
        desk = common.open_desk
        self.hearing = Hearing(desk.connection if desk else None, unexpected)

    def routes(self) -> list[Route]:
        """Return their addresses."""
        return [
            self._common.both("/experiments", self._experiments),
            self._common.watch("/experiments/now", self._now),
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
        if do == "hear":
            places = await apart(_places)
            self.hearing.begin(places, wanted=True)
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
        simulation, other = typed["kind"] == "simulation", typed["settings"]
        problems = await apart(
            lambda: opening.made(folder, images, simulation=simulation, other=other)
        )
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
        self.hearing.begin(await apart(_places))
        here = str(self._common.open_desk.folder) if self._common.open_desk else ""
        self._listed = await apart(lambda: _all(here))
        self._beside = await apart(lambda: list(_beside(self._listed)))
        return self._common.page(
            "experiments", **self._known(), typed=typed, problems=problems or []
        )

    async def _now(self, request: Request) -> Response:
        """Return what other computers have said by now, for the script of the page."""
        typed = dict.fromkeys(FIELDS, "")
        return self._common.page("experiments", **self._known(), typed=typed, problems=[])

    def _known(self) -> dict[str, Any]:
        heard = self.hearing.heard
        return {
            "listed": [_as_heard(each, heard) for each in self._listed],
            "others": [*self._beside, *_others_there(heard)],
            "heard": [heard[host] for host in sorted(heard)],
            "hearing": self.hearing.at_work,
            "can_hear": bool(heard or any(each.place for each in self._listed)),
        }

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


def _places() -> dict[str, PlaceFile]:
    """Return where the experiments of the list are computed that another computer computes, by their folders."""
    places = {each.folder: _place(Path(each.folder)) for each in recent() if is_text(each.folder)}
    return {folder: place for folder, place in places.items() if place}


def _all(here: str) -> list[Listed]:
    return [_listed(Path(each.folder), here) for each in recent() if is_text(each.folder)]


def _listed(folder: Path, here: str) -> Listed:
    is_gone, is_open = not is_experiment(folder), str(folder) == here
    return Listed(str(folder), is_gone, is_open, _place(folder), _said(folder))


def _as_heard(each: Listed, heard: Mapping[str, Heard]) -> Listed:
    """Return an experiment with what its computer has said of it."""
    told = heard.get(each.place.host) if each.place else None
    if each.place and told and each.place.folder in told.states:
        said = told.states[each.place.folder]
        if said is None or _in_words(said):
            return replace(each, said=said, at=told.at)
    return each


def _beside(listed: list[Listed]) -> Iterator[Other]:
    """Yield the experiments beside those of the list on this computer."""
    for each in neighbours([one.folder for one in listed if not one.is_gone]):
        if is_text(each.folder):
            yield Other(each.folder, each.owner, "", _said(Path(each.folder)))


def _others_there(heard: Mapping[str, Heard]) -> Iterator[Other]:
    """Yield the experiments beside those of the list where they are computed."""
    for host, told in heard.items():
        for each in told.others:
            yield Other(each.folder, each.owner, host, told.states.get(each.folder))


def _place(folder: Path) -> PlaceFile | None:
    try:
        return read_place(folder)
    except Problem:
        return None


def _said(folder: Path) -> Mapping[str, Any] | None:
    """Return what is to be said of the last run by the files that are here."""
    results = folder / results_of(folder / DEFAULT_CONFIG)
    # Anybody may have written them: one that is damaged spoils no other.
    with suppress(Problem, Problems, OSError, ValueError, LookupError, TypeError, AttributeError):
        return status_answer(results, folder)
    return None


def _in_words(said: Mapping[str, Any] | None) -> str:
    """Return in words what ``segmake status --json`` says of a run; empty of what another version says otherwise."""
    if said is None:
        return ""
    with suppress(LookupError, TypeError, ValueError):
        images, state = said["images"], say(f"state.{said['state']}")
        if not images:
            return state
        names = {"done": images["complete"], "total": images["total"], "failed": images["failed"]}
        words = "page.experiments.failed" if images["failed"] else "page.experiments.done"
        return say("phrases.of", what=state, said=say(words, **names))
    return ""
