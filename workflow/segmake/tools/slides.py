"""Makes the slides of the workshop from their text, ``docs/workshop/slides*.md``: a file for each language.

    python -m segmake.tools.slides FOLDER

Each is one HTML file with its pictures inside, for a browser, from disk and without a network. What comes before the
first heading of the second level is the first slide; each such heading begins another one.
"""

from __future__ import annotations

import argparse
import base64
import mimetypes
import re
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from segmake.core import installation
from segmake.core.files import write_atomically
from segmake.messages import LANGUAGES

SOURCES = installation.home() / "docs" / "workshop"

_FURTHER_LINK = re.compile(r"https?://")
# In French these stand behind a space, and are not to begin a line.
_MARK = re.compile(r" (?=[?!;:»])|(?<=«) ")

_STYLE = """\
:root { color-scheme: light dark; --ink: light-dark(#1c2733, #e9eef4); --paper: light-dark(#ffffff, #12181f);
  --accent: light-dark(#9a4b00, #ffb454); --box: light-dark(#f1f4f8, #1e2731); --line: light-dark(#c5ced8, #3a4654) }
* { box-sizing: border-box }
html { scroll-snap-type: y mandatory }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: clamp(16px, 2.5vmin + .45vw, 36px)/1.4 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif }
section { min-height: 100vh; scroll-snap-align: start; padding: 5vmin 8vw; display: flex; flex-direction: column;
  justify-content: center; counter-increment: slide; position: relative }
section::after { content: counter(slide); position: absolute; right: 3vw; bottom: 3vmin; font-size: .6em }
section > * { max-width: 46em; margin: .4em 0 }
h1, h2 { line-height: 1.15; margin: 0 0 .5em; color: var(--accent) }
h1 { font-size: 2em } h2 { font-size: 1.5em }
ul, ol { padding-left: 1.1em } li { margin: .35em 0 }
img { max-width: 100%; max-height: 52vh; width: auto; height: auto; align-self: flex-start; background: #fff }
code { background: var(--box); padding: .05em .25em; border-radius: .2em }
pre { background: var(--box); padding: .7em 1em; border-radius: .3em; font-size: .8em; white-space: pre-wrap }
pre code { padding: 0; background: none }
table { border-collapse: collapse } th, td { text-align: left; padding: .3em 1em; border-bottom: 1px solid var(--line) }
@media print { section { min-height: 0; height: 100vh; break-after: page } }
"""

# PageUp, PageDown and the space bar belong to the browser.
_SCRIPT = """\
addEventListener("keydown", (event) => {
  const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
  if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const slides = [...document.querySelectorAll("section")];
  const now = slides.findIndex((slide) => slide.getBoundingClientRect().bottom > innerHeight / 2);
  slides[Math.min(Math.max(now + step, 0), slides.length - 1)].scrollIntoView();
});
"""


def slides_page(source: Path, language: str) -> str:
    """Return slides as one HTML page.

    Parameters
    ----------
    source : Path
        Their text, in Markdown.
    language : {"en", "fr"}

    Raises
    ------
    FileNotFoundError
        If a picture is not there.
    """
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    slides: list[list[Token]] = [[]]
    title = source.stem
    tokens = markdown.parse(_without_comments(source.read_text(encoding="utf-8")))
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "heading_open" and token.tag == "h2":
            slides.append([])
        if before and before.type == "heading_open" and before.tag == "h1":
            title = token.content
        _take_in(token.children or [], source.parent)
        slides[-1].append(token)
    shown = "\n".join(
        f"<section>\n{markdown.renderer.render(slide, markdown.options, {})}</section>"
        for slide in slides
    )
    return (
        f'<!DOCTYPE html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{shown}\n</main>\n<script>\n{_SCRIPT}</script>\n</body>\n</html>\n"
    )


def write_slides(folder: Path) -> list[Path]:
    """Write the slides of each language into a folder, and return the files.

    Parameters
    ----------
    folder : Path
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for language in LANGUAGES:
        suffix = "" if language == "en" else f".{language}"
        page = slides_page(SOURCES / f"slides{suffix}.md", language)
        written.append(folder / f"slides{suffix}.html")
        with write_atomically(written[-1]) as part:
            part.write_text(page, encoding="utf-8")
    return written


def _without_comments(text: str) -> str:
    return re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL)


def _take_in(tokens: list[Token], folder: Path) -> None:
    """Lay the pictures of a line into the page; a link to a page of the docs, which is not beside it, is text."""
    inside = ""
    for token in tokens:
        if token.type == "image":
            token.attrSet("src", _as_data(folder / str(token.attrGet("src"))))
        elif token.type == "link_open":
            inside = str(token.attrGet("href"))
        elif token.type == "text":
            token.content = _MARK.sub("\N{NO-BREAK SPACE}", token.content)
        if token.type in {"link_open", "link_close"} and not _FURTHER_LINK.match(inside):
            token.tag = "span"
            token.attrs = {}


def _as_data(picture: Path) -> str:
    kind = mimetypes.guess_type(picture.name)[0] or "image/png"
    return f"data:{kind};base64,{base64.b64encode(picture.read_bytes()).decode('ascii')}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m segmake.tools.slides")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    for path in write_slides(parser.parse_args().folder):
        print(path)
