"""What each section of the pages says, in a file that the search can read from disk: `_static/sections.js`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from docutils import nodes

# No reader sees these.
_UNSEEN = (nodes.Invisible, nodes.raw, nodes.title, nodes.section)


def setup(app: Any) -> None:
    """Add this to Sphinx."""
    app.connect("doctree-resolved", _read_page)
    app.connect("build-finished", _write)


def _read_page(app: Any, tree: nodes.document, name: str) -> None:
    pages = app.env.segmake_sections = getattr(app.env, "segmake_sections", {})
    pages[name] = [
        {
            "heading": section[0].astext(),
            # A page begins with its first section.
            "anchor": f"#{section['ids'][0]}" if isinstance(section.parent, nodes.section) else "",
            "text": _text(section),
        }
        for section in tree.findall(nodes.section)
    ]


def _text(section: nodes.section) -> str:
    """Return what stands in a section itself, not in those within it."""
    parts = [part.astext() for part in section.children if not isinstance(part, _UNSEEN)]
    return " ".join(" ".join(parts).split())


def _write(app: Any, exception: Exception | None) -> None:
    pages = getattr(app.env, "segmake_sections", {})
    if exception is None and app.builder.name == "html":
        text = json.dumps(pages, ensure_ascii=False, separators=(",", ":"))
        Path(app.outdir, "_static", "sections.js").write_text(
            f"const sections = {text};\n", encoding="utf-8"
        )
