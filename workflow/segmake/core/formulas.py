"""Keeps text of others, such as the name of a file, from being computed by whoever opens a CSV in a spreadsheet."""

from __future__ import annotations

import re

# A spreadsheet computes text that begins so; the apostrophe is among them so that one can be taken off everywhere.
_FORMULA = re.compile(r"[=+\-@\t\r']")
# A number is none.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z")


def without_formula(text: str) -> str:
    """Return text that no spreadsheet computes: what begins as a formula does gets an apostrophe in front."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.match(text) else text
