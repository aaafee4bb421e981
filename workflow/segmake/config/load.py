"""Reads and checks the user's config file.

Everything that can be known to be wrong without looking at an image is found here, all of it at once, with file
and line. The JSON Schema beside it says what a single key may hold; `checks` says what can't go
together.
"""

from __future__ import annotations

import copy
import difflib
import itertools
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pathspec
import yaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from segmake.config.measurement import measurement_problems
from segmake.core.config import Config
from segmake.core.site import read_site
from segmake.engines import BUILTIN_MODELS, SAM_MODELS, SAM_TILE, keeps_volume
from segmake.environments.solving.package_lists import read_lists
from segmake.images.folders import folder_problems, results_problems
from segmake.messages import Problem, Problems, say
from segmake.messages.numbers import hours_of
from segmake.scripts.checks.checks import script_problems
from segmake.scripts.checks.text_values import note_texts
from segmake.scripts.definition.designs import read_designs

if TYPE_CHECKING:
    from jsonschema import ValidationError

# What no config that somebody wrote comes near to, and what can be read in seconds.
_MOST_BYTES = 1_000_000
# A text counts as one value for each so many characters.
_LONG_TEXT = 1_000
_MOST_VALUES = 20_000
_DEEPEST = 50

# Of a text in the schema: that it is a time limit, which is kept in hours.
_HOURS = "x-hours"

SCHEMA = Path(__file__).with_name("config.schema.json")


@cache
def schema() -> dict[str, Any]:
    """Return the JSON Schema of the config."""
    return json.loads(SCHEMA.read_text(encoding="utf-8"))


def load_config(
    path: Path, overrides: dict[str, Any] | None = None, *, images: bool = True
) -> Config:
    """Read, check and complete a config file.

    Parameters
    ----------
    path : Path
        A YAML file.
    overrides : dict, optional
        Nested settings that replace those of the file (Snakemake's ``--config``).
    images : bool
        Whether the folders of the images are to be here, where anything else is wrong; if nothing is, whoever lists
        the images tells.

    Raises
    ------
    Problems
        Everything that is wrong with the file, in the order of its lines.
    """
    written, lines, numbers = _read_yaml(path)
    written = merged(written, _plain(overrides or {}))
    config = Config(written, path, lines, written)
    problems = list(_schema_problems(config))
    # What is wrong in itself is set aside, so that the rest is looked at too and all is told at once.
    sound = _without_faults(config.settings) if problems else config.settings
    config = Config(_with_defaults(sound, schema(), _engine(sound)), path, lines, sound)
    _write_arguments_as_text(config.settings, {} if "scripts" in (overrides or {}) else numbers)
    if faults := list(results_problems(config)):
        problems += faults
        config.settings["results"] = schema()["properties"]["results"]["default"]
    read_lists(config)
    problems += [*checks(config), *read_site().problems]
    if problems and images and config.settings["images"]["folder"]:
        problems += folder_problems(config)
    if problems:
        raise Problems(sorted(problems, key=lambda problem: _line_number(problem.where)))
    _keep_what_the_engine_takes(config.settings)
    _write_versions_as_text(config.settings)
    config.settings["results"] = os.path.expanduser(config.settings["results"])
    read_designs(config.settings)
    note_texts(config.settings, config.written)
    return config


