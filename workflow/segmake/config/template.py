"""Writes a config with a comment for every setting, in English or French: what ``config/config.yaml`` is made by."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from segmake.config.schema import default_of, engine_of, schema, schema_file
from segmake.config.yaml_values import Keys, entry, in_one_line

WIDTH = 97

# A line is not broken here: in code, after `null:`, before French punctuation, within its quotes, between thousands.
_KEPT = re.compile(r"`[^`]*`|\b(null|true|false) ?: | (?=[:;?!»])|(?<=«) |(?<=\d) (?=\d{3})")
_NO_BREAK = "\N{NO-BREAK SPACE}"
# Values are aligned in a column of at most so many characters; longer ones stand apart.
_COLUMN = 36
_GROUPS = ("first", "more", "rare")


def commented_config(
    language: str,
    *,
    schema_address: str | None = None,
    values: Mapping[str, Any] | None = None,
    numbers: Mapping[Keys, str] | None = None,
) -> str:
    """Return a config with a comment for every setting.

    Settings that are rarely needed are commented out, as are those that the engine does not take; all others are
    written out, and so is each of `values`, but for a null that says nothing else than the default.

    Parameters
    ----------
    language : {"en", "fr"}
        Of the comments.
    schema_address : str, optional
        Where an editor finds the schema, seen from the config. Otherwise as in ``config/config.yaml`` of the clone.
    values : mapping, optional
        Nested settings, as a user wrote them; what is not in it is at its default, or, if it has none, as
        `suggested`. Without them: those of `suggested`.
    numbers : mapping, optional
        How numbers of `values` are written, by the keys that lead to them, as `segmake.config.yaml_lines.read_yaml`
        returns them; what a script is given depends on it.
    """
    return "\n".join(_Template(language, values, numbers or {}).lines(schema_address)) + "\n"


def suggested() -> dict[str, Any]:
    """Return the settings that ``config/config.yaml`` has in place of the defaults, section by section."""
    found: dict[str, Any] = {}
    for section, rule in schema()["properties"].items():
        for key, child in rule.get("properties", {}).items():
            if "x-written" in child:
                found.setdefault(section, {})[key] = child["x-written"]
    return found


def in_order(rules: Mapping[str, dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Return settings with the first questions first, and the rare ones last.

    Parameters
    ----------
    rules : mapping
        What the schema says of each.
    """
    return sorted(rules.items(), key=lambda pair: _GROUPS.index(pair[1]["x-group"]))


def text_of(rule: Mapping[str, Any]) -> str:
    """Return what the schema says of a setting in words, without what its values stand for."""
    return rule.get("x-text", rule["description"])


def titled(rule: Mapping[str, Any]) -> str:
    """Return the title of a setting with its unit, as its comment begins."""
    return f"{rule['title']} ({rule['x-unit']})" if "x-unit" in rule else rule["title"]


