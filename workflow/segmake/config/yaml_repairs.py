"""How a line that makes a file no YAML was perhaps meant: the usual mistakes are undone, and the file is read again.

The reader of YAML often stops some lines below the one that is wrong. Whichever line makes the file readable when it is
put right is the one to be told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any, NamedTuple

import yaml
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from segmake.config.schema import schema
from segmake.config.yaml_faults import line_of

# So many settings above the place where the reader stopped are tried, and so many heads of sections further up.
_LINES_ABOVE = 15

_LINE = re.compile(
    r"(?P<margin>\s*)(?P<dash>(?:- +)?)(?P<key>[\w.]+)(?P<colon> *: +)(?P<value>.*\S)\s*"
)
# What PyYAML takes for the end of a line, and the config's own reader does not.
_RARE_BREAKS = str.maketrans("\x85\u2028\u2029", "   ")
_NO_SPACES = re.compile(r"[\t\u00a0\u2000-\u200a\u202f\u3000]")


class Repair(NamedTuple):
    """A line that is to be put right.

    Attributes
    ----------
    line : int
        Counted from 1.
    meant : str
        How it reads then.
    fault : str or None
        The sentence that says what is wrong with it; None: what the reader of YAML says.
    """

    line: int
    meant: str
    fault: str | None


def repaired(text: str, line: int) -> Repair | None:
    """Return which line of a text is to be put right, and how; None if no usual mistake is found.

    Parameters
    ----------
    text : str
        What is no YAML.
    line : int
        Where the reader stopped, or where it is known to be wrong; counted from 1.
    """
    lines = text.split("\n")
    stopped = max(_read(text)[0] or 0, line)
    readable = further = None
    for number in [line, *_above(lines, line)]:
        for meant, fault in _meant(lines, number):
            end, known = _read("\n".join([*lines[: number - 1], meant, *lines[number:]]))
            found = Repair(number, meant, fault)
            if end is None and known:
                return found
            if end is None:
                readable = readable or found
            elif end > stopped:
                # What else is wrong is told once this is put right.
                further = further or found
    return readable or further


def _above(lines: list[str], line: int) -> Iterator[int]:
    """Yield the lines of the settings above one, the nearest first, and further up of those that begin a section.

    The reader goes on to the end of a section whose own line is in the wrong column.
    """
    above = (number for number in range(line - 1, 0, -1) if _is_setting(lines[number - 1]))
    yield from islice(above, _LINES_ABOVE)
    heads = (number for number in above if lines[number - 1].rstrip().endswith(":"))
    yield from islice(heads, _LINES_ABOVE)


def swallowed(text: str, root: Any) -> Repair | None:
    """Return what makes YAML take a setting for a part of the value above it: no space behind its colon, or a quote.

    Parameters
    ----------
    text : str
    root : Node
        What it was read as.
    """
    lines = text.split("\n")
    for own, last, quote in _long_values(text, root):
        for number in range(own + 1, last + 1):
            line = lines[number - 1]
            found = _LINE.fullmatch(line)
            if quote and found and found["key"] in _names():
                return Repair(own, lines[own - 1].rstrip() + quote, "yaml.quote")
            if not quote and (meant := _with_blank(line)):
                return Repair(number, meant, "yaml.colon")
    return None


def _long_values(text: str, node: Any) -> Iterator[tuple[int, int, str]]:
    """Yield the line of the key of each value, the last one of the value, and its quote, if it has any."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(value, ScalarNode) and value.style in (None, "'", '"'):
                own, last = (line_of(text, mark) for mark in (key.end_mark, value.end_mark))
                yield own, last, value.style or ""
            yield from _long_values(text, value)
    elif isinstance(node, SequenceNode):
        for each in node.value:
            yield from _long_values(text, each)


def _read(text: str) -> tuple[int | None, bool]:
    """Return the line (from 1) at which a text can't be read any more, if any, and whether it holds settings alone."""
    try:
        node = yaml.compose(
            text.translate(_RARE_BREAKS), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        )
    except yaml.MarkedYAMLError as error:
        return (line_of(text, error.problem_mark) if error.problem_mark else 1), False
    except (yaml.YAMLError, ValueError, RecursionError):
        return 1, False
    return None, _holds_settings(node, schema())


def _holds_settings(node: Any, rule: dict[str, Any]) -> bool:
    """Whether each key of a section and of its sections is one of the schema's."""
    known = {
        name: child for part in _parts(rule) for name, child in part.get("properties", {}).items()
    }
    if not isinstance(node, yaml.MappingNode) or not known:
        return True
    return all(
        key.value in known and _holds_settings(value, known[key.value])
        for key, value in node.value
        if isinstance(key, yaml.ScalarNode)
    )


