"""What a single setting may hold, by ``config.schema.json``: faults, defaults, and descriptions."""

from __future__ import annotations

import copy
import difflib
import itertools
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segmake.config.other_words import problem_of_name, problem_of_named, problem_of_value
from segmake.config.written_numbers import problem_of_number, range_in
from segmake.config.yaml_values import in_one_line
from segmake.core.config import Config, at
from segmake.messages import Problem, language, say
from segmake.messages.numbers import hours_of

if TYPE_CHECKING:
    from jsonschema import ValidationError

# Of a text in the schema: that it is a time limit, which is kept in hours.
_HOURS = "x-hours"

# Of a list or a section, what is longer is no example that one takes in at a glance.
_LONGEST_EXAMPLE = 80

# It is made, as that in French is, by `segmake.tools.reference` from config.schema.yaml.
SCHEMA = Path(__file__).with_name("config.schema.json")


def schema_file(language: str) -> Path:
    """Return the file with the JSON Schema of the config, its texts in a language."""
    return SCHEMA if language == "en" else SCHEMA.with_suffix(f".{language}.json")


@cache
def schema(language: str = "en") -> dict[str, Any]:
    """Return the JSON Schema of the config, its texts in a language."""
    return json.loads(schema_file(language).read_text(encoding="utf-8"))


def default_of(rule: dict[str, Any], engine: str) -> Any:
    """Return the default of a setting, which may be another one for each engine."""
    return copy.deepcopy(rule.get("x-defaults", {}).get(engine, rule.get("default")))


