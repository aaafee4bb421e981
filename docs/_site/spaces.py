"""French puts a space before some marks: none of them begins a line."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes

_MARK = re.compile(r" (?=[?!;:»](?:\W|$))|(?<=«) ")


def setup(app: Any) -> None:
    """Add this to Sphinx."""
    app.connect("doctree-read", _keep_together)


def _keep_together(app: Any, tree: nodes.document) -> None:
    if app.config.language != "fr":
        return
    for text in list(tree.findall(nodes.Text)):
        parent: nodes.Node | None = text.parent
        while parent is not None and not isinstance(
            parent, nodes.literal | nodes.literal_block | nodes.raw
        ):
            parent = parent.parent
        if parent is None and (firm := _MARK.sub("\N{NO-BREAK SPACE}", text)) != text:
            text.parent.replace(text, nodes.Text(firm))
