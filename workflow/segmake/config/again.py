"""Takes up again what a config said before: the settings of an earlier run, for the images and results of now."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from segmake.config.edit import Proposal, changed
from segmake.config.edited_text import settings_in
from segmake.config.yaml_values import in_one_line
from segmake.core.config import Keys, name_in_full, own_names

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
    YAMLError, ValueError
        If one of them is no YAML.
    """
    before, after = (
        {name_in_full(keys): in_one_line(value) for keys, value in _settings(settings_in(text))}
        for text in (then, now)
    )
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
        As `segmake.config.edit.changed`.
    """

    def change(old: dict[str, Any]) -> dict[str, Any]:
        wanted = copy.deepcopy(settings_in(then))
        for *above, last in _OWN:
            here, there = old, wanted
            for key in above:
                here, there = here.get(key) or {}, there.setdefault(key, {})
            there.pop(last, None)
            if last in here:
                there[last] = here[last]
        # What is no section of the file now is none afterwards, if it would be empty.
        return {key: value for key, value in wanted.items() if value != {} or key in old}

    return changed(path, change)


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
