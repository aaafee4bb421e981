"""Makes the site of the docs in both languages, and looks whether it is whole: ``python -m segmake.tools.site FOLDER``.

`bash scripts/docs.sh` calls this. The site has one folder for each language, works when it is opened from disk, and
asks nothing of other servers.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from segmake.core import installation
from segmake.tools.slides import write_slides

ROOT = installation.home()
LANGUAGES = {"en": "index.html", "fr": "index.fr.html"}
_WHOLE = {"en": "Open the whole report", "fr": "Ouvrir le rapport entier"}
# The picture of a report on the page of the examples, and the name of the example.
_REPORT = re.compile(r'(<img\b[^>]*\bsrc="[^"]*example-([\w-]+)-report[.\w]*"[^>]*>)')

# What a browser loads by itself, unlike what a reader clicks.
_LOADED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "link": "href",
    "source": "src",
    "video": "src",
}
# Links of the theme that are none to load.
_TOLD = {"canonical", "next", "prev", "search", "index", "author"}

_FRONT = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>SegMake</title>
<link rel="icon" href="en/_static/cells.svg">
<script>
const french = navigator.languages.find((each) => /^(en|fr)/.test(each))?.startsWith("fr");
location.replace(french ? "fr/index.fr.html" : "en/index.html");
</script>
<main>
<h1>SegMake</h1>
<p><a href="en/index.html">In English</a></p>
<p lang="fr"><a href="fr/index.fr.html">En français</a></p>
</main>
</html>
"""


def build(folder: Path, *, outer: bool = False, reports: Path | None = None) -> bool:
    """Make the site of both languages, and return whether nothing was wrong; what was is said on the screen.

    Parameters
    ----------
    folder : Path
        Is made anew.
    outer : bool
        Ask other servers whether what the pages link to is there, in place of making the site.
    reports : Path, optional
        Where whole reports of the examples are, to which their pictures then lead.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="segmake-docs-") as trees:
        started = [
            _start(language, folder / language, Path(trees), outer) for language in LANGUAGES
        ]
        is_right = not any([process.wait() for process in started])
    if outer:
        return is_right
    write_slides(folder)
    if reports:
        add_reports(folder, reports)
    (folder / "index.html").write_text(_FRONT, encoding="utf-8")
    # In each folder, the name that a server shows of itself.
    redirect = '<!doctype html><meta http-equiv="refresh" content="0; url=index.fr.html"><title>SegMake</title>\n'
    (folder / "fr" / "index.html").write_text(redirect, encoding="utf-8")
    # A forge would leave out what begins with an underscore.
    (folder / ".nojekyll").touch()
    return is_right


def add_reports(folder: Path, reports: Path) -> None:
    """Put whole reports of the examples into a site, each behind its picture on the page of the examples.

    Parameters
    ----------
    folder : Path
        The site.
    reports : Path
        Has ``example-NAME.html`` and ``example-NAME.fr.html``; pictures without a report stay as they are.
    """
    for language, index in LANGUAGES.items():
        page = folder / language / "examples" / index
        end = "" if language == "en" else f".{language}"

        text = page.read_text(encoding="utf-8")
        for picture, name in set(_REPORT.findall(text)):
            report = f"example-{name}{end}.html"
            if (reports / report).is_file():
                whole = (reports / report).read_text(encoding="utf-8")
                # The results that a report leads to are not in the site.
                alone = re.sub(r'<a href="\./[^"]*"', "<a", whole)
                (page.parent / report).write_text(alone, encoding="utf-8")
                linked = f'<a href="{report}">{picture}<br>{_WHOLE[language]}</a>'
                text = text.replace(picture, linked)
        page.write_text(text, encoding="utf-8")


def _start(language: str, folder: Path, trees: Path, outer: bool) -> subprocess.Popen[bytes]:
    """Start Sphinx on the pages of a language."""
    command = [sys.executable, "-m", "sphinx", "--builder", "linkcheck" if outer else "html"]
    command += ["--quiet", "--fail-on-warning", "--nitpicky", "--keep-going"]
    command += ["--doctree-dir", str(trees / language), str(ROOT / "docs"), str(folder)]
    # Messages of Sphinx are for whoever writes the docs.
    variables = os.environ | {"SEGMAKE_DOCS": language, "LC_ALL": "C.UTF-8"}
    return subprocess.Popen(command, env=variables)


@dataclass
class _Html(HTMLParser):
    """A page of the site: what it can be linked by, what it links to, and what it loads."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if anchor := said.get("id") or said.get("name"):
            self.anchors.add(anchor)
        if tag == "a" and "href" in said:
            self.links.append(said["href"])
        elif (name := _LOADED.get(tag)) and name in said:
            target = self.links if said.get("rel") in _TOLD else self.loaded
            target.append(said[name])


def faults(folder: Path) -> list[str]:
    """Return which links of a site lead nowhere, and what its pages load from other servers, without asking any."""
    pages = {path.resolve(): _read(path) for path in sorted(folder.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        name = path.relative_to(folder.resolve())
        found += [f"{name}: loads {each}" for each in page.loaded if urlsplit(each).netloc]
        for link in [*page.links, *page.loaded]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                found.append(f"{name}: {link} is not there")
            elif (
                target in pages
                and parts.fragment
                and unquote(parts.fragment) not in pages[target].anchors
            ):
                found.append(f"{name}: {link}: no such heading")
    for style in sorted(folder.rglob("*.css")):
        text = style.read_text(encoding="utf-8")
        if "url(http" in text or "url(//" in text or "@import" in text:
            found.append(f"{style.relative_to(folder)}: loads from another server")
    return found


def _read(path: Path) -> _Html:
    page = _Html()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def main(arguments: list[str] | None = None) -> int:
    """Make the site and check it, and return 1 if something was wrong."""
    parser = argparse.ArgumentParser(prog="python -m segmake.tools.site", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "site")
    parser.add_argument(
        "--outer",
        action="store_true",
        help="ask other servers whether links to them lead somewhere",
    )
    parser.add_argument(
        "--reports",
        type=Path,
        metavar="FOLDER",
        help="whole reports of the examples, to which their pictures then lead",
    )
    typed = parser.parse_args(arguments)
    is_right = build(typed.folder, outer=typed.outer, reports=typed.reports)
    wrong = [] if typed.outer else faults(typed.folder)
    print(*wrong, sep="\n", end="\n" if wrong else "")
    if is_right and not wrong:
        print(
            f"{typed.folder}: {sum(1 for _ in typed.folder.rglob('*.html'))} pages, open index.html there"
        )
    return int(not is_right or bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
