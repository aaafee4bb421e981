"""A config, and what it would be with what stands in a form: nothing is written until it is saved."""

from __future__ import annotations

import difflib
import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segmake.config.edit import DEFAULT, Change, new_problems, problems_of, proposed, set_values
from segmake.config.edited_text import settings_in
from segmake.config.schema import default_of, schema
from segmake.config.setting_names import names_of
from segmake.config.wanted_settings import said
from segmake.core.config import at
from segmake.messages import Problem, Problems
from segmake.page.fields import Field, all_fields, field_of

# So many texts of the file are remembered, to know what a form began with.
_MOST_TEXTS = 50


@dataclass(frozen=True)
class Line:
    """A line of a difference: ``mark`` is "+", "-" or nothing; numbers count from 1."""

    mark: str
    number: int | None
    text: str


@dataclass
class Draft:
    """What a config would be with what stands in a form.

    Attributes
    ----------
    shown : dict
        What stands in the form, by the names of settings.
    values : dict
        What is to be set.
    problems : dict
        What would be wrong, by the names of settings; "" for all else.
    all_problems : list of Problem
        What is wrong with the file now.
    fresh : list of Problem
        What would be wrong that is not so now: it can't be saved.
    changes : list of tuple
        Name, words of before and of after.
    settings : dict
        All that the config would say.
    difference : list of Line
        The lines that would change, with some around them.
    version : str
        Of the file that the form began with.
    """

    shown: dict[str, str]
    version: str
    settings: dict[str, Any]
    values: dict[str, Any] = field(default_factory=dict)
    problems: dict[str, list[Problem]] = field(default_factory=dict)
    all_problems: list[Problem] = field(default_factory=list)
    fresh: list[Problem] = field(default_factory=list)
    changes: list[tuple[str, str, str]] = field(default_factory=list)
    difference: list[Line] = field(default_factory=list)

    @property
    def engine(self) -> str:
        """The engine that counts."""
        return _in_force(self.settings, "engine", "")

    @property
    def model(self) -> str:
        """The model that counts."""
        return _in_force(self.settings, "model", self.engine)


