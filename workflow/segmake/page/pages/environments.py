"""The environments that scripts need: their packages picked by what they are for, checked, and opened in JupyterLab."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segmake.messages import Problem, say
from segmake.page import environment_form as forms
from segmake.page import script_form as script_forms
from segmake.page.common import Common, apart, see
from segmake.page.computer import answer_of
from segmake.page.draft import Draft
from segmake.page.environment_form import EnvironmentForm
from segmake.page.errands import Errand
from segmake.page.merging import on_top
from segmake.page.mistake import unexpected
from segmake.page.told import problems_told
from segmake.page.work import problems_in
from segmake.remote.beginning import make_folder
from segmake.remote.sending import send_settings
from segmake.remote.session import Session

KIND = "environment"


@dataclass
class _Listed:
    """The environments of a form, and the one that is shown.

    Attributes
    ----------
    environments : dict or None
        None if they are such that a form can't show them.
    name : str
        The one that is shown.
    faults : dict
        What was typed for it and can't be understood, by the names of fields.
    renamed : dict
        What those are called in the file that have another name in the form.
    """

    environments: dict[str, dict[str, Any]] | None
    name: str
    faults: dict[str, list[Problem]]
    renamed: dict[str, str] = field(default_factory=dict)


@dataclass
class _Way:
    """A way to a JupyterLab of another computer, and when that ends, in seconds since 1970."""

    open: AsyncExitStack
    ends: float | None


class Environments:
    """The page of the environments."""

    def __init__(self, common: Common) -> None:
        self._common = common
        # Where each JupyterLab that was opened is, by its computer and environment; and the ways to those elsewhere.
        self._opened: dict[tuple[str, str], str] = {}
        self._ways: dict[tuple[str, str], _Way] = {}

    @property
    def is_way(self) -> bool:
        """Whether a JupyterLab of another computer may be in use through this page."""
        return any(way.ends is None or time.time() < way.ends for way in self._ways.values())

    def routes(self) -> list[Route]:
        """Return its addresses."""
        common = self._common
        return [
            common.both("/environments", self._environments),
            common.post("/environments/check", self._check),
        ]

    async def _environments(self, request: Request) -> Response:
        if request.method == "GET":
            draft = await apart(self._common.desk.file.as_it_is)
            asked = request.query_params
            found = forms.environments_in(draft.settings)
            listed = _Listed(found, asked.get("environment", ""), {})
            return await self._page(draft, listed, saved="saved" in asked)
        form = await self._common.form(request)
        do, _, what = form.get("do", "show").partition(":")
        listed = await apart(lambda: _typed(form))
        _do(listed, do, what)
        listed, draft = await self._drafted(form, listed)
        if do in ("save", "check", "jupyter", "stop") and not listed.faults:
            # What is checked, or opened, is what the file says.
            done = await self._common.saved(form, draft)
            if done is True:
                self._begin(do, listed.name)
                shown = {"environment": listed.name} | ({"saved": 1} if do == "save" else {})
                return see(f"/environments?{urlencode(shown)}")
            if done:
                return await self._page(draft, listed, conflict=done)
            do = "save"
        return await self._page(draft, listed, do=do)

    def _begin(self, do: str, name: str) -> None:
        works = {"check": self._checked, "jupyter": self._open, "stop": self._stop}
        if name and (work := works.get(do)):

            async def begun(errand: Errand) -> None:
                await work(errand, name)

            self._common.desk.errands.begin(KIND, begun, unexpected)

    async def _checked(self, errand: Errand, name: str) -> None:
        errand.tell(say("page.environments.checking", name=name))
        first = (await self._run(errand, "environment", name)).partition("\n")[0]
        if not errand.problems:
            errand.tell(say("page.environments.together"))
            # The rest says how it is entered in a terminal.
            errand.tell(first)

    async def _open(self, errand: Errand, name: str) -> None:
        errand.tell(say("page.environments.opening", name=name))
        session = await self._session(errand)
        if session.is_at_home:
            answer = await self._common.desk.work.answer("jupyter", name, *self._config())
        else:
            answer = await answer_of(session, "jupyter", name, *session.config_options)
        errand.problems = problems_in(answer)
        for each in answer.get("sessions", []):
            if each["environment"] == name and each["url"]:
                self._opened[self._elsewhere(), name] = await self._way_to(session, each)
                errand.tell(say("page.environments.opened", name=name))
            elif each["environment"] == name:
                errand.tell(each["reason"] or say("page.environments.waits", name=name))

    async def _stop(self, errand: Errand, name: str) -> None:
        key = (self._elsewhere(), name)
        self._opened.pop(key, None)
        if way := self._ways.pop(key, None):
            await way.open.aclose()
        errand.tell(await self._run(errand, "jupyter", "stop", name))

    async def _session(self, errand: Errand) -> Session:
        """Return the experiment and its computer, which has its settings as they are saved now."""
        session = await self._common.desk.connection.session()
        if not session.is_at_home:
            self._common.desk.connection.questions.ask_again()
            errand.tell(say("page.environments.sending", host=session.place.host))
            await make_folder(session)
            await send_settings(session, errand.tell)
        return session

    async def _way_to(self, session: Session, lab: Mapping[str, Any]) -> str:
        """Return the address at which JupyterLab is reached from this computer."""
        port, address = lab["port"], str(lab["url"])
        if session.is_at_home or not port:
            return address
        key = (self._elsewhere(), lab["environment"])
        if before := self._ways.pop(key, None):
            await before.open.aclose()
        ends = lab["ends"] and datetime.fromisoformat(lab["ends"]).timestamp()
        self._ways[key] = way = _Way(AsyncExitStack(), ends)
        here = await way.open.enter_async_context(session.computer.tunnel(str(port)))
        return address.replace(f":{port}/", f":{here}/", 1)

    async def _run(self, errand: Errand, *words: str) -> str:
        """Run a command to its end where it counts, and return what it says; what is wrong is told by the errand."""
        session = await self._session(errand)
        if session.is_at_home:
            answer = await self._common.desk.work.told(*words, *self._config())
        else:
            answer = await session.program("segmake", *words, *session.config_options)
        if answer.code:
            said = session.own_words(answer.err.decode(errors="replace").strip())
            errand.problems = problems_told(said)
            if not errand.problems:
                last = said.rpartition("\n")[2] or say("phrases.silent")
                raise Problem("SM-PAG-004", where=session.computer.name, said=last)
        return session.own_words(answer.text)

    def _elsewhere(self) -> str:
        """Return the computer that the experiment is computed on; empty for this one."""
        # What is wrong with the file that says it is told by the pages that need it.
        with suppress(Problem):
            place = self._common.desk.connection.place
            return place.host if place else ""
        return ""

    def _config(self) -> list[str]:
        return ["--configfile", str(self._common.desk.file.path)]

    async def _check(self, request: Request) -> Response:
        form = await self._common.form(request)
        listed, draft = await self._drafted(form, await apart(lambda: _typed(form)))
        if shown := await apart(lambda: _shown(listed, draft)):
            draft.problems |= shown.problems
        return self._common.checked(draft, form)

    async def _drafted(self, form: Mapping[str, str], listed: _Listed) -> tuple[_Listed, Draft]:
        """Return the environments of a form, on top of what was edited elsewhere, and what the file would be."""
        file, version = self._common.desk.file, form.get("version", "")
        now = await apart(file.as_it_is)
        if version != now.version:
            listed = _on_top(listed, await apart(lambda: file.as_it_was(version)), now)
        typed = {**form, "version": now.version}
        if listed.environments is None:
            typed.pop("environments", None)
        else:
            typed["environments"] = forms.as_text(listed.environments, now.shown["environments"])
            if scripts := forms.scripts_renamed(now.settings, listed.renamed):
                typed["scripts"] = script_forms.as_text(scripts, now.shown["scripts"])
        return listed, await self._common.drafted(typed)

    async def _page(
        self,
        draft: Draft,
        listed: _Listed,
        *,
        do: str = "",
        saved: bool = False,
        conflict: Any = None,
    ) -> Response:
        elsewhere = await apart(self._elsewhere)
        return self._common.page(
            "environments",
            draft=draft,
            environments=listed.environments,
            shown=await apart(lambda: _shown(listed, draft)),
            typed_text=draft.shown["environments"],
            renamed=json.dumps(listed.renamed),
            errand=self._common.desk.errands.last(KIND),
            opened={name: url for (host, name), url in self._opened.items() if host == elsewhere},
            elsewhere=elsewhere,
            saved=saved,
            conflict=conflict,
            tried=do == "save" and bool(draft.fresh),
        )


def _typed(form: Mapping[str, str]) -> _Listed:
    """Return the environments that a form holds, with what was typed for the one that is shown."""
    found = forms.environments_typed(form.get("environments", ""))
    name, renamed = form.get("selected", ""), _renamed(form.get("renamed", ""))
    if not found or name not in found:
        return _Listed(found, name, {}, renamed)
    listed = _Listed(*forms.take_in(found, name, form), renamed)
    if listed.name != name:
        # One with the old name of another is new, and has none in the file.
        renamed[listed.name] = renamed.pop(name, "" if name in renamed.values() else name)
    return listed


def _renamed(text: str) -> dict[str, str]:
    """Return what a form holds of names."""
    with suppress(ValueError):
        if isinstance(found := json.loads(text), dict):
            return {new: old for new, old in found.items() if isinstance(old, str)}
    return {}


def _on_top(listed: _Listed, before: Mapping[str, Any], now: Draft) -> _Listed:
    """Return the environments that the file has now, with what a form has changed of those that it had before."""
    there = forms.environments_in(now.settings)
    if listed.environments is None or there is None:
        return replace(listed, environments=there)
    merged = on_top(forms.environments_in(before) or {}, listed.environments, there)
    return replace(listed, environments=merged)


def _do(listed: _Listed, do: str, what: str) -> None:
    """Do what a button says with the list."""
    if listed.environments is None:
        return
    if do == "select":
        listed.name = what
    elif do == "add":
        listed.name = forms.free_name(list(listed.environments))
        listed.environments[listed.name] = {"packages": ["NumPy"]}
    elif do == "drop" and listed.name in listed.environments:
        # Under the name that was typed for it meanwhile.
        del listed.environments[listed.name]
        listed.renamed.pop(listed.name, None)
        listed.name, listed.faults = "", {}


def _shown(listed: _Listed, draft: Draft) -> EnvironmentForm | None:
    """Return the environment that is shown, with what is wrong with it."""
    if not listed.environments:
        return None
    if listed.name not in listed.environments:
        listed.name = next(iter(listed.environments))
    shown = forms.form_of(listed.environments, listed.name)
    forms.with_problems(shown, draft, listed.faults)
    return shown
