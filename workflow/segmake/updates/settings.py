"""Brings the settings of a user's config into that of another version: their values, its comments and settings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from segmake.config.schema import engine_of, schema, section_of, with_defaults
from segmake.config.yaml_lines import read_yaml
from segmake.messages import say

# An editor finds the explanations by it; the French ones are in a file of their own.
_FRENCH = re.compile(r"^# yaml-language-server: \S+\.fr\.json\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Merged:
    """A config with another one's settings.

    Attributes
    ----------
    text : str
    unknown : tuple of str
        What is left out of it, since there is no such setting any more: each with its line.
    """

    text: str
    unknown: tuple[str, ...]


def merged_config(path: Path) -> Merged:
    """Return the config of this version with the values that a file states, each as it stands there.

    Parameters
    ----------
    path : Path
        A config, of whatever version.

    Raises
    ------
    Problems
        If it can't be read at all.
    """
    # A job imports no template.
    from segmake.config.edited_text import edited_text, settings_in
    from segmake.config.template import commented_config

    written, lines, numbers = read_yaml(path)
    unknown = tuple(
        say("update.unknown_setting", setting=" / ".join(keys), line=lines.get(keys, 1))
        for keys in _unknown(written)
    )
    values = _known(written)
    french = _FRENCH.search(path.read_text(encoding="utf-8-sig"))
    text = commented_config("fr" if french else "en", values=values, numbers=numbers)
    wanted = settings_in(text)
    for section, key in _nulls(values):
        wanted[section] = {**(wanted.get(section) or {}), key: None}
    return Merged(edited_text(text, wanted, where=str(path)), unknown)


def means_the_same(path: Path, merged: str) -> bool:
    """Whether the same settings count with a merged config as with the user's own, but for those that are gone."""
    with TemporaryDirectory() as folder:
        trial = Path(folder, path.name)
        trial.write_text(merged, encoding="utf-8")
        (own, _, own_numbers), (new, _, new_numbers) = read_yaml(path), read_yaml(trial)
    own = _known(own)
    counts = [with_defaults(one, schema(), engine_of(one)) for one in (own, new)]
    of_scripts = [
        {keys: text for keys, text in numbers.items() if keys[0] == "scripts"}
        for numbers in (own_numbers, new_numbers)
    ]
    return counts[0] == counts[1] and of_scripts[0] == of_scripts[1]


def _unknown(written: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the keys that lead to settings which there are not."""
    for section, value in written.items():
        rule = schema()["properties"].get(section)
        if rule is None:
            yield (section,)
        elif "properties" in rule and isinstance(value, dict):
            yield from ((section, key) for key in value if key not in rule["properties"])


def _known(written: Mapping[str, Any]) -> dict[str, Any]:
    gone = set(_unknown(written))
    return {
        section: {key: each for key, each in value.items() if (section, key) not in gone}
        if isinstance(value, dict) and "properties" in schema()["properties"].get(section, {})
        else value
        for section, value in written.items()
        if (section,) not in gone
    }


def _nulls(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the settings that are stated as null where the default is something else."""
    wanted = with_defaults(values, schema(), engine_of(dict(values)))
    for section, value in values.items():
        rule = section_of(schema()["properties"][section])
        if isinstance(value, dict) and "properties" in rule:
            for key, each in value.items():
                if each is None and wanted[section][key] is None:
                    yield section, key
