"""What a config says, in the words in which it says it: numbers stay as they are written."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from segmake.config.yaml_values import Number, number_text
from segmake.core.yaml_nodes import plain


def nodes_of(text: str) -> Node | None:
    """Return the nodes of a text, with their places in it; None if it holds nothing.

    Raises
    ------
    YAMLError
        If it is no YAML.
    """
    return YAML().compose(text)


def as_written(node: Node) -> Any:
    """Return what a node holds: lists, sections, texts, true, false, null, and each number as a `Number`.

    What another section lends to one (``<<: *other``) is in it.
    """
    if isinstance(node, MappingNode):
        lent: dict[str, Any] = {}
        own = {}
        for key, value in node.value:
            if is_merge(key):
                lent = {**_lent(value), **lent}
            else:
                own[str(key.value)] = as_written(value)
        return lent | own
    if isinstance(node, SequenceNode):
        return [as_written(each) for each in node.value]
    kind = str(node.tag).rpartition(":")[2]
    if kind == "null":
        return None
    if kind == "bool":
        return node.value.lower() == "true"
    return Number(node.value) if kind in ("int", "float") else str(node.value)


def _lent(node: Node) -> dict[str, Any]:
    """Return what stands behind ``<<:``, a section or a list of sections, of which the first counts."""
    if not isinstance(node, SequenceNode):
        return as_written(node)
    found: dict[str, Any] = {}
    for each in node.value:
        found = {**as_written(each), **found}
    return found


def is_merge(key: Node) -> bool:
    """Return whether a key is the one that lends another section to this one, ``<<``."""
    return isinstance(key, ScalarNode) and str(key.tag).endswith(":merge")


def with_numbers(value: Any) -> Any:
    """Return a value of Python's own types as `as_written` would find it in a config."""
    if isinstance(value, dict):
        return {str(key): with_numbers(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [with_numbers(each) for each in value]
    if isinstance(value, bool) or value is None or isinstance(value, Number):
        return value
    if isinstance(value, int | float) and math.isfinite(value):
        return Number(number_text(value))
    return str(value)


def without_numbers(value: Any) -> Any:
    """Return a value in Python's own types."""
    if isinstance(value, dict):
        return {key: without_numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_numbers(each) for each in value]
    return (
        plain(YAML(typ="safe", pure=True).load(value.text)) if isinstance(value, Number) else value
    )


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all below it; one that is repeated (``*``) as often as it stands there."""
    yield node
    if isinstance(node, MappingNode):
        for pair in node.value:
            for each in pair:
                yield from walk(each)
    elif isinstance(node, SequenceNode):
        for each in node.value:
            yield from walk(each)
