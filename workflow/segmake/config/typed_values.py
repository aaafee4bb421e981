"""What a user types for a setting: YAML as in the config, but text where the setting takes text."""

from __future__ import annotations

from typing import Any

from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from segmake.config.as_written import as_written, is_merge, nodes_of, without_numbers
from segmake.config.schema import fits
from segmake.config.setting_names import names_of, rule_of_setting
from segmake.config.yaml_faults import fault_of_value
from segmake.core.files import one_line
from segmake.messages import Problem, say


def typed_value(name: str, text: str) -> Any:
    """Return what a user means by the value that they typed for a setting.

    What the setting takes as YAML counts as such: ``null``, ``0.5``, ``[1, 2]``. Where it takes a text, that is all of
    what was typed: ``it's``, ``a: b # c``, 3.10 for a version.

    Parameters
    ----------
    name : str
        Of the setting, such as ``images.channel``.
    text : str
        What was typed.

    Returns
    -------
    object
        As `segmake.config.as_written.as_written` returns it: a number is as it was typed.

    Raises
    ------
    Problem
        ``SM-EDT-004`` if it is no YAML, and the setting takes no text; or that there is no such setting.
    """
    rule = rule_of_setting(names_of(name))
    raw = text.strip()
    try:
        value = _meant(text, rule)
    except (YAMLError, RecursionError) as error:
        if _fits(raw, rule):
            return raw
        fault = (
            say("yaml.deep") if isinstance(error, RecursionError) else fault_of_value(error, text)
        )
        raise Problem("SM-EDT-004", where=name, value=one_line(raw), error=fault) from None
    return raw if _fits(raw, rule) and not _fits(value, rule) else value


def _meant(text: str, rule: dict[str, Any]) -> Any:
    """Return what a text says as YAML, but as it is where that is nothing else than a text."""
    node = nodes_of(text)
    if node is None or (isinstance(node, ScalarNode) and not node.value and not node.style):
        # Nothing, or what YAML takes for a comment, such as a colour, or for a mark.
        return text.strip() or None
    if isinstance(node, ScalarNode) and not node.style and isinstance(as_written(node), str):
        return text.strip()
    return _value(node, rule)


def _value(node: Node, rule: dict[str, Any]) -> Any:
    """Return what a node holds, its scalars as their rules take them."""
    parts = [rule, *rule.get("oneOf", [])]
    if isinstance(node, MappingNode) and not any(is_merge(key) for key, _ in node.value):
        known = {key: child for part in parts for key, child in part.get("properties", {}).items()}
        free = (part["additionalProperties"] for part in parts if part.get("additionalProperties"))
        each: dict[str, Any] = next(free, {})
        return {
            str(key.value): _value(value, known.get(str(key.value), each))
            for key, value in node.value
        }
    if isinstance(node, SequenceNode):
        inner: dict[str, Any] = next((part["items"] for part in parts if "items" in part), {})
        return [_value(each, inner) for each in node.value]
    value = as_written(node)
    if not isinstance(node, ScalarNode) or isinstance(value, str):
        return value
    text = node.value
    if isinstance(without_numbers(value), str):
        # Infinity is no number for a setting.
        return text
    as_text = any(text in part.get("enum", ()) for part in parts)
    return text if as_text or (_fits(text, rule) and not _fits(value, rule)) else value


def _fits(value: Any, rule: dict[str, Any]) -> bool:
    return fits(without_numbers(value), rule)
