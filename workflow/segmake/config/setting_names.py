"""Names of settings as users type them, ``scripts.growth.arguments.threshold``: what they lead to."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from typing import Any

from segmake.config.schema import name_of, schema, unknown_key
from segmake.core.config import Keys, name_in_full, own_names
from segmake.images.named_images import SECTIONS
from segmake.messages import Problem, say

Names = tuple[str, ...]

# A part of a name: in quotes of either kind, or without dots and quotes.
_PART = re.compile(r"""("(?:[^"\\]|\\.)*"|'[^']*'|[^."']+)(?:\.(?=.)|\Z)""", re.DOTALL)
# What stands in these is called like images, whose names have dots: ``leave_out.day1/pos3.tif`` needs no quotes.
_OF_IMAGES = re.compile(rf"""({"|".join(SECTIONS)})\.([^"'].*)""", re.DOTALL)
# In place of a name: what a config has of these, each under a name of its own.
_NAMED = ("scripts", "environments")


def names_of(typed: str) -> Names:
    """Return the parts of a name; a part with dots in it is put in quotes: ``scripts.growth.arguments."a.b"``.

    Images are named as they are, with dots and without quotes.

    Raises
    ------
    Problem
        ``SM-EDT-001``
    """
    if named := _OF_IMAGES.fullmatch(typed):
        return named[1], named[2]
    parts, place = [], 0
    while found := _PART.match(typed, place):
        parts.append(_unquoted(found[1]))
        place = found.end()
    if not typed or place < len(typed):
        raise Problem("SM-EDT-001", where=typed, name=typed)
    return tuple(parts)


def _unquoted(part: str) -> str:
    if part[0] == '"':
        return json.loads(part, strict=False) if "\\" in part else part[1:-1]
    return part[1:-1] if part[0] == "'" else part


def rule_of_setting(names: Names) -> dict[str, Any]:
    """Return what the schema says of a setting; nothing of what a user may call as they like.

    Raises
    ------
    Problem
        ``SM-CFG-001``, ``SM-CFG-017`` or ``SM-CFG-018`` if there is no such setting, ``SM-EDT-002`` if the name goes
        on behind a value.
    """
    rule = schema()
    for index, name in enumerate(names):
        if not rule:
            break
        if index == 1 and names[0] == "scripts":
            rule = rule["items"]
            continue
        parts = [rule, *rule.get("oneOf", [])]
        known = {key: child for part in parts for key, child in part.get("properties", {}).items()}
        each = [
            part["additionalProperties"]
            for part in parts
            if isinstance(part.get("additionalProperties"), dict)
        ]
        if name not in known and not each:
            above, typed = names[:index], name_in_full(names)
            if known:
                raise unknown_key(typed, _without_own(above), name, list(known))
            if not any("object" in part.get("type", ()) for part in parts):
                raise Problem("SM-EDT-002", where=typed, name=name_of(above))
        rule = known.get(name, each[0] if each else {})
    return rule


def _without_own(names: Names) -> Names:
    """Return the keys that the schema knows, without the name of a script or an environment."""
    return (names[0], *names[2:]) if names and names[0] in _NAMED else names


def keys_of(settings: Any, names: Names) -> Keys:
    """Return the keys that lead to a setting: a script is found by its name, or else by its place, from 0.

    Raises
    ------
    Problem
        ``SM-EDT-003`` if there is no such script, or environment.
    """
    if names[0] not in _NAMED or len(names) == 1:
        return names
    own = list(own_names(settings, names[0]))
    if names[0] == "scripts" and names[1] not in own and names[1] in map(str, range(len(own))):
        return (names[0], int(names[1]), *names[2:])
    if names[1] not in own:
        raise _no_such(names, own)
    key = own.index(names[1]) if names[0] == "scripts" else names[1]
    return (names[0], key, *names[2:])


def _no_such(names: Names, own: list[str]) -> Problem:
    near = get_close_matches(names[1], own, 1)
    words = {"name": names[1], "section": names[0]}
    remedy = say("edit.none")
    if own:
        remedy = say("edit.own", names=", ".join(own))
    if near:
        remedy = say("edit.nearest", nearest=name_in_full((names[0], near[0], *names[2:])))
    return Problem("SM-EDT-003", where=name_in_full(names), remedy=remedy, **words)