def meanings(rule: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what values of a setting stand for, and what examples are examples of; values as they are written."""
    examples = rule.get("x-examples", [])
    return [
        *rule.get("x-choices", {}).items(),
        *((in_one_line(each["value"]), each["text"]) for each in examples),
    ]


class _Template:
    def __init__(
        self, language: str, values: Mapping[str, Any] | None, numbers: Mapping[Keys, str]
    ) -> None:
        self.rules = schema(language)
        self.language = language
        self.values = dict(suggested() if values is None else values)
        self.numbers = numbers
        self.engine = engine_of(self.values)

    def lines(self, schema_address: str | None) -> Iterator[str]:
        """Yield the lines of the config."""
        name = schema_file(self.language).name
        address = schema_address or f"../workflow/segmake/config/{name}"
        yield f"# yaml-language-server: $schema={address}"
        yield "#"
        yield from (f"# {line}".rstrip() for line in self.rules["x-head"].splitlines())
        known = self.rules["properties"]
        for name, rule in in_order(known):
            yield ""
            yield f"# --- {rule['title']} ".ljust(WIDTH, "-")
            yield from _comment(text_of(rule))
            if "properties" in rule:
                yield from self._section(name, rule)
            else:
                yield from _rows(rule)
                yield from _example(rule)
                yield from self._written((name,), self.values.get(name, rule.get("default")))
        for name in self.values:
            if name not in known:
                # Nothing that somebody wrote is lost without a word: it is refused when the file is read.
                yield from self._written((name,), self.values[name])

    def _section(self, name: str, rule: dict[str, Any]) -> Iterator[str]:
        values = self.values.get(name) or {}
        if not isinstance(values, dict):
            yield from self._written((name,), values)
            return
        yield f"{name}:"
        for key, child in in_order(rule["properties"]):
            if child["x-group"] != "rare":
                yield ""
                yield from self._setting(name, key, child, values)
        for heading, part in self._rare_parts(rule):
            yield ""
            yield from _comment(heading, "  ")
            yield ""
            for key, child in part.items():
                yield from self._setting(name, key, child, values, _only(rule, part, child))
        for key in values:
            if key not in rule["properties"]:
                yield from self._written((name, key), values[key])

    def _rare_parts(self, rule: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the rare settings of a section, those that one engine alone takes apart, and the words before them."""
        rare = {
            key: child for key, child in rule["properties"].items() if child["x-group"] == "rare"
        }
        alone = rule.get("x-alone", {})
        common = {key: child for key, child in rare.items() if _engine_alone(child) not in alone}
        engine = self._shown_engine(_engines(common))
        if common:
            yield rule["x-rare"].format(engine=engine), common
        for each, heading in alone.items():
            yield heading, {k: c for k, c in rare.items() if _engine_alone(c) == each}

    def _setting(
        self, section: str, key: str, rule: dict[str, Any], values: dict[str, Any], note: str = ""
    ) -> Iterator[str]:
        yield from _comment(f"{titled(rule)}. {text_of(rule)}{note}", "  ")
        yield from _rows(rule, "  ")
        engines = rule.get("x-engines", [self.engine])
        default = default_of(rule, self._shown_engine(engines))
        if key in values and not values[key] is default is None:
            yield from self._written((section, key), values[key])
        elif "x-written" in rule and "default" not in rule and key not in values:
            # It has to be said.
            yield from self._written((section, key), rule["x-written"])
        elif rule["x-group"] == "rare" or self.engine not in engines:
            yield f"  #{key}: {in_one_line(default)}"
        else:
            yield from self._written((section, key), default)

    def _shown_engine(self, engines: list[str]) -> str:
        """Return the engine whose defaults are shown: the chosen one, if it is among those that take a setting."""
        usual = schema()["properties"]["segmentation"]["properties"]["engine"]["default"]
        known = (self.engine, usual, *engines)
        return next((one for one in known if one in engines), self.engine)

    def _written(self, keys: Keys, value: Any) -> Iterator[str]:
        indent = "  " * (len(keys) - 1)
        # Scripts and environments have a line for each of theirs.
        spread = keys in (("scripts",), ("environments",))
        width = WIDTH - len(indent)
        name = in_one_line(str(keys[-1]))
        for line in entry(name, value, width, self.numbers, keys, spread=spread):
            yield f"{indent}{line}"


def _engines(rules: Mapping[str, dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(one for rule in rules.values() for one in rule.get("x-engines", [])))


def _engine_alone(rule: dict[str, Any]) -> str | None:
    engines = rule.get("x-engines", [])
    return engines[0] if len(engines) == 1 else None


def _only(section: dict[str, Any], part: dict[str, dict[str, Any]], rule: dict[str, Any]) -> str:
    """Return the words for a setting that not all engines take of those that take others beside it."""
    engines = rule.get("x-engines", [])
    if set(engines) == set(_engines(part)):
        return ""
    return " " + section["x-only"].format(engines=", ".join(engines))


def _comment(text: str, indent: str = "") -> Iterator[str]:
    """Yield the lines of a comment: each line of a text begins a new one."""
    for line in text.splitlines():
        yield from _wrapped(line, f"{indent}# ", f"{indent}# ")


def _wrapped(text: str, first: str, others: str) -> Iterator[str]:
    kept = _KEPT.sub(lambda found: found[0].replace(" ", _NO_BREAK), text)
    lines = textwrap.wrap(
        kept,
        WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )
    yield from (line.replace(_NO_BREAK, " ") for line in lines)


def _rows(rule: dict[str, Any], indent: str = "") -> Iterator[str]:
    """Yield the lines of what the values of a setting stand for, in two columns."""
    rows = meanings(rule)
    column = max((len(value) for value, _ in rows if len(value) <= _COLUMN), default=0)
    for value, text in rows:
        first = f"{indent}#   {value.ljust(column)}   "
        yield from _wrapped(text, first, f"{indent}#   {' ' * column}   ")


def _example(rule: dict[str, Any]) -> Iterator[str]:
    """Yield an example of a section as it stands in a config, as a comment."""
    for line in rule.get("x-shown", "").splitlines():
        yield f"#   {line}"
