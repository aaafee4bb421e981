"""Makes the JSON Schema of the config, one for each language, from ``config.schema.yaml``."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from ruamel.yaml import YAML

from segmake.config.schema import SCHEMA
from segmake.config.yaml_values import in_one_line
from segmake.messages import LANGUAGES

SOURCE = SCHEMA.with_suffix(".yaml")

# What the source has besides the words of JSON Schema, which takes words of others with an x- before them.
_OWN_WORDS = {
    "alone",
    "choices",
    "defaults",
    "engines",
    "group",
    "head",
    "hours",
    "only",
    "rare",
    "shown",
    "unit",
    "written",
}
# Where a rule holds others: by name, or in a list.
_OF_NAMES = {"properties"}
_OF_RULES = {"additionalProperties", "if", "items", "not", "propertyNames", "then"}
_OF_LISTS = {"anyOf", "oneOf"}

COLON = {"en": ":", "fr": " :"}
_UNIT = {"en": "Unit: {unit}.", "fr": "Unité : {unit}."}
_ENGINES = {"en": "Engines: {engines}.", "fr": "Moteurs : {engines}."}


def config_schema(language: str) -> dict[str, Any]:
    """Return the schema of the config with its texts in one language.

    Parameters
    ----------
    language : {"en", "fr"}
    """
    return _rule(source(), language)


def config_schema_page(language: str) -> str:
    """Return the file that holds the schema of the config in one language."""
    return json.dumps(config_schema(language), ensure_ascii=False, indent=1)


@cache
def source() -> dict[str, Any]:
    """Return what ``config.schema.yaml`` says."""
    return YAML(typ="safe").load(SOURCE.read_text(encoding="utf-8"))


def _rule(written: dict[str, Any], language: str) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for word, value in written.items():
        if word in _OF_NAMES:
            made[word] = {name: _rule(rule, language) for name, rule in value.items()}
        elif word in _OF_RULES and isinstance(value, dict):
            made[word] = _rule(value, language)
        elif word in _OF_LISTS:
            made[word] = [_rule(rule, language) for rule in value]
        elif word in _OWN_WORDS:
            made[f"x-{word}"] = _told(value, language)
        elif word == "examples":
            made |= _examples(value, language)
        else:
            made[word] = _told(value, language)
    if "choices" in written:
        made["x-choices"] = {
            in_one_line(value): text[language] for value, text in written["choices"].items()
        }
    if "shown" in written:
        made["examples"] = list(YAML(typ="safe").load(made["x-shown"]).values())
    if "description" in made and (whole := _hover(made, language)) != made["description"]:
        made |= {"description": whole, "x-text": made["description"]}
    return made


def _told(value: Any, language: str) -> Any:
    """Return a text in one language, also within a section of texts; anything else as it is."""
    if not isinstance(value, dict):
        return value
    if set(value) == set(LANGUAGES):
        return value[language]
    return {name: _told(text, language) for name, text in value.items()}


def _examples(written: list[Any], language: str) -> dict[str, Any]:
    """Return examples as JSON Schema has them, and the words that some have."""
    values, texts = [], []
    for example in written:
        worded = isinstance(example, dict) and set(example) == {"value", *LANGUAGES}
        value = _told(example["value"] if worded else example, language)
        values.append(value)
        if worded:
            texts.append({"value": value, "text": example[language]})
    return {"examples": values} | ({"x-examples": texts} if texts else {})


def _hover(rule: dict[str, Any], language: str) -> str:
    """Return what an editor shows of a setting: its description, what its values stand for, its unit and engines."""
    lines = [rule["description"]]
    lines += [
        f"{value}{COLON[language]} {text}." for value, text in rule.get("x-choices", {}).items()
    ]
    if "x-unit" in rule:
        lines.append(_UNIT[language].format(unit=rule["x-unit"]))
    if "x-engines" in rule:
        lines.append(_ENGINES[language].format(engines=", ".join(rule["x-engines"])))
    return "\n".join(lines)
