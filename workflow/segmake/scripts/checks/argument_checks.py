"""Compares the arguments that a script will be given with those that it takes."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from segmake.messages import Problem, say
from segmake.scripts.checks.command import (
    OPTIONS,
    command_line,
    left_over,
    option,
    passed,
    variable_of,
)
from segmake.scripts.checks.intake import variables_read
from segmake.scripts.definition.script import Script, placeholders, values_of
from segmake.scripts.source.constants import constants_of
from segmake.scripts.source.options import UNKNOWN, Option, Parser

# By which placeholder each of SegMake's own is given.
PLACEHOLDERS = {"images": "input", "masks": "mask", "cells": "cells"}

# What others call what SegMake calls input, mask, cells and output_dir.
_HINTS = {
    "output_dir": ("out", "output", "outdir", "result", "dest", "save", "dir", "folder"),
    "mask": ("mask", "label", "seg", "segmentation"),
    "cells": ("cell", "table", "csv", "measure"),
    "input": ("in", "image", "img", "picture", "pic", "tif", "file", "path"),
}

# What takes the name of a file to write, and how such a file ends: --outfile, --output-csv, --save-path.
_ENDINGS = {
    **{
        kind: kind
        for kind in ("csv", "tsv", "txt", "png", "pdf", "svg", "json", "xlsx", "npy", "h5")
    },
    **{"tif": "tif", "tiff": "tif", "figure": "png", "fig": "png", "plot": "png", "image": "tif"},
}
_OUTPUT_FILE = re.compile(
    r"(?:out|output|result|results|save|dest)-?(?:file|filename|file-name|as|table|"
    rf"({'|'.join(_ENDINGS)}))(?:-?(?:file|path|name))?|({'|'.join(_ENDINGS)})-?out(?:put)?"
)

# An option and its value in one, as one writes it for a shell.
_TWO_WORDS = re.compile(r"(--?[A-Za-z][\w-]*)\s+(\S.*)")

# Of a range, its first values show whether they are whole numbers.
_VALUES_OF_A_RANGE = 2


@dataclass(frozen=True)
class Call:
    """How a script will be called.

    Attributes
    ----------
    script : Script
        Of a sweep, with `UNKNOWN` for each parameter.
    sweep : dict
        The parameters of the sweep as the config has them.
    parser : Parser or None
        What the script takes, if that is known.
    where : callable
        Returns the place of a key of the script's section.
    """

    script: Script
    sweep: dict[str, Any]
    parser: Parser | None
    where: Callable[..., str]

    @property
    def arguments(self) -> dict[str, Any]:
        """Those arguments that have names and are given: false and null are not."""
        arguments = self.script.arguments
        if isinstance(arguments, list):
            return {}
        return {
            name: value
            for name, value in arguments.items()
            if value is not None and value is not False
        }

    @property
    def given(self) -> dict[str, str]:
        """What it works on, by the names of the placeholders."""
        names = [PLACEHOLDERS.get(need, need) for need in self.script.needs]
        return dict.fromkeys((*names, "output_dir"), UNKNOWN)

    @property
    def own(self) -> dict[str, str]:
        """The options that SegMake passes itself, by the names of the placeholders."""
        if isinstance(self.script.arguments, list):
            return {}
        names = passed(self.script, self.given)
        return {name: OPTIONS.get(name, f"--{name}") for name in names}

    @property
    def options(self) -> dict[str, Any]:
        """The parameters of the sweep that are passed by options: no placeholder stands for them."""
        if isinstance(self.script.arguments, list):
            return {}
        return {name: self.sweep[name] for name in left_over(self.script, self.sweep)}

    def words(self) -> list[str]:
        """Return what follows the file on the command line."""
        values = dict.fromkeys(("name", "position", "seed", "cpus", "project"), UNKNOWN)
        first = {name: values[0] for name, values in self.script.sweep.items()}
        return command_line(self.script, "python", self.given, values, first)[2:]

    def find(self, word: str) -> Option | None:
        """Return the script's option of this name."""
        return self.parser.find(word) if self.parser else None

    def problem(self, code: str, *keys: str | int, **values: object) -> Problem:
        """Return a problem with the script, at the place of a key."""
        return Problem(code, where=self.where(*keys), script=self.script.file.name, **values)


