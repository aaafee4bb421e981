"""Brings the text of a config to what it is to say: what need not change stays as it is, to the byte.

A setting that stands there gets another value on its line. One that stands there as a comment (``#niter: null``) loses
its ``#``. Any other is put at the end of its section, above the comments of the next one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import SequenceMatcher
from typing import Any

from ruamel.yaml.nodes import CollectionNode, MappingNode, Node

from segmake.config.as_written import as_written, nodes_of, walk
from segmake.config.text_places import (
    BREAK,
    Entry,
    Section,
    break_before,
    column_of,
    entries,
    line_start,
    next_line,
)
from segmake.config.yaml_values import Keys, entry, in_one_line, item_lines

# The longest that a line of a list or a section may be.
WIDTH = 97

_BLANK = re.compile(r"^[ \t]*\r?\n", re.MULTILINE)


class Elsewhere(Exception):
    """A change would reach other places of the file, since what is to be changed is repeated there (``&`` and ``*``).

    Parameters
    ----------
    keys : tuple
        Those that lead to what is repeated.
    """

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        super().__init__(keys)


def rewritten(
    text: str, wanted: dict[str, Any], resting: Callable[[Keys], str | None] = lambda keys: None
) -> str:
    """Return the text of a config that says something else.

    Whether it does is for the caller to see: read the new text and compare.

    Parameters
    ----------
    text : str
        With whatever line ends; without a byte order mark.
    wanted : dict
        All that it is to say, as `segmake.config.as_written.as_written` returns it.
    resting : callable, optional
        Returns for the keys of a setting that is no longer to be said how its default is written, if it is to stay as
        a comment; None: its lines are removed.

    Raises
    ------
    Elsewhere
        If a change would reach other places of the file.
    YAMLError
        If the text is no YAML.
    ValueError
        If it is written in a way that is not understood here.
    """
    root = nodes_of(text)
    if not isinstance(root, MappingNode):
        raise ValueError("no section")
    work = _Rewriting(text, root, resting)
    work.change(Entry("", 0, 0, root, root.start_mark.index, len(text)), wanted, ())
    return work.result()


class _Rewriting:
    def __init__(self, text: str, root: Node, resting: Callable[[Keys], str | None]) -> None:
        self.text = text
        self.resting = resting
        self.edits: list[tuple[int, int, str]] = []
        seen: set[int] = set()
        self.repeated: set[int] = set()
        for node in walk(root):
            if node.anchor:
                (self.repeated if id(node) in seen else seen).add(id(node))

    def result(self) -> str:
        pieces, place = [], 0
        for start, end, new in sorted(self.edits, key=lambda edit: edit[:2]):
            if start < place and new:
                raise ValueError("two changes in one place")
            pieces += [self.text[place:start], new]
            place = max(place, end)
        return "".join([*pieces, self.text[place:]])

    def replace(self, start: int, end: int, new: str) -> None:
        self.edits.append((start, end, new))

    # What is to become of a value

    def change(self, there: Entry, wanted: Any, keys: Keys, *, in_line: bool = False) -> None:
        """Bring a value to what is wanted; `in_line`: within brackets or braces."""
        old = as_written(there.node)
        if old == wanted:
            return
        many = isinstance(there.node, CollectionNode)
        if id(there.node) in self.repeated and (many or not there.alias):
            raise Elsewhere(keys)
        inside = in_line or (many and not there.is_block)
        both = old and wanted and not there.alias
        if both and isinstance(old, dict) and isinstance(wanted, dict):
            self._change_section(there, old, wanted, keys, in_line=inside)
        elif both and isinstance(old, list) and isinstance(wanted, list):
            self._change_list(there, old, wanted, keys, in_line=inside)
        elif there.is_block and wanted == {} and any(self.resting((*keys, name)) for name in old):
            # Its settings become comments.
            self._change_section(there, old, {}, keys, in_line=False)
        elif len(keys) == 1 and not in_line and isinstance(wanted, dict) and not old:
            self._fill_section(there, wanted, keys)
        else:
            self._put(there, wanted, keys, in_line=in_line)

    def _change_section(
        self, there: Entry, old: dict, wanted: dict, keys: Keys, *, in_line: bool
    ) -> None:
        found = list(entries(self.text, there.node))
        own = {each.name: each for each in found if each.name != "<<"}
        gone = [name for name in old if name not in wanted]
        if lent := [name for name in gone if name not in own]:
            raise Elsewhere((*keys, lent[0]))
        if gone and in_line:
            self.replace(there.start, there.end, in_one_line(wanted))
            return
        for name, each in own.items():
            if name in wanted:
                self.change(each, wanted[name], (*keys, name), in_line=in_line)
        new = {
            name: value
            for name, value in wanted.items()
            if name not in own and not (name in old and old[name] == value)
        }
        if in_line:
            if new:
                self.replace(found[-1].end, found[-1].end, f", {in_one_line(new)[1:-1]}")
            return
        section = Section(self.text, there, found, is_root=not keys)
        for name in gone:
            self._remove(section, name, (*keys, name))
        self._insert(section, new, keys)

    def _fill_section(self, there: Entry, wanted: dict, keys: Keys) -> None:
        """Put settings into a section that has none: its line ends with its colon, perhaps with comments below."""
        if there.end > there.head:
            self.replace(there.head, there.end, "")
        self._insert(Section(self.text, there, []), wanted, keys)

    def _insert(self, section: Section, new: dict[str, Any], keys: Keys) -> None:
        """Put settings into a section with lines of its own, in the place of their comments or at its end."""
        lines: list[str] = []
        for name, value in new.items():
            written = _lines(in_one_line(name), value, section.column, (*keys, name))
            if place := section.commented(name, self.resting((*keys, name)) is not None):
                self._put_lines(*place, written, section.column)
            else:
                apart = not keys and len(written) > 1 and _BLANK.search(self.text)
                lines += ["", *written] if apart else written
        lines = [f"{' ' * section.column}{line}".rstrip(" ") for line in lines]
        if lines:
            self._insert_lines(section.close, lines)

    def _put_lines(self, start: int, end: int, written: list[str], column: int) -> None:
        """Put the lines of a setting in the place of something on one line, the comment behind which stays."""
        self.replace(start, end, written[0])
        rest = [f"{' ' * column}{line}" for line in written[1:]]
        if rest:
            self._insert_lines(next_line(self.text, end), rest)

    def _insert_lines(self, place: int, lines: list[str]) -> None:
        """Insert lines where a line begins, or at the end of a text, with the line ends of the line before."""
        end = break_before(self.text, place)
        if place == len(self.text) and place and not self.text.endswith(("\n", "\r")):
            self.replace(place, place, "".join(f"{end}{line}" for line in lines))
        else:
            self.replace(place, place, "".join(f"{line}{end}" for line in lines))

    def _delete_lines(self, start: int, end: int) -> None:
        """Delete the lines on which something stands."""
        first, last = line_start(self.text, start), next_line(self.text, end)
        if last == len(self.text) and first and not self.text.endswith(("\n", "\r")):
            # The file ends without a line end, as before.
            first -= len(break_before(self.text, first))
        self.replace(first, last, "")

    def _remove(self, section: Section, name: str, keys: Keys) -> None:
        """Make a comment of a setting, or remove its lines."""
        there = section.own[name]
        default = self.resting(keys)
        alone = not self.text[line_start(self.text, there.first) : there.first].strip()
        if not alone:
            # The first of a list's item, behind the dash.
            rest = [each for each in section.found if each.first > there.first]
            if not rest:
                raise ValueError("nothing would be left")
            self.replace(there.first, rest[0].first, "")
        elif default is None or section.commented(name, plain=True):
            self._delete_lines(there.first, there.end)
        elif there.is_block:
            self.replace(
                there.first, there.head, f"#{self.text[there.first : there.head]} {default}"
            )
            self._delete_lines(there.start, there.end)
        else:
            self.replace(
                there.first, there.end, f"#{self.text[there.first : there.head]} {default}"
            )

    # Lists

    def _change_list(
        self, there: Entry, old: list, wanted: list, keys: Keys, *, in_line: bool
    ) -> None:
        found = list(entries(self.text, there.node))
        if in_line:
            if len(old) == len(wanted):
                for index, each in enumerate(found):
                    self.change(each, wanted[index], (*keys, index), in_line=True)
            elif wanted[: len(old)] == old:
                added = in_one_line(wanted[len(old) :])[1:-1]
                self.replace(found[-1].end, found[-1].end, f", {added}")
            else:
                self.replace(there.start, there.end, in_one_line(wanted))
            return
        column = column_of(self.text, found[0].first)
        if self.text[found[0].first - column : found[0].first].strip():
            # A list that is the first item of another.
            raise ValueError("a list within a list")
        before, after = ([repr(each) for each in one] for one in (old, wanted))
        same = SequenceMatcher(None, before, after, autojunk=False)
        for _, i1, i2, j1, j2 in same.get_opcodes():
            for index in range(i1, i2):
                if index - i1 < j2 - j1:
                    now = j1 + index - i1
                    self.change(found[index], wanted[now], (*keys, now))
                else:
                    self._delete_lines(found[index].first, found[index].end)
            if more := wanted[j1 + i2 - i1 : j2]:
                place = found[0].first - column
                if i2 == len(old):
                    place = Section(self.text, there, found).close
                elif i2:
                    place = next_line(self.text, found[i2 - 1].end)
                lines = item_lines(more, WIDTH - column)
                self._insert_lines(place, [f"{' ' * column}{line}" for line in lines])

    # A value as a whole

    def _put(self, there: Entry, wanted: Any, keys: Keys, *, in_line: bool) -> None:
        """Put a value in the place of another one."""
        in_line = in_line or not there.name
        column = column_of(self.text, there.first)
        name = self.text[there.first : there.head - 1]
        lines = [f"{name}: {in_one_line(wanted)}"]
        if not in_line:
            lines = _lines(name, wanted, column, keys)
        value = lines[0][len(name) + 1 :]
        if there.is_block and BREAK.search(self.text, there.head, there.start):
            self.replace(there.head, there.head, value)
            self._delete_lines(there.start, there.end)
            below = next_line(self.text, there.end)
        else:
            # Spaces before a value stay, and go with it where nothing stands on this line any more.
            start = there.start if value else there.head
            self.replace(start, there.end, value if start == there.end else value.lstrip())
            below = next_line(self.text, there.end)
        if lines[1:]:
            self._insert_lines(below, [f"{' ' * column}{line}" for line in lines[1:]])


def _lines(name: str, value: Any, column: int, keys: Keys) -> list[str]:
    """Return the lines of a setting; a section of the file, and the scripts, have a line for each of theirs."""
    spread = len(keys) == 1 and (isinstance(value, dict) or keys == ("scripts",))
    return entry(name, value, WIDTH - column, spread=spread)
