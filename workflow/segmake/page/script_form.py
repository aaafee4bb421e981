"""What a form shows of a script of the config: its settings, and the options that its own file says it takes."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from segmake.config.edit import DEFAULT
from segmake.config.schema import schema
from segmake.config.yaml_values import in_one_line, item_lines
from segmake.core import installation
from segmake.core.config import name_in_full
from segmake.messages import Problem, language
from segmake.page.draft import Draft
from segmake.page.fields import Field, all_fields, field_from
from segmake.scripts.checks.checks import RESERVED
from segmake.scripts.definition.script import OF_SEGMAKE, script_file
from segmake.scripts.source.options import Option, Parser, parser_of
from segmake.scripts.source.static import KINDS, read_source

# In names of fields, in place of the name of the script that is shown: it may have none yet.
_PREFIX = "scripts.script"
_WIDTH = 88

# What SegMake gives a script by itself is not asked for.
_GIVEN = frozenset(RESERVED)


# The words in names of arguments by which it can be told what SegMake has for them.
_STAND_FOR = {
    "mask": {"mask", "masks", "label", "labels", "segmentation"},
    "cells": {"cells", "table", "csv"},
    "output_dir": {"out", "output", "outdir", "results", "sortie"},
    "image": {
        "image",
        "images",
        "img",
        "picture",
        "tif",
        "tiff",
        "input",
        "file",
        "filename",
        "path",
    },
}


@dataclass(frozen=True)
class Reading:
    """What a script's own file says.

    Attributes
    ----------
    options : list of Field
        What it takes by argparse.
    given : list of str
        Of these, what SegMake gives it by itself.
    known : bool
        Whether that can be told without running it.
    summary : str
        The first line that it says of itself.
    by_place : list of str
        What it takes by its place, and not by a name: then ``arguments`` has to be its whole command line.
    told : list of Field
        What it takes besides, by names.
    line : str
        Such a command line, as a config has it.
    """

    options: list[Field] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    known: bool = False
    summary: str = ""
    by_place: list[str] = field(default_factory=list)
    told: list[Field] = field(default_factory=list)
    line: str = ""


@dataclass
class ScriptForm:
    """A script of the config in a form.

    Attributes
    ----------
    index : int
        Its place in the list.
    section : dict
        What the config says of it.
    reading : Reading
    fields : dict of Field
        Its settings, by their keys: ``run``, ``resources.gpu``.
    shown : dict
        What stands in the form, by the names of fields.
    problems : dict
        What is wrong, by the names of fields; "" for all else.
    """

    index: int
    section: dict[str, Any]
    reading: Reading
    fields: dict[str, Field]
    shown: dict[str, str]
    problems: dict[str, list[Problem]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it is called."""
        return str(self.section.get("name") or self.index + 1)

    def of_group(self, *groups: str) -> list[Field]:
        """Return the settings of some groups, but those that have a place of their own."""
        own = ("arguments", "environment")
        return [
            each for key, each in self.fields.items() if each.group in groups and key not in own
        ]