def argument_problems(call: Call) -> Iterator[Problem]:
    """Yield what is wrong with the arguments of a script."""
    twice = list(_given_twice(call))
    yield from twice
    if call.parser is None:
        return
    refusal = call.parser.refusal(call.words())
    # argparse has the last word: what it takes is right, whatever it looks like here.
    found = [*_structure_problems(call)] if refusal else [*_unused_output(call)]
    found += _value_problems(call)
    yield from found
    if refusal and not found and not twice:
        error = re.sub(rf"{UNKNOWN}+", "...", refusal)
        remedy = say("script.compare", script=call.script.file)
        yield call.problem("SM-SCR-019", "arguments", error=error, remedy=remedy)


def is_switch(value: Any) -> bool:
    """Whether a parameter of a sweep is passed as a name alone, or not at all: its values are true and false."""
    return isinstance(value, list) and all(isinstance(each, bool) for each in value)


def word_of(name: str) -> str:
    """Return an argument's name as it stands on the command line."""
    return option(name, True, {})[0]


def key_of(word: str) -> str:
    """Return how an option is written in the config: without its dashes, if they come back by themselves."""
    bare = word.lstrip("-")
    return bare if bare and word_of(bare) == word else word


def _given_twice(call: Call) -> Iterator[Problem]:
    """Yield a problem for each option that is given two times, so that one of the values would be lost."""
    seen: dict[Any, tuple[str, str]] = {}
    for name, word in call.own.items():
        seen[call.find(word) or word] = ("", name)
    for section, names in (("arguments", call.arguments), ("sweep", call.options)):
        for name in names:
            word = word_of(name)
            found = call.find(word)
            if found and found.repeated:
                continue
            if other := seen.get(found or word):
                if other[0]:
                    remedy = say("script.twice.yours", one=other[0], other=name)
                else:
                    line = f'{name}: "{{{other[1]}}}"'
                    remedy = say("script.twice.own", line=line)
                yield call.problem("SM-SCR-022", section, name, option=word, remedy=remedy)
            seen[found or word] = (name, "")


def _structure_problems(call: Call) -> Iterator[Problem]:
    """Yield what a command line has too much of, or too little."""
    if isinstance(call.script.arguments, list):
        yield from _problems_of_list(call, call.script.arguments)
        return
    for section, names in (("arguments", call.arguments), ("sweep", call.options)):
        for name, value in names.items():
            found = call.find(word_of(name))
            if found is None:
                yield _unknown(call, word_of(name), section, name)
            else:
                yield from _number_problems(call, found, section, name, value)
    yield from _own_problems(call)


def _problems_of_list(call: Call, words: list[Any]) -> Iterator[Problem]:
    for index, word in enumerate(map(str, words)):
        name = word.partition("=")[0]
        # What follows may be anything: `--` ends the options.
        if word == "--":
            return
        two = _TWO_WORDS.fullmatch(word)
        if two and call.find(two[1]):
            values = {"value": word, "one": two[1], "other": two[2]}
            yield call.problem("SM-SCR-016", "arguments", index, **values)
        elif re.fullmatch(r"--[A-Za-z][\w-]*", name) and call.find(name) is None:
            yield _unknown(call, name, "arguments", index)


def _unknown(call: Call, word: str, section: str, key: str | int) -> Problem:
    # Whole command lines have dashes, names of arguments need none.
    shown: Callable[[str], str] = str if isinstance(key, int) else key_of
    known = {
        _simple(name): shown(name)
        for one in _options(call)
        if not one.positional
        for name in one.names
    }
    nearest = difflib.get_close_matches(_simple(word), known, 1, 0.6)
    if other := _other_way(call, key):
        remedy = other
    elif nearest and known[nearest[0]].startswith("--") and not isinstance(key, int):
        # `k: 3` alone would be `-k`.
        remedy = say("script.option.dashes", name=key, nearest=known[nearest[0]], word=word)
    elif nearest:
        remedy = say("script.option.nearest", nearest=known[nearest[0]])
    elif known:
        remedy = say("script.option.known", options=", ".join(dict.fromkeys(known.values())))
    else:
        remedy = say("script.option.none", option=word)
    if section == "sweep" and isinstance(key, str) and not nearest and not other:
        bare = key.lstrip("-")
        line = f'variables: {{{variable_of(bare)}: "{{{bare}}}"}}'
        remedy = f"{remedy} {say('script.option.repeats', line=line)}"
    return call.problem("SM-SCR-013", section, key, option=word, remedy=remedy)


