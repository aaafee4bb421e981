"""The step *Scripts and environments*: which scripts are run, with which options, how often, and in what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segmake.core.files import readable
from segmake.messages import Problem
from segmake.page import script_form as forms
from segmake.page.common import Common, apart, see
from segmake.page.draft import Draft
from segmake.page.folders import Folders, Opened
from segmake.page.merging import by_name, on_top
from segmake.page.script_form import ScriptForm
from segmake.page.work import problem_values


@dataclass
class _Listed:
    """The scripts of a form, and the one that is shown.

    Attributes
    ----------
    scripts : list of dict or None
        None if they are such that a form can't show them.
    index : int
        Of the one that is shown.
    faults : dict
        What was typed for it and can't be understood, by the names of fields.
    """

    scripts: list[dict[str, Any]] | None
    index: int
    faults: dict[str, list[Problem]]


class Scripts:
    """The page of the step."""

    def __init__(self, common: Common) -> None:
        self._common = common
        self._folders = Folders(common.desk.folder, everywhere=False, suffixes=forms.suffixes())

    def routes(self) -> list[Route]:
        """Return its addresses."""
        common = self._common
        return [
            common.both("/scripts", self._scripts),
            common.post("/scripts/check", self._check),
        ]

    async def _scripts(self, request: Request) -> Response:
        if request.method == "GET":
            draft = await apart(self._common.desk.file.as_it_is)
            asked = request.query_params
            listed = _Listed(forms.scripts_in(draft.settings), _number(asked.get("script")), {})
            return await self._page(asked, draft, listed, saved="saved" in asked)
        form = await self._common.form(request)
        do, _, what = form.get("do", "show").partition(":")
        listed = await apart(lambda: _typed(form))
        refused = None
        try:
            form |= await apart(lambda: self._picked(form, listed, do, what))
        except Problem as problem:
            refused = problem
        listed, draft = await self._drafted(form, listed)
        if do == "save" and not listed.faults:
            done = await self._common.saved(form, draft)
            if done is True:
                return see(f"/scripts?script={listed.index}&saved=1")
            if done:
                return await self._page(form, draft, listed, conflict=done)
        return await self._page(form, draft, listed, do=do, refused=refused)

    async def _check(self, request: Request) -> Response:
        form = await self._common.form(request)
        listed, draft = await self._drafted(form, await apart(lambda: _typed(form)))
        if script := await apart(lambda: _shown(listed, draft)):
            draft.problems |= script.problems
        return self._common.checked(draft, form)

    async def _drafted(self, form: Mapping[str, str], listed: _Listed) -> tuple[_Listed, Draft]:
        """Return the scripts of a form, on top of what was edited elsewhere meanwhile, and what the file would be."""
        file, version = self._common.desk.file, form.get("version", "")
        now = await apart(file.as_it_is)
        if version != now.version:
            listed = _on_top(listed, await apart(lambda: file.as_it_was(version)), now)
        typed = {**form, "version": now.version}
        if listed.scripts is None:
            typed.pop("scripts", None)
        else:
            typed["scripts"] = forms.as_text(listed.scripts, now.shown["scripts"])
        return listed, await self._common.drafted(typed)

    def _picked(
        self, form: Mapping[str, str], listed: _Listed, do: str, what: str
    ) -> dict[str, str]:
        """Do what a button says; return what it changes in a form."""
        if do == "go" or (form.get("do") == "show" and form.get("typed", "").strip()):
            return {"open": self._folders.typed(form.get("typed", ""))}
        if do == "open":
            return {"open": self._folders.open(what).path}
        if listed.scripts is None:
            return {}
        if do == "select":
            listed.index = _number(what)
        elif do == "drop" and 0 <= _number(what) < len(listed.scripts):
            del listed.scripts[_number(what)]
            listed.index, listed.faults = 0, {}
        elif do == "bring" and (named := form.get("brought", "")) in forms.brought():
            _add(listed, listed.scripts, named)
        elif do == "add":
            path = self._folders.file(what)
            _add(listed, listed.scripts, readable(forms.file_of(path, self._common.desk.folder)))
        return {}

    async def _page(
        self,
        asked: Mapping[str, str],
        draft: Draft,
        listed: _Listed,
        *,
        do: str = "",
        saved: bool = False,
        conflict: Any = None,
        refused: Problem | None = None,
    ) -> Response:
        opened, closed = await apart(lambda: self._opened(asked.get("open", "")))
        script = await apart(lambda: _shown(listed, draft))
        return self._common.page(
            "scripts",
            draft=draft,
            scripts=listed.scripts,
            script=script,
            typed_text=draft.shown["scripts"],
            wrong=forms.wrong_scripts(listed.scripts or [], draft.problems.get("scripts", [])),
            brought=forms.brought(),
            environments=_names(draft.settings.get("environments")),
            starts=self._folders.starts(),
            opened=opened,
            typed_path=asked.get("typed", "") if refused else "",
            refused=[problem_values(one) for one in (refused, closed) if one],
            saved=saved,
            conflict=conflict,
            tried=do == "save" and bool(draft.fresh),
        )

    def _opened(self, path: str) -> tuple[Opened | None, Problem | None]:
        """Return the folder that is open, and why there is none."""
        try:
            # The experiment's own is where scripts mostly lie.
            return self._folders.open(path or "."), None
        except Problem as problem:
            return None, problem


def _add(listed: _Listed, scripts: list[dict[str, Any]], named: str) -> None:
    scripts.append(forms.new_script(named, scripts))
    listed.index, listed.faults = len(scripts) - 1, {}


def _typed(form: Mapping[str, str]) -> _Listed:
    """Return the scripts that a form holds, with what was typed for the one that is shown."""
    listed = _Listed(
        forms.scripts_typed(form.get("scripts", "")), _number(form.get("selected")), {}
    )
    if listed.scripts and 0 <= listed.index < len(listed.scripts):
        shown = forms.form_of(listed.scripts, listed.index)
        listed.faults = forms.take_in(shown, form)
    return listed


def _on_top(listed: _Listed, before: Mapping[str, Any], now: Draft) -> _Listed:
    """Return the scripts that the file has now, with what a form has changed of those that it had before."""
    typed, there = listed.scripts, forms.scripts_in(now.settings)
    if typed is None or there is None:
        return _Listed(there, 0, {})
    names = list(by_name(typed))
    merged = on_top(*map(by_name, (forms.scripts_in(before) or [], typed, there)))
    shown = names[listed.index] if listed.index < len(names) else None
    index = list(merged).index(shown) if shown in merged else 0
    return _Listed(list(merged.values()), index, listed.faults)


def _shown(listed: _Listed, draft: Draft) -> ScriptForm | None:
    """Return the script that is shown, with what is wrong with it."""
    if not listed.scripts:
        return None
    listed.index = min(max(0, listed.index), len(listed.scripts) - 1)
    script = forms.form_of(listed.scripts, listed.index)
    forms.with_problems(script, draft, listed.faults)
    return script


def _names(environments: Any) -> list[str]:
    return list(map(str, environments)) if isinstance(environments, dict) else []


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 6 else 0
