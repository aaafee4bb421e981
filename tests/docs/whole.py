"""Whether a page has what each page has: a title, an end that shows what is seen, pictures and pages that are there."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from tests.docs.blocks import Page
from tests.docs.places import NAMES

_END = {False: "What you see", True: "Ce que vous voyez"}
_OUTER = re.compile(r"[a-z]+:")


def faults(page: Page) -> list[str]:
    """Return what a page lacks."""
    found = []
    # That page gets its title from the Snakemake workflow catalog, and from docs/reference/settings.md.
    titled = page.name.startswith("config/README") or (
        page.headings[:1] and page.headings[0][0] == 1
    )
    if not titled:
        found.append(f"{page.name}: begins with no title")
    if page.place and page.place not in NAMES:
        found.append(f"{page.name}: place {page.place}: there are {', '.join(NAMES)}")
    for target, line in [*page.links, *page.pictures]:
        file = unquote(target.partition("#")[0])
        if file and not _OUTER.match(target) and not Path(page.path.parent / file).exists():
            found.append(f"{page.at(line)}: there is no {file}")
    return found + without_end(page)


def without_end(page: Page) -> list[str]:
    """Return what is wrong with the end of a page that leads somewhere: it says what is seen, and shows it."""
    folder = page.path.parent.name
    if folder not in {"tutorial", "how-to"} or page.path.name.startswith("index."):
        return []
    wanted = _END[page.is_french]
    sections = [(text, line) for level, text, line in page.headings if level == 2]
    if not sections or sections[-1][0] != wanted:
        return [f"{page.name}: its last section is not `## {wanted}`"]
    start = sections[-1][1]
    seen = [
        *(line for _, line in page.pictures),
        *(block.line for block in page.blocks if not block.is_directive),
        *(line for code, line in page.code if "/" in code or "." in code),
    ]
    return (
        []
        if any(line > start for line in seen)
        else [f"{page.at(start)}: shows no block, picture or file"]
    )