def checks(config: Config) -> Iterator[Problem]:
    """Yield what is wrong about a config although each key on its own is as the schema says."""
    segmentation = config.settings["segmentation"]
    engine = segmentation["engine"]
    written = config.written.get("segmentation") or {}
    for key, rule in schema()["properties"]["segmentation"]["properties"].items():
        engines = rule.get("x-engines")
        # Also one that another section lends (`<<: *other`), which has no line.
        if engines and engine not in engines and key in written:
            yield Problem(
                "SM-CFG-010",
                where=config.where("segmentation", key),
                key=key,
                engine=engine,
                engines=", ".join(engines),
            )
    if engine in BUILTIN_MODELS:
        yield from _model_problems(config)
        yield from _network_problems(config)
    yield from script_problems(config)
    yield from _selection_problems(config)
    yield from measurement_problems(config)
    images = config.settings["images"]
    named = "folder" in (config.written.get("images") or {})
    # One with a fault is there all the same.
    scripts = config.settings["scripts"] or ("scripts", 0) in config.lines
    if images["folder"] is None and named and not scripts:
        yield Problem("SM-SCR-030", where=config.where("images", "folder"))
    most = config.settings["cluster"]["max_gpus"]
    for index, script in enumerate(config.settings["scripts"]):
        if (gpus := script["resources"]["gpu"]) > most:
            where = config.where("scripts", index, "resources", "gpu")
            yield Problem("SM-SCR-039", where=where, gpus=gpus, most=most)
    for key in ("include", "exclude"):
        yield from _pattern_problems(config, key, images[key])
    if images["channel"] is not None and images["channel"] == images["second_channel"]:
        yield Problem("SM-CFG-015", where=config.where("images", "second_channel"))
    if images["second_channel"] is not None and engine not in BUILTIN_MODELS:
        yield Problem("SM-CFG-022", where=config.where("images", "second_channel"), engine=engine)
    low, high = config.settings["overlays"]["contrast"]
    if low >= high:
        yield Problem("SM-CFG-014", where=config.where("overlays", "contrast"), low=low, high=high)


def _read_yaml(
    path: Path,
) -> tuple[dict[str, Any], dict[tuple[str | int, ...], int], dict[tuple[str | int, ...], str]]:
    """Return what a file says, the line of each of its keys, and each number as it is written."""
    try:
        text = _text_of(path)
    except FileNotFoundError:
        raise Problems([Problem("SM-CFG-007", where=str(path))]) from None
    except UnicodeDecodeError:
        raise Problems([Problem("SM-CFG-008", where=str(path))]) from None
    except OSError as error:
        raise Problems([Problem("SM-CFG-009", where=str(path), error=error.strerror)]) from None
    _refuse_endless(text, path)
    try:
        written = YAML(typ="rt").load(text)
        settings, lines = _plain(written), dict(_lines(written))
        numbers = dict(_numbers(YAML().compose(text)))
    except DuplicateKeyError as error:
        line = error.problem_mark.line + 1
        key = text.split("\n")[line - 1].split(":")[0].strip()
        place = say("config.line", file=path, line=line)
        raise Problems([Problem("SM-CFG-006", where=place, key=key)]) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = say("config.line", file=path, line=mark.line + 1) if mark else str(path)
        code = "SM-CFG-016" if "escape" in (error.problem or "") else "SM-CFG-005"
        raise Problems([Problem(code, where=place, error=error.problem or "")]) from None
    except ReaderError as error:
        if error.character == 0:
            # Every other byte is zero in UTF-16 without its mark.
            raise Problems([Problem("SM-CFG-008", where=str(path))]) from None
        line = text.count("\n", 0, error.position) + 1
        place = say("config.line", file=path, line=line)
        raise Problems([Problem("SM-CFG-005", where=place, error=error.reason)]) from None
    except Exception as error:
        # YAML's rarer features (tags, dates that are none, a list within itself) fail in many ways.
        reason = str(error) or type(error).__name__
        raise Problems([Problem("SM-CFG-005", where=str(path), error=reason)]) from None
    if not isinstance(settings, dict):
        raise Problems([Problem("SM-CFG-004", where=str(path))])
    return settings, lines, numbers


def _text_of(path: Path) -> str:
    """Return what stands in a file, if it is one and no larger than any config."""
    size = path.stat().st_size
    if not path.is_file() and not path.is_dir():
        # A pipe would be waited for, and a device may have no end.
        error = say("config.no_file")
        raise Problems([Problem("SM-CFG-009", where=str(path), error=error)])
    if size > _MOST_BYTES:
        names = {"size": f"{size / 1e6:.0f}", "most": f"{_MOST_BYTES / 1e6:.0f}"}
        raise Problems([Problem("SM-CFG-044", where=str(path), **names)])
    return path.read_text(encoding="utf-8-sig")


