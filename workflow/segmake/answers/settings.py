"""What ``segmake get --json`` and ``segmake set --json`` answer: settings of a config, and what was changed of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from segmake.answers.answer import Answer, answer, path_text
from segmake.config.edit import Change
from segmake.config.in_force import changed_values, get_value


def get_answer(config: Path, name: str | None, before: Sequence[Path] = ()) -> Answer:
    """Return what counts for a setting, or all settings that are not at their defaults.

    Raises
    ------
    Problem, Problems
        As `segmake.config.in_force.get_value` and `changed_values` do.
    """
    if name:
        settings = [{"name": name, "value": get_value(config, name, before), "source": None}]
    else:
        settings = [
            {"name": each, "value": found["value"], "source": found["from"] or None}
            for each, found in changed_values(config, before).items()
        ]
    return answer("get", 1, config=path_text(config), settings=settings)


def set_answer(config: Path, changes: Iterable[Change]) -> Answer:
    """Return what was changed of a config."""
    changed = [
        {
            "name": change.name,
            "before": change.before or None,
            "after": change.after or None,
            "line": getattr(change.where, "line", None),
        }
        for change in changes
    ]
    return answer("set", 1, config=path_text(config), changed=changed)