def section_of(rule: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a rule that has settings of its own, where there is one (``normalize``); else the rule."""
    return next((part for part in rule.get("oneOf", []) if "properties" in part), rule)


def engine_of(settings: dict[str, Any]) -> str:
    """Return the engine that a config names, or the one that it gets by default."""
    rule = schema()["properties"]["segmentation"]["properties"]["engine"]
    return (settings.get("segmentation") or {}).get("engine", rule["default"])


def with_defaults(value: Any, rule: dict[str, Any], engine: str) -> Any:
    """Fill in the schema's defaults; a section left empty (null) is one with every default."""
    if value is None and "default" in rule and not _takes_null(rule):
        value = default_of(rule, engine)
    if isinstance(value, list) and "items" in rule:
        return [with_defaults(item, rule["items"], engine) for item in value]
    each = rule.get("additionalProperties")
    if isinstance(value, dict) and isinstance(each, dict):
        return {name: with_defaults(item, each, engine) for name, item in value.items()}
    properties = section_of(rule).get("properties")
    if not isinstance(value, dict) or properties is None:
        return _number(value, rule)
    return {
        key: with_defaults(value.get(key, default_of(child, engine)), child, engine)
        for key, child in properties.items()
    }


def _takes_null(rule: dict[str, Any]) -> bool:
    kinds = rule.get("type", ())
    inner = any(_takes_null(choice) for choice in rule.get("oneOf", ()))
    return inner or None in rule.get("enum", ()) or "null" in kinds


def _number(value: Any, rule: dict[str, Any]) -> Any:
    """Return a number as its rule means it: 16 and 16.0 are the same setting, and must not differ in a fingerprint."""
    if isinstance(value, str) and any(_HOURS in choice for choice in rule.get("oneOf", [])):
        return hours_of(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    kinds = [choice.get("type") for choice in rule.get("oneOf", [rule])]
    return float(value) if "number" in kinds else int(value) if "integer" in kinds else value


def schema_problems(config: Config) -> Iterator[Problem]:
    """Tell what jsonschema finds in the user's words, one problem a key."""
    sections = schema()["properties"]
    settings = {
        key: value
        for key, value in config.settings.items()
        if value is not None or "default" not in sections.get(key, {})
    }
    told: set[tuple[str | int, ...]] = set()
    engine = _engine_of(config)
    for error in _errors(settings):
        keys = tuple(error.absolute_path)
        # jsonschema's types say less than it keeps.
        rule: Any = error.schema
        missing: Any = error.validator_value
        given: Any = error.instance
        if error.validator == "additionalProperties":
            allowed = rule["properties"]
            for key in sorted(set(given) - set(allowed)):
                yield unknown_key(config.where(*keys, key), keys, key, list(allowed), engine)
        elif error.validator == "required":
            for key in missing:
                if key not in given and (*keys, key) not in told:
                    told.add((*keys, key))
                    name = name_of((*keys, key))
                    yield Problem("SM-CFG-003", where=config.where(*keys, key), name=name)
        elif "propertyNames" in error.absolute_schema_path:
            code = "SM-ENV-027" if keys[0] == "environments" else "SM-SCR-059"
            yield Problem(code, where=config.where(*keys, given), name=given)
        elif keys[:1] == ("environments",) and keys[2:] == ("python",) and error.instance == 3.1:
            yield Problem("SM-ENV-012", where=config.where(*keys), name=keys[1])
        elif keys not in told:
            told.add(keys)
            names = tuple(key for key in keys if isinstance(key, str))
            yield _unfit(config, keys, names, given, rule)


def _engine_of(config: Config) -> str:
    """Return the engine that a config names, whatever else may be wrong with it."""
    engine = at(config.settings, ("segmentation", "engine"))
    return engine if isinstance(engine, str) else ""


def _unfit(
    config: Config, keys: tuple, names: tuple[str, ...], given: Any, broken: dict[str, Any]
) -> Problem:
    """Return the problem of a value that a rule does not allow; what people often write is told as such."""
    rule, engine = rule_of(names), _engine_of(config)
    if engine == "threshold" and names == ("segmentation", "diameter"):
        # An estimate is for networks.
        rule = {"oneOf": [choice for choice in rule["oneOf"] if "enum" not in choice]}
    words = {
        "where": config.where(*keys),
        "name": name_of(names),
        "value": json.dumps(given, ensure_ascii=False),
        "allowed": describe(rule),
    }
    if problem := problem_of_value(given, names, words, engine):
        return problem
    if problem := problem_of_named(given, names, words):
        return problem
    if (listed := range_in(given)) and fits(listed, rule):
        return Problem("SM-CFG-074", listed=in_one_line(listed), **words)
    if not isinstance(given, list) and fits([given], broken):
        return Problem("SM-CFG-070", listed=in_one_line([given]), **words)
    pixel = at(config.written, ("images", "pixel_size_um"))
    pixel = pixel if isinstance(pixel, float | int) else None
    unit = rule.get("x-unit", "")
    if problem := problem_of_number(given, lambda value: fits(value, broken), unit, words, pixel):
        return problem
    if isinstance(given, str) and names == ("scripts", "name"):
        return Problem("SM-SCR-062", where=words["where"], name=given)
    if given is None and names == ("overlays", "color"):
        # Without quotes, what it begins with makes a comment of it.
        return Problem("SM-CFG-047", **words)
    return Problem("SM-CFG-002", **words)


def _not_hours(
    _validator: Any, _wanted: Any, written: Any, _rule: Any
) -> Iterator[ValidationError]:
    """Yield an error for a text that is no time limit, which no pattern could tell in full."""
    from jsonschema import ValidationError

    if isinstance(written, str) and hours_of(written) is None:
        yield ValidationError(f"{written!r} is no time limit")


@cache
def _validator() -> Any:
    # No job reads the config.
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    return extend(Draft202012Validator, {_HOURS: _not_hours})(schema())


def fits(value: Any, rule: dict[str, Any]) -> bool:
    """Return whether a value is allowed by a rule of the schema."""
    return _validator().evolve(schema=rule).is_valid(value)


def _errors(settings: dict[str, Any]) -> Iterator[ValidationError]:
    for error in _validator().iter_errors(settings):
        sections = [rule for rule in error.schema.get("oneOf", []) if "properties" in rule]
        if error.validator == "oneOf" and sections and isinstance(error.instance, dict):
            # What is wrong in a section says more than that it is neither this section nor true or false.
            for inner in error.context or ():
                if inner.schema_path[0] == error.schema["oneOf"].index(sections[0]):
                    yield inner
        else:
            yield error


def without_faults(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings without what the schema refuses."""
    settings = copy.deepcopy(settings)
    for error in list(_validator().iter_errors(settings)):
        parents = list(error.absolute_path)
        if error.validator == "required":
            continue
        if error.validator != "additionalProperties" and parents:
            section: Any = settings
            # A fault in a list is a fault of the key that holds the list.
            names = list(itertools.takewhile(lambda key: isinstance(key, str), parents))
            if "propertyNames" in error.absolute_schema_path and len(names) == len(parents):
                names.append(error.instance)
            for key in names[:-1]:
                section = section.get(key, {})
            section.pop(names[-1], None)
    settings.setdefault("images", {})
    return settings


def unknown_key(where: str, keys: tuple, key: str, allowed: list[str], engine: str = "") -> Problem:
    """Return that there is no such setting, with the one that was perhaps meant.

    Parameters
    ----------
    where : str
        Its place.
    keys : tuple
        Those that lead to its section.
    key : str
        What it is called.
    allowed : list of str
        What its section may hold.
    engine : str
        The engine of the config, where it is known.
    """
    other = problem_of_name(where, key, name_of((*keys, key)), engine)
    if other and keys[:1] != ("scripts",):
        return other
    nearest = difflib.get_close_matches(key.lower(), allowed, 1, 0.6)
    if nearest:
        return Problem("SM-CFG-001", where=where, name=name_of((*keys, key)), nearest=nearest[0])
    for section, rule in schema()["properties"].items():
        if key in rule.get("properties", {}) and (section,) != keys:
            return Problem("SM-CFG-017", where=where, name=name_of((*keys, key)), section=section)
    return Problem(
        "SM-CFG-018", where=where, name=name_of((*keys, key)), allowed=", ".join(allowed)
    )


def name_of(keys: tuple) -> str:
    """Return how a key is called in messages: ```diameter` under `segmentation```."""
    names = [f"`{key}`" for key in keys if isinstance(key, str)]
    return say("config.under", key=names[-1], section=names[-2]) if len(names) > 1 else names[0]


def rule_of(names: tuple[str, ...]) -> dict[str, Any]:
    """Return what the schema says of a setting, in the user's language, given the names that lead to it."""
    rule = schema(language())
    for name in names:
        rule = rule.get("items", rule)
        each = rule.get("additionalProperties")
        named = each if isinstance(each, dict) else rule
        rule = section_of(rule).get("properties", {}).get(name, named)
    return rule


def describe(rule: dict[str, Any]) -> str:
    """Return what a key may hold, in words, from its part of the schema."""
    if "oneOf" in rule:
        return say("allowed.or").join(describe(choice) for choice in rule["oneOf"])
    if "enum" in rule:
        # A version may be text or a number: it is told once.
        words = (v if isinstance(v, str) else json.dumps(v) for v in rule["enum"])
        return ", ".join(dict.fromkeys(words))
    kinds = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
    return say("allowed.or").join(_describe_type(kind, rule) for kind in kinds)


def _describe_length(least: int | None, most: int | None) -> str:
    """Return how many items a list may have, in words; nothing where any number is right."""
    if least is None:
        return ""
    if most is None:
        return " " + say("allowed.minItems", limit=least)
    if least == most:
        return " " + say("allowed.exactly", limit=least)
    return " " + say("allowed.between", least=least, most=most)


def _describe_type(kind: str, rule: dict[str, Any]) -> str:
    words = say(f"allowed.{kind}")
    if kind in ("number", "integer"):
        for limit in ("exclusiveMinimum", "minimum", "maximum", "multipleOf"):
            if limit in rule:
                words += " " + say(f"allowed.{limit}", limit=rule[limit])
    if kind == "array" and "items" in rule:
        words += " " + say("allowed.items", items=describe(rule["items"]))
        words += _describe_length(rule.get("minItems"), rule.get("maxItems"))
    if (
        kind in ("array", "object")
        and "examples" in rule
        and "examples" not in rule.get("items", ())
    ):
        example = in_one_line(rule["examples"][0])
        if len(example) <= _LONGEST_EXAMPLE:
            words += ", " + say("allowed.example", example=example)
    if "pattern" in rule:
        words += " " + say(
            "allowed.pattern", example=rule.get("examples", [rule.get("default")])[0]
        )
    return words
