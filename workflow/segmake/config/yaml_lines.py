"""Reads the config file: its values as plain Python has them, the line of each, and how its numbers are written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from segmake.config.as_written import as_written
from segmake.config.schema import name_of
from segmake.config.yaml_faults import fault_of, in_words
from segmake.config.yaml_repairs import Repair, repaired, swallowed
from segmake.core.config import Config, Keys
from segmake.core.yaml_nodes import lines_of, plain
from segmake.messages import Problem, Problems, say
from segmake.messages.locations import location

# What no config that somebody wrote comes near to, and what can be read in seconds.
_MOST_BYTES = 1_000_000
# A text counts as one value for each so many characters.
_LONG_TEXT = 1_000
_MOST_VALUES = 20_000
_DEEPEST = 50

# A comment that follows a value and begins as no comment of a sentence does.
_CUT = re.compile(r" +#[^\s#]")
_CUT_LINE = re.compile(r"^[^#\n]*\S +#[^\s#]", re.MULTILINE)


def read_yaml(
    path: Path, text: str | None = None
) -> tuple[dict[str, Any], dict[Keys, int], dict[Keys, str]]:
    """Return what a file says, the line of each of its keys, and each number as it is written.

    Parameters
    ----------
    path : Path
    text : str, optional
        What is to stand in the file, in place of what stands there now.

    Raises
    ------
    Problems
        If it can't be read, or is no YAML.
    """
    try:
        text = text_of(path) if text is None else text
    except FileNotFoundError:
        raise Problems([Problem("SM-CFG-007", where=location(path))]) from None
    except UnicodeDecodeError:
        raise Problems([Problem("SM-CFG-008", where=location(path))]) from None
    except OSError as error:
        raise Problems(
            [Problem("SM-CFG-009", where=location(path), error=error.strerror)]
        ) from None
    _refuse_endless(text, path)
    try:
        written = YAML(typ="rt").load(text)
        settings, lines = plain(written), dict(lines_of(written))
        nodes = YAML().compose(text)
        numbers = dict(_numbers(nodes))
    except DuplicateKeyError as error:
        raise Problems(list(_twice(text, path)) or [_unnamed(error, path)]) from None
    except MarkedYAMLError as error:
        raise Problems([_no_yaml(path, text, error)]) from None
    except ReaderError as error:
        if error.character == 0:
            # Every other byte is zero in UTF-16 without its mark.
            raise Problems([Problem("SM-CFG-008", where=location(path))]) from None
        line = text.count("\n", 0, error.position) + 1
        raise Problems(
            [Problem("SM-CFG-005", where=location(path, line), error=in_words(error.reason))]
        ) from None
    except Exception as error:
        # YAML's rarer features (tags, dates that are none, a list within itself) fail in many ways.
        reason = in_words(str(error) or type(error).__name__)
        raise Problems([Problem("SM-CFG-005", where=location(path), error=reason)]) from None
    if meant := swallowed(text, nodes):
        raise Problems([_put_right(path, meant)])
    if not isinstance(settings, dict):
        raise Problems([Problem("SM-CFG-004", where=location(path))])
    return settings, lines, numbers


def _no_yaml(path: Path, text: str, error: MarkedYAMLError) -> Problem:
    """Return the problem of a text that the reader of YAML refuses."""
    line, fault = fault_of(error, text)
    if "escape" in (error.problem or ""):
        return Problem("SM-CFG-016", where=location(path, line))
    if repair := repaired(text, line or 1):
        return _put_right(path, repair, fault)
    return Problem("SM-CFG-005", where=location(path, line), error=fault)


def _put_right(path: Path, repair: Repair, fault: str = "") -> Problem:
    """Return the problem of a line that is no YAML, with how it was perhaps meant."""
    error = say(repair.fault) if repair.fault else fault
    # A message is indented itself: how far the line is can't be seen in it.
    spaces = len(repair.meant) - len(repair.meant.lstrip(" "))
    words = {"error": error, "line": repair.meant, "spaces": spaces}
    return Problem("SM-CFG-066", where=location(path, repair.line), **words)


def _twice(text: str, path: Path) -> Iterator[Problem]:
    """Yield a problem for each key that its section has already."""
    root = YAML().compose(text)
    lines = dict(_repeated(root))
    settings = as_written(root)
    told = Config(settings, path, lines, settings)
    for keys in lines:
        yield Problem("SM-CFG-006", where=told.where(*keys), name=name_of(keys))


def _repeated(node: Any, keys: Keys = ()) -> Iterator[tuple[Keys, int]]:
    """Yield the keys that lead to what its section has already, and its line (from 1)."""
    if isinstance(node, MappingNode):
        found = set()
        for key, value in node.value:
            if isinstance(key, ScalarNode):
                name = str(key.value)
                if name in found:
                    yield (*keys, name), key.start_mark.line + 1
                found.add(name)
                yield from _repeated(value, (*keys, name))
    elif isinstance(node, SequenceNode):
        for index, value in enumerate(node.value):
            yield from _repeated(value, (*keys, index))


def _unnamed(error: DuplicateKeyError, path: Path) -> Problem:
    """Return the problem of a key that is no text, such as a list."""
    return Problem(
        "SM-CFG-005",
        where=location(path, error.problem_mark.line + 1),
        error=in_words(error.problem),
    )


def text_of(path: Path) -> str:
    """Return what stands in a file, if it is one and no larger than any config."""
    size = path.stat().st_size
    if not path.is_file() and not path.is_dir():
        # A pipe would be waited for, and a device may have no end.
        error = say("config.no_file")
        raise Problems([Problem("SM-CFG-009", where=location(path), error=error)])
    if size > _MOST_BYTES:
        names = {"size": f"{size / 1e6:.0f}", "most": f"{_MOST_BYTES / 1e6:.0f}"}
        raise Problems([Problem("SM-CFG-044", where=location(path), **names)])
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
    for event in _events(text, path):
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
        where = location(path, line)
        if count > _MOST_VALUES:
            raise Problems([Problem("SM-CFG-043", where=where, most=_MOST_VALUES)])
        if len(opened) > _DEEPEST:
            raise Problems([Problem("SM-CFG-045", where=where, most=_DEEPEST)])


def _events(text: str, path: Path) -> Iterator[Any]:
    """Yield what PyYAML meets in a text, as far as it is YAML.

    Raises
    ------
    Problems
        ``SM-CFG-045`` if it is nested so deeply that PyYAML gives up.
    """
    try:
        yield from yaml.parse(text, Loader=getattr(yaml, "CLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        if error.problem_mark and "nesting depth" in (error.problem or ""):
            where = location(path, error.problem_mark.line + 1)
            raise Problems([Problem("SM-CFG-045", where=where, most=_DEEPEST)]) from None
    except (yaml.YAMLError, ValueError):
        return


def _numbers(node: Any, keys: Keys = ()) -> Iterator[tuple[Keys, str]]:
    """Yield the text of each number: 007 and 1e-3 are not what Python would make of them."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            yield from _numbers(value, (*keys, str(key.value)))
    elif isinstance(node, SequenceNode):
        for index, value in enumerate(node.value):
            yield from _numbers(value, (*keys, index))
    elif isinstance(node, ScalarNode) and str(node.tag).endswith((":int", ":float")):
        yield keys, node.value


def cut_by_comments(text: str, node: Any = None, keys: Keys = ()) -> Iterator[tuple[Keys, str]]:
    """Yield the keys of each value without quotes that a comment without a space follows (``/exp #3``), and both.

    Parameters
    ----------
    text : str
        YAML.
    node : Node, optional
        A part of it.
    keys : tuple
        Those that lead to it.
    """
    if node is None:
        # To read a config takes a while.
        node = YAML().compose(text) if _CUT_LINE.search(text) else None
    if isinstance(node, MappingNode):
        for key, value in node.value:
            yield from cut_by_comments(text, value, (*keys, str(key.value)))
    elif isinstance(node, SequenceNode):
        for index, value in enumerate(node.value):
            yield from cut_by_comments(text, value, (*keys, index))
    elif isinstance(node, ScalarNode) and node.style is None and node.value:
        rest = text[node.end_mark.index :].partition("\n")[0]
        if _CUT.match(rest):
            yield keys, f"{node.value}{rest}".partition(" # ")[0].rstrip()