def _refuse_endless(text: str, path: Path) -> None:
    """Refuse a file that is nested too deeply, or grows beyond measure through its aliases (``*``), before it is read.

    What is no YAML is left to who reads it.

    Raises
    ------
    Problems
        ``SM-CFG-043``, ``SM-CFG-045``
    """
    sizes: dict[str, int] = {}
    # The anchor of each list or section that is open, and what was counted before it.
    opened: list[tuple[str | None, int]] = []
    count = 0
    with suppress(yaml.YAMLError, ValueError):
        for event in yaml.parse(text, Loader=getattr(yaml, "CLoader", yaml.SafeLoader)):
            line = event.start_mark.line + 1 if event.start_mark else 1
            anchor = getattr(event, "anchor", None)
            if isinstance(event, yaml.AliasEvent):
                # One that is still open holds itself.
                count += _MOST_VALUES if anchor in dict(opened) else sizes.get(anchor or "", 0)
            elif isinstance(event, yaml.ScalarEvent):
                own = 1 + len(event.value) // _LONG_TEXT
                count += own
                sizes[anchor or ""] = own
            elif isinstance(event, yaml.CollectionStartEvent):
                opened.append((anchor, count))
                count += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                name, before = opened.pop()
                sizes[name or ""] = count - before
            where = say("config.line", file=path, line=line)
            if count > _MOST_VALUES:
                raise Problems([Problem("SM-CFG-043", where=where, most=_MOST_VALUES)])
            if len(opened) > _DEEPEST:
                raise Problems([Problem("SM-CFG-045", where=where, most=_DEEPEST)])


def _plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    if isinstance(node, bool) or node is None:
        return node
    if isinstance(node, int) and abs(node) <= sys.float_info.max:
        return int(node)
    if isinstance(node, float) and math.isfinite(node):
        return float(node)
    # Infinity and its like fit no setting, but would pass as numbers.
    return str(node)


def _lines(
    node: Any, keys: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], int]]:
    if isinstance(node, CommentedMap):
        for key, value in node.items():
            # A key that another section lends (`<<: *other`) has no line of its own.
            if place := (node.lc.data or {}).get(key):
                yield (*keys, str(key)), place[0] + 1
            yield from _lines(value, (*keys, str(key)))
    elif isinstance(node, CommentedSeq):
        for index, value in enumerate(node):
            if place := (node.lc.data or {}).get(index):
                yield (*keys, index), place[0] + 1
            yield from _lines(value, (*keys, index))


