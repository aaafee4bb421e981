"""The text of a config that says something else, read back before anybody gets it."""

from __future__ import annotations

from typing import Any

from ruamel.yaml.error import YAMLError

from segmake.config.as_written import as_written, nodes_of
from segmake.config.rewriting import Elsewhere, rewritten
from segmake.config.schema import default_of, engine_of, name_of, schema
from segmake.config.yaml_values import in_one_line
from segmake.core.config import Keys, at
from segmake.messages import Problem


def settings_in(text: str) -> dict[str, Any]:
    """Return what the text of a config says, as `segmake.config.as_written.as_written` returns it.

    Raises
    ------
    YAMLError
        If it is no YAML.
    """
    root = nodes_of(text)
    return as_written(root) if root else {}


def edited_text(text: str, wanted: dict[str, Any], *, where: str = "") -> str:
    """Return the text of a config that says what is wanted; see `segmake.config.rewriting`.

    Parameters
    ----------
    text : str
        Without a byte order mark.
    wanted : dict
        All that it is to say, as `settings_in` returns it. A setting that is in the text and not in here becomes a
        comment with its default; what a user has named is removed.
    where : str
        The file, for messages.

    Raises
    ------
    Problem
        ``SM-EDT-005`` if other places of the file would change too, ``SM-EDT-006`` if what is read back is not what was
        wanted.
    """
    # A config may be so wrong that it names none.
    engine = at(wanted, ("segmentation", "engine"))
    engine = engine if isinstance(engine, str) else engine_of({})
    try:
        new = rewritten(text, wanted, lambda keys: _resting(keys, engine))
        if _same(settings_in(new), wanted):
            return new
    except Elsewhere as error:
        raise Problem("SM-EDT-005", where=where, name=name_of(error.keys)) from None
    except (YAMLError, ValueError):
        # What was not understood is not changed.
        pass
    raise Problem("SM-EDT-006", where=where)


def _resting(keys: Keys, engine: str) -> str | None:
    """Return how the default of a setting of the schema is written; None of what is better gone."""
    rule: dict[str, Any] = schema()
    for key in keys:
        rule = rule.get("properties", {}).get(key, {})
    if "default" not in rule or "properties" in rule or len(keys) > 2:
        return None
    return in_one_line(default_of(rule, engine))


def _same(found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Return whether two configs say the same; a section left empty is one without settings."""
    one, other = (
        {key: {} if value is None else value for key, value in each.items()}
        for each in (found, wanted)
    )
    return one == other