class SettingsFile:
    """The config of an experiment, as a page edits it.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._without_images = ("", False)
        self.first = self._read()

    def _read(self) -> str:
        """Return the version of the file as it is now; its text is remembered."""
        try:
            content = self.path.read_bytes()
        except OSError:
            raise Problems(problems_of(self.path)) from None
        version = hashlib.sha256(content).hexdigest()[:16]
        self._texts[version] = content.decode("utf-8", errors="replace")
        self._texts.move_to_end(version)
        while len(self._texts) > _MOST_TEXTS:
            self._texts.popitem(last=False)
        return version

    def now(self) -> tuple[str, str]:
        """Return the version of the file and its text."""
        version = self._read()
        return version, self._texts[version]

    def as_it_was(self, version: str) -> dict[str, Any]:
        """Return what the file said when it had a version; what it says now if that is not known any more.

        Raises
        ------
        Problems
            If it is no YAML.
        """
        _, text = self.now()
        return self._settings(self._texts.get(version, text))

    def as_it_is(self) -> Draft:
        """Return the file as it is, with all that is wrong with it.

        Raises
        ------
        Problems
            If it is no YAML.
        """
        version, text = self.now()
        settings = self._settings(text)
        draft = Draft({name: each.shown(settings) for name, each in _fields()}, version, settings)
        draft.all_problems = problems_of(self.path)
        draft.problems = _by_field(draft.all_problems)
        return draft

    def draft(self, typed: Mapping[str, str], version: str) -> Draft:
        """Return what the config would be.

        Parameters
        ----------
        typed : mapping
            What was typed, by the names of settings; those that are not there stay as they are.
        version : str
            Of the file that the form began with. What was not changed since stays as the file has it now.

        Raises
        ------
        Problems
            If the file is no YAML.
        """
        draft = self.as_it_is()
        before = self._settings(self._texts.get(version, self._texts[draft.version]))
        known = dict(_fields())
        faults: dict[str, list[Problem]] = {}
        for name, text in typed.items():
            if name not in known or _same(text, known[name].shown(before)):
                continue
            draft.shown[name] = text
            try:
                draft.values[name] = known[name].meant(text)
            except Problem as problem:
                faults[name] = [problem]
        self._put_back_what_has_no_effect(draft)
        try:
            plan = proposed(self.path, draft.values)
        except Problem as problem:
            faults.setdefault(field_of(problem.where), []).append(problem)
        else:
            after = problems_of(self.path, plan.text) if draft.values else draft.all_problems
            draft.fresh = new_problems(draft.all_problems, after)
            draft.settings = plan.wanted
            draft.changes = [
                (name, said(plan.old, names), said(plan.wanted, names))
                for name, names in plan.named.items()
                if said(plan.old, names) != said(plan.wanted, names)
            ]
            draft.difference = list(difference(plan.before.decode(), plan.after.decode()))
            draft.problems = _by_field(after)
        for name, found in faults.items():
            draft.fresh += found
            draft.problems[name] = [*found, *draft.problems.get(name, [])]
        return draft

    def save(self, draft: Draft) -> list[Change]:
        """Write what a draft sets into the file.

        Raises
        ------
        Problem, Problems
            As `segmake.config.edit.set_values`: what would be wrong.
        """
        return set_values(self.path, draft.values)

    def changed_since(self, version: str) -> list[Line]:
        """Return what the file says otherwise than it did; all of it if that is not known any more."""
        _, text = self.now()
        return list(difference(self._texts.get(version, ""), text))

    def whole(self) -> list[Line]:
        """Return the whole file, with what was changed since the page was opened marked."""
        _, text = self.now()
        return list(difference(self._texts.get(self.first, text), text, around=None))

    def has_images(self) -> bool:
        """Whether it is about images, and not about scripts that need none; so it is where that can't be told."""
        with suppress(Problem, Problems):
            version, text = self.now()
            if self._without_images[0] != version:
                section = self._settings(text).get("images")
                null = isinstance(section, dict) and section.get("folder", "") is None
                self._without_images = (version, null)
            return not self._without_images[1]
        return True

    def _settings(self, text: str) -> dict[str, Any]:
        from ruamel.yaml.error import YAMLError

        try:
            found = settings_in(text.removeprefix("\ufeff"))
        except (YAMLError, ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise Problems(problems_of(self.path))
        return found

    def _put_back_what_has_no_effect(self, draft: Draft) -> None:
        """Have what the new engine does not take go back to its default: beside it, it would be refused."""
        engine = draft.values.get("segmentation.engine")
        if engine is None:
            return
        engine = _default("engine", "") if engine is DEFAULT else engine
        for name, each in _fields():
            if not each.takes(engine) and said(draft.settings, names_of(name)):
                draft.values[name] = DEFAULT


def difference(before: str, after: str, around: int | None = 2) -> Iterator[Line]:
    """Yield the lines in which two texts differ, and so many around each; None for all."""
    old, new = before.splitlines(), after.splitlines()
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    whole = [matcher.get_opcodes()]
    groups: list[Any] = whole if around is None else list(matcher.get_grouped_opcodes(around))
    for index, group in enumerate(groups):
        if index:
            yield Line("…", None, "")
        for tag, start, end, first, last in group:
            if tag == "equal":
                yield from (Line("", at + 1, new[at]) for at in range(first, last))
                continue
            yield from (Line("-", at + 1, old[at]) for at in range(start, end))
            yield from (Line("+", at + 1, new[at]) for at in range(first, last))


def _fields() -> list[tuple[str, Field]]:
    return list(all_fields().items())


def _same(one: str, other: str) -> bool:
    return one.replace("\r\n", "\n").strip() == other.strip()


def _by_field(problems: list[Problem]) -> dict[str, list[Problem]]:
    found: dict[str, list[Problem]] = {}
    for problem in problems:
        found.setdefault(field_of(getattr(problem.where, "key", "")), []).append(problem)
    return found


def _in_force(settings: dict[str, Any], key: str, engine: str) -> str:
    value = at(settings, ("segmentation", key))
    return str(value if value is not None else _default(key, engine))


def _default(key: str, engine: str) -> Any:
    return default_of(schema()["properties"]["segmentation"]["properties"][key], engine)
