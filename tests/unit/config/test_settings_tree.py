from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

from segmake.config.schema import default_of, schema, section_of, with_defaults
from segmake.core import settings
from segmake.core.settings import ENGINES, Settings

# What is written as a number, too, and is text in a checked config.
VERSIONS = ("python", "cuda_driver", "compute_capability")

JSON_KINDS = {"string": str, "integer": int, "number": float, "boolean": bool, "null": None}

# A section as it is, or true for its defaults: None where it is false.
SWITCHED = "tracking"


def sections() -> Iterator[Any]:
    """Each class of the tree with its rules, and the engine that it is of."""
    top = schema()["properties"]
    yield pytest.param(Settings, top, "", id="settings")
    for name in ("images", "measurements", "overlays", "cluster"):
        yield pytest.param(
            getattr(settings, name.capitalize()), top[name]["properties"], "", id=name
        )
    yield pytest.param(
        settings.Tracking, section_of(top["tracking"])["properties"], "", id="tracking"
    )
    each = top["environments"]["additionalProperties"]["properties"]
    yield pytest.param(settings.Environment, each, "", id="environments")
    script = top["scripts"]["items"]["properties"]
    yield pytest.param(settings.Script, script, "", id="scripts")
    yield pytest.param(settings.Resources, script["resources"]["properties"], "", id="resources")
    rules = top["segmentation"]["properties"]
    for engine, kind in ENGINES.items():
        own = {k: rule for k, rule in rules.items() if engine in rule.get("x-engines", [engine])}
        yield pytest.param(kind, own, engine, id=engine)
    normalize = section_of(rules["normalize"])["properties"]
    yield pytest.param(settings.Normalize, normalize, "", id="normalize")


def of_rule(rule: Mapping[str, Any]) -> set[Any]:
    """What a setting may be by the schema: values, kinds, and the same of what is in a list."""
    if "enum" in rule:
        # Both values of a switch are the switch; a version is written as a number, too.
        return {bool if isinstance(each, bool) else each for each in rule["enum"]}
    if "oneOf" in rule:
        return set().union(*map(of_rule, rule["oneOf"]))
    found: set[Any] = set()
    for kind in rule["type"] if isinstance(rule["type"], list) else [rule["type"]]:
        if kind == "array":
            found.add((list, frozenset(of_rule(rule["items"]))))
        elif kind == "object":
            found.add(dict)
        else:
            found.add(JSON_KINDS[kind])
    # A time limit may be written as text, and is hours in a checked config.
    return {float} if "x-hours" in rule else found


def of_hint(hint: Any) -> set[Any]:
    """The same by a type."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return set(inner)
    if origin in (Union, types.UnionType):
        return set().union(*map(of_hint, inner))
    if origin in (tuple, list):
        items = set().union(*(of_hint(each) for each in inner if each is not ...))
        return {(list, frozenset(items))}
    if origin is not None or is_dataclass(hint):
        return {dict}
    return {None if hint is type(None) else hint}


def plain(value: Any) -> Any:
    """Values of the tree as those of a config."""
    if is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, tuple | list) else value


@pytest.mark.parametrize(("kind", "rules", "engine"), list(sections()))
def test_the_tree_is_that_of_the_schema(kind, rules, engine):
    hints = get_type_hints(kind)
    assert {each.name for each in fields(kind)} == set(rules)
    for each in fields(kind):
        name, rule = each.name, rules[each.name]
        hint = hints[name]
        if name in VERSIONS:
            assert of_hint(hint) - {None} == {str}
        elif name in settings.Script.AS_WRITTEN and kind is settings.Script:
            assert {dict} <= of_hint(hint)
        elif name == SWITCHED:
            assert hint == settings.Tracking | None
        else:
            assert of_hint(hint) == of_rule(rule), name
        if "default" in rule and kind is not Settings:
            default = each.default if each.default_factory is MISSING else each.default_factory()
            written = engine if name == "engine" else default_of(rule, engine)
            assert plain(default) == with_defaults(written, rule, engine), name


def test_a_tree_of_no_settings_is_that_of_the_defaults():
    checked = with_defaults({"images": {"folder": None}}, schema(), "cellpose3")
    rules = schema()["properties"]["segmentation"]["properties"]
    taken = {k for k, rule in rules.items() if "cellpose3" in rule.get("x-engines", ["cellpose3"])}
    checked["segmentation"] = {k: v for k, v in checked["segmentation"].items() if k in taken}
    checked["environments"] = {"mine": with_defaults({}, each_environment(), "")}
    full = Settings.of(checked)
    assert plain(full) == {**checked, "tracking": None}
    checked.pop("environments")
    assert Settings.of(checked) == Settings.of({}) == Settings()


def each_environment() -> dict[str, Any]:
    return schema()["properties"]["environments"]["additionalProperties"]


@pytest.mark.parametrize(("written", "gap"), [(True, 1), ({"max_gap": 3}, 3)])
def test_cells_are_followed_with_defaults_or_settings_of_their_own(written, gap):
    tracking = Settings.of({"tracking": written}).tracking
    assert tracking is not None and tracking.max_gap == gap
    assert Settings.of({"tracking": False}).tracking is None


def test_what_an_engine_does_not_take_it_does_not_do():
    of_threshold = Settings.of({"segmentation": {"engine": "threshold", "model": "cyto3"}})
    section = of_threshold.segmentation
    assert section.model is None and not section.gpu and not section.do_3D
    assert section.method == "otsu"
    # What is set stays so for the whole run.
    with pytest.raises(AttributeError):
        section.min_size = 3
