"""What counts for the settings of a config, as one would write them into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from segmake.config.load import completed, read_files
from segmake.config.setting_names import keys_of, names_of, rule_of_setting
from segmake.config.site_settings import settle
from segmake.config.sources import changed, described, name_in_full, sources_of
from segmake.config.yaml_values import in_one_line
from segmake.core.config import Config, at
from segmake.core.site import read_site
from segmake.messages import Problem, Problems


def get_value(path: Path, name: str, before: Sequence[Path] = ()) -> Any:
    """Return what counts for a setting: what the config says, or the site file, or the default.

    Parameters
    ----------
    path : Path
        The config.
    name : str
        Such as ``cluster.hours``; of a section, all of its settings are returned.
    before : sequence of Path
        Other configs, which count where this one says nothing.

    Raises
    ------
    Problem
        If there is no such setting.
    Problems
        What is wrong with the config, if it can't be read or what was asked for is not allowed.
    """
    names = names_of(name)
    rule_of_setting(names)
    config, written, problems = _in_force(path, before)
    keys = keys_of(written, names)
    if problems and at(written, keys) != at(config.written, keys):
        raise Problems(problems)
    return at(config.settings, keys)


def shown_value(path: Path, name: str, before: Sequence[Path] = ()) -> str:
    """Return what counts for a setting, as one types it; a number is as the config has it.

    Raises
    ------
    Problem, Problems
        As `get_value` does.
    """
    value = get_value(path, name, before)
    written, _, numbers, _ = read_files(before, path)
    keys = keys_of(written, names_of(name))
    return value if isinstance(value, str) else in_one_line(value, numbers, keys)


def changed_values(path: Path, before: Sequence[Path] = ()) -> dict[str, dict[str, Any]]:
    """Return all settings that are not at their defaults, by their names: the ``value``, and where it is ``from``.

    Raises
    ------
    Problems
        What is wrong with the config.
    """
    config = _sound(path, before)
    sources = sources_of(config)
    return {
        name_in_full(keys): {"value": value, "from": sources.get(name_in_full(keys), "")}
        for keys, value in changed(config.settings, always=())
    }


def described_changes(path: Path, before: Sequence[Path] = ()) -> str:
    """Return a table of all settings that are not at their defaults.

    Raises
    ------
    Problems
        What is wrong with the config.
    """
    config = _sound(path, before)
    return "\n".join(described(config.settings, sources_of(config), always=()))


def _in_force(path: Path, before: Sequence[Path]) -> tuple[Config, dict[str, Any], list[Problem]]:
    """Return a config with what counts, as it says it; what it says; and what the schema refuses of that."""
    written, lines, _, files = read_files(before, path)
    found = Config(written, path, lines, written, site=read_site(), files=files)
    config, problems = completed(found)
    settle(config)
    settings = _as_said(config.settings, config.written)
    return replace(config, settings=settings), written, problems


def _sound(path: Path, before: Sequence[Path]) -> Config:
    config, _, problems = _in_force(path, before)
    if problems:
        raise Problems(problems)
    return config


def _as_said(settings: Any, said: Any) -> Any:
    """Return settings in which each that a config says is as it says it, such as "0:10" for hours."""
    if isinstance(settings, dict) and isinstance(said, dict):
        return {key: _as_said(value, said.get(key)) for key, value in settings.items()}
    if isinstance(settings, list) and isinstance(said, list) and len(settings) == len(said):
        return [_as_said(*pair) for pair in zip(settings, said, strict=True)]
    return settings if said is None else said
