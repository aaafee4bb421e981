"""Where each setting comes from: the command, the config, the site file, the cluster, or the defaults."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from segmake.config.schema import engine_of, schema, with_defaults
from segmake.core.config import Config, Keys, at, name_in_full
from segmake.messages import say
from segmake.messages.locations import Location

Origin = Literal["command", "config", "site", "cluster", "default"]

# Of a longer value the beginning is shown.
_WIDEST = 60


def sources_of(config: Config) -> dict[str, str]:
    """Return in words where each setting comes from that is no default, by its name, such as ``cluster.partition``."""
    found = {}
    for keys, value in leaves(config.settings):
        if keys in config.origins:
            found[name_in_full(keys)] = config.origins[keys]
        elif at(config.overrides, keys) is not None:
            found[name_in_full(keys)] = say("source.command")
        elif value is not None and at(config.written, keys) is not None:
            found[name_in_full(keys)] = config.where(*keys)
    return found


def origin_of(config: Config, keys: Keys) -> Origin:
    """Return where a setting comes from, in a word for programs."""
    if keys in config.origins:
        # A file has lines, and the cluster has none.
        return "site" if isinstance(config.origins[keys], Location) else "cluster"
    if at(config.overrides, keys) is not None:
        return "command"
    is_written = at(config.settings, keys) is not None and at(config.written, keys) is not None
    return "config" if is_written else "default"


def changed(
    settings: Mapping[str, Any], always: tuple[str, ...] = ("cluster",)
) -> Iterator[tuple[Keys, Any]]:
    """Yield the keys and the value of each setting that is not as by default, and of all those of some sections."""
    engine = engine_of(dict(settings))
    usual = with_defaults({"images": {}}, schema(), engine)
    for keys, value in leaves(settings):
        if keys[0] in always or value != at(usual, keys):
            yield keys, value


def described(
    settings: Mapping[str, Any],
    sources: Mapping[str, str],
    always: tuple[str, ...] = ("cluster",),
) -> list[str]:
    """Return a table, a line for each setting that `changed` yields: its name, its value, and where it comes from.

    Of what nobody has set, and what has no default either, nothing is said.
    """
    rows = []
    differ = {keys for keys, _ in changed(settings, ())}
    for keys, value in changed(settings, always):
        name = name_in_full(keys)
        if value in (None, []) and keys not in differ:
            continue
        rows.append((name, _shown(value), sources.get(name) or say("source.default")))
    names, values = (max((len(row[place]) for row in rows), default=0) for place in (0, 1))
    return [f"  {name:{names}}  {value:{values}}  {source}" for name, value, source in rows]


def _shown(value: Any) -> str:
    """Return a value as it is typed, or how its parts are called; not more than fits beside others."""
    if isinstance(value, Mapping):
        value = list(value)
    if isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
        value = [each["name"] for each in value]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def leaves(settings: Mapping[str, Any], keys: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Yield the keys and the value of each setting; scripts and environments are one each."""
    for key, value in settings.items():
        if isinstance(value, Mapping) and value and key != "environments":
            yield from leaves(value, (*keys, key))
        else:
            yield (*keys, key), value
