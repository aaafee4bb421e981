"""Brings the text of a config to what it is to say: what need not change stays as it is, to the byte.

A setting that stands there gets another value on its line. One that stands there as a comment (``#niter: null``) loses
its ``#``. Any other is put at the end of its section, above the comments of the next one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from segmake.config.as_written import as_written, is_merge, nodes_of, walk
from segmake.config.yaml_values import Keys, entry, in_one_line, item_lines

# The longest that a line of a list or a section may be.
WIDTH = 97

_BREAK = re.compile(r"\r\n|\n|\r")
_BLANK = re.compile(r"^[ \t]*\r?\n", re.MULTILINE)
_ALIAS = re.compile(r"[\s,\[]*(\*[^\s,\[\]{}]+)")


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
    work.change(_Entry("", 0, 0, root, root.start_mark.index, len(text)), wanted, ())
    return work.result()


@dataclass(frozen=True)
class _Entry:
    """A value in the text; places are indices of characters.

    Attributes
    ----------
    name : str
        The key of one in a section.
    first : int
        Where its key or its dash stands; in a list in brackets, the value.
    head : int
        Behind its colon or its dash.
    node : Node
    start, end : int
        Of the value itself; both are `head` where there is none.
    alias : bool
        Whether it repeats what stands elsewhere.
    """

    name: str
    first: int
    head: int
    node: Node
    start: int
    end: int
    alias: bool = False

    @property
    def is_block(self) -> bool:
        """Whether it is a list or a section with lines of its own."""
        return isinstance(self.node, CollectionNode) and not self.node.flow_style


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

    def change(self, there: _Entry, wanted: Any, keys: Keys, *, in_line: bool = False) -> None:
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
        self, there: _Entry, old: dict, wanted: dict, keys: Keys, *, in_line: bool
    ) -> None:
        found = list(self._entries(there.node))
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
        section = _Section(self.text, there, found, is_root=not keys)
        for name in gone:
            self._remove(section, name, (*keys, name))
        self._insert(section, new, keys)

    def _fill_section(self, there: _Entry, wanted: dict, keys: Keys) -> None:
        """Put settings into a section that has none: its line ends with its colon, perhaps with comments below."""
        if there.end > there.head:
            self.replace(there.head, there.end, "")
        self._insert(_Section(self.text, there, []), wanted, keys)

    def _insert(self, section: _Section, new: dict[str, Any], keys: Keys) -> None:
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
            self._insert_lines(_next_line(self.text, end), rest)

    def _insert_lines(self, place: int, lines: list[str]) -> None:
        """Insert lines where a line begins, or at the end of a text, with the line ends of the line before."""
        end = _line_end(self.text, place)
        if place == len(self.text) and place and not self.text.endswith(("\n", "\r")):
            self.replace(place, place, "".join(f"{end}{line}" for line in lines))
        else:
            self.replace(place, place, "".join(f"{line}{end}" for line in lines))

    def _delete_lines(self, start: int, end: int) -> None:
        """Delete the lines on which something stands."""
        first, last = _line_start(self.text, start), _next_line(self.text, end)
        if last == len(self.text) and first and not self.text.endswith(("\n", "\r")):
            # The file ends without a line end, as before.
            first -= len(_line_end(self.text, first))
        self.replace(first, last, "")

    def _remove(self, section: _Section, name: str, keys: Keys) -> None:
        """Make a comment of a setting, or remove its lines."""
        there = section.own[name]
        default = self.resting(keys)
        alone = not self.text[_line_start(self.text, there.first) : there.first].strip()
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
        self, there: _Entry, old: list, wanted: list, keys: Keys, *, in_line: bool
    ) -> None:
        found = list(self._entries(there.node))
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
        column = found[0].first - _line_start(self.text, found[0].first)
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
                    place = _Section(self.text, there, found).close
                elif i2:
                    place = _next_line(self.text, found[i2 - 1].end)
                lines = item_lines(more, WIDTH - column)
                self._insert_lines(place, [f"{' ' * column}{line}" for line in lines])

    # A value as a whole

    def _put(self, there: _Entry, wanted: Any, keys: Keys, *, in_line: bool) -> None:
        """Put a value in the place of another one."""
        in_line = in_line or not there.name
        column = there.first - _line_start(self.text, there.first)
        name = self.text[there.first : there.head - 1]
        lines = [f"{name}: {in_one_line(wanted)}"]
        if not in_line:
            lines = _lines(name, wanted, column, keys)
        value = lines[0][len(name) + 1 :]
        if there.is_block and _BREAK.search(self.text, there.head, there.start):
            self.replace(there.head, there.head, value)
            self._delete_lines(there.start, there.end)
            below = _next_line(self.text, there.end)
        else:
            # Spaces before a value stay, and go with it where nothing stands on this line any more.
            start = there.start if value else there.head
            self.replace(start, there.end, value if start == there.end else value.lstrip())
            below = _next_line(self.text, there.end)
        if lines[1:]:
            self._insert_lines(below, [f"{' ' * column}{line}" for line in lines[1:]])

    # Where things stand

    def _entries(self, node: Node) -> Iterator[_Entry]:
        """Yield the values of a section or a list."""
        if isinstance(node, MappingNode):
            for key, value in node.value:
                first, end = key.start_mark.index, key.end_mark.index
                head = self.text.index(":", end) + 1
                name = "<<" if is_merge(key) else str(key.value)
                yield self._entry(name, first, head, value)
            return
        if not isinstance(node, SequenceNode):
            return
        place = node.start_mark.index
        column = place - _line_start(self.text, place)
        dash = re.compile(rf"^ {{{column}}}-(?=\s|\Z)", re.MULTILINE)
        for index, value in enumerate(node.value):
            if node.flow_style:
                first = place = max(place, value.start_mark.index)
            else:
                found = dash.search(self.text, place) if index else None
                first = found.end() - 1 if found else place
                if self.text[first] != "-":
                    raise ValueError("a list whose dashes are not seen")
                place = first + 1
            one = self._entry("", first, place, value)
            yield one
            place = one.end

    def _entry(self, name: str, first: int, head: int, node: Node) -> _Entry:
        start, end = node.start_mark.index, node.end_mark.index
        if start < head:
            # It stands further up, and is repeated here.
            found = _ALIAS.match(self.text, head)
            if not found:
                raise ValueError("a repeated value that is not seen")
            return _Entry(name, first, head, node, found.start(1), found.end(1), alias=True)
        if start == end or (isinstance(node, ScalarNode) and not self.text[start:end].strip()):
            return _Entry(name, first, head, node, head, head)
        if isinstance(node, ScalarNode) and node.style and node.style in "|>":
            end = start + len(self.text[start:end].rstrip())
        elif isinstance(node, CollectionNode) and not node.flow_style:
            *_, last = self._entries(node)
            end = last.end
        return _Entry(name, first, head, node, start, end)


class _Section:
    """The lines of a section (or a list).

    Attributes
    ----------
    column : int
        Where its keys begin.
    close : int
        Where a line at its end is put: below its last setting, and below the comments that are indented as belongs to
        it.
    """

    def __init__(
        self, text: str, there: _Entry, found: list[_Entry], *, is_root: bool = False
    ) -> None:
        self.text = text
        self.found = found
        self.own = {each.name: each for each in found}
        above = -1 if is_root else there.first - _line_start(text, there.first)
        last = found[-1].end if found else there.end
        self.open = 0 if is_root else _next_line(text, there.head)
        self.close, column = self._end(_next_line(text, last), above)
        if found:
            column = found[0].first - _line_start(text, found[0].first)
        self.column = above + 2 if column is None else column

    def _end(self, place: int, above: int) -> tuple[int, int | None]:
        """Return where a section ends, with its comments, and the column of the first setting among these."""
        close, column = place, None
        while place < len(self.text):
            after = _next_line(self.text, place)
            line = self.text[place:after]
            words = line.lstrip(" ")
            indent = len(line) - len(words)
            if words.startswith("#") and indent > above:
                close = after
                if column is None and re.match(r"#\w+:( |$)", words.rstrip()):
                    column = indent
            elif words.strip():
                break
            place = after
        return close, column

    def commented(self, name: str, plain: bool) -> tuple[int, int] | None:
        """Return where a setting stands as a comment: its ``#``, and the end of its value.

        Parameters
        ----------
        name : str
        plain : bool
            Whether it is a setting that has a default, which the config may show so.
        """
        key = f"(?:{re.escape(in_one_line(name))}|{re.escape(name)}|{re.escape(json.dumps(name))})"
        line = re.compile(
            rf"^ {{{self.column}}}(#( ?){key} *:(?=[ \r\n]|\Z)([^\r\n]*))", re.MULTILINE
        )
        for found in line.finditer(self.text, self.open, self.close):
            if any(each.first < found.start(1) < each.end for each in self.found):
                continue
            end = _value_end(found[3])
            words = found[3][:end].strip()
            # "# model: the network" is no setting, but "# niter: 200" is one that somebody put aside.
            if found[2] and not (plain and words and (words[0] in "[{\"'" or " " not in words)):
                continue
            return found.start(1), found.start(3) + end
        return None


def _lines(name: str, value: Any, column: int, keys: Keys) -> list[str]:
    """Return the lines of a setting; a section of the file, and the scripts, have a line for each of theirs."""
    spread = len(keys) == 1 and (isinstance(value, dict) or keys == ("scripts",))
    return entry(name, value, WIDTH - column, spread=spread)


def _value_end(rest: str) -> int:
    """Return where a value ends, of what stands behind a colon: a comment may follow."""
    with suppress(YAMLError, ValueError):
        node = nodes_of(f"a:{rest}")
        if isinstance(node, MappingNode):
            value = node.value[0][1]
            if not _is_empty(value):
                return value.end_mark.index - 2
            return 0
    return len(rest.rstrip())


def _is_empty(node: Node) -> bool:
    return isinstance(node, ScalarNode) and not node.value and not node.style


def _line_start(text: str, place: int) -> int:
    return max(text.rfind("\n", 0, place), text.rfind("\r", 0, place)) + 1


def _next_line(text: str, place: int) -> int:
    """Return where the line below the one of a place begins; the end of the text, if there is none."""
    found = _BREAK.search(text, place)
    return found.end() if found else len(text)


def _line_end(text: str, place: int) -> str:
    """Return how the line before the one that begins at a place ends, or else any line of the text."""
    for found in (
        re.search(r"(?:\r\n|\n|\r)\Z", text[max(0, place - 2) : place]),
        _BREAK.search(text),
    ):
        if found:
            return found[0]
    return "\n"