def _numbers(
    node: Any, keys: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield the text of each number: 007 and 1e-3 are not what Python would make of them."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            yield from _numbers(value, (*keys, str(key.value)))
    elif isinstance(node, SequenceNode):
        for index, value in enumerate(node.value):
            yield from _numbers(value, (*keys, index))
    elif isinstance(node, ScalarNode) and str(node.tag).endswith((":int", ":float")):
        yield keys, node.value


def _line_number(where: str) -> int:
    last = where.rpartition(" ")[2]
    return int(last) if last.isdecimal() else 0


def merged(settings: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Return settings with others in their place, section by section."""
    found = dict(settings)
    for key, value in overrides.items():
        nested = isinstance(value, dict) and isinstance(found.get(key), dict)
        found[key] = merged(found[key], value) if nested else value
    return found


def default_of(rule: dict[str, Any], engine: str) -> Any:
    """Return the default of a setting, which may be another one for each engine."""
    return copy.deepcopy(rule.get("x-defaults", {}).get(engine, rule.get("default")))


def section_of(rule: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a rule that has settings of its own, where there is one (``normalize``); else the rule."""
    return next((part for part in rule.get("oneOf", []) if "properties" in part), rule)


def _engine(settings: dict[str, Any]) -> str:
    rule = schema()["properties"]["segmentation"]["properties"]["engine"]
    return (settings.get("segmentation") or {}).get("engine", rule["default"])


def _with_defaults(value: Any, rule: dict[str, Any], engine: str) -> Any:
    """Fill in the schema's defaults; a section left empty (null) is one with every default."""
    if value is None and "default" in rule and not _takes_null(rule):
        value = default_of(rule, engine)
    if isinstance(value, list) and "items" in rule:
        return [_with_defaults(item, rule["items"], engine) for item in value]
    each = rule.get("additionalProperties")
    if isinstance(value, dict) and isinstance(each, dict):
        return {name: _with_defaults(item, each, engine) for name, item in value.items()}
    properties = section_of(rule).get("properties")
    if not isinstance(value, dict) or properties is None:
        return _number(value, rule)
    return {
        key: _with_defaults(value.get(key, default_of(child, engine)), child, engine)
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


def _write_versions_as_text(settings: dict[str, Any]) -> None:
    """Make text of versions that YAML took for numbers."""
    for environment in settings["environments"].values():
        environment["python"] = str(environment["python"])
    for key in ("cuda_driver", "compute_capability"):
        version = settings["cluster"][key]
        settings["cluster"][key] = None if version is None else str(version)


def _write_arguments_as_text(
    settings: dict[str, Any], numbers: dict[tuple[str | int, ...], str]
) -> None:
    """Make text of the numbers that scripts are given, as they stand in the file.

    In ``set``, numbers that Python would write so stay numbers.
    """
    for index, script in enumerate(settings["scripts"]):
        for key in ("arguments", "sweep", "set", "variables"):
            script[key] = _texts(script[key], numbers, ("scripts", index, key))


def _texts(value: Any, numbers: Mapping[tuple, str], keys: tuple[str | int, ...]) -> Any:
    if isinstance(value, dict):
        # The ends of a range are counted with.
        ends = "from" in value and keys[2] == "sweep" and len(keys) == 4
        return {
            key: each if ends else _texts(each, numbers, (*keys, key))
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [_texts(each, numbers, (*keys, index)) for index, each in enumerate(value)]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    written = numbers.get(keys, str(value))
    return value if keys[2] == "set" and written == str(value) else written


def _keep_what_the_engine_takes(settings: dict[str, Any]) -> None:
    rules = schema()["properties"]["segmentation"]["properties"]
    engine = settings["segmentation"]["engine"]
    settings["segmentation"] = {
        key: value
        for key, value in settings["segmentation"].items()
        if engine in rules[key].get("x-engines", [engine])
    }


def _schema_problems(config: Config) -> Iterator[Problem]:
    """Tell what jsonschema finds in the user's words, one problem a key."""
    sections = schema()["properties"]
    settings = {
        key: value
        for key, value in config.settings.items()
        if value is not None or "default" not in sections.get(key, {})
    }
    told: set[tuple[str | int, ...]] = set()
    for error in _errors(settings):
        keys = tuple(error.absolute_path)
        # jsonschema's types say less than it keeps.
        rule: Any = error.schema
        missing: Any = error.validator_value
        given: Any = error.instance
        if error.validator == "additionalProperties":
            allowed = rule["properties"]
            for key in sorted(set(given) - set(allowed)):
                yield _unknown_key(config, keys, key, list(allowed))
        elif error.validator == "required":
            for key in missing:
                if key not in given:
                    name = _name((*keys, key))
                    yield Problem("SM-CFG-003", where=config.where(*keys), name=name)
        elif "propertyNames" in error.absolute_schema_path:
            code = "SM-ENV-027" if keys[0] == "environments" else "SM-SCR-059"
            yield Problem(code, where=config.where(*keys, given), name=given)
        elif keys[:1] == ("environments",) and keys[2:] == ("python",) and error.instance == 3.1:
            yield Problem("SM-ENV-012", where=config.where(*keys), name=keys[1])
        elif keys not in told:
            told.add(keys)
            names = tuple(key for key in keys if isinstance(key, str))
            rule = _rule(names)
            yield Problem(
                "SM-CFG-002",
                where=config.where(*keys),
                name=_name(names),
                value=json.dumps(error.instance, ensure_ascii=False),
                allowed=describe(rule),
            )


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


def _without_faults(settings: dict[str, Any]) -> dict[str, Any]:
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


def _unknown_key(config: Config, keys: tuple, key: str, allowed: list[str]) -> Problem:
    where = config.where(*keys, key)
    nearest = difflib.get_close_matches(key.lower(), allowed, 1, 0.6)
    if nearest:
        return Problem("SM-CFG-001", where=where, name=_name((*keys, key)), nearest=nearest[0])
    for section, rule in schema()["properties"].items():
        if key in rule.get("properties", {}) and (section,) != keys:
            return Problem("SM-CFG-017", where=where, name=_name((*keys, key)), section=section)
    return Problem("SM-CFG-018", where=where, name=_name((*keys, key)), allowed=", ".join(allowed))


def _name(keys: tuple) -> str:
    """Return how a key is called in messages: ```diameter` under `segmentation```."""
    names = [f"`{key}`" for key in keys if isinstance(key, str)]
    return say("config.under", key=names[-1], section=names[-2]) if len(names) > 1 else names[0]


def _rule(names: tuple[str, ...]) -> dict[str, Any]:
    rule = schema()
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


def _describe_type(kind: str, rule: dict[str, Any]) -> str:
    words = say(f"allowed.{kind}")
    if kind in ("number", "integer"):
        for limit in ("exclusiveMinimum", "minimum", "maximum", "multipleOf"):
            if limit in rule:
                words += " " + say(f"allowed.{limit}", limit=rule[limit])
    if kind == "array" and "items" in rule:
        words += " " + say("allowed.items", items=describe(rule["items"]))
        if rule.get("minItems"):
            words += " " + say("allowed.minItems", limit=rule["minItems"])
    if kind in ("array", "object") and "examples" in rule:
        words += " " + say("allowed.example", example=_as_yaml(rule["examples"][0]))
    if "pattern" in rule:
        words += " " + say(
            "allowed.pattern", example=rule.get("examples", [rule.get("default")])[0]
        )
    return words


def _as_yaml(example: Any) -> str:
    """Return a list or a section as one writes it in one line."""
    if isinstance(example, dict):
        return "{" + ", ".join(f"{key}: {_as_yaml(value)}" for key, value in example.items()) + "}"
    if isinstance(example, list):
        return "[" + ", ".join(map(_as_yaml, example)) + "]"
    return str(example)


def _model_problems(config: Config) -> Iterator[Problem]:
    segmentation = config.settings["segmentation"]
    engine, model = segmentation["engine"], segmentation["model"]
    where = config.where("segmentation", "model")
    builtin = BUILTIN_MODELS[engine]
    if model in builtin:
        return
    others = [name for name, models in BUILTIN_MODELS.items() if model in models]
    # Unlike Path's methods, these take any text for a path, and an unreadable folder for an absent file.
    path = os.path.expanduser(str(model))
    if os.path.isdir(path):
        yield Problem("SM-CFG-013", where=where, path=path)
    elif not os.path.isfile(path) and others:
        names = {"other": others[0], "models": ", ".join(builtin)}
        yield Problem("SM-CFG-032", where=where, model=model, engine=engine, **names)
    elif not os.path.isfile(path):
        nearest = difflib.get_close_matches(str(model), builtin, 1, 0.6)
        code = "SM-CFG-011" if nearest else "SM-CFG-012"
        hint = nearest[0] if nearest else ", ".join(builtin)
        yield Problem(code, where=where, model=model, models=hint, engine=engine)


def _network_problems(config: Config) -> Iterator[Problem]:
    """Yield a problem for each setting that Cellpose would silently pass over, or refuse for each image."""
    section = config.settings["segmentation"]
    normalize = section["normalize"] if isinstance(section["normalize"], dict) else {}
    if section["engine"] == "omnipose":
        yield from _omnipose_problems(config)
    else:
        yield from _cellpose_problems(config)
    for key in ("percentile", "lowhigh"):
        low, high = normalize.get(key) or (0, 1)
        if low >= high:
            where = config.where("segmentation", "normalize", key)
            name = _name(("normalize", key))
            yield Problem("SM-CFG-031", where=where, name=name, low=low, high=high)


def _cellpose_problems(config: Config) -> Iterator[Problem]:
    """Yield a problem for settings of Cellpose 3 and 4 that do not go together."""
    section = config.settings["segmentation"]
    engine, model, bsize = section["engine"], section["model"], section["bsize"]
    rules = schema()["properties"]["segmentation"]["properties"]
    for key, other, clash in _passed_over(section):
        if clash and section[key] != default_of(rules[key], engine):
            where = config.where("segmentation", key)
            yield Problem("SM-CFG-030", where=where, key=key, other=other)
    if engine == "cellpose" and model in SAM_MODELS and bsize not in (None, SAM_TILE):
        where = config.where("segmentation", "bsize")
        yield Problem("SM-MOD-005", where=where, model=model, bsize=bsize)
    whole = [key for key in ("do_3D", "stitch_threshold") if section[key]]
    if whole and config.settings["images"]["z"] != "all":
        yield Problem("SM-VOL-001", where=config.where("segmentation", whole[0]), key=whole[0])
    if section["do_3D"] and str(section["restore"]).startswith("upsample"):
        where = config.where("segmentation", "restore")
        yield Problem("SM-VOL-004", where=where, name=section["restore"])
    if engine == "cellpose3" and isinstance(section["flow3D_smooth"], list):
        yield Problem(
            "SM-CFG-002",
            where=config.where("segmentation", "flow3D_smooth"),
            name=_name(("segmentation", "flow3D_smooth")),
            value=json.dumps(section["flow3D_smooth"]),
            allowed=describe(rules["flow3D_smooth"]["oneOf"][0]),
        )


def _passed_over(section: dict[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Yield a setting of Cellpose, another one, and whether Cellpose passes over the first because of the other."""
    third, restored = section["engine"] == "cellpose3", section["restore"] is not None
    volume = section["do_3D"]
    yield "rescale", "diameter", third and section["diameter"] is not None
    yield "invert", "normalize", third and section["normalize"] is not True
    yield "max_size_fraction", "restore", third and restored
    yield "chan2_restore", "restore: null", third and not restored
    # The network that restores images takes these two all the same.
    yield "tile_overlap", "augment", section["augment"] and not restored
    yield "bsize", "do_3D", third and volume and not restored and section["bsize"] is not None
    yield "flow_threshold", "do_3D", volume
    yield "stitch_threshold", "do_3D", volume
    yield "flow3D_smooth", "restore", third and volume and restored
    yield "flow3D_smooth", "do_3D: false", not volume
    yield "anisotropy", "do_3D: false", not volume


def _omnipose_problems(config: Config) -> Iterator[Problem]:
    """Yield a problem for what Cellpose takes under the same name, and Omnipose does not."""
    section = config.settings["segmentation"]
    if section["max_size"] is not None and section["max_size"] <= section["min_size"]:
        where = config.where("segmentation", "max_size")
        low, high = section["min_size"], section["max_size"]
        yield Problem("SM-CFG-033", where=where, low=low, high=high)
    if section["despur"] and not section["affinity_seg"]:
        where = config.where("segmentation", "despur")
        yield Problem("SM-CFG-030", where=where, key="despur", other="affinity_seg: false")
    if section["rescale"] is not None and section["diameter"] is not None:
        where = config.where("segmentation", "diameter")
        yield Problem("SM-CFG-030", where=where, key="diameter", other="rescale")
    for key, kind in (("normalize", "boolean"), ("bsize", "integer")):
        value = section[key]
        if value is None or isinstance(value, dict):
            yield Problem(
                "SM-CFG-002",
                where=config.where("segmentation", key),
                name=_name(("segmentation", key)),
                value=json.dumps(value, ensure_ascii=False),
                allowed=describe({"type": kind}),
            )


def _pattern_problems(config: Config, key: str, patterns: list[str]) -> Iterator[Problem]:
    for index, pattern in enumerate(patterns):
        try:
            pathspec.PathSpec.from_lines("gitignore", [pattern])
        except ValueError:
            yield Problem(
                "SM-CFG-002",
                where=config.where("images", key, index),
                name=_name(("images", key)),
                value=json.dumps(pattern, ensure_ascii=False),
                allowed=describe(_rule(("images", key))),
            )


def _selection_problems(config: Config) -> Iterator[Problem]:
    """Yield a problem for each choice of planes that can't be meant so."""
    images = config.settings["images"]
    for key in ("time", "positions"):
        wanted = images[key]
        if isinstance(wanted, list) and wanted[0] > wanted[1]:
            where = config.where("images", key)
            yield Problem("SM-CFG-034", where=where, key=key, first=wanted[0], last=wanted[1])
    apart = images["z"] == "all" and not keeps_volume(config.settings["segmentation"])
    if config.settings["tracking"] and apart:
        yield Problem("SM-CFG-035", where=config.where("tracking"))
