"""What a form shows of an environment of the config: its Python, and its packages by what they are for."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from segmake.config.edit import DEFAULT
from segmake.config.schema import schema
from segmake.config.yaml_values import item_lines
from segmake.core.config import name_in_full
from segmake.environments.wanted import catalogue
from segmake.messages import Problem, language, say
from segmake.page.draft import Draft
from segmake.page.fields import Field, all_fields, field_from
from segmake.page.script_form import scripts_in

# In names of fields, in place of the name of the environment that is shown.
_PREFIX = "environments.environment"
_WIDTH = 88
PACKAGES = f"{_PREFIX}.packages"
NAME = "environments.name"

# Before the name of a package that can be ticked.
TICK = "package."


@dataclass(frozen=True)
class Ticked:
    """A package that can be ticked.

    Attributes
    ----------
    name : str
    purpose : str
        In English.
    ticked : bool
    """

    name: str
    purpose: str
    ticked: bool


@dataclass
class EnvironmentForm:
    """An environment of the config in a form.

    Attributes
    ----------
    name : str
    section : dict
        What the config says of it.
    fields : dict of Field
        Its settings, by their keys.
    groups : dict
        The packages that SegMake knows by name, by the key of their group.
    shown : dict
        What stands in the form, by the names of fields.
    problems : dict
        What is wrong, by the names of fields; "" for all else.
    """

    name: str
    section: dict[str, Any]
    fields: dict[str, Field]
    groups: dict[str, list[Ticked]]
    shown: dict[str, str]
    problems: dict[str, list[Problem]] = field(default_factory=dict)


def environments_in(settings: Mapping[str, Any]) -> dict[str, dict[str, Any]] | None:
    """Return a copy of the environments of a config; None if they are such that a form can't show them."""
    found = settings.get("environments") or {}
    if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
        return None
    return {str(name): dict(copy.deepcopy(section)) for name, section in found.items()}


def environments_typed(text: str) -> dict[str, dict[str, Any]] | None:
    """Return the environments that a form holds as a text."""
    try:
        value = all_fields()["environments"].meant(text)
    except Problem:
        return None
    return environments_in({"environments": None if value is DEFAULT else value})


def as_text(environments: Mapping[str, Any], now: str) -> str:
    """Return environments as a form holds them; `now` is how the file is shown."""
    if environments:
        return "\n".join(item_lines(dict(environments), _WIDTH))
    return now if now in ("", "{}") else "{}"


def form_of(environments: Mapping[str, dict[str, Any]], name: str) -> EnvironmentForm:
    """Return an environment as a form shows it."""
    section = environments[name]
    rules = schema(language())["properties"]["environments"]["additionalProperties"]["properties"]
    fields = {key: field_from(f"{_PREFIX}.{key}", rule) for key, rule in rules.items()}
    fields["packages"] = replace(
        fields["packages"], title=say("page.environments.others"), default=""
    )
    listed = _listed(section)
    known = {catalogue.simplify(each) for each in listed}
    groups = {
        key: [
            Ticked(each["name"], each["for"][language()], catalogue.simplify(each["name"]) in known)
            for each in group["packages"]
        ]
        for key, group in catalogue.contents()["groups"].items()
    }
    shown = {
        each.name: "" if section.get(key) is None else each.written(section[key])
        for key, each in fields.items()
    }
    names = _ticks()
    others = [each for each in listed if catalogue.simplify(each) not in names]
    shown[PACKAGES] = "\n".join(others)
    shown[NAME] = name
    return EnvironmentForm(name, section, fields, groups, shown)


def take_in(
    environments: dict[str, dict[str, Any]], name: str, typed: Mapping[str, str]
) -> tuple[dict[str, dict[str, Any]], str, dict[str, list[Problem]]]:
    """Return environments with what was typed for one, its name then, and what can't be understood, by fields."""
    shown = form_of(environments, name)
    faults: dict[str, list[Problem]] = {}
    for key, each in shown.fields.items():
        text = typed.get(each.name)
        if key == "packages" or text is None or text.strip() == shown.shown[each.name].strip():
            continue
        try:
            value = each.meant(text)
        except Problem as problem:
            faults[each.name] = [problem]
            continue
        if value is DEFAULT:
            shown.section.pop(key, None)
        else:
            shown.section[key] = value
    if PACKAGES in typed:
        _take_packages(shown.section, typed)
    new = typed.get(NAME, name).strip() or name
    if new != name and new in environments:
        faults[NAME] = [Problem("SM-PAG-050", where=f"environments.{name}", name=new)]
    if new == name or NAME in faults:
        return environments, name, faults
    renamed = {new if each == name else each: section for each, section in environments.items()}
    return renamed, new, faults


def _take_packages(section: dict[str, Any], typed: Mapping[str, str]) -> None:
    """Put packages that were ticked, and those that were typed, in the place of those that there are."""
    ticked = {key.removeprefix(TICK) for key in typed if key.startswith(TICK)}
    others = [line.strip() for line in typed[PACKAGES].splitlines() if line.strip()]
    wanted = {catalogue.simplify(each): each for each in [*ticked, *others]}
    # Those that stay keep their places and the way in which they are written.
    kept = [each for each in _listed(section) if catalogue.simplify(each) in wanted]
    there = {catalogue.simplify(each) for each in kept}
    order = [each.name for each in catalogue.packages()]
    new = [each for each in order if each in ticked and catalogue.simplify(each) not in there]
    new += [each for each in others if catalogue.simplify(each) not in there]
    packages = [*kept, *new]
    if packages != _listed(section):
        section["packages"] = packages
    if not packages and ("conda" in section or "file" in section or "existing" in section):
        section.pop("packages", None)


def with_problems(form: EnvironmentForm, draft: Draft, faults: Mapping[str, list[Problem]]) -> None:
    """Give an environment what a draft says is wrong with it, at its fields."""
    begun = name_in_full(("environments", form.name))
    for problem in draft.problems.get("environments", []):
        key = str(getattr(problem.where, "key", ""))
        inner = key.removeprefix(f"{begun}.").partition(".")[0]
        if key.startswith(f"{begun}.") and inner in form.fields:
            form.problems.setdefault(form.fields[inner].name, []).append(problem)
        elif key == begun or key.startswith(f"{begun}."):
            form.problems.setdefault(NAME, []).append(problem)
        elif key in ("", "environments"):
            form.problems.setdefault("", []).append(problem)
    for name, found in faults.items():
        form.problems[name] = [*found, *form.problems.get(name, [])]
        draft.fresh += found


def scripts_renamed(
    settings: Mapping[str, Any], renamed: Mapping[str, str]
) -> list[dict[str, Any]] | None:
    """Return the scripts of a config with the new names of the environments that they use; None if none has one.

    Parameters
    ----------
    settings : mapping
        Of the file, where they have their old names.
    renamed : mapping
        The old names by the new ones.
    """
    there = environments_in(settings) or {}
    names = {old: new for new, old in renamed.items() if old in there}
    scripts = scripts_in(settings) or []
    fitting = [each for each in scripts if each.get("environment") in names]
    for each in fitting:
        each["environment"] = names[each["environment"]]
    return scripts if fitting else None


def free_name(environments: Sequence[str]) -> str:
    """Return a name for a new environment."""
    return next(
        name
        for name in (f"environment{number or ''}" for number in (0, *range(2, 10_000)))
        if name not in environments
    )


def _ticks() -> set[str]:
    return {catalogue.simplify(each.name) for each in catalogue.packages()}


def _listed(section: Mapping[str, Any]) -> list[str]:
    found = section.get("packages")
    return list(map(str, found)) if isinstance(found, list) else []
