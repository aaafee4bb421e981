"""Understands paths in a config that are written as a user's own computer has them, by the site file."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from typing import Any
from unicodedata import category

from segmake.config.schema import name_of
from segmake.config.yaml_lines import cut_by_comments
from segmake.core.config import Config, Keys, at
from segmake.core.site_paths import is_foreign, translated
from segmake.messages import Problem, joined, say

# What is a path, whatever it looks like; and what may be one among other values. * stands for each.
_PATHS: tuple[Keys, ...] = (
    ("images", "folder"),
    ("results",),
    ("segmentation", "model"),
    ("segmentation", "models_folder"),
    ("scripts", "*", "script"),
    ("scripts", "*", "files"),
    ("environments", "*", "file"),
    ("environments", "*", "existing"),
)
_VALUES: tuple[Keys, ...] = tuple(
    ("scripts", "*", key) for key in ("arguments", "set", "sweep", "variables")
)

# What YAML makes of a backslash and the letter behind it: control characters, and ends of lines.
_NO_LETTERS = ("Cc", "Zl", "Zp")

_ON_WINDOWS = os.name == "nt"


def understood(written: dict[str, Any], config: Config) -> dict[str, Any]:
    """Return what a user wrote, with the paths of a user's computer as the cluster calls them."""
    shares = config.site.shares
    if not shares:
        return written
    found = copy.deepcopy(written)
    for keys, text in [*paths_in(written), *values_in(written)]:
        if path := translated(text, shares):
            at(found, keys[:-1])[keys[-1]] = path
    return found


def path_problems(config: Config) -> Iterator[Problem]:
    """Yield the paths that YAML read otherwise than meant, and those that only a user's own computer understands."""
    for keys, text in paths_in(config.settings):
        # As "D:\new" has a line break. What no path can have is told elsewhere of the others.
        folder = keys[:2] == ("images", "folder")
        if (
            (folder or "\0" not in text)
            and any(category(each) in _NO_LETTERS for each in text)
            and (not folder or not os.path.lexists(text))
        ):
            yield Problem("SM-CFG-016", where=config.where(*keys))
    if _ON_WINDOWS:
        return
    for keys, text in paths_in(config.settings):
        if is_foreign(text) and not translated(text, config.site.shares):
            shares = [f"{here} = {one.there}" for one in config.site.shares for here in one.here]
            known = say("site.shares", shares=joined(shares)) if shares else say("site.no_share")
            names = {"name": name_of(keys), "path": text, "known": known}
            yield Problem("SM-SIT-007", where=config.where(*keys), **names)


def cut_paths(config: Config, text: str) -> Iterator[Problem]:
    """Yield the paths of which YAML took the end for a comment, since it begins with # behind a space.

    Parameters
    ----------
    config : Config
    text : str
        What stands in its file.
    """
    cut = dict(cut_by_comments(text))
    for keys, value in paths_in(config.written):
        whole = cut.get(keys, "")
        if not whole.startswith(value):
            continue
        there, meant = (os.path.exists(os.path.expanduser(path)) for path in (value, whole))
        # A folder for results may not be there yet.
        if meant or (not there and keys[:2] == ("images", "folder")):
            words = {
                "name": name_of(keys),
                "value": value,
                "whole": json.dumps(whole, ensure_ascii=False),
            }
            yield Problem("SM-CFG-069", where=config.where(*keys), **words)


def paths_in(written: Any) -> Iterator[tuple[Keys, str]]:
    """Yield the keys and texts of the settings of a config that are paths, whatever they look like."""
    yield from _texts(written, _PATHS)


def values_in(written: Any) -> Iterator[tuple[Keys, str]]:
    """Yield the keys and texts of what scripts are given, among which may be paths."""
    yield from _texts(written, _VALUES)


def _texts(written: Any, patterns: tuple[Keys, ...]) -> Iterator[tuple[Keys, str]]:
    """Yield the keys of the texts that are found where the patterns lead, or in lists and sections there."""
    for pattern in patterns:
        for keys, value in _found(written, pattern):
            yield from _inner(keys, value)


def _found(value: Any, pattern: Keys, keys: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    if not pattern:
        yield keys, value
        return
    for key, child in _children(value):
        if pattern[0] in ("*", key):
            yield from _found(child, pattern[1:], (*keys, key))


def _inner(keys: Keys, value: Any) -> Iterator[tuple[Keys, str]]:
    if isinstance(value, str):
        yield keys, value
    for key, child in _children(value):
        yield from _inner((*keys, key), child)


def _children(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)