def _parts(rule: dict[str, Any]) -> list[dict[str, Any]]:
    return [rule, *rule.get("oneOf", [])]


def _is_setting(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _meant(lines: list[str], number: int) -> Iterator[tuple[str, str | None]]:
    """Yield what a line may have been meant to be, the likeliest first, and what is wrong with it then."""
    line = lines[number - 1].rstrip("\r")
    spaces = _NO_SPACES.sub(lambda found: "  " if found[0] == "\t" else " ", line)
    if spaces != line:
        fault = "yaml.tab" if "\t" in line else "yaml.space"
        for meant in [*_indented(lines, number, spaces), spaces]:
            yield meant, fault
    if blank := _with_blank(spaces):
        for meant in [blank, *_indented(lines, number, blank)]:
            yield meant, "yaml.colon"
    yield from _other_marks(spaces)
    for meant in _indented(lines, number, spaces):
        yield meant, "yaml.column"


def _other_marks(line: str) -> Iterator[tuple[str, str | None]]:
    """Yield a line with the mark that it may lack: a dash, a colon, what closes a bracket, quotes."""
    if dashed := re.fullmatch(r"(\s*)-([^\s-].*)", line):
        yield f"{dashed[1]}- {dashed[2]}", "yaml.dash"
    named = re.fullmatch(r"(\s*)(\w+)(?: *= *| +|$)(.*)", line)
    if named and named[2] in _names():
        yield f"{named[1]}{named[2]}: {named[3]}".rstrip(), "yaml.colon"
    for begin, end in ('""', "''", "[]", "{}"):
        if begin in line:
            yield line.rstrip() + end, None
    if found := _LINE.fullmatch(line):
        fault = "yaml.colon_inside" if re.search(r":(\s|$)", found["value"]) else None
        for meant in _with_quotes(found):
            yield meant, fault
    elif item := re.fullmatch(r"(\s*- +)(.*\S)\s*", line):
        yield item[1] + _quoted(item[2]), None


def _with_blank(line: str) -> str | None:
    """Return a line with a space behind the colon of its setting, where it has none."""
    found = re.fullmatch(r"(\s*(?:- +)?)(\w+):([^\s:/\\].*)", line.rstrip())
    return f"{found[1]}{found[2]}: {found[3]}" if found and found[2] in _names() else None


def _with_quotes(found: re.Match[str]) -> Iterator[str]:
    """Yield a setting with its value in quotes, in brackets too where it is a list."""
    before = found["margin"] + found["dash"] + found["key"] + found["colon"]
    value = found["value"]
    if value[0] == "[" and value[-1] == "]":
        items = [each.strip() for each in value[1:-1].split(",")]
        yield f"{before}[{', '.join(map(_quoted, items))}]"
    elif found["key"] in ("include", "exclude"):
        yield f"{before}[{', '.join(_quoted(each.strip()) for each in value.split(','))}]"
    yield before + _quoted(value)


def _quoted(text: str) -> str:
    """Return a text in quotes, as it stands there: double ones, in which a backslash has no place."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text
    return "'" + text.replace("'", "''") + "'" if '"' in text or "\\" in text else f'"{text}"'


def _indented(lines: list[str], number: int, line: str) -> Iterator[str]:
    """Yield a line in each of the columns in which the lines around it begin, the nearest one first."""
    words, own = line.lstrip(), len(line) - len(line.lstrip())
    above = [each for each in reversed(lines[: number - 1]) if _is_setting(each)]
    below = [each for each in lines[number:] if _is_setting(each)]
    columns = []
    for each in [*above[:_LINES_ABOVE], *below[:2]]:
        column = len(each) - len(each.lstrip(" "))
        columns += [column + 2] if each.rstrip().endswith(":") else []
        columns.append(column)
    for column in dict.fromkeys([*columns, 0]):
        if column != own:
            yield " " * column + words


@cache
def _names() -> frozenset[str]:
    """Return what settings and sections are called."""

    def inner(rule: dict[str, Any]) -> Iterator[str]:
        for name, child in rule.get("properties", {}).items():
            yield name
            yield from inner(child)
        for part in [*rule.get("oneOf", []), rule.get("items"), rule.get("additionalProperties")]:
            if isinstance(part, dict):
                yield from inner(part)

    return frozenset(inner(schema()))
