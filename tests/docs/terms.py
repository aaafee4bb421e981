"""Words that French pages do not use: those of the column `avoid` in docs/terms.tsv."""

from __future__ import annotations

import csv
import re
from functools import cache

from tests.docs.blocks import Page
from tests.projects import ROOT

TABLE = ROOT / "docs" / "terms.tsv"


@cache
def avoided() -> dict[re.Pattern[str], str]:
    """Return each word that is to be avoided, as a pattern, and the French that is used instead."""
    found: dict[re.Pattern[str], str] = {}
    if not TABLE.is_file():
        return found
    with TABLE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            for word in filter(None, map(str.strip, (row["avoid"] or "").split("|"))):
                # Not a part of an address or of the name of a file.
                pattern = rf"(?<![\w.@/-]){re.escape(word)}(?![\w@/-]|\.\w)"
                found[re.compile(pattern, re.IGNORECASE)] = row["french"]
    return found


def faults(page: Page) -> list[str]:
    """Return where a French page has a word that is to be avoided; code and links are not looked at."""
    if not page.is_french:
        return []
    return [
        f"{page.at(line)}: {word[0]!r}, which we call {instead!r}"
        for text, line in page.prose
        for pattern, instead in avoided().items()
        if (word := pattern.search(text))
    ]
