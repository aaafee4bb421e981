"""A text that a user's script wrote for the report, made harmless.

Whatever it holds, it can show text, tables and its own pictures, and nothing else: it runs nothing, loads nothing,
covers nothing, and ends where its place on the page ends.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nh3
from markdown_it import MarkdownIt

from segmake.report.embedded_pictures import embedded
from segmake.report.parts import href, inside

LONGEST_TEXT = 200_000  # bytes
LONGEST_PICTURE = 1200  # pixels
MOST_PICTURES = 40
LONGEST_NAME = 60

_TEXT = {
    "a",
    "abbr",
    "b",
    "br",
    "cite",
    "code",
    "del",
    "em",
    "i",
    "ins",
    "kbd",
    "mark",
    "q",
    "s",
    "samp",
}
_TEXT |= {"small", "span", "strong", "sub", "sup", "u", "var"}
_BLOCKS = {
    "blockquote",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "hr",
    "li",
    "ol",
    "p",
    "pre",
    "summary",
    "ul",
}
_TABLES = {"caption", "col", "colgroup", "table", "tbody", "td", "tfoot", "th", "thead", "tr"}
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_FIGURES = {"figcaption", "figure", "img"}
_ATTRIBUTES = {
    "*": {"title", "dir", "lang"},
    "a": {"href"},
    "details": {"open"},
    "img": {"src", "alt", "width", "height"},
    "ol": {"start"},
    "td": {"colspan", "rowspan", "style"},
    "th": {"colspan", "rowspan", "scope", "style"},
}
# What is between these tags is no text.
_WITHOUT_CONTENT = {
    "head",
    "iframe",
    "math",
    "noscript",
    "object",
    "script",
    "select",
    "style",
    "svg",
}
_WITHOUT_CONTENT |= {"template", "textarea", "title"}
_OUTWARD = re.compile(r"(?:https?://|mailto:)[^\s<>\"]+", re.IGNORECASE)
_OWN_DATA = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+", re.IGNORECASE)
_ALIGNED = re.compile(r"\s*text-align:\s*(left|right|center)\s*;?\s*", re.IGNORECASE)
_NUMBER = re.compile(r"\d{1,4}")
# The sanitiser writes `<` in no other place than at the start of a tag.
_HEADING = re.compile(r"<(/?)h([1-6])(?=[\s>])")
FIRST_HEADING = 4


@dataclass
class Fragment:
    """What is shown of a text.

    Parameters
    ----------
    html : str
        Harmless, and complete in itself: no tag is left open.
    cut : bool
        Whether there is more in the file.
    refused : list of str
        The addresses of pictures that are not shown.
    """

    html: str
    cut: bool = False
    refused: list[str] = field(default_factory=list)


def read_fragment(path: Path, *, folder: Path, results: Path) -> Fragment | None:
    """Read a text, in Markdown (``.md``) or HTML, and make it harmless.

    Parameters
    ----------
    path : Path
        Of the text. Links and pictures in it are relative to its folder.
    folder : Path
        The script's folder: what lies outside, by its name or through a link of the file system, is refused.
    results : Path
        The folder of the page.

    Returns
    -------
    Fragment or None
        None if the file cannot be read, or lies outside of `folder`.
    """
    if inside(path, folder) is None:
        return None
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST_TEXT + 1)
    except OSError:
        return None
    cut = len(content) > LONGEST_TEXT
    text = content[:LONGEST_TEXT].decode("utf-8-sig", errors="replace")
    if cut:
        text = text.rstrip("\ufffd")
    if path.suffix.lower() == ".md":
        text = _from_markdown(text)
    addresses = _Addresses(path.parent, folder, results)
    return Fragment(_sanitised(text, addresses), cut, addresses.refused)


def _from_markdown(text: str) -> str:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    try:
        return parser.render(text)
    except Exception:  # a text that the parser stumbles over is shown as it is
        return f"<pre>{html.escape(text)}</pre>"


def _sanitised(text: str, addresses: _Addresses) -> str:
    def kept(tag: str, attribute: str, value: str) -> str | None:
        if attribute == "src":
            return addresses.picture(value)
        if attribute == "href":
            return addresses.link(value)
        if attribute == "style":  # Markdown aligns the columns of its tables so
            aligned = _ALIGNED.fullmatch(value)
            return f"text-align:{aligned[1].lower()}" if aligned else None
        if attribute in ("width", "height", "colspan", "rowspan", "start"):
            return value if _NUMBER.fullmatch(value) else None
        return value

    clean = nh3.clean(
        text,
        tags=_TEXT | _BLOCKS | _TABLES | _HEADINGS | _FIGURES,
        attributes=_ATTRIBUTES,
        clean_content_tags=_WITHOUT_CONTENT,
        attribute_filter=kept,
        # `kept` says which of them, and where.
        url_schemes={"http", "https", "mailto", "data"},
        link_rel="noopener noreferrer",
        strip_comments=True,
    )
    return _lowered(clean.strip())


def _lowered(clean: str) -> str:
    """Return it with its highest heading at the fourth level, below those of the page."""
    highest = min((int(level) for _, level in _HEADING.findall(clean)), default=1)
    shift = FIRST_HEADING - highest
    return _HEADING.sub(lambda tag: f"<{tag[1]}h{min(6, int(tag[2]) + shift)}", clean)


class _Addresses:
    """Says what becomes of the addresses in a text."""

    def __init__(self, base: Path, folder: Path, results: Path) -> None:
        self.refused: list[str] = []
        self._base, self._folder, self._results = base, folder, results
        self._pictures: dict[Path, str | None] = {}

    def link(self, address: str) -> str | None:
        """Return an address that can be followed: in the net, or of a file in the script's folder."""
        address = address.strip()
        if _OUTWARD.fullmatch(address):
            return address
        path = self._own_file(address)
        if path is None:
            return None
        try:
            return href(path.relative_to(self._results.resolve()).as_posix())
        except ValueError:
            return None

    def picture(self, address: str) -> str | None:
        """Return a picture as a data URI, or None, and keep in mind that it was refused."""
        address = address.strip()
        if _OWN_DATA.fullmatch(address):
            return address
        path = self._own_file(address)
        found = self._embedded(path) if path else None
        if found is None:
            name = address if len(address) <= LONGEST_NAME else address[: LONGEST_NAME - 1] + "…"
            if name not in self.refused:
                self.refused.append(name)
        return found

    def _embedded(self, path: Path) -> str | None:
        if path not in self._pictures:
            if len(self._pictures) >= MOST_PICTURES:
                return None
            self._pictures[path] = embedded(path, LONGEST_PICTURE)
        return self._pictures[path]

    def _own_file(self, address: str) -> Path | None:
        try:
            parts = urlsplit(address)
        except ValueError:
            return None
        if parts.scheme or parts.netloc or not parts.path or parts.path.startswith(("/", "\\")):
            return None
        path = inside(self._base / unquote(parts.path), self._folder)
        return path if path and path.is_file() else None
