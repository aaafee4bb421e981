"""Links of pages as a forge follows them, led to where the site has what they mean.

A page links to files of the repository. On the site some of these are pages of another name, those of the other
language are in a folder beside this one, and what is no page at all is a copy in `_files`.
"""

from __future__ import annotations

import posixpath
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import unquote

ROOT = Path(__file__).parents[2]

# Files outside of docs/ that a page of docs/ includes; without their language.
PAGES = {
    "README": "docs/index",
    "CHANGELOG": "docs/reference/changes",
    "CONTRIBUTING": "docs/developers/contributing",
    "benchmarks/README": "docs/reference/measured",
    "benchmarks/RESULTS": "docs/reference/measured",
    "config/README": "docs/reference/settings",
}
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s#]+)(#[^()\s]*)?\)")
# Messages name pages of the repository as they are called there.
_NAMED = re.compile(r"(?<![\w/`[])(?<!\]\()((?:docs|config)/[\w/-]+(?:\.fr)?\.md)(?![\w`])")
_FENCE = re.compile(r"^([ \t]*)(`{3,}|~{3,}).*?^\1\2[ \t]*$", re.MULTILINE | re.DOTALL)
_SCHEME = re.compile(r"[a-z]+:")


def setup(app: Any) -> None:
    """Add this to Sphinx."""
    app.connect("source-read", _read_page)
    app.connect("include-read", _read_included)
    app.connect("build-finished", _copy_files)


def _read_page(app: Any, name: str, text: list[str]) -> None:
    text[0] = _outside_of_code(text[0], app, name, f"docs/{name}")


def _read_included(app: Any, path: Any, name: str, text: list[str]) -> None:
    # `name` lacks the folder; `path` begins in that of the pages.
    file = posixpath.normpath(f"docs/{path}")
    text[0] = _outside_of_code(text[0], app, app.env.docname, file)


def _outside_of_code(text: str, app: Any, name: str, file: str) -> str:
    """Return a text with its links led elsewhere, but for those in blocks.

    Parameters
    ----------
    text : str
    app : Sphinx
    name : str
        The page that is being made, such as ``how-to/connect``.
    file : str
        Where the text stands in the repository.
    """

    def led(link: re.Match[str]) -> str:
        return _led(link, app, name, posixpath.dirname(file))

    def named(page: re.Match[str]) -> str:
        up = posixpath.relpath(".", posixpath.dirname(file))
        return f"[{_title(page[0])}]({up}/{page[0]})"

    def linked(prose: str) -> str:
        return _LINK.sub(led, _NAMED.sub(named, _without_other_language(prose, file)))

    parts, end = [], 0
    for block in _FENCE.finditer(text):
        parts += [linked(text[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*parts, linked(text[end:])])


def _led(link: re.Match[str], app: Any, name: str, folder: str) -> str:
    picture, words, target, anchor = link[1], link[2], unquote(link[3]), link[4] or ""
    if _SCHEME.match(target) or target.startswith("/"):
        return link[0]
    file = posixpath.normpath(posixpath.join(folder, target))
    own = posixpath.dirname(f"docs/{name}")
    if picture:
        return f"![{words}]({posixpath.relpath(file, own)})"
    page = _page(file, app.config.language)
    if page is None and not (ROOT / file).is_file():
        return link[0]
    if page is None:
        app.env.segmake_files = getattr(app.env, "segmake_files", set()) | {file}
        return _raw(words, f"{_up(name)}_files/{file}{'.txt' if file.endswith('.md') else ''}")
    if page.endswith(".fr") == (app.config.language == "fr"):
        return f"[{words}]({posixpath.relpath(page, own)}.md{anchor})"
    other = "fr" if page.endswith(".fr") else "en"
    return _raw(words, f"{_up(name)}../{other}/{page.removeprefix('docs/')}.html{anchor}")


def _without_other_language(prose: str, file: str) -> str:
    """Return a text without its link to itself in the other language: each page of the site has a switch for it."""
    name = posixpath.basename(file).removesuffix(".md")
    other = name.removesuffix(".fr") if name.endswith(".fr") else f"{name}.fr"
    link = rf"\[[^\]]*\]\({re.escape(other)}\.md\)"
    return re.sub(rf"\s*\(?(?:(?:En|In)\s+\w+\s?:\s+)?{link}\)?\.?", "", prose)


def _title(file: str) -> str:
    """Return what a page is called on the site, given its name in the repository."""
    page = ROOT / f"{_page(file, '')}.md"
    first = page.read_text(encoding="utf-8").partition("\n")[0] if page.is_file() else ""
    return first.removeprefix("# ") or file


def _page(file: str, language: str) -> str | None:
    """Return which page of the site a file is, without its ending."""
    if not file.endswith(".md"):
        return None
    bare = file.removesuffix(".md").removesuffix(".fr")
    if bare in PAGES:
        # There may be one text for both languages.
        is_french = file.endswith(".fr.md") or (
            language == "fr" and not (ROOT / f"{bare}.fr.md").exists()
        )
        return PAGES[bare] + (".fr" if is_french else "")
    return file.removesuffix(".md") if file.startswith("docs/") else None


def _up(name: str) -> str:
    return "../" * name.count("/")


def _raw(words: str, target: str) -> str:
    return f'<a href="{target}">{words.replace("`", "")}</a>'


def _copy_files(app: Any, exception: Exception | None) -> None:
    for file in getattr(app.env, "segmake_files", ()):
        copy = Path(app.outdir, "_files", f"{file}.txt" if file.endswith(".md") else file)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, copy)
