"""What a page of the docs has: headings, blocks, pictures, links, names of files and commands."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.projects import ROOT

_READER = MarkdownIt("commonmark").enable("table")
# What a comment says of the page (place), or of the block after it (all others).
_MARK = re.compile(r"<!--\s*(place|not run|file|below|fails)\b:?\s*(.*?)\s*-->", re.DOTALL)
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes
    ----------
    language : str
        What stands after the fence, such as ``bash``; ``{toctree}`` for a directive.
    text : str
    line : int
        That of the fence, from 1.
    marks : dict
        What comments before it say: ``not run``, ``file``, ``below``, ``fails``.
    section : int
        The number of the heading that it stands below, from 0.
    """

    language: str
    text: str
    line: int
    marks: dict[str, str]
    section: int

    @property
    def is_directive(self) -> bool:
        return self.language.startswith("{")


@dataclass
class Page:
    """A page; lines are counted from 1."""

    path: Path
    place: str = ""
    headings: list[tuple[int, str, int]] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    pictures: list[tuple[str, int]] = field(default_factory=list)
    links: list[tuple[str, int]] = field(default_factory=list)
    code: list[tuple[str, int]] = field(default_factory=list)
    prose: list[tuple[str, int]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return (
            self.path.relative_to(ROOT).as_posix()
            if self.path.is_relative_to(ROOT)
            else str(self.path)
        )

    @property
    def is_french(self) -> bool:
        return self.path.name.endswith(".fr.md")

    def at(self, line: int) -> str:
        return f"{self.name}:{line}"


def pages() -> list[Path]:
    """Return the pages that readers see, sorted."""
    return sorted(
        [
            *(ROOT / "docs").rglob("*.md"),
            *(ROOT / "config").rglob("*.md"),
            *ROOT.glob("README*.md"),
            *ROOT.glob("CONTRIBUTING*.md"),
        ]
    )


def french_of(page: Path) -> Path:
    """Return where the French of an English page is."""
    return page.with_name(f"{page.name.removesuffix('.md')}.fr.md")


def read(path: Path) -> Page:
    """Return what a page has."""
    page = Page(path)
    marks: dict[str, str] = {}
    line = 1
    tokens = _READER.parse(path.read_text(encoding="utf-8"))
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        line = token.map[0] + 1 if token.map else line
        if token.type == "html_block":
            found = dict(_MARK.findall(token.content))
            page.place = found.pop("place", page.place)
            marks |= found
        elif token.type == "fence":
            section = len(page.headings)
            page.blocks.append(Block(token.info.strip(), token.content, line, marks, section))
            marks = {}
        elif token.type == "heading_open" and following:
            page.headings.append((int(token.tag[1]), following.content, line))
        elif token.type == "inline":
            marks = {}
            _read_words(token, line, page)
    return page


def _read_words(token: Token, line: int, page: Page) -> None:
    """Add what stands in a paragraph, a heading or a cell of a table."""
    said = ""
    for child in token.children or []:
        if child.type == "softbreak":
            line += 1
            said += " "
        elif child.type == "code_inline":
            page.code.append((child.content, line))
        elif child.type == "image":
            page.pictures.append((str(child.attrs["src"]), line))
            said += child.content
        elif child.type == "link_open":
            page.links.append((str(child.attrs["href"]), line))
        elif child.type == "text":
            said += child.content
    page.prose.append((said, line))


def lines_of(text: str, block: Block) -> tuple[int, int]:
    """Return the first and the last line, from 0, of what stands between the fences of a block in the text of its page."""
    lines = text.splitlines()
    start = block.line
    end = start
    while end < len(lines) and not _FENCE.match(lines[end]):
        end += 1
    return start, end
