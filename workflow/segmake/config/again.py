"""Takes up again what a config said before: the settings of an earlier run, for the images and results of now."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml.error import YAMLError

from segmake.config.edit import Proposal, changed
from segmake.config.edited_text import settings_in
from segmake.config.yaml_values import in_one_line
from segmake.core.config import Keys, name_in_full, own_names
from segmake.messages import Problem

# What is an experiment's own, whatever the settings are.
_OWN = (("images", "folder"), ("results",))


class Difference(NamedTuple):
    """A setting that two configs say otherwise; each value as it is written, empty where nothing is said.

    Attributes
    ----------
    name, then, now : str
    """

    name: str
    then: str
    now: str


def differences(then: str, now: str) -> list[Difference]:
    """Return in which settings two texts of a config differ, but for the folders of images and results.

    Raises
    ------
    Problem
        ``SM-RUN-073`` if one of them is no config.
    """
    before, after = _values(then), _values(now)
    return [
        Difference(name, before.get(name, ""), after.get(name, ""))
        for name in dict.fromkeys([*after, *before])
        if before.get(name) != after.get(name)
    ]


def as_before(path: Path, then: str) -> Proposal:
    """Return what a config would be with the settings of an earlier text; its comments and its order stay.

    Parameters
    ----------
    path : Path
        The config.
    then : str

    Raises
    ------
    Problem, Problems
        ``SM-RUN-073`` if the earlier text is no config; as `segmake.config.edit.changed`.
    """

    def change(old: dict[str, Any]) -> dict[str, Any]:
        wanted = copy.deepcopy(_read(then))
        for *above, last in _OWN:
            here, there = old, wanted
            for key in above:
                # It may be empty, or damaged.
                there[key] = _section(there, key)
                here, there = _section(here, key), there[key]
            there.pop(last, None)
            if last in here:
                there[last] = here[last]
        # What is no section of the file now is none afterwards, if it would be empty.
        return {key: value for key, value in wanted.items() if value != {} or key in old}

    return changed(path, change)


# Many runs have one config, and all are compared with that of now.
@lru_cache(maxsize=64)
def _values(text: str) -> dict[str, str]:
    """Return each setting as it is written, by its name."""
    return {name_in_full(keys): in_one_line(value) for keys, value in _settings(_read(text))}


def _read(text: str) -> dict[str, Any]:
    """Return what the text of a config says.

    Raises
    ------
    Problem
        ``SM-RUN-073`` if it is no config.
    """
    try:
        found = settings_in(text)
    # YAML's rarer features (a list within itself, a section that lends a number) fail in many ways.
    except (YAMLError, ValueError, TypeError, AttributeError, RecursionError):
        raise Problem("SM-RUN-073") from None
    if not isinstance(found, dict):
        raise Problem("SM-RUN-073")
    return found


def _section(settings: dict[str, Any], key: str) -> dict[str, Any]:
    found = settings.get(key)
    return found if isinstance(found, dict) else {}


def _settings(section: Any, above: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Yield each setting with the keys that lead to it; a script is known by its name."""
    if above in _OWN:
        return
    if above == ("scripts",) and isinstance(section, list):
        named = list(own_names({"scripts": section}, "scripts"))
        section = dict(zip(named, section, strict=True))
    if not isinstance(section, dict):
        yield above, section
        return
    for key, value in section.items():
        if not (len(above) == 2 and above[0] == "scripts" and key == "name"):
            yield from _settings(value, (*above, str(key)))