def _other_way(call: Call, key: str | int) -> str:
    """Return how to give a script what it has a constant or a variable for, and no option; else nothing."""
    if isinstance(key, int):
        return ""
    bare = key.lstrip("-")
    names = list(dict.fromkeys((bare, bare.replace("-", "_"), variable_of(bare))))
    read = variables_read(call.script.file)
    constants = constants_of(call.script.file)
    for name in names:
        if name in read:
            return say(
                "script.option.variable", line=f"variables: {{{name}: {say('script.value')}}}"
            )
        if name in constants:
            return say("script.option.constant", line=f"set: {{{name}: {say('script.value')}}}")
    return ""


def _options(call: Call) -> list[Option]:
    """Return what the script takes, but for its help."""
    options = call.parser.options if call.parser else ()
    return [one for one in options if "--help" not in one.names]


def _simple(word: str) -> str:
    return word.strip("-").replace("_", "-").lower()


def _number_problems(
    call: Call, found: Option, section: str, name: str, value: Any
) -> Iterator[Problem]:
    """Yield a problem for an option that gets more or fewer values than it takes."""
    swept = section == "sweep"
    number = (
        1
        if swept and not is_switch(value)
        else 0
        if swept or value is True
        else len(value)
        if isinstance(value, list)
        else 1
    )
    if found.takes(number):
        return
    if found.switch:
        remedy = say(
            "script.switch.sweep" if swept else "script.switch", name=name, option=found.shown
        )
    else:
        one = say("script.value")
        example = one if found.takes(1) else f"[{', '.join([one] * int(found.nargs or 1))}]"
        remedy = say("script.values", line=f"{name}: {example}")
    wanted = found.nargs if isinstance(found.nargs, int) else found.nargs or 1
    values = {"wanted": say("script.one_or_more") if wanted == "+" else wanted, "number": number}
    yield call.problem("SM-SCR-015", section, name, option=found.shown, remedy=remedy, **values)


def _own_problems(call: Call) -> Iterator[Problem]:
    """Yield a problem for what SegMake passes and the script does not take, and for what it needs and does not get."""
    named = [*call.arguments, *call.options]
    taken = {call.find(word) for word in (*call.own.values(), *map(word_of, named))}
    free = [one for one in _options(call) if one not in taken and not one.switch]
    places = [one for one in free if one.positional and one.required]
    unknown = {name: word for name, word in call.own.items() if call.find(word) is None}
    if places:
        # All of them are told at once, with the list that has each in its place.
        names = ", ".join(place.names[0] for place in places)
        remedy = _by_place(call, places, unknown)
        yield call.problem("SM-SCR-017", "arguments", option=names, remedy=remedy)
        unknown = {}
    free = [one for one in free if not one.positional]
    needed = {one: need for one in free if one.required and (need := _need_of(one))}
    if needed:
        # With these needs in the place of the present ones, nothing is passed that is not taken.
        kept = [need for need in call.script.needs if PLACEHOLDERS.get(need, need) not in unknown]
        remedy = say("script.needed", needs=f"needs: [{', '.join((*kept, *needed.values()))}]")
        names = ", ".join(one.shown for one in needed)
        yield call.problem("SM-SCR-017", "needs", option=names, remedy=remedy)
        free = [one for one in free if one not in needed]
        unknown = {name: word for name, word in unknown.items() if name == "output_dir"}
    for name, word in unknown.items():
        candidate = _candidate(name, word, [one for one in free if not _file_of_output(one)])
        if candidate:
            free.remove(candidate)
        # A script that has none for its outputs writes to where it is run.
        if candidate or name != "output_dir":
            yield _own_problem(call, name, word, candidate)
    for one in free:
        if one.required:
            file = _file_of_output(one)
            line = f"{key_of(one.shown)}: {file or say('script.value')}"
            remedy = say("script.required", line=line)
            yield call.problem("SM-SCR-017", "arguments", option=one.shown, remedy=remedy)


def _file_of_output(one: Option) -> str:
    """Return the value of an option that takes the name of a file to write; empty of any other one."""
    found = _OUTPUT_FILE.fullmatch(_simple(one.shown))
    if not found or one.kind is not None or one.choices:
        return ""
    kind = next((word for word in found.groups() if word in _ENDINGS), "csv")
    return f'"{{output_dir}}/out.{_ENDINGS.get(kind, kind)}"'


def _need_of(one: Option) -> str:
    """Return the word of `needs` that makes SegMake pass an option; empty if there is none."""
    words = {OPTIONS[placeholder]: need for need, placeholder in PLACEHOLDERS.items()}
    return next((need for word, need in words.items() if word in one.names), "")


