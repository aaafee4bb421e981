"""Where the values of a config stand in its text, and the lines of its sections."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from segmake.config.as_written import is_merge, nodes_of
from segmake.config.yaml_values import in_one_line

BREAK = re.compile(r"\r\n|\n|\r")
_ALIAS = re.compile(r"[\s,\[]*(\*[^\s,\[\]{}]+)")
# The mark or the tag of a list, and what may stand between it and the first dash.
_PROPERTIES = re.compile(r"[&!]\S*(?:[&!]\S*|\s|#[^\r\n]*)*")


@dataclass(frozen=True)
class Entry:
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


def entries(text: str, node: Node) -> Iterator[Entry]:
    """Yield the values of a section or a list."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            first, end = key.start_mark.index, key.end_mark.index
            head = text.index(":", end) + 1
            name = "<<" if is_merge(key) else str(key.value)
            yield _entry(text, name, first, head, value)
        return
    if not isinstance(node, SequenceNode):
        return
    place = node.start_mark.index
    if found := _PROPERTIES.match(text, place):
        place = found.end()
    column = column_of(text, place)
    dash = re.compile(rf"^ {{{column}}}-(?=\s|\Z)", re.MULTILINE)
    for index, value in enumerate(node.value):
        if node.flow_style:
            first = place = max(place, value.start_mark.index)
        else:
            later = dash.search(text, place) if index else None
            first = later.end() - 1 if later else place
            if text[first] != "-":
                raise ValueError("a list whose dashes are not seen")
            place = first + 1
        one = _entry(text, "", first, place, value)
        yield one
        place = one.end


def _entry(text: str, name: str, first: int, head: int, node: Node) -> Entry:
    start, end = node.start_mark.index, node.end_mark.index
    if start < head:
        # It stands further up, and is repeated here.
        found = _ALIAS.match(text, head)
        if not found:
            raise ValueError("a repeated value that is not seen")
        return Entry(name, first, head, node, found.start(1), found.end(1), alias=True)
    if start == end or (isinstance(node, ScalarNode) and not text[start:end].strip()):
        return Entry(name, first, head, node, head, head)
    if isinstance(node, ScalarNode) and node.style and node.style in "|>":
        end = start + len(text[start:end].rstrip())
    elif isinstance(node, CollectionNode) and not node.flow_style:
        *_, last = entries(text, node)
        end = last.end
    return Entry(name, first, head, node, start, end)


class Section:
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
        self, text: str, there: Entry, found: list[Entry], *, is_root: bool = False
    ) -> None:
        self.text = text
        self.found = found
        self.own = {each.name: each for each in found}
        above = -1 if is_root else column_of(text, there.first)
        last = found[-1].end if found else there.end
        self.open = 0 if is_root else next_line(text, there.head)
        self.close, column = self._end(next_line(text, last), above)
        if found:
            column = column_of(text, found[0].first)
        self.column = above + 2 if column is None else column

    def _end(self, place: int, above: int) -> tuple[int, int | None]:
        """Return where a section ends, with its comments, and the column of the first setting among these."""
        close, column = place, None
        while place < len(self.text):
            after = next_line(self.text, place)
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
            # "#model: the network" is a note, but "# niter: 200" is a setting that somebody put aside.
            if (" " in words and words[0] not in "[{\"'") or (found[2] and not (plain and words)):
                continue
            return found.start(1), found.start(3) + end
        return None


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


def column_of(text: str, place: int) -> int:
    """Return how many characters stand before a place on its line."""
    return place - line_start(text, place)


def line_start(text: str, place: int) -> int:
    """Return where the line of a place begins."""
    return max(text.rfind("\n", 0, place), text.rfind("\r", 0, place)) + 1


def next_line(text: str, place: int) -> int:
    """Return where the line below the one of a place begins; the end of the text, if there is none."""
    found = BREAK.search(text, place)
    return found.end() if found else len(text)


def break_before(text: str, place: int) -> str:
    """Return how the line before the one that begins at a place ends, or else any line of the text."""
    for found in (
        re.search(r"(?:\r\n|\n|\r)\Z", text[max(0, place - 2) : place]),
        BREAK.search(text),
    ):
        if found:
            return found[0]
    return "\n"
