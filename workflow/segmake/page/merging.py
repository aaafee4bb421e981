"""What a file says now, with what was changed in a form of what the file said when the form began with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# What is not there.
_NONE = object()


def on_top(before: Any, typed: Any, now: Any) -> Any:
    """Return what is said now, with what was typed in place of what was said before.

    Sections are gone through key by key: where only one of the two sides has changed something, that counts; where
    both have, what was typed does.

    Parameters
    ----------
    before, typed, now
        As `segmake.config.edited_text.settings_in` returns values.
    """
    if typed == before:
        return now
    if not all(isinstance(each, Mapping) for each in (before, typed, now)):
        return typed
    sides = (before, typed, now)
    every = {
        key: on_top(*(each.get(key, _NONE) for each in sides))
        for key in dict.fromkeys([*now, *typed])
    }
    return {key: value for key, value in every.items() if value is not _NONE}


def by_name(sections: Sequence[Mapping[str, Any]]) -> dict[tuple[str, int], dict[str, Any]]:
    """Return sections by their names; those with the same name, or with none, are told apart by their order."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for each in sections:
        name = str(each.get("name") or "")
        found[name, sum(name == other for other, _ in found)] = dict(each)
    return found