def _unused_output(call: Call) -> Iterator[Problem]:
    """Yield a problem if the script has an option of its own for the folder of outputs, and nothing gives it."""
    word = call.own.get("output_dir", "")
    if word and call.find(word) is None:
        taken = {call.find(word_of(name)) for name in (*call.arguments, *call.options)}
        free = [one for one in _options(call) if one not in taken and not one.switch]
        named = [one for one in free if not one.positional and not _file_of_output(one)]
        if candidate := _candidate("output_dir", word, named):
            yield _own_problem(call, "output_dir", word, candidate)


def _own_problem(call: Call, name: str, word: str, candidate: Option | None) -> Problem:
    """Return the problem of an option that SegMake passes and the script does not know."""
    placeholder = "image" if name == "input" and call.script.per_image else name
    line = f'{key_of(candidate.shown)}: "{{{placeholder}}}"' if candidate else ""
    if name == "output_dir":
        remedy = say("script.own.output", line=line)
        return call.problem("SM-SCR-014", "script", option=word, remedy=remedy)
    rest = [need for need in call.script.needs if PLACEHOLDERS.get(need, need) != name]
    needs = f"needs: [{', '.join(rest)}]"
    if candidate:
        remedy = say("script.own.rename", line=line, needs=needs)
    else:
        remedy = say("script.own.drop", option=word, needs=needs)
    return call.problem("SM-SCR-014", "needs", option=word, remedy=remedy)


def _candidate(name: str, word: str, free: list[Option]) -> Option | None:
    """Return the option of a script that probably is what SegMake calls otherwise."""
    simple = {_simple(one.shown): one for one in free}
    if nearest := difflib.get_close_matches(_simple(word), simple, 1, 0.75):
        return simple[nearest[0]]
    return next((one for one in free if _is_like(one, name)), None)


def _is_like(one: Option, name: str) -> bool:
    """Whether a word of an option's name says that it takes what SegMake calls `name`."""
    for word in _simple(one.shown).split("-"):
        for other, hints in _HINTS.items():
            if any(word == hint or (len(hint) > 3 and word.startswith(hint)) for hint in hints):
                return other == name
    return False


def _by_place(call: Call, places: list[Option], unknown: dict[str, str]) -> str:
    """Return what to do about a script that takes arguments by their places."""
    swept = {name.lstrip("-"): word_of(name) for name in call.options}
    left = [*(name for name, word in swept.items() if call.find(word) is None), *unknown]
    words = []
    for place in places:
        like = [name for name in left if name == place.names[0]]
        like += [name for name in left if _is_like(place, name)]
        name = (like or left or [""])[0]
        words.append(f"{{{name}}}" if name else say("script.value"))
        if name:
            left.remove(name)
    for name, word in call.own.items():
        if name not in unknown:
            words += [word, f"{{{name}}}"]
    for name, value in call.arguments.items():
        words += option(name, value, {}) if call.find(word_of(name)) else []
    for name, word in swept.items():
        words += [word, f"{{{name}}}"] if call.find(word) else []
    return say("script.place", line=f"arguments: [{', '.join(map(_quoted, words))}]")


def _quoted(word: str) -> str:
    return (
        word if re.fullmatch(r"--?[A-Za-z][\w-]*", word) else json.dumps(word, ensure_ascii=False)
    )


def _value_problems(call: Call) -> Iterator[Problem]:
    """Yield a problem for each value that the script's argparse would refuse."""
    for name, value in call.arguments.items():
        values = value if isinstance(value, list) else [value]
        # Of a placeholder it is not known what it will be.
        known = [
            (None, str(each)) for each in values if each is not True and not placeholders(str(each))
        ]
        yield from _refused(call, "arguments", name, known)
    for name, value in call.options.items():
        if isinstance(value, list):
            numbered = [(i, each) for i, each in enumerate(value) if not isinstance(each, bool)]
            yield from _refused(call, "sweep", name, numbered)
        else:
            first = [(None, str(each)) for each in islice(values_of(value), _VALUES_OF_A_RANGE)]
            yield from _refused(call, "sweep", name, first)


def _refused(
    call: Call, section: str, name: str, values: list[tuple[Any, str]]
) -> Iterator[Problem]:
    found = call.find(word_of(name))
    if found is None or found.switch:
        return
    for index, text in values:
        if found.accepts(text):
            continue
        if found.choices:
            allowed = ", ".join(map(str, found.choices))
        else:
            allowed = say("allowed.integer" if found.kind is int else "allowed.number")
        keys = (section, name) if index is None else (section, name, index)
        # One value tells what is meant.
        yield call.problem("SM-SCR-018", *keys, option=found.shown, value=text, allowed=allowed)
        return
