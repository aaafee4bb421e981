"""What a form shows of a setting: all of it comes from the schema of the config, in the reader's language."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from segmake.config.edit import DEFAULT
from segmake.config.schema import default_of, schema
from segmake.config.setting_names import names_of
from segmake.config.typed_values import typed_value
from segmake.config.wanted_settings import said
from segmake.config.yaml_values import in_one_line, item_lines
from segmake.core.config import at
from segmake.messages import language

Kind = Literal["switch", "choice", "number", "lines", "text", "yaml"]

# As many people type a number in French.
_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*")
_WIDTH = 88


@dataclass(frozen=True)
class Field:
    """A setting in a form.

    Attributes
    ----------
    name : str
        In full, such as ``segmentation.diameter``.
    kind : {"switch", "choice", "number", "lines", "text", "yaml"}
        ``lines``: a list with an item in each line; ``yaml``: a section or list as in the file.
    title, unit, group : str
    text : tuple of str
        What it does, in paragraphs.
    choices : dict
        What its values stand for, by the values.
    examples : tuple
        Pairs of a value and what it is an example of.
    default : str
        As it is written; empty where nothing is chosen.
    engines : tuple of str
        The engines that take it; empty for all.
    """

    name: str
    kind: Kind
    title: str
    unit: str
    group: str
    text: tuple[str, ...]
    choices: dict[str, str]
    examples: tuple[tuple[str, str], ...]
    default: str
    engines: tuple[str, ...]

    @property
    def key(self) -> str:
        """Its name in its section."""
        return self.name.rpartition(".")[2]

    def takes(self, engine: str) -> bool:
        """Whether it has an effect with an engine."""
        return not self.engines or engine in self.engines

    def shown(self, settings: dict[str, Any]) -> str:
        """Return what a config says for it, as it stands in the form; empty where it says nothing.

        Parameters
        ----------
        settings : dict
            As `segmake.config.edited_text.settings_in` returns them.
        """
        names = names_of(self.name)
        value = at(settings, names)
        if value is None:
            written = said(settings, names)
            return "" if self.default == "" else written
        return self.written(value)

    def written(self, value: Any) -> str:
        """Return a value as it stands in the form."""
        if self.kind == "lines" and isinstance(value, list):
            return "\n".join(map(_plain, value))
        if self.kind == "yaml" and isinstance(value, dict | list) and value:
            return "\n".join(item_lines(value, _WIDTH))
        return _plain(value)

    def meant(self, text: str) -> Any:
        """Return the value that is meant by what was typed; `DEFAULT` for nothing.

        Raises
        ------
        Problem
            ``SM-EDT-004`` if it can't be understood.
        """
        text = text.replace("\r\n", "\n").strip()
        if not text:
            return DEFAULT
        if self.kind == "number" and _COMMA.fullmatch(text):
            text = text.replace(",", ".")
        if self.kind == "lines" and not text.startswith(("[", f"{self.key}:")):
            return [line.strip() for line in text.split("\n") if line.strip()]
        value = typed_value(self.name, text)
        # Messages and docs show whole lines of the file, with the name before the value.
        return value[self.key] if isinstance(value, dict) and [*value] == [self.key] else value


@dataclass(frozen=True)
class Section:
    """A section of the config in a form; a setting outside of all sections is one by itself."""

    name: str
    title: str
    text: tuple[str, ...]
    rare: str
    fields: tuple[Field, ...] = field(default=())

    def of_group(self, *groups: str) -> list[Field]:
        """Return the settings of some groups."""
        return [each for each in self.fields if each.group in groups]


def sections() -> tuple[Section, ...]:
    """Return all sections, in the order of the config, in the reader's language."""
    return _sections(language())


def all_fields() -> dict[str, Field]:
    """Return all settings by their names."""
    return {each.name: each for section in sections() for each in section.fields}


def field_of(key: str) -> str:
    """Return the name of the setting in the form that a key of a problem belongs to; empty if there is none."""
    known = all_fields()
    parts = key.split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((name for name in names if name in known), "")


@cache
def _sections(spoken: str) -> tuple[Section, ...]:
    return tuple(_section(name, rule) for name, rule in schema(spoken)["properties"].items())


def _section(name: str, rule: dict[str, Any]) -> Section:
    inner = rule.get("properties")
    if inner is None:
        return Section(name, rule["title"], (), "", (field_from(name, rule),))
    fields = tuple(field_from(f"{name}.{key}", child) for key, child in inner.items())
    rare = rule.get("x-rare", "")
    # What depends on the engine is filled in where a config is written.
    rare = "" if "{" in rare else rare
    return Section(name, rule["title"], _paragraphs(rule), rare, fields)


def field_from(name: str, rule: dict[str, Any]) -> Field:
    """Return a setting by what the schema says of it."""
    choices = dict(rule.get("x-choices", {}))
    for value in rule.get("enum", ()):
        if value is not None:
            choices.setdefault(value if isinstance(value, str) else json.dumps(value), "")
    default = default_of(rule, "")
    return Field(
        name=name,
        kind=_kind(rule),
        title=rule.get("title", name),
        unit=rule.get("x-unit", ""),
        group=rule.get("x-group", "more"),
        text=_paragraphs(rule),
        choices=choices,
        examples=tuple(
            (in_one_line(each["value"]), each.get("text", ""))
            for each in rule.get("x-examples", ())
        ),
        default="" if default is None else _plain(default),
        engines=tuple(rule.get("x-engines", ())),
    )


def _paragraphs(rule: dict[str, Any]) -> tuple[str, ...]:
    return tuple(filter(None, rule.get("x-text", rule.get("description", "")).split("\n")))


def _kind(rule: dict[str, Any]) -> Kind:
    if "enum" in rule:
        return "choice"
    kinds = [part.get("type") for part in rule.get("oneOf", [rule])]
    if kinds == ["boolean"]:
        return "switch"
    plain = {kind for each in kinds for kind in (each if isinstance(each, list) else [each])}
    # Beside a number, a word or two stand for one that is found in another way.
    words = {None} if any("enum" in part for part in rule.get("oneOf", ())) else set()
    plain -= {"null"}
    if plain - words and plain - words <= {"number", "integer"}:
        return "number"
    if kinds == ["array"] and _is_of_texts(rule.get("items", {})):
        return "lines"
    if "object" in plain or (kinds == ["array"] and "properties" in rule.get("items", {})):
        return "yaml"
    return "text"


def _is_of_texts(items: dict[str, Any]) -> bool:
    return items.get("type") == "string" or "enum" in items


def _plain(value: Any) -> str:
    """Return a value as one types it."""
    return value if isinstance(value, str) else in_one_line(value)


def number_in(text: str) -> float | None:
    """Return the number that a text is; None if it is none."""
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return None
