"""What a node of ruamel.yaml holds, in Python's own types, and on which lines."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from typing import Any


def plain(node: Any) -> Any:
    """Return what a node of ruamel.yaml holds, in Python's own types; every key is a text."""
    if isinstance(node, dict):
        return {str(key): plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(value) for value in node]
    if isinstance(node, bool) or node is None:
        return node
    if isinstance(node, int) and abs(node) <= sys.float_info.max:
        return int(node)
    if isinstance(node, float) and math.isfinite(node):
        return float(node)
    # Infinity and its like fit no setting, but would pass as numbers.
    return str(node)


def lines_of(
    node: Any, keys: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], int]]:
    """Yield the keys that lead to each value, and its line (from 1)."""
    marks: Any = node
    if not isinstance(node, dict | list):
        return
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        name = str(key) if isinstance(node, dict) else key
        # A key that another section lends (`<<: *other`) has no line of its own.
        if place := (marks.lc.data or {}).get(key):
            yield (*keys, name), place[0] + 1
        yield from lines_of(value, (*keys, name))