def scripts_in(settings: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Return a copy of the scripts of a config; None if they are such that a form can't show them."""
    found = settings.get("scripts") or []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        return None
    return copy.deepcopy(found)


def scripts_typed(text: str) -> list[dict[str, Any]] | None:
    """Return the scripts that a form holds as a text."""
    try:
        value = all_fields()["scripts"].meant(text)
    except Problem:
        return None
    return scripts_in({"scripts": None if value is DEFAULT else value})


def as_text(scripts: list[dict[str, Any]], now: str) -> str:
    """Return scripts as a form holds them.

    Parameters
    ----------
    scripts : list of dict
    now : str
        How the file is shown: that it has none can be said in two ways.
    """
    if scripts:
        return "\n".join(item_lines(scripts, _WIDTH))
    return now if now in ("", "[]") else "[]"


def form_of(scripts: list[dict[str, Any]], index: int) -> ScriptForm:
    """Return a script as a form shows it."""
    section = scripts[index]
    reading = read(str(section.get("script") or ""))
    fields = _fields()
    arguments: Any = section.get("arguments")
    others: Any
    if reading.known and isinstance(arguments, dict | None):
        # What is given besides, such as what an earlier version of the script took, stays in sight.
        names = {_key(each) for each in reading.options}
        others = {name: value for name, value in (arguments or {}).items() if name not in names}
    else:
        reading = replace(reading, options=[], known=False)
        others = arguments or {}
    shown = {each.name: _shown(each, section, key) for key, each in fields.items()}
    shown[fields["arguments"].name] = fields["arguments"].written(others) if others else ""
    for each in reading.options:
        value = (arguments or {}).get(_key(each))
        shown[each.name] = "" if value is None else each.written(value)
    return ScriptForm(index, section, reading, fields, shown)


def take_in(script: ScriptForm, typed: Mapping[str, str]) -> dict[str, list[Problem]]:
    """Write into a script's section what was typed; return what can't be understood, by the names of fields."""
    faults: dict[str, list[Problem]] = {}
    others = script.fields["arguments"]
    changed: dict[str, Any] = {}
    every = [*script.fields.values(), *script.reading.options]
    for each in every:
        text = typed.get(each.name)
        if text is None or _plain(text) == _plain(script.shown[each.name]):
            continue
        script.shown[each.name] = text
        try:
            changed[each.name] = each.meant(text)
        except Problem as problem:
            faults[each.name] = [problem]
    for key, each in script.fields.items():
        if each.name in changed and key != "arguments":
            _put(script.section, key, changed[each.name])
    if script.reading.known:
        _take_arguments(script, changed)
    elif others.name in changed:
        _put(script.section, "arguments", changed[others.name])
    return faults


def _take_arguments(script: ScriptForm, changed: Mapping[str, Any]) -> None:
    arguments = dict(script.section.get("arguments") or {})
    others = script.fields["arguments"]
    if others.name in changed:
        names = {_key(each) for each in script.reading.options}
        wanted = changed[others.name]
        if not isinstance(wanted, dict) and wanted is not DEFAULT:
            # A list is the whole command line.
            _put(script.section, "arguments", wanted)
            return
        kept = {name: value for name, value in arguments.items() if name in names}
        arguments = kept | ({} if wanted is DEFAULT else wanted)
    for each in script.reading.options:
        if each.name in changed:
            value = changed[each.name]
            if value is DEFAULT:
                arguments.pop(_key(each), None)
            else:
                arguments[_key(each)] = value
    if arguments != (script.section.get("arguments") or {}):
        _put(script.section, "arguments", arguments or DEFAULT)


def with_problems(script: ScriptForm, draft: Draft, faults: Mapping[str, list[Problem]]) -> None:
    """Give a script what a draft says is wrong with it, at its fields."""
    beginnings = _beginnings(script.section, script.index)
    for problem in draft.problems.get("scripts", []):
        key = str(getattr(problem.where, "key", ""))
        begun = next((each for each in beginnings if key.startswith(each)), None)
        if begun is None:
            if key in ("", "scripts"):
                script.problems.setdefault("", []).append(problem)
            continue
        name = _option_of(script, problem) or _field_name(script, key[len(begun) :])
        script.problems.setdefault(name, []).append(problem)
    for name, found in faults.items():
        script.problems[name] = [*found, *script.problems.get(name, [])]
        draft.fresh += found


def read(named: str) -> Reading:
    """Return what a script's own file says; nothing of it is run.

    Parameters
    ----------
    named : str
        As the config names it.
    """
    if not named:
        return Reading()
    source = read_source(script_file(named))
    if source.kind != "python" or not source.trees:
        return Reading()
    (tree, *_) = source.trees
    summary = (ast.get_docstring(tree) or "").strip().partition("\n")[0]
    parser = parser_of(tree)
    if parser is None:
        return Reading(summary=summary)
    own = [option for option in parser.options if "--help" not in option.names]
    placed = [option for option in own if option.positional]
    if placed:
        # By its place an argument has no name to be asked for by: what is taken by name is told all the same.
        told = [_option_field(option, parser) for option in own if not option.positional]
        names = [option.shown for option in placed]
        whole = _whole_line(placed, own)
        return Reading(summary=summary, by_place=names, told=told, line=whole)
    return Reading(
        [_option_field(option, parser) for option in own if not _is_given(option)],
        [option.shown for option in own if _is_given(option)],
        True,
        summary,
    )


def _whole_line(placed: Sequence[Option], own: Sequence[Option]) -> str:
    """Return a command line that a script would take, as a config has it."""
    words: list[Any] = [_stands_for(option.shown) for option in placed]
    for option in own:
        if option.required and not option.positional:
            words += [option.shown, *([] if option.switch else [_plain_default(option)])]
    return in_one_line(words)


def _stands_for(name: str) -> str:
    """Return what stands for an argument: a path that SegMake knows, if its name tells that it is one."""
    words = set(re.split(r"[^a-z]+", name.lower()))
    known = (each for each, names in _STAND_FOR.items() if words & names)
    return f"{{{found}}}" if (found := next(known, "")) else name.upper()


def _plain_default(option: Option) -> Any:
    return option.choices[0] if option.choices else option.default or option.shown.lstrip("-")


def brought() -> list[str]:
    """Return the scripts that SegMake brings along, as a config names them."""
    folder = installation.own_scripts()
    return sorted(f"{OF_SEGMAKE}{path.name}" for path in folder.glob("*.py"))


def new_script(named: str, scripts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a new script, with a name that is free."""
    stem = PurePosixPath(named.removeprefix(OF_SEGMAKE).replace("\\", "/")).stem
    plain = "".join(each if each.isascii() and each.isalnum() else "_" for each in stem).strip("_")
    taken = {str(each.get("name")).lower() for each in scripts} | {
        each.replace("-", "_") for each in _GIVEN
    }
    names = (plain or "script", *(f"{plain or 'script'}_{number}" for number in range(2, 10_000)))
    name = next(name for name in names if name.lower() not in taken)
    return {"name": name, "script": named, **_guessed(read(named))}


def _guessed(reading: Reading) -> dict[str, Any]:
    """Return how often a script is run, and on what, by the options that it takes."""
    words = {"input": "images", "mask": "masks", "cells": "cells"}
    needs = [word for option, word in words.items() if f"--{option}" in reading.given]
    if not reading.known or needs == ["images"]:
        return {}
    if needs in ([], ["cells"]):
        return {"run": "dataset" if needs else "once"}
    return {"needs": needs}


def suffixes() -> tuple[str, ...]:
    """Return the ends of the names of scripts."""
    return tuple({suffix.lower() for suffix in KINDS})


def _fields() -> dict[str, Field]:
    rules = schema(language())["properties"]["scripts"]["items"]["properties"]
    found: dict[str, Field] = {}
    for key, rule in rules.items():
        if key == "resources":
            for inner, child in rule["properties"].items():
                found[f"{key}.{inner}"] = field_from(f"{_PREFIX}.{key}.{inner}", child)
        else:
            found[key] = field_from(f"{_PREFIX}.{key}", rule)
    return found


def _shown(each: Field, section: Mapping[str, Any], key: str) -> str:
    value: Any = section
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return "" if value is None else each.written(value)


def _put(section: dict[str, Any], key: str, value: Any) -> None:
    above, _, last = key.rpartition(".")
    if above:
        inner = section.get(above)
        inner = dict(inner) if isinstance(inner, dict) else {}
        _put(inner, last, value)
        _put(section, above, inner or DEFAULT)
    elif value is DEFAULT:
        section.pop(last, None)
    else:
        section[last] = value


def _is_given(option: Option) -> bool:
    return any(name.lstrip("-").replace("_", "-") in _GIVEN for name in option.names)


def _option_field(option: Option, parser: Parser) -> Field:
    name = option.shown.lstrip("-")
    many = option.repeated or (option.nargs not in (None, "?") and not option.switch)
    kind: Any = "text"
    if option.switch:
        kind = "switch"
    elif not many and option.choices:
        kind = "choice"
    elif not many and option.kind:
        kind = "number"
    default = option.default
    if option.switch and not isinstance(default, bool):
        default = False
    written = (
        "" if default is None else default if isinstance(default, str) else in_one_line(default)
    )
    return Field(
        name=name_in_full((*_PREFIX.split("."), "arguments", name)),
        kind=kind,
        title=option.shown,
        unit="",
        group="first" if option.required else "more",
        text=tuple(filter(None, option.help.split("\n"))),
        choices={str(each): "" for each in option.choices},
        examples=(),
        default=written,
        engines=(),
    )


def _key(each: Field) -> str:
    """Return what an option is called among the arguments of a config."""
    return each.title.lstrip("-")


def _option_of(script: ScriptForm, problem: Problem) -> str:
    """Return the name of the field of an option that a problem names; empty if it names none."""
    told = {str(value) for value in problem.values.values()}
    return next((each.name for each in script.reading.options if each.title in told), "")


def wrong_scripts(scripts: list[dict[str, Any]], problems: list[Problem]) -> list[int]:
    """Return how many things are wrong with each script."""
    keys = [str(getattr(problem.where, "key", "")) for problem in problems]
    found = []
    for index, section in enumerate(scripts):
        begun = _beginnings(section, index)
        found.append(sum(key.startswith(begun) for key in keys))
    return found


def _beginnings(section: Mapping[str, Any], index: int) -> tuple[str, ...]:
    """Return how the keys of all settings of a script begin: with its name, or its place."""
    names = {str(section.get("name") or ""), str(index)} - {""}
    return tuple(f"{name_in_full(('scripts', name))}." for name in names)


def _field_name(script: ScriptForm, rest: str) -> str:
    """Return the name of the field that a key of a script belongs to."""
    for each in script.reading.options:
        if each.name.removeprefix(f"{_PREFIX}.") == rest:
            return each.name
    parts = rest.split(".")
    for length in range(len(parts), 0, -1):
        if found := script.fields.get(".".join(parts[:length])):
            return found.name
    return ""


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def file_of(path: Path, experiment: Path) -> str:
    """Return a script's file as a config names it."""
    own = experiment.absolute()
    return path.relative_to(own).as_posix() if path.is_relative_to(own) else str(path)
