"""Every setting that a schema of the config knows, however deep it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def all_settings(rule: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the path of each setting, such as ``scripts.sweep.*.from``, and its rule."""
    for name, child in rule.get("properties", {}).items():
        yield f"{path}{name}", child
        yield from all_settings(child, f"{path}{name}.")
    for inner in rule.get("oneOf", [rule["items"]] if "items" in rule else []):
        yield from all_settings(inner, path)
    if isinstance(each := rule.get("additionalProperties"), dict):
        yield from all_settings(each, f"{path}*.")
