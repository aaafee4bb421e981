"""What a config is to say: what it says now, with some settings in the place of others."""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum
from typing import Any

from segmake.config.as_written import with_numbers
from segmake.config.schema import name_of, schema
from segmake.config.setting_names import Names, keys_of, rule_of_setting
from segmake.config.yaml_values import in_one_line
from segmake.core.config import Keys, at, name_in_full
from segmake.messages import Problem


class _Default(Enum):
    DEFAULT = "default"


# In place of a value: the setting is no longer said, and what counts is its default.
DEFAULT = _Default.DEFAULT


def put(settings: dict[str, Any], names: Names, value: Any) -> None:
    """Put a value into what a config is to say, or take it out (`DEFAULT`).

    Parameters
    ----------
    settings : dict
        As `segmake.config.as_written.as_written` returns them; they are changed.
    names : tuple of str
        Those that lead to the setting.
    value
        In Python's own types, or as it is written.

    Raises
    ------
    Problem
        That there is no such setting, or it can't be set by itself (``SM-EDT-002``).
    """
    if value is DEFAULT or (value is None and _is_section(names)):
        # A section without settings keeps its comments.
        _take_out(settings, names)
        return
    rule_of_setting(names)
    section: Any = settings
    keys = _keys(settings, names, value=value)
    *above, last = keys
    for place, key in enumerate(above):
        inner = at(section, (key,))
        if isinstance(inner, list) and not isinstance(keys[place + 1], int):
            raise Problem("SM-EDT-002", where=name_in_full(names), name=name_of(keys[: place + 1]))
        if not isinstance(inner, dict | list):
            # Nothing, or true: the section that the setting takes in its place.
            inner = {}
            section[key] = inner
        section = inner
    if names[0] == "scripts" and len(names) == 2 and isinstance(value, dict):
        value = {"name": names[1], **{key: each for key, each in value.items() if key != "name"}}
    section[last] = with_numbers(value)


def _keys(settings: dict[str, Any], names: Names, *, value: Any = None) -> Keys:
    """Return the keys that lead to a setting; a script that is not there yet is put at the end of the list."""
    new_script = len(names) == 2 or names[2:] == ("script",)
    try:
        return keys_of(settings, names)
    except Problem:
        if names[0] == "environments":
            return names
        if not new_script or value is None:
            raise
    scripts = settings.get("scripts") or []
    if not isinstance(scripts, list):
        raise Problem("SM-EDT-002", where=name_in_full(names), name=name_of(names[:1]))
    settings["scripts"] = [*scripts, {"name": names[1]}]
    return ("scripts", len(scripts), *names[2:])


def _is_section(names: Names) -> bool:
    """Return whether it is one of the sections of the file that hold settings."""
    return len(names) == 1 and "properties" in schema()["properties"].get(names[0], {})


def _take_out(settings: dict[str, Any], names: Names) -> None:
    """Take a setting out of what a config is to say; also one that there is not, which is wrong there."""
    try:
        *above, last = keys_of(settings, names)
        section = at(settings, tuple(above))
        if last not in _keys_in(section):
            rule_of_setting(names)
            return
    except Problem:
        rule_of_setting(names)
        raise
    if _is_section(names):
        # All of its settings are; its comments stay.
        section[last] = {}
    else:
        del section[last]


def found_keys(settings: dict[str, Any], names: Names) -> Keys:
    """Return the keys that lead to a setting; to its section, if there is no such script."""
    try:
        return keys_of(settings, names)
    except Problem:
        return names[:1]


def said(settings: dict[str, Any], names: Names) -> str:
    """Return what a config says for a setting, as it is written; empty where it says nothing."""
    keys = found_keys(settings, names)
    section = at(settings, keys[:-1])
    if len(keys) == len(names) and keys[-1] in _keys_in(section):
        return in_one_line(section[keys[-1]])
    return ""


def _keys_in(section: Any) -> Collection[str | int]:
    if isinstance(section, list):
        return range(len(section))
    return section if isinstance(section, dict) else ()
